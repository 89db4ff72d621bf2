// SPDX-License-Identifier: Apache-2.0
//! The YAML that a configuration may use, and what is refused.

use crate::{LEAST, config, errors};

#[test]
fn anchors_and_merge_keys() {
    let file = "version: 0.1\nstorage: inmemory\nopenshift:\n  requests:\n    read: &limits\n      \
                maxrunning: 5\n      maxinqueue: 6\n    write:\n      <<: *limits\n      maxrunning: 7\n";
    let requests = config(file, &[]).openshift.requests;
    assert_eq!((requests.read.max_running, requests.read.max_in_queue), (5, 6));
    assert_eq!((requests.write.max_running, requests.write.max_in_queue), (7, 6));
}

#[test]
fn refused_texts() {
    let deep = format!("{LEAST}log: {}1{}", "[".repeat(100), "]".repeat(100));
    let mut bomb = "a: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("b{level}: &a{level} [{aliases}]\n"));
    }
    let text = "x".repeat(1 << 18);
    let wide = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 100].join(","));
    let mut chain = "a: &a0 [x]\n".to_owned();
    for level in 1..200 {
        chain.push_str(&format!("b{level}: &a{level} [*a{}]\n", level - 1));
    }
    let table = [
        ("a: 1\na: 2\n", "yaml: key \"a\" is given twice (config.yml:2)"),
        ("a: &x [*x]\n", "yaml: "),
        ("a: *nowhere\n", "yaml: "),
        ("a: [1\n", "yaml: "),
        ("a: !!binary aGk=\n", "yaml: tags other than"),
        ("a: !thing x\n", "yaml: tags other than"),
        ("---\na: 1\n---\nb: 1\n", "yaml: only one document is allowed (config.yml:3)"),
        ("? [a]\n: 1\n", "yaml: a key must be a word"),
        ("<<: 1\n", "yaml: a merge key needs a map"),
        (deep.as_str(), "yaml: nesting deeper than 64"),
        (bomb.as_str(), "yaml: more than 65536 values"),
        (wide.as_str(), "yaml: more than 4194304 bytes of values"),
        (chain.as_str(), "yaml: nesting deeper than 64"),
    ];
    for (text, expected) in table {
        let found = errors(text, &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with(expected), "{expected}\n{}", found[0]);
    }
    let long = "#".repeat((1 << 20) + 1);
    assert!(errors(&long, &[])[0].contains("exceeds the limit"));
}

#[test]
fn tags_of_the_core_schema_and_booleans() {
    let file = format!(
        "{LEAST}http: {{secret: !!str yes, relativeurls: !!bool 'true', h2c: {{enabled: on}}}}\n"
    );
    let http = config(&file, &[]).http;
    assert!(http.relative_urls && http.h2c.enabled);
    assert_eq!(http.secret.expose(), "yes");
}

#[test]
fn whole_file_of_another_kind() {
    assert!(
        errors("just words", &[])[0].starts_with("invalid value (a single value): expected a map")
    );
    assert_eq!(errors("", &[]).len(), 2, "version and storage are missing");
}
