// SPDX-License-Identifier: Apache-2.0
//! Deterministic, incompressible content and its digests.
//!
//! A large unique blob is a shared prefix and a unique tail: the hash state after the prefix is
//! computed once, so that a client thread that pushes 100 MiB does not hash 100 MiB for it and
//! leaves the processor to the server under test.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// Bytes of the unique end of a [`Body`].
pub const TAIL: usize = 64;

/// A small generator of pseudo-random numbers (splitmix64); not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that always gives the same sequence for one seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        let wide = u128::from(self.next()) * limit as u128;
        (wide >> 64) as usize
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    /// `length` random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        self.fill(&mut out);
        out
    }
}

/// The SHA-256 digest of some bytes, raw.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// `sha256:<hex>` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&sha256(bytes)))
}

/// A blob to push: shared prefix, own tail, known digest.
#[derive(Clone, Debug)]
pub struct Body {
    prefix: Arc<Vec<u8>>,
    tail: Vec<u8>,
    /// `sha256:<hex>` of prefix and tail.
    pub digest: String,
}

impl Body {
    /// A blob of its own bytes only.
    pub fn whole(bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self { prefix: Arc::new(Vec::new()), tail: bytes, digest }
    }

    /// The two pieces, to be sent one after the other.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.prefix, &self.tail]
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        (self.prefix.len() + self.tail.len()) as u64
    }
}

/// Makes unique blobs of one size.
#[derive(Clone, Debug)]
pub struct Bodies {
    prefix: Arc<Vec<u8>>,
    state: Sha256,
}

impl Bodies {
    /// Prepares blobs of `size` bytes (at least [`TAIL`]).
    pub fn new(size: usize, seed: u64) -> Self {
        let prefix = Random::new(seed).bytes(size.saturating_sub(TAIL));
        let mut state = Sha256::new();
        state.update(&prefix);
        Self { prefix: Arc::new(prefix), state }
    }

    /// A blob that no other call with another state of `random` returns.
    pub fn unique(&self, random: &mut Random) -> Body {
        let tail = random.bytes(TAIL);
        let mut state = self.state.clone();
        state.update(&tail);
        let sum: [u8; 32] = state.finalize().into();
        Body { prefix: Arc::clone(&self.prefix), tail, digest: format!("sha256:{}", hex(&sum)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_pieces_is_digest_of_whole() {
        let bodies = Bodies::new(1000, 1);
        let mut random = Random::new(2);
        let (one, two) = (bodies.unique(&mut random), bodies.unique(&mut random));
        assert_ne!(one.digest, two.digest);
        assert_eq!(one.len(), 1000);
        assert_eq!(one.digest, digest(&one.parts().concat()));
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut random = Random::new(3);
        let mut seen = [false; 7];
        for _ in 0..1000 {
            seen[random.below(7)] = true;
        }
        assert_eq!(seen, [true; 7]);
    }
}
