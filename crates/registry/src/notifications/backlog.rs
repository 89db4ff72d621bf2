// SPDX-License-Identifier: Apache-2.0
//! Events that wait for one endpoint.
//!
//! ```text
//!  <directory>/events     length (4 bytes, big-endian) and body, one event after another
//!  <directory>/delivered  number of bytes of `events` that are delivered
//! ```
//!
//! The backlog survives the end of the process, however violent. Against loss of power it is synced
//! now and then ([`Backlog::unsynced`], the delivery decides when), never while a request waits: what
//! came since is lost then, and what was delivered since may be delivered again. A torn last event
//! is cut off at the start. An event is delivered at least once.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest event; longer ones are not kept. A manifest's references are the longest part.
pub(super) const MAX_EVENT: usize = 1 << 20;

/// Delivered bytes in front of the file are given back above this.
const COMPACT_AT: u64 = 4 << 20;

/// The queue of one endpoint, first in, first out.
pub(super) struct Backlog {
    max_bytes: u64,
    place: Place,
    /// Events waiting.
    count: u64,
}

enum Place {
    Memory { events: VecDeque<Vec<u8>>, bytes: u64 },
    Disk(Disk),
}

struct Disk {
    directory: PathBuf,
    file: Arc<File>,
    /// Where the next event is read.
    delivered: u64,
    /// Where the next event is written.
    end: u64,
    /// Events were added since the last sync.
    grown: bool,
    /// The file was emptied since the last sync. On disk there may still be the old position,
    /// which would skip events that were added since.
    emptied: bool,
}

/// A sync that is due, to be run on a thread that may block.
pub(super) struct Sync {
    directory: PathBuf,
    file: Arc<File>,
    position: bool,
}

impl Sync {
    pub(super) fn run(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.position {
            sync_path(&self.directory.join("delivered"))?;
            sync_path(&self.directory)?;
        }
        Ok(())
    }
}

/// A rewrite of the file without what is delivered, to be run on a thread that may block.
pub(super) struct Compaction {
    directory: PathBuf,
    file: Arc<File>,
    from: u64,
    to: u64,
}

impl Compaction {
    /// The new file, in place. It is whole and the position durable before it takes the old one's
    /// name: a position of the old file must never meet the new one.
    pub(super) fn run(&self) -> io::Result<File> {
        let path = self.directory.join("events.new");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        let mut chunk = vec![0; 64 << 10];
        let mut at = self.from;
        while at < self.to {
            // At most the chunk's length.
            let count = (self.to - at).min(chunk.len() as u64) as usize;
            self.file.read_exact_at(&mut chunk[..count], at)?;
            file.write_all_at(&chunk[..count], at - self.from)?;
            at += count as u64;
        }
        file.sync_all()?;
        // If the process ends in between, events are delivered again.
        write_number(&self.directory.join("delivered"), 0)?;
        sync_path(&self.directory.join("delivered"))?;
        sync_path(&self.directory)?;
        fs::rename(&path, self.directory.join("events"))?;
        sync_path(&self.directory)?;
        Ok(file)
    }
}

/// A directory name for an endpoint, whatever its name is. Names that differ stay different.
pub(super) fn directory_name(endpoint: &str) -> String {
    let digest = oci::Digest::of(oci::Algorithm::Sha256, endpoint.as_bytes()).hex();
    let word: String = endpoint
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(40)
        .collect();
    format!("{word}-{}", &digest[..12])
}

impl Backlog {
    pub(super) fn memory(max_bytes: u64) -> Self {
        Self { max_bytes, place: Place::Memory { events: VecDeque::new(), bytes: 0 }, count: 0 }
    }

    /// Opens what an earlier process left.
    pub(super) fn open(directory: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join("events");
        let is_new = !path.try_exists()?;
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if is_new {
            // The way to the file: this directory, `notifications`, `.berth`.
            for directory in directory.ancestors().take(3) {
                sync_path(directory)?;
            }
        }
        let length = file.metadata()?.len();
        let delivered = read_number(&directory.join("delivered")).unwrap_or(0);
        // A position behind the end was written for a file that is gone.
        let delivered = if delivered <= length { delivered } else { 0 };
        let (end, count) = whole_events(&file, delivered, length)?;
        file.set_len(end)?;
        let disk = Disk {
            directory: directory.to_owned(),
            file: Arc::new(file),
            delivered,
            end,
            grown: false,
            // A position behind the end is still there.
            emptied: true,
        };
        Ok(Self { max_bytes, place: Place::Disk(disk), count })
    }

