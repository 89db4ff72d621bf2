// SPDX-License-Identifier: Apache-2.0
//! The overlay of `REGISTRY_` variables on the file's tree (registry.md 4.2).
//!
//! A variable's name is a path through the schema, its value is YAML that replaces what is there.
//! Variables are applied in the order of their names, so `REGISTRY_STORAGE=s3` comes before
//! `REGISTRY_STORAGE_S3_BUCKET`.

use std::sync::Arc;

use crate::problem::{Error, Problem, Warning, WarningKind};
use crate::read::{Path, Reader};
use crate::schema::{Key, Section, Shape};
use crate::yaml::{self, Mapping, Node, Value};

/// What all variables of the configuration begin with.
pub(crate) const PREFIX: &str = "REGISTRY_";

/// Variables that begin so and are not part of the overlay: the place of the file, and one that the
/// original ignores (registry.md 4.2).
const NOT_KEYS: [&str; 2] = ["REGISTRY_CONFIGURATION_PATH", "REGISTRY_OPENSHIFT_VERSION"];

/// A step from a section or map to a value.
enum Step<'a> {
    /// A key of the schema.
    Key(&'static Key),
    /// A free name; an existing one is taken without regard to case.
    Name(&'a str),
}

/// What a variable's name means.
enum Target<'a> {
    /// A value of the tree.
    Value(Vec<Step<'a>>),
    /// An option of a middleware: place, name, option.
    MiddlewareOption(&'static Key, &'a str, &'a str),
    /// A part of a list, which has no name.
    InsideList,
    /// Nothing.
    Unknown,
}

/// Applies all variables of the prefix to the tree. `variables` is sorted by name.
pub(crate) fn overlay(
    root: &mut Mapping,
    schema: &'static Section,
    variables: &[(&str, &str)],
    reader: &mut Reader,
) {
    for &(name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if NOT_KEYS.contains(&name) || crate::legacy::is_legacy(name) {
            continue;
        }
        let parts: Vec<&str> = rest.split('_').collect();
        let target = if parts.iter().any(|part| part.is_empty()) {
            Target::Unknown
        } else {
            resolve(schema, &parts, is_service_variable(rest))
        };
        match target {
            Target::Value(steps) => {
                if let Some(node) = parse(name, value, reader) {
                    set(root, &steps, node);
                }
            }
            Target::MiddlewareOption(place, middleware, option) => {
                if let Some(node) = parse(name, value, reader) {
                    set_middleware_option(root, place, middleware, option, node);
                }
            }
            Target::Unknown if is_service_variable(rest) => {}
            Target::Unknown => reader.warnings.push(unknown(name, "")),
            Target::InsideList => {
                let hint = "; a list is given whole, as one YAML value";
                reader.warnings.push(unknown(name, hint));
            }
        }
    }
}

fn unknown(name: &str, hint: &str) -> Warning {
    Warning {
        kind: WarningKind::UnknownVariable,
        key: String::new(),
        origin: crate::problem::Origin::Variable(name.into()),
        text: format!("Ignoring unrecognized environment variable {name}{hint}"),
    }
}

/// Parses a variable's value. The error does not show the value, which may be a secret.
fn parse(name: &str, value: &str, reader: &mut Reader) -> Option<Node> {
    let source = yaml::Source::Variable(Arc::from(name));
    match yaml::parse(value, &source) {
        Ok(node) => Some(node),
        Err(Error { origin, problem, .. }) => {
            let text = format!(
                "the value is not YAML: {problem}; a text with special characters needs quotes \
                 inside the value"
            );
            reader.error(&Path::ROOT, &origin, Problem::Syntax(text));
            None
        }
    }
}

/// Kubernetes gives every pod the addresses of the namespace's services; those of a service named
/// `registry…` look like ours (registry.md R-36).
fn is_service_variable(rest: &str) -> bool {
    let rest = format!("_{rest}");
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || rest.ends_with("_PORT")
        || rest.find("_PORT_").is_some_and(|index| {
            let port = rest[index + 6..].split('_').next().unwrap_or_default();
            port.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Finds what a name means. `foreign` names do not make new keys in open sections.
fn resolve<'a>(schema: &'static Section, parts: &[&'a str], foreign: bool) -> Target<'a> {
    let mut steps = Vec::new();
    let mut shape = Shape::Section(schema);
    let mut rest = parts;
    while let [part, tail @ ..] = rest {
        rest = tail;
        shape = match shape {
            Shape::Section(section) => match section.key_of_variable(part) {
                Some(key) => {
                    steps.push(Step::Key(key));
                    key.shape
                }
                // The name of a driver or method nobody knows: made, and reported when it is read.
                None if section.open && !foreign => {
                    steps.extend(std::iter::once(part).chain(tail).map(|part| Step::Name(part)));
                    return Target::Value(steps);
                }
                None => return Target::Unknown,
            },
            Shape::Map(value) => {
                steps.push(Step::Name(part));
                *value
            }
            Shape::List(_) => {
                // `REGISTRY_MIDDLEWARE_STORAGE_CLOUDFRONT_BASEURL`: the operator of 4.6 set such
                // variables and the original ignored them (registry.md 4.3).
                return match (steps.as_slice(), tail) {
                    ([Step::Key(first), Step::Key(place)], [option])
                        if first.name == "middleware" && !foreign =>
                    {
                        Target::MiddlewareOption(place, part, option)
                    }
                    _ if foreign => Target::Unknown,
                    _ => Target::InsideList,
                };
            }
            Shape::Leaf(_) => return Target::Unknown,
        };
    }
    Target::Value(steps)
}

/// The name under which a step's value is, or will be, in a map.
fn name_in(map: &Mapping, step: &Step<'_>) -> String {
    match step {
        Step::Key(key) => key
            .aliases
            .iter()
            .find(|alias| map.get(key.name).is_none() && map.get(alias).is_some())
            .map_or(key.name, |alias| alias)
            .to_owned(),
        Step::Name(part) => map
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(part))
            .map_or_else(|| part.to_ascii_lowercase(), |(name, _)| name.to_owned()),
    }
}

/// Sets the value at a path, making the maps on the way.
fn set(map: &mut Mapping, steps: &[Step<'_>], node: Node) {
    let [step, rest @ ..] = steps else { return };
    let name = name_in(map, step);
    if rest.is_empty() {
        map.set(&name, node);
        return;
    }
    let origin = node.origin.clone();
    let child = map.entry(&name, || Node::empty_map(origin.clone()));
    match &mut child.value {
        Value::Mapping(map) => set(map, rest, node),
        Value::Null => {
            child.value = Value::Mapping(Mapping::default());
            set_below(child, rest, node);
        }
        // `storage: filesystem` and `auth: htpasswd` are maps with one key.
        Value::Scalar { text, .. } if matches!(step, Step::Key(key) if is_open(key)) => {
            let mut map = Mapping::default();
            map.set(text, Node::empty_map(child.origin.clone()));
            child.value = Value::Mapping(map);
            set_below(child, rest, node);
        }
        // A list or a word where a map belongs is reported when it is read.
        Value::Scalar { .. } | Value::Sequence(_) => {}
    }
}

fn set_below(child: &mut Node, rest: &[Step<'_>], node: Node) {
    if let Value::Mapping(map) = &mut child.value {
        set(map, rest, node);
    }
}

fn is_open(key: &Key) -> bool {
    matches!(key.shape, Shape::Section(section) if section.open)
}

/// Sets an option of the middleware with a name, adding the middleware where it is missing.
fn set_middleware_option(
    root: &mut Mapping,
    place: &'static Key,
    middleware: &str,
    option: &str,
    node: Node,
) {
    let origin = node.origin.clone();
    let section = root.entry("middleware", || Node::empty_map(origin.clone()));
    if section.is_null() {
        *section = Node::empty_map(origin.clone());
    }
    let Value::Mapping(section) = &mut section.value else { return };
    let empty = || Node { value: Value::Sequence(Vec::new()), origin: origin.clone() };
    let list = section.entry(place.name, empty);
    if list.is_null() {
        *list = empty();
    }
    let Value::Sequence(list) = &mut list.value else { return };
    let is_wanted = |entry: &Node| {
        entry.find(&["name"]).is_some_and(|name| {
            matches!(&name.value, Value::Scalar { text, .. } if text.eq_ignore_ascii_case(middleware))
        })
    };
    let index = list.iter().position(is_wanted).unwrap_or_else(|| {
        let mut entry = Mapping::default();
        let value = Value::Scalar { text: middleware.to_ascii_lowercase(), plain: true };
        entry.set("name", Node { value, origin: origin.clone() });
        list.push(Node { value: Value::Mapping(entry), origin: origin.clone() });
        list.len() - 1
    });
    let Value::Mapping(entry) = &mut list[index].value else { return };
    set(entry, &[Step::Name("OPTIONS"), Step::Name(option)], node);
}
