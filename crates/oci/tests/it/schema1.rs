// SPDX-License-Identifier: Apache-2.0
//! Schema 1: recorded documents verify, altered ones do not, and conversion gives the very text
//! that the registry before us gave.

use aws_lc_rs::{
    encoding::{AsBigEndian as _, AsDer as _},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64},
};
use oci::{
    Algorithm, Digest, Manifest, ManifestError, MediaType, media_type as mt,
    schema1::{
        ConvertError, Document, DocumentError, EMPTY_LAYER, EMPTY_LAYER_GZIP, KeyError, SignError,
        SignatureError, SigningKey, convert,
    },
};
use time::{OffsetDateTime, macros::datetime};

use crate::manifest::{OCI, SCHEMA2};

const SIGNED: &str = include_str!("../data/schema1-signed.json");
const CONVERTED: &str = include_str!("../data/schema1-converted.json");
const CONFIG: &str = include_str!("../data/docker-schema2.config.json");

const NOW: OffsetDateTime = datetime!(2026-11-23 18:19:29.5 +02:00);

fn key() -> SigningKey {
    SigningKey::generate().expect("random numbers")
}

fn verify(document: &str) -> Result<(), SignatureError> {
    Document::parse(document.as_bytes()).expect("a document").verify().map(|_| ())
}

/// The payload of the signed document, without closing white space and brace.
fn unsigned_start() -> &'static str {
    SIGNED.split_once(",\n   \"signatures\"").expect("it is signed").0
}

#[test]
fn recorded_documents_verify() {
    for (document, kid, digest) in [
        (
            SIGNED,
            "EFCO:PVYW:OHJB:BSMI:N6AC:4YQC:WXIS:MAZX:X5LR:OFGS:LEBZ:KYJF",
            "sha256:dc240787833ea5a8d9f5d271f3d4403b3dd67b8b949b2b85ea56c4d035be4062",
        ),
        (
            CONVERTED,
            "VMRM:GUA6:5PPP:3FH4:SJKR:N3T6:6JMP:PMO2:CLZN:OCR7:IODB:243R",
            "sha256:22cca6238a9e9a7bfc0bffd25d44804b59310e31236aae14fdba22c24c7fb9c2",
        ),
    ] {
        let parsed = Document::parse(document.as_bytes()).expect("a document");
        let keys = parsed.verify().expect("the signature holds");
        assert_eq!(keys.iter().map(oci::schema1::PublicKey::id).collect::<Vec<_>>(), [kid]);
        assert_eq!(Digest::of(Algorithm::Sha256, parsed.payload()).to_string(), digest);
    }
}

