// SPDX-License-Identifier: Apache-2.0
//! Digests computed by the tests, independent of the code under test.

use std::io::Read;

use anyhow::Result;
use sha2::{Digest as _, Sha256, Sha512};

/// Lower-case hexadecimal form of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `sha256:…` of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// `sha512:…` of `bytes`.
pub fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(&Sha512::digest(bytes)))
}

/// `sha256:…` and length of everything that `source` yields, in constant memory.
pub fn sha256_of_reader(mut source: impl Read) -> Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            return Ok((format!("sha256:{}", hex(&hasher.finalize())), length));
        }
        hasher.update(&buffer[..count]);
        length += count as u64;
    }
}
