// SPDX-License-Identifier: Apache-2.0
//! Tokens of service accounts.

use std::sync::OnceLock;

use authn::jwk::{KeySet, SigningKey, VerifyingKey};
use authn::jwt::{Issuer, Verifier};
use authn::{groups, oauth};
use time::OffsetDateTime;

const AUDIENCE: &str = "api";

/// A fixed key, so that a finding repeats.
const KEY: &str = include_str!("../corpus/jwt/key");

struct Fixture {
    issuer: Issuer,
    verifier: Verifier,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let key = SigningKey::from_pem(KEY).expect("the key is a key");
        let keys = KeySet::new([key.verifying_key().clone()]).expect("one key");
        let issuer = Issuer { name: "berth".to_owned(), key };
        let verifier = Verifier { issuers: vec!["berth".to_owned()], keys, legacy: true };
        Fixture { issuer, verifier }
    })
}

/// The input as a token, as a set of keys and as a key; and as the claims of a token whose signature
/// is right, which is how the reading of claims is reached at all.
pub fn jwt(data: &[u8]) {
    let Fixture { issuer, verifier } = fixture();
    let now = OffsetDateTime::UNIX_EPOCH;
    let _ = KeySet::from_jwks(data);
    if let Some(text) = crate::text(data) {
        let _ = oauth::lookup(text, true);
        let _ = VerifyingKey::from_pem(text);
        assert!(verifier.verify(text, &[AUDIENCE], now).is_err(), "nobody signed this");
    }
    let Ok(token) = issuer.sign_payload(data) else { return };
    let Ok(read) = verifier.verify(&token, &[AUDIENCE], now) else { return };
    let user = read.user();
    let account = groups::split_service_account(&user.name);
    assert_eq!(account, Some((read.namespace.as_str(), read.account.name.as_str())));
    assert!(!read.account.uid.is_empty());
    assert!(read.expires.is_none_or(|end| end > now));
}
