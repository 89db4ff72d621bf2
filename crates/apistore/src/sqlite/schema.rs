// SPDX-License-Identifier: Apache-2.0
//! The tables, their version, and how an older one becomes today's.
//!
//! `log` is the history: one row for each revision, the newest row of a key is its state. `previous` is the revision
//! of the row that it replaces (0: none), which is how compaction finds what to delete and watches what was there.
//! `ttl` says when the row of a revision goes away by itself, on the clock of which epoch. `meta` holds `compacted`
//! (the oldest readable revision), `swept` (rows up to here are deleted already) and `program` (who wrote this format).

use rusqlite::{Connection, Transaction};

use super::open::OpenError;

/// The format that this program writes; it reads it and the one before.
pub(super) const FORMAT: i64 = 1;
/// "Brth", where a SQLite file says whose it is.
pub(super) const APPLICATION: i64 = 0x4272_7468;

const TABLES: &str = "
CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    value BLOB
) STRICT;
CREATE UNIQUE INDEX log_key ON log (key, revision, deleted);
CREATE TABLE ttl (
    revision INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL,
    deadline_ms INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('compacted', 0), ('swept', 0);
";

/// One step from a format to the next, inside the transaction of the whole migration.
pub(super) type Migration = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// What leads from format `n + 1` to `n + 2`, for each `n`; empty while there is but one format.
pub(super) const MIGRATIONS: &[Migration] = &[];

/// Makes the tables of an empty file.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    stamp(&transaction, FORMAT)?;
    transaction.commit()
}

fn stamp(transaction: &Transaction<'_>, format: i64) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", format)?;
    transaction.execute(
        "INSERT INTO meta VALUES ('program', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [env!("CARGO_PKG_VERSION")],
    )?;
    Ok(())
}

/// Brings format `from` to the one after the last of `steps`, in one transaction.
pub(super) fn migrate(
    connection: &mut Connection,
    from: i64,
    steps: &[Migration],
) -> Result<(), OpenError> {
    let transaction = connection.transaction()?;
    let skip = usize::try_from(from - 1).map_err(|_| OpenError::Foreign)?;
    for step in steps.iter().skip(skip) {
        step(&transaction)?;
    }
    stamp(&transaction, 1 + i64::try_from(steps.len()).map_err(|_| OpenError::Foreign)?)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
    }

    #[test]
    fn migrations_are_one_transaction() {
        let mut connection = Connection::open_in_memory().expect("memory");
        create(&mut connection).expect("tables");
        assert_eq!(version(&connection), FORMAT);
        let add: Migration = |t| t.execute_batch("ALTER TABLE log ADD COLUMN extra TEXT");
        let fail: Migration = |t| t.execute_batch("ALTER TABLE nothing ADD COLUMN extra TEXT");
        assert!(migrate(&mut connection, 1, &[add, fail]).is_err());
        assert_eq!(version(&connection), 1);
        assert!(connection.prepare("SELECT extra FROM log").is_err(), "half a migration stayed");
        migrate(&mut connection, 1, &[add]).expect("a migration");
        assert_eq!(version(&connection), 2);
        connection.prepare("SELECT extra FROM log").expect("the new column");
        let other: Migration = |t| t.execute_batch("CREATE TABLE other (x INTEGER)");
        migrate(&mut connection, 2, &[fail, other]).expect("the first step is behind us");
        assert_eq!(version(&connection), 3);
    }
}
