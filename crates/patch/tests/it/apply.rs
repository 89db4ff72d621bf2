// SPDX-License-Identifier: Apache-2.0
//! Server-side apply: the stories that its documentation tells, and what is particular. `recorded` has hundreds of
//! random ones.

use patch::Answer;
use patch::apply::{Error, Managed, Request, Set, Step, apply, track_update};
use serde_json::{Value, json};

use crate::fixture::schema;

fn request<'a>(manager: &'a str, reset: &'a Set, now: &'a str) -> Request<'a> {
    Request {
        view: schema("Deployment").view(),
        api_version: "apps/v1",
        kind: "Deployment",
        subresource: "",
        manager,
        reset,
        served: &[],
        now,
    }
}

fn deployment(spec: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}, "spec": spec})
}

fn apply_as(
    manager: &str,
    live: Option<&Value>,
    spec: &Value,
    force: bool,
) -> Result<Value, Error> {
    apply(
        &request(manager, &Set::default(), "2020-01-01T00:00:00Z"),
        live,
        &deployment(spec),
        force,
    )
}

/// The fields of a manager; null if it has none.
fn fields(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["manager"] == manager)
        .map(|entry| entry["fieldsV1"].clone())
        .next()
        .unwrap_or_default()
}

#[test]
fn a_conflict_names_the_manager_and_the_field() {
    let mut live = apply_as("one", None, &json!({"replicas": 1, "paused": true}), false).unwrap();
    live["metadata"]["uid"] = "u".into();
    let mut new = live.clone();
    new["spec"]["replicas"] = 2.into();
    let live = track_update(
        &request("kubectl", &Set::default(), "2020-01-02T00:00:00Z"),
        Some(&live),
        new,
    );
    assert_eq!(fields(&live, "one"), json!({"f:spec": {"f:paused": {}}}));

    let error = apply_as("two", Some(&live), &json!({"replicas": 3}), false).unwrap_err();
    assert_eq!(error.answer(), Answer::Conflict);
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas"
    );
    let Error::Conflicts(conflicts) = error else { panic!() };
    assert_eq!(conflicts.0[0].message(), "conflict with \"kubectl\" using apps/v1");
    assert_eq!(conflicts.0[0].field(), ".spec.replicas");

    let error =
        apply_as("two", Some(&live), &json!({"replicas": 3, "paused": false}), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"kubectl\" using apps/v1:\n- .spec.replicas\n\
         conflicts with \"one\":\n- .spec.paused"
    );
    let forced = apply_as("two", Some(&live), &json!({"replicas": 3}), true).unwrap();
    assert_eq!(forced["spec"]["replicas"], 3);
    assert_eq!(fields(&forced, "kubectl"), Value::Null);
    // The same value is no conflict, but shared.
    let shared = apply_as("two", Some(&live), &json!({"replicas": 2}), false).unwrap();
    assert_eq!(fields(&shared, "two"), fields(&shared, "kubectl"));
}

