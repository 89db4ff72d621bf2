// SPDX-License-Identifier: Apache-2.0
//! Digests of documents, for ETags and hashes that clients compare.

use sha2::{Digest as _, Sha256};

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 in upper-case hexadecimal, as upstream writes its ETags.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().map(|byte| format!("{byte:02X}")).collect()
}
