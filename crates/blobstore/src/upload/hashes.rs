// SPDX-License-Identifier: Apache-2.0
//! The running hashes of an upload.
//!
//! Every session hashes with sha256, which is the blob's name in distribution's layout. A session
//! that was begun for another algorithm hashes with that one as well, so that the blob gets the
//! digest asked for and a sha256 alias (registry.md 1.9).

use oci::{Algorithm, Digest, Hasher, Midstate};

/// Running hashes over the same bytes.
pub(super) struct Hashes {
    sha256: Hasher,
    other: Option<Hasher>,
}

/// The digests of a finished upload.
pub(super) struct Digests {
    pub(super) sha256: Digest,
    pub(super) other: Option<Digest>,
}

impl Digests {
    /// The digest by that algorithm, if it was computed.
    pub(super) fn by(&self, algorithm: Algorithm) -> Option<Digest> {
        [Some(self.sha256), self.other]
            .into_iter()
            .flatten()
            .find(|digest| digest.algorithm() == algorithm)
    }
}

impl Hashes {
    /// Nothing hashed yet.
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            sha256: Hasher::new(Algorithm::Sha256),
            other: (algorithm != Algorithm::Sha256).then(|| Hasher::new(algorithm)),
        }
    }

    /// Goes on from states that a client kept for us. `None` if there is no sha256 state, a state
    /// is damaged, or they do not belong together: then the bytes must be read again.
    pub(super) fn resume(states: &[Midstate]) -> Option<Self> {
        let mut sha256 = None;
        let mut other = None;
        for state in states {
            let hasher = Hasher::resume(state).ok()?;
            if hasher.algorithm() == Algorithm::Sha256 {
                sha256 = Some(hasher);
            } else {
                other = Some(hasher);
            }
        }
        let sha256 = sha256?;
        if other.as_ref().is_some_and(|other| other.length() != sha256.length()) {
            return None;
        }
        Some(Self { sha256, other })
    }

    /// Goes on from a state that another registry left beside the upload.
    pub(super) fn from_distribution(state: &[u8]) -> Option<Self> {
        let sha256 = Hasher::from_go(state).ok()?;
        (sha256.algorithm() == Algorithm::Sha256).then_some(Self { sha256, other: None })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(other) = &mut self.other {
            other.update(bytes);
        }
    }

    /// Bytes hashed so far.
    pub(super) fn length(&self) -> u64 {
        self.sha256.length()
    }

    pub(super) fn states(&self) -> Vec<Midstate> {
        let mut states = vec![self.sha256.midstate()];
        states.extend(self.other.as_ref().map(Hasher::midstate));
        states
    }

    pub(super) fn finish(self) -> Digests {
        Digests { sha256: self.sha256.finish(), other: self.other.map(Hasher::finish) }
    }
}
