// SPDX-License-Identifier: Apache-2.0
//! Which upload sessions exist in this process, and who is using them.
//!
//! The table is the fast path: a session that stays in this process goes on with its running hash
//! and, while it is small, its bytes. It is not the truth: a session that is not here is found in
//! the store, so the table may forget any of them.

use std::collections::{HashMap, VecDeque};

use oci::RepositoryName;
use parking_lot::Mutex;
use time::OffsetDateTime;
use uuid::Uuid;

use super::hashes::Hashes;

/// Sessions kept while nobody sends to them.
const KEPT: usize = 4096;

/// Ids of ended sessions remembered, so that they are not mistaken for ones begun elsewhere.
const ENDED: usize = 16_384;

/// A session between two requests.
pub(super) struct Idle {
    pub(super) repository: RepositoryName,
    pub(super) offset: u64,
    /// How many of the bytes lie in `data`; all of them unless a commit has failed.
    pub(super) stored: u64,
    pub(super) started_at: OffsetDateTime,
    /// `None`: the bytes must be read again at commit.
    pub(super) hashes: Option<Hashes>,
    /// All bytes, while they are few.
    pub(super) small: Option<Vec<u8>>,
    /// Whether the session's directory was made.
    pub(super) on_disk: bool,
    /// The driver's note for resuming.
    pub(super) note: bytes::Bytes,
}

enum Slot {
    Busy,
    Idle(Box<Idle>),
}

/// What the table knows of an id.
pub(super) enum Taken {
    /// The caller has it now.
    Mine(Box<Idle>),
    /// Another request has it.
    Busy,
    /// It was committed or cancelled here.
    Ended,
    /// Nothing; the caller now holds the id and must look in the store.
    Unknown,
}

#[derive(Default)]
struct Table {
    slots: HashMap<Uuid, Slot>,
    /// Ids in the order in which they became idle; may name sessions that are gone.
    idle_order: VecDeque<Uuid>,
    ended: HashMap<Uuid, ()>,
    ended_order: VecDeque<Uuid>,
}

/// The table.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

impl Sessions {
    /// Registers a new session as in use.
    pub(super) fn begin(&self, id: Uuid) {
        self.0.lock().slots.insert(id, Slot::Busy);
    }

    /// Takes a session for one request.
    pub(super) fn take(&self, id: Uuid, repository: &RepositoryName) -> Taken {
        let mut table = self.0.lock();
        match table.slots.get(&id) {
            Some(Slot::Busy) => Taken::Busy,
            Some(Slot::Idle(idle)) if idle.repository != *repository => Taken::Ended,
            Some(Slot::Idle(_)) => match table.slots.insert(id, Slot::Busy) {
                Some(Slot::Idle(idle)) => Taken::Mine(idle),
                _ => Taken::Busy,
            },
            None if table.ended.contains_key(&id) => Taken::Ended,
            None => {
                table.slots.insert(id, Slot::Busy);
                Taken::Unknown
            }
        }
    }

    /// Offset and start of a session that is not in use.
    pub(super) fn peek(&self, id: Uuid, repository: &RepositoryName) -> Option<Peek> {
        match self.0.lock().slots.get(&id) {
            Some(Slot::Idle(idle)) if idle.repository == *repository => Some(Peek::Idle {
                offset: idle.offset,
                started_at: idle.started_at,
                states: idle.hashes.as_ref().map(Hashes::states).unwrap_or_default(),
            }),
            Some(Slot::Busy) => Some(Peek::Busy),
            _ => None,
        }
    }

    /// Whether the session was committed or cancelled here.
    pub(crate) fn has_ended(&self, id: Uuid) -> bool {
        self.0.lock().ended.contains_key(&id)
    }

    /// Puts a session down at the end of a request.
    pub(super) fn put_down(&self, id: Uuid, idle: Idle) {
        let mut table = self.0.lock();
        table.slots.insert(id, Slot::Idle(Box::new(idle)));
        table.idle_order.push_back(id);
        while table.idle_order.len() > KEPT {
            let Some(oldest) = table.idle_order.pop_front() else { break };
            // Still idle, and not put down again since: what it holds can be found in the store,
            // or it holds nothing.
            let stale = matches!(
                table.slots.get(&oldest),
                Some(Slot::Idle(idle)) if idle.stored == idle.offset
            );
            if stale && !table.idle_order.contains(&oldest) {
                table.slots.remove(&oldest);
            }
        }
    }

    /// Lets go of a session without a trace: the next request finds it in the store.
    pub(super) fn forget(&self, id: Uuid) {
        self.0.lock().slots.remove(&id);
    }

    /// The session is over.
    pub(crate) fn end(&self, id: Uuid) {
        let mut table = self.0.lock();
        table.slots.remove(&id);
        if table.ended.insert(id, ()).is_none() {
            table.ended_order.push_back(id);
        }
        while table.ended_order.len() > ENDED {
            if let Some(oldest) = table.ended_order.pop_front() {
                table.ended.remove(&oldest);
            }
        }
    }

    /// Sessions known and in use, for metrics.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().slots.len()
    }
}

/// What can be told of a session without taking it.
pub(super) enum Peek {
    /// Nobody uses it.
    Idle { offset: u64, started_at: OffsetDateTime, states: Vec<oci::Midstate> },
    /// A request is sending to it.
    Busy,
}
