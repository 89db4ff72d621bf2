// SPDX-License-Identifier: Apache-2.0
//! T-05: the n-th call of a step fails with an error of the disk.
//!
//! The client must get a protocol error, or a success that holds; everything else goes on being
//! served meanwhile; once the disk is well again the same operation succeeds without a restart, and
//! what was then acknowledged is there after a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::kill::{each, lock};
use crate::points::{Point, inventory, trace_all};
use crate::random::Random;
use crate::report::{Report, Violation};
use crate::script::{Answer, Kind, Step, script};
use crate::tracer::{self, Tracer};
use crate::verify::is_protocol_error;
use crate::world::{Mode, World, new_store};

/// The errors that a call can have.
fn errors_of(call: &str) -> &'static [&'static str] {
    match call {
        "openat" | "openat2" => &["ENOSPC", "EIO", "EDQUOT", "EMFILE", "EACCES"],
        "mkdir" | "mkdirat" | "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
            &["ENOSPC", "EIO", "EDQUOT", "EACCES"]
        }
        "unlink" | "unlinkat" | "rmdir" => &["EIO", "EACCES"],
        "write" | "pwrite64" | "fallocate" | "fsync" | "fdatasync" | "syncfs" => {
            &["ENOSPC", "EIO", "EDQUOT"]
        }
        _ => &["EIO"],
    }
}

/// One failure: once, or from then on until the end of the step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Failure {
    point: Point,
    error: &'static str,
    lasting: bool,
}

enum Outcome {
    /// The call did not come, or hit something else than the store (a socket, the log).
    Missed,
    /// The client was refused, with this status.
    Refused(u16),
    /// The registry did without.
    Succeeded,
}

/// Runs `limit` failures in each mode, or all of them.
pub fn run(seed: u64, modes: &[Mode], limit: Option<usize>, jobs: usize) -> Result<Report> {
    let script = script(seed);
    let mut random = Random::new(seed);
    let mut failures = Vec::new();
    for mode in modes {
        let mut all = Vec::new();
        for point in inventory(*mode, &script)? {
            // A registry that cannot start says so and ends; here it is to go on.
            if matches!(script[point.step].kind, Kind::Act(_) | Kind::Idle) {
                for error in errors_of(point.call) {
                    let lasting = random.one_in(4);
                    all.push(Failure { point: point.clone(), error, lasting });
                }
            }
        }
        failures.extend(random.sample(all, limit.unwrap_or(usize::MAX)));
    }
    let report = Mutex::new(Report::new("errors", seed));
    let seen: Mutex<(BTreeMap<String, usize>, BTreeSet<Failure>)> = Mutex::default();
    let total = failures.len();
    each(failures, jobs, |failure| {
        let store = new_store()?;
        let mut wrong = Vec::new();
        let outcome = run_failure(&failure, &script, store.path(), &mut wrong);
        let mut seen = lock(&seen);
        let kind = match outcome {
            Ok(Outcome::Missed) => "not_reached".to_owned(),
            Ok(Outcome::Refused(status)) => format!("refused_{status}"),
            Ok(Outcome::Succeeded) => "succeeded_regardless".to_owned(),
            Err(cause) => {
                wrong.push(format!("{cause:#}"));
                "failed".to_owned()
            }
        };
        if kind != "not_reached" {
            seen.1.insert(failure.clone());
        }
        *seen.0.entry(kind).or_default() += 1;
        if !wrong.is_empty() {
            let Failure { point, error, lasting } = &failure;
            let lasting = if *lasting { " from then on" } else { "" };
            lock(&report).violation(Violation {
                point: format!("{error}{lasting} in {point}"),
                what: wrong,
                store: Some(store.keep()),
            });
        }
        Ok(())
    })?;
    let mut report = report.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    let (kinds, distinct) = seen.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    report.figure("failures_run", total);
    report.figure("distinct_failures_injected", distinct.len());
    for (kind, count) in kinds {
        report.figure(&kind, count);
    }
    Ok(report)
}

fn run_failure(
    failure: &Failure,
    script: &[Step],
    store: &Path,
    wrong: &mut Vec<String>,
) -> Result<Outcome> {
    let Failure { point, error, lasting } = failure;
    let files = tempfile::tempdir()?;
    let mut world = World::new(point.mode, store);
    world.start(None)?;
    for step in &script[..point.step] {
        if !matches!(step.kind, Kind::Idle) {
            world.step(step, None)?;
        }
    }
    let step = &script[point.step];
    let trace = trace_all();
    let more = if *lasting { "+" } else { "" };
    let inject = format!("inject={}:error={error}:when={}{more}", point.call, point.nth);
    let arguments = ["-e", trace.as_str(), "-e", inject.as_str()];
    let pid = world.running()?.pid();
    let tracer = Tracer::attach(pid, &point.threads, &arguments, &files.path().join("strace.log"))?;
    let mut outcome = Outcome::Succeeded;
    match &step.kind {
        Kind::Act(action) => match world.act(action)? {
            Answer::Acknowledged => {}
            Answer::Refused(answer) => {
                if let Err(cause) = is_protocol_error(&answer) {
                    wrong.push(format!("not a protocol error: {cause:#}"));
                }
                outcome = Outcome::Refused(answer.status);
            }
            Answer::Broken(cause) => {
                // Only what hit something else than the store may end like this.
                outcome = Outcome::Refused(0);
                wrong.push(format!("no answer: {cause}"));
            }
        },
        _ => world.step(step, None)?,
    }
    let log = tracer.detach()?;
    let injected = tracer::injected(&log);
    let path = store.to_string_lossy();
    if injected.is_empty() || injected.iter().any(|line| !line.contains(&*path)) {
        wrong.clear();
        return Ok(Outcome::Missed);
    }
    let call = injected[0].to_owned();
    let mut note = |world: &mut World, when: &str| -> Result<()> {
        let found = world.verify().with_context(|| format!("{when}; failed call: {call}"))?;
        wrong.extend(found.into_iter().map(|it| format!("{when}: {it}; failed call: {call}")));
        Ok(())
    };
    // The disk is well again. No restart.
    note(&mut world, "after the error")?;
    if let Kind::Act(action) = &step.kind {
        world.act_again(action).with_context(|| format!("after the error; failed call: {call}"))?;
        note(&mut world, "after doing it again")?;
    }
    world.kill()?;
    world.start(None).context("start after the error and a kill")?;
    note(&mut world, "after the restart")?;
    world.stop()?;
    wrong.extend(world.check()?);
    wrong.extend(world.leftovers()?);
    Ok(outcome)
}
