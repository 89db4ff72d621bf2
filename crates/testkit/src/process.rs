// SPDX-License-Identifier: Apache-2.0
//! Facts about a running process, read from `/proc`, and waiting for conditions with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Resident memory of `pid` in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    status_kib(pid, "VmRSS:")
}

/// The largest resident memory that `pid` has had since it started or since [`reset_peak`].
pub fn peak_resident(pid: u32) -> Result<u64> {
    status_kib(pid, "VmHWM:")
}

/// Makes [`peak_resident`] start again from the present value (`proc(5)`, `clear_refs`).
pub fn reset_peak(pid: u32) -> Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")
        .with_context(|| format!("reset the peak memory of process {pid}"))
}

/// Whether `pid` runs, or how it ended if nobody has waited for it yet (`proc(5)`, `stat`).
pub fn fate(pid: u32) -> String {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return "gone".to_owned();
    };
    // The name may hold spaces and brackets; the fields after it do not. State is field 3, the wait
    // status field 52.
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    match (fields.first(), fields.get(49)) {
        (Some(&"Z"), Some(status)) => format!("ended with wait status {status}"),
        (Some(state), _) => format!("running (state {state})"),
        _ => "unknown".to_owned(),
    }
}

/// Number of open file descriptors of `pid`.
pub fn descriptors(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Lets this process and its children open as many files as the machine allows; tests hold thousands
/// of connections, and the usual soft limit is 1024.
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // A refusal shows soon enough, in the test that needs more.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn status_kib(pid: u32, key: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("read the status of process {pid}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Calls `condition` until it answers true; fails with `what` when `limit` has passed.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if condition()? {
            return Ok(start.elapsed());
        }
        if start.elapsed() > limit {
            bail!("not within {limit:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
