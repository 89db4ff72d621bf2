// SPDX-License-Identifier: Apache-2.0
//! Whether a recorded history can be explained.
//!
//! Revisions give the order of the writes, so no search is needed: every operation is given the earliest revision at
//! which its answer was true and that is not before any operation that had ended when it began (strict
//! serializability over all keys, not only per key). That choice is best for all others: if it fails, every one does.

use std::collections::{BTreeMap, HashMap};

use apistore::Revision;

/// One change, as a watch told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub revision: Revision,
    pub key: usize,
    /// None: deleted.
    pub value: Option<u64>,
    /// The revision of what was there before.
    pub previous: Option<Revision>,
}

/// What is at a key: its revision and its value.
pub type State = Option<(Revision, u64)>;

/// What a write demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    Absent,
    Present,
    At(Revision),
}

#[derive(Debug, Clone)]
pub enum What {
    /// No revision: nobody knows whether it was done.
    Put {
        key: usize,
        value: u64,
        demand: Demand,
        done: Option<Revision>,
    },
    Delete {
        key: usize,
        demand: Demand,
        done: Option<Revision>,
    },
    Read {
        key: usize,
        state: State,
    },
    Present {
        key: usize,
    },
    Newest {
        revision: Revision,
    },
    /// The newest of all keys.
    List {
        revision: Revision,
        states: Vec<State>,
    },
    /// All keys at a revision that was asked for.
    Past {
        revision: Revision,
        states: Vec<State>,
    },
}

/// An operation with its place in real time.
#[derive(Debug, Clone)]
pub struct Op {
    pub call: u64,
    /// `u64::MAX`: never.
    pub end: u64,
    pub what: What,
}

/// What one watch got: everything after `after` until its last change.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    pub watcher: String,
    pub prefix: String,
    pub after: Revision,
    pub changes: Vec<Change>,
}

pub struct Checker<'a> {
    log: &'a [Change],
    /// For each key its states, by the revision from which they hold.
    states: BTreeMap<usize, Vec<(Revision, State)>>,
    /// For each change the latest call of a write up to it.
    called: Vec<u64>,
    anomalies: Vec<String>,
}

/// Everything that cannot be explained.
pub fn check(log: &[Change], ops: &[Op], segments: &[Segment]) -> Vec<String> {
    let mut checker =
        Checker { log, states: BTreeMap::new(), called: Vec::new(), anomalies: Vec::new() };
    checker.chain();
    checker.writes(ops);
    checker.real_time(ops);
    for segment in segments {
        checker.segment(segment);
    }
    checker.anomalies
}

