// SPDX-License-Identifier: Apache-2.0
//! The journal's records as a crash, or a bad disk, may have left them.

use record::{HEADER, Header, Op, Records};

/// The format is private to `blobstore`; its file stands alone, so it is compiled here once more.
#[path = "../../crates/blobstore/src/journal/record.rs"]
#[allow(dead_code, missing_docs)]
mod record;

/// A segment as it lies on disk, and the input as one record's payload with a good check (or no
/// input would ever come that far).
pub fn journal(data: &[u8]) {
    if let Ok(header) = Header::decode(data) {
        assert_eq!(Header::decode(&header.encode()), Ok(header));
        reread(&data[HEADER..], header.seed);
    }
    reread(data, 7);
    let mut body = Vec::with_capacity(data.len() + 16);
    body.extend_from_slice(&(data.len() as u32).to_le_bytes());
    let check = crc32c::crc32c_append(crc32c::crc32c_append(7, &body), data);
    body.extend_from_slice(&check.to_le_bytes());
    body.extend_from_slice(data);
    body.resize(body.len().next_multiple_of(8), 0);
    if let Some(written) = reread(&body, 7) {
        assert_eq!(written, body, "there is one way to write a record");
    }
}

/// Reads records, writes them and reads them again. Returns what was written.
fn reread(body: &[u8], seed: u32) -> Option<Vec<u8>> {
    let records: Vec<Vec<Op>> = Records::new(body, seed).collect();
    let (mut written, mut check) = (Vec::new(), seed);
    for ops in &records {
        check = record::encode(ops, check, &mut written);
    }
    assert_eq!(Records::new(&written, seed).collect::<Vec<_>>(), records);
    // A tear may lose what it tears and nothing before.
    let torn: Vec<_> = Records::new(&written[..written.len() / 2], seed).collect();
    assert!(records.starts_with(&torn));
    (!records.is_empty()).then_some(written)
}
