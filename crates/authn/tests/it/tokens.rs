// SPDX-License-Identifier: Apache-2.0
//! Service-account tokens: what is issued is accepted, and everything else is refused.

use authn::Invalid;
use authn::jwk::{KeySet, SigningKey};
use authn::jwt::{Bound, Issuer, Kind, Reference, TokenRequest, Verifier, clamp_lifetime};
use authn::review::{Verdict, matching_audiences, self_subject_review, token_review};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use time::Duration;

use crate::{now, seconds, text};

const API: &str = "https://kubernetes.default.svc";

fn reference(name: &str, uid: &str) -> Reference {
    Reference { name: name.into(), uid: uid.into() }
}

fn issuer() -> Issuer {
    Issuer { name: "https://berth".into(), key: SigningKey::generate().unwrap() }
}

fn verifier(issuer: &Issuer) -> Verifier {
    Verifier {
        issuers: vec![issuer.name.clone()],
        keys: KeySet::new([issuer.key.verifying_key().clone()]).unwrap(),
        legacy: true,
    }
}

fn request() -> TokenRequest<'static> {
    TokenRequest {
        namespace: "shop",
        account: reference("bot", "u1"),
        bound: Bound::Pod(reference("web-1", "p1"), Some(reference("node", "n1"))),
        audiences: text(&[API, "other"]),
        lifetime: seconds(3600),
        warn_after: Some(seconds(3000)),
        id: "id-1".into(),
    }
}

/// Header and payload of a token.
fn parts(token: &str) -> (Value, Value) {
    let part = |at| {
        let part = token.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

/// A token with these parts, signed by the issuer's key as ES256 is signed.
fn forge(issuer: &Issuer, header: &str, payload: &str) -> String {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let pem: String = issuer.key.to_pem().lines().filter(|line| !line.starts_with('-')).collect();
    let pkcs8 = base64::engine::general_purpose::STANDARD.decode(pem).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_token_says_what_it_was_issued_for() {
    let issuer = issuer();
    let token = issuer.issue(&request(), now()).unwrap();
    let (header, payload) = parts(&token);
    assert_eq!(header, json!({"alg": "ES256", "kid": issuer.key.verifying_key().id()}));
    let start = now().unix_timestamp();
    assert_eq!(
        payload,
        json!({
            "aud": [API, "other"], "exp": start + 3600, "iat": start, "nbf": start,
            "iss": "https://berth", "jti": "id-1", "sub": "system:serviceaccount:shop:bot",
            "kubernetes.io": {
                "namespace": "shop", "serviceaccount": {"name": "bot", "uid": "u1"},
                "pod": {"name": "web-1", "uid": "p1"}, "node": {"name": "node", "uid": "n1"},
                "warnafter": start + 3000,
            },
        })
    );
    let read = verifier(&issuer).verify(&token, &[API], now()).unwrap();
    assert_eq!(read.bound, request().bound);
    let user = read.user();
    assert_eq!(user.name, "system:serviceaccount:shop:bot");
    assert_eq!(user.uid, "u1");
    assert_eq!(
        user.groups,
        ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]
    );
    let extra = |key: &str| user.extra[&format!("authentication.kubernetes.io/{key}")].join(",");
    assert_eq!(extra("credential-id"), "JTI=id-1");
    assert_eq!([extra("pod-name"), extra("pod-uid"), extra("node-name")], ["web-1", "p1", "node"]);
}

#[test]
fn times_are_kept_to_the_second() {
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let token = issuer.issue(&request(), now()).unwrap();
    let at = |offset: Duration| verifier.verify(&token, &[API], now() + offset).map(|_| ());
    assert_eq!(at(seconds(3599)), Ok(()));
    assert_eq!(at(seconds(3600)), Err(Invalid::Expired));
    assert_eq!(at(seconds(-60)), Ok(()));
    assert_eq!(at(seconds(-61)), Err(Invalid::NotYet));
    // Clocks that jump (T-16): an hour either way and ten years either way.
    for days in [3650, -3650] {
        assert!(at(Duration::days(days)).is_err());
    }
    assert_eq!(clamp_lifetime(None, Duration::days(1)), seconds(3600));
    assert_eq!(clamp_lifetime(Some(1), Duration::days(1)), seconds(600));
    assert_eq!(clamp_lifetime(Some(i64::MAX), Duration::days(1)), Duration::days(1));
}

#[test]
fn what_it_is_bound_to_must_still_be_the_same() {
    let issuer = issuer();
    let token = issuer.issue(&request(), now()).unwrap();
    let token = verifier(&issuer).verify(&token, &[API], now()).unwrap();
    let world = |account: &'static str, pod: Option<&'static str>| {
        move |kind, namespace: &str, _: &str| {
            assert_eq!(namespace, "shop");
            match kind {
                Kind::ServiceAccount => Some(account.to_owned()),
                Kind::Pod => pod.map(str::to_owned),
                Kind::Secret | Kind::Node => panic!("not asked"),
            }
        }
    };
    assert_eq!(token.check(world("u1", Some("p1"))), Ok(()));
    // The namespace was made anew: same names, other uids.
    assert_eq!(token.check(world("u2", Some("p1"))), Err(Invalid::Unbound));
    assert_eq!(token.check(world("u1", Some("p2"))), Err(Invalid::Unbound));
    assert_eq!(token.check(world("u1", None)), Err(Invalid::Unbound));
}

#[test]
fn keys_are_rotated_and_published() {
    let (old, new) = (issuer(), issuer());
    let both =
        KeySet::new([new.key.verifying_key().clone(), old.key.verifying_key().clone()]).unwrap();
    let published = KeySet::from_jwks(both.to_jwks().to_string().as_bytes()).unwrap();
    let verifier = Verifier { keys: published, ..verifier(&new) };
    for one in [&old, &new] {
        let token = one.issue(&request(), now()).unwrap();
        assert!(verifier.verify(&token, &[API], now()).is_ok());
    }
    let only_new =
        Verifier { keys: KeySet::new([new.key.verifying_key().clone()]).unwrap(), ..verifier };
    let token = old.issue(&request(), now()).unwrap();
    assert_eq!(only_new.verify(&token, &[API], now()), Err(Invalid::UnknownKey));
    let again = SigningKey::from_pem(&new.key.to_pem()).unwrap();
    assert_eq!(again.verifying_key(), new.key.verifying_key());
    assert!(!format!("{again:?}").contains("PRIVATE") && format!("{again:?}").len() < 100);
    let discovery = both.discovery("https://berth", "https://berth/openid/v1/jwks");
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["ES256"]));
    assert!(!both.to_jwks().to_string().contains("\"d\""));
}

