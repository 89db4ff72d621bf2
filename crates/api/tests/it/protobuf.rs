// SPDX-License-Identifier: Apache-2.0
//! The protobuf form: round trips of every kind, and bytes that no one should send.

use api::protobuf::{self, ProtobufError};
use api::{GroupVersionKind, builtin};
use proptest::prelude::*;
use schema::{Type, TypeId, Types};
use serde_json::{Map, Value, json};

/// An object with every field of its type set, to a depth.
fn full(types: &Types, ty: TypeId, depth: usize, seed: u64) -> Value {
    let object = types.get(ty);
    let mut map = Map::new();
    for field in &object.fields {
        // Only what has a number travels.
        let travels = field.proto > 0 || field.inline;
        if travels && let Some(value) = sample(types, &field.ty, depth, seed) {
            map.insert(field.name.clone(), value);
        }
    }
    Value::Object(map)
}

fn sample(types: &Types, ty: &Type, depth: usize, seed: u64) -> Option<Value> {
    Some(match ty {
        Type::Any => json!({"any": [seed, null]}),
        Type::String => json!(format!("s{seed}é")),
        Type::Bytes => json!("AAEC/w=="),
        Type::Integer(32) => json!(-(seed as i64 % 1000) - 1),
        Type::Integer(_) => json!(i64::MIN + seed as i64),
        Type::Number => json!(1.5),
        Type::Boolean => json!(true),
        Type::Quantity => json!("1500m"),
        Type::IntOrString if seed.is_multiple_of(2) => json!("25%"),
        Type::IntOrString => json!(-7),
        Type::Time => json!("2026-01-02T03:04:05Z"),
        Type::MicroTime => json!("1926-01-02T03:04:05.000006Z"),
        Type::Duration => json!("1h0m0.5s"),
        Type::Object(_) if depth == 0 => return None,
        Type::Object(id) => full(types, *id, depth - 1, seed + 1),
        Type::Map(map) => {
            json!({"k": sample(types, &map.values, depth, seed)?, "l": sample(types, &map.values, depth, seed + 1)?})
        }
        Type::List(list) => {
            json!([
                sample(types, &list.items, depth, seed)?,
                sample(types, &list.items, depth, seed + 1)?
            ])
        }
    })
}

/// Kinds whose Go types write objects that their protobuf form cannot tell from absent ones are compared as Go
/// writes them.
#[test]
fn every_kind_comes_back_as_it_went() {
    let mut seen = 0;
    for kind in builtin::kinds().iter().filter(|it| it.protobuf) {
        for seed in [1, 2] {
            let mut object = full(builtin::types(), kind.ty, 6, seed);
            object["apiVersion"] = kind.gvk.api_version().into();
            object["kind"] = kind.gvk.kind.clone().into();
            let body = protobuf::encode(&kind.gvk, &object).expect("encodes");
            let (gvk, mut back) = protobuf::decode(&body).expect("decodes");
            assert_eq!(gvk, kind.gvk);
            let schema = builtin::schema(&gvk.group, &gvk.version, &gvk.kind).expect("there");
            builtin::normalise(&schema, &mut back);
            builtin::normalise(&schema, &mut object);
            assert_eq!(back, object, "{gvk}");
        }
        seen += 1;
    }
    assert!(seen > 150, "{seen}");
}

/// Bodies that kubectl 1.32 sent for `kubectl create …`, and what it printed for the same command with
/// `--dry-run=client -o json`.
#[test]
fn what_kubectl_sends_is_what_it_says() {
    macro_rules! recorded {
        ($($name:literal)*) => {[$((
            $name,
            include_bytes!(concat!("../data/", $name, ".pb")).as_slice(),
            include_str!(concat!("../data/", $name, ".json")),
        )),*]};
    }
    let all = recorded!["clusterrolebinding" "configmap" "cronjob" "deployment" "ingress" "job"
        "namespace" "poddisruptionbudget" "quota" "rolebinding" "secret" "service" "serviceaccount"];
    for (name, body, text) in all {
        let mut said: Value = serde_json::from_str(text).expect(name);
        let (gvk, mut sent) = protobuf::decode(body).expect(name);
        let schema = builtin::schema(&gvk.group, &gvk.version, &gvk.kind).expect(name);
        builtin::normalise(&schema, &mut said);
        builtin::normalise(&schema, &mut sent);
        assert_eq!(sent, said, "{name}");
        let ours = protobuf::encode(&gvk, &said).expect(name);
        let (_, mut back) = protobuf::decode(&ours).expect(name);
        builtin::normalise(&schema, &mut back);
        assert_eq!(back, said, "{name}");
    }
}

#[test]
fn empty_plain_fields_are_absent() {
    let gvk = GroupVersionKind::new("", "v1", "Secret");
    let sent = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "x", "namespace": "", "creationTimestamp": null}, "type": ""});
    let body = protobuf::encode(&gvk, &sent).expect("encodes");
    let (_, back) = protobuf::decode(&body).expect("decodes");
    assert_eq!(back, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}));
}

#[test]
fn refusals() {
    let text = |body: &[u8]| protobuf::decode(body).expect_err("refused").to_string();
    assert_eq!(
        text(b"{}"),
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    );
    assert_eq!(text(b"k8s\0\x0a\xff"), "unexpected EOF");
    let crd = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    assert_eq!(
        protobuf::encode(&crd, &json!({})),
        Err(ProtobufError::Kind("apiextensions.k8s.io/v1, Kind=CustomResourceDefinition".into()))
    );
    let gvk = GroupVersionKind::new("", "v1", "Pod");
    let odd = json!({"spec": {"containers": 1}});
    assert_eq!(protobuf::encode(&gvk, &odd), Err(ProtobufError::Type("containers".into())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn broken_bodies_do_not_panic(
        kind in 0..builtin::kinds().len(),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let kind = &builtin::kinds()[kind];
        if !kind.protobuf {
            return Ok(());
        }
        let object = full(builtin::types(), kind.ty, 3, 1);
        let mut body = protobuf::encode(&kind.gvk, &object).expect("encodes");
        for (at, byte) in flips {
            let at = at.index(body.len());
            body[at] ^= byte;
        }
        let _ = protobuf::decode(&body);
        body.truncate(cut.index(body.len()));
        let _ = protobuf::decode(&body);
    }

    #[test]
    fn random_bytes_do_not_panic(raw in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut body = protobuf::encode(&GroupVersionKind::new("", "v1", "Pod"), &json!({})).expect("encodes");
        // In place of the empty object: field 2 with these bytes.
        body.extend([0x12, raw.len() as u8 | 0x80, (raw.len() >> 7) as u8]);
        body.extend(raw);
        let _ = protobuf::decode(&body);
    }
}
