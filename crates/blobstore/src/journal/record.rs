// SPDX-License-Identifier: Apache-2.0
//! The journal's format on disk (version 1).
//!
//! ```text
//! segment  = header, record*                   everything little-endian
//! header   = "BERTHJNL" u32 version, u32 reserved, u64 generation, u32 seed, u32 crc   (32 bytes)
//! record   = u32 length of payload, u32 check, payload, padding to 8 bytes
//! payload  = u32 number of operations, operation*
//! operation= u8 kind, u16 key length, key, [u16 key length, key], [u32 length, bytes]
//! ```
//!
//! `check` is CRC-32C over length and payload, *seeded with the check of the record before it*
//! (the first with the header's seed). So a record counts only behind exactly the record it was
//! written behind: what an earlier life of the segment, or a batch whose sync failed, left further
//! down can never be read as a continuation.

use bytes::Bytes;
use storage::driver::Key;

/// Length of the header.
pub(super) const HEADER: usize = 32;

/// Length and check in front of every payload.
const PREFIX: usize = 8;

const MAGIC: &[u8; 8] = b"BERTHJNL";

/// The version this code writes; it reads no other.
pub(super) const VERSION: u32 = 1;

/// One change as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Create or replace a small object.
    Put {
        /// Its name.
        key: Key,
        /// Its content.
        bytes: Bytes,
    },
    /// Like `Put`, and the same bytes lie (not synced) at `from`: applying is a rename.
    Adopt {
        /// Where the bytes lie.
        from: Key,
        /// Their name.
        to: Key,
        /// The content, for replay.
        bytes: Bytes,
    },
    /// Rename an object whose bytes and name are durable already.
    Move {
        /// The present name.
        from: Key,
        /// The new name.
        to: Key,
    },
    /// Remove an object.
    Remove {
        /// Its name.
        key: Key,
    },
    /// Remove a directory with all that it holds.
    RemoveTree {
        /// Its name.
        key: Key,
    },
}

impl Op {
    /// The upload session whose directory this removes, if it is one.
    pub(super) fn ended_session(&self) -> Option<&Key> {
        match self {
            Self::RemoveTree { key } if key.parent().name() == "_uploads" => Some(key),
            _ => None,
        }
    }

    /// The name this operation defines (gives content to), if it does.
    pub(super) fn defines(&self) -> Option<&Key> {
        match self {
            Self::Put { key, .. } => Some(key),
            Self::Adopt { to, .. } | Self::Move { to, .. } => Some(to),
            Self::Remove { .. } | Self::RemoveTree { .. } => None,
        }
    }
}

/// Why a segment's header cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// Not a header: an unused or torn segment.
    Absent,
    /// Written by a newer Berth.
    Version(u32),
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Rises with each use of a segment; segments are replayed in its order.
    pub(super) generation: u64,
    /// Seed of the first record's check.
    pub(super) seed: u32,
}

impl Header {
    pub(super) fn encode(self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.generation.to_le_bytes());
        out[24..28].copy_from_slice(&self.seed.to_le_bytes());
        let crc = crc32c::crc32c(&out[..28]);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut input = Input(bytes.get(..HEADER).ok_or(HeaderError::Absent)?);
        let magic = input.take(8).ok_or(HeaderError::Absent)?;
        if magic != MAGIC || crc32c::crc32c(&bytes[..28]).to_le_bytes() != bytes[28..32] {
            return Err(HeaderError::Absent);
        }
        let version = input.u32().ok_or(HeaderError::Absent)?;
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        input.u32().ok_or(HeaderError::Absent)?;
        let generation = input.u64().ok_or(HeaderError::Absent)?;
        let seed = input.u32().ok_or(HeaderError::Absent)?;
        Ok(Self { generation, seed })
    }
}

/// Appends one record and returns its check, the seed of the next.
pub(super) fn encode(ops: &[Op], seed: u32, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    put_u32(out, ops.len());
    for op in ops {
        match op {
            Op::Put { key, bytes } => {
                out.push(1);
                put_key(out, key);
                put_bytes(out, bytes);
            }
            Op::Adopt { from, to, bytes } => {
                out.push(2);
                put_key(out, from);
                put_key(out, to);
                put_bytes(out, bytes);
            }
            Op::Move { from, to } => {
                out.push(3);
                put_key(out, from);
                put_key(out, to);
            }
            Op::Remove { key } => {
                out.push(4);
                put_key(out, key);
            }
            Op::RemoveTree { key } => {
                out.push(5);
                put_key(out, key);
            }
        }
    }
    let length = (out.len() - start - PREFIX) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    let check = check(seed, &out[start..start + 4], &out[start + PREFIX..]);
    out[start + 4..start + PREFIX].copy_from_slice(&check.to_le_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(8), 0);
    check
}

fn check(seed: u32, length: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, length), payload)
}

