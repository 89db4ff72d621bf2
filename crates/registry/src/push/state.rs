// SPDX-License-Identifier: Apache-2.0
//! `_state`: where an upload stands, carried by the client in every upload URL (registry.md 1.9).
//!
//! ```text
//!  base64url( HMAC-SHA256(http.secret, J) ‖ J ),  with = padding
//!  J = {"Name":…,"UUID":…,"Offset":…,"StartedAt":…,"Berth":{…}}
//! ```
//!
//! Distribution's registries read and write the same text and ignore our field, so replicas of both
//! kinds can share uploads. Ours carries the hash state after `Offset` bytes, so that any replica
//! goes on hashing without reading back, and a mark of the user who began, so that the URL alone is
//! of no use to another one.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use blobstore::UploadState;
use oci::{Algorithm, Midstate, RepositoryName};
use ports::{Identity, Secret};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// With padding, as Go's `base64.URLEncoding`; read also without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest state that is read. Ours have some 1500 characters at most.
const MAX_LEN: usize = 4096;

/// Version of the `Berth` field.
const VERSION: u8 = 1;

const MAC_LEN: usize = 32;

/// The key of a registry's states.
pub(crate) struct StateCodec {
    key: hmac::Key,
}

/// Why a state is not accepted. What is told says nothing about the key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejected(pub(crate) &'static str);

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(rename = "Name", borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(rename = "UUID")]
    id: Uuid,
    #[serde(rename = "Offset")]
    offset: u64,
    #[serde(rename = "StartedAt")]
    started_at: String,
    #[serde(rename = "Berth", default, skip_serializing_if = "Option::is_none")]
    ours: Option<Ours>,
}

#[derive(Serialize, Deserialize)]
struct Ours {
    #[serde(rename = "V")]
    version: u8,
    /// Mark of the user.
    #[serde(rename = "U")]
    user: String,
    /// Running hashes.
    #[serde(rename = "H", default, skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<RunningHash>,
}

/// Algorithm, number of bytes hashed, state.
type RunningHash = (String, u64, String);

/// Most running hashes of one upload: one per algorithm.
const MAX_HASHES: usize = 3;

impl StateCodec {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()) }
    }

    /// Writes a state.
    pub(crate) fn seal(
        &self,
        name: &RepositoryName,
        identity: &Identity,
        state: &UploadState,
    ) -> String {
        let hashes = state
            .midstates
            .iter()
            .take(MAX_HASHES)
            .map(|m| (m.algorithm.as_str().to_owned(), m.length, BASE64.encode(&m.state)))
            .collect();
        let wire = Wire {
            name: name.as_str().into(),
            id: state.id,
            offset: state.offset,
            started_at: state.started_at.format(&Rfc3339).unwrap_or_default(),
            ours: Some(Ours { version: VERSION, user: self.mark(identity), hashes }),
        };
        let json = serde_json::to_vec(&wire).expect("strings and numbers become JSON");
        let mut sealed = hmac::sign(&self.key, &json).as_ref().to_vec();
        sealed.extend_from_slice(&json);
        BASE64.encode(sealed)
    }

    /// Reads a state, if it is of this registry, repository, upload and user.
    pub(crate) fn open(
        &self,
        text: &str,
        name: &RepositoryName,
        id: Uuid,
        identity: &Identity,
    ) -> Result<UploadState, Rejected> {
        const FORGED: Rejected = Rejected("the _state was not made by this registry");
        if text.len() > MAX_LEN {
            return Err(FORGED);
        }
        let sealed = BASE64.decode(text).map_err(|_| FORGED)?;
        let (mac, json) = sealed.split_at_checked(MAC_LEN).ok_or(FORGED)?;
        hmac::verify(&self.key, json, mac).map_err(|_| FORGED)?;
        let wire: Wire<'_> = serde_json::from_slice(json)
            .map_err(|_| Rejected("the _state has a form that this version cannot read"))?;
        if wire.name != name.as_str() || wire.id != id {
            return Err(Rejected("the _state belongs to another upload"));
        }
        let started_at = OffsetDateTime::parse(&wire.started_at, &Rfc3339)
            .map_err(|_| Rejected("the _state has no start time"))?;
        let midstates = match wire.ours {
            Some(ours) if ours.version == VERSION => {
                if ours.user != self.mark(identity) {
                    return Err(Rejected("the upload was begun by another user"));
                }
                // A hash beyond the offset would vouch for bytes that the client does not claim.
                let usable = |m: &Midstate| m.length <= wire.offset;
                ours.hashes.iter().filter_map(midstate).filter(usable).take(MAX_HASHES).collect()
            }
            _ => Vec::new(),
        };
        Ok(UploadState { id, offset: wire.offset, started_at, midstates })
    }

    /// Tells users apart without naming them in URLs, which proxies log.
    fn mark(&self, identity: &Identity) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"upload user\0");
        context.update(identity.uid.as_bytes());
        context.update(b"\0");
        context.update(identity.name.as_bytes());
        BASE64.encode(&context.sign().as_ref()[..9])
    }
}

