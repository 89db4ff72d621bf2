// SPDX-License-Identifier: Apache-2.0
//! The order of merged lists.

use std::collections::HashMap;

use serde_json::Value;

use super::{Error, PATCH};

/// A scalar that identifies an item: itself, or the value of its merge key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    /// By its bits. An integer never equals a float, as in Go.
    Float(u64),
    Text(&'a str),
}

impl<'a> Key<'a> {
    pub(super) fn of_scalar(value: &'a Value) -> Result<Self, Error> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::String(text) => Self::Text(text),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => Self::Integer(number.into()),
                (_, Some(number), _) => Self::Integer(number.into()),
                (.., float) => Self::Float(float.unwrap_or_default().to_bits()),
            },
            Value::Array(_) | Value::Object(_) => return Err(Error::scalar_key(value)),
        })
    }

    /// The identity of a list's item; `key` is empty for a list of scalars.
    pub(super) fn of_item(item: &'a Value, key: &str) -> Result<Self, Error> {
        if key.is_empty() {
            return Self::of_scalar(item);
        }
        let Value::Object(fields) = item else { return Err(Error::expected_object(item)) };
        Self::of_scalar(fields.get(key).ok_or_else(|| Error::no_merge_key(fields, key))?)
    }
}

/// Where each item stands first.
pub(super) fn positions<'a>(
    items: &'a [Value],
    key: &str,
) -> Result<HashMap<Key<'a>, usize>, Error> {
    let mut positions = HashMap::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        positions.entry(Key::of_item(item, key)?).or_insert(at);
    }
    Ok(positions)
}

/// Whether the items of a patch's list stand in the order that `$setElementOrder` gives, and all are in it.
pub(super) fn validate(items: &[Value], order: &[Value], key: &str) -> Result<(), Error> {
    if items.is_empty() || order.is_empty() {
        return Ok(());
    }
    if let Some(other) = items.iter().find(|item| !key.is_empty() && !item.is_object()) {
        return Err(Error::expected_object(other));
    }
    let deletes = |item: &Value| item.get(PATCH).and_then(Value::as_str) == Some("delete");
    let mut left = items.iter().filter(|item| !deletes(item)).peekable();
    for next in order {
        // Other directives have no place; but one after the last that is ordered counts as out of order.
        while left.next_if(|item| item.get(PATCH).is_some()).is_some() {}
        let Some(item) = left.peek() else { return Ok(()) };
        if Key::of_item(item, key)? == Key::of_item(next, key)? {
            left.next();
        }
    }
    if left.peek().is_none() { Ok(()) } else { Err(Error::order(items, order)) }
}

/// Puts the merged items in order. Those in `named` are in its order, the others in the order of `before`; then the two
/// are interleaved so that one of the others comes before the first named item that it stood in front of in `before`.
pub(super) fn arrange(
    merged: Vec<Value>,
    named: &[Value],
    before: &HashMap<Key<'_>, usize>,
    key: &str,
) -> Result<Vec<Value>, Error> {
    let named = positions(named, key)?;
    let (mut ours, mut others, mut deleted) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for item in merged {
        let identity = Key::of_item(&item, key)?;
        let place = named.get(&identity).copied();
        let old = before.get(&identity).copied();
        let gone = !key.is_empty() && item.get(PATCH).and_then(Value::as_str) == Some("delete");
        match (place, gone) {
            (Some(place), false) => ours.push((place, old, item)),
            (Some(_), true) => deleted.0.push((old, item)),
            (None, false) => others.push((old, item)),
            (None, true) => deleted.1.push((old, item)),
        }
    }
    ours.sort_by_key(|(place, ..)| *place);
    sort_others(&mut others);
    others.append(&mut deleted.1);

    let length = ours.len() + others.len() + deleted.0.len();
    let mut ours = ours.into_iter().map(|(_, old, item)| (old, item)).chain(deleted.0).peekable();
    let mut out = Vec::with_capacity(length);
    for (old, item) in others {
        while let Some(&(ours_old, _)) = ours.peek() {
            if old.is_some() && ours_old.is_some() && old < ours_old {
                break;
            }
            out.extend(ours.next().map(|(_, item)| item));
        }
        out.push(item);
    }
    out.extend(ours.map(|(_, item)| item));
    Ok(out)
}

/// By their old places. Usually each has one; an item without (it is in the patch, but an empty `$setElementOrder` does not
/// name it) moves in front, as in the insertion sort that Go uses for short lists.
fn sort_others(others: &mut [(Option<usize>, Value)]) {
    const SHORT: usize = 20;
    if others.iter().all(|(old, _)| old.is_some()) || others.len() > SHORT {
        others.sort_by_key(|(old, _)| *old);
        return;
    }
    for end in 1..others.len() {
        let mut at = end;
        while at > 0 {
            let less = match (others[at].0, others[at - 1].0) {
                (Some(this), Some(previous)) => this < previous,
                _ => true,
            };
            if !less {
                break;
            }
            others.swap(at, at - 1);
            at -= 1;
        }
    }
}
