// SPDX-License-Identifier: Apache-2.0
//! YAML as the configuration needs it: a tree whose nodes know where they were written.
//!
//! Text comes in through [`parse`]; the overlay of variables changes the tree; the readers in
//! `read.rs` turn it into the typed configuration. The tree has no `Debug`, since it holds secrets
//! that nobody has recognised as such yet.

mod compose;
pub(crate) mod scalar;

pub(crate) use compose::{Source, parse};

use crate::problem::Origin;

/// One value with its place.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// The value of a node. Scalars stay text until a reader knows the type that is wanted, as in Go's
/// yaml.v2: `level: no` is a word for a string key and false for a boolean one.
#[derive(Clone)]
pub(crate) enum Value {
    /// Nothing after the colon, `~` or `null`.
    Null,
    /// A scalar; `plain` is false when it was quoted, and then it is a string for certain.
    Scalar { text: String, plain: bool },
    /// A list.
    Sequence(Vec<Node>),
    /// A map.
    Mapping(Mapping),
}

/// A map in the order of its text. Configuration maps are small, so look-up is a scan.
#[derive(Clone, Default)]
pub(crate) struct Mapping(Vec<(String, Node)>);

impl Node {
    /// The node that a default stands for, written as in the file: `{}`, `[]`, or a scalar.
    pub(crate) fn from_default(text: &str) -> Self {
        let value = match text {
            "" => Value::Null,
            "{}" => Value::Mapping(Mapping::default()),
            "[]" => Value::Sequence(Vec::new()),
            text => Value::Scalar { text: text.to_owned(), plain: true },
        };
        Self { value, origin: Origin::Default }
    }

    /// An empty map at a place.
    pub(crate) fn empty_map(origin: Origin) -> Self {
        Self { value: Value::Mapping(Mapping::default()), origin }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The map that this node is, if it is one.
    pub(crate) fn as_mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(map) => Some(map),
            _ => None,
        }
    }

    /// The node below a path of keys, if every part of it exists.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.as_mapping()?.get(key))
    }
}

impl Value {
    /// What the value is, for messages that must not show it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { .. } => "a single value",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a map",
        }
    }
}

impl Mapping {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Sets a key, replacing the former value.
    pub(crate) fn set(&mut self, key: &str, node: Node) {
        match self.get_mut(key) {
            Some(old) => *old = node,
            None => self.0.push((key.to_owned(), node)),
        }
    }

    /// The value of a key, made by `missing` when the key does not exist yet.
    pub(crate) fn entry(&mut self, key: &str, missing: impl FnOnce() -> Node) -> &mut Node {
        let index = self.0.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
            self.0.push((key.to_owned(), missing()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        let index = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(index).1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(name, node)| (name.as_str(), node))
    }
}