fn midstate((algorithm, length, state): &RunningHash) -> Option<Midstate> {
    let algorithm = Algorithm::parse(algorithm)?;
    Some(Midstate { algorithm, length: *length, state: BASE64.decode(state).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codec() -> StateCodec {
        StateCodec::new(&Secret::new("secret"))
    }

    fn name() -> RepositoryName {
        RepositoryName::parse("ns/app").unwrap()
    }

    fn alice() -> Identity {
        Identity { name: "alice".into(), uid: "1".into(), authenticated: true }
    }

    fn state(offset: u64) -> UploadState {
        let midstate =
            Midstate { algorithm: Algorithm::Sha512, length: offset, state: vec![7; 40] };
        UploadState {
            id: Uuid::from_u128(5),
            offset,
            started_at: OffsetDateTime::UNIX_EPOCH,
            midstates: vec![midstate],
        }
    }

    #[test]
    fn a_state_comes_back_for_its_owner_only() {
        let sealed = codec().seal(&name(), &alice(), &state(9));
        let id = Uuid::from_u128(5);
        assert_eq!(codec().open(&sealed, &name(), id, &alice()), Ok(state(9)));

        let bob = Identity { name: "bob".into(), ..alice() };
        let other = RepositoryName::parse("ns/other").unwrap();
        assert!(codec().open(&sealed, &name(), id, &bob).is_err());
        assert!(codec().open(&sealed, &other, id, &alice()).is_err());
        assert!(codec().open(&sealed, &name(), Uuid::from_u128(6), &alice()).is_err());
        let other_key = StateCodec::new(&Secret::new("another"));
        assert!(other_key.open(&sealed, &name(), id, &alice()).is_err());
        assert!(codec().open(&"A".repeat(MAX_LEN + 4), &name(), id, &alice()).is_err());
    }

    /// A state as a distribution registry writes it: no field of ours, nanoseconds in the time.
    #[test]
    fn states_of_other_registries_are_read() {
        let json = br#"{"Name":"ns/app","UUID":"00000000-0000-0000-0000-000000000005","Offset":12,"StartedAt":"2026-11-23T16:48:08.035727918Z"}"#;
        let mut sealed = hmac::sign(&codec().key, json).as_ref().to_vec();
        sealed.extend_from_slice(json);
        let text = BASE64.encode(&sealed);
        let read = codec().open(&text, &name(), Uuid::from_u128(5), &alice()).unwrap();
        assert_eq!((read.offset, read.midstates), (12, vec![]));
    }

    /// Go's decoder ignores unknown fields and matches known ones whatever their case: the field of
    /// ours must not look like one of its four.
    #[test]
    fn other_registries_can_read_ours() {
        let sealed = BASE64.decode(codec().seal(&name(), &alice(), &state(9))).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&sealed[MAC_LEN..]).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 5);
        for key in ["Name", "UUID", "Offset", "StartedAt", "Berth"] {
            assert!(keys.iter().any(|k| k == key), "{key}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn one_changed_character_is_noticed(offset in 0u64..1 << 40, at in 0usize..100, with in "[A-Za-z0-9_-]") {
            let sealed = codec().seal(&name(), &alice(), &state(offset));
            let mut changed = sealed.clone();
            changed.replace_range(at..=at, &with);
            let opened = codec().open(&changed, &name(), Uuid::from_u128(5), &alice());
            prop_assert_eq!(opened.is_ok(), changed == sealed);
        }

        #[test]
        fn anything_is_survived(text in "[A-Za-z0-9_=-]{0,200}") {
            let opened = codec().open(&text, &name(), Uuid::from_u128(5), &alice());
            prop_assert!(opened.is_err());
        }
    }
}
