// SPDX-License-Identifier: Apache-2.0
//! Removal of what a manager applied last time and does not any more.

use schema::{Type, View};
use serde_json::Value;

use super::combine::remove;
use super::extract::field_set;
use super::managed::Managed;
use super::path::Step;
use super::set::Set;
use super::shape::{Shape, field, item, shape};

/// Removes the fields and items of `last` that neither the manager's new configuration nor anyone else owns. `managed`
/// already has the new configuration. What lies inside a removed item goes with it unless somebody owns it; what was never
/// applied stays.
pub(super) fn prune(
    view: View<'_>,
    merged: Value,
    managed: &Managed,
    applied: &Set,
    last: &Set,
) -> Result<Value, String> {
    // Nothing was given up: the usual case.
    if last.is_subset(applied) {
        return Ok(merged);
    }
    let without = |set: &Set| {
        named(view, &field_set(view, &remove(view, merged.clone(), set).unwrap_or_default())?)
    };
    let last = named(view, last)?;
    let all = named(view, &field_set(view, &merged)?)?;

    // Without all that the manager had applied; but what anyone owns stays …
    let mut gone = all.clone();
    gone.subtract(&without(&last)?);
    let mut owned = Set::default();
    for entry in &managed.entries {
        owned.unite(entry.fields.clone());
    }
    gone.subtract(&named(view, &owned)?);
    // … and so does what the manager had never applied.
    let mut dangling = all;
    dangling.subtract(&without(&gone)?);
    let gone = dangling.intersection(&last);
    Ok(remove(view, merged, &gone).unwrap_or_default())
}

/// The set with each structure's field that has members inside as a member too. Field sets leave them out, but to remove
/// something its container must be removed when it ends up empty.
fn named(view: View<'_>, set: &Set) -> Result<Set, String> {
    let shape = match view.ty {
        // Of a deduced type no field is declared.
        Type::Any => return Ok(set.clone()),
        _ => shape(view, None),
    };
    let mut out = Set { nodes: Vec::with_capacity(set.nodes.len()) };
    for node in &set.nodes {
        let (child, declared) = match (shape, &node.step) {
            (Shape::Structure(_) | Shape::Map(_), Step::Field(name)) => field(view, shape, name),
            (Shape::Keyed(items, _), Step::Key(_)) => (item(view, items), false),
            _ => {
                out.graft(&node.step, node.member, node.inner.clone());
                continue;
            }
        };
        let member = node.member || (declared && !node.inner.is_empty());
        out.graft(&node.step, member, named(child, &node.inner)?);
    }
    Ok(out)
}
