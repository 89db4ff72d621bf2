// SPDX-License-Identifier: Apache-2.0
//! What holds for any input.

use patch::apply::{Request, Set, apply, track_update};
use patch::{json, merge, strategic};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::fixture::schema;

/// Any JSON, with names that mean something to patches.
fn anything() -> impl Strategy<Value = Value> {
    let names = [
        "name",
        "spec",
        "metadata",
        "containers",
        "items",
        "tags",
        "id",
        "zone",
        "finalizers",
        "byName",
        "fixed",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "managedFields",
    ];
    let name = prop::sample::select(names.to_vec());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        Just(json!(1.5)),
        prop::sample::select(vec!["a", "b", "replace", "delete", "merge"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|fields| {
                Value::Object(
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                )
            }),
        ]
    })
}

/// A valid `Widget` spec.
fn widget() -> impl Strategy<Value = Value> {
    let names =
        || prop::collection::btree_set(prop::sample::select(vec!["a", "b", "c", "d"]), 0..4);
    let items = prop::collection::btree_map(0..4_i64, prop::option::of(names()), 0..4);
    let by_name =
        prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), 0..3_i64, 0..3);
    (names(), items, by_name, 0..3_i64).prop_map(|(tags, items, by_name, fixed)| {
        let items: Vec<Value> = items
            .into_iter()
            .map(|(id, tags)| match tags {
                Some(tags) if !tags.is_empty() => json!({"id": id, "zone": "z", "nested": {"tags": tags}}),
                _ => json!({"id": id}),
            })
            .collect();
        let by_name: Map<String, Value> =
            by_name.into_iter().map(|(name, v)| (name.to_owned(), json!({ "v": v }))).collect();
        // No empty lists and maps: one that replaces a full one is only there the second time, as in Kubernetes.
        let mut spec = json!({});
        let all = [("tags", json!(tags)), ("items", json!(items)), ("byName", json!(by_name))];
        for (name, value) in all.into_iter().filter(|(_, value)| *value != json!([]) && *value != json!({})) {
            spec[name] = value;
        }
        spec["fixed"] = json!({"a": fixed.to_string()});
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
    })
}

fn request<'a>(kind: &'a str, manager: &'a str, reset: &'a Set, now: &'a str) -> Request<'a> {
    let view = schema(kind).view();
    Request {
        view,
        api_version: "example.com/v1",
        kind,
        subresource: "",
        manager,
        reset,
        served: &[],
        now,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_panics(object in anything(), patch in anything()) {
        let reset = Set::default();
        let _ = merge::apply(object.clone(), patch.clone());
        for kind in ["Pod", "Widget", "Loose"] {
            let _ = strategic::apply(schema(kind).view(), object.clone(), patch.clone());
            let request = request(kind, "m", &reset, "2020-01-01T00:00:00Z");
            let _ = track_update(&request, Some(&object), patch.clone());
            let mut applied = patch.clone();
            if let Value::Object(fields) = &mut applied {
                fields.insert("apiVersion".to_owned(), "example.com/v1".into());
                fields.insert("kind".to_owned(), kind.into());
            }
            for force in [false, true] {
                let _ = apply(&request, Some(&object), &applied, force);
            }
        }
        if let Ok(patch) = json::Patch::decode(patch) {
            let _ = patch.apply(object, json::Dialect::Kubernetes);
        }
    }

    #[test]
    fn a_merge_patch_settles(object in anything(), patch in anything()) {
        if patch.is_object() && let Ok(once) = merge::apply(object, patch.clone()) {
            // In lists, nulls may still go the second time.
            let twice = merge::apply(once, patch.clone()).unwrap();
            prop_assert_eq!(merge::apply(twice.clone(), patch), Ok(twice));
        }
    }

    #[test]
    fn applying_twice_changes_nothing_more(first in widget(), second in widget()) {
        let reset = Set::default();
        let at = |now| request("Widget", "m", &reset, now);
        let live = apply(&at("2020-01-01T00:00:00Z"), None, &first, false).unwrap();
        let once = apply(&at("2020-01-02T00:00:00Z"), Some(&live), &second, false).unwrap();
        let twice = apply(&at("2020-01-03T00:00:00Z"), Some(&once), &second, false).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_sole_applier_gets_what_it_applied(first in widget(), second in widget()) {
        let reset = Set::default();
        let request = request("Widget", "m", &reset, "2020-01-01T00:00:00Z");
        let live = apply(&request, None, &first, false).unwrap();
        let mut new = apply(&request, Some(&live), &second, false).unwrap();
        new["metadata"].as_object_mut().unwrap().remove("managedFields");
        // The order of items and the presence of empty containers may differ.
        prop_assert_eq!(settled(new), settled(second));
    }

    #[test]
    fn updates_own_what_they_change_and_nothing_else(old in widget(), new in widget()) {
        let reset = Set::default();
        let live = track_update(&request("Widget", "one", &reset, "2020-01-01T00:00:00Z"), None, old);
        let mut new = new;
        new["metadata"]["uid"] = "u".into();
        let mut live = live;
        live["metadata"]["uid"] = "u".into();
        let found = track_update(&request("Widget", "two", &reset, "2020-01-02T00:00:00Z"), Some(&live), new.clone());
        let sets: Vec<Set> = found["metadata"]["managedFields"].as_array().into_iter().flatten()
            .map(|entry| Set::from_fields_v1(&entry["fieldsV1"]).unwrap()).collect();
        if let [one, two] = sets.as_slice() {
            prop_assert!(one.intersection(two).is_empty());
        }
        let mut bare = found;
        bare["metadata"].as_object_mut().unwrap().remove("managedFields");
        prop_assert_eq!(bare, new);
    }

    #[test]
    fn sets_obey_their_algebra(a in anything(), b in anything()) {
        let set = |value: &Value| Set::from_fields_v1(&steps(value)).unwrap_or_default();
        let (a, b) = (set(&a), set(&b));
        let mut union = a.clone();
        union.unite(b.clone());
        let common = a.intersection(&b);
        let mut only_a = a.clone();
        only_a.subtract(&b);
        prop_assert!(a.is_subset(&union) && b.is_subset(&union));
        prop_assert!(common.is_subset(&a) && common.is_subset(&b));
        prop_assert!(only_a.intersection(&b).is_empty());
        let mut again = only_a;
        again.unite(common);
        prop_assert_eq!(again, a.clone());
        let text: Value = serde_json::from_str(&a.to_canonical_json()).unwrap();
        prop_assert_eq!(Set::from_fields_v1(&text).unwrap_or_default(), if a.is_empty() { Set::default() } else { a });
    }
}

/// Turns any JSON into the form of a field set.
fn steps(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, value)| (format!("f:{name}"), steps(value))).collect(),
        ),
        Value::Array(items) => {
            Value::Object(items.iter().map(|item| (format!("v:{item}"), steps(item))).collect())
        }
        _ => json!({}),
    }
}

/// Without empty containers, and lists sorted.
fn settled(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = settled(field.take());
            }
            fields.retain(|_, value| {
                !matches!(value, Value::Null) && *value != json!({}) && *value != json!([])
            });
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                *item = settled(item.take());
            }
            items.sort_by_key(Value::to_string);
        }
        _ => {}
    }
    value
}
