// SPDX-License-Identifier: Apache-2.0
//! Lists whose items are merged.

use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};

use serde_json::Value;

use super::order::{Key, arrange, positions};
use super::{Error, Known, Object, PATCH, drop_directives, merge_object};

/// Merges a patch's list into the old one, or takes the scalars that the patch names out of it.
pub(super) fn merge(
    known: &Known<'_>,
    old: Vec<Value>,
    new: Vec<Value>,
    deletes: bool,
) -> Result<Vec<Value>, Error> {
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    if items_are_objects(&old, &new)? {
        if known.key().is_empty() {
            return Err(Error::no_merge_key_declared());
        }
        return merge_objects(known, old, new);
    }
    if deletes {
        let gone: HashSet<Key<'_>> = new.iter().map(Key::of_scalar).collect::<Result<_, _>>()?;
        let mut kept = old;
        let mut failed = None;
        kept.retain(|item| match Key::of_scalar(item) {
            Ok(key) => !gone.contains(&key),
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        return failed.map_or(Ok(kept), Err);
    }
    let before = positions(&old, "")?;
    let mut seen = HashSet::with_capacity(old.len() + new.len());
    let mut merged = Vec::with_capacity(old.len() + new.len());
    for item in old.iter().chain(&new) {
        if seen.insert(Key::of_scalar(item)?) {
            merged.push(item.clone());
        }
    }
    arrange(merged, &new, &before, "")
}

/// Merges lists of which at least one exists, and puts the result in the order that `$setElementOrder` gives.
pub(super) fn merge_in_order(
    known: &Known<'_>,
    old: Option<Vec<Value>>,
    new: Option<Vec<Value>>,
    order: &[Value],
) -> Result<Vec<Value>, Error> {
    let key = known.key();
    if old.as_deref().unwrap_or_default().is_empty()
        && new.as_deref().unwrap_or_default().is_empty()
    {
        return Err(Error::no_elements());
    }
    items_are_objects(old.as_deref().unwrap_or_default(), new.as_deref().unwrap_or_default())?;
    // Only what identifies the old items is needed once they are merged.
    let mut identities: Vec<Value> = match &old {
        Some(old) if key.is_empty() => old.clone(),
        Some(old) => old.iter().map(|item| identity(item, key)).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    if let (Some(new), true) = (&new, known.strategy.merge && !key.is_empty()) {
        reuse_places(&mut identities, new, key)?;
    }
    let merged = match (old, new) {
        (Some(old), None) => old,
        (Some(old), Some(new)) if known.strategy.merge => merge(known, old, new, false)?,
        (Some(_), Some(new)) => new,
        (None, new) => {
            let mut new = new.unwrap_or_default();
            new.retain_mut(drop_directives);
            new
        }
    };
    arrange(merged, order, &positions(&identities, key)?, key)
}

/// Where the patch deletes items and adds others, the first of the added count as standing behind what is left of the old
/// list, one per deleted item. kube-apiserver does so because Go's lists share memory; it shows in the order of the result.
fn reuse_places(identities: &mut Vec<Value>, new: &[Value], key: &str) -> Result<(), Error> {
    let deletes = |item: &&Value| item.get(PATCH).and_then(Value::as_str) == Some("delete");
    let gone: HashSet<Key<'_>> =
        new.iter().filter(deletes).map(|item| Key::of_item(item, key)).collect::<Result<_, _>>()?;
    if gone.is_empty() {
        return Ok(());
    }
    let mut left = Vec::with_capacity(identities.len());
    for item in identities.iter() {
        if !gone.contains(&Key::of_item(item, key)?) {
            left.push(item.clone());
        }
    }
    let mut added = Vec::new();
    let kept = positions(&left, key)?;
    let mut seen = HashSet::new();
    for item in new.iter().filter(|item| item.get(PATCH).is_none()) {
        let name = Key::of_item(item, key)?;
        if left.len() + added.len() < identities.len()
            && !kept.contains_key(&name)
            && seen.insert(name)
        {
            added.push(identity(item, key)?);
        }
    }
    left.append(&mut added);
    *identities = left;
    Ok(())
}

/// An item with nothing but its merge key.
fn identity(item: &Value, key: &str) -> Result<Value, Error> {
    let Value::Object(fields) = item else { return Err(Error::expected_object(item)) };
    let value = fields.get(key).ok_or_else(|| Error::no_merge_key(fields, key))?;
    Ok(Value::Object(Object::from_iter([(key.to_owned(), value.clone())])))
}

fn merge_objects(
    known: &Known<'_>,
    mut old: Vec<Value>,
    new: Vec<Value>,
) -> Result<Vec<Value>, Error> {
    let key = known.key();
    let mut replace = false;
    let mut gone: HashSet<Key<'_>> = HashSet::new();
    for item in &new {
        let Value::Object(fields) = item else { return Err(Error::expected_object(item)) };
        match fields.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
            None => {}
            Some("delete") => {
                gone.insert(Key::of_item(item, key)?);
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(Error::merge_directive()),
            Some(_) => {
                let mut fields = fields.clone();
                return Err(Error::directive(fields.remove(PATCH).unwrap_or_default(), fields));
            }
        }
    }
    if !gone.is_empty() {
        // An item without the key is found out below.
        old.retain(|item| {
            Key::of_item(item, key).map_or(true, |identity| !gone.contains(&identity))
        });
    }
    drop(gone);
    let mut plain = new;
    plain.retain(|item| item.get(PATCH).is_none());
    if replace {
        // Every item must have the key even so.
        positions(&plain, key)?;
        return Ok(plain);
    }

    let names: Vec<Value> =
        plain.iter().map(|item| identity(item, key)).collect::<Result<_, _>>()?;
    let old_names: Vec<Value> =
        old.iter().map(|item| identity(item, key)).collect::<Result<_, _>>()?;
    let before = positions(&old_names, key)?;
    let mut places: HashMap<Key<'_>, usize> = before.clone();
    for (name, item) in names.iter().zip(plain) {
        let name = Key::of_item(name, key)?;
        match (places.get(&name), item) {
            (Some(&at), Value::Object(new)) => {
                if let Value::Object(fields) = &mut old[at] {
                    *fields = merge_object(known.items(), std::mem::take(fields), new)?;
                }
            }
            (_, item) => {
                places.insert(name, old.len());
                old.push(item);
            }
        }
    }
    drop(places);
    arrange(old, &names, &before, key)
}

/// Whether the items of both are objects; all must be of one type.
fn items_are_objects(old: &[Value], new: &[Value]) -> Result<bool, Error> {
    // Go tells whole numbers and others apart.
    let kind = |value: &Value| -> (Discriminant<Value>, bool) {
        (discriminant(value), matches!(value, Value::Number(number) if number.is_f64()))
    };
    let mut items = old.iter().chain(new);
    let Some(first) = items.next() else { return Err(Error::no_elements()) };
    if first.is_array() {
        return Err(Error::ListOfLists);
    }
    if first.is_null() || items.any(|item| kind(item) != kind(first)) {
        return Err(Error::mixed(old, new));
    }
    Ok(first.is_object())
}
