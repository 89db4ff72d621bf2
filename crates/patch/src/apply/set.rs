// SPDX-License-Identifier: Apache-2.0
//! Sets of fields, and their algebra.
//!
//! A set is a tree of steps; each node says whether its own path is a member. That a field is a member says nothing about
//! the fields inside it, and the reverse. Nodes are sorted, so that each operation is one pass over both trees.

use std::cmp::Ordering;

use super::path::Step;

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// Sorted by step. A node is a member or has inner nodes, or both.
    pub(super) nodes: Vec<Node>,
}

/// One step of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub step: Step,
    pub member: bool,
    pub inner: Set,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.inner.is_empty()
    }
}

impl Set {
    /// The set of these paths, which are names separated by dots: `Set::of_fields(["status", "metadata.labels"])`.
    #[must_use]
    pub fn of_fields<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let steps: Vec<Step> = path.split('.').map(Step::field).collect();
            set.insert(&steps);
        }
        set
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a path. The empty path is the whole object, which nobody owns.
    pub fn insert(&mut self, path: &[Step]) {
        let Some((first, rest)) = path.split_first() else { return };
        let node = self.node(first);
        if rest.is_empty() {
            node.member = true;
        } else {
            node.inner.insert(rest);
        }
    }

    /// Whether a path is a member.
    #[must_use]
    pub fn contains(&self, path: &[Step]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        self.get(first).is_some_and(|node| {
            if rest.is_empty() { node.member } else { node.inner.contains(rest) }
        })
    }

    /// The node of a step, which is made if need be.
    pub(super) fn node(&mut self, step: &Step) -> &mut Node {
        // Sets are mostly filled in order.
        let at = match self.nodes.last().map(|last| last.step.cmp(step)) {
            None | Some(Ordering::Less) => Err(self.nodes.len()),
            Some(Ordering::Equal) => Ok(self.nodes.len() - 1),
            Some(Ordering::Greater) => self.nodes.binary_search_by(|node| node.step.cmp(step)),
        };
        let at = at.unwrap_or_else(|at| {
            self.nodes
                .insert(at, Node { step: step.clone(), member: false, inner: Self::default() });
            at
        });
        &mut self.nodes[at]
    }

    /// The node of a step, if there is one.
    pub(super) fn get(&self, step: &Step) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|node| node.step.cmp(step)).ok()?;
        self.nodes.get(at)
    }

    /// Puts a subtree where nothing of that step is yet; nothing if it is empty.
    pub(super) fn graft(&mut self, step: &Step, member: bool, inner: Self) {
        if !member && inner.is_empty() {
            return;
        }
        let node = self.node(step);
        node.member |= member;
        if node.inner.is_empty() {
            node.inner = inner;
        } else {
            node.inner.unite(inner);
        }
    }

    /// Adds all members of `other`.
    pub fn unite(&mut self, other: Self) {
        if self.nodes.is_empty() {
            *self = other;
            return;
        }
        let mut out = Vec::with_capacity(self.nodes.len() + other.nodes.len());
        let mut left = std::mem::take(&mut self.nodes).into_iter().peekable();
        let mut right = other.nodes.into_iter().peekable();
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(left), Some(right)) => left.step.cmp(&right.step),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            match order {
                Ordering::Less => out.extend(left.next()),
                Ordering::Greater => out.extend(right.next()),
                Ordering::Equal => {
                    if let (Some(mut left), Some(right)) = (left.next(), right.next()) {
                        left.member |= right.member;
                        left.inner.unite(right.inner);
                        out.push(left);
                    }
                }
            }
        }
        self.nodes = out;
    }

    /// Removes the members that `other` has too. True if there were any.
    pub fn subtract(&mut self, other: &Self) -> bool {
        self.subtract_by(other, &|node, other| {
            let member = node.member && other.member;
            node.member &= !other.member;
            node.inner.subtract(&other.inner) || member
        })
    }

    /// Removes the members of `other` and all that lies inside them. True if there was anything.
    pub fn subtract_recursively(&mut self, other: &Self) -> bool {
        self.subtract_by(other, &|node, other| {
            if other.member {
                node.member = false;
                node.inner = Self::default();
                return true;
            }
            node.inner.subtract_recursively(&other.inner)
        })
    }

    fn subtract_by(&mut self, other: &Self, common: &dyn Fn(&mut Node, &Node) -> bool) -> bool {
        let mut others = other.nodes.iter().peekable();
        let mut changed = false;
        self.nodes.retain_mut(|node| {
            while others.next_if(|other| other.step < node.step).is_some() {}
            if let Some(other) = others.peek().filter(|other| other.step == node.step) {
                changed |= common(node, other);
            }
            !node.is_empty()
        });
        changed
    }

    /// The members that both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut others = other.nodes.iter().peekable();
        let mut out = Self::default();
        for node in &self.nodes {
            while others.next_if(|other| other.step < node.step).is_some() {}
            if let Some(other) = others.peek().filter(|other| other.step == node.step) {
                let inner = node.inner.intersection(&other.inner);
                let member = node.member && other.member;
                if member || !inner.is_empty() {
                    out.nodes.push(Node { step: node.step.clone(), member, inner });
                }
            }
        }
        out
    }

    /// Whether each member is one of `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        let mut others = other.nodes.iter().peekable();
        self.nodes.iter().all(|node| {
            while others.next_if(|other| other.step < node.step).is_some() {}
            others.peek().is_some_and(|other| {
                other.step == node.step
                    && (other.member || !node.member)
                    && node.inner.is_subset(&other.inner)
            })
        })
    }

    /// Calls `f` with each member: of each container first those directly in it, as kube-apiserver lists conflicts.
    pub fn for_each(&self, f: &mut dyn FnMut(&[Step])) {
        self.walk(&mut Vec::new(), f);
    }

    fn walk(&self, path: &mut Vec<Step>, f: &mut dyn FnMut(&[Step])) {
        for node in self.nodes.iter().filter(|node| node.member) {
            path.push(node.step.clone());
            f(path);
            path.pop();
        }
        for node in &self.nodes {
            path.push(node.step.clone());
            node.inner.walk(path, f);
            path.pop();
        }
    }
}
