// SPDX-License-Identifier: Apache-2.0
//! Names from before the `openshift` section, the old top-level `loglevel`, and the variables of the
//! original's process (registry.md 4.2).
//!
//! They are moved to the keys that replaced them before the tree is read, so nothing else knows
//! that they exist. Those that nothing replaced are warned about.

use std::sync::Arc;

use crate::problem::{Origin, Problem, WarningKind};
use crate::read::{Path, Reader};
use crate::yaml::{Mapping, Node, Value};

const MIDDLEWARE: &str = "REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_";

/// An option of the repository middleware that became a key of `openshift`. The variable is
/// [`MIDDLEWARE`] with the option's name in upper case.
struct Moved {
    option: &'static str,
    section: &'static str,
    key: &'static str,
    boolean: bool,
}

impl Moved {
    const fn flag(option: &'static str, section: &'static str, key: &'static str) -> Self {
        Self { option, section, key, boolean: true }
    }

    const fn duration(option: &'static str, section: &'static str, key: &'static str) -> Self {
        Self { option, section, key, boolean: false }
    }

    fn variable(&self) -> String {
        format!("{MIDDLEWARE}{}", self.option.to_ascii_uppercase())
    }
}

const MOVED: [Moved; 6] = [
    Moved::flag("enforcequota", "quota", "enabled"),
    Moved::duration("projectcachettl", "quota", "cachettl"),
    Moved::flag("acceptschema2", "compatibility", "acceptschema2"),
    Moved::duration("blobrepositorycachettl", "cache", "blobrepositoryttl"),
    Moved::flag("pullthrough", "pullthrough", "enabled"),
    Moved::flag("mirrorpullthrough", "pullthrough", "mirror"),
];

const SERVER_OPTION: &str = "dockerregistryurl";

/// Variables of the original's process that change nothing here, and what to know instead.
const WITHOUT_EFFECT: [(&str, &str); 14] = [
    (
        "OPENSHIFT_ON_PANIC",
        "a panic is logged and ends the connection it happened on; the process goes on",
    ),
    ("OPENSHIFT_MASTER", NO_API),
    ("KUBERNETES_MASTER", NO_API),
    ("BEARER_TOKEN", NO_API),
    ("BEARER_TOKEN_FILE", NO_API),
    ("OPENSHIFT_CA_FILE", NO_API),
    ("OPENSHIFT_CA_DATA", NO_API),
    ("OPENSHIFT_CERT_FILE", NO_API),
    ("OPENSHIFT_CERT_DATA", NO_API),
    ("OPENSHIFT_KEY_FILE", NO_API),
    ("OPENSHIFT_KEY_DATA", NO_API),
    ("OPENSHIFT_INSECURE", NO_API),
    ("OPENSHIFT_PROFILE_HOST", ONLY_WEB),
    ("OPENSHIFT_PROFILE_PORT", ONLY_WEB),
];

const NO_API: &str = "this build does not use the API server";
const ONLY_WEB: &str = "it counts with OPENSHIFT_PROFILE=web and without http.debug.addr";

/// Whether a variable with the common prefix is handled here and not by the overlay.
pub(crate) fn is_legacy(name: &str) -> bool {
    name == "REGISTRY_LOGLEVEL"
        || (name.starts_with(MIDDLEWARE)
            && (name.ends_with("_DOCKERREGISTRYURL")
                || MOVED.iter().any(|moved| moved.variable() == name)))
}

