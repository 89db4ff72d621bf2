// SPDX-License-Identifier: Apache-2.0
//! Conflicts: fields that an applier would change and others own.

use std::fmt;

use super::managed::Entry;
use super::path::Step;
use super::set::Set;
use crate::text::Quoted;

/// One field of another manager that the applied configuration sets to another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The other manager as messages print it, for example `"kubectl" using v1`.
    pub manager: String,
    path: Vec<Step>,
}

impl Conflict {
    /// `message` of the `FieldManagerConflict` cause.
    #[must_use]
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager)
    }

    /// `field` of the cause, for example `.spec.template.spec.containers[name="web"].image`.
    #[must_use]
    pub fn field(&self) -> String {
        self.path.iter().map(Step::to_string).collect()
    }

    pub(super) fn path(&self) -> &[Step] {
        &self.path
    }
}

/// All conflicts of one request, by manager. What it prints is the message of the 409.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [conflict] = self.0.as_slice() {
            return write!(
                f,
                "Apply failed with 1 conflict: {}: {}",
                conflict.message(),
                conflict.field()
            );
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        for (at, conflict) in self.0.iter().enumerate() {
            if at == 0 || self.0[at - 1].manager != conflict.manager {
                let newline = if at == 0 { "" } else { "\n" };
                write!(f, "{newline}conflicts with {}:", conflict.manager)?;
            }
            write!(f, "\n- {}", conflict.field())?;
        }
        Ok(())
    }
}

/// The conflicts with each of `entries` over the fields in `touched`, by manager.
pub(super) fn conflicts<'a>(entries: impl Iterator<Item = &'a Entry>, touched: &Set) -> Conflicts {
    let mut found: Vec<_> = entries
        .map(|entry| (entry, entry.fields.intersection(touched)))
        .filter(|(_, fields)| !fields.is_empty())
        .collect();
    found.sort_by_cached_key(|(entry, _)| entry.id.sort_key());
    let mut out = Vec::new();
    for (entry, fields) in found {
        let manager = printed(entry);
        fields.for_each(&mut |path| {
            out.push(Conflict { manager: manager.clone(), path: path.to_vec() });
        });
    }
    Conflicts(out)
}

fn printed(entry: &Entry) -> String {
    let id = &entry.id;
    let mut out = Quoted(&id.manager).to_string();
    if !id.subresource.is_empty() {
        out = format!("{out} with subresource {}", Quoted(&id.subresource));
    }
    if !id.applier {
        out = format!("{out} using {}", entry.version);
    }
    out
}
