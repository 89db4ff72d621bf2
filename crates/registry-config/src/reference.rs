// SPDX-License-Identifier: Apache-2.0
//! The reference manual, printed from the schema: as Markdown for docs/, as JSON for tools.

use std::fmt::Write as _;

use crate::config::Config;
use crate::schema::{Key, Section, Shape};

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from crates/registry-config; do not edit. \
BERTH_UPDATE_DOCS=1 with that crate's tests writes it again. -->

`berth registry [CONFIG]` reads one YAML file in the format of distribution's registry. Without
argument it takes the file that `REGISTRY_CONFIGURATION_PATH` names, else a built-in one: an open
registry on port 5000 that stores in /var/lib/registry.

Every key can be set by an environment variable, which wins over the file: `REGISTRY_` and the path
of the key in upper case, joined by `_`, as in `REGISTRY_HTTP_TLS_CERTIFICATE`. Its value is YAML, so
a whole section can be given: `REGISTRY_STORAGE_MAINTENANCE_READONLY={enabled: true}`. Variables are
applied in the order of their names. A list is given whole. An empty value means \"not set\".

- A wrong value of a known key prevents the start; the message names key, line or variable, and what
  is allowed. All errors are shown at once.
- Unknown keys and variables are ignored with a warning; `--strict` makes them errors. Variables that
  Kubernetes sets for services (`REGISTRY_PORT`, `REGISTRY_SERVICE_HOST`, …) are skipped silently.
- Durations are written as `500ms`, `29s`, `1m30s`, `168h`; sizes as `4194304`, `64KiB`, `4MiB`.
- Booleans may also be written `yes`, `no`, `on`, `off`.

Old names that still work: the key `loglevel` for `log.level`; the variables
`OPENSHIFT_DEFAULT_REGISTRY` and `DOCKER_REGISTRY_URL` for `openshift.server.addr`;
`REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_` with `ENFORCEQUOTA`, `PROJECTCACHETTL`, `ACCEPTSCHEMA2`,
`BLOBREPOSITORYCACHETTL`, `PULLTHROUGH`, `MIRRORPULLTHROUGH`, `DOCKERREGISTRYURL`, and the options of
these names, for keys of `openshift`; `OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES` for
`http.tls.ciphersuites`; `OPENSHIFT_PROFILE=web` with `OPENSHIFT_PROFILE_HOST` and `_PORT` for
`http.debug.addr` (profiles are not served). `OPENSHIFT_ON_PANIC` and the variables with the API
server's address and credentials warn that they have no effect.
";

/// The manual as Markdown: one table for each section.
pub fn reference_markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    markdown_section(&mut out, "", "", Config::SECTION);
    out
}

/// Prints a section: heading, what it is for, its keys, then the sections below it. `intro` is
/// everything that stands between heading and table.
fn markdown_section(out: &mut String, path: &str, intro: &str, section: &Section) {
    if !path.is_empty() {
        let level = if path.contains('.') { "###" } else { "##" };
        let _ = write!(out, "\n{level} `{path}`\n\n{intro}\n");
    }
    // The root's keys are all sections but one; they are their own chapters.
    let keys: Vec<&Key> = section.keys.iter().filter(|key| below(key).is_none()).collect();
    if !keys.is_empty() {
        out.push_str("\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n");
    }
    for key in keys {
        let default = if key.default.is_empty() { "–".to_owned() } else { code(key.default) };
        let mut meaning = prose(key.about);
        for alias in key.aliases {
            let _ = write!(meaning, " Other name: `{alias}`.");
        }
        if let Some(variable) = key.variable {
            let _ = write!(meaning, " Part of the variable's name: `{variable}`.");
        }
        if let Some(reason) = key.ignored {
            let _ = write!(meaning, " Has no effect: {reason}.");
        }
        let row = [code(&join(path, key.name)), type_of(key), default, meaning]
            .map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    for key in section.keys {
        let Some((section, suffix)) = below(key) else { continue };
        let path = format!("{}{suffix}", join(path, key.name));
        markdown_section(out, &path, &introduction(key, section), section);
    }
}

/// What a section is for, from the sentence of its key and its own, and what is special about it.
fn introduction(key: &Key, section: &Section) -> String {
    let (of_key, of_section) = (prose(key.about), prose(section.about));
    // Often one of them is the longer form of the other.
    let mut text = if of_section.starts_with(of_key.trim_end_matches('.')) {
        of_section
    } else if of_key.contains(of_section.trim_end_matches('.')) {
        of_key
    } else {
        format!("{of_key} {of_section}")
    };
    if let Some(reason) = key.ignored {
        let _ = write!(text, " **This section has no effect**: {reason}.");
    }
    for alias in key.aliases {
        let _ = write!(text, " Other name: `{alias}`.");
    }
    if let Some(variable) = key.variable {
        let _ = write!(text, " Part of the variable's name: `{variable}`.");
    }
    text
}

/// The section below a key, and what its path gets: `[]` for each entry of a list.
fn below(key: &Key) -> Option<(&'static Section, &'static str)> {
    match key.shape {
        Shape::Section(section) => Some((section, "")),
        Shape::List(Shape::Section(section)) => Some((section, "[]")),
        _ => None,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The lines of a documentation comment as one line.
fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn type_of(key: &Key) -> String {
    let mut text = shape_name(&key.shape);
    if let Some((from, to)) = key.range {
        let _ = write!(text, ", {from} to {to}");
    }
    text
}

fn shape_name(shape: &Shape) -> String {
    match shape {
        Shape::Leaf(leaf) if leaf.choices.is_empty() => leaf.name.to_owned(),
        Shape::Leaf(leaf) => {
            leaf.choices.iter().map(|word| code(word)).collect::<Vec<_>>().join(", ")
        }
        Shape::Section(_) => "section".to_owned(),
        Shape::List(shape) => format!("list of: {}", shape_name(shape)),
        Shape::Map(shape) => format!("map of names to: {}", shape_name(shape)),
    }
}

/// The manual as JSON: a list of all keys with path, variable, type, default and meaning.
pub fn reference_json() -> String {
    let mut rows = Vec::new();
    json_section(&mut rows, "", Some("REGISTRY"), Config::SECTION);
    format!("[\n{}\n]\n", rows.join(",\n"))
}

/// `variable` is the section's part of the variables' names; entries of lists have none.
fn json_section(rows: &mut Vec<String>, path: &str, variable: Option<&str>, section: &Section) {
    for key in section.keys {
        let path = join(path, key.name);
        let name = key.variable.map_or_else(|| key.name.to_ascii_uppercase(), str::to_owned);
        let variable = variable.map(|variable| format!("{variable}_{name}"));
        if let Some((section, suffix)) = below(key) {
            let variable = variable.as_deref().filter(|_| suffix.is_empty());
            json_section(rows, &format!("{path}{suffix}"), variable, section);
            continue;
        }
        let optional = |text: Option<&str>| text.map_or("null".to_owned(), json_string);
        let (from, to) = key.range.unzip();
        rows.push(format!(
            "{{\"key\":{},\"variable\":{},\"type\":{},\"default\":{},\"least\":{},\
             \"greatest\":{},\"aliases\":[{}],\"noEffect\":{},\"description\":{}}}",
            json_string(&path),
            optional(variable.as_deref()),
            json_string(&shape_name(&key.shape).replace('`', "")),
            optional(Some(key.default).filter(|text| !text.is_empty())),
            optional(from),
            optional(to),
            key.aliases.iter().map(|alias| json_string(alias)).collect::<Vec<_>>().join(","),
            optional(key.ignored),
            json_string(&prose(key.about)),
        ));
    }
}

fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
