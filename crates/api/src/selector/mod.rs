// SPDX-License-Identifier: Apache-2.0
//! Label and field selectors: parsed from a query or an object, matched, and written back.
//!
//! Grammar and error texts are Kubernetes' (1.36); an API server answers 400 with the text.

mod field;
mod label;
mod lexer;
mod parser;

pub use field::{FieldRequirement, FieldSelector};
pub use label::{LabelSelector, Labels, Operator, Requirement};

use crate::field::ErrorList;
use crate::go;

/// The longest selector that is parsed: longer ones fit no request line either.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Why a selector is not understood.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SelectorError {
    /// One requirement of a label selector is wrong.
    #[error("unable to parse requirement: {0}")]
    Requirement(Box<SelectorError>),
    /// Something else was expected at a place.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A set does not begin with a parenthesis.
    #[error("found '{found}' expected: '('")]
    NoParenthesis {
        /// What stands there.
        found: String,
    },
    /// A key or value is not valid.
    #[error("{0}")]
    Invalid(ErrorList),
    /// A `matchExpressions` operator that does not exist.
    #[error("{} is not a valid label selector operator", go::quote(.0))]
    Operator(String),
    /// A field selector's term without an operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole selector.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash before something that needs none.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A comma or equals sign in a value. (The number is Kubernetes' way to print it.)
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*.0))]
    Unescaped(char),
    /// A field that this kind cannot be selected by.
    #[error("field label not supported: {0}")]
    FieldNotSupported(String),
    /// A field of a kind that can be selected by name and namespace only.
    #[error("{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", go::quote(.0))]
    FieldUnknown(String),
    /// Longer than [`MAX_LENGTH`].
    #[error("selector is longer than {MAX_LENGTH} bytes")]
    TooLong,
}
