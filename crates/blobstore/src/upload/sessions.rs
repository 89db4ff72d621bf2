// SPDX-License-Identifier: Apache-2.0
//! Which upload sessions exist in this process, and who is using them.
//!
//! The table is the fast path: a session that stays in this process goes on with its running hash
//! and, while it is small, its bytes. A session that is not here is found in the store, so the
//! table may forget any whose bytes lie there. In an exclusive store the bytes of a small session
//! lie here alone until it is committed (docs/decisions/0006): those are *held*, within a bound,
//! and are written out when the store is closed.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use oci::RepositoryName;
use parking_lot::Mutex;
use time::OffsetDateTime;
use uuid::Uuid;

use super::hashes::Hashes;

/// Sessions kept while nobody sends to them.
const KEPT: usize = 4096;

/// Memory for sessions whose bytes lie nowhere else. What finds no room goes to the store.
const HELD: usize = 8 * 1024 * 1024;

/// What a held session takes beside its bytes.
const HELD_OVERHEAD: usize = 1024;

/// When room is short, held sessions that nobody has gone on with for so long are given up.
const HELD_IDLE: Duration = Duration::from_secs(3600);

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
    /// Since when nobody has used it.
    pub(super) since: Instant,
}

impl Idle {
    /// What it takes to hold this session, if its bytes lie nowhere else.
    fn held(&self) -> Option<usize> {
        (self.stored < self.offset).then(|| HELD_OVERHEAD + self.small.as_ref().map_or(0, Vec::len))
    }
}

enum Slot {
    Busy,
    Idle(Box<Idle>),
}

/// A held session, to be written out.
pub(super) struct Unsaved {
    pub(super) id: Uuid,
    pub(super) idle: Box<Idle>,
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
    /// Held sessions and when they were put down, oldest first; may name sessions that are gone.
    held_order: VecDeque<(Uuid, Instant)>,
    /// Sum of what held sessions take.
    held: usize,
    ended: HashMap<Uuid, ()>,
    ended_order: VecDeque<Uuid>,
}

impl Table {
    /// Replaces what is known of an id and keeps account of what is held.
    fn set(&mut self, id: Uuid, slot: Option<Slot>) -> Option<Box<Idle>> {
        if let Some(Slot::Idle(idle)) = &slot {
            self.held += idle.held().unwrap_or(0);
        }
        let before = match slot {
            Some(slot) => self.slots.insert(id, slot),
            None => self.slots.remove(&id),
        };
        match before {
            Some(Slot::Idle(idle)) => {
                self.held -= idle.held().unwrap_or(0);
                Some(idle)
            }
            _ => None,
        }
    }

    /// Whether a session is held, and since that very moment.
    fn is_held_since(&self, id: Uuid, since: Instant) -> bool {
        let Some(Slot::Idle(idle)) = self.slots.get(&id) else { return false };
        idle.since == since && idle.held().is_some()
    }
}

/// The table.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

impl Sessions {
    /// Registers a new session as in use.
    pub(super) fn begin(&self, id: Uuid) {
        self.0.lock().set(id, Some(Slot::Busy));
    }

    /// Takes a session for one request.
    pub(super) fn take(&self, id: Uuid, repository: &RepositoryName) -> Taken {
        let mut table = self.0.lock();
        match table.slots.get(&id) {
            Some(Slot::Busy) => Taken::Busy,
            Some(Slot::Idle(idle)) if idle.repository != *repository => Taken::Ended,
            Some(Slot::Idle(_)) => match table.set(id, Some(Slot::Busy)) {
                Some(idle) => Taken::Mine(idle),
                None => Taken::Busy,
            },
            None if table.ended.contains_key(&id) => Taken::Ended,
            None => {
                table.set(id, Some(Slot::Busy));
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

    /// Whether so many bytes may be held in memory alone.
    pub(super) fn may_hold(&self, bytes: usize) -> bool {
        let mut table = self.0.lock();
        let needed = bytes + HELD_OVERHEAD;
        while table.held + needed > HELD {
            match table.held_order.front().copied() {
                Some((id, since)) if !table.is_held_since(id, since) => {}
                Some((id, since)) if since.elapsed() > HELD_IDLE => {
                    table.set(id, None);
                }
                _ => return false,
            }
            table.held_order.pop_front();
        }
        true
    }

    /// Puts a session down at the end of a request.
    pub(super) fn put_down(&self, id: Uuid, mut idle: Idle) {
        let mut table = self.0.lock();
        let now = Instant::now();
        idle.since = now;
        let held = idle.held().is_some();
        table.set(id, Some(Slot::Idle(Box::new(idle))));
        if held {
            table.held_order.push_back((id, now));
            // Most of them were committed soon; the list must not grow behind an idle one.
            if table.held_order.len() > 2 * HELD / HELD_OVERHEAD {
                let mut order = std::mem::take(&mut table.held_order);
                order.retain(|(id, since)| table.is_held_since(*id, *since));
                table.held_order = order;
            }
            return;
        }
        table.idle_order.push_back(id);
        while table.idle_order.len() > KEPT {
            let Some(oldest) = table.idle_order.pop_front() else { break };
            // Still idle, and not put down again since: what it holds can be found in the store,
            // or it holds nothing.
            let stale = matches!(
                table.slots.get(&oldest),
                Some(Slot::Idle(idle)) if idle.held().is_none()
            );
            if stale && !table.idle_order.contains(&oldest) {
                table.set(oldest, None);
            }
        }
    }

    /// Takes out the held sessions that began before `limit`, or all of them.
    pub(super) fn take_held(&self, limit: Option<OffsetDateTime>) -> Vec<Unsaved> {
        let mut table = self.0.lock();
        let old: Vec<Uuid> = held_before(&table, limit).map(|(id, _)| id).collect();
        let taken = old.into_iter().filter_map(|id| {
            let idle = table.set(id, None)?;
            Some(Unsaved { id, idle })
        });
        taken.collect()
    }

    /// The held sessions that began before `limit`: repository, id, begin.
    pub(super) fn list_held(
        &self,
        limit: OffsetDateTime,
    ) -> Vec<(RepositoryName, Uuid, OffsetDateTime)> {
        let table = self.0.lock();
        held_before(&table, Some(limit))
            .map(|(id, idle)| (idle.repository.clone(), id, idle.started_at))
            .collect()
    }

    /// Lets go of a session without a trace: the next request finds it in the store.
    pub(super) fn forget(&self, id: Uuid) {
        self.0.lock().set(id, None);
    }

    /// The session is over.
    pub(crate) fn end(&self, id: Uuid) {
        let mut table = self.0.lock();
        table.set(id, None);
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

fn held_before(
    table: &Table,
    limit: Option<OffsetDateTime>,
) -> impl Iterator<Item = (Uuid, &Idle)> {
    table.slots.iter().filter_map(move |(id, slot)| match slot {
        Slot::Idle(idle) if idle.held().is_some() => {
            limit.is_none_or(|limit| idle.started_at < limit).then_some((*id, &**idle))
        }
        _ => None,
    })
}

/// What can be told of a session without taking it.
pub(super) enum Peek {
    /// Nobody uses it.
    Idle { offset: u64, started_at: OffsetDateTime, states: Vec<oci::Midstate> },
    /// A request is sending to it.
    Busy,
}
