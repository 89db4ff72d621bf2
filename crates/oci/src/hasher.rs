// SPDX-License-Identifier: Apache-2.0
//! A running hash that can be put aside and taken up again.
//!
//! An upload session may pass through several processes, one request each. Its hash travels
//! between them as a [`Midstate`], so that no byte is read and hashed twice. Sessions begun by a
//! Go registry carry the form that Go's `crypto` packages marshal; [`Hasher::from_go`] reads it.
//!
//! A midstate may come from outside (a client carries it, a file holds it). One that does not fit
//! its own description is an error; a forged one that does fit gives a wrong digest, no more.

use sha2::{
    Digest as _, Sha256, Sha384, Sha512,
    digest::common::hazmat::{SerializableState, SerializedState},
};

use crate::{Algorithm, Digest};

/// More bytes than any blob has; below it the length in bits fits 64 bits with room to spare.
const MAX_LENGTH: u64 = 1 << 60;

/// The state of a [`Hasher`] between two updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Midstate {
    /// What is being computed.
    pub algorithm: Algorithm,
    /// Bytes hashed so far.
    pub length: u64,
    /// Chaining words, count of blocks (both little-endian), fill of the block buffer, the buffer:
    /// 104 bytes for SHA-256, 208 for the others. A test pins this layout.
    pub state: Vec<u8>,
}

/// Why a midstate cannot be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MidstateError {
    /// The state has not the size that belongs to its algorithm.
    #[error("the saved hash state has {found} bytes instead of {expected}")]
    Size {
        /// Size for the algorithm named.
        expected: usize,
        /// Size of the state given.
        found: usize,
    },
    /// The marshalled form begins with no magic of an algorithm we know.
    #[error("the saved hash state is of an unknown kind")]
    Magic,
    /// The length and the state do not belong together.
    #[error("the saved hash state does not fit its length")]
    Inconsistent,
}

/// A hash being computed.
#[derive(Clone, Debug)]
pub struct Hasher {
    running: Running,
    length: u64,
}

