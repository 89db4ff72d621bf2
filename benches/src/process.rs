// SPDX-License-Identifier: Apache-2.0
//! What a process and its descendants use, read from `/proc`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Memory of a process tree in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident set (`VmRSS`).
    pub rss: u64,
    /// Its anonymous part (`RssAnon`).
    pub anonymous: u64,
    /// Proportional set (`Pss`): shared pages divided by their users.
    pub pss: u64,
}

/// The process and all its descendants.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(text.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok()));
        }
    }
    all
}

/// User and system time in seconds of a process tree, all threads and reaped children included.
pub fn cpu_seconds(pid: u32) -> f64 {
    let ticks: u64 = tree(pid)
        .iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .filter_map(|text| cpu_ticks(&text))
        .sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// utime + stime + cutime + cstime of a line of `/proc/<pid>/stat` (proc(5), fields 14 to 17).
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The command name is in parentheses and may hold anything, so fields count from its end.
    let after = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum()
}

/// Memory of a process tree now.
pub fn memory(pid: u32) -> Memory {
    let mut total = Memory::default();
    for pid in tree(pid) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        total.rss += field(&status, "VmRSS:");
        total.anonymous += field(&status, "RssAnon:");
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        total.pss += field(&rollup, "Pss:");
    }
    total
}

fn rss(pid: u32) -> u64 {
    let of = |pid| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    tree(pid).into_iter().map(|pid| field(&of(pid), "VmRSS:")).sum()
}

fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Watches the resident set of a process tree while something runs.
#[derive(Debug)]
pub struct PeakWatch {
    pid: u32,
    over: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl PeakWatch {
    /// Begins: the kernel's own high-water mark is reset where it allows that.
    pub fn start(pid: u32) -> Self {
        // 5 resets VmHWM (proc(5), clear_refs).
        let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        let over = Arc::new(AtomicBool::new(false));
        let peak = Arc::new(AtomicU64::new(0));
        let (stop, high) = (Arc::clone(&over), Arc::clone(&peak));
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                high.fetch_max(rss(pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { pid, over, peak, thread: Some(thread) }
    }

    /// The highest resident set seen, in KiB: sampled for the tree, exact for the main process.
    pub fn finish(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        self.peak.load(Ordering::Relaxed).max(rss(self.pid)).max(field(&status, "VmHWM:"))
    }
}

impl Drop for PeakWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_any_command_name() {
        let line = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1";
        assert_eq!(cpu_ticks(line), Some(127));
        assert_eq!(cpu_ticks("7 (x"), None);
    }

    #[test]
    fn fields_of_status() {
        let text = "Name:\tx\nVmRSS:\t   1234 kB\nRssAnon:\t 17 kB\n";
        assert_eq!(field(text, "VmRSS:"), 1234);
        assert_eq!(field(text, "RssAnon:"), 17);
        assert_eq!(field(text, "Pss:"), 0);
    }

    #[test]
    fn this_process_uses_memory() {
        let memory = memory(std::process::id());
        assert!(memory.rss > 0 && memory.anonymous > 0 && memory.anonymous <= memory.rss);
    }
}
