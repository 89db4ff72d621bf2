// SPDX-License-Identifier: Apache-2.0
//! What is wrong with which field: the errors that make up an `Invalid` answer.
//!
//! Texts are those of Kubernetes' `field.Error` (1.36), because clients and scripts match them.

use std::fmt;

use serde_json::Value;

use crate::go;

/// Where a field lies, written `spec.containers[0].name` or `metadata.labels[a/b]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(String);

impl Path {
    /// A top-level field.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Nowhere yet: the first child begins the path.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// A field of the structure here.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// An item of the list here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// An entry of the map here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Go prints a path that was never given this way; selectors' errors show it to users.
        f.write_str(if self.0.is_empty() { "<nil>" } else { &self.0 })
    }
}

/// What kind of error it is; the `reason` of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// A value that refers to something does not find it.
    NotFound,
    /// A value is missing.
    Required,
    /// A value that must be unique is not.
    Duplicate,
    /// A value is malformed.
    Invalid,
    /// A value is none of those allowed.
    NotSupported,
    /// A value is not allowed here or now.
    Forbidden,
    /// A value is too long; it is not repeated in the text.
    TooLong,
    /// A value is too short.
    TooShort,
    /// A list has too many items.
    TooMany,
    /// A list has too few items.
    TooFew,
    /// Not the client's fault.
    Internal,
    /// A value has another JSON type than the schema says.
    TypeInvalid,
}

impl ErrorType {
    /// The `reason` of a cause in a Status.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooShort => "FieldValueTooShort",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooShort => "Too short",
            Self::TooMany => "Too many",
            Self::TooFew => "Too few",
            Self::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(
            self,
            Self::Required | Self::Forbidden | Self::TooLong | Self::TooShort | Self::Internal
        )
    }
}

/// One thing that is wrong with one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// What kind of error.
    pub kind: ErrorType,
    /// Where.
    pub field: String,
    /// The value, where the text shows it.
    pub value: Option<Value>,
    /// Why; may be empty.
    pub detail: String,
}

impl Error {
    fn new(kind: ErrorType, path: &Path, value: Option<Value>, detail: impl Into<String>) -> Self {
        Self { kind, field: path.to_string(), value, detail: detail.into() }
    }

