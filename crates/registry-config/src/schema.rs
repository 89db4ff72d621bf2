// SPDX-License-Identifier: Apache-2.0
//! The schema: one table of all keys, from which validation, the overlay of variables, the typed
//! configuration and the reference manual come.
//!
//! The table is written with [`settings!`] and [`choices!`] in `config/`: a section is a struct
//! whose fields carry their YAML key, their default (written as in the file) and their sentence of
//! documentation. The macro makes the struct, the constant [`Section`] and the reader, so that none
//! of them can disagree with the others.

/// A section: a map with known keys.
#[derive(Debug)]
pub struct Section {
    /// What the section is for: the lines of its documentation.
    pub about: &'static [&'static str],
    /// The keys, in the order of the reference.
    pub keys: &'static [Key],
    /// Whether unknown keys have a meaning of their own (the name of a driver).
    pub open: bool,
}

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// The name in the file.
    pub name: &'static str,
    /// Older or other names with the same meaning.
    pub aliases: &'static [&'static str],
    /// The part of the variable's name, where it is not the upper-cased key (registry.md 4.2).
    pub variable: Option<&'static str>,
    /// What the key does: the lines of its documentation.
    pub about: &'static [&'static str],
    /// The default, written as in the file; empty when there is none.
    pub default: &'static str,
    /// Least and greatest value, written as in the file.
    pub range: Option<(&'static str, &'static str)>,
    /// The original registry's text for a wrong value; `{}` stands for the value, `{where}` for the
    /// variable that holds it, or else for the key.
    pub wrong: Option<&'static str>,
    /// Why the key changes nothing, for those that are only parsed.
    pub ignored: Option<&'static str>,
    /// The type of the value.
    pub shape: Shape,
}

/// The type of a value.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A single value.
    Leaf(Leaf),
    /// A map with known keys.
    Section(&'static Section),
    /// A list of values of one type.
    List(&'static Shape),
    /// A map from free names to values of one type.
    Map(&'static Shape),
}

/// The type of a single value.
#[derive(Debug, Clone, Copy)]
pub struct Leaf {
    /// A word for the reference: `boolean`, `duration`.
    pub name: &'static str,
    /// What is expected, for messages and the reference.
    pub expected: &'static str,
    /// The allowed words, when there is a fixed set.
    pub choices: &'static [&'static str],
    /// Whether the value must not be shown.
    pub secret: bool,
}

impl Section {
    /// The key that a part of a variable's name stands for. The upper-cased YAML name is accepted
    /// beside the name of the original's field.
    pub(crate) fn key_of_variable(&self, part: &str) -> Option<&'static Key> {
        let matches = |name: &str| {
            name.len() == part.len()
                && name.bytes().zip(part.bytes()).all(|(a, b)| a.to_ascii_uppercase() == b)
        };
        self.keys.iter().find(|key| {
            key.variable.is_some_and(|name| name == part)
                || matches(key.name)
                || key.aliases.iter().any(|alias| matches(alias))
        })
    }

    /// All names that the section knows, aliases included.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys
            .iter()
            .flat_map(|key| std::iter::once(key.name).chain(key.aliases.iter().copied()))
    }
}

/// Declares a section: the public struct, its place in the schema, and how it is read.
///
/// ```text
/// settings! {
///     /// What the section is for.
///     pub struct Http checked by check_http {
///         /// What the key does.
///         "draintimeout" => drain_timeout: Duration = "29s" in "0s" .. "1h";
///     }
/// }
/// ```
///
/// After the key: `also "old"` for another name, `env "NAME"` for the part of the variable.
/// After the default: `in "a" .. "b"` for a range, `wrong "text {}"` for the original's message,
/// `ignored "reason"` for a key without effect. `checked by f` runs `f` on the section as read,
/// `open to drivers` lets unknown keys pass.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident $(checked by $check:path)? $(, open to $open:ident)? {
            $(
                $(#[doc = $doc:literal])+
                $key:literal $(also $alias:literal)* $(env $env:literal)?
                    => $field:ident : $ty:ty = $default:literal
                    $(in $from:literal .. $to:literal)?
                    $(wrong $wrong:literal)?
                    $(ignored $ignored:literal)?;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $ty, )*
        }

        impl $name {
            /// The section's part of the schema.
            pub const SECTION: &'static $crate::schema::Section = &$crate::schema::Section {
                about: &[$($about),+],
                open: false $(|| !stringify!($open).is_empty())?,
                keys: &[ $( $crate::schema::Key {
                    name: $key,
                    aliases: &[$($alias),*],
                    variable: settings!(@option $($env)?),
                    about: &[$($doc),+],
                    default: $default,
                    range: settings!(@option $(($from, $to))?),
                    wrong: settings!(@option $($wrong)?),
                    ignored: settings!(@option $($ignored)?),
                    shape: <$ty as $crate::read::Setting>::SHAPE,
                } ),* ],
            };
        }

        impl $crate::read::Setting for $name {
            const SHAPE: $crate::schema::Shape = $crate::schema::Shape::Section(Self::SECTION);

            #[allow(unused_mut, unused_variables, reason = "a section may have no keys or no check")]
            fn read(
                node: &$crate::yaml::Node,
                at: &$crate::read::Path<'_>,
                reader: &mut $crate::read::Reader,
            ) -> Option<Self> {
                reader.section(node, at, Self::SECTION, |scope, reader| {
                    let mut keys = Self::SECTION.keys.iter();
                    $(
                        let key = keys.next().expect("the schema has one key for each field");
                        let $field = settings!(@read reader, scope, key, $ty $(, $from)?);
                    )*
                    let mut section = Self { $($field),* };
                    $( $check(&mut section, scope, reader); )?
                    section
                })
            }
        }
    };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
    (@read $reader:ident, $scope:ident, $key:ident, $ty:ty) => {
        $reader.key::<$ty>($scope, $key)
    };
    (@read $reader:ident, $scope:ident, $key:ident, $ty:ty, $from:literal) => {
        $reader.key_in_range::<$ty>($scope, $key)
    };
}

/// Declares a word with a fixed set of values, compared without regard to case.
macro_rules! choices {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal $(| $other:literal)* ),* $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant, )*
        }

        impl $name {
            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl $crate::read::Setting for $name {
            const SHAPE: $crate::schema::Shape = $crate::schema::Shape::Leaf($crate::schema::Leaf {
                name: "word",
                expected: "one of the allowed words",
                choices: &[$($word, $($other,)*)*],
                secret: false,
            });

            fn read(
                node: &$crate::yaml::Node,
                at: &$crate::read::Path<'_>,
                reader: &mut $crate::read::Reader,
            ) -> Option<Self> {
                let word = reader.text::<Self>(node, at)?;
                $(
                    if word.eq_ignore_ascii_case($word)
                        $(|| word.eq_ignore_ascii_case($other))* {
                        return Some(Self::$variant);
                    }
                )*
                reader.wrong::<Self>(node, at);
                None
            }
        }
    };
}
