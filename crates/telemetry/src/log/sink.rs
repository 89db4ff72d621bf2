// SPDX-License-Identifier: Apache-2.0
//! Where finished lines go.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{LogConfig, LogLayer, Logger};

/// Takes finished lines, each with its line break.
pub trait Sink: Send + Sync + 'static {
    /// Writes one line as a whole.
    fn write_line(&self, line: &[u8]) -> io::Result<()>;
}

/// The process's standard error; audit lines go there too (registry.md 6.3).
///
/// It is not buffered, so a line is one write(2) unless the kernel takes less, and the lock of the
/// handle keeps the rest of such a line together with its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Sink for Stderr {
    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(line)
    }
}

thread_local! {
    static SCOPED: RefCell<Option<Arc<Logger>>> = const { RefCell::new(None) };
}

/// The logger that [`Capture::scope`] set for this thread.
pub(super) fn scoped() -> Option<Arc<Logger>> {
    SCOPED.try_with(|scoped| scoped.borrow().clone()).ok().flatten()
}

/// A sink for tests that keeps the lines.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    text: Arc<Mutex<Vec<u8>>>,
}

impl Capture {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the lines and `tracing` events of this thread here until the guard is dropped.
    #[must_use = "the scope ends when the guard is dropped"]
    pub fn scope(&self, config: &LogConfig) -> CaptureGuard {
        let logger = Arc::new(Logger::new(config, Box::new(self.clone())));
        let subscriber = tracing_subscriber::registry().with(LogLayer::new(Arc::clone(&logger)));
        CaptureGuard {
            outer: SCOPED.replace(Some(logger)),
            _tracing: tracing::subscriber::set_default(subscriber),
        }
    }

    /// What was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock()).into_owned()
    }

    /// The lines written so far.
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

impl Sink for Capture {
    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        self.text.lock().extend_from_slice(line);
        Ok(())
    }
}

/// Ends a [`Capture::scope`] when dropped.
pub struct CaptureGuard {
    outer: Option<Arc<Logger>>,
    _tracing: tracing::subscriber::DefaultGuard,
}

impl Drop for CaptureGuard {
    fn drop(&mut self) {
        let _ = SCOPED.try_with(|scoped| scoped.replace(self.outer.take()));
    }
}
