// SPDX-License-Identifier: Apache-2.0
//! Our results against those of Kubernetes' own code for the same random input.

use patch::apply::{Error, Request, Set, apply, track_update};
use patch::{json, merge, strategic};
use serde_json::Value;

use crate::fixture::{read, schema, stored};

fn vectors(name: &str) -> Vec<Value> {
    let text = read(name);
    let vectors: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!vectors.is_empty());
    vectors
}

/// Fails with the first few of many differences.
fn report(differences: &[String], of: usize) {
    let shown: Vec<&str> = differences.iter().take(5).map(String::as_str).collect();
    assert!(
        differences.is_empty(),
        "{} of {of} differ:\n{}",
        differences.len(),
        shown.join("\n\n")
    );
}

#[test]
fn strategic_merge_patches() {
    let vectors = vectors("strategic.jsonl");
    let mut differences = Vec::new();
    for vector in &vectors {
        let view = schema(vector["kind"].as_str().unwrap()).view();
        let ours = strategic::apply(view, vector["object"].clone(), vector["patch"].clone());
        let theirs = vector["error"].as_str();
        let same = match (&ours, theirs) {
            (Ok(ours), None) => *ours == vector["result"],
            // Some of what is an internal error there works here: nothing is known of the value's type.
            (Ok(_), Some(error)) => {
                error.contains("data type is not struct")
                    || error.contains("unable to find api field")
                    || error.starts_with("panic")
            }
            // Nor does it look whether an ordered list is a field.
            (Err(_), Some(error)) if error.contains("json field \"$") => true,
            (Err(_), Some(error)) if error.starts_with("panic") => true,
            (Err(ours), Some(error)) => alike(&ours.to_string(), error),
            (Err(_), None) => false,
        };
        if !same {
            let ours = ours.map_or_else(|error| error.to_string(), |value| value.to_string());
            differences.push(format!(
                "object {}\npatch  {}\nours   {ours}\ntheirs {}{}",
                vector["object"], vector["patch"], vector["result"], vector["error"]
            ));
        }
    }
    report(&differences, vectors.len());
}

/// Which of several errors is found first depends on the order of a Go map; then it is enough that both fail.
fn alike(ours: &str, theirs: &str) -> bool {
    let family = |text: &str| {
        [
            "does not contain declared merge key",
            "doesn't match $setElementOrder",
            "list element types",
            "unknown patch type",
            "retainKeys",
            "merging lists",
            "no elements",
            "primitive list",
            "expected a",
            "a merge key must be",
        ]
        .iter()
        .position(|known| text.contains(known))
    };
    ours == theirs || family(ours).is_some() && family(theirs).is_some()
}

#[test]
fn json_and_merge_patches() {
    let vectors = vectors("plain.jsonl");
    let mut differences = Vec::new();
    for vector in &vectors {
        let (object, patch) = (vector["object"].clone(), vector["patch"].clone());
        let ours = if vector["kind"] == "merge" {
            merge::apply(object, patch).map_err(|error| error.to_string())
        } else {
            json::Patch::decode(patch)
                .and_then(|patch| patch.apply(object, json::Dialect::Kubernetes))
                .map_err(|error| error.to_string())
        };
        let same = match (&ours, vector["error"].as_str()) {
            (Ok(ours), None) => *ours == vector["result"],
            (_, Some(error)) if error.starts_with("panic") => true,
            (Err(_), Some(_)) => true,
            _ => false,
        };
        if !same {
            let ours = ours.map_or_else(|error| error, |value| value.to_string());
            differences.push(format!(
                "object {}\npatch  {}\nours   {ours}\ntheirs {}{}",
                vector["object"], vector["patch"], vector["result"], vector["error"]
            ));
        }
    }
    report(&differences, vectors.len());
}

#[test]
fn applies_and_updates() {
    let vectors = vectors("apply.jsonl");
    let mut differences = Vec::new();
    for vector in &vectors {
        let kind = vector["kind"].as_str().unwrap();
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let reset = match (kind, text("subresource")) {
            ("Widget" | "Loose" | "ConfigMap", _) => Set::default(),
            (_, "status") => Set::of_fields(["spec", "metadata.labels"]),
            _ => Set::of_fields(["status"]),
        };
        let request = Request {
            view: schema(kind).view(),
            api_version: match kind {
                "Deployment" => "apps/v1",
                "Widget" | "Loose" => "example.com/v1",
                _ => "v1",
            },
            kind,
            subresource: text("subresource"),
            manager: text("manager"),
            reset: &reset,
            served: &[],
            now: text("now"),
        };
        let live = vector.get("live").filter(|live| !live.is_null());
        let ours = if vector["op"] == "apply" {
            apply(&request, live, &vector["input"], vector["force"] == true)
        } else {
            Ok(track_update(&request, live, vector["input"].clone()))
        };
        let same = match (&ours, vector["error"].as_str()) {
            (Ok(ours), None) => {
                stored(kind, ours.clone()) == stored(kind, vector["result"].clone())
            }
            (Err(Error::Conflicts(ours)), Some(_)) => {
                let causes = |found: Vec<(String, String)>| {
                    let mut found = found;
                    found.sort();
                    found
                };
                let text =
                    |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
                let theirs = vector["causes"].as_array().map_or(&[][..], Vec::as_slice).iter();
                let theirs =
                    theirs.map(|cause| (text(cause, "message"), text(cause, "field"))).collect();
                let printed = ours.to_string() == vector["error"];
                causes(ours.0.iter().map(|one| (one.message(), one.field())).collect())
                    == causes(theirs)
                    && printed
            }
            (Err(ours), Some(error)) => ours.to_string() == error,
            _ => false,
        };
        if !same {
            let ours = ours
                .map_or_else(|error| error.to_string(), |value| stored(kind, value).to_string());
            differences.push(format!(
                "{} by {} force {}\nlive   {}\ninput  {}\nours   {ours}\ntheirs {}{}",
                vector["op"],
                vector["manager"],
                vector["force"],
                vector["live"],
                vector["input"],
                vector["result"],
                vector["error"]
            ));
        }
    }
    report(&differences, vectors.len());
}
