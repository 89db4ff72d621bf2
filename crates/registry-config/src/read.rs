// SPDX-License-Identifier: Apache-2.0
//! Reading the tree into typed values, guided by the schema.
//!
//! A reader never stops at an error: it notes it, takes the default, and goes on, so that one start
//! shows everything that is wrong. The result is used only when nothing was noted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::duration::parse_duration;
use crate::problem::{Error, Origin, Problem, Warning, WarningKind};
use crate::schema::{Key, Leaf, Section, Shape};
use crate::suggest::nearest;
use crate::value::{ByteSize, Secret, Url};
use crate::yaml::{Mapping, Node, Value, scalar};

/// A type that a key can have.
pub(crate) trait Setting: Sized {
    /// The type, for the schema.
    const SHAPE: Shape;

    /// Reads a value; `None` after the error was noted. Null is read only where a key has no
    /// default, and then it stands for "not given".
    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self>;
}

/// The way from the root to a key. Lives on the stack while reading; printed only in messages.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    part: &'a str,
    /// The original's message for a wrong value of this key.
    wrong: Option<&'static str>,
}

impl<'a> Path<'a> {
    pub(crate) const ROOT: Path<'static> = Path { parent: None, part: "", wrong: None };

    pub(crate) fn child(&'a self, part: &'a str) -> Path<'a> {
        Path { parent: Some(self), part, wrong: None }
    }

    fn key(&'a self, key: &Key) -> Path<'a> {
        Path { parent: Some(self), part: key.name, wrong: key.wrong }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if parent.parent.is_some() && !self.part.starts_with('[') {
                f.write_str(".")?;
            }
        }
        // A key of the file may hold line breaks; a message is one line.
        self.part.escape_debug().fmt(f)
    }
}

/// A section that is being read: where it is and what was written in it.
pub(crate) struct Scope<'a> {
    pub(crate) at: &'a Path<'a>,
    pub(crate) map: &'a Mapping,
    pub(crate) origin: &'a Origin,
}

impl Scope<'_> {
    /// Whether a key was written, with a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|node| !node.is_null())
    }

    /// Where a key was written, or else its section.
    pub(crate) fn origin_of(&self, key: &str) -> &Origin {
        self.map.get(key).map_or(self.origin, |node| &node.origin)
    }
}

/// Collects what is noted while reading.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) errors: Vec<Error>,
    pub(crate) warnings: Vec<Warning>,
    /// Parameters of storage drivers are untyped in the original, and drivers take `"true"` for
    /// true; everywhere else a quoted word is a string.
    lenient: bool,
}

impl Reader {
    pub(crate) fn error(&mut self, at: &Path<'_>, origin: &Origin, problem: Problem) {
        self.errors.push(Error { key: at.to_string(), origin: origin.clone(), problem });
    }

    pub(crate) fn warn(&mut self, at: &Path<'_>, origin: &Origin, kind: WarningKind, text: String) {
        self.warnings.push(Warning { kind, key: at.to_string(), origin: origin.clone(), text });
    }

    /// Notes a value that its type does not allow.
    pub(crate) fn wrong<T: Setting>(&mut self, node: &Node, at: &Path<'_>) {
        let (expected, show) = match T::SHAPE {
            Shape::Leaf(Leaf { choices: [], expected, secret, .. }) => {
                (expected.to_owned(), !secret)
            }
            Shape::Leaf(Leaf { choices, .. }) => (format!("one of [{}]", choices.join(", ")), true),
            Shape::Section(_) | Shape::Map(_) => ("a map of keys".to_owned(), false),
            Shape::List(_) => ("a list".to_owned(), false),
        };
        self.wrong_value(node, at, &expected, show);
    }

    /// Notes a value that is not what was expected. `show` is false where the value may be secret.
    pub(crate) fn wrong_value(&mut self, node: &Node, at: &Path<'_>, expected: &str, show: bool) {
        let (plain, quoted) = match &node.value {
            Value::Scalar { text, .. } if show => {
                let text: String = text.chars().take(200).collect();
                // The original's texts print the value as it is; keep them on one line.
                (text.replace(char::is_control, " "), format!("{text:?}"))
            }
            other => (other.kind().to_owned(), format!("({})", other.kind())),
        };
        let text = match at.wrong {
            Some(text) if text.contains("{}") => {
                text.replace("{where}", &place_of(node, at)).replace("{}", &plain)
            }
            Some(text) => format!("{text}: {quoted} is not {expected}"),
            None => format!("invalid value {quoted}: expected {expected}"),
        };
        self.error(at, &node.origin, Problem::Value(text));
    }

