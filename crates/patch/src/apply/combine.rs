// SPDX-License-Identifier: Apache-2.0
//! The applied configuration laid over the live object, and items taken out of the result.

use schema::{Type, View};
use serde_json::{Map, Value};

use super::path::Step;
use super::set::Set;
use super::shape::{Shape, field, item, shape, step};

/// Lays `applied` over `live`. Nothing is removed; where both set a leaf, the applied one wins.
///
/// # Errors
/// With the reason, when a list's item cannot be told apart from others.
pub(super) fn merge(view: View<'_>, live: &Value, applied: &Value) -> Result<Value, String> {
    let (before, after) = (shape(view, Some(live)), shape(view, Some(applied)));
    let shape =
        if before.is_like(after) || !matches!(after, Shape::Unknown) { after } else { before };
    match shape {
        Shape::Structure(_) | Shape::Map(_) | Shape::Unknown => {
            match (live.as_object(), applied.as_object()) {
                (Some(live), Some(applied)) if !live.is_empty() => {
                    merge_fields(view, shape, live, applied)
                }
                // Null and the empty object change nothing in an object that has fields.
                (Some(fields), None) if !fields.is_empty() => Ok(live.clone()),
                _ => Ok(applied.clone()),
            }
        }
        Shape::Set(items) | Shape::Keyed(items, _) => match (live.as_array(), applied.as_array()) {
            (Some(live), Some(applied)) if !live.is_empty() => {
                merge_items(view, shape, item(view, items), live, applied)
            }
            (Some(items), None) if !items.is_empty() => Ok(live.clone()),
            _ => Ok(applied.clone()),
        },
        Shape::Scalar | Shape::Atomic => Ok(applied.clone()),
    }
}

fn merge_fields(
    view: View<'_>,
    shape: Shape<'_>,
    live: &Map<String, Value>,
    applied: &Map<String, Value>,
) -> Result<Value, String> {
    let mut out = Map::new();
    for (name, value) in live {
        let merged = match applied.get(name) {
            Some(applied) => merge(field(view, shape, name).0, value, applied)?,
            None => value.clone(),
        };
        out.insert(name.clone(), merged);
    }
    for (name, value) in applied {
        if !live.contains_key(name) {
            out.insert(name.clone(), value.clone());
        }
    }
    Ok(Value::Object(out))
}

/// Merges two lists of items that can be told apart. Items of both stand in the order of the applied list; items of only
/// one side stay where they are relative to their neighbours, the live ones first.
fn merge_items(
    view: View<'_>,
    shape: Shape<'_>,
    child: View<'_>,
    live: &[Value],
    applied: &[Value],
) -> Result<Value, String> {
    let steps = |items: &[Value]| {
        items.iter().map(|item| step(view, shape, item)).collect::<Result<Vec<_>, _>>()
    };
    let (live_steps, applied_steps) = (steps(live)?, steps(applied)?);
    let in_live = Places::of(&live_steps);
    let in_applied = Places::of(&applied_steps);
    if in_applied.doubled() {
        return Err("duplicate entries".to_owned());
    }
    let mut shared = applied_steps.iter().filter(|step| in_live.get(step).is_some());
    let mut next_shared = shared.next();
    let mut done = vec![false; applied.len()];
    let mut out = Vec::with_capacity(live.len().max(applied.len()));
    // An item that the live object has twice is not merged with.
    let merged = |step: &Step, new: &Value| match in_live.get(step) {
        Some(Place::Once(at)) => merge(child, &live[at], new),
        Some(Place::Often) => merge(child, &Value::Null, new),
        None => Ok(new.clone()),
    };
    let (mut l, mut r) = (0, 0);
    while l < live.len() || r < applied.len() {
        if let (Some(old), Some(new)) = (live_steps.get(l), applied_steps.get(r)) {
            if old == new {
                done[r] = true;
                out.push(merged(old, &applied[r])?);
                l += 1;
                r += 1;
                next_shared = shared.next();
                continue;
            }
            if in_applied.get(old).is_some() && next_shared.is_some_and(|next| next != old) {
                // It has its turn when the applied list comes to it.
                l += 1;
                continue;
            }
        }
        if let Some(old) = live_steps.get(l) {
            match in_applied.get(old) {
                None => {
                    out.push(live[l].clone());
                    l += 1;
                    continue;
                }
                Some(Place::Once(at)) if done[at] => l += 1,
                Some(_) => {}
            }
        }
        if let Some(new) = applied_steps.get(r) {
            done[r] = true;
            out.push(merged(new, &applied[r])?);
            r += 1;
            if next_shared == Some(new) {
                next_shared = shared.next();
            }
        }
    }
    Ok(Value::Array(out))
}

