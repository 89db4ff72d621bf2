// SPDX-License-Identifier: Apache-2.0
//! What changed between two versions of an object, field by field.

use schema::View;
use serde_json::{Map, Value};

use super::path::{Step, same};
use super::set::Set;
use super::shape::{Shape, field, item, shape, step};

/// The fields that differ. A container that appears or vanishes counts as well as what is in it.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub removed: Set,
    pub modified: Set,
    pub added: Set,
}

impl Changes {
    /// Compares two objects.
    ///
    /// # Errors
    /// With the reason, when a list's item cannot be told apart from others.
    pub(super) fn between(view: View<'_>, old: &Value, new: &Value) -> Result<Self, String> {
        let changes = compare(view, Some(old), Some(new))?;
        Ok(Self {
            removed: changes.removed.1,
            modified: changes.modified.1,
            added: changes.added.1,
        })
    }

    /// Forgets changes of fields that the request may not make.
    pub(super) fn exclude(&mut self, fields: &Set) {
        if !fields.is_empty() {
            self.removed.subtract_recursively(fields);
            self.modified.subtract_recursively(fields);
            self.added.subtract_recursively(fields);
        }
    }
}

/// Changes at one value: whether it changed itself, and what did inside.
#[derive(Default)]
struct Here {
    removed: (bool, Set),
    modified: (bool, Set),
    added: (bool, Set),
}

impl Here {
    fn take(&mut self, step: impl FnOnce() -> Step, inner: Self) {
        let empty = |side: &(bool, Set)| !side.0 && side.1.is_empty();
        if empty(&inner.removed) && empty(&inner.modified) && empty(&inner.added) {
            return;
        }
        let step = step();
        self.removed.1.graft(&step, inner.removed.0, inner.removed.1);
        self.modified.1.graft(&step, inner.modified.0, inner.modified.1);
        self.added.1.graft(&step, inner.added.0, inner.added.1);
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(old), Some(new)) => self.modified.0 |= !same(old, new),
            (None, _) => self.added.0 = true,
            (_, None) => self.removed.0 = true,
        }
    }
}

/// At most one side may be absent.
fn compare(view: View<'_>, old: Option<&Value>, new: Option<&Value>) -> Result<Here, String> {
    let mut here = Here::default();
    let (before, after) = (shape(view, old), shape(view, new));
    let leaf = if new.is_none() {
        walk(view, before, old, new, &mut here)?
    } else if old.is_none() || before.is_like(after) {
        walk(view, after, old, new, &mut here)?
    } else {
        // The value became one of another kind: its old fields went and its new ones came.
        walk(view, before, old, new, &mut here)?;
        walk(view, after, old, new, &mut here)?
    };
    if !leaf {
        here.added.0 |= old.is_none();
        here.removed.0 |= new.is_none();
    }
    Ok(here)
}

/// Compares both sides as values of that shape. True if they are leaves.
fn walk(
    view: View<'_>,
    shape: Shape<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    here: &mut Here,
) -> Result<bool, String> {
    match shape {
        Shape::Structure(_) | Shape::Map(_) | Shape::Unknown => {
            let old_fields = old.and_then(Value::as_object).filter(|fields| !fields.is_empty());
            let new_fields = new.and_then(Value::as_object).filter(|fields| !fields.is_empty());
            if old_fields.is_some() || new_fields.is_some() {
                fields(view, shape, old_fields, new_fields, here)?;
                return Ok(false);
            }
        }
        Shape::Set(_) | Shape::Keyed(..) => {
            let old_items = old.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let new_items = new.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if !old_items.is_empty() || !new_items.is_empty() {
                if old_items != new_items {
                    items(view, shape, old_items, new_items, here)?;
                }
                return Ok(false);
            }
        }
        Shape::Scalar | Shape::Atomic => {}
    }
    // Empty and null containers are leaves, so that one can become the other.
    here.leaf(old, new);
    Ok(true)
}

fn fields(
    view: View<'_>,
    shape: Shape<'_>,
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
    here: &mut Here,
) -> Result<(), String> {
    for (name, before) in old.into_iter().flatten() {
        let after = new.and_then(|new| new.get(name));
        let inner = compare(field(view, shape, name).0, Some(before), after)?;
        here.take(|| Step::field(name), inner);
    }
    for (name, after) in new.into_iter().flatten() {
        if old.is_none_or(|old| !old.contains_key(name)) {
            let inner = compare(field(view, shape, name).0, None, Some(after))?;
            here.take(|| Step::field(name), inner);
        }
    }
    Ok(())
}

fn items(
    view: View<'_>,
    shape: Shape<'_>,
    old: &[Value],
    new: &[Value],
    here: &mut Here,
) -> Result<(), String> {
    let (Shape::Set(ty) | Shape::Keyed(ty, _)) = shape else { return Ok(()) };
    let child = item(view, ty);
    let old = grouped(view, shape, old)?;
    let new = grouped(view, shape, new)?;
    let absent: &[&Value] = &[];
    let alone = new
        .iter()
        .filter(|(step, _)| find(&old, step).is_none())
        .map(|(step, new)| (step, absent, &new[..]));
    let pairs = old.iter().map(|(step, old)| (step, &old[..], find(&new, step).unwrap_or(absent)));
    for (step, old, new) in pairs.chain(alone) {
        let mut inner = match (old, new) {
            // Items that cannot be told apart are compared as one value.
            ([_, _, ..], [_, _, ..]) => {
                let changed =
                    old.len() != new.len() || old.iter().zip(new).any(|(old, new)| !same(old, new));
                Here { modified: (changed, Set::default()), ..Here::default() }
            }
            ([_, _, ..], new) => {
                let mut inner = new
                    .first()
                    .map(|new| compare(child, None, Some(new)))
                    .transpose()?
                    .unwrap_or_default();
                inner.removed.0 = true;
                inner
            }
            (old, [_, _, ..]) => {
                let mut inner = old
                    .first()
                    .map(|old| compare(child, Some(old), None))
                    .transpose()?
                    .unwrap_or_default();
                inner.added.0 = true;
                inner
            }
            (old, new) => compare(child, old.first().copied(), new.first().copied())?,
        };
        here.take(|| step.clone(), std::mem::take(&mut inner));
    }
    Ok(())
}

type Groups<'a> = Vec<(Step, Vec<&'a Value>)>;

/// Items by what identifies them, sorted.
fn grouped<'a>(view: View<'_>, shape: Shape<'_>, items: &'a [Value]) -> Result<Groups<'a>, String> {
    let mut steps: Vec<(Step, &Value)> = items
        .iter()
        .map(|item| Ok((step(view, shape, item)?, item)))
        .collect::<Result<_, String>>()?;
    steps.sort_by(|left, right| left.0.cmp(&right.0));
    let mut groups: Groups<'a> = Vec::with_capacity(steps.len());
    for (step, item) in steps {
        match groups.last_mut() {
            Some((last, group)) if *last == step => group.push(item),
            _ => groups.push((step, vec![item])),
        }
    }
    Ok(groups)
}

fn find<'g, 'a>(groups: &'g Groups<'a>, step: &Step) -> Option<&'g [&'a Value]> {
    let at = groups.binary_search_by(|(other, _)| other.cmp(step)).ok()?;
    groups.get(at).map(|(_, group)| group.as_slice())
}