    /// The text of a scalar; of null, the empty text.
    pub(crate) fn text<'n, T: Setting>(
        &mut self,
        node: &'n Node,
        at: &Path<'_>,
    ) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Null => Some(""),
            _ => {
                self.wrong::<T>(node, at);
                None
            }
        }
    }

    /// The text of a scalar that may be read as something else than a string.
    fn plain<'n>(&self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, plain } if *plain || self.lenient => Some(text),
            _ => None,
        }
    }

    /// Reads a section: a map whose keys are known.
    pub(crate) fn section<T: Setting>(
        &mut self,
        node: &Node,
        at: &Path<'_>,
        section: &'static Section,
        read: impl FnOnce(&Scope<'_>, &mut Self) -> T,
    ) -> Option<T> {
        let empty = Mapping::default();
        let map = match &node.value {
            Value::Mapping(map) => map,
            Value::Null => &empty,
            _ => {
                self.wrong::<T>(node, at);
                return None;
            }
        };
        let scope = Scope { at, map, origin: &node.origin };
        if !section.open {
            self.report_unknown_keys(&scope, section);
        }
        Some(read(&scope, self))
    }

    /// Reads the parameters of a driver, leniently as drivers do.
    pub(crate) fn lenient<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.lenient, true);
        let result = read(self);
        self.lenient = before;
        result
    }

    fn report_unknown_keys(&mut self, scope: &Scope<'_>, section: &Section) {
        for (name, node) in scope.map.iter() {
            if section.names().any(|known| known == name) {
                continue;
            }
            let shown: String = name.chars().take(100).collect();
            let at = scope.at.child(&shown);
            let mut text = format!("ignoring unknown key {at}");
            if let Some(suggestion) = nearest(name, section.names()) {
                text.push_str(&format!("; did you mean {suggestion}?"));
            }
            self.warn(&at, &node.origin, WarningKind::UnknownKey, text);
        }
    }

    /// Reads a key, or its default where it is absent or null.
    pub(crate) fn key<T: Setting>(&mut self, scope: &Scope<'_>, key: &'static Key) -> T {
        let at = scope.at.key(key);
        if let Some(node) = self.written(scope, key)
            && let Some(value) = T::read(node, &at, self)
        {
            return value;
        }
        T::read(&Node::from_default(key.default), &at, self)
            .expect("every default of the schema is valid: test `defaults_are_valid`")
    }

    /// As [`Self::key`], for a key whose values have a least and a greatest.
    pub(crate) fn key_in_range<T: Setting + PartialOrd>(
        &mut self,
        scope: &Scope<'_>,
        key: &'static Key,
    ) -> T {
        let value = self.key::<T>(scope, key);
        let (Some((from, to)), Some(node)) = (key.range, lookup(scope.map, key)) else {
            return value;
        };
        let at = scope.at.key(key);
        let mut bound = |text| {
            T::read(&Node::from_default(text), &at, self)
                .expect("every bound of the schema is valid: test `defaults_are_valid`")
        };
        if value < bound(from) || value > bound(to) {
            self.wrong_value(node, &at, &format!("a value from {from} to {to}"), true);
        }
        value
    }

    /// The node of a key that was written with a value, under its name or an alias.
    fn written<'n>(&mut self, scope: &Scope<'n>, key: &Key) -> Option<&'n Node> {
        let node = lookup(scope.map, key).filter(|node| !node.is_null())?;
        if let Some(reason) = key.ignored {
            let at = scope.at.child(key.name);
            self.warn(
                &at,
                &node.origin,
                WarningKind::NoEffect,
                format!("{at} has no effect: {reason}"),
            );
        }
        Some(node)
    }

    /// Notes a key without default that is missing.
    pub(crate) fn require(&mut self, scope: &Scope<'_>, key: &str) {
        if !scope.has(key) {
            let at = scope.at.child(key);
            self.error(&at, scope.origin, Problem::Missing("a value is required".to_owned()));
        }
    }
}

/// Who said it, for texts that name it: the variable, or else the key.
pub(crate) fn place_of(node: &Node, at: &Path<'_>) -> String {
    match &node.origin {
        Origin::Variable(name) => name.to_string(),
        _ => at.to_string(),
    }
}