#[test]
fn forged_tokens_are_refused() {
    let (issuer, other) = (issuer(), issuer());
    let kid = issuer.key.verifying_key().id();
    let mut two = verifier(&issuer);
    two.keys = KeySet::new([issuer.key.verifying_key().clone(), other.key.verifying_key().clone()])
        .unwrap();
    let token = issuer.issue(&request(), now()).unwrap();
    let (header, payload) = parts(&token);
    let payload_text = payload.to_string();
    let refused = |token: &str| two.verify(token, &[API], now()).unwrap_err();
    let with_header = |header: Value| forge(&issuer, &header.to_string(), &payload_text);
    assert!(two.verify(&with_header(header.clone()), &[API], now()).is_ok());

    for alg in ["none", "None", "nOnE", "HS256", "RS256", "ES384", "PS256", "es256", ""] {
        assert_eq!(
            refused(&with_header(json!({"alg": alg, "kid": kid}))),
            Invalid::Algorithm,
            "{alg}"
        );
    }
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(&payload_text)
    );
    assert_eq!(refused(&unsigned), Invalid::Algorithm);
    assert_eq!(refused(&with_header(json!({"kid": kid}))), Invalid::Malformed);
    // The key id of the other key, of no key, or no text.
    let swapped = other.key.verifying_key().id();
    assert_eq!(refused(&with_header(json!({"alg": "ES256", "kid": swapped}))), Invalid::Signature);
    assert_eq!(
        refused(&with_header(json!({"alg": "ES256", "kid": "../../key"}))),
        Invalid::UnknownKey
    );
    assert_eq!(refused(&with_header(json!({"alg": "ES256", "kid": 1}))), Invalid::Malformed);
    // A key inside the token does not make it believed (CVE-2025-24976).
    let attacker = self::issuer();
    let jwk = attacker.key.verifying_key().to_jwk();
    let own = json!({"alg": "ES256", "kid": kid, "jwk": jwk, "jku": "https://evil", "x5c": ["x"]});
    assert_eq!(refused(&forge(&attacker, &own.to_string(), &payload_text)), Invalid::Signature);
    for name in ["crit", "b64", "zip"] {
        let mut header = header.clone();
        header[name] = json!(["exp"]);
        assert_eq!(refused(&with_header(header)), Invalid::Critical);
    }
    let twice = format!(r#"{{"alg":"none","alg":"ES256","kid":"{kid}"}}"#);
    assert_eq!(refused(&forge(&issuer, &twice, &payload_text)), Invalid::Malformed);
    let twice = payload_text.replacen('{', r#"{"sub":"system:admin","#, 1);
    assert_eq!(refused(&forge(&issuer, &header.to_string(), &twice)), Invalid::Malformed);
    for bad in ["", ".", "..", "a.b", "a.b.c.d", &format!("{token}="), &format!(" {token}")] {
        assert_eq!(refused(bad), Invalid::Malformed, "{bad}");
    }
    assert_eq!(refused(&format!("{token}{}", "A".repeat(authn::MAX_TOKEN))), Invalid::TooLong);
    let deep = "[".repeat(100_000);
    assert_eq!(refused(&forge(&issuer, &header.to_string(), &deep)), Invalid::TooLong);
    let deep = format!("{{\"a\":{}", "[".repeat(9_000));
    assert_eq!(refused(&forge(&issuer, &header.to_string(), &deep)), Invalid::Malformed);
}

#[test]
fn wrong_claims_are_refused() {
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let (header, payload) = parts(&issuer.issue(&request(), now()).unwrap());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut payload = payload.clone();
        change(&mut payload);
        let token = forge(&issuer, &header.to_string(), &payload.to_string());
        verifier.verify(&token, &[API], now()).map(|_| ())
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|p| p["iss"] = json!("https://other")), Err(Invalid::Issuer));
    assert_eq!(with(&|p| p["aud"] = json!(["other"])), Err(Invalid::Audience));
    assert_eq!(with(&|p| p["aud"] = json!([])), Err(Invalid::Audience));
    assert_eq!(with(&|p| p["aud"] = json!([1])), Err(Invalid::Claims));
    assert_eq!(with(&|p| p["exp"] = json!(1)), Err(Invalid::Expired));
    assert_eq!(with(&|p| p["exp"] = json!("9999999999")), Err(Invalid::Claims));
    assert_eq!(with(&|p| p["exp"] = json!(1e300)), Err(Invalid::Claims));
    assert_eq!(with(&|p| p["exp"] = json!(i64::MAX)), Err(Invalid::Claims));
    assert_eq!(with(&|p| p["nbf"] = json!(now().unix_timestamp() + 3000)), Err(Invalid::NotYet));
    for claim in ["exp", "iss", "aud", "sub", "kubernetes.io"] {
        let gone = with(&|p| drop(p.as_object_mut().unwrap().remove(claim)));
        assert_eq!(gone, Err(Invalid::Claims), "{claim}");
    }
    let subject = |name: &str| with(&|p| p["sub"] = json!(name));
    assert_eq!(subject("system:serviceaccount:shop:other"), Err(Invalid::Claims));
    assert_eq!(subject("system:admin"), Err(Invalid::Claims));
    let private = |name: &str, value: Value| with(&|p| p["kubernetes.io"][name] = value.clone());
    assert_eq!(private("secret", json!({"name": "s", "uid": "1"})), Err(Invalid::Claims));
    assert_eq!(private("pod", json!({"name": "web-1"})), Err(Invalid::Claims));
    assert_eq!(private("pod", json!(null)), Err(Invalid::Claims));
    assert_eq!(private("namespace", json!("other")), Err(Invalid::Claims));
    // Names that would move the border between namespace and name.
    let moved = with(&|p| {
        p["kubernetes.io"]["namespace"] = json!("shop:bot");
        p["kubernetes.io"]["serviceaccount"]["name"] = json!("x");
        p["sub"] = json!("system:serviceaccount:shop:bot:x");
    });
    assert_eq!(moved, Err(Invalid::Claims));
}