#[derive(Clone, Copy)]
enum Place {
    Once(usize),
    Often,
}

/// Where each item of a list stands, sorted by what identifies it.
struct Places<'a>(Vec<(&'a Step, Place)>);

impl<'a> Places<'a> {
    fn of(steps: &'a [Step]) -> Self {
        let mut places: Vec<(&'a Step, Place)> =
            steps.iter().enumerate().map(|(at, step)| (step, Place::Once(at))).collect();
        places.sort_by(|left, right| left.0.cmp(right.0));
        places.dedup_by(|this, first| {
            let same = this.0 == first.0;
            if same {
                first.1 = Place::Often;
            }
            same
        });
        Self(places)
    }

    fn get(&self, step: &Step) -> Option<Place> {
        let at = self.0.binary_search_by(|(other, _)| (*other).cmp(step)).ok()?;
        self.0.get(at).map(|(_, place)| *place)
    }

    fn doubled(&self) -> bool {
        self.0.iter().any(|(_, place)| matches!(place, Place::Often))
    }
}

/// Takes the members of `items` out of `value`; none if nothing is left of a container that had something.
pub(super) fn remove(view: View<'_>, value: Value, items: &Set) -> Option<Value> {
    let shape = shape(view, Some(&value));
    match (shape, value) {
        (Shape::Scalar, value) => Some(value),
        (Shape::Structure(_) | Shape::Map(_), Value::Object(mut fields)) => {
            for node in &items.nodes {
                let Step::Field(name) = &node.step else { continue };
                let name: &str = name;
                if node.member {
                    fields.remove(name);
                } else if let Some(value) = fields.get_mut(name) {
                    let left =
                        remove(field(view, shape, name).0, std::mem::take(value), &node.inner);
                    *value = left.unwrap_or_default();
                }
            }
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        (Shape::Set(ty) | Shape::Keyed(ty, _), Value::Array(list)) => {
            let child = item(view, ty);
            let mut left = Vec::with_capacity(list.len());
            for value in list {
                let node = step(view, shape, &value).ok().and_then(|step| items.get(&step));
                match node {
                    None => left.push(value),
                    Some(node) if node.member => {}
                    Some(node) => left.push(remove(child, value, &node.inner).unwrap_or_default()),
                }
            }
            (!left.is_empty()).then_some(Value::Array(left))
        }
        // An atomic container is not taken apart.
        _ => None,
    }
}

/// Removes fields that are null though their type does not allow it: what [`remove`] emptied, and what was applied as null.
/// Entries of maps stay: what becomes of null there is a matter of decoding.
pub(super) fn drop_nulls(view: View<'_>, value: &mut Value) {
    match (view.ty, value) {
        (Type::Object(id), Value::Object(fields)) => {
            let object = view.types.get(*id);
            fields.retain(|name, value| match object.field(name) {
                Some(field) => {
                    drop_nulls(View { types: view.types, ty: &field.ty }, value);
                    field.nullable || !value.is_null()
                }
                None => true,
            });
        }
        (Type::Map(map), Value::Object(fields)) => {
            let values = item(view, &map.values);
            fields.values_mut().for_each(|value| drop_nulls(values, value));
        }
        (Type::List(list), Value::Array(items)) => {
            let view = item(view, &list.items);
            items.iter_mut().for_each(|item| drop_nulls(view, item));
        }
        _ => {}
    }
}