impl Checker<'_> {
    fn wrong(&mut self, text: String) {
        if self.anomalies.len() < 50 {
            self.anomalies.push(text);
        }
    }

    /// Revisions grow, and each change names the one before it.
    fn chain(&mut self) {
        let mut last = 0;
        let mut now: HashMap<usize, State> = HashMap::new();
        for change in self.log {
            if change.revision <= last {
                self.wrong(format!("revision {} after {last}", change.revision));
            }
            last = change.revision;
            let before = now.get(&change.key).copied().flatten();
            if change.previous != before.map(|(revision, _)| revision) {
                self.wrong(format!("{change:?} does not follow {before:?}"));
            }
            let state = change.value.map(|value| (change.revision, value));
            now.insert(change.key, state);
            self.states.entry(change.key).or_default().push((change.revision, state));
        }
    }

    /// Each change was asked for, under a condition that held; each acknowledged write is a change.
    fn writes(&mut self, ops: &[Op]) {
        let mut puts: HashMap<u64, &Op> = HashMap::new();
        let mut deletes: HashMap<Revision, &Op> = HashMap::new();
        let mut unknown: HashMap<usize, Vec<&Op>> = HashMap::new();
        let mut acknowledged = 0_usize;
        for op in ops {
            match &op.what {
                What::Put { value, done, .. } => {
                    puts.insert(*value, op);
                    acknowledged += usize::from(done.is_some());
                }
                What::Delete { done: Some(revision), .. } => {
                    acknowledged += 1;
                    if deletes.insert(*revision, op).is_some() {
                        self.wrong(format!("two deletions have revision {revision}"));
                    }
                }
                What::Delete { key, done: None, .. } => unknown.entry(*key).or_default().push(op),
                _ => {}
            }
        }
        let (mut latest, mut found) = (0, 0);
        let log = self.log;
        for change in log {
            let op = match change.value {
                Some(value) => puts.get(&value).copied(),
                None => deletes.get(&change.revision).copied().or_else(|| {
                    let fits = |op: &&&Op| match &op.what {
                        What::Delete { demand: Demand::At(revision), .. } => {
                            Some(*revision) == change.previous
                        }
                        _ => true,
                    };
                    // Deletions bear no mark. If several fit, the one asked first explains the most.
                    let fitting = unknown.get(&change.key)?.iter().filter(fits);
                    fitting.min_by_key(|op| op.call).copied()
                }),
            };
            let Some(op) = op else {
                self.wrong(format!("nobody asked for {change:?}"));
                self.called.push(latest);
                continue;
            };
            latest = latest.max(op.call);
            self.called.push(latest);
            let (What::Put { key, demand, done, .. } | What::Delete { key, demand, done }) =
                &op.what
            else {
                continue;
            };
            let held = match demand {
                Demand::Absent => change.previous.is_none(),
                Demand::Present => change.previous.is_some(),
                Demand::At(revision) => change.previous == Some(*revision),
            };
            if *key != change.key || !held || done.is_some_and(|done| done != change.revision) {
                self.wrong(format!("{change:?} is not what {op:?} asked for or was told"));
            }
            found += usize::from(done.is_some());
        }
        if found != acknowledged {
            self.wrong(format!("{} acknowledged writes are lost", acknowledged.abs_diff(found)));
        }
    }

    fn real_time(&mut self, ops: &[Op]) {
        let revisions: HashMap<u64, Revision> = self
            .log
            .iter()
            .filter_map(|change| change.value.map(|value| (value, change.revision)))
            .collect();
        let mut moments: Vec<(u64, bool, usize)> = Vec::with_capacity(ops.len() * 2);
        for (index, op) in ops.iter().enumerate() {
            moments.push((op.call, false, index));
            if op.end != u64::MAX {
                moments.push((op.end, true, index));
            }
        }
        moments.sort_unstable();
        let mut ended: Revision = 0;
        let mut points = vec![0; ops.len()];
        for (_, end, index) in moments {
            let op = &ops[index];
            if end {
                ended = ended.max(points[index]);
                continue;
            }
            let point = match &op.what {
                What::Put { value, done, .. } => {
                    let revision = done.or_else(|| revisions.get(value).copied());
                    revision
                        .filter(|revision| *revision <= ended)
                        .map_or(Ok(revision.unwrap_or(0)), Err)
                }
                What::Delete { done, .. } => match done {
                    Some(revision) if *revision <= ended => Err(*revision),
                    done => Ok(done.unwrap_or(0)),
                },
                What::Read { key, state } => {
                    self.first(*key, ended, |found| found == *state).ok_or(0)
                }
                What::Present { key } => self.first(*key, ended, |found| found.is_some()).ok_or(0),
                What::Newest { revision } => {
                    (*revision >= ended).then_some(*revision).ok_or(*revision)
                }
                What::List { revision, states } => (*revision >= ended
                    && self.all(*revision, states))
                .then_some(*revision)
                .ok_or(*revision),
                // Its place in time is free, but nobody sees the future.
                What::Past { revision, states } => {
                    if !self.all(*revision, states) {
                        self.wrong(format!("{op:?} is not what was there"));
                    }
                    Ok(0)
                }
            };
            match point {
                Ok(point) => {
                    points[index] = point;
                    if self.latest_call(point) > op.end {
                        self.wrong(format!("{op:?} saw the future: revision {point}"));
                    }
                }
                Err(_) => self
                    .wrong(format!("{op:?} was answered from the past: {ended} had ended before")),
            }
        }
    }

    /// The latest call among the writes up to that revision.
    fn latest_call(&self, revision: Revision) -> u64 {
        let upto = self.log.partition_point(|change| change.revision <= revision);
        upto.checked_sub(1).map_or(0, |last| self.called[last])
    }

    /// The first revision not before `from` at which the key is as wanted.
    fn first(
        &self,
        key: usize,
        from: Revision,
        wanted: impl Fn(State) -> bool,
    ) -> Option<Revision> {
        let empty = Vec::new();
        let states = self.states.get(&key).unwrap_or(&empty);
        let next = states.partition_point(|(revision, _)| *revision <= from);
        let now = next.checked_sub(1).and_then(|at| states[at].1);
        if wanted(now) {
            return Some(from);
        }
        states[next..].iter().find(|(_, state)| wanted(*state)).map(|(revision, _)| *revision)
    }

    fn all(&self, revision: Revision, states: &[State]) -> bool {
        states.iter().enumerate().all(|(key, state)| {
            self.first(key, revision, |found| found == *state) == Some(revision)
        })
    }

    /// A watch got all changes of its prefix after its beginning, once each, in order, up to its last.
    fn segment(&mut self, segment: &Segment) {
        let last = segment.changes.last().map_or(0, |change| change.revision);
        let log = self.log;
        let mut expected = log.iter().filter(|change| {
            change.revision > segment.after
                && change.revision <= last
                && super::key(change.key).starts_with(&segment.prefix)
        });
        for got in &segment.changes {
            match expected.next() {
                Some(change) if change == got => {}
                other => {
                    let watcher = &segment.watcher;
                    self.wrong(format!(
                        "watch {watcher} after {}: {got:?} instead of {other:?}",
                        segment.after
                    ));
                    return;
                }
            }
        }
        if let Some(missing) = expected.next() {
            self.wrong(format!("watch {}: {missing:?} is missing at the end", segment.watcher));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(call: u64, value: u64, done: Revision) -> Op {
        let what = What::Put { key: 0, value, demand: Demand::Absent, done: Some(done) };
        Op { call, end: call + 1, what }
    }

    fn change(revision: Revision, value: Option<u64>, previous: Option<Revision>) -> Change {
        Change { revision, key: 0, value, previous }
    }

    #[test]
    fn a_deletion_of_unknown_outcome_is_the_first_that_fits() {
        let log = [change(1, Some(1), None), change(2, None, Some(1)), change(3, Some(2), None)];
        let delete = |call| {
            let what = What::Delete { key: 0, demand: Demand::At(1), done: None };
            Op { call, end: u64::MAX, what }
        };
        // Asked once more after the first did it; listed in any order.
        let ops = [put(1, 1, 1), delete(20), delete(5), put(7, 2, 3)];
        assert_eq!(check(&log, &ops, &[]), [""; 0]);
        // Without the first, something saw a deletion that nobody had asked for yet.
        let ops = [put(1, 1, 1), delete(20), put(7, 2, 3)];
        assert_eq!(check(&log, &ops, &[]).len(), 1);
    }

    #[test]
    fn answers_from_the_past_are_found() {
        let log = [change(1, Some(1), None), change(2, None, Some(1))];
        let what = What::Delete { key: 0, demand: Demand::At(1), done: Some(2) };
        let mut ops = vec![put(1, 1, 1), Op { call: 3, end: 4, what }];
        let read = |call, end| Op { call, end, what: What::Read { key: 0, state: Some((1, 1)) } };
        ops.push(read(2, 6));
        assert_eq!(check(&log, &ops, &[]), [""; 0], "it may have come before the deletion");
        ops.push(read(5, 6));
        assert_eq!(check(&log, &ops, &[]).len(), 1, "this one cannot");
    }
}
