// SPDX-License-Identifier: Apache-2.0
//! Building a line whose fields are known at run time.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use super::logger::current;
use super::{Level, Logger, Value};

/// A line being put together; written by [`Line::emit`].
///
/// A line below the level in force costs no more than asking for the level.
///
/// ```
/// use telemetry::log::Line;
/// let uri = "/v2/";
/// Line::info("response").field("http.request.uri", uri).field("http.response.status", 200_u16).emit();
/// ```
#[must_use = "a line is written by emit()"]
#[derive(Debug)]
pub struct Line<'a> {
    /// `None` when the line is not to be written.
    logger: Option<Arc<Logger>>,
    level: Level,
    message: Cow<'a, str>,
    fields: Vec<(&'a str, Value<'a>)>,
    time: Option<SystemTime>,
}

/// Fields of an access line with room to spare, so that the list is allocated once.
const USUAL_FIELDS: usize = 24;

impl<'a> Line<'a> {
    /// A line for the logger in force: the scoped one of a test, or else the process's.
    pub fn new(level: Level, message: impl Into<Cow<'a, str>>) -> Self {
        Self::to(current(), level, message)
    }

    /// A line for a given logger.
    pub fn to(logger: Option<Arc<Logger>>, level: Level, message: impl Into<Cow<'a, str>>) -> Self {
        let logger = logger.filter(|logger| logger.enabled(level));
        let fields = Vec::with_capacity(if logger.is_some() { USUAL_FIELDS } else { 0 });
        Self { logger, level, message: message.into(), fields, time: None }
    }

    /// A line at level fatal.
    pub fn fatal(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Level::Fatal, message)
    }

    /// A line at level error.
    pub fn error(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Level::Error, message)
    }

    /// A line at level warning.
    pub fn warning(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Level::Warning, message)
    }

    /// A line at level info.
    pub fn info(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Level::Info, message)
    }

    /// A line at level debug.
    pub fn debug(message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Level::Debug, message)
    }

    /// Whether the line will be written. Worth asking before a field that is costly to make.
    pub fn is_enabled(&self) -> bool {
        self.logger.is_some()
    }

    /// Adds a field. Order does not matter; of two with one name the later counts.
    pub fn field(mut self, name: &'a str, value: impl Into<Value<'a>>) -> Self {
        if self.logger.is_some() {
            self.fields.push((name, value.into()));
        }
        self
    }

    /// Adds a field if there is a value.
    pub fn maybe(self, name: &'a str, value: Option<impl Into<Value<'a>>>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Adds fields.
    pub fn fields(mut self, fields: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Self {
        if self.logger.is_some() {
            self.fields.extend(fields);
        }
        self
    }

    /// Sets the time, which is otherwise that of [`Line::emit`].
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }

    /// Writes the line.
    pub fn emit(self) {
        let Self { logger, level, message, fields, time } = self;
        if let Some(logger) = logger {
            logger.write(time.unwrap_or_else(SystemTime::now), level, &message, fields);
        }
    }
}
