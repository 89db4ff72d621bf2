// SPDX-License-Identifier: Apache-2.0
//! Behaviour of the crate from outside: file and variables in, configuration or errors out.

mod fatal;
mod files;
mod fuzzing;
mod golden;
mod precedence;
mod reference;
mod warnings;
mod yaml;

use registry_config::{Config, Errors, Loaded, Source, load};

/// The least file that starts a registry.
pub const LEAST: &str = "version: 0.1\nstorage: inmemory\n";

/// Loads a file named `config.yml` with variables.
pub fn try_load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Errors> {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&Source { name: "config.yml", text, variables: &variables, strict: false })
}

/// The configuration of a file that is right, without warnings.
pub fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    let loaded = try_load(text, variables).expect("the configuration is right");
    assert_eq!(texts(&loaded), Vec::<String>::new(), "no warnings expected");
    loaded.config
}

/// The warnings as printed.
pub fn texts(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

/// The errors of a file that is wrong, as printed.
pub fn errors(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let errors = try_load(text, variables).expect_err("the configuration is wrong");
    errors.errors.iter().map(ToString::to_string).collect()
}

/// Beginnings of variables that reach every kind of value.
pub const BEGINNINGS: [&str; 10] = [
    "REGISTRY_",
    "REGISTRY_STORAGE",
    "REGISTRY_STORAGE_",
    "REGISTRY_HTTP",
    "REGISTRY_HTTP_TLS_CIPHERSUITES",
    "REGISTRY_AUTH_",
    "REGISTRY_MIDDLEWARE_STORAGE_",
    "REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_",
    "REGISTRY_LOG_FIELDS_",
    "REGISTRY_OPENSHIFT",
];