#[derive(Clone, Debug)]
enum Running {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    /// A hash of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        let running = match algorithm {
            Algorithm::Sha256 => Running::Sha256(Sha256::new()),
            Algorithm::Sha384 => Running::Sha384(Sha384::new()),
            Algorithm::Sha512 => Running::Sha512(Sha512::new()),
        };
        Self { running, length: 0 }
    }

    /// What is being computed.
    pub fn algorithm(&self) -> Algorithm {
        match self.running {
            Running::Sha256(_) => Algorithm::Sha256,
            Running::Sha384(_) => Algorithm::Sha384,
            Running::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Hashes more content.
    pub fn update(&mut self, content: &[u8]) {
        match &mut self.running {
            Running::Sha256(hash) => hash.update(content),
            Running::Sha384(hash) => hash.update(content),
            Running::Sha512(hash) => hash.update(content),
        }
        self.length += content.len() as u64;
    }

    /// Bytes hashed so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of everything hashed.
    pub fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        let digest = match self.running {
            Running::Sha256(hash) => Digest::from_bytes(algorithm, &hash.finalize()),
            Running::Sha384(hash) => Digest::from_bytes(algorithm, &hash.finalize()),
            Running::Sha512(hash) => Digest::from_bytes(algorithm, &hash.finalize()),
        };
        digest.expect("a hash function yields a value of its algorithm's size")
    }

    /// The state, to be taken up later with [`Hasher::resume`].
    pub fn midstate(&self) -> Midstate {
        let state = match &self.running {
            Running::Sha256(hash) => hash.serialize().to_vec(),
            Running::Sha384(hash) => hash.serialize().to_vec(),
            Running::Sha512(hash) => hash.serialize().to_vec(),
        };
        Midstate { algorithm: self.algorithm(), length: self.length, state }
    }

    /// Goes on where [`Hasher::midstate`] stopped.
    ///
    /// # Errors
    /// When the state is not one of that algorithm and length.
    pub fn resume(midstate: &Midstate) -> Result<Self, MidstateError> {
        let Midstate { algorithm, length, ref state } = *midstate;
        let layout = Layout::of(algorithm);
        if state.len() != layout.state_size() {
            return Err(MidstateError::Size { expected: layout.state_size(), found: state.len() });
        }
        let (blocks, rest) = state[layout.words..].split_at(layout.counter);
        // What sha2 counts must be what we count, or its counter could be made to overflow.
        let consistent = length <= MAX_LENGTH
            && little_endian(blocks) == u128::from(length / layout.block as u64)
            && u64::from(rest[0]) == length % layout.block as u64;
        if !consistent {
            return Err(MidstateError::Inconsistent);
        }
        let running = match algorithm {
            Algorithm::Sha256 => Running::Sha256(restore(state)?),
            Algorithm::Sha384 => Running::Sha384(restore(state)?),
            Algorithm::Sha512 => Running::Sha512(restore(state)?),
        };
        Ok(Self { running, length })
    }

    /// Reads the form in which Go's `crypto/sha256` and `crypto/sha512` marshal a running hash:
    /// magic, big-endian chaining words, block buffer, big-endian length.
    ///
    /// # Errors
    /// When it is not such a form of a known algorithm.
    pub fn from_go(marshalled: &[u8]) -> Result<Self, MidstateError> {
        let (magic, rest) = marshalled.split_at_checked(4).ok_or(MidstateError::Magic)?;
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|&algorithm| go_magic(algorithm) == magic)
            .ok_or(MidstateError::Magic)?;
        let layout = Layout::of(algorithm);
        if marshalled.len() != layout.go_size() {
            let found = marshalled.len();
            return Err(MidstateError::Size { expected: layout.go_size(), found });
        }
        let (words, rest) = rest.split_at(layout.words);
        let (buffer, length) = rest.split_at(layout.block);
        let length = length.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        let fill = (length % layout.block as u64) as usize;

        let mut state = Vec::with_capacity(layout.state_size());
        for word in words.chunks_exact(layout.word()) {
            state.extend(word.iter().rev());
        }
        let blocks = u128::from(length / layout.block as u64).to_le_bytes();
        state.extend_from_slice(&blocks[..layout.counter]);
        state.push(fill as u8);
        // Behind the fill Go leaves zeros, but does not insist on them when it reads.
        state.extend_from_slice(&buffer[..fill]);
        state.resize(layout.state_size(), 0);
        Self::resume(&Midstate { algorithm, length, state })
    }

    /// The form that [`Hasher::from_go`] reads.
    pub fn to_go(&self) -> Vec<u8> {
        let Midstate { algorithm, length, state } = self.midstate();
        let layout = Layout::of(algorithm);
        let mut marshalled = Vec::with_capacity(layout.go_size());
        marshalled.extend_from_slice(go_magic(algorithm));
        for word in state[..layout.words].chunks_exact(layout.word()) {
            marshalled.extend(word.iter().rev());
        }
        marshalled.extend_from_slice(&state[layout.words + layout.counter + 1..]);
        marshalled.push(0); // the last byte of the block, never filled between updates
        marshalled.extend_from_slice(&length.to_be_bytes());
        marshalled
    }
}

/// Sizes of the parts of a state.
struct Layout {
    /// The eight chaining words.
    words: usize,
    /// The count of blocks.
    counter: usize,
    /// A block. The buffer of a state is one shorter and has its fill in front.
    block: usize,
}

impl Layout {
    const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self { words: 32, counter: 8, block: 64 },
            Algorithm::Sha384 | Algorithm::Sha512 => Self { words: 64, counter: 16, block: 128 },
        }
    }

    const fn word(&self) -> usize {
        self.words / 8
    }

    const fn state_size(&self) -> usize {
        self.words + self.counter + self.block
    }

    const fn go_size(&self) -> usize {
        4 + self.words + self.block + 8
    }
}

const fn go_magic(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::Sha256 => b"sha\x03",
        Algorithm::Sha384 => b"sha\x04",
        Algorithm::Sha512 => b"sha\x07",
    }
}

fn little_endian(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u128::from(byte))
}

fn restore<H: SerializableState>(state: &[u8]) -> Result<H, MidstateError> {
    let state: &SerializedState<H> = state.try_into().map_err(|_| MidstateError::Inconsistent)?;
    H::deserialize(state).map_err(|_| MidstateError::Inconsistent)
}