#[test]
fn what_a_document_says() {
    let document = Document::parse(SIGNED.as_bytes()).expect("a document");
    assert!(document.is_signed());
    assert_eq!(
        (document.name(), document.tag(), document.architecture()),
        ("src/s1", "x", "amd64")
    );
    let layers: Vec<String> = document.layers().iter().map(Digest::to_string).collect();
    assert_eq!(
        layers,
        [
            "sha256:261cccc3e7f2ea82479621d19a603648f20eafb37e3fda7e7b4148112d5e0a2b",
            "sha256:4180b78c6486d39abd43b769221879dff46cee62baf58f368b85e7bac42f95b5",
        ],
        "base first"
    );
    assert!(document.history()[0].contains(r#""Cmd":["base"]"#));
    assert!(document.history()[1].contains(r#""author":"golden""#));
    let manifest = Manifest::from_stored(SIGNED.as_bytes()).expect("a manifest");
    assert!(!manifest.knows_sizes());
    assert_eq!(manifest.layers().len(), 2);
    assert_eq!(manifest.schema1().map(Document::name), Some("src/s1"));
}

#[test]
fn the_payload_alone_may_be_stored_but_not_pushed() {
    let payload = Document::parse(SIGNED.as_bytes()).expect("a document").payload().to_vec();
    let stored = Manifest::from_stored(&payload).expect("what other registries store");
    assert_eq!(*stored.media_type(), MediaType::DockerSchema1);
    assert_eq!(stored.digest(Algorithm::Sha256, &payload), Digest::of(Algorithm::Sha256, &payload));
    for content_type in [None, Some(mt::DOCKER_SCHEMA1), Some(mt::DOCKER_SCHEMA1_SIGNED)] {
        let error = Manifest::parse(content_type, &payload).err();
        assert_eq!(error, Some(ManifestError::Unverified(SignatureError::Unsigned)));
        // The signature tells the two apart, not the header.
        let pushed = Manifest::parse(content_type, SIGNED.as_bytes()).expect("signed");
        assert_eq!(*pushed.media_type(), MediaType::DockerSchema1Signed);
    }
}

#[test]
fn altered_documents_do_not_verify() {
    let altered = SIGNED.replace("\"amd64\",\n   \"fsLayers\"", "\"arm64\",\n   \"fsLayers\"");
    assert_ne!(altered, SIGNED);
    assert_eq!(verify(&altered), Err(SignatureError::Mismatch));
    let error = Manifest::parse(Some(mt::DOCKER_SCHEMA1_SIGNED), altered.as_bytes()).err();
    assert_eq!(error, Some(ManifestError::Unverified(SignatureError::Mismatch)));

    let kid = SIGNED.replace("EFCO:PVYW", "EFCO:PVYX");
    assert_eq!(verify(&kid), Err(SignatureError::KeyId));
    let algorithm = SIGNED.replace("ES256", "RS256");
    assert_eq!(verify(&algorithm), Err(SignatureError::Algorithm));
    let none = SIGNED.replace("ES256", "none");
    assert_eq!(verify(&none), Err(SignatureError::Algorithm));
    let curve = SIGNED.replace("P-256", "P-384");
    assert_eq!(verify(&curve), Err(SignatureError::Key));
    // Not a point of the curve.
    let point = SIGNED.replace("\"x\": \"17Yp", "\"x\": \"17Yq").replace("\"kid\"", "\"kidd\"");
    assert_eq!(verify(&point), Err(SignatureError::Mismatch));
    let (start, end) = SIGNED.split_once("\"jwk\": {").expect("a key");
    let keyless = format!("{start}{}", end.split_once("},").expect("its end").1);
    assert_eq!(verify(&keyless), Err(SignatureError::Key));
}

#[test]
fn signatures_that_do_not_say_what_they_sign() {
    let parse = |signatures: &str| {
        let json = format!("{},\"signatures\":{signatures}}}", unsigned_start());
        Document::parse(json.as_bytes()).err()
    };
    let signature = |protected: &str| {
        format!(
            r#"{{"header":{{"alg":"ES256"}},"signature":"","protected":"{}"}}"#,
            BASE64.encode(protected)
        )
    };
    let sound = signature(r#"{"formatLength":10,"formatTail":"Cn0"}"#);
    let other = signature(r#"{"formatLength":11,"formatTail":"Cn0"}"#);
    let long = signature(r#"{"formatLength":1000000,"formatTail":"Cn0"}"#);
    let negative = signature(r#"{"formatLength":-1,"formatTail":"Cn0"}"#);
    let expect = |error| Some(DocumentError::Signatures(error));
    assert_eq!(parse("[]"), expect(SignatureError::Unsigned));
    assert_eq!(parse(&format!("[{sound},{other}]")), expect(SignatureError::Conflict));
    assert_eq!(parse(&format!("[{long}]")), expect(SignatureError::Length));
    for malformed in [
        "{}".to_owned(),
        "[{}]".to_owned(),
        format!("[{negative}]"),
        format!("[{}]", vec![sound.as_str(); 17].join(",")),
        format!("[{}]", sound.replace("\"protected\":\"", "\"protected\":\"!")),
    ] {
        let error = parse(&malformed);
        assert!(
            matches!(error, Some(DocumentError::Signatures(SignatureError::Malformed(_)))),
            "{malformed}: {error:?}"
        );
    }
    // `null` is what a client without keys writes.
    assert_eq!(parse("null"), None);
}

#[test]
fn malformed_payloads() {
    let parse = |json: &str| Document::parse(json.as_bytes()).err();
    let layer = format!(r#"{{"blobSum":"{EMPTY_LAYER}"}}"#);
    let history = r#"{"v1Compatibility":"{}"}"#;
    assert_eq!(parse(r#"{"schemaVersion":2}"#), Some(DocumentError::SchemaVersion));
    assert_eq!(parse("{}"), Some(DocumentError::SchemaVersion));
    assert_eq!(
        parse(r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#),
        Some(DocumentError::NoLayers)
    );
    assert_eq!(
        parse(&format!(
            r#"{{"schemaVersion":1,"fsLayers":[{layer},{layer}],"history":[{history}]}}"#
        )),
        Some(DocumentError::UnequalLengths { layers: 2, history: 1 })
    );
    let bad =
        r#"{"schemaVersion":1,"fsLayers":[{"blobSum":"x"}],"history":[{"v1Compatibility":""}]}"#;
    assert!(matches!(parse(bad), Some(DocumentError::Layer { index: 0, .. })));
}

#[test]
fn signing_and_verifying_are_inverse() {
    let key = key();
    let pretty = Document::parse(SIGNED.as_bytes()).expect("a document").payload().to_vec();
    let minified = format!(
        r#"{{"schemaVersion":1,"name":"a","tag":"b","architecture":"","fsLayers":[{{"blobSum":"{EMPTY_LAYER}"}}],"history":[{{"v1Compatibility":"{{}}"}}]}}"#
    );
    for payload in [pretty, minified.clone().into_bytes(), format!("{minified}\n ").into_bytes()] {
        let signed = key.sign(&payload, NOW).expect("an object");
        assert_eq!(signed.digest, Digest::of(Algorithm::Sha256, &payload));
        let document = Document::parse(&signed.bytes).expect("a document");
        assert_eq!(document.payload(), payload);
        assert_eq!(document.verify().expect("it holds"), [key.public_key()]);
        let manifest = Manifest::parse(None, &signed.bytes).expect("a manifest");
        assert_eq!(manifest.digest(Algorithm::Sha256, &signed.bytes), signed.digest);
    }
    for text in ["", "{", "}", "{}", "{ }", "[1]", "{\"a\":1,}", "null"] {
        assert_eq!(key.sign(text.as_bytes(), NOW).err(), Some(SignError::NoObject), "{text}");
    }
}

#[test]
fn what_is_signed_is_not_signed_again() {
    let key = key();
    let signed = key.sign(b"{\"a\":1}", NOW).expect("an object").bytes;
    let null = br#"{"a":1,"signatures":null}"#.to_vec();
    let escaped = br#"{"\u0073ignatures":[],"a":1}"#.to_vec();
    for text in [SIGNED.as_bytes().to_vec(), signed, null, escaped] {
        assert_eq!(key.sign(&text, NOW).err(), Some(SignError::Signed));
    }
    // Deeper down the name means nothing.
    assert!(key.sign(br#"{"a":{"signatures":[]}}"#, NOW).is_ok());
}

/// Two documents differ in key, signature and time only.
fn mask(document: &str) -> String {
    let mut out = String::new();
    for line in document.lines() {
        let variable = ["\"kid\"", "\"x\"", "\"y\"", "\"signature\"", "\"protected\""]
            .into_iter()
            .find(|name| line.trim_start().starts_with(&format!("{name}: \"")));
        out.push_str(variable.unwrap_or(line));
        out.push('\n');
    }
    out
}

#[test]
fn layout_of_a_signed_document_is_that_of_libtrust() {
    let payload = Document::parse(SIGNED.as_bytes()).expect("a document").payload().to_vec();
    let signed = key().sign(&payload, NOW).expect("an object");
    let signed = String::from_utf8(signed.bytes).expect("text");
    assert_eq!(signed.len(), SIGNED.len());
    assert_eq!(mask(&signed), mask(SIGNED));
    let protected =
        signed.split("\"protected\": \"").nth(1).and_then(|rest| rest.split('"').next());
    let protected = BASE64.decode(protected.expect("a protected header")).expect("base64");
    assert_eq!(
        String::from_utf8(protected).expect("text"),
        r#"{"formatLength":1174,"formatTail":"Cn0","time":"2026-11-23T16:19:29Z"}"#
    );
}

#[test]
fn conversion_gives_the_recorded_text() {
    let schema2 = Manifest::parse(None, SCHEMA2.as_bytes()).expect("a manifest");
    let signed = convert(&schema2, CONFIG.as_bytes(), "r-pull/app", "v2", &key(), NOW)
        .expect("it can be converted");
    let recorded = Document::parse(CONVERTED.as_bytes()).expect("a document");
    assert_eq!(
        signed.digest.to_string(),
        "sha256:22cca6238a9e9a7bfc0bffd25d44804b59310e31236aae14fdba22c24c7fb9c2"
    );
    let document = Document::parse(&signed.bytes).expect("a document");
    assert_eq!(document.payload(), recorded.payload());
    document.verify().expect("the signature holds");
    let text = String::from_utf8(signed.bytes).expect("text");
    assert_eq!(mask(&text), mask(CONVERTED));
}

#[test]
fn conversion_of_empty_layers_and_odd_texts() {
    let d = |n: u8| Digest::of(Algorithm::Sha256, &[n]);
    let descriptor = |n: u8| format!(r#"{{"mediaType":"a/b","size":1,"digest":"{}"}}"#, d(n));
    let schema2 = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{},{}]}}"#,
        mt::DOCKER_SCHEMA2,
        descriptor(0),
        descriptor(1),
        descriptor(2)
    );
    let schema2 = Manifest::parse(None, schema2.as_bytes()).expect("a manifest");
    let config = format!(
        r#"{{ "rootfs": {{"type":"layers","diff_ids":["{}","{}"]}}, "big": 12345678901234567890123,
            "config": {{ "b" : " <\" & ", "a": [ 1.50 ] }}, "history": [
            {{"created_by":"a < b && c","author":"me"}}, {{"empty_layer":true,"created_by":"ENV"}},
            {{"created":"2020-01-01T00:00:00.5+01:00","comment":"c"}},
            {{"empty_layer":true}}] }}"#,
        d(3),
        d(4)
    );
    let signed = convert(&schema2, config.as_bytes(), "a", "", &key(), NOW).expect("convertible");
    let document = Document::parse(&signed.bytes).expect("a document");
    document.verify().expect("the signature holds");
    let empty = Digest::parse(EMPTY_LAYER).expect("a digest");
    assert_eq!(document.layers(), [d(1), empty, d(2), empty]);
    assert_eq!(Digest::of(Algorithm::Sha256, &EMPTY_LAYER_GZIP), empty);
    let history = document.history();
    let hex = |text: String| Digest::of(Algorithm::Sha256, text.as_bytes()).hex();
    let first = hex(format!("{} ", d(1).hex()));
    let second = hex(format!("{} {first}", empty.hex()));
    let third = hex(format!("{} {second}", d(2).hex()));
    let last = hex(format!("{} {third} {config}", empty.hex()));
    assert_eq!(
        history[0],
        format!(
            r#"{{"id":"{first}","created":"0001-01-01T00:00:00Z","container_config":{{"Cmd":["a \u003c b \u0026\u0026 c"]}},"author":"me"}}"#
        )
    );
    assert_eq!(
        history[1],
        format!(
            r#"{{"id":"{second}","parent":"{first}","created":"0001-01-01T00:00:00Z","container_config":{{"Cmd":["ENV"]}},"throwaway":true}}"#
        )
    );
    assert_eq!(
        history[2],
        format!(
            r#"{{"id":"{third}","parent":"{second}","comment":"c","created":"2020-01-01T00:00:00.5+01:00","container_config":{{"Cmd":[""]}}}}"#
        )
    );
    assert_eq!(
        history[3],
        format!(
            r#"{{"big":12345678901234567890123,"config":{{"b":" \u003c\" \u0026 ","a":[1.50]}},"id":"{last}","parent":"{third}","throwaway":true}}"#
        )
    );
}

#[test]
fn what_cannot_be_converted() {
    let schema2 = Manifest::parse(None, SCHEMA2.as_bytes()).expect("a manifest");
    let oci = Manifest::parse(None, OCI.as_bytes()).expect("a manifest");
    let key = key();
    let convert = |manifest: &Manifest, config: &str| {
        convert(manifest, config.as_bytes(), "a/b", "c", &key, NOW).expect_err("not convertible")
    };
    assert_eq!(convert(&oci, CONFIG), ConvertError::NotSchema2);
    assert!(matches!(convert(&schema2, "x"), ConvertError::Config(_)));
    for config in ["{}", r#"{"history":null}"#, r#"{"history":[]}"#] {
        assert_eq!(convert(&schema2, config), ConvertError::NoHistory);
    }
    let count = |diff_ids, filled| ConvertError::LayerCount { layers: 3, diff_ids, filled };
    assert_eq!(convert(&schema2, r#"{"history":[{}]}"#), count(0, 1));
    let too_much = CONFIG.replace("\"history\":[", "\"history\":[{},");
    assert_eq!(convert(&schema2, &too_much), count(3, 4));
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("text")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[test]
fn keys_from_files() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let pkcs8 = pair.to_pkcs8v1().expect("PKCS #8");
    let sec1 = pair.private_key().as_der().expect("SEC 1");
    let sec1 = pem("EC PRIVATE KEY", sec1.as_ref());
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let headers = sec1.replacen("-----\n", "-----\nkeyID: ABCD:EFGH\n\n", 1);
    let mut ids = Vec::new();
    for text in [
        pem("PRIVATE KEY", pkcs8.as_ref()),
        format!("{parameters}{sec1}"),
        headers,
        sec1.replace('\n', "\r\n"),
    ] {
        let key = SigningKey::from_file(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(format!("{key:?}").contains(&key.public_key().id()), "only the public part");
        ids.push(key.public_key().id());
    }
    let point = pair.public_key().as_ref();
    let secret = pair.private_key().as_be_bytes().expect("the number");
    let jwk = |curve: &str, secret: &[u8], point: &[u8]| {
        format!(
            r#"{{"kty":"EC","crv":"{curve}","d":"{}","x":"{}","y":"{}"}}"#,
            BASE64.encode(secret),
            BASE64.encode(&point[1..33]),
            BASE64.encode(&point[33..])
        )
    };
    let text = format!("\n{}\n", jwk("P-256", secret.as_ref(), point));
    ids.push(SigningKey::from_file(&text).expect("a JWK").public_key().id());
    ids.dedup();
    assert_eq!(ids.len(), 1, "all are the same key");
    let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    for (text, error) in [
        ("{".to_owned(), KeyError::Jwk),
        (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#.to_owned(), KeyError::Jwk),
        (r#"{"kty":"RSA","n":"AA","e":"AA","d":"AA"}"#.to_owned(), KeyError::Kind),
        (jwk("P-384", secret.as_ref(), point), KeyError::Kind),
        (jwk("P-256", &[0; 32], point), KeyError::Kind),
        (jwk("P-256", secret.as_ref(), other.public_key().as_ref()), KeyError::Kind),
    ] {
        assert_eq!(SigningKey::from_file(&text).err(), Some(error), "{text}");
    }

    let public = pair.public_key().as_ref();
    for (text, error) in [
        (String::new(), KeyError::NoKey),
        (pem("PUBLIC KEY", public), KeyError::NoKey),
        (pem("PRIVATE KEY", public), KeyError::Kind),
        ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----".to_owned(), KeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----\nAAAA".to_owned(), KeyError::NoKey),
    ] {
        assert_eq!(SigningKey::from_file(&text).err(), Some(error), "{text}");
    }
}

#[test]
fn rsa_signatures_verify() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    // RFC 8017, A.1.1: the modulus, then the exponent 65537 in five bytes.
    let public = pair.public_key().as_ref();
    let modulus = &public[public.len() - 5 - 256..public.len() - 5];
    let payload = format!("{}\n}}", unsigned_start());
    let protected = BASE64.encode(format!(
        r#"{{"formatLength":{},"formatTail":"{}"}}"#,
        unsigned_start().len(),
        BASE64.encode("\n}")
    ));
    let message = format!("{protected}.{}", BASE64.encode(&payload));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .expect("signs");
    let document = |algorithm: &str, signature: &[u8]| {
        format!(
            r#"{},"signatures":[{{"header":{{"jwk":{{"kty":"RSA","n":"{}","e":"{}"}},"alg":"{algorithm}"}},"signature":"{}","protected":"{protected}"}}]}}"#,
            unsigned_start(),
            BASE64.encode(modulus),
            BASE64.encode([1, 0, 1]),
            BASE64.encode(signature)
        )
    };
    assert_eq!(verify(&document("RS256", &signature)), Ok(()));
    assert_eq!(verify(&document("RS384", &signature)), Err(SignatureError::Mismatch));
    assert_eq!(verify(&document("ES256", &signature)), Err(SignatureError::Algorithm));
    signature[7] ^= 1;
    assert_eq!(verify(&document("RS256", &signature)), Err(SignatureError::Mismatch));
}