/// Moves what was written under old names, in the file or in variables.
pub(crate) fn apply(root: &mut Mapping, variables: &[(&str, &str)], reader: &mut Reader) {
    move_log_level(root, variables);
    move_middleware_options(root);
    for moved in &MOVED {
        let name = moved.variable();
        let Some(value) = variable(variables, &name) else { continue };
        let origin = Origin::Variable(Arc::from(name.as_str()));
        if moved.boolean && value != "true" && value != "false" {
            let text = format!(
                "configuration error in openshift.{}.{}: invalid value of environment variable \
                 {name}: {value:?} is neither true nor false",
                moved.section, moved.key
            );
            reader.error(&Path::ROOT, &origin, Problem::Value(text));
            continue;
        }
        // These win over the file and over REGISTRY_OPENSHIFT_*.
        set_openshift(root, moved.section, moved.key, word(value, origin));
    }
    set_server_address(root, variables, reader);
    let opened = open_debug_listener(root, variables, reader);
    for (name, instead) in WITHOUT_EFFECT {
        if opened && instead == ONLY_WEB {
            continue;
        }
        if let Some((name, _)) = find(variables, name) {
            let text = format!("environment variable {name} has no effect: {instead}");
            let origin = Origin::Variable(Arc::from(name));
            reader.warn(&Path::ROOT, &origin, WarningKind::NoEffect, text);
        }
    }
    if let Some((name, value)) = find(variables, "OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES") {
        let node = word(value, Origin::Variable(Arc::from(name)));
        let origin = node.origin.clone();
        let http = root.entry("http", || Node::empty_map(origin.clone()));
        if let Some(tls) = section(http, "tls", &origin) {
            tls.set("ciphersuites", node);
        }
    }
}

fn find<'v>(variables: &[(&'v str, &'v str)], name: &str) -> Option<(&'v str, &'v str)> {
    variables.iter().rev().find(|(known, value)| *known == name && !value.is_empty()).copied()
}

fn variable<'v>(variables: &[(&'v str, &'v str)], name: &str) -> Option<&'v str> {
    find(variables, name).map(|(_, value)| value)
}

fn word(text: &str, origin: Origin) -> Node {
    Node { value: Value::Scalar { text: text.to_owned(), plain: true }, origin }
}

/// The map under a key of a node, made where it is missing; `None` where something else is.
fn section<'n>(parent: &'n mut Node, key: &str, origin: &Origin) -> Option<&'n mut Mapping> {
    if parent.is_null() {
        *parent = Node::empty_map(origin.clone());
    }
    let Value::Mapping(map) = &mut parent.value else { return None };
    let child = map.entry(key, || Node::empty_map(origin.clone()));
    if child.is_null() {
        *child = Node::empty_map(origin.clone());
    }
    match &mut child.value {
        Value::Mapping(map) => Some(map),
        _ => None,
    }
}

fn set_openshift(root: &mut Mapping, section_name: &str, key: &str, node: Node) {
    let origin = node.origin.clone();
    let openshift = root.entry("openshift", || Node::empty_map(origin.clone()));
    if let Some(map) = section(openshift, section_name, &origin) {
        map.set(key, node);
    }
}

/// `loglevel` counts where `log.level` is absent.
fn move_log_level(root: &mut Mapping, variables: &[(&str, &str)]) {
    let from_file = root.remove("loglevel").filter(|node| !node.is_null());
    let from_variable = find(variables, "REGISTRY_LOGLEVEL")
        .map(|(name, value)| word(value, Origin::Variable(Arc::from(name))));
    let Some(node) = from_variable.or(from_file) else { return };
    let origin = node.origin.clone();
    let log = root.entry("log", || Node::empty_map(origin.clone()));
    if log.is_null() {
        *log = Node::empty_map(origin);
    }
    if let Value::Mapping(log) = &mut log.value
        && log.get("level").is_none_or(Node::is_null)
    {
        log.set("level", node);
    }
}

/// Options of the `openshift` repository middleware count while their new section is absent.
fn move_middleware_options(root: &mut Mapping) {
    let Some(options) = middleware_options(root) else { return };
    let absent = |name: &str| {
        root.get("openshift").and_then(|node| node.find(&[name])).is_none_or(Node::is_null)
    };
    let wanted: Vec<_> = MOVED
        .iter()
        .filter(|moved| absent(moved.section))
        .filter_map(|moved| Some((moved.section, moved.key, options.get(moved.option)?.clone())))
        .collect();
    for (section, key, node) in wanted {
        set_openshift(root, section, key, node);
    }
}

