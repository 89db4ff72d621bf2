// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a configuration, and where it was written.
//!
//! Every other module reports into these types; the binary prints them, one line each.

use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the built-in default, or a key that is missing.
    Default,
    /// A line of the configuration file.
    File {
        /// The file's name, as the caller gave it.
        name: Arc<str>,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("not set"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Why the registry must not start with this configuration.
///
/// The texts of distribution and of the OpenShift registry are kept where they have one, because
/// operators search for them (registry.md 4.2, "Start-up failure").
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not YAML, or is YAML that a configuration may not use.
    #[error("{0}")]
    Syntax(String),
    /// A known key has a value that it cannot have.
    #[error("{0}")]
    Value(String),
    /// A key without a default is missing.
    #[error("{0}")]
    Missing(String),
    /// Two settings exclude each other.
    #[error("{0}")]
    Conflict(String),
    /// Something that the original registry can do and this one does not.
    #[error("{0}")]
    Unsupported(String),
    /// An unknown key or variable, in strict mode.
    #[error("{0}")]
    Unknown(String),
}

/// One reason not to start: what, which key, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The key, as in `http.tls.certificate`; empty for the whole file.
    pub key: String,
    /// Where the value was written.
    pub origin: Origin,
    /// What is wrong, and what is allowed.
    pub problem: Problem,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)?;
        match (self.key.is_empty(), &self.origin) {
            (true, Origin::Default) => Ok(()),
            (true, origin) => write!(f, " ({origin})"),
            (false, origin) => write!(f, " ({}, {origin})", self.key),
        }
    }
}

/// Everything that is wrong with a configuration: all errors, not only the first.
///
/// `Display` prints one line per error, each with distribution's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// The errors, in the order of the schema; at least one.
    pub errors: Vec<Error>,
    /// Warnings found on the way: a mistyped key often explains an error.
    pub warnings: Vec<Warning>,
}

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "error parsing configuration file: {error}")?;
        }
        Ok(())
    }
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// A key that no registry knows; an error in strict mode.
    UnknownKey,
    /// A `REGISTRY_` variable that names no key; an error in strict mode.
    UnknownVariable,
    /// A key that is understood but changes nothing here.
    NoEffect,
    /// A value that is accepted but probably not what was meant.
    Doubtful,
    /// An old name that still works; logged at info.
    Deprecated,
}

/// Something the operator should know, that does not prevent the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is about; decides the log level and what strict mode does.
    pub kind: WarningKind,
    /// The key concerned; empty when there is none.
    pub key: String,
    /// Where it was written.
    pub origin: Origin,
    /// The text, without place.
    pub text: String,
}

impl Warning {
    /// Whether the line belongs to level info (an old name in use) instead of warning.
    pub fn is_notice(&self) -> bool {
        self.kind == WarningKind::Deprecated
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.origin {
            // The text of a warning about a variable names the variable.
            Origin::Variable(name) if self.text.contains(&**name) => Ok(()),
            Origin::Default => Ok(()),
            origin => write!(f, " ({origin})"),
        }
    }
}