fn put_u32(out: &mut Vec<u8>, value: usize) {
    let value = u32::try_from(value).expect("records are far smaller than 4 GiB");
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_key(out: &mut Vec<u8>, key: &Key) {
    let text = key.as_str().as_bytes();
    let length = u16::try_from(text.len()).expect("keys are shorter than 64 KiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &Bytes) {
    put_u32(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The records of a segment's body, up to the first that does not count.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    seed: u32,
}

impl<'a> Records<'a> {
    /// Reads `body`, what follows the header.
    pub(super) fn new(body: &'a [u8], seed: u32) -> Self {
        Self { rest: body, seed }
    }

    fn next_record(&mut self) -> Option<Vec<Op>> {
        let mut input = Input(self.rest);
        let length = input.u32()? as usize;
        let stated = input.u32()?;
        let payload = input.take(length)?;
        if length < 4 || check(self.seed, &self.rest[..4], payload) != stated {
            return None;
        }
        let ops = decode_ops(payload)?;
        self.seed = stated;
        self.rest = self.rest.get((PREFIX + length).next_multiple_of(8)..).unwrap_or(&[]);
        Some(ops)
    }
}

impl Iterator for Records<'_> {
    type Item = Vec<Op>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record()
    }
}

fn decode_ops(payload: &[u8]) -> Option<Vec<Op>> {
    let mut input = Input(payload);
    let count = input.u32()?;
    let mut ops = Vec::new();
    for _ in 0..count {
        let kind = input.u8()?;
        ops.push(match kind {
            1 => Op::Put { key: input.key()?, bytes: input.bytes()? },
            2 => Op::Adopt { from: input.key()?, to: input.key()?, bytes: input.bytes()? },
            3 => Op::Move { from: input.key()?, to: input.key()? },
            4 => Op::Remove { key: input.key()? },
            5 => Op::RemoveTree { key: input.key()? },
            _ => return None,
        });
    }
    input.0.is_empty().then_some(ops)
}

/// A cursor that never reads beyond its end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn key(&mut self) -> Option<Key> {
        let length = self.u16()?;
        Key::parse(std::str::from_utf8(self.take(length.into())?).ok()?).ok()
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.u32()?;
        Some(Bytes::copy_from_slice(self.take(length as usize)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Key> {
        "(/[a-z0-9._-]{1,12}){1,4}".prop_filter_map("dots", |text| Key::parse(&text).ok())
    }

    fn op() -> impl Strategy<Value = Op> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        prop_oneof![
            (key(), bytes()).prop_map(|(key, bytes)| Op::Put { key, bytes }),
            (key(), key(), bytes()).prop_map(|(from, to, bytes)| Op::Adopt { from, to, bytes }),
            (key(), key()).prop_map(|(from, to)| Op::Move { from, to }),
            key().prop_map(|key| Op::Remove { key }),
            key().prop_map(|key| Op::RemoveTree { key }),
        ]
    }

    fn records() -> impl Strategy<Value = Vec<Vec<Op>>> {
        proptest::collection::vec(proptest::collection::vec(op(), 0..4), 0..6)
    }

    fn write(records: &[Vec<Op>], mut seed: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for ops in records {
            seed = encode(ops, seed, &mut out);
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_written_is_read(records in records(), seed: u32) {
            let body = write(&records, seed);
            prop_assert_eq!(Records::new(&body, seed).collect::<Vec<_>>(), records);
        }

        #[test]
        fn a_torn_tail_loses_only_what_is_torn(records in records(), seed: u32, cut in 0usize..4000) {
            let body = write(&records, seed);
            let read: Vec<_> = Records::new(&body[..cut.min(body.len())], seed).collect();
            prop_assert!(records.starts_with(&read));
        }

        #[test]
        fn records_of_another_life_do_not_count(first in records(), second in records(), seed: u32) {
            // A new, shorter batch overwrites the start of an older, longer one.
            let mut body = write(&first, seed);
            let new = write(&second, seed ^ 1);
            if body.len() < new.len() { body.resize(new.len(), 0); }
            body[..new.len()].copy_from_slice(&new);
            let read: Vec<_> = Records::new(&body, seed ^ 1).collect();
            prop_assert_eq!(read, second);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Header::decode(&bytes);
            let _ = Records::new(&bytes, 7).count();
            let _ = decode_ops(&bytes);
        }
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut bytes = Header { generation: 3, seed: 9 }.encode();
        assert_eq!(Header::decode(&bytes), Ok(Header { generation: 3, seed: 9 }));
        bytes[8] = 2;
        assert_eq!(Header::decode(&bytes), Err(HeaderError::Absent));
        let crc = crc32c::crc32c(&bytes[..28]).to_le_bytes();
        bytes[28..].copy_from_slice(&crc);
        assert_eq!(Header::decode(&bytes), Err(HeaderError::Version(2)));
    }
}
