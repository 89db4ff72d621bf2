// SPDX-License-Identifier: Apache-2.0
//! The six operations.

use std::io;

use serde_json::Value;

use super::pointer::{Pointer, index};
use super::{Dialect, MAX_COPIED, MAX_WORK, Reason};
use crate::{MAX_DEPTH, deeper_than};

/// What operations together may cost.
pub(super) struct Budget {
    copied: usize,
    work: usize,
    /// No part of the document lies deeper than this.
    depth: usize,
}

impl Budget {
    pub(super) fn new(document: &Value) -> Self {
        Self { copied: 0, work: 0, depth: depth(document) }
    }

    fn work(&mut self, items: usize) -> Result<(), Reason> {
        self.work = self.work.saturating_add(items);
        if self.work > MAX_WORK { Err(Reason::Work) } else { Ok(()) }
    }

    /// A value that may be `inside` deep was put `above` deep into the document.
    fn deepened(&mut self, document: &Value, above: usize, inside: usize) -> Result<(), Reason> {
        self.depth = self.depth.max(above + inside);
        if self.depth > MAX_DEPTH {
            // The bound is not exact after removals and moves.
            self.work(1 << 12)?;
            if deeper_than(document, MAX_DEPTH) {
                return Err(Reason::TooDeep);
            }
            self.depth = depth(document);
        }
        Ok(())
    }
}

/// One operation, with its members found and its pointers read.
pub(super) struct Operation<'a> {
    kind: Kind<'a>,
    path: Pointer<'a>,
    dialect: Dialect,
}

