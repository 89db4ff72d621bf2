// SPDX-License-Identifier: Apache-2.0
//! What a disk was told to do, in order, and what may be on it after the power failed.
//!
//! The rules are those of a disk with a volatile write cache: what was written before a flush is
//! there; of what was written after the last flush, each 512-byte sector may have reached the
//! platter or not, in no order.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Result;

use crate::random::Random;

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

/// Unit in which contents are kept; one that was never written is zeros.
const BLOCK: usize = 4096;

/// The content of a disk.
#[derive(Clone, Debug, Default)]
pub struct Content {
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    /// Puts bytes at an offset.
    pub fn write(&mut self, offset: u64, mut bytes: &[u8]) {
        let mut at = offset;
        while !bytes.is_empty() {
            let within = (at % BLOCK as u64) as usize;
            let length = bytes.len().min(BLOCK - within);
            let block = self.blocks.entry(at / BLOCK as u64).or_insert_with(|| vec![0; BLOCK]);
            block[within..within + length].copy_from_slice(&bytes[..length]);
            at += length as u64;
            bytes = &bytes[length..];
        }
    }

    /// The bytes at an offset.
    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            let within = (at % BLOCK as u64) as usize;
            let part = (length - done).min(BLOCK - within);
            if let Some(block) = self.blocks.get(&(at / BLOCK as u64)) {
                bytes[done..done + part].copy_from_slice(&block[within..within + part]);
            }
            done += part;
        }
        bytes
    }

    /// Writes it all to a file of that size, with holes where there are only zeros.
    pub fn store(&self, path: &Path, size: u64) -> Result<()> {
        let file = File::create(path)?;
        file.set_len(size)?;
        for (index, block) in &self.blocks {
            if block.iter().any(|byte| *byte != 0) {
                file.write_all_at(block, index * BLOCK as u64)?;
            }
        }
        Ok(())
    }
}

impl Hash for Content {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blocks.hash(state);
    }
}

/// One thing that a disk was told and has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes went to an offset, as far as whoever reads can tell.
    Write {
        /// From where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// What was written before is on the platter.
    Flush,
}

/// What is left of the writes that no flush covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// Each write by itself, whole or not at all; the seed decides.
    Writes(u64),
    /// Each sector by itself; the seed decides.
    Sectors(u64),
}

/// What the disk holds when the power fails after the first `position` events, given what it held
/// before them.
pub fn crash(base: &Content, events: &[Event], position: usize, survival: Survival) -> Content {
    let mut content = base.clone();
    let told = &events[..position];
    let durable = told.iter().rposition(|event| *event == Event::Flush).unwrap_or(0);
    for (index, event) in told.iter().enumerate() {
        let Event::Write { offset, bytes } = event else { continue };
        let draw = |seed: u64, part: u64| {
            let place = ((index as u64) << 32) | part;
            Random::new(seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15)).one_in(2)
        };
        match survival {
            _ if index < durable => content.write(*offset, bytes),
            Survival::Nothing => {}
            Survival::Everything => content.write(*offset, bytes),
            Survival::Writes(seed) => {
                if draw(seed, 0) {
                    content.write(*offset, bytes);
                }
            }
            Survival::Sectors(seed) => {
                for (part, sector) in bytes.chunks(SECTOR).enumerate() {
                    if draw(seed, part as u64) {
                        content.write(offset + (part * SECTOR) as u64, sector);
                    }
                }
            }
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, byte: u8, length: usize) -> Event {
        Event::Write { offset, bytes: vec![byte; length] }
    }

    #[test]
    fn content_reads_back_what_was_written_across_blocks() {
        let mut content = Content::default();
        content.write(4000, &[7; 5000]);
        assert_eq!(content.read(3999, 5002), [&[0][..], &[7; 5000], &[0]].concat());
        let file = tempfile::NamedTempFile::new().expect("a file");
        content.store(file.path(), 16384).expect("stored");
        assert_eq!(std::fs::read(file.path()).expect("read"), content.read(0, 16384));
    }

    #[test]
    fn what_was_flushed_is_there_and_the_rest_is_as_drawn() {
        let events = [write(0, 1, 1024), Event::Flush, write(0, 2, 1024), write(4096, 3, 1024)];
        let base = Content::default();
        let crash = |position, survival| crash(&base, &events, position, survival);
        assert_eq!(crash(1, Survival::Nothing).read(0, 1024), [0; 1024]);
        assert_eq!(crash(4, Survival::Nothing).read(0, 1024), [1; 1024]);
        assert_eq!(crash(4, Survival::Nothing).read(4096, 1024), [0; 1024]);
        assert_eq!(crash(4, Survival::Everything).read(0, 1024), [2; 1024]);
        let (mut mixed, mut alone) = (false, false);
        for seed in 0..64 {
            let torn = crash(4, Survival::Sectors(seed)).read(0, 1024);
            assert!(torn.chunks(SECTOR).all(|sector| sector.iter().all(|it| *it == sector[0])));
            assert!(torn.iter().all(|byte| [1, 2].contains(byte)));
            mixed |= torn[0] != torn[SECTOR];
            let reordered = crash(4, Survival::Writes(seed));
            assert_eq!(reordered.read(0, 1024)[0], reordered.read(0, 1024)[1023]);
            alone |= reordered.read(0, 1)[0] == 1 && reordered.read(4096, 1)[0] == 3;
        }
        assert!(mixed && alone, "a write is torn, and a later one is there without an earlier one");
    }
}