/// The node of a key, under its name or else an alias.
pub(crate) fn lookup<'n>(map: &'n Mapping, key: &Key) -> Option<&'n Node> {
    map.get(key.name).or_else(|| key.aliases.iter().find_map(|alias| map.get(alias)))
}

/// A leaf of the schema without a fixed set of words.
pub(crate) const fn leaf(name: &'static str, expected: &'static str) -> Shape {
    Shape::Leaf(Leaf { name, expected, choices: &[], secret: false })
}

impl Setting for bool {
    const SHAPE: Shape = leaf("boolean", "a boolean (true or false, without quotes)");

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let value = reader.plain(node).and_then(scalar::boolean);
        if value.is_none() {
            reader.wrong::<Self>(node, at);
        }
        value
    }
}

macro_rules! integers {
    ($($ty:ty),*) => { $(
        impl Setting for $ty {
            const SHAPE: Shape = leaf("integer", "a whole number that is not negative");

            fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
                let value = reader
                    .plain(node)
                    .and_then(scalar::integer)
                    .and_then(|value| Self::try_from(value).ok());
                if value.is_none() {
                    reader.wrong::<Self>(node, at);
                }
                value
            }
        }
    )* };
}
integers!(u16, u32, u64, usize);

impl Setting for String {
    const SHAPE: Shape = leaf("string", "a single value");

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        reader.text::<Self>(node, at).map(str::to_owned)
    }
}

impl Setting for Secret {
    const SHAPE: Shape = Shape::Leaf(Leaf {
        name: "secret",
        expected: "a single value",
        choices: &[],
        secret: true,
    });

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        reader.text::<Self>(node, at).map(Self::new)
    }
}

impl Setting for Duration {
    const SHAPE: Shape = leaf("duration", "a duration such as 500ms, 29s, 1m30s or 168h");

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let Value::Scalar { text, plain } = &node.value else {
            reader.wrong::<Self>(node, at);
            return None;
        };
        if let Some(duration) = parse_duration(text) {
            return Some(duration);
        }
        // yaml.v2 stores a bare number into Go's duration as it is: nanoseconds.
        let nanos = if *plain { scalar::integer(text) } else { None };
        let Some(nanos) = nanos.and_then(|nanos| u64::try_from(nanos).ok()) else {
            reader.wrong::<Self>(node, at);
            return None;
        };
        let text =
            format!("{at}: {nanos} without unit counts nanoseconds; write {nanos}s for seconds");
        reader.warn(at, &node.origin, WarningKind::Doubtful, text);
        Some(Self::from_nanos(nanos))
    }
}

impl Setting for ByteSize {
    const SHAPE: Shape = leaf("size", "a number of bytes such as 4194304, 64KiB, 4MiB or 1GiB");

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let size = reader.text::<Self>(node, at).map(Self::parse)?;
        if size.is_none() {
            reader.wrong::<Self>(node, at);
        }
        size
    }
}

impl Setting for Url {
    const SHAPE: Shape = Shape::Leaf(Leaf {
        name: "URL",
        expected: "a URL such as https://host/path: http:// or https://, and a host",
        choices: &[],
        // It may hold credentials.
        secret: true,
    });

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let url = reader.text::<Self>(node, at).map(Self::parse)?;
        if url.is_none() {
            reader.wrong::<Self>(node, at);
        }
        url
    }
}

impl<T: Setting> Setting for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Null => Some(None),
            // A variable set to "" means "unset" in every deployment tool.
            Value::Scalar { text, .. } if text.is_empty() => Some(None),
            _ => T::read(node, at, reader).map(Some),
        }
    }
}

impl<T: Setting> Setting for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            reader.wrong::<Self>(node, at);
            return None;
        };
        let mut list = Self::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let index = format!("[{index}]");
            list.extend(T::read(item, &at.child(&index), reader));
        }
        Some(list)
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Map(&T::SHAPE);

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let Value::Mapping(map) = &node.value else {
            reader.wrong::<Self>(node, at);
            return None;
        };
        let mut values = Self::new();
        for (name, node) in map.iter() {
            if let Some(value) = T::read(node, &at.child(name), reader) {
                values.insert(name.to_owned(), value);
            }
        }
        Some(values)
    }
}
