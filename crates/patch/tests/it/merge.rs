// SPDX-License-Identifier: Apache-2.0
//! Merge patch: the cases of RFC 7386 appendix A that have an object, and what it refuses.

use patch::Answer;
use patch::merge::{Error, apply};
use serde_json::json;

#[test]
fn does_what_rfc_7386_says() {
    for (object, patch, expected) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        (json!({"a": {"b": 1}}), json!({"a": [null]}), json!({"a": [null]})),
    ] {
        assert_eq!(apply(object, patch.clone()), Ok(expected), "{patch}");
    }
}

#[test]
fn refuses_what_is_no_patch() {
    for patch in [json!(null), json!(1), json!("a"), json!(true)] {
        let error = apply(json!({}), patch).unwrap_err();
        assert_eq!(
            (error.answer(), error.to_string().as_str()),
            (Answer::BadRequest, "Invalid JSON Patch")
        );
    }
    assert_eq!(apply(json!([]), json!({})), Err(Error::NotAnObject));
    let deep = (0..300).fold(json!(1), |inner, _| json!({ "a": inner }));
    assert_eq!(apply(json!({}), deep), Err(Error::TooDeep));
}
