// SPDX-License-Identifier: Apache-2.0
//! Field selectors: `metadata.name=x,status.phase!=Running`.
//!
//! Which fields a kind can be selected by is the kind's affair; here they are only names.

use std::fmt;
use std::str::FromStr;

use super::{MAX_LENGTH, SelectorError};

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldRequirement {
    /// The field, for example `metadata.name`.
    pub field: String,
    /// Whether the value must differ instead.
    pub negated: bool,
    /// The value.
    pub value: String,
}

/// Conditions that all have to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// Selects everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects the object of that name.
    pub fn name(name: impl Into<String>) -> Self {
        let field = "metadata.name".to_owned();
        Self { requirements: vec![FieldRequirement { field, negated: false, value: name.into() }] }
    }

    /// Reads a `fieldSelector` parameter.
    ///
    /// # Errors
    /// With Kubernetes' text when it is not understood.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MAX_LENGTH {
            return Err(SelectorError::TooLong);
        }
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let mut requirements = Vec::with_capacity(terms.len());
        for term in terms.into_iter().filter(|it| !it.is_empty()) {
            let Some((field, negated, value)) = split_term(term) else {
                return Err(SelectorError::Term {
                    selector: text.to_owned(),
                    term: term.to_owned(),
                });
            };
            let value = unescape(value)?;
            // A term that says nothing at all is dropped.
            if !field.is_empty() || !value.is_empty() {
                requirements.push(FieldRequirement { field: field.to_owned(), negated, value });
            }
        }
        Ok(Self { requirements })
    }

    /// The conditions.
    #[must_use]
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The value that a field must have, if one is demanded: a list by name need not read all objects.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.requirements
            .iter()
            .find(|it| it.field == field && !it.negated)
            .map(|it| it.value.as_str())
    }

    /// Whether all fields are known: `metadata.name`, `metadata.namespace` and those of the kind.
    ///
    /// # Errors
    /// With the text that Kubernetes gives for kinds with or without fields of their own.
    pub fn check(&self, own: &[&str]) -> Result<(), SelectorError> {
        for requirement in &self.requirements {
            let field = requirement.field.as_str();
            if matches!(field, "metadata.name" | "metadata.namespace") || own.contains(&field) {
                continue;
            }
            return Err(if own.is_empty() {
                SelectorError::FieldUnknown(field.to_owned())
            } else {
                SelectorError::FieldNotSupported(field.to_owned())
            });
        }
        Ok(())
    }

    /// Whether all conditions hold; `value` gives a field's value, empty when it has none.
    pub fn matches<'a>(&self, mut value: impl FnMut(&str) -> std::borrow::Cow<'a, str>) -> bool {
        self.requirements.iter().all(|it| (value(&it.field) == it.value) != it.negated)
    }
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == ',' {
            terms.push(&text[start..at]);
            start = at + 1;
        }
    }
    terms.push(&text[start..]);
    terms
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    for (at, _) in term.char_indices() {
        let rest = &term[at..];
        for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
            if let Some(value) = rest.strip_prefix(operator) {
                return Some((&term[..at], negated, value));
            }
        }
    }
    None
}

fn unescape(text: &str) -> Result<String, SelectorError> {
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => value.push(c),
                Some(c) => return Err(SelectorError::Escape(format!("\\{c}"))),
                None => return Err(SelectorError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(SelectorError::Unescaped(c)),
            c => value.push(c),
        }
    }
    Ok(value)
}

impl FromStr for FieldSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

/// The form of a query parameter.
impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, it) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{}{}", it.field, if it.negated { "!=" } else { "=" })?;
            for c in it.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
