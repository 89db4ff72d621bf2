// SPDX-License-Identifier: Apache-2.0
//! One operation inside a transaction.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::read::newest;
use crate::{Clock, Error, Event, Expect, KeyValue, Revision};

/// What the writer can do.
pub(super) enum Op {
    Create {
        key: String,
        value: Bytes,
        ttl: Option<Duration>,
    },
    Update {
        key: String,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    },
    Delete {
        key: String,
        expect: Expect,
    },
    /// The time of that revision of the key is over.
    Expire {
        key: String,
        revision: Revision,
    },
    Compact {
        revision: Revision,
    },
    /// Nothing: wakes the writer to look at its clock.
    Look,
}

impl Op {
    pub fn size(&self) -> usize {
        match self {
            Self::Create { key, value, .. } | Self::Update { key, value, .. } => {
                key.len() + value.len()
            }
            Self::Delete { key, .. } | Self::Expire { key, .. } => key.len(),
            Self::Compact { .. } | Self::Look => 0,
        }
    }
}

/// What an operation answers.
pub(super) enum Answer {
    Written(KeyValue),
    Deleted(KeyValue, Revision),
    Done,
}

/// An event, and when its key goes away by itself.
type Written = (Arc<Event>, Option<Duration>);

/// A transaction on its way.
pub(super) struct Writing<'a> {
    connection: &'a Connection,
    newest: Revision,
    compacted: Revision,
    compact_to: Revision,
    clock: &'a Clock,
    events: Vec<Written>,
}

impl<'a> Writing<'a> {
    pub fn new(
        connection: &'a Connection,
        newest: Revision,
        compacted: Revision,
        clock: &'a Clock,
    ) -> Self {
        Self { connection, newest, compacted, compact_to: 0, clock, events: Vec::new() }
    }

    /// What was written, and the revision compacted to (0: none).
    pub fn finish(self) -> (Vec<Written>, Revision) {
        (self.events, self.compact_to)
    }

    /// The inner result is the caller's answer, the outer one fails the transaction.
    pub fn apply(&mut self, op: &Op) -> rusqlite::Result<Result<Answer, Error>> {
        match op {
            Op::Create { key, value, ttl } => match newest(self.connection, key)? {
                Some(_) => Ok(Err(Error::Exists)),
                None => self.put(key, value, None, *ttl),
            },
            Op::Update { key, value, expect, ttl } => match self.expected(key, *expect)? {
                Ok(previous) => self.put(key, value, Some(previous), *ttl),
                Err(error) => Ok(Err(error)),
            },
            Op::Delete { key, expect } => match self.expected(key, *expect)? {
                Ok(previous) => self.delete(previous),
                Err(error) => Ok(Err(error)),
            },
            Op::Expire { key, revision } => self.expire(key, *revision),
            Op::Compact { revision } => self.compact(*revision),
            Op::Look => Ok(Ok(Answer::Done)),
        }
    }

    fn expected(&self, key: &str, expect: Expect) -> rusqlite::Result<Result<KeyValue, Error>> {
        Ok(match (newest(self.connection, key)?, expect) {
            (None, _) => Err(Error::NotFound),
            (Some(now), Expect::Modified(revision)) if now.modified != revision => {
                Err(Error::Conflict(Box::new(now)))
            }
            (Some(now), _) => Ok(now),
        })
    }

    fn put(
        &mut self,
        key: &str,
        value: &Bytes,
        previous: Option<KeyValue>,
        ttl: Option<Duration>,
    ) -> rusqlite::Result<Result<Answer, Error>> {
        let revision = self.newest + 1;
        let created = previous.as_ref().map_or(revision, |previous| previous.created);
        self.insert(
            revision,
            key,
            created,
            previous.as_ref().map_or(0, |previous| previous.modified),
            Some(value),
        )?;
        let deadline = match ttl {
            None => None,
            Some(ttl) => Some(self.expires(revision, ttl)?),
        };
        self.newest = revision;
        let now =
            KeyValue { key: key.to_owned(), value: value.clone(), created, modified: revision };
        self.events.push((Arc::new(Event::Put { now: now.clone(), previous }), deadline));
        Ok(Ok(Answer::Written(now)))
    }

    fn delete(&mut self, previous: KeyValue) -> rusqlite::Result<Result<Answer, Error>> {
        let revision = self.newest + 1;
        self.insert(revision, &previous.key, 0, previous.modified, None)?;
        self.newest = revision;
        self.events.push((Arc::new(Event::Delete { previous: previous.clone(), revision }), None));
        Ok(Ok(Answer::Deleted(previous, revision)))
    }

    fn insert(
        &self,
        revision: Revision,
        key: &str,
        created: Revision,
        previous: Revision,
        value: Option<&Bytes>,
    ) -> rusqlite::Result<()> {
        let mut statement =
            self.connection.prepare_cached("INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let value = value.map(|value| &value[..]);
        statement
            .execute(params![revision, key, created, previous, value.is_none(), value])
            .map(drop)
    }

    fn expires(&self, revision: Revision, ttl: Duration) -> rusqlite::Result<Duration> {
        let deadline = self.clock.now().saturating_add(ttl);
        let mut statement =
            self.connection.prepare_cached("INSERT INTO ttl VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute(params![revision, self.clock.epoch(), millis(deadline), millis(ttl)])?;
        Ok(deadline)
    }

    fn expire(&mut self, key: &str, revision: Revision) -> rusqlite::Result<Result<Answer, Error>> {
        self.connection
            .prepare_cached("DELETE FROM ttl WHERE revision = ?1")?
            .execute([revision])?;
        match newest(self.connection, key)? {
            Some(now) if now.modified == revision => self.delete(now),
            _ => Ok(Ok(Answer::Done)),
        }
    }

    fn compact(&mut self, revision: Revision) -> rusqlite::Result<Result<Answer, Error>> {
        if revision > self.newest {
            return Ok(Err(Error::Future { asked: revision, newest: self.newest }));
        }
        if revision > self.compacted.max(self.compact_to) {
            let mut statement = self
                .connection
                .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'compacted'")?;
            statement.execute([revision])?;
            self.compact_to = revision;
        }
        Ok(Ok(Answer::Done))
    }
}

/// Rounded up: late is allowed, early is not.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().saturating_add(1)).unwrap_or(i64::MAX)
}