    /// Events waiting.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Adds events at the end; the number that did not fit is returned.
    pub(super) fn append(&mut self, events: Vec<Vec<u8>>) -> io::Result<u64> {
        let mut lost = 0;
        for event in events {
            let room = self.max_bytes.saturating_sub(self.waiting_bytes());
            if event.len() > MAX_EVENT || event.len() as u64 + 4 > room {
                lost += 1;
                continue;
            }
            match &mut self.place {
                Place::Memory { events, bytes } => {
                    *bytes += event.len() as u64 + 4;
                    events.push_back(event);
                }
                Place::Disk(disk) => disk.append(&event)?,
            }
            self.count += 1;
        }
        Ok(lost)
    }

    /// The first event, which stays until [`Backlog::delivered`].
    pub(super) fn first(&self) -> io::Result<Option<Vec<u8>>> {
        match &self.place {
            Place::Memory { events, .. } => Ok(events.front().cloned()),
            Place::Disk(disk) => disk.first(),
        }
    }

    /// Forgets the first event.
    pub(super) fn delivered(&mut self) -> io::Result<()> {
        self.count = self.count.saturating_sub(1);
        match &mut self.place {
            Place::Memory { events, bytes } => {
                if let Some(event) = events.pop_front() {
                    *bytes -= event.len() as u64 + 4;
                }
                Ok(())
            }
            Place::Disk(disk) => disk.delivered(),
        }
    }

    /// Whether events wait that a loss of power would take.
    pub(super) fn is_unsynced(&self) -> bool {
        matches!(&self.place, Place::Disk(disk) if disk.grown && disk.delivered < disk.end)
    }

    /// The sync that would keep what waits; from now on it counts as done.
    pub(super) fn unsynced(&mut self) -> Option<Sync> {
        if !self.is_unsynced() {
            return None;
        }
        let Place::Disk(disk) = &mut self.place else { return None };
        disk.grown = false;
        let position = std::mem::take(&mut disk.emptied);
        Some(Sync { directory: disk.directory.clone(), file: Arc::clone(&disk.file), position })
    }

    /// The compaction that would give much space back. Until [`Backlog::compacted`] the backlog must
    /// not change.
    pub(super) fn compaction(&self) -> Option<Compaction> {
        match &self.place {
            Place::Disk(disk) if disk.delivered > COMPACT_AT => Some(Compaction {
                directory: disk.directory.clone(),
                file: Arc::clone(&disk.file),
                from: disk.delivered,
                to: disk.end,
            }),
            _ => None,
        }
    }

    /// Goes on with the new file.
    pub(super) fn compacted(&mut self, file: File) {
        if let Place::Disk(disk) = &mut self.place {
            disk.file = Arc::new(file);
            disk.end -= disk.delivered;
            disk.delivered = 0;
            (disk.grown, disk.emptied) = (false, false);
        }
    }

    fn waiting_bytes(&self) -> u64 {
        match &self.place {
            Place::Memory { bytes, .. } => *bytes,
            Place::Disk(disk) => disk.end - disk.delivered,
        }
    }
}

impl Disk {
    fn append(&mut self, event: &[u8]) -> io::Result<()> {
        // Bounded by MAX_EVENT.
        let mut record = (event.len() as u32).to_be_bytes().to_vec();
        record.extend_from_slice(event);
        self.file.write_all_at(&record, self.end)?;
        self.end += record.len() as u64;
        self.grown = true;
        Ok(())
    }

    fn first(&self) -> io::Result<Option<Vec<u8>>> {
        if self.delivered == self.end {
            return Ok(None);
        }
        let length = record_length(&self.file, self.delivered)?;
        let mut event = vec![0; length];
        self.file.read_exact_at(&mut event, self.delivered + 4)?;
        Ok(Some(event))
    }

    fn delivered(&mut self) -> io::Result<()> {
        if self.delivered == self.end {
            return Ok(());
        }
        self.delivered += 4 + record_length(&self.file, self.delivered)? as u64;
        if self.delivered == self.end {
            // First the file, then the position: in between, a position behind the end means 0.
            self.file.set_len(0)?;
            (self.delivered, self.end) = (0, 0);
            self.emptied = true;
        }
        write_number(&self.directory.join("delivered"), self.delivered)
    }
}

fn sync_path(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn record_length(file: &File, at: u64) -> io::Result<usize> {
    let mut length = [0; 4];
    file.read_exact_at(&mut length, at)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_EVENT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the backlog is damaged"));
    }
    Ok(length)
}

