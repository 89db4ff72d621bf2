// SPDX-License-Identifier: Apache-2.0
//! Level filter, static fields, formatter and sink in one, and the process's own instance.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing_subscriber::layer::SubscriberExt as _;

use super::format::{Record, write_record};
use super::sink::scoped;
use super::{Format, Level, LogConfig, LogLayer, Sink, Stderr, Value};

/// Value of `go.version`. The key is what log collectors expect; the value says what this is.
const BUILT_WITH: &str = concat!("rust", env!("TELEMETRY_RUSTC_VERSION"));

/// A thread keeps its line buffer up to this size.
const KEPT_BUFFER: usize = 64 * 1024;

static PROCESS: OnceLock<Arc<Logger>> = OnceLock::new();

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Logging was set up before.
    #[error("logging is already set up")]
    Twice,
    /// Another subscriber of `tracing` events is installed.
    #[error("tracing events are already sent elsewhere")]
    Tracing(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Filters, formats and writes lines.
pub struct Logger {
    level: AtomicU8,
    format: Format,
    /// Sorted by name, without duplicates.
    fields: Vec<(String, Value<'static>)>,
    own_crates: Vec<&'static str>,
    sink: Box<dyn Sink>,
    lost: AtomicU64,
    /// Of the lost lines, how many a line has told of.
    told: AtomicU64,
}

impl Logger {
    /// A logger that writes to `sink`.
    pub fn new(config: &LogConfig, sink: Box<dyn Sink>) -> Self {
        let mut fields: Vec<_> = config
            .fields
            .iter()
            .map(|(name, value)| (config.format.renamed(name).into(), Value::from_json(value)))
            .collect();
        if !config.fields.contains_key("go.version") {
            fields.push(("go.version".to_owned(), BUILT_WITH.into()));
        }
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        fields.dedup_by(|(later, _), (earlier, _)| later == earlier);
        Self {
            level: AtomicU8::new(config.level as u8),
            format: config.format,
            fields,
            own_crates: config.own_crates.clone(),
            sink,
            lost: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }

    /// The least severe level that is written.
    pub fn level(&self) -> Level {
        Level::from_index(self.level.load(Ordering::Relaxed))
    }

    /// Changes the level at run time.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
        // Call sites remember whether they are of interest.
        tracing::callsite::rebuild_interest_cache();
    }

    /// Whether a line of this level is written.
    pub fn enabled(&self, level: Level) -> bool {
        level as u8 <= self.level.load(Ordering::Relaxed)
    }

    /// Whether `tracing` events of a target and level are written.
    pub(super) fn enabled_for(&self, target: &str, level: Level) -> bool {
        if !self.enabled(level) {
            return false;
        }
        level <= Level::Warning || self.own_crates.is_empty() || {
            let name = target.split("::").next().unwrap_or(target);
            self.own_crates.contains(&name)
        }
    }

    /// Lines that the sink did not take. The next one that it takes is followed by one that tells.
    pub fn lost_lines(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Formats and writes a line whatever its level.
    pub(super) fn write<'a>(
        &'a self,
        time: SystemTime,
        level: Level,
        message: &'a str,
        fields: Vec<(&'a str, Value<'a>)>,
    ) {
        if !self.put(time, level, message, fields) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = self.lost_lines();
        let told = self.told.load(Ordering::Relaxed);
        let claim = || self.told.compare_exchange(told, lost, Ordering::Relaxed, Ordering::Relaxed);
        if lost > told && claim().is_ok() {
            let message = "log lines could not be written";
            let fields = vec![("log.lost", Value::from(lost - told))];
            if !self.put(time, Level::Warning, message, fields) {
                self.told.fetch_sub(lost - told, Ordering::Relaxed);
            }
        }
    }

    /// Formats a line and hands it to the sink; whether that took it.
    fn put<'a>(
        &'a self,
        time: SystemTime,
        level: Level,
        message: &'a str,
        fields: Vec<(&'a str, Value<'a>)>,
    ) -> bool {
        // A thread that is ending has no buffer any more but may still have something to say.
        let mut buffer = BUFFER.try_with(RefCell::take).unwrap_or_default();
        buffer.clear();
        let record = Record { time, level, message, fields, common: &self.fields };
        write_record(self.format, record, &mut buffer);
        let taken = self.sink.write_line(&buffer).is_ok();
        if buffer.capacity() <= KEPT_BUFFER {
            let _ = BUFFER.try_with(|kept| kept.replace(buffer));
        }
        taken
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger")
            .field("level", &self.level())
            .field("format", &self.format)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// Sets up logging to standard error for the whole process, including `tracing` events.
///
/// The result is the handle with which the level is changed later.
pub fn init(config: &LogConfig) -> Result<Arc<Logger>, InitError> {
    let logger = Arc::new(Logger::new(config, Box::new(Stderr)));
    PROCESS.set(Arc::clone(&logger)).map_err(|_| InitError::Twice)?;
    let subscriber = tracing_subscriber::registry().with(LogLayer::new(Arc::clone(&logger)));
    tracing::subscriber::set_global_default(subscriber).map_err(InitError::Tracing)?;
    Ok(logger)
}

/// The logger in force on this thread: the one of a test's capture scope, else the process's.
pub fn current() -> Option<Arc<Logger>> {
    scoped().or_else(|| PROCESS.get().cloned())
}