#[test]
fn tokens_of_old_live_as_long_as_their_secret() {
    let issuer = issuer();
    let token = issuer.issue_legacy("shop", &reference("bot", "u1"), "bot-token-x").unwrap();
    let read = verifier(&issuer).verify(&token, &[API], now() + Duration::days(3000)).unwrap();
    let world = |secret: bool| {
        move |kind, _: &str, _: &str| match kind {
            Kind::ServiceAccount => Some("u1".to_owned()),
            _ => secret.then(|| "any".to_owned()),
        }
    };
    assert_eq!(read.check(world(true)), Ok(()));
    assert_eq!(read.check(world(false)), Err(Invalid::Unbound));
    let without = Verifier { legacy: false, ..verifier(&issuer) };
    assert_eq!(without.verify(&token, &[API], now()), Err(Invalid::Issuer));
}

#[test]
fn reviews_tell_who_it_is() {
    let issuer = issuer();
    let token = issuer.issue(&request(), now()).unwrap();
    let read = verifier(&issuer).verify(&token, &[API], now()).unwrap();
    let user = read.user();
    let audiences = matching_audiences(&[], &text(&[API]), &read.audiences);
    let review = token_review("authentication.k8s.io/v1", &[], &Verdict::Good(&user, &audiences));
    assert_eq!(review["status"]["authenticated"], json!(true));
    assert_eq!(review["status"]["audiences"], json!([API]));
    assert_eq!(review["status"]["user"]["username"], json!("system:serviceaccount:shop:bot"));
    assert!(!review.to_string().contains(&token));
    let bad = token_review("authentication.k8s.io/v1", &text(&["x"]), &Verdict::Bad("no"));
    assert_eq!(bad["status"], json!({"user": {}, "error": "no"}));
    let me = self_subject_review("authentication.k8s.io/v1", "2027-01-15T08:00:00Z", &user);
    assert_eq!(me["status"]["userInfo"]["uid"], json!("u1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is changed in a token, it is not believed any more.
    #[test]
    fn no_byte_of_a_token_may_change(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let issuer = issuer();
        let token = issuer.issue(&request(), now()).unwrap();
        let at = at.index(token.len());
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        let verdict = verifier(&issuer).verify(&changed, &[API], now());
        prop_assert_eq!(verdict.is_ok(), changed == token);
    }
}
