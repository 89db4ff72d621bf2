// SPDX-License-Identifier: Apache-2.0
//! Severity of a line and the filter made of it.

use std::fmt;
use std::str::FromStr;

/// Severity, most severe first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The last line of a process that cannot go on. Not a setting: it cannot be filtered out.
    Fatal,
    /// Something failed.
    Error,
    /// Something is wrong but was dealt with.
    Warning,
    /// What an operator wants to see in normal times; the default setting.
    #[default]
    Info,
    /// What a developer wants to see.
    Debug,
}

/// A level name that the configuration does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid log level {0:?}: must be one of error, warn, info, debug")]
pub struct UnknownLevel(pub String);

impl Level {
    /// The word in a line. It is `warning` there and `warn` in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level for the number given with `-v` (registry.md 6.4): 0 error, 1 warn, 2 and 3 info,
    /// from 4 on debug.
    pub fn from_verbosity(verbosity: u32) -> Self {
        match verbosity {
            0 => Self::Error,
            1 => Self::Warning,
            2 | 3 => Self::Info,
            _ => Self::Debug,
        }
    }

    pub(crate) fn from_index(index: u8) -> Self {
        match index {
            0 => Self::Fatal,
            1 => Self::Error,
            2 => Self::Warning,
            3 => Self::Info,
            _ => Self::Debug,
        }
    }

    pub(crate) fn from_tracing(level: tracing::Level) -> Option<Self> {
        match level {
            tracing::Level::ERROR => Some(Self::Error),
            tracing::Level::WARN => Some(Self::Warning),
            tracing::Level::INFO => Some(Self::Info),
            tracing::Level::DEBUG => Some(Self::Debug),
            _ => None,
        }
    }

    pub(crate) fn tracing_filter(self) -> tracing::level_filters::LevelFilter {
        use tracing::level_filters::LevelFilter;
        match self {
            Self::Fatal | Self::Error => LevelFilter::ERROR,
            Self::Warning => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// Reads the value of `log.level`: `error`, `warn`, `info` or `debug`, in any case.
impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text.to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warning),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            _ => Err(UnknownLevel(text.to_owned())),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_verbosity() {
        for (text, level, word) in [
            ("error", Level::Error, "error"),
            ("warn", Level::Warning, "warning"),
            ("INFO", Level::Info, "info"),
            ("debug", Level::Debug, "debug"),
        ] {
            assert_eq!(text.parse(), Ok(level));
            assert_eq!(level.to_string(), word);
        }
        for bad in ["", "fatal", "trace", "information"] {
            assert_eq!(bad.parse::<Level>(), Err(UnknownLevel(bad.to_owned())));
        }
        let by_verbosity: Vec<_> = (0..=10).map(Level::from_verbosity).collect();
        assert_eq!(
            by_verbosity[..5],
            [Level::Error, Level::Warning, Level::Info, Level::Info, Level::Debug]
        );
        assert!(by_verbosity[5..].iter().all(|level| *level == Level::Debug));
    }

    #[test]
    fn every_level_survives_its_index() {
        for level in [Level::Fatal, Level::Error, Level::Warning, Level::Info, Level::Debug] {
            assert_eq!(Level::from_index(level as u8), level);
        }
    }
}
