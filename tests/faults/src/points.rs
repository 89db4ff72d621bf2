// SPDX-License-Identifier: Apache-2.0
//! The points at which a fault can be put: every call on the store that every step makes.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::script::{Kind, Step};
use crate::tracer::{self, CALLS, Threads, Tracer};
use crate::world::{Mode, World, new_store};

/// Threads of the journal; each is the only one of its name.
const JOURNAL: [&str; 3] = ["journal-write", "journal-apply", "journal-cut"];

/// The n-th call of a thread in a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// How the registry runs.
    pub mode: Mode,
    /// Index of the step in the script.
    pub step: usize,
    /// Its name.
    pub name: &'static str,
    /// Whose calls are counted.
    pub threads: Threads,
    /// The call.
    pub call: &'static str,
    /// Which one, from 1.
    pub nth: usize,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = match &self.threads {
            Threads::Any => "any thread",
            Threads::Named(name) => name,
        };
        let Self { mode, name, call, nth, .. } = self;
        write!(f, "{} store, step {:?}, {call} {nth} of {thread}", mode.word(), name)
    }
}

/// `-e` arguments that trace all calls of interest.
pub fn trace_all() -> String {
    format!("trace={}", CALLS.join(","))
}

/// Runs the script once and lists the calls on the store in each step.
pub fn inventory(mode: Mode, script: &[Step]) -> Result<Vec<Point>> {
    let store = new_store()?;
    let logs = tempfile::tempdir()?;
    let mut world = World::new(mode, store.path());
    world.start(None)?;
    let mut points = BTreeSet::new();
    for (index, step) in script.iter().enumerate() {
        let log = observe(&mut world, step, &logs.path().join(format!("{index}.log")))
            .with_context(|| format!("dry run of step {:?}", step.name))?;
        for (threads, call, nth) in calls_on(&log, store.path()) {
            points.insert(Point { mode, step: index, name: step.name, threads, call, nth });
        }
    }
    Ok(points.into_iter().collect())
}

/// A log of calls with the names of the threads that made them.
struct Observed {
    log: String,
    names: Vec<(u32, String)>,
}

fn observe(world: &mut World, step: &Step, file: &Path) -> Result<Observed> {
    let trace = trace_all();
    let arguments = ["-e", trace.as_str()];
    if matches!(step.kind, Kind::Start | Kind::CrashStart) {
        world.step(step, Some(&["-y", "-s", "64", arguments[0], arguments[1]]))?;
        let log = world.running()?.trace();
        // A process has one tracer only, and the next step brings its own.
        world.kill()?;
        world.start(None)?;
        return Ok(Observed { log, names: Vec::new() });
    }
    let pid = world.running()?.pid();
    let tracer = Tracer::attach(pid, &Threads::Any, &arguments, file)?;
    let names = names(pid)?;
    world.step(step, None)?;
    Ok(Observed { log: tracer.detach()?, names })
}

/// Threads of a process by name.
pub fn names(pid: u32) -> Result<Vec<(u32, String)>> {
    Ok(tracer::tasks(pid)?.into_iter().map(|task| (task, tracer::thread_name(pid, task))).collect())
}

/// How a thread is told apart.
pub fn class(names: &[(u32, String)], task: u32) -> Threads {
    names
        .iter()
        .find(|(id, name)| *id == task && JOURNAL.contains(&name.as_str()))
        .map_or(Threads::Any, |(_, name)| Threads::Named(name.clone()))
}

/// The calls on the store, each numbered among the calls of the same kind of its thread.
fn calls_on(observed: &Observed, store: &Path) -> BTreeSet<(Threads, &'static str, usize)> {
    let store = store.to_string_lossy();
    let mut counts = std::collections::BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in observed.log.lines() {
        let Some((task, rest)) = line.split_once(' ') else { continue };
        let (Ok(task), Some((name, _))) = (task.parse::<u32>(), rest.trim_start().split_once('('))
        else {
            continue;
        };
        let Some(call) = CALLS.iter().find(|call| **call == name) else { continue };
        let nth: &mut usize = counts.entry((task, *call)).or_default();
        *nth += 1;
        // What touches only sockets, the log or libraries is no point.
        if line.contains(&*store) {
            found.insert((class(&observed.names, task), *call, *nth));
        }
    }
    found
}
