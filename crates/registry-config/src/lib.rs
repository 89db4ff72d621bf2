// SPDX-License-Identifier: Apache-2.0
//! Configuration of the registry: distribution's file and `REGISTRY_` variables become one
//! resolved, typed [`Config`].
//!
//! The crate is pure. The text of the file and the variables come in through [`Source`]; out come
//! the configuration with warnings, or all errors at once. Nothing is read, logged or opened here.
//!
//! The way of the data, by module:
//! 1. `yaml`: text to a tree whose nodes know their line; limits on size, depth and aliases.
//! 2. `env`: variables are laid over the tree, guided by the schema; `legacy`: old names move to
//!    the keys that replaced them.
//! 3. `read` and `config`: the tree becomes typed values; unknown keys warn, wrong values are
//!    errors that name key, place and what is allowed.
//! 4. [`reference_markdown`] and [`reference_json`] print the manual from the same schema.

#[macro_use]
mod schema;

pub mod config;
mod drivers;
mod duration;
mod env;
mod legacy;
mod problem;
mod read;
mod reference;
mod suggest;
mod tls;
mod value;
mod yaml;

use std::sync::Arc;

pub use config::Config;
pub use duration::{format_duration, parse_duration};
pub use problem::{Error, Errors, Origin, Problem, Warning, WarningKind};
pub use reference::{reference_json, reference_markdown};
pub use schema::{Key, Leaf, Section, Shape};
pub use value::{ByteSize, Secret, Url};

use read::{Path, Reader, Setting};
use yaml::{Mapping, Value};

/// The file that `berth registry` uses when it is given none: an open registry on port 5000 that
/// stores in a directory and lets content be deleted.
pub const DEFAULT_FILE: &str = "\
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
";

/// The name of [`DEFAULT_FILE`] in messages.
pub const DEFAULT_FILE_NAME: &str = "built-in configuration";

/// The variable that names the file when no argument does.
pub const PATH_VARIABLE: &str = "REGISTRY_CONFIGURATION_PATH";

/// What a configuration is made from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// The file's text.
    pub text: &'a str,
    /// The environment, whole and in any order; what does not concern the registry is skipped.
    pub variables: &'a [(String, String)],
    /// Whether unknown keys and variables are errors.
    pub strict: bool,
}

/// A configuration that the registry may start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
}

/// Makes the configuration from the file and the environment.
///
/// # Errors
/// All reasons why the registry must not start, with key, place and what is allowed.
pub fn load(source: &Source<'_>) -> Result<Loaded, Errors> {
    let mut reader = Reader::default();
    let file = yaml::Source::File(Arc::from(source.name));
    let mut root = match yaml::parse(source.text, &file) {
        Ok(node) => node,
        Err(error) => return Err(Errors { errors: vec![error], warnings: Vec::new() }),
    };
    if root.is_null() {
        root.value = Value::Mapping(Mapping::default());
    }
    if let Value::Mapping(map) = &mut root.value {
        let mut variables: Vec<(&str, &str)> =
            source.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        variables.sort_by_key(|(name, _)| *name);
        env::overlay(map, Config::SECTION, &variables, &mut reader);
        legacy::apply(map, &variables, &mut reader);
    }
    let config = Config::read(&root, &Path::ROOT, &mut reader);
    finish(config, reader, source.strict)
}

/// Sorts out what was noted: in strict mode the unknown becomes an error.
fn finish(config: Option<Config>, reader: Reader, strict: bool) -> Result<Loaded, Errors> {
    let Reader { mut errors, mut warnings, .. } = reader;
    if strict {
        let is_unknown = |warning: &Warning| {
            matches!(warning.kind, WarningKind::UnknownKey | WarningKind::UnknownVariable)
        };
        errors.extend(warnings.extract_if(.., |warning| is_unknown(warning)).map(|warning| {
            Error {
                key: warning.key,
                origin: warning.origin,
                problem: Problem::Unknown(format!("strict: {}", warning.text)),
            }
        }));
    }
    match config {
        Some(config) if errors.is_empty() => Ok(Loaded { config, warnings }),
        _ => Err(Errors { errors, warnings }),
    }
}
