// SPDX-License-Identifier: Apache-2.0
//! Health checks (registry.md 6.5).
//!
//! ```text
//!   Health::register ─▶ task per check: every interval, run the closure, bounded in time
//!                                │ consecutive failures ≥ threshold
//!                                ▼
//!   Health::is_healthy (one atomic read per request)     Health::failures (names and reasons)
//! ```
//!
//! What a check does is the caller's: a file that must not exist, a URL, an address, the storage.
//! A failing check makes the registry answer 503 to every request, so the state is read often and
//! changes rarely.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// What a check found; the error is the reason, for a person, and holds no secret.
pub type CheckResult = Result<(), String>;

/// When a check runs and when its failing matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Time between the starts of two runs, and before the first.
    pub interval: Duration,
    /// A run that takes longer has failed.
    pub timeout: Duration,
    /// Failures in a row from which on the process is unhealthy; 0 means the same as 1.
    pub threshold: u32,
}

impl Default for Schedule {
    /// Every ten seconds, failing at once.
    fn default() -> Self {
        Self::every(Duration::from_secs(10))
    }
}

impl Schedule {
    /// Runs at this interval, of which each may take as long; failing at once.
    pub fn every(interval: Duration) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        Self { interval, timeout: interval, threshold: 0 }
    }

    /// Sets the threshold.
    #[must_use]
    pub fn threshold(mut self, threshold: u32) -> Self {
        self.threshold = threshold;
        self
    }
}

/// The checks of a process.
///
/// They stop when the last clone is dropped.
#[derive(Clone, Default)]
pub struct Health {
    board: Arc<Board>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

#[derive(Default)]
struct Board {
    /// How many checks are failing.
    failing: AtomicUsize,
    /// By name: failures in a row, and the reason while that makes the process unhealthy.
    checks: Mutex<BTreeMap<String, State>>,
}

#[derive(Default)]
struct State {
    failures: u32,
    reason: Option<String>,
}

impl Health {
    /// No checks: healthy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `check` on a schedule from one interval on. A check of the same name shares its state.
    ///
    /// Must be called within a tokio runtime.
    pub fn register<F, R>(&self, name: impl Into<String>, schedule: Schedule, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = CheckResult> + Send + 'static,
    {
        let name = name.into();
        let check = Arc::new(check);
        let board = Arc::clone(&self.board);
        board.report(&name, schedule.threshold, Ok(()));
        self.tasks.lock().spawn(async move {
            let mut ticks = interval_at(Instant::now() + schedule.interval, schedule.interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let check = Arc::clone(&check);
                let result = run(async move { check().await }, schedule.timeout).await;
                board.report(&name, schedule.threshold, result);
            }
        });
    }

    /// Reports the state of something that watches itself; a failure counts at once.
    pub fn report(&self, name: &str, result: CheckResult) {
        self.board.report(name, 0, result);
    }

    /// Whether no check is failing.
    pub fn is_healthy(&self) -> bool {
        self.board.failing.load(Ordering::Acquire) == 0
    }

    /// Names and reasons of the failing checks.
    pub fn failures(&self) -> BTreeMap<String, String> {
        let checks = self.board.checks.lock();
        checks
            .iter()
            .filter_map(|(name, state)| Some((name.clone(), state.reason.clone()?)))
            .collect()
    }
}

/// Runs a check in a task of its own, so that its panic is a failure like any other.
async fn run<R>(check: R, limit: Duration) -> CheckResult
where
    R: Future<Output = CheckResult> + Send + 'static,
{
    // Dropping the set ends a check that takes too long.
    let mut task = JoinSet::new();
    task.spawn(check);
    match timeout(limit, task.join_next()).await {
        Ok(Some(Ok(result))) => result,
        Ok(_) => Err("the check itself failed".to_owned()),
        Err(_) => Err(format!("no result after {}", crate::go::go_duration(limit))),
    }
}

impl Board {
    fn report(&self, name: &str, threshold: u32, result: CheckResult) {
        let mut checks = self.checks.lock();
        if !checks.contains_key(name) {
            checks.insert(name.to_owned(), State::default());
        }
        let Some(state) = checks.get_mut(name) else { return };
        let was_failing = state.reason.is_some();
        match result {
            Ok(()) => *state = State::default(),
            Err(reason) => {
                state.failures = state.failures.saturating_add(1);
                if state.failures >= threshold {
                    state.reason = Some(reason);
                }
            }
        }
        match (was_failing, state.reason.is_some()) {
            (false, true) => self.failing.fetch_add(1, Ordering::Release),
            (true, false) => self.failing.fetch_sub(1, Ordering::Release),
            _ => 0,
        };
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("failures", &self.failures()).finish_non_exhaustive()
    }
}