enum Kind<'a> {
    Add(&'a Value),
    Remove,
    Replace(&'a Value),
    Move(Pointer<'a>),
    Copy(Pointer<'a>),
    Test(&'a Value),
}

static NULL: Value = Value::Null;

impl<'a> Operation<'a> {
    pub(super) fn read(operation: &'a Value, dialect: Dialect) -> Result<Self, Reason> {
        let pointer = |name| {
            let text = operation.get(name).and_then(Value::as_str).ok_or(Reason::Member(name))?;
            Pointer::parse(text, dialect)
        };
        let value = || match (operation.get("value"), dialect) {
            (Some(value), _) => Ok(value),
            (None, Dialect::Kubernetes) => Ok(&NULL),
            (None, Dialect::Rfc6902) => Err(Reason::Member("value")),
        };
        let kind = match operation.get("op").and_then(Value::as_str).unwrap_or("unknown") {
            "add" => Kind::Add(value()?),
            "remove" => Kind::Remove,
            "replace" => Kind::Replace(value()?),
            "move" => Kind::Move(pointer("from")?),
            "copy" => Kind::Copy(pointer("from")?),
            "test" => Kind::Test(value()?),
            other => return Err(Reason::Kind(other.chars().take(64).collect())),
        };
        Ok(Self { kind, path: pointer("path")?, dialect })
    }

    pub(super) fn apply(&self, document: &mut Value, budget: &mut Budget) -> Result<(), Reason> {
        match &self.kind {
            Kind::Add(value) => {
                if self.path.is_root() && self.dialect == Dialect::Rfc6902 {
                    return self.replace_root(document, value, budget);
                }
                let inside = checked_depth(value)?;
                self.add(document, (*value).clone(), inside, budget)
            }
            Kind::Replace(value) => {
                if self.path.is_root() {
                    return self.replace_root(document, value, budget);
                }
                let inside = checked_depth(value)?;
                *self.existing(document)? = (*value).clone();
                budget.deepened(document, self.path.depth(), inside)
            }
            Kind::Remove => self.remove(document, &self.path, budget).map(drop),
            Kind::Move(from) => {
                if from.contains(&self.path) {
                    // A move to where the value is changes nothing; kube-apiserver takes it out and puts it back.
                    if from.text() != self.path.text() {
                        return Err(Reason::Inside(from.text().to_owned()));
                    }
                    self.get(document, from)?
                        .ok_or_else(|| Reason::Missing(from.text().to_owned()))?;
                    return Ok(());
                }
                let value = self.remove(document, from, budget)?;
                let inside = budget.depth.saturating_sub(from.depth());
                self.add(document, value, inside, budget)
            }
            Kind::Copy(from) => {
                let value = match (self.get(document, from)?, self.dialect) {
                    (Some(value), _) => &*value,
                    (None, Dialect::Kubernetes) => &NULL,
                    (None, Dialect::Rfc6902) => {
                        return Err(Reason::Missing(from.text().to_owned()));
                    }
                };
                budget.copied =
                    budget.copied.saturating_add(size(value, MAX_COPIED - budget.copied)?);
                let value = value.clone();
                if self.path.is_root() && self.dialect == Dialect::Rfc6902 {
                    *document = value;
                    return Ok(());
                }
                let inside = budget.depth.saturating_sub(from.depth());
                self.add(document, value, inside, budget)
            }
            Kind::Test(expected) => self.test(document, expected),
        }
    }

    fn missing(&self) -> Reason {
        Reason::Missing(self.path.text().to_owned())
    }

    fn replace_root(
        &self,
        document: &mut Value,
        value: &Value,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        if self.dialect == Dialect::Kubernetes && !value.is_object() && !value.is_array() {
            return Err(Reason::Root);
        }
        budget.depth = checked_depth(value)?;
        *document = value.clone();
        Ok(())
    }

    fn add(
        &self,
        document: &mut Value,
        value: Value,
        inside: usize,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        let (container, token) = self.path.parent(document)?;
        match container {
            Value::Object(fields) => {
                fields.insert(token.into_owned(), value);
            }
            Value::Array(items) => {
                let at = if token == "-" {
                    items.len()
                } else {
                    // One more than there are: -1 is behind the last.
                    index(&token, items.len() + 1, self.dialect)
                        .ok_or_else(|| Reason::Index(self.path.text().to_owned()))?
                };
                budget.work(items.len() - at)?;
                items.insert(at, value);
            }
            _ => return Err(self.missing()),
        }
        budget.deepened(document, self.path.depth(), inside)
    }

    /// The place that `replace` writes to.
    fn existing<'d>(&self, document: &'d mut Value) -> Result<&'d mut Value, Reason> {
        let (container, token) = self.path.parent(document)?;
        match container {
            Value::Object(fields) => match self.dialect {
                Dialect::Kubernetes => Ok(fields.entry(token.into_owned()).or_insert(Value::Null)),
                Dialect::Rfc6902 => fields.get_mut(token.as_ref()).ok_or_else(|| self.missing()),
            },
            Value::Array(items) => index(&token, items.len(), self.dialect)
                .and_then(|at| items.get_mut(at))
                .ok_or_else(|| Reason::Index(self.path.text().to_owned())),
            _ => Err(self.missing()),
        }
    }

    fn remove(
        &self,
        document: &mut Value,
        path: &Pointer<'_>,
        budget: &mut Budget,
    ) -> Result<Value, Reason> {
        if path.is_root() && self.dialect == Dialect::Rfc6902 {
            return Ok(std::mem::take(document));
        }
        let (container, token) = path.parent(document)?;
        match container {
            Value::Object(fields) => {
                fields.remove(token.as_ref()).ok_or_else(|| Reason::Missing(path.text().to_owned()))
            }
            Value::Array(items) => {
                let at = index(&token, items.len(), self.dialect)
                    .ok_or_else(|| Reason::Index(path.text().to_owned()))?;
                budget.work(items.len() - at)?;
                Ok(items.remove(at))
            }
            _ => Err(Reason::Missing(path.text().to_owned())),
        }
    }

    /// The value at a pointer; none where an object lacks the field.
    fn get<'d>(
        &self,
        document: &'d mut Value,
        path: &Pointer<'_>,
    ) -> Result<Option<&'d mut Value>, Reason> {
        if path.is_root() && self.dialect == Dialect::Rfc6902 {
            return Ok(Some(document));
        }
        let (container, token) = path.parent(document)?;
        match container {
            Value::Object(fields) => Ok(fields.get_mut(token.as_ref())),
            Value::Array(items) => {
                let at = index(&token, items.len(), self.dialect)
                    .ok_or_else(|| Reason::Index(path.text().to_owned()))?;
                Ok(items.get_mut(at))
            }
            _ => Err(Reason::Missing(path.text().to_owned())),
        }
    }

    fn test(&self, document: &mut Value, expected: &Value) -> Result<(), Reason> {
        let failed = || Reason::Test(self.path.text().to_owned());
        let found =
            if self.path.is_root() { Some(document) } else { self.get(document, &self.path)? };
        let same = match (found, self.dialect) {
            (Some(found), Dialect::Rfc6902) => equal(found, expected),
            (None, Dialect::Rfc6902) => return Err(self.missing()),
            (Some(found), Dialect::Kubernetes) => *found == *expected,
            (None, Dialect::Kubernetes) => expected.is_null(),
        };
        if same { Ok(()) } else { Err(failed()) }
    }
}

/// Equality of RFC 6902 section 4.6: numbers are compared by value.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || ((left.is_f64() || right.is_f64()) && left.as_f64() == right.as_f64())
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, left)| right.get(name).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn checked_depth(value: &Value) -> Result<usize, Reason> {
    if deeper_than(value, MAX_DEPTH) { Err(Reason::TooDeep) } else { Ok(depth(value)) }
}

/// The length of a value's JSON; fails beyond `limit`.
fn size(value: &Value, limit: usize) -> Result<usize, Reason> {
    struct Counter {
        count: usize,
        limit: usize,
    }
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.count += bytes.len();
            if self.count > self.limit {
                Err(io::ErrorKind::FileTooLarge.into())
            } else {
                Ok(bytes.len())
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter { count: 0, limit };
    serde_json::to_writer(&mut counter, value).map_err(|_| Reason::Copied)?;
    Ok(counter.count)
}
