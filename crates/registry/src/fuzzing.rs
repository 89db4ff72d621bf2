// SPDX-License-Identifier: Apache-2.0
//! Entry points of the fuzz targets (`fuzz/`): the parsers of what clients send, none of which may
//! panic, hang or allocate by a client's number. They check themselves what their results promise.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use oci::RepositoryName;
use ports::{Identity, Secret};
use uuid::Uuid;

use crate::auth::credentials;
use crate::pull::accept::Accepted;
use crate::pull::range::{self, MAX_RANGES, Wanted};
use crate::push::content_range::ContentRange;
use crate::push::state::StateCodec;
use crate::{query, route};

/// A request target's path.
pub fn route(path: &str) {
    if let Ok(route::Route::Repository(name, _)) = route::parse("", path) {
        assert!(path.contains(name.as_str()), "names are never decoded");
    }
}

/// A query string.
pub fn query(text: &str) {
    for key in ["n", "last", "digest", "mount", "from", "tag", "_state"] {
        assert!(query::all(text, key).count() <= text.split('&').count());
    }
}

/// `Range` of a blob of that size.
pub fn range(value: &str, size: u64) {
    let ranges = match range::parse(value, size) {
        Ok(Wanted::One(one)) => vec![one],
        Ok(Wanted::Many(many)) => many,
        Ok(Wanted::Whole) | Err(_) => return,
    };
    assert!(ranges.len() <= MAX_RANGES);
    for range in ranges {
        assert!(range.len > 0 && range.first + range.len <= size, "ranges lie inside");
    }
}

/// `Content-Range` of a chunk.
pub fn content_range(value: &str) {
    if let Some(range) = ContentRange::parse(value) {
        assert!(range.len() > 0);
    }
}

/// `Accept` of a manifest request.
pub fn accept(value: &[u8]) {
    if let Some(headers) = one_header(&header::ACCEPT, value) {
        let _ = Accepted::of(&headers);
    }
}

/// `Authorization`.
pub fn authorization(value: &[u8]) {
    if let Some(headers) = one_header(&header::AUTHORIZATION, value) {
        let _ = credentials::parse(&headers);
    }
}

/// The secret behind the states of [`sealed_state`].
const STATE_SECRET: &str = "the key of the fuzz target";

/// `_state` of an upload: nothing that was not sealed may open.
pub fn state(text: &str) {
    let codec = StateCodec::new(&Secret::new(STATE_SECRET));
    let name = RepositoryName::parse("fuzz/target").expect("the name is legal");
    let opened = codec.open(text, &name, Uuid::nil(), &Identity::anonymous());
    assert!(opened.is_err(), "a forged state was accepted");
}

/// JSON that a registry with our secret sealed: whatever it says, it is refused or comes back the
/// same after we have sealed it ourselves.
pub fn sealed_state(json: &[u8]) {
    let codec = StateCodec::new(&Secret::new(STATE_SECRET));
    let name = RepositoryName::parse("fuzz/target").expect("the name is legal");
    let identity = Identity::anonymous();
    let key = hmac::Key::new(hmac::HMAC_SHA256, STATE_SECRET.as_bytes());
    let text = URL_SAFE.encode([hmac::sign(&key, json).as_ref(), json].concat());
    let Ok(state) = codec.open(&text, &name, Uuid::nil(), &identity) else { return };
    assert!(state.midstates.iter().all(|midstate| midstate.length <= state.offset));
    let sealed = codec.seal(&name, &identity, &state);
    assert_eq!(codec.open(&sealed, &name, Uuid::nil(), &identity), Ok(state));
}

fn one_header(name: &HeaderName, value: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_bytes(value).ok()?);
    Some(headers)
}
