// SPDX-License-Identifier: Apache-2.0
//! Patches of API objects. An input is a JSON list: the object, then the patch.

use std::sync::LazyLock;

use api::builtin;
use patch::apply::{Managed, Request, Set};
use patch::{apply, json, merge, strategic};
use schema::Schema;
use serde_json::Value;

/// A built-in kind with every kind of list, and one without a type.
static SCHEMAS: LazyLock<[(&str, Schema); 2]> = LazyLock::new(|| {
    let pod = builtin::schema("", "v1", "Pod").expect("pods are built in");
    [("Pod", pod), ("Loose", Schema::any())]
});

fn pair(data: &[u8]) -> Option<(Value, Value)> {
    match serde_json::from_slice(data).ok()? {
        Value::Array(items) => {
            <[Value; 2]>::try_from(items).ok().map(|[object, patch]| (object, patch))
        }
        _ => None,
    }
}

/// [`json::Patch`]: what RFC 6902 allows is also right for Kubernetes, which is only more lenient;
/// except for numbers, that Kubernetes compares as they are written, and for the whole document.
pub fn patch_json(data: &[u8]) {
    let Some((object, patch)) = pair(data) else { return };
    let Ok(decoded) = json::Patch::decode(patch.clone()) else { return };
    let strict = decoded.apply(object.clone(), json::Dialect::Rfc6902);
    let lenient = decoded.apply(object, json::Dialect::Kubernetes);
    let operations = patch.as_array().into_iter().flatten();
    let comparable = operations.into_iter().all(|operation| {
        let root = |name| operation.get(name).is_some_and(|pointer| pointer == "");
        operation["op"] != "test" && !root("path") && !root("from")
    });
    if let (Ok(strict), true) = (strict, comparable) {
        assert_eq!(lenient, Ok(strict));
    }
}

/// [`merge::apply`]: applied again, a patch that is an object changes nothing; in lists, nulls may
/// still go the second time, as they do in Kubernetes.
pub fn patch_merge(data: &[u8]) {
    let Some((object, patch)) = pair(data) else { return };
    let again = patch.clone();
    if let (Ok(once), true) = (merge::apply(object, patch), again.is_object()) {
        let twice = merge::apply(once, again.clone()).expect("an object takes the patch again");
        assert_eq!(merge::apply(twice.clone(), again), Ok(twice));
    }
}

/// [`strategic::apply`]: survives, and an empty patch changes nothing.
pub fn patch_strategic(data: &[u8]) {
    let Some((object, patch)) = pair(data) else { return };
    for (_, schema) in SCHEMAS.iter() {
        if let Ok(patched) = strategic::apply(schema.view(), object.clone(), patch.clone()) {
            let empty = Value::Object(serde_json::Map::new());
            assert_eq!(strategic::apply(schema.view(), patched.clone(), empty), Ok(patched));
        }
    }
}

/// [`apply::apply`] and [`apply::track_update`]: what they record can be read, and where there is
/// no conflict, force does nothing.
pub fn patch_apply(data: &[u8]) {
    let Some((live, mut input)) = pair(data) else { return };
    let reset = Set::of_fields(["status"]);
    for (kind, schema) in SCHEMAS.iter() {
        let request = Request {
            view: schema.view(),
            api_version: "v1",
            kind,
            subresource: "",
            manager: "kubectl",
            reset: &reset,
            served: &[],
            now: "2020-01-01T00:00:00Z",
        };
        let recorded = |object: &Value| assert!(Managed::decode(object).is_ok(), "{object}");
        recorded(&apply::track_update(&request, Some(&live), input.clone()));
        if let Value::Object(fields) = &mut input {
            fields.insert("apiVersion".to_owned(), "v1".into());
            fields.insert("kind".to_owned(), (*kind).into());
        }
        for live in [Some(&live), None] {
            if let Ok(applied) = apply::apply(&request, live, &input, false) {
                recorded(&applied);
                assert_eq!(apply::apply(&request, live, &input, true), Ok(applied));
            }
        }
    }
}
