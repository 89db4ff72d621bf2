// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a strategic merge patch, in kube-apiserver's words.

use serde_json::Value;
use thiserror::Error;

use super::Object;
use crate::json::REJECTED;
use crate::text::{Plain, PlainList, PlainMap, go_type};
use crate::{Answer, MAX_DEPTH};

/// Why a strategic merge patch was not applied. The texts are kube-apiserver's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The patch or what it is for is not an object.
    #[error("invalid JSON document")]
    NotAnObject,
    /// One of them is nested more than [`MAX_DEPTH`] deep.
    #[error("exceeded max depth ({MAX_DEPTH})")]
    TooDeep,
    /// `$deleteFromPrimitiveList` without the name of a list.
    #[error("invalid patch format of primitive list")]
    PrimitiveList,
    /// `$retainKeys` is not a list, or the patch sets a key that it does not name.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// `$setElementOrder` without the name of a list.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
    /// A merged list has lists as items.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// Anything else: the patch does not fit the object.
    #[error("{0}")]
    Mismatch(Box<str>),
}

impl Error {
    /// How the request is answered.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::NotAnObject
            | Self::TooDeep
            | Self::PrimitiveList
            | Self::RetainKeys
            | Self::SetElementOrder => Answer::BadRequest,
            Self::ListOfLists => Answer::Invalid,
            Self::Mismatch(_) => Answer::Internal,
        }
    }

    /// The message of that answer.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::ListOfLists => REJECTED.to_owned(),
            _ => self.to_string(),
        }
    }

    fn mismatch(text: String) -> Self {
        Self::Mismatch(text.into_boxed_str())
    }

    pub(super) fn directive(directive: Value, mut patch: Object) -> Self {
        let shown = match &directive {
            Value::String(text) => text.clone(),
            // What `%s` makes of something that is no string.
            other => format!("%!s({}={})", go_type(other), Plain(other)),
        };
        patch.insert(super::PATCH.to_owned(), directive);
        Self::mismatch(format!("unknown patch type: {shown} in map: {}", PlainMap(&patch)))
    }

    pub(super) fn merge_directive() -> Self {
        Self::mismatch("merging lists cannot yet be specified in the patch".to_owned())
    }

    pub(super) fn no_merge_key(item: &Object, key: &str) -> Self {
        Self::mismatch(format!(
            "map: {} does not contain declared merge key: {key}",
            PlainMap(item)
        ))
    }

    pub(super) fn no_merge_key_declared() -> Self {
        Self::mismatch("cannot merge lists without merge key for struct".to_owned())
    }

    pub(super) fn scalar_key(key: &Value) -> Self {
        Self::mismatch(format!("a merge key must be a scalar, but is a {}", go_type(key)))
    }

    pub(super) fn expected_list(found: &Value) -> Self {
        Self::mismatch(format!("expected a []interface {{}}, but received a {}", go_type(found)))
    }

    pub(super) fn expected_object(found: &Value) -> Self {
        Self::mismatch(format!(
            "expected a map[string]interface {{}}, but received a {}",
            go_type(found)
        ))
    }

    pub(super) fn mixed(old: &[Value], new: &[Value]) -> Self {
        let (old, new) = (PlainList(old), PlainList(new));
        Self::mismatch(format!("list element types are not identical: [{old} {new}]"))
    }

    pub(super) fn no_elements() -> Self {
        Self::mismatch("no elements in any of the given slices".to_owned())
    }

    pub(super) fn order(items: &[Value], order: &[Value]) -> Self {
        let (items, order) = (PlainList(items), PlainList(order));
        Self::mismatch(format!(
            "The order in patch list:\n{items}\n doesn't match $setElementOrder list:\n{order}\n"
        ))
    }
}