fn middleware_options(root: &Mapping) -> Option<Mapping> {
    let list = root.get("middleware")?.find(&["repository"])?;
    let Value::Sequence(list) = &list.value else { return None };
    let openshift = list.iter().find(|entry| {
        entry.find(&["name"]).is_some_and(
            |name| matches!(&name.value, Value::Scalar { text, .. } if text == "openshift"),
        )
    })?;
    openshift.find(&["options"])?.as_mapping().cloned()
}

/// `OPENSHIFT_PROFILE=web` opened a listener for profiles that also had `/debug/health`. There are no
/// profiles here, but the rest is what `http.debug.addr` opens. Whether it is opened by this.
fn open_debug_listener(
    root: &mut Mapping,
    variables: &[(&str, &str)],
    reader: &mut Reader,
) -> bool {
    let Some((name, value)) = find(variables, "OPENSHIFT_PROFILE") else { return false };
    let origin = Origin::Variable(Arc::from(name));
    let http = root.entry("http", || Node::empty_map(origin.clone()));
    let debug = section(http, "debug", &origin);
    let free = debug.filter(|map| map.get("addr").is_none_or(Node::is_null));
    let (opened, text) = match (value, free) {
        ("web", Some(debug)) => {
            let host = variable(variables, "OPENSHIFT_PROFILE_HOST").unwrap_or("127.0.0.1");
            let port = variable(variables, "OPENSHIFT_PROFILE_PORT").unwrap_or("6060");
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            debug.set("addr", word(&format!("{host}:{port}"), origin.clone()));
            (true, "OPENSHIFT_PROFILE=web opens the debug listener; it has no profiles".to_owned())
        }
        ("web", None) => {
            (false, "OPENSHIFT_PROFILE=web has no effect beside http.debug.addr".to_owned())
        }
        _ => (
            false,
            "environment variable OPENSHIFT_PROFILE has no effect: only web is known, and profiles \
             are taken from outside (perf)"
                .to_owned(),
        ),
    };
    reader.warn(&Path::ROOT, &origin, WarningKind::NoEffect, text);
    opened
}

/// The registry's own address, from the oldest name that is set.
fn set_server_address(root: &mut Mapping, variables: &[(&str, &str)], reader: &mut Reader) {
    for name in ["OPENSHIFT_DEFAULT_REGISTRY", "DOCKER_REGISTRY_URL"] {
        let Some((name, value)) = find(variables, name) else { continue };
        let origin = Origin::Variable(Arc::from(name));
        let text = format!(
            "DEPRECATED: \"{name}\" is deprecated, use the 'REGISTRY_OPENSHIFT_SERVER_ADDR' instead"
        );
        let at = Path::ROOT.child("openshift.server.addr");
        reader.warn(&at, &origin, WarningKind::Deprecated, text);
        return set_openshift(root, "server", "addr", word(value, origin));
    }
    let option = format!("{MIDDLEWARE}DOCKERREGISTRYURL");
    if let Some((name, value)) = find(variables, &option) {
        let origin = Origin::Variable(Arc::from(name));
        return set_openshift(root, "server", "addr", word(value, origin));
    }
    if let Some(node) = middleware_options(root)
        .and_then(|options| options.get(SERVER_OPTION).cloned())
        .filter(|node| !node.is_null())
    {
        return set_openshift(root, "server", "addr", node);
    }
    let given = root.get("openshift").and_then(|node| node.find(&["server", "addr"]));
    let is_given = given.is_some_and(|node| match &node.value {
        Value::Null => false,
        Value::Scalar { text, .. } => !text.is_empty(),
        _ => true,
    });
    if is_given {
        return;
    }
    if let Some((name, host)) = find(variables, "DOCKER_REGISTRY_SERVICE_HOST")
        && let Some(port) = variable(variables, "DOCKER_REGISTRY_SERVICE_PORT")
    {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let origin = Origin::Variable(Arc::from(name));
        set_openshift(root, "server", "addr", word(&format!("{host}:{port}"), origin));
    }
}
