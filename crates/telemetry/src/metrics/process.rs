// SPDX-License-Identifier: Apache-2.0
//! The `process_*` families, read from `/proc` at each scrape.
//!
//! Names and help are those of the Go client. What cannot be read is left out of the page.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::{Collect, Desc, Family, Kind, Reading, Series};

const CPU: Desc =
    Desc::new("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
const MAX_FDS: Desc = Desc::new("process_max_fds", "Maximum number of open file descriptors.");
const OPEN_FDS: Desc = Desc::new("process_open_fds", "Number of open file descriptors.");
const RESIDENT: Desc = Desc::new("process_resident_memory_bytes", "Resident memory size in bytes.");
const START: Desc = Desc::new(
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
);
const VIRTUAL: Desc = Desc::new("process_virtual_memory_bytes", "Virtual memory size in bytes.");
const MAX_VIRTUAL: Desc = Desc::new(
    "process_virtual_memory_max_bytes",
    "Maximum amount of virtual memory available in bytes.",
);

/// Collects the `process_*` families of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessCollector;

impl ProcessCollector {
    /// The families it yields.
    pub const DESCS: [Desc; 7] = [CPU, MAX_FDS, OPEN_FDS, RESIDENT, START, VIRTUAL, MAX_VIRTUAL];
}

impl Collect for ProcessCollector {
    fn collect(&self, out: &mut Vec<Family>) {
        let mut number = |desc, kind, value: Option<f64>| {
            let series =
                value.map(|value| Series { labels: Vec::new(), reading: Reading::Number(value) });
            out.push(Family { desc, kind, series: series.into_iter().collect() });
        };
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.as_deref().and_then(Stat::parse);
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page = rustix::param::page_size() as f64;
        number(CPU, Kind::Counter, stat.map(|stat| stat.cpu_ticks as f64 / ticks));
        number(RESIDENT, Kind::Gauge, stat.map(|stat| stat.resident_pages as f64 * page));
        number(VIRTUAL, Kind::Gauge, stat.map(|stat| stat.virtual_bytes as f64));
        let start =
            stat.zip(boot_time()).map(|(stat, boot)| boot + stat.start_ticks as f64 / ticks);
        number(START, Kind::Gauge, start);
        number(OPEN_FDS, Kind::Gauge, open_fds());
        number(MAX_FDS, Kind::Gauge, Some(limit(Resource::Nofile)));
        number(MAX_VIRTUAL, Kind::Gauge, Some(limit(Resource::As)));
    }
}

/// A soft limit; -1 when there is none, as recorded from the registry we replace.
fn limit(resource: Resource) -> f64 {
    getrlimit(resource).current.map_or(-1.0, |limit| limit as f64)
}

fn open_fds() -> Option<f64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?;
    // The directory that is being read is one of them.
    Some(entries.count().saturating_sub(1) as f64)
}

/// When the machine was started, in seconds since the epoch.
fn boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// What is of interest in `/proc/self/stat` (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the file name in parentheses and may contain anything.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Fields are numbered from 1 in the manual, and the third is the first here.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: number(14)?.checked_add(number(15)?)?,
            start_ticks: number(22)?,
            virtual_bytes: number(23)?,
            resident_pages: number(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_an_awkward_name() {
        let text = "42 (a) b (c) S 1 42 42 0 -1 4194560 1000 0 0 0 150 50 0 0 20 0 9 0 123456 \
                    766554112 11539 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0";
        let want = Stat {
            cpu_ticks: 200,
            start_ticks: 123_456,
            virtual_bytes: 766_554_112,
            resident_pages: 11_539,
        };
        assert_eq!(Stat::parse(text), Some(want));
        assert_eq!(Stat::parse("42 (a S 1"), None);
        assert_eq!(Stat::parse("42 (a) S 1"), None);
    }

    #[test]
    fn this_process() {
        let mut families = Vec::new();
        ProcessCollector.collect(&mut families);
        let value = |name| {
            let family = families.iter().find(|family| family.desc.name == name);
            match family.and_then(|family| family.series.first()).map(|series| &series.reading) {
                Some(Reading::Number(number)) => *number,
                other => panic!("{name}: {other:?}"),
            }
        };
        assert_eq!(families.len(), ProcessCollector::DESCS.len());
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let age = now.expect("after 1970").as_secs_f64() - value("process_start_time_seconds");
        assert!((-5.0..86_400.0).contains(&age), "{age}");
    }
}
