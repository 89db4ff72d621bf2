// SPDX-License-Identifier: Apache-2.0
//! Where a walk stands, written as Kubernetes' strict decoder does: `spec.containers[0].image`.

use std::fmt::Write as _;

/// A path that grows and shrinks with the walk.
#[derive(Debug, Default)]
pub(crate) struct Path(String);

impl Path {
    /// Into a field or an entry of a map; gives what [`Path::leave`] takes.
    pub(crate) fn field(&mut self, name: &str) -> usize {
        let before = self.0.len();
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(name);
        before
    }

    /// Into an item of a list.
    pub(crate) fn index(&mut self, at: usize) -> usize {
        let before = self.0.len();
        // A write into a String cannot fail.
        let _ = write!(self.0, "[{at}]");
        before
    }

    /// Back out.
    pub(crate) fn leave(&mut self, before: usize) {
        self.0.truncate(before);
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        self.0.clone()
    }
}
