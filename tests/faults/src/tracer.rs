// SPDX-License-Identifier: Apache-2.0
//! strace attached to a running registry: to count its calls, to kill it in one, to fail one.
//!
//! strace counts calls for each thread by itself (`when=` of strace(1)), so a point names a thread:
//! one of the journal's, which have names, or whichever thread first makes so many calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use testkit::{process, tool};

/// The calls that change a store or make it durable.
pub const CALLS: &[&str] = &[
    "openat",
    "openat2",
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
];

/// Which threads are traced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threads {
    /// All of them; the first that gets there counts.
    Any,
    /// The one with this name.
    Named(String),
}

/// A running strace.
pub struct Tracer {
    child: Child,
    log: PathBuf,
}

impl Tracer {
    /// Attaches to a registry and returns when it is traced. Every call is followed by what it was
    /// called with in `log`; `arguments` say which calls, and what happens to them.
    pub fn attach(pid: u32, threads: &Threads, arguments: &[&str], log: &Path) -> Result<Self> {
        let mut command = Command::new(tool::find("strace").context("strace is not installed")?);
        let traced = match threads {
            Threads::Any => {
                command.arg("-f");
                pid
            }
            Threads::Named(name) => thread(pid, name)?,
        };
        command.args(["-qq", "-y", "-s", "64", "-o"]).arg(log).args(arguments);
        command.args(["-p", &traced.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().context("start strace")?;
        let tasks = match threads {
            Threads::Any => tasks(pid)?,
            Threads::Named(_) => vec![traced],
        };
        process::wait_until("strace attaches", Duration::from_secs(5), || {
            if let Some(status) = child.try_wait()? {
                bail!("strace ended with {status} instead of attaching");
            }
            let tracer = child.id();
            Ok(tasks.iter().all(|task| is_traced(pid, *task, tracer)))
        })?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Lets go of the registry and returns the log.
    pub fn detach(mut self) -> Result<String> {
        self.end()?;
        Ok(std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // SIGINT makes strace detach; it may have ended with its tracee meanwhile.
            let _ = kill_process(pid, Signal::INT);
        }
        let child = &mut self.child;
        process::wait_until("strace ends", Duration::from_secs(5), || {
            Ok(child.try_wait()?.is_some())
        })?;
        Ok(())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if self.end().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Threads of a process.
pub fn tasks(pid: u32) -> Result<Vec<u32>> {
    std::fs::read_dir(format!("/proc/{pid}/task"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().parse()?))
        .collect()
}

/// Name of a thread; empty if it is gone.
pub fn thread_name(pid: u32, task: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/task/{task}/comm"));
    name.unwrap_or_default().trim_end().to_owned()
}

/// A thread by its name, which it gives itself a moment after it was started.
fn thread(pid: u32, name: &str) -> Result<u32> {
    let started = Instant::now();
    loop {
        let mut found = tasks(pid)?.into_iter().filter(|task| thread_name(pid, *task) == name);
        if let Some(task) = found.next() {
            return Ok(task);
        }
        anyhow::ensure!(started.elapsed() < NAMED_WITHIN, "no thread is named {name}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A thread that has no name by then has none.
const NAMED_WITHIN: Duration = Duration::from_secs(2);

fn is_traced(pid: u32, task: u32, tracer: u32) -> bool {
    // A thread that has ended meanwhile is not waited for.
    std::fs::read_to_string(format!("/proc/{pid}/task/{task}/status"))
        .map_or(true, |text| text.contains(&format!("TracerPid:\t{tracer}\n")))
}

/// Number of calls of each thread in a log written with `-f`: (thread, call) to count.
pub fn count(log: &str) -> BTreeMap<(u32, &'static str), usize> {
    let mut counts = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let (Ok(thread), Some((name, _))) = (thread.parse(), rest.trim_start().split_once('('))
        else {
            continue;
        };
        if let Some(call) = CALLS.iter().find(|call| **call == name) {
            *counts.entry((thread, *call)).or_default() += 1;
        }
    }
    counts
}

/// The injected calls of a log, one line each.
pub fn injected(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.ends_with("(INJECTED)")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_for_each_thread_when_they_begin() {
        let log = "7 openat(AT_FDCWD</>, \"a\", O_RDONLY) = 3\n\
                   8  fsync(3</a> <unfinished ...>\n\
                   7 openat(AT_FDCWD</>, \"b\", O_RDONLY) = -1 EIO (Input/output error) (INJECTED)\n\
                   8  <... fsync resumed>) = 0\n7 getpid() = 7\n";
        let counts = count(log);
        assert_eq!(counts.get(&(7, "openat")), Some(&2));
        assert_eq!(counts.get(&(8, "fsync")), Some(&1));
        assert_eq!(counts.len(), 2);
        assert_eq!(injected(log).len(), 1);
    }
}
