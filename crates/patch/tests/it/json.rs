// SPDX-License-Identifier: Apache-2.0
//! JSON patch against the suite of json-patch-tests, and where Kubernetes differs.

use patch::json::{Dialect, Error, MAX_OPERATIONS, Patch, REJECTED, Reason};
use patch::{Answer, MAX_DEPTH};
use serde_json::{Value, json};

use crate::fixture::file;

fn apply(document: Value, patch: Value, dialect: Dialect) -> Result<Value, Error> {
    Patch::decode(patch)?.apply(document, dialect)
}

/// Runs both files of the suite; gives the comments of what went wrong.
fn suite(dialect: Dialect) -> (usize, Vec<String>) {
    let mut ran = 0;
    let mut wrong = Vec::new();
    for name in ["json-patch-tests.json", "json-patch-spec-tests.json"] {
        let tests: Vec<Value> = serde_json::from_str(&file(name)).unwrap();
        for test in
            tests.iter().filter(|test| test["disabled"] != true && test.get("patch").is_some())
        {
            ran += 1;
            let result = apply(test["doc"].clone(), test["patch"].clone(), dialect);
            let right = match (&result, test.get("expected")) {
                (Ok(value), Some(expected)) => value == expected,
                (Ok(_), None) => test.get("error").is_none(),
                (Err(_), _) => test.get("error").is_some(),
            };
            if !right {
                wrong.push(format!("{} {}", test["doc"], test["patch"]));
            }
        }
    }
    (ran, wrong)
}

#[test]
fn passes_the_suite() {
    let (ran, wrong) = suite(Dialect::Rfc6902);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(ran > 100, "{ran} tests");
}

#[test]
fn kubernetes_differs_from_the_suite_only_where_it_is_lenient() {
    let (_, wrong) = suite(Dialect::Kubernetes);
    let known = [
        // The whole document can only be tested, or replaced by an object or a list.
        r#"{} [{"op":"add","path":"","value":[]}]"#,
        r#"[] [{"op":"add","path":"","value":{}}]"#,
        r#"{"foo":"bar"} [{"op":"add","path":"","value":{"baz":"qux"}}]"#,
        r#"{"foo":null} [{"op":"remove","path":""}]"#,
        r#"{"foo":"bar"} [{"op":"replace","path":"","value":"bar"}]"#,
        r#""foo" [{"op":"replace","path":"","value":"bar"}]"#,
        // Indices from the end, and with leading zeros.
        r#"{"bar":[1,2]} [{"op":"add","path":"/bar/-1","value":"5"}]"#,
        r#"["foo","bar"] [{"op":"test","path":"/00","value":"foo"}]"#,
        r#"["foo","bar"] [{"op":"test","path":"/01","value":"bar"}]"#,
        // An absent value is null, and so is an absent field.
        r#"[1] [{"op":"add","path":"/-"}]"#,
        r#"[1] [{"op":"replace","path":"/0"}]"#,
        r#"[null] [{"op":"test","path":"/0"}]"#,
        r#"{"foo":1} [{"from":"/bar","op":"copy","path":"/foo"}]"#,
    ];
    let unknown: Vec<&String> =
        wrong.iter().filter(|test| !known.contains(&test.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let lenient = known.iter().filter(|known| wrong.iter().any(|test| test == *known)).count();
    assert!(lenient >= 8, "only {lenient} of the known differences appear");
}

#[test]
fn failures_are_answered_as_kubernetes_answers_them() {
    let failed = |patch: Value| apply(json!({"a": 1}), patch, Dialect::Kubernetes).unwrap_err();
    for patch in [
        json!([{"op": "test", "path": "/a", "value": 2}]),
        json!([{"op": "remove", "path": "/b"}]),
        json!([{"op": "add", "path": "/b/c", "value": 1}]),
        json!([{"op": "fly", "path": "/a"}]),
        json!([{"op": "test", "path": "/a", "value": 1.0}]),
    ] {
        let error = failed(patch);
        assert_eq!(
            (error.answer(), error.message().as_str()),
            (Answer::Invalid, REJECTED),
            "{error}"
        );
    }
    let error = failed(json!({"op": "remove"}));
    assert_eq!(error.answer(), Answer::BadRequest);
    assert_eq!(
        error.message(),
        "json: cannot unmarshal object into Go value of type jsonpatch.Patch"
    );
    let many =
        Value::from(vec![json!({"op": "test", "path": "/a", "value": 1}); MAX_OPERATIONS + 1]);
    let error = failed(many);
    assert_eq!(error.answer(), Answer::TooLarge);
    assert_eq!(
        error.message(),
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
}

#[test]
fn a_failed_operation_says_which() {
    let patch =
        json!([{"op": "add", "path": "/b", "value": 1}, {"op": "test", "path": "/b", "value": 2}]);
    let error = apply(json!({}), patch, Dialect::Rfc6902).unwrap_err();
    assert_eq!(error, Error::Operation { index: 1, reason: Reason::Test("/b".to_owned()) });
}

#[test]
fn copies_cannot_blow_a_document_up() {
    // Each copy doubles the document: 2^30 without a limit.
    let double = json!({"op": "copy", "from": "/a", "path": "/a/-"});
    let document = json!({"a": ["0123456789abcdef"]});
    let error = apply(document, Value::from(vec![double; 30]), Dialect::Kubernetes).unwrap_err();
    assert!(
        matches!(error, Error::Operation { reason: Reason::Copied | Reason::TooDeep, .. }),
        "{error}"
    );
    // And each of these doubles its depth.
    let deepen = json!({"op": "copy", "from": "/a", "path": "/a/b"});
    let error =
        apply(json!({"a": {}}), Value::from(vec![deepen; 300]), Dialect::Kubernetes).unwrap_err();
    assert!(matches!(error, Error::Operation { reason: Reason::TooDeep, .. }), "{error}");
}

#[test]
fn moves_back_and_forth_do_not_count_as_depth() {
    let there = json!({"op": "move", "from": "/a", "path": "/b/c/d"});
    let back = json!({"op": "move", "from": "/b/c/d", "path": "/a"});
    let patch: Vec<Value> = (0..MAX_DEPTH * 4)
        .map(|at| if at % 2 == 0 { there.clone() } else { back.clone() })
        .collect();
    let document = json!({"a": {"x": [1]}, "b": {"c": {}}});
    assert_eq!(apply(document.clone(), Value::from(patch), Dialect::Kubernetes), Ok(document));
}
