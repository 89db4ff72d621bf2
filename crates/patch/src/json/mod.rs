// SPDX-License-Identifier: Apache-2.0
//! JSON patch, RFC 6902, as the RFC says and as kube-apiserver does it.
//!
//! The two differ where kube-apiserver is lenient; [`Dialect`] lists how. What a client sees of a failure is only that
//! there was one ([`REJECTED`]); the detail is for logs.

mod operation;
mod pointer;

use serde_json::Value;
use thiserror::Error;

use crate::{Answer, MAX_DEPTH, deeper_than};
use operation::{Budget, Operation};

/// How many operations one patch may have (kube-apiserver's `maxJSONPatchOperations`).
pub const MAX_OPERATIONS: usize = 10_000;
/// By how many bytes `copy` may enlarge a document in one patch (kube-apiserver's `JSONPatchMaxCopyBytes`).
pub const MAX_COPIED: usize = 3 << 20;
/// How many list items one patch may shift. Far above any use; ten thousand insertions at the front of a list of a
/// million items would otherwise take minutes.
const MAX_WORK: usize = 1 << 28;

/// What a client is told about any operation that failed.
pub const REJECTED: &str = "the server rejected our request due to an error in our request";

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 6902 and nothing else.
    Rfc6902,
    /// kube-apiserver's: indices may be negative (from the end), signed or have leading zeros; `replace` may create a
    /// field; an absent `value` is null; an absent field reads as null in `test` and `copy`; 1 and 1.0 differ; whatever
    /// stands before a pointer's first slash is ignored. Except for `test` and `replace`, an operation cannot address the
    /// whole document.
    Kubernetes,
}

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The document is no patch.
    #[error("json: cannot unmarshal {0} into Go value of type {1}")]
    Decode(&'static str, &'static str),
    /// There are more than [`MAX_OPERATIONS`].
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooMany(usize),
    /// An operation failed; the first is number 0.
    #[error("operation {index}: {reason}")]
    Operation {
        /// Which one.
        index: usize,
        /// What it ran into.
        reason: Reason,
    },
}

impl Error {
    /// How the request is answered.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::Decode(..) => Answer::BadRequest,
            Self::TooMany(_) => Answer::TooLarge,
            Self::Operation { .. } => Answer::Invalid,
        }
    }

    /// The message of that answer.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Decode(..) => self.to_string(),
            Self::TooMany(_) => format!("Request entity too large: {self}"),
            Self::Operation { .. } => REJECTED.to_owned(),
        }
    }
}

/// What an operation ran into.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// A member of the operation is absent or not a string.
    #[error("missing or malformed member {0:?}")]
    Member(&'static str),
    /// `op` names no operation.
    #[error("unexpected kind: {0}")]
    Kind(String),
    /// The pointer is not one.
    #[error("malformed pointer {0:?}")]
    Pointer(String),
    /// There is nothing at the pointer.
    #[error("doc is missing path: {0:?}")]
    Missing(String),
    /// A list has no such index.
    #[error("invalid index referenced: {0:?}")]
    Index(String),
    /// `test` found another value.
    #[error("testing value {0} failed")]
    Test(String),
    /// `replace` of the whole document by something that is no document.
    #[error("replace operation value must be object or array")]
    Root,
    /// A location cannot be moved into its own inside.
    #[error("{0:?} cannot be moved into itself")]
    Inside(String),
    /// More than [`MAX_COPIED`].
    #[error("the accumulated size increase of copy exceeds the limit {MAX_COPIED}")]
    Copied,
    /// The document grew deeper than [`MAX_DEPTH`].
    #[error("exceeded max depth")]
    TooDeep,
    /// The patch shifts too many list items.
    #[error("the patch takes too much work")]
    Work,
}

/// A decoded patch, which can be applied again when the object has changed meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    operations: Vec<Value>,
}

impl Patch {
    /// Reads a patch. Operations are only looked at when they are applied, as kube-apiserver does.
    ///
    /// # Errors
    /// When it is not a list of objects, or too long.
    pub fn decode(patch: Value) -> Result<Self, Error> {
        let operations = match patch {
            Value::Array(operations) => operations,
            Value::Null => Vec::new(),
            other => return Err(Error::Decode(kind(&other), "jsonpatch.Patch")),
        };
        if let Some(other) = operations.iter().find(|op| !op.is_object() && !op.is_null()) {
            return Err(Error::Decode(kind(other), "jsonpatch.Operation"));
        }
        if operations.len() > MAX_OPERATIONS {
            return Err(Error::TooMany(operations.len()));
        }
        Ok(Self { operations })
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Applies all operations in turn, or none.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn apply(&self, mut document: Value, dialect: Dialect) -> Result<Value, Error> {
        if deeper_than(&document, MAX_DEPTH) {
            return Err(Error::Operation { index: 0, reason: Reason::TooDeep });
        }
        let mut budget = Budget::new(&document);
        for (index, operation) in self.operations.iter().enumerate() {
            Operation::read(operation, dialect)
                .and_then(|operation| operation.apply(&mut document, &mut budget))
                .map_err(|reason| Error::Operation { index, reason })?;
        }
        Ok(document)
    }
}

/// What Go calls a JSON value's kind.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
