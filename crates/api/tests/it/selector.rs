// SPDX-License-Identifier: Apache-2.0
//! Selectors: grammar, meaning, and the texts of refusals.

use api::selector::{FieldSelector, LabelSelector};
use proptest::prelude::*;
use serde_json::json;

fn label(text: &str) -> LabelSelector {
    LabelSelector::parse(text).expect(text)
}

#[test]
fn written_forms() {
    let table = [
        ("", ""),
        ("  ", ""),
        ("a", "a"),
        ("!a", "!a"),
        ("! a , b=c", "!a,b=c"),
        ("b=c,a", "a,b=c"),
        ("a==b", "a==b"),
        ("a!=b", "a!=b"),
        ("a=", "a="),
        ("a=,b", "a=,b"),
        ("a in (y,x,x)", "a in (x,y)"),
        ("a notin ()", "a notin ()"),
        ("a in (,b)", "a in (,b)"),
        ("a in (b,)", "a in (,b)"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("a>1,b<2", "a>1,b<2"),
        ("example.com/a", "example.com/a"),
    ];
    for (input, output) in table {
        assert_eq!(label(input).to_string(), output, "{input}");
    }
}

#[test]
fn meaning() {
    let object = json!({"metadata": {"labels": {"a": "1", "env": "prod", "empty": ""}}});
    let cases = [
        ("", true),
        ("a", true),
        ("!a", false),
        ("!b", true),
        ("a=1", true),
        ("a=2", false),
        ("a!=2", true),
        ("b!=2", true),
        ("env in (dev,prod)", true),
        ("env notin (prod)", false),
        ("b notin (prod)", true),
        ("a>0", true),
        ("a<1", false),
        ("env>0", false),
        ("empty=", true),
        ("a=1,env=dev", false),
    ];
    for (selector, matches) in cases {
        assert_eq!(label(selector).matches(&object), matches, "{selector}");
        assert_eq!(
            label(selector)
                .matches(&object["metadata"]["labels"].as_object().expect("a map").clone()),
            matches
        );
    }
}

#[test]
fn refusals_in_kubernetes_words() {
    let key = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let value = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    let table = [
        ("a,", "found '', expected: identifier after ','".to_owned()),
        (",", "found ',', expected: !, identifier, or 'end of string'".to_owned()),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt".to_owned()),
        ("a in b", "unable to parse requirement: found 'b' expected: '('".to_owned()),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'".to_owned()),
        ("a=b c", "found 'c', expected: ',' or 'end of string'".to_owned()),
        ("a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer".to_owned()),
        ("_", format!("unable to parse requirement: <nil>: Invalid value: \"_\": {key}")),
        ("a=_", format!("unable to parse requirement: values[0][a]: Invalid value: \"_\": {value}")),
    ];
    for (input, text) in table {
        assert_eq!(LabelSelector::parse(input).expect_err(input).to_string(), text, "{input}");
    }
    let object = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
    let refused = LabelSelector::from_object(Some(&object)).expect_err("no such operator");
    assert_eq!(refused.to_string(), "\"Near\" is not a valid label selector operator");
    let object = json!({"matchExpressions": [{"key": "a", "operator": "In"}]});
    let refused = LabelSelector::from_object(Some(&object)).expect_err("no values");
    assert_eq!(
        refused.to_string(),
        "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
    );
}

#[test]
fn objects_select_nothing_everything_or_some() {
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let of = |it: serde_json::Value| LabelSelector::from_object(Some(&it)).expect("a selector");
    assert!(!LabelSelector::from_object(None).expect("none").matches(&labels));
    assert!(!of(json!(null)).matches(&labels));
    assert!(of(json!({})).matches(&labels));
    let some = of(json!({"matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}));
    assert!(some.matches(&labels));
    assert_eq!(some.to_string(), "a=b,!c");
}

#[test]
fn field_selectors() {
    let parse = |text: &str| FieldSelector::parse(text);
    let both = parse("status.phase!=Running,metadata.name==x\\,y").expect("two terms");
    assert_eq!(both.to_string(), "metadata.name=x\\,y,status.phase!=Running");
    assert_eq!(both.exact("metadata.name"), Some("x,y"));
    assert_eq!(both.exact("status.phase"), None);
    let value =
        |field: &str| if field == "metadata.name" { "x,y".into() } else { "Pending".into() };
    assert!(both.matches(value));
    assert!(parse("").expect("empty").is_everything());
    let text = |text: &str| parse(text).expect_err(text).to_string();
    assert_eq!(text("a"), "invalid selector: 'a'; can't understand 'a'");
    assert_eq!(text("a=b\\c"), "invalid field selector: invalid escape sequence: \\c");
    assert_eq!(text("a=b=c"), "invalid field selector: unescaped character in value: 61");
    let odd = parse("spec.x=1").expect("parses");
    assert_eq!(
        odd.check(&[]).expect_err("unknown").to_string(),
        "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
    assert_eq!(
        odd.check(&["spec.nodeName"]).expect_err("unknown").to_string(),
        "field label not supported: spec.x"
    );
}

proptest! {
    #[test]
    fn what_is_parsed_can_be_written_and_parsed(text in "[ab!=<>(), in1/._-]{0,30}|.{0,20}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            prop_assert_eq!(label(&selector.to_string()), selector);
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            let again = FieldSelector::parse(&selector.to_string()).expect("its own form");
            prop_assert_eq!(again.requirements().len(), selector.requirements().len());
        }
    }
}