/// Where the last whole event ends, and how many there are.
fn whole_events(file: &File, from: u64, length: u64) -> io::Result<(u64, u64)> {
    let (mut at, mut count) = (from, 0);
    while at + 4 <= length {
        let Ok(event) = record_length(file, at) else { break };
        let next = at + 4 + event as u64;
        if next > length {
            break;
        }
        at = next;
        count += 1;
    }
    Ok((at, count))
}

fn read_number(path: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_number(path: &Path, number: u64) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, number.to_string())?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(backlog: &mut Backlog) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(event) = backlog.first().unwrap() {
            all.push(event);
            backlog.delivered().unwrap();
        }
        all
    }

    fn event(n: u8) -> Vec<u8> {
        vec![n; 3]
    }

    #[test]
    fn what_is_not_delivered_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut backlog = Backlog::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(backlog.append(vec![event(1), event(2), event(3)]).unwrap(), 0);
        assert_eq!(backlog.first().unwrap(), Some(event(1)));
        backlog.delivered().unwrap();
        drop(backlog);
        let mut backlog = Backlog::open(dir.path(), 1 << 20).unwrap();
        backlog.append(vec![event(4)]).unwrap();
        assert_eq!(drain(&mut backlog), [event(2), event(3), event(4)]);
        drop(backlog);
        assert_eq!(Backlog::open(dir.path(), 1 << 20).unwrap().first().unwrap(), None);
    }

    #[test]
    fn a_torn_event_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let mut backlog = Backlog::open(dir.path(), 1 << 20).unwrap();
        backlog.append(vec![event(1), event(2)]).unwrap();
        drop(backlog);
        let path = dir.path().join("events");
        for cut in 1..7 {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(14 - cut).unwrap();
            let mut backlog = Backlog::open(dir.path(), 1 << 20).unwrap();
            assert_eq!(backlog.first().unwrap(), Some(event(1)));
            backlog.append(vec![event(2)]).unwrap();
        }
        assert_eq!(drain(&mut Backlog::open(dir.path(), 1 << 20).unwrap()), [event(1), event(2)]);
    }

    #[test]
    fn it_is_bounded_and_says_what_it_lost() {
        let dir = tempfile::tempdir().unwrap();
        for mut backlog in [Backlog::memory(14), Backlog::open(dir.path(), 14).unwrap()] {
            assert_eq!(backlog.append(vec![event(1), event(2), event(3)]).unwrap(), 1);
            backlog.delivered().unwrap();
            assert_eq!(backlog.append(vec![event(4)]).unwrap(), 0);
            assert_eq!(drain(&mut backlog), [event(2), event(4)]);
        }
    }

    #[test]
    fn delivered_space_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut backlog = Backlog::open(dir.path(), 64 << 20).unwrap();
        let big = vec![7; MAX_EVENT];
        backlog.append(vec![big.clone(); 6]).unwrap();
        for _ in 0..4 {
            assert!(backlog.compaction().is_none());
            backlog.delivered().unwrap();
        }
        let file = backlog.compaction().expect("much is delivered").run().unwrap();
        backlog.compacted(file);
        assert!(!backlog.is_unsynced(), "the new file was synced");
        let length = fs::metadata(dir.path().join("events")).unwrap().len();
        assert_eq!(length, 2 * (MAX_EVENT as u64 + 4));
        backlog.append(vec![event(1)]).unwrap();
        drop(backlog);
        let mut backlog = Backlog::open(dir.path(), 64 << 20).unwrap();
        assert_eq!(drain(&mut backlog), [big.clone(), big, event(1)]);
    }

    #[test]
    fn what_waits_is_synced_once_and_what_is_delivered_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let mut backlog = Backlog::open(dir.path(), 1 << 20).unwrap();
        assert!(backlog.unsynced().is_none());
        backlog.append(vec![event(1)]).unwrap();
        backlog.delivered().unwrap();
        assert!(backlog.unsynced().is_none(), "nothing waits");
        backlog.append(vec![event(2), event(3)]).unwrap();
        let sync = backlog.unsynced().expect("two wait");
        assert!(sync.position, "the file was emptied: the position goes with it");
        sync.run().unwrap();
        assert!(backlog.unsynced().is_none(), "both are synced");
        backlog.append(vec![event(4)]).unwrap();
        assert!(!backlog.unsynced().expect("one more").position);
        assert!(Backlog::memory(1 << 20).unsynced().is_none());
    }

    #[test]
    fn names_of_directories_are_safe_and_distinct() {
        let a = directory_name("../x");
        assert!(a.starts_with("___x-"));
        assert_ne!(a, directory_name("..?x"));
    }
}
