// SPDX-License-Identifier: Apache-2.0
//! Deleting what compaction made unreadable, a few rows at a time.
//!
//! A row is superseded when the row that names it as its previous one is not after the compacted revision; so only the
//! rows since the last compaction are looked at. The newest row of all stays even if it is a deletion: the next
//! revision is counted from it.

use rusqlite::{Connection, TransactionBehavior};

use crate::Revision;

/// Up to where rows were deleted.
pub(super) fn swept(connection: &Connection) -> rusqlite::Result<Revision> {
    meta(connection, "swept")
}

/// The oldest revision that can be read.
pub(super) fn compacted(connection: &Connection) -> rusqlite::Result<Revision> {
    meta(connection, "compacted")
}

fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Revision> {
    connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
}

/// Looks at up to `limit` rows after `from` up to `to`; answers how far it came and how many rows it deleted.
pub(super) fn rows(
    connection: &mut Connection,
    from: Revision,
    to: Revision,
    limit: usize,
) -> rusqlite::Result<(Revision, usize)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let newest = super::read::last_revision(&transaction)?;
    // `from` itself again: it may have been a deletion that was the newest row then.
    let rows: Vec<(Revision, Revision, bool)> = transaction
        .prepare_cached(
            "SELECT revision, previous, deleted FROM log WHERE revision >= ?1 AND revision <= ?2 \
             ORDER BY revision LIMIT ?3",
        )?
        .query_map((from, to, limit + 1), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut deleted = 0;
    {
        let mut delete = transaction.prepare_cached("DELETE FROM log WHERE revision = ?1")?;
        for (revision, previous, gone) in &rows {
            if *previous > 0 {
                deleted += delete.execute([previous])?;
            }
            if *gone && *revision < newest {
                deleted += delete.execute([revision])?;
            }
        }
    }
    let reached =
        if rows.len() > limit { rows.last().map_or(to, |(revision, ..)| *revision) } else { to };
    transaction
        .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'swept'")?
        .execute([reached])?;
    // The file must not say that what is deleted can be read.
    transaction
        .prepare_cached("UPDATE meta SET value = max(value, ?1) WHERE name = 'compacted'")?
        .execute([to])?;
    transaction.commit()?;
    Ok((reached, deleted))
}
