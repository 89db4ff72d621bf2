// SPDX-License-Identifier: Apache-2.0
//! Which names are valid, with Kubernetes' texts (1.36), and how `generateName` makes one.
//!
//! Each validator gives a list of messages, empty when the value is good: an `Invalid` answer has a cause for each.

use rand::Rng as _;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const CONFIG_KEY: &str = "[-._a-zA-Z0-9]+";
const ENV_NAME: &str = "[-._a-zA-Z][-._a-zA-Z0-9]*";
const C_IDENTIFIER: &str = "[A-Za-z_][A-Za-z0-9_]*";
const PERCENT: &str = "[0-9]+%";

const SUBDOMAIN_TEXT: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const KEY_TEXT: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// The longest label of a domain name, and the longest name part of a label key or value.
pub const LABEL_MAX: usize = 63;
/// The longest domain name.
pub const SUBDOMAIN_MAX: usize = 253;

/// `MSG (e.g. 'A',  or 'B', regex used for validation is 'R')`; the odd spaces are Kubernetes'.
fn pattern(message: &str, regex: &str, examples: &[&str]) -> String {
    let quoted: Vec<String> = examples.iter().map(|it| format!("'{it}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{regex}')", quoted.join(" or "))
}

fn too_long(limit: usize, unit: &str) -> String {
    format!("must be no more than {limit} {unit}")
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn matches_label(value: &str) -> bool {
    let bytes = value.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(|it| is_lower_or_digit(*it));
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|it| is_lower_or_digit(*it) || *it == b'-')
}

fn matches_subdomain(value: &str) -> bool {
    value.split('.').all(matches_label)
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn matches_key(value: &str) -> bool {
    let bytes = value.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(it))
}

/// A DNS label as RFC 1123 has it, in lower case.
#[must_use]
pub fn dns1123_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX, "characters"));
    }
    if !matches_label(value) {
        errors.push(if matches_subdomain(value) {
            "must not contain dots".to_owned()
        } else {
            pattern("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character", LABEL, &["my-name", "123-abc"])
        });
    }
    errors
}

/// A DNS name as RFC 1123 has it, in lower case: what most objects' names are.
#[must_use]
pub fn dns1123_subdomain(value: &str) -> Vec<String> {
    subdomain(value, "characters")
}

fn subdomain(value: &str, unit: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_MAX {
        errors.push(too_long(SUBDOMAIN_MAX, unit));
    }
    if !matches_subdomain(value) {
        errors.push(pattern(SUBDOMAIN_TEXT, SUBDOMAIN, &["example.com"]));
    }
    errors
}

/// A DNS label as RFC 1035 has it: begins with a letter. What services are named.
#[must_use]
pub fn dns1035_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX, "characters"));
    }
    if !matches_label(value) || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        errors.push(pattern("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character", LABEL_1035, &["my-name", "abc-123"]));
    }
    errors
}

/// A key of labels or annotations, a finalizer, a resource name: `example.com/name` or `name`.
#[must_use]
pub fn qualified_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let examples = ["MyName", "my.name", "123-abc"];
    let name = match value.split_once('/') {
        None => value,
        Some((_, name)) if name.contains('/') => {
            let shape = pattern(KEY_TEXT, KEY, &examples);
            return vec![format!(
                "a valid label key {shape} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some(("", name)) => {
            errors.push("prefix part must be non-empty".to_owned());
            name
        }
        Some((prefix, name)) => {
            let of_prefix = subdomain(prefix, "bytes");
            errors.extend(of_prefix.into_iter().map(|it| format!("prefix part {it}")));
            name
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part {}", too_long(LABEL_MAX, "bytes")));
    }
    if !matches_key(name) {
        errors.push(format!("name part {}", pattern(KEY_TEXT, KEY, &examples)));
    }
    errors
}

/// A label's value.
#[must_use]
pub fn label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX, "bytes"));
    }
    if !value.is_empty() && !matches_key(value) {
        errors.push(pattern("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character", VALUE, &["MyValue", "my_value", "12345"]));
    }
    errors
}

