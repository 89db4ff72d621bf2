// SPDX-License-Identifier: Apache-2.0
//! How changes of names reach the store: through the journal, or straight through the driver.
//!
//! A caller lists operations so that every prefix of them is a legal state (a name comes after what
//! it names), and learns of success only when all of them are durable and visible.

use std::sync::Arc;

use storage::driver::{Batch, Change, Driver, Key};

use crate::error::Result;
use crate::journal::{Effects, Journal, Op, Outcome};

/// The way changes take.
pub(crate) enum Engine {
    /// An exclusively owned filesystem.
    Journal(Journal),
    /// Anything else: shared volumes, object stores, memory.
    Direct(Arc<dyn Driver>),
}

impl Engine {
    /// Makes the operations durable and visible, in order, then lets the caches know.
    pub(crate) async fn commit(&self, ops: Vec<Op>, effects: Effects) -> Result<()> {
        match self {
            Self::Journal(journal) => journal.commit(ops, effects).await,
            Self::Direct(driver) => {
                let batch: Batch = ops.into_iter().map(change).collect();
                let result = driver.apply(batch).await;
                // Two commits may become visible in another order than they end in, so that the
                // caches cannot say which one holds: they look again.
                effects(Outcome::Unknown);
                Ok(result?)
            }
        }
    }

    /// To be called before a [`Op::Move`] is committed that takes data out of a file which nothing
    /// else holds: where the journal applies it unsynced, the directory that it goes to must be
    /// durable already. Otherwise a crash could keep the rename and lose the directory.
    pub(crate) async fn prepare_move(&self, to: &Key) -> Result<()> {
        let Self::Journal(journal) = self else { return Ok(()) };
        let filesystem = journal.filesystem().clone();
        let directory = to.parent();
        crate::upload::blocking(move || filesystem.make_dirs_durable(&directory)).await
    }

    /// The journal, if this store has one.
    pub(crate) fn journal(&self) -> Option<&Journal> {
        match self {
            Self::Journal(journal) => Some(journal),
            Self::Direct(_) => None,
        }
    }
}

fn change(op: Op) -> Change {
    match op {
        Op::Put { key, bytes } | Op::Adopt { to: key, bytes, .. } => Change::Put { key, bytes },
        Op::Move { from, to } => Change::Move { from, to },
        Op::Remove { key } => Change::Remove { key },
        Op::RemoveTree { key } => Change::RemoveTree { key },
    }
}
