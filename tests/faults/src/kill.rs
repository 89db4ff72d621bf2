// SPDX-License-Identifier: Apache-2.0
//! T-01: SIGKILL in the n-th call of a step, then a normal start.
//!
//! strace delivers the signal when the call is entered, so the call does not happen; the n-th point
//! is the state between call n - 1 and call n.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::points::{Point, class, inventory, names, trace_all};
use crate::random::Random;
use crate::report::{Report, Violation};
use crate::script::{Kind, Step, script};
use crate::tracer::{self, Threads, Tracer};
use crate::world::{Mode, World, new_store};

/// A killed registry must serve again within this time.
const RESTART_LIMIT: Duration = Duration::from_secs(2);

/// What became of one point.
struct Outcome {
    /// The point that was really hit; `None`: the call did not come.
    hit: Option<Point>,
    restart: Duration,
    wrong: Vec<String>,
}

/// Runs `limit` points in each mode, or all of them.
pub fn run(seed: u64, modes: &[Mode], limit: Option<usize>, jobs: usize) -> Result<Report> {
    let script = script(seed);
    let mut random = Random::new(seed);
    let mut points = Vec::new();
    let mut known = 0;
    for mode in modes {
        let all = inventory(*mode, &script)?;
        known += all.len();
        points.extend(random.sample(all, limit.unwrap_or(usize::MAX)));
    }
    let report = Mutex::new(Report::new("kill", seed));
    let hits = Mutex::new((BTreeSet::new(), 0_usize, Duration::ZERO));
    each(points.clone(), jobs, |point| {
        let store = new_store()?;
        let outcome = run_point(&point, &script, store.path())
            .unwrap_or_else(|cause| Outcome::failed(&point, format!("{cause:#}")));
        let mut hits = lock(&hits);
        match &outcome.hit {
            Some(hit) => _ = hits.0.insert(hit.clone()),
            None => hits.1 += 1,
        }
        hits.2 = hits.2.max(outcome.restart);
        if !outcome.wrong.is_empty() {
            lock(&report).violation(Violation {
                point: point.to_string(),
                what: outcome.wrong,
                store: Some(store.keep()),
            });
        }
        Ok(())
    })?;
    let mut report = report.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    let (hit, missed, slowest) =
        hits.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    report.figure("points_known", known);
    report.figure("points_run", points.len());
    report.figure("distinct_points_killed", hit.len());
    report.figure("points_not_reached", missed);
    report.figure("slowest_restart_ms", slowest.as_millis() as u64);
    Ok(report)
}

impl Outcome {
    fn failed(point: &Point, cause: String) -> Self {
        Self { hit: Some(point.clone()), restart: Duration::ZERO, wrong: vec![cause] }
    }
}

/// Runs work in some threads.
pub fn each<T: Send>(
    items: Vec<T>,
    jobs: usize,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let queue = Mutex::new(items.into_iter());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let next = lock(&queue).next();
                        let Some(item) = next else { return Ok(()) };
                        work(item)?;
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|it| it.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?)
    })
}

/// A lock whose holder panicked is still good for a test's figures.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn run_point(point: &Point, script: &[Step], store: &Path) -> Result<Outcome> {
    let files = tempfile::tempdir()?;
    let mut world = World::new(point.mode, store);
    world.start(None)?;
    for step in &script[..point.step] {
        // A cut is waited for only where it is the subject: the journal may hold more otherwise.
        if !matches!(step.kind, Kind::Idle) {
            world.step(step, None)?;
        }
    }
    let step = &script[point.step];
    let hit = kill_in(&mut world, point, step, &files.path().join("strace.log"))?;
    world.kill()?;
    let mut wrong = Vec::new();
    let begin = Instant::now();
    world.start(None).context("start after the kill")?;
    let restart = begin.elapsed();
    if restart > RESTART_LIMIT {
        wrong.push(format!("serves again only after {restart:?}"));
    }
    wrong.extend(world.verify()?);
    if let Kind::Act(action) = &step.kind {
        world.act_again(action).context("after the restart")?;
        wrong.extend(world.verify()?.into_iter().map(|it| format!("after doing it again: {it}")));
    }
    world.stop()?;
    wrong.extend(world.check()?);
    wrong.extend(world.leftovers()?);
    Ok(Outcome { hit, restart, wrong })
}

/// Performs the step with the trap set. Tells which point was hit, if any.
fn kill_in(world: &mut World, point: &Point, step: &Step, log: &Path) -> Result<Option<Point>> {
    let trace = trace_all();
    let inject = format!("inject={}:signal=SIGKILL:when={}", point.call, point.nth);
    let arguments = ["-e", trace.as_str(), "-e", inject.as_str()];
    if matches!(step.kind, Kind::Start | Kind::CrashStart) {
        if matches!(step.kind, Kind::CrashStart) {
            world.kill()?;
        }
        // The registry dies before it listens, or soon after.
        let started = world.start(Some(&arguments));
        let killed = started.is_err() || world.was_killed(Duration::from_millis(100));
        return Ok(killed.then(|| point.clone()));
    }
    let pid = world.running()?.pid();
    let tracer = Tracer::attach(pid, &point.threads, &arguments, log)?;
    let names = names(pid)?;
    match &step.kind {
        Kind::Act(action) => _ = world.act(action)?,
        // The registry that is killed does not stop as it should.
        Kind::Stop => world.running()?.signal_stop()?,
        _ => {}
    }
    let patience = match &step.kind {
        Kind::Act(_) => Duration::from_millis(200),
        Kind::Stop => Duration::from_secs(5),
        _ => Duration::from_secs(2),
    };
    let killed = world.was_killed(patience);
    let log = tracer.detach()?;
    if !killed {
        return Ok(None);
    }
    let threads = match &point.threads {
        Threads::Any => tracer::count(&log)
            .into_iter()
            .find(|((_, call), count)| *call == point.call && *count == point.nth)
            .map_or(Threads::Any, |((task, _), _)| class(&names, task)),
        named @ Threads::Named(_) => named.clone(),
    };
    Ok(Some(Point { threads, ..point.clone() }))
}
