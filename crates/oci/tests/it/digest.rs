// SPDX-License-Identifier: Apache-2.0
//! Digests: the strict parser and its inverse.

use oci::{Algorithm, Digest, DigestError};
use proptest::prelude::*;

const ABC: [&str; 3] = [
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
];

#[test]
fn known_values() {
    for (algorithm, text) in Algorithm::ALL.into_iter().zip(ABC) {
        let digest = Digest::of(algorithm, b"abc");
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::parse(text), Ok(digest));
        assert_eq!(format!("{algorithm}:{}", digest.hex()), text);
        assert_eq!(digest.as_bytes().len(), algorithm.size());
    }
}

#[test]
fn what_is_no_digest() {
    let hex = "a".repeat(64);
    let upper = "A".repeat(64);
    let sha256 = Algorithm::Sha256;
    for (text, error) in [
        (String::new(), DigestError::Form),
        ("latest".to_owned(), DigestError::Form),
        (":".to_owned(), DigestError::Algorithm),
        (format!(":{hex}"), DigestError::Algorithm),
        ("md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(), DigestError::Algorithm),
        (format!("SHA256:{hex}"), DigestError::Algorithm),
        (format!("sha256 :{hex}"), DigestError::Algorithm),
        (format!("sha256+b64:{hex}"), DigestError::Algorithm),
        ("sha256:".to_owned(), DigestError::Length { algorithm: sha256, found: 0 }),
        ("sha256:notreal".to_owned(), DigestError::Length { algorithm: sha256, found: 7 }),
        (format!("sha256:{hex}a"), DigestError::Length { algorithm: sha256, found: 65 }),
        (format!("sha256:{}", &hex[1..]), DigestError::Length { algorithm: sha256, found: 63 }),
        (format!("sha512:{hex}"), DigestError::Length { algorithm: Algorithm::Sha512, found: 64 }),
        (format!("sha256:{upper}"), DigestError::Character { at: 0 }),
        (format!("sha256:{}g", &hex[1..]), DigestError::Character { at: 63 }),
        (format!("sha256:{}/", &hex[1..]), DigestError::Character { at: 63 }),
        (format!("sha256:{}é", &hex[2..]), DigestError::Character { at: 62 }),
        (format!("sha256::{}", &hex[1..]), DigestError::Character { at: 0 }),
    ] {
        assert_eq!(Digest::parse(&text), Err(error), "{text}");
    }
}

#[test]
fn order_is_that_of_the_text() {
    let mut digests: Vec<Digest> = (0..50_u8)
        .flat_map(|n| Algorithm::ALL.map(|algorithm| Digest::of(algorithm, &[n])))
        .collect();
    digests.sort();
    let texts: Vec<String> = digests.iter().map(Digest::to_string).collect();
    assert!(texts.is_sorted());
}

#[test]
fn json_is_the_text() {
    let digest = Digest::of(Algorithm::Sha512, b"");
    let json = serde_json::to_string(&digest).expect("digests serialise");
    assert_eq!(json, format!("\"{digest}\""));
    assert_eq!(serde_json::from_str::<Digest>(&json).expect("and back"), digest);
    assert!(serde_json::from_str::<Digest>("\"sha256:00\"").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn parse_is_the_inverse_of_display(
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 64),
    ) {
        let digest = Digest::from_bytes(algorithm, &bytes[..algorithm.size()]).expect("size fits");
        prop_assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        prop_assert_eq!(digest.as_bytes(), &bytes[..algorithm.size()]);
        prop_assert_eq!(Digest::from_bytes(algorithm, &bytes[1..algorithm.size()]), None);
    }

    #[test]
    fn whatever_parses_prints_the_same(text in "(sha256|sha512|sha384|md5)?:?[0-9a-fA-F:é]{0,130}") {
        if let Ok(digest) = Digest::parse(&text) {
            prop_assert_eq!(digest.to_string(), text);
        }
    }
}
