// SPDX-License-Identifier: Apache-2.0
//! Health checks under tokio's paused clock, which moves only when every task waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use telemetry::health::{CheckResult, Health, Schedule};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn every_ten() -> Schedule {
    Schedule::every(10 * SECOND)
}

/// A check whose result is set from outside, and how often it ran.
#[derive(Default)]
struct Switch {
    broken: AtomicBool,
    runs: AtomicU32,
}

impl Switch {
    fn attach(self: &Arc<Self>, health: &Health, name: &str, schedule: Schedule) {
        let switch = Arc::clone(self);
        health.register(name, schedule, move || {
            let switch = Arc::clone(&switch);
            async move { switch.run() }
        });
    }

    fn run(&self) -> CheckResult {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        if self.broken.load(Ordering::SeqCst) {
            Err(format!("broken in run {run}"))
        } else {
            Ok(())
        }
    }

    fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }
}

fn reasons(health: &Health) -> Vec<(String, String)> {
    health.failures().into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn healthy_until_the_first_run_one_interval_after_start() {
    let health = Health::new();
    let switch = Arc::new(Switch::default());
    switch.set_broken(true);
    switch.attach(&health, "file", every_ten());
    sleep(9 * SECOND).await;
    assert!(health.is_healthy());
    assert_eq!(switch.runs.load(Ordering::SeqCst), 0);
    sleep(2 * SECOND).await;
    assert!(!health.is_healthy());
    assert_eq!(reasons(&health), [("file".to_owned(), "broken in run 1".to_owned())]);
    switch.set_broken(false);
    sleep(10 * SECOND).await;
    assert!(health.is_healthy());
    assert_eq!(reasons(&health), []);
}

#[tokio::test(start_paused = true)]
async fn the_threshold_counts_failures_in_a_row() {
    let health = Health::new();
    let switch = Arc::new(Switch::default());
    switch.attach(&health, "tcp", every_ten().threshold(3));
    switch.set_broken(true);
    sleep(21 * SECOND).await;
    assert!(health.is_healthy(), "two failures");
    switch.set_broken(false);
    sleep(10 * SECOND).await;
    switch.set_broken(true);
    sleep(20 * SECOND).await;
    assert!(health.is_healthy(), "two failures again");
    sleep(10 * SECOND).await;
    assert!(!health.is_healthy());
    switch.set_broken(false);
    sleep(10 * SECOND).await;
    assert!(health.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_or_panic_have_failed() {
    let health = Health::new();
    health.register("hangs", every_ten(), || async {
        std::future::pending::<()>().await;
        Ok(())
    });
    health.register("panics", every_ten(), || async { panic!("a defect of the check") });
    health.register("panics at once", every_ten(), || -> std::future::Ready<CheckResult> {
        panic!("a defect of the check")
    });
    sleep(21 * SECOND).await;
    assert_eq!(
        reasons(&health),
        [
            ("hangs".to_owned(), "no result after 10s".to_owned()),
            ("panics".to_owned(), "the check itself failed".to_owned()),
            ("panics at once".to_owned(), "the check itself failed".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn one_recovery_of_two_is_not_enough() {
    let health = Health::new();
    let (first, second) = (Arc::new(Switch::default()), Arc::new(Switch::default()));
    first.attach(&health, "a", every_ten());
    second.attach(&health, "b", every_ten());
    first.set_broken(true);
    second.set_broken(true);
    sleep(11 * SECOND).await;
    assert_eq!(health.failures().len(), 2);
    first.set_broken(false);
    sleep(10 * SECOND).await;
    assert!(!health.is_healthy());
    second.set_broken(false);
    sleep(10 * SECOND).await;
    assert!(health.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn checks_end_with_the_last_handle() {
    let health = Health::new();
    let switch = Arc::new(Switch::default());
    switch.attach(&health, "a", every_ten());
    let clone = health.clone();
    drop(health);
    sleep(11 * SECOND).await;
    assert_eq!(switch.runs.load(Ordering::SeqCst), 1);
    drop(clone);
    sleep(60 * SECOND).await;
    assert_eq!(switch.runs.load(Ordering::SeqCst), 1);
}

#[test]
fn reports_count_at_once() {
    let health = Health::new();
    assert!(health.is_healthy());
    health.report("journal", Err("read-only".to_owned()));
    health.report("journal", Err("still read-only".to_owned()));
    assert!(!health.is_healthy());
    assert_eq!(reasons(&health), [("journal".to_owned(), "still read-only".to_owned())]);
    health.report("journal", Ok(()));
    assert!(health.is_healthy());
}
