// SPDX-License-Identifier: Apache-2.0
//! Reading the configuration: file, environment, warnings, log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use registry_config::config::log::{LogFormatter, LogLevel};
use registry_config::{Config, Warning};
use telemetry::log::{Format, Level, Line, LogConfig};

use crate::cli::Source;

/// Our crates: their log lines are written at the configured level, others' from warning up.
const OWN_CRATES: [&str; 6] = ["berth", "blobstore", "httpd", "oci", "registry", "storage"];

/// Reads file and environment. Warnings are returned, for the log that the configuration sets up.
pub(super) fn load(source: &Source) -> Result<(Config, Vec<Warning>)> {
    let path = source
        .config
        .clone()
        .or_else(|| std::env::var_os(registry_config::PATH_VARIABLE).map(PathBuf::from));
    let (name, text) = match &path {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| {
                format!("cannot read the configuration file {}", path.display())
            })?;
            (path.display().to_string(), text)
        }
        None => (
            registry_config::DEFAULT_FILE_NAME.to_owned(),
            registry_config::DEFAULT_FILE.to_owned(),
        ),
    };
    // A variable that is not UTF-8 cannot be one of ours.
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let loaded = registry_config::load(&registry_config::Source {
        name: &name,
        text: &text,
        variables: &variables,
        strict: source.strict,
    })
    .map_err(|errors| anyhow::anyhow!("{errors}"))?;
    Ok((loaded.config, loaded.warnings))
}

/// Sets up the log, at `level` if given, and writes the warnings.
pub(super) fn init_log(config: &Config, level: Option<Level>, warnings: &[Warning]) -> Result<()> {
    let configured = match config.log.level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warning,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
    };
    let fields: BTreeMap<_, _> = config
        .log
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::Value::from(value.as_str())))
        .collect();
    telemetry::log::init(&LogConfig {
        level: level.unwrap_or(configured),
        format: match config.log.formatter {
            LogFormatter::Text => Format::Text,
            LogFormatter::Json => Format::Json,
            LogFormatter::Logstash => Format::Logstash,
        },
        fields,
        own_crates: OWN_CRATES.to_vec(),
    })?;
    for warning in warnings {
        let text = warning.to_string();
        let line = if warning.is_notice() { Line::info(text) } else { Line::warning(text) };
        line.emit();
    }
    Ok(())
}
