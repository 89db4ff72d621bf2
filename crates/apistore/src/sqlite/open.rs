// SPDX-License-Identifier: Apache-2.0
//! From a directory to a database that may be used: the lock, the format, the check after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::schema;

pub(super) const DATABASE: &str = "store.db";
const LOCK: &str = "store.lock";
/// A database up to this size is checked before it is used, when it was not closed; a larger one would delay the
/// start too long.
const CHECK_BYTES: u64 = 64 << 20;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by {holder}", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who, as far as known.
        holder: String,
    },
    /// A newer program wrote it. It was not touched.
    #[error(
        "the store has format {found} and this program reads up to {supported}: use version {program} or newer"
    )]
    Newer {
        /// The format found.
        found: i64,
        /// The newest format that this program reads.
        supported: i64,
        /// The version of the program that wrote it.
        program: String,
    },
    /// The file is not a store of ours. It was not touched.
    #[error("the file is a database of something else")]
    Foreign,
    /// The file is damaged: restore a backup.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A file or directory could not be made or read.
    #[error("the store's directory cannot be used")]
    Io(#[from] io::Error),
    /// SQLite could not use the file.
    #[error("the database cannot be used")]
    Sqlite(#[from] rusqlite::Error),
}

/// The exclusive right to a directory; ends with the process or when dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    fn take(dir: &Path) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(dir.join(LOCK))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.take(100).read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                return Err(OpenError::Locked { dir: dir.to_owned(), holder });
            }
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

/// An open database with its lock.
#[derive(Debug)]
pub(super) struct Opened {
    pub lock: DirLock,
    pub path: PathBuf,
    pub writer: Connection,
}

/// Opens the store in `dir`, makes it if there is none.
pub(super) fn open(dir: &Path) -> Result<Opened, OpenError> {
    if !dir.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let lock = DirLock::take(dir)?;
    let path = dir.join(DATABASE);
    let writer = match header(&path)? {
        None => make(dir, &path)?,
        Some(found) => existing(&path, &found)?,
    };
    // A restored backup is not in this mode yet.
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", "FULL")?;
    writer.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(Opened { lock, path, writer })
}

/// A connection that may only read.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cache_size", -4096)?;
    Ok(connection)
}

/// What the first page says (SQLite file format, 1.3): format and application. None: no file, or nothing was ever
/// written to it.
fn header(path: &Path) -> Result<Option<Header>, OpenError> {
    let mut first = [0; 100];
    match File::open(path).and_then(|mut file| file.read_exact(&mut first)) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return if fs::metadata(path)?.len() == 0 { Ok(None) } else { Err(OpenError::Foreign) };
        }
        Err(error) => return Err(error.into()),
    }
    if !first.starts_with(b"SQLite format 3\0") {
        return Err(OpenError::Foreign);
    }
    let number = |at: usize| {
        i64::from(u32::from_be_bytes([first[at], first[at + 1], first[at + 2], first[at + 3]]))
    };
    let wal = fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() > 0);
    Ok(Some(Header { format: number(60), application: number(68), wal }))
}

struct Header {
    format: i64,
    application: i64,
    /// There is a write-ahead log: the store was not closed, and the header may be older than the truth.
    wal: bool,
}

/// The file beside the database whose name ends so.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A new file. Its parts are made durable once, at the end, before anyone is told that it is there.
fn make(dir: &Path, path: &Path) -> Result<Connection, OpenError> {
    for leftover in ["-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(path, leftover)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    // Made under another name, so that a crash on the way leaves no half of a store.
    let draft = beside(path, ".new");
    let _ = fs::remove_file(&draft);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let mut connection = connect(&draft)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    schema::create(&mut connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    drop(connection);
    File::open(&draft)?.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(dir)?.sync_all()?;
    connect(path)
}

fn existing(path: &Path, header: &Header) -> Result<Connection, OpenError> {
    if header.application != schema::APPLICATION && !header.wal {
        return Err(OpenError::Foreign);
    }
    if header.format > schema::FORMAT {
        return Err(newer(path, header));
    }
    let mut connection = connect(path)?;
    // Until the format is known to be ours, even closing must not write.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let format: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(damaged)?;
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != schema::APPLICATION {
        return Err(OpenError::Foreign);
    }
    if format > schema::FORMAT {
        return Err(OpenError::Newer {
            found: format,
            supported: schema::FORMAT,
            program: program(&connection),
        });
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    if header.wal && fs::metadata(path)?.len() <= CHECK_BYTES {
        check(&connection)?;
    }
    if format < schema::FORMAT {
        backup_once(&connection, &beside(path, &format!(".format-{format}")))?;
        schema::migrate(&mut connection, format, schema::MIGRATIONS)?;
    }
    Ok(connection)
}

fn newer(path: &Path, header: &Header) -> OpenError {
    // Without a write-ahead log the file can be read without leaving a trace beside it.
    let mode = if header.wal { "mode=ro" } else { "mode=ro&immutable=1" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = format!(
        "file:{}?{mode}",
        path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
    );
    let program =
        Connection::open_with_flags(uri, flags).map_or_else(|_| unknown(), |found| program(&found));
    OpenError::Newer { found: header.format, supported: schema::FORMAT, program }
}

fn program(connection: &Connection) -> String {
    let found =
        connection.query_row("SELECT value FROM meta WHERE name = 'program'", [], |row| row.get(0));
    found.unwrap_or_else(|_| unknown())
}

fn unknown() -> String {
    "(unknown)".to_owned()
}

fn damaged(error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            OpenError::Damaged(error.to_string())
        }
        _ => error.into(),
    }
}

/// Reads every page: indexes agree with tables, pages are where they belong.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    let answer: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if answer == "ok" { Ok(()) } else { Err(OpenError::Damaged(answer)) }
}

/// A backup that a former attempt at the same migration made is as good, and older.
fn backup_once(connection: &Connection, to: &Path) -> Result<(), OpenError> {
    if to.exists() { Ok(()) } else { backup(connection, to) }
}

/// Writes what a reader would see now to a new file, complete or not at all.
pub(super) fn backup(connection: &Connection, to: &Path) -> Result<(), OpenError> {
    if to.exists() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
    }
    let draft = beside(to, ".part");
    let _ = fs::remove_file(&draft);
    let result = (|| {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let name = draft.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        connection.execute("VACUUM INTO ?1", [name])?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, to)?;
        let dir =
            to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        Ok(File::open(dir)?.sync_all()?)
    })();
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result
}