#[test]
fn what_is_not_applied_any_more_goes_unless_others_own_it() {
    let containers = |names: &[&str]| {
        let list: Vec<Value> =
            names.iter().map(|name| json!({"name": name, "image": "i"})).collect();
        json!({"template": {"spec": {"containers": list}}})
    };
    let live = apply_as("one", None, &containers(&["a", "b"]), false).unwrap();
    let live = apply_as("two", Some(&live), &containers(&["b"]), false).unwrap();
    let live = apply_as("one", Some(&live), &containers(&["c"]), false).unwrap();
    let names: Vec<&str> = live["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|container| container["name"].as_str())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"b") && names.contains(&"c"));
    // Who applies nothing manages nothing.
    let mut nothing = deployment(&Value::Null);
    nothing.as_object_mut().unwrap().remove("spec");
    let now = "2020-01-01T00:00:00Z";
    let live = apply(&request("one", &Set::default(), now), Some(&live), &nothing, false).unwrap();
    assert_eq!(fields(&live, "one"), Value::Null);
}

#[test]
fn fields_from_before_tracking_have_a_manager_of_their_own() {
    let live = deployment(&json!({"replicas": 1}));
    let applied = apply_as("one", Some(&live), &json!({"paused": true}), false).unwrap();
    assert_eq!(fields(&applied, "before-first-apply"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn the_list_of_managers_can_be_cleared_and_stays_empty() {
    let live = apply_as("one", None, &json!({"replicas": 1}), false).unwrap();
    for cleared in [json!([]), json!([{}])] {
        let mut live = live.clone();
        live["metadata"]["uid"] = "u".into();
        let mut new = live.clone();
        new["metadata"]["managedFields"] = cleared;
        let new =
            track_update(&request("x", &Set::default(), "2020-01-01T00:00:00Z"), Some(&live), new);
        assert!(new["metadata"].get("managedFields").is_none());
        let mut newer = new.clone();
        newer["spec"]["replicas"] = 5.into();
        let newer =
            track_update(&request("x", &Set::default(), "2020-01-01T00:00:00Z"), Some(&new), newer);
        assert!(newer["metadata"].get("managedFields").is_none());
    }
}

#[test]
fn surplus_managers_become_one() {
    let mut live = track_update(
        &request("u00", &Set::default(), "2020-01-01T00:00:00Z"),
        None,
        deployment(&json!({"replicas": 0})),
    );
    live["metadata"]["uid"] = "u".into();
    for at in 1..15 {
        let mut new = live.clone();
        new["metadata"]["labels"][format!("l{at}")] = "x".into();
        let (manager, now) = (format!("u{at:02}"), format!("2020-01-01T00:00:{at:02}Z"));
        live = track_update(&request(&manager, &Set::default(), &now), Some(&live), new);
    }
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    assert_eq!(entries[0]["manager"], "ancient-changes");
    assert_eq!(entries[0]["time"], "2020-01-01T00:00:05Z");
    assert_eq!(entries[9]["manager"], "u14");
}

#[test]
fn an_update_that_changes_nothing_keeps_the_record_as_it_is() {
    let live = apply_as("one", None, &json!({"replicas": 1}), false).unwrap();
    let same = track_update(
        &request("x", &Set::default(), "2030-01-01T00:00:00Z"),
        Some(&live),
        live.clone(),
    );
    assert_eq!(same, live);
    let again = apply(
        &request("one", &Set::default(), "2030-01-01T00:00:00Z"),
        Some(&live),
        &deployment(&json!({"replicas": 1})),
        false,
    );
    assert_eq!(again, Ok(live));
}

#[test]
fn reset_fields_belong_to_nobody() {
    let reset = Set::of_fields(["status"]);
    let mut applied = deployment(&json!({"replicas": 1}));
    applied["status"] = json!({"replicas": 1});
    let live =
        apply(&request("one", &reset, "2020-01-01T00:00:00Z"), None, &applied, false).unwrap();
    assert_eq!(fields(&live, "one"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn managers_of_versions_that_are_gone_are_forgotten() {
    let mut live = apply_as("old", None, &json!({"replicas": 1}), false).unwrap();
    live["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta1".into();
    let served = ["apps/v1"];
    let reset = Set::default();
    let request = Request { served: &served, ..request("new", &reset, "2020-01-01T00:00:00Z") };
    let found = apply(&request, Some(&live), &deployment(&json!({"replicas": 2})), false).unwrap();
    assert_eq!(fields(&found, "old"), Value::Null);
}

#[test]
fn refusals_have_kubernetes_words() {
    let refused = |applied: Value| {
        apply(&request("one", &Set::default(), "2020-01-01T00:00:00Z"), None, &applied, false)
            .unwrap_err()
    };
    let mut other = deployment(&json!({}));
    other["apiVersion"] = "v1".into();
    assert_eq!(refused(other).to_string(), "invalid object type: /v1, Kind=Deployment");
    let mut managed = deployment(&json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    assert_eq!(refused(managed).to_string(), "metadata.managedFields must be nil");
    let unknown = deployment(
        &json!({"replica": 1, "template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}),
    );
    assert_eq!(
        refused(unknown).to_string(),
        "failed to create typed patch object (n/d; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"
    );
    let twice =
        deployment(&json!({"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}));
    assert_eq!(
        refused(twice).to_string(),
        "failed to create typed patch object (n/d; apps/v1, Kind=Deployment): .spec.template.spec.containers: \
         duplicate entries for key [name=\"a\"]"
    );
}

#[test]
fn a_malformed_record_is_told_to_appliers_and_dropped_by_updates() {
    for (entry, reason) in [
        (json!({"operation": "Other"}), "operation must be `Apply` or `Update`"),
        (json!({"operation": "Apply"}), "apiVersion must not be empty"),
        (
            json!({"operation": "Apply", "apiVersion": "v1"}),
            "missing fieldsType in managed fields entry 0",
        ),
        (
            json!({"operation": "Apply", "apiVersion": "v1", "fieldsType": "X"}),
            "invalid fieldsType \"X\" in managed fields entry 0",
        ),
        (
            json!({"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"fx": {}}}),
            "error decoding set: missing colon: fx",
        ),
    ] {
        let mut live = deployment(&json!({}));
        live["metadata"]["managedFields"] = json!([entry]);
        assert_eq!(Managed::decode(&live).unwrap_err(), reason);
        let error = apply_as("one", Some(&live), &json!({}), false).unwrap_err();
        assert_eq!(error.to_string(), format!("failed to decode managed fields: {reason}"));
    }
}

#[test]
fn field_sets_are_written_in_the_canonical_order() {
    let text = r#"{"f:a":{".":{},"f:b":{}},"k:{\"name\":\"x\",\"port\":80}":{},"v:2":{},"v:10":{},"v:\"s\"":{},"i:3":{}}"#;
    let set = Set::from_fields_v1(&serde_json::from_str(text).unwrap()).unwrap();
    assert_eq!(set.to_canonical_json(), text);
    assert_eq!(Set::from_fields_v1(&set.to_fields_v1()).unwrap(), set);
    let mut paths = Vec::new();
    set.for_each(&mut |path| paths.push(path.iter().map(Step::to_string).collect::<String>()));
    assert_eq!(paths, [".a", "[name=\"x\",port=80]", "[=2]", "[=10]", "[=\"s\"]", "[3]", ".a.b"]);
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let applied = deployment(&json!({"replicas": 1}));
    let mut live = applied.clone();
    live["metadata"]["annotations"] = json!({annotation: applied.to_string()});
    let live = track_update(
        &request("kubectl-client-side-apply", &Set::default(), "2020-01-01T00:00:00Z"),
        None,
        live,
    );
    assert!(matches!(
        apply_as("other", Some(&live), &json!({"replicas": 2}), false),
        Err(Error::Conflicts(_))
    ));
    let taken = apply_as("kubectl", Some(&live), &json!({"replicas": 2}), false).unwrap();
    assert_eq!(taken["spec"]["replicas"], 2);
    let kept = taken["metadata"]["annotations"][annotation].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(kept).unwrap(), deployment(&json!({"replicas": 2})));
    assert!(kept.ends_with('\n'));
}
