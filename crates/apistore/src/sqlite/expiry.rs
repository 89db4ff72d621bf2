// SPDX-License-Identifier: Apache-2.0
//! When keys go away by themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::Connection;

use crate::{Clock, Revision};

/// How many keys one transaction deletes.
const AT_ONCE: usize = 256;

/// Deadlines on the store's clock. Those of revisions that were replaced since do no harm.
#[derive(Default)]
pub(super) struct Expiry(BTreeSet<(Duration, Revision, String)>);

impl Expiry {
    /// What the file says. A deadline on another clock means nothing: the key gets its whole time again.
    pub fn load(connection: &Connection, clock: &Clock) -> rusqlite::Result<Self> {
        // Rows of revisions that were compacted meanwhile.
        connection.execute("DELETE FROM ttl WHERE NOT EXISTS (SELECT 1 FROM log l WHERE l.revision = ttl.revision)", [])?;
        let mut statement = connection.prepare(
            "SELECT t.revision, l.key, t.epoch, t.deadline_ms, t.ttl_ms \
             FROM ttl t JOIN log l ON l.revision = t.revision",
        )?;
        let mut rows = statement.query([])?;
        let (now, mut expiry) = (clock.now(), Self::default());
        while let Some(row) = rows.next()? {
            let epoch: String = row.get(2)?;
            let (deadline, ttl) =
                (Duration::from_millis(row.get(3)?), Duration::from_millis(row.get(4)?));
            let whole = now.saturating_add(ttl);
            let deadline = if epoch.is_empty() || epoch != clock.epoch() {
                whole
            } else {
                deadline.min(whole)
            };
            expiry.0.insert((deadline, row.get(0)?, row.get(1)?));
        }
        Ok(expiry)
    }

    pub fn add(&mut self, deadline: Duration, revision: Revision, key: &str) {
        self.0.insert((deadline, revision, key.to_owned()));
    }

    pub fn next(&self) -> Option<Duration> {
        self.0.first().map(|(deadline, ..)| *deadline)
    }

    /// Takes out what is due, some of it if it is much.
    pub fn due(&mut self, now: Duration) -> Vec<(Duration, Revision, String)> {
        let mut due = Vec::new();
        while due.len() < AT_ONCE && self.next().is_some_and(|deadline| deadline <= now) {
            due.extend(self.0.pop_first());
        }
        due
    }
}