/// A key in a `ConfigMap` or `Secret`.
#[must_use]
pub fn config_map_key(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_MAX {
        errors.push(too_long(SUBDOMAIN_MAX, "characters"));
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if value.is_empty() || !value.bytes().all(good) {
        errors.push(pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            CONFIG_KEY,
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    errors.extend(parent_directory(value));
    errors
}

/// The name of an environment variable.
#[must_use]
pub fn env_var_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if value.starts_with(|c: char| c.is_ascii_digit())
        || value.is_empty()
        || !value.bytes().all(good)
    {
        errors.push(pattern("a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit", ENV_NAME, &["my.env-name", "MY_ENV.NAME", "MyEnvName1"]));
    }
    errors.extend(parent_directory(value));
    errors
}

fn parent_directory(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        other if other.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// A C identifier.
#[must_use]
pub fn c_identifier(value: &str) -> Vec<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && value.bytes().all(good) {
        return Vec::new();
    }
    vec![pattern(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
        C_IDENTIFIER,
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// A percentage such as `25%`.
#[must_use]
pub fn percent(value: &str) -> Vec<String> {
    let digits = value.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()) {
        return Vec::new();
    }
    vec![pattern(
        "a valid percent string must be a numeric string followed by an ending '%'",
        PERCENT,
        &["1%", "93%"],
    )]
}

/// The name of a container's or service's port (RFC 6335).
#[must_use]
pub fn port_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 15 {
        errors.push(too_long(15, "characters"));
    }
    if value.is_empty() || !value.bytes().all(|it| is_lower_or_digit(it) || it == b'-') {
        errors.push(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned(),
        );
    }
    if !value.bytes().any(|it| it.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".to_owned());
    }
    if value.contains("--") {
        errors.push("must not contain consecutive hyphens".to_owned());
    }
    if value.starts_with('-') || value.ends_with('-') {
        errors.push("must not begin or end with a hyphen".to_owned());
    }
    errors
}

/// A port's number.
#[must_use]
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) {
        Vec::new()
    } else {
        vec!["must be between 1 and 65535, inclusive".to_owned()]
    }
}

/// A name that can be one segment of a URL's path: what RBAC and OpenShift objects ask for.
#[must_use]
pub fn path_segment(value: &str) -> Vec<String> {
    if value == "." || value == ".." {
        return vec![format!("may not be '{value}'")];
    }
    path_segment_prefix(value)
}

/// The beginning of such a name.
#[must_use]
pub fn path_segment_prefix(value: &str) -> Vec<String> {
    ["/", "%"]
        .iter()
        .filter(|it| value.contains(**it))
        .map(|it| format!("may not contain '{it}'"))
        .collect()
}

/// A `generateName` as the validators see it: a dash at its end is followed by the suffix, so it is no fault.
#[must_use]
pub fn mask_trailing_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut masked: String = rest.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => prefix.to_owned(),
    }
}

/// Letters and digits of random suffixes: no vowels, and nothing that is mistaken for something else.
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The length of random suffixes.
pub const SUFFIX_LENGTH: usize = 5;

/// A name from `generateName`: its first 58 bytes and five random characters.
#[must_use]
pub fn generate(prefix: &str) -> String {
    let cut = prefix.floor_char_boundary(LABEL_MAX - SUFFIX_LENGTH);
    let mut name = prefix[..cut].to_owned();
    name.push_str(&random_suffix(SUFFIX_LENGTH));
    name
}

/// Random characters of [`SUFFIX_ALPHABET`].
#[must_use]
pub fn random_suffix(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(SUFFIX_ALPHABET[rng.random_range(0..SUFFIX_ALPHABET.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_have_no_messages() {
        for name in ["a", "a-b", "1", "a.b-c.d"] {
            assert_eq!(dns1123_subdomain(name), Vec::<String>::new(), "{name}");
        }
        for key in ["a", "example.com/A_b.c", "a-"] {
            assert_eq!(qualified_name(key).is_empty(), !key.ends_with('-'), "{key}");
        }
        assert!(label_value("").is_empty());
        assert!(port_name("http-1").is_empty());
    }

    #[test]
    fn messages_are_kubernetes_own() {
        assert_eq!(
            dns1123_subdomain("A"),
            [
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ]
        );
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(
            dns1123_label("-"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(
            qualified_name("/"),
            [
                "prefix part must be non-empty",
                "name part must be non-empty",
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ]
        );
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
        assert_eq!(dns1123_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
        assert_eq!(path_segment("a/%"), ["may not contain '/'", "may not contain '%'"]);
        assert_eq!(config_map_key(".."), ["must not be '..'"]);
    }

    #[test]
    fn generated_names_fit_a_label() {
        let name = generate(&"é".repeat(60));
        assert!(name.len() <= LABEL_MAX);
        let name = generate("web-");
        assert_eq!(name.len(), 9);
        assert!(name[4..].bytes().all(|it| SUFFIX_ALPHABET.contains(&it)));
        assert_eq!(mask_trailing_dash("web-"), "wea");
        assert_eq!(mask_trailing_dash("-"), "-");
    }
}
