// SPDX-License-Identifier: Apache-2.0
//! Strategic merge patch: one case per directive and rule, by hand. `recorded` has hundreds more.

use patch::Answer;
use patch::strategic::{Error, apply};
use serde_json::{Value, json};

use crate::fixture::schema;

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

fn patched(spec: Value, patch: Value) -> Result<Value, Error> {
    apply(schema("Pod").view(), pod(spec), json!({ "spec": patch }))
        .map(|mut pod| pod["spec"].take())
}

#[test]
fn lists_merge_by_their_key() {
    let old = json!({"containers": [{"name": "a", "image": "1", "args": ["x"]}, {"name": "b", "image": "1"}]});
    let patch = json!({"containers": [{"name": "c", "image": "3"}, {"name": "a", "image": "2"}]});
    // In the patch's order; `b` had stood in front of none of them.
    let new = json!([{"name": "c", "image": "3"}, {"name": "a", "image": "2", "args": ["x"]},
        {"name": "b", "image": "1"}]);
    assert_eq!(patched(old, patch).unwrap()["containers"], new);
}

#[test]
fn directives() {
    let old = || {
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}],
        "volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": {"x": "1"}, "restartPolicy": "Always"})
    };
    let spec = |patch: Value| patched(old(), patch).unwrap();
    let deleted = spec(json!({"containers": [{"$patch": "delete", "name": "a"}]}));
    assert_eq!(deleted["containers"], json!([{"name": "b", "image": "1"}]));
    let replaced = spec(json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}));
    assert_eq!(replaced["containers"], json!([{"name": "c"}]));
    assert_eq!(
        spec(json!({"nodeSelector": {"$patch": "replace", "y": "2"}}))["nodeSelector"],
        json!({"y": "2"})
    );
    assert_eq!(spec(json!({"nodeSelector": {"$patch": "delete"}}))["nodeSelector"], json!({}));
    let retained = spec(
        json!({"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/"}}]}),
    );
    assert_eq!(retained["volumes"], json!([{"name": "v", "hostPath": {"path": "/"}}]));
    let ordered = spec(json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}));
    assert_eq!(
        ordered["containers"],
        json!([{"name": "b", "image": "1"}, {"name": "a", "image": "1"}])
    );
    assert!(spec(json!({"restartPolicy": null})).get("restartPolicy").is_none());
}

#[test]
fn scalars_leave_and_join_a_merged_list() {
    let object = json!({"metadata": {"name": "p", "finalizers": ["a", "b", "c"]}});
    let patch =
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]}});
    let found = apply(schema("Pod").view(), object, patch).unwrap();
    assert_eq!(found["metadata"]["finalizers"], json!(["d", "a", "c"]));
}

#[test]
fn a_list_without_a_strategy_is_replaced() {
    let found =
        patched(json!({"tolerations": [{"key": "a"}]}), json!({"tolerations": [{"key": "b"}]}))
            .unwrap();
    assert_eq!(found["tolerations"], json!([{"key": "b"}]));
}

#[test]
fn errors_have_kubernetes_words_and_answers() {
    let old = || json!({"containers": [{"name": "a"}], "volumes": [{"name": "v"}]});
    for (patch, answer, text) in [
        (
            json!({"containers": [{"image": "x", "ports": [1]}]}),
            Answer::Internal,
            "map: map[image:x ports:[1]] does not contain declared merge key: name",
        ),
        (
            json!({"containers": [{"name": "a", "$patch": "fly"}]}),
            Answer::Internal,
            "unknown patch type: fly in map: map[$patch:fly name:a]",
        ),
        (
            json!({"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]}),
            Answer::BadRequest,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"$deleteFromPrimitiveList": []}),
            Answer::BadRequest,
            "invalid patch format of primitive list",
        ),
        (
            json!({"$setElementOrder": []}),
            Answer::BadRequest,
            "invalid patch format of setElementOrder list",
        ),
        (
            json!({"containers": [["a"]]}),
            Answer::Internal,
            "list element types are not identical: [[map[name:a]] [[a]]]",
        ),
    ] {
        let error = patched(old(), patch.clone()).unwrap_err();
        assert_eq!((error.message().as_str(), error.answer()), (text, answer), "{patch}");
    }
}

#[test]
fn what_has_no_type_merges_as_in_a_merge_patch() {
    let view = schema("Loose").view();
    let found = apply(view, json!({"a": {"b": [1], "c": 1}}), json!({"a": {"b": [2], "d": 1}}));
    assert_eq!(found, Ok(json!({"a": {"b": [2], "c": 1, "d": 1}})));
}
