// SPDX-License-Identifier: Apache-2.0
//! What clients of the registry send outside of bodies. Those parsers are private to their crate,
//! which checks their promises itself (`registry::fuzzing`).

use registry::fuzzing;

use crate::text;

/// The path of a request.
pub fn route(data: &[u8]) {
    if let Some(path) = text(data) {
        fuzzing::route(path);
    }
}

/// The query of a request.
pub fn query(data: &[u8]) {
    if let Some(query) = text(data) {
        fuzzing::query(query);
    }
}

/// `Range`. The first line of the input is the size of the blob, as a decimal number.
pub fn range(data: &[u8]) {
    let Some((size, value)) = text(data).and_then(|text| text.split_once('\n')) else { return };
    if let Ok(size) = size.parse() {
        fuzzing::range(value, size);
    }
}

/// `Content-Range` of a chunk of an upload.
pub fn content_range(data: &[u8]) {
    if let Some(value) = text(data) {
        fuzzing::content_range(value);
    }
}

/// `Accept` of a request for a manifest.
pub fn accept(data: &[u8]) {
    fuzzing::accept(data);
}

/// `Authorization`.
pub fn authorization(data: &[u8]) {
    fuzzing::authorization(data);
}

/// `_state` of an upload. An input that begins with `{` is what another registry of the same
/// secret could have sealed; any other is what a client sends, which must not open.
pub fn state(data: &[u8]) {
    // Behind base64, what we write ourselves must stay below the limit for what we read.
    if data.len() > 2048 {
        return;
    }
    if data.starts_with(b"{") {
        fuzzing::sealed_state(data);
    } else if let Some(text) = text(data) {
        fuzzing::state(text);
    }
}