    /// `Required value`.
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Required, path, None, detail)
    }

    /// `Invalid value: …`.
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Invalid, path, Some(value.into()), detail)
    }

    /// `Invalid value: …` of a value that has the wrong JSON type.
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::TypeInvalid, path, Some(value.into()), detail)
    }

    /// `Unsupported value: …: supported values: …`, in the order given.
    pub fn not_supported(path: &Path, value: impl Into<Value>, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|it| go::quote(it)).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        Self::new(ErrorType::NotSupported, path, Some(value.into()), detail)
    }

    /// `Duplicate value: …`.
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(ErrorType::Duplicate, path, Some(value.into()), "")
    }

    /// `Not found: …`.
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(ErrorType::NotFound, path, Some(value.into()), "")
    }

    /// `Forbidden`.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, path, None, detail)
    }

    /// `Too long: may not be more than N bytes`.
    #[must_use]
    pub fn too_long(path: &Path, limit: usize) -> Self {
        let detail = format!("may not be more than {limit} byte{}", plural(limit));
        Self::new(ErrorType::TooLong, path, None, detail)
    }

    /// `Too long: may not be more than N characters`.
    #[must_use]
    pub fn too_long_characters(path: &Path, limit: usize) -> Self {
        let detail = format!("may not be more than {limit} character{}", plural(limit));
        Self::new(ErrorType::TooLong, path, None, detail)
    }

    /// `Too short: must be at least N characters`.
    #[must_use]
    pub fn too_short(path: &Path, limit: usize) -> Self {
        let detail = format!("must be at least {limit} character{}", plural(limit));
        Self::new(ErrorType::TooShort, path, None, detail)
    }

    /// `Too many: N: must have at most M items`.
    #[must_use]
    pub fn too_many(path: &Path, actual: usize, limit: usize) -> Self {
        let detail = format!("must have at most {limit} item{}", plural(limit));
        Self::new(ErrorType::TooMany, path, Some(actual.into()), detail)
    }

    /// `Internal error: …`.
    pub fn internal(path: &Path, cause: impl fmt::Display) -> Self {
        Self::new(ErrorType::Internal, path, None, cause.to_string())
    }

    /// The text without the field's name, as a cause's `message` has it.
    #[must_use]
    pub fn body(&self) -> String {
        let mut text = self.kind.text().to_owned();
        if self.kind.shows_value()
            && let Some(value) = &self.value
        {
            text.push_str(": ");
            match value {
                Value::String(it) => text.push_str(&go::quote(it)),
                other => text.push_str(&go::json(other)),
            }
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for Error {}

/// Everything that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErrorList(pub Vec<Error>);

impl ErrorList {
    /// No errors yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// Adds an `Invalid` for each message.
    pub fn invalid_each(&mut self, path: &Path, value: &str, messages: Vec<String>) {
        self.0.extend(messages.into_iter().map(|it| Error::invalid(path, value, it)));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The errors in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.0.iter()
    }

    /// `Ok` when nothing is wrong.
    ///
    /// # Errors
    /// The list itself when it is not empty.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl Extend<Error> for ErrorList {
    fn extend<T: IntoIterator<Item = Error>>(&mut self, errors: T) {
        self.0.extend(errors);
    }
}

impl FromIterator<Error> for ErrorList {
    fn from_iter<T: IntoIterator<Item = Error>>(errors: T) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl IntoIterator for ErrorList {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ErrorList {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl From<Error> for ErrorList {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

/// One error as it is; several, without repetitions, as `[a, b]`.
impl fmt::Display for ErrorList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut seen: Vec<String> = Vec::with_capacity(self.0.len());
        for error in &self.0 {
            let text = error.to_string();
            if !seen.contains(&text) {
                seen.push(text);
            }
        }
        match seen.as_slice() {
            [one] => f.write_str(one),
            all => write!(f, "[{}]", all.join(", ")),
        }
    }
}

impl std::error::Error for ErrorList {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_are_written_as_kubernetes_does() {
        let path = Path::new("spec").child("containers").index(0).child("env").key("a/b");
        assert_eq!(path.to_string(), "spec.containers[0].env[a/b]");
        assert_eq!(Path::root().child("key").to_string(), "key");
        assert_eq!(Path::root().to_string(), "<nil>");
    }

    #[test]
    fn texts_of_each_type() {
        let path = Path::new("spec").child("x");
        let text = |error: Error| error.to_string();
        assert_eq!(text(Error::required(&path, "")), "spec.x: Required value");
        assert_eq!(text(Error::required(&path, "why")), "spec.x: Required value: why");
        assert_eq!(text(Error::invalid(&path, "a", "bad")), "spec.x: Invalid value: \"a\": bad");
        assert_eq!(text(Error::invalid(&path, -1, "bad")), "spec.x: Invalid value: -1: bad");
        assert_eq!(
            text(Error::invalid(&path, json!({"a": ["b"]}), "bad")),
            "spec.x: Invalid value: {\"a\":[\"b\"]}: bad"
        );
        assert_eq!(
            text(Error::not_supported(&path, "c", &["a", "b"])),
            "spec.x: Unsupported value: \"c\": supported values: \"a\", \"b\""
        );
        assert_eq!(text(Error::duplicate(&path, "a")), "spec.x: Duplicate value: \"a\"");
        assert_eq!(text(Error::not_found(&path, "a")), "spec.x: Not found: \"a\"");
        assert_eq!(text(Error::forbidden(&path, "no")), "spec.x: Forbidden: no");
        assert_eq!(
            text(Error::too_long(&path, 1)),
            "spec.x: Too long: may not be more than 1 byte"
        );
        assert_eq!(
            text(Error::too_many(&path, 3, 2)),
            "spec.x: Too many: 3: must have at most 2 items"
        );
        assert_eq!(text(Error::internal(&path, "oh")), "spec.x: Internal error: oh");
    }

    #[test]
    fn lists_drop_repetitions() {
        let path = Path::new("a");
        let one = Error::required(&path, "");
        let list: ErrorList = [one.clone(), one.clone()].into_iter().collect();
        assert_eq!(list.to_string(), "a: Required value");
        let list: ErrorList = [one, Error::forbidden(&path, "no")].into_iter().collect();
        assert_eq!(list.to_string(), "[a: Required value, a: Forbidden: no]");
    }
}
