// SPDX-License-Identifier: Apache-2.0
//! Writes `tracing` events as log lines.
//!
//! An event's fields are joined by those of the spans it happened in; nearer ones count more.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::{Level, Logger, Value};

/// A layer for any subscriber that keeps spans.
#[derive(Debug)]
pub struct LogLayer {
    logger: Arc<Logger>,
}

impl LogLayer {
    /// A layer that writes through `logger`.
    pub fn new(logger: Arc<Logger>) -> Self {
        Self { logger }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        Level::from_tracing(*metadata.level())
            .is_some_and(|level| self.logger.enabled_for(metadata.target(), level))
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The answer is asked for again when the level changes.
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.logger.level().tracing_filter())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(level) = Level::from_tracing(*event.metadata().level()) else { return };
        let mut all = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                all.list.extend(fields.list.iter().filter(|(name, _)| *name != "message").cloned());
            }
        }
        event.record(&mut all);
        let mut message = "";
        let mut fields = Vec::with_capacity(all.list.len());
        for (name, value) in &all.list {
            match (*name, value) {
                ("message", Stored::Text(text)) => message = text,
                (name, value) => fields.push((name, value.borrowed())),
            }
        }
        self.logger.write(SystemTime::now(), level, message, fields);
    }
}

/// Fields taken from an event or span.
#[derive(Debug, Default)]
struct Fields {
    list: Vec<(&'static str, Stored)>,
}

#[derive(Clone, Debug)]
enum Stored {
    Text(String),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
}

impl Stored {
    fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::from(text),
            Self::Int(number) => Value::Int(*number),
            Self::Uint(number) => Value::Uint(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(truth) => Value::Bool(*truth),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.list.push((field.name(), Stored::Float(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.list.push((field.name(), Stored::Int(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.list.push((field.name(), Stored::Uint(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.list.push((field.name(), Stored::Bool(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.list.push((field.name(), Stored::Text(value.to_owned())));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // A failing Debug implementation leaves what it wrote before.
        let _ = write!(text, "{value:?}");
        self.list.push((field.name(), Stored::Text(text)));
    }
}
