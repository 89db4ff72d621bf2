// SPDX-License-Identifier: Apache-2.0
//! What a test has found: figures, and violations with everything that is needed to look into them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::Subject;

/// Lines printed of each violation.
const SHOWN: usize = 8;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Where the fault was put.
    pub point: String,
    /// What contradicts the promise.
    pub what: Vec<String>,
    /// The store, kept for inspection.
    pub store: Option<PathBuf>,
}

/// Result of one test.
#[derive(Debug)]
pub struct Report {
    /// The test.
    pub name: &'static str,
    /// Seed of contents and samples.
    pub seed: u64,
    /// Figures.
    pub figures: BTreeMap<String, Value>,
    /// Must be empty.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Nothing found yet.
    pub fn new(name: &'static str, seed: u64) -> Self {
        Self { name, seed, figures: BTreeMap::new(), violations: Vec::new() }
    }

    /// Notes a figure.
    pub fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// Notes a violation and says so at once.
    pub fn violation(&mut self, violation: Violation) {
        eprintln!("VIOLATION of {} (seed {}) at {}", self.name, self.seed, violation.point);
        // One cause contradicts many names; the file written with --out has all of them.
        violation.what.iter().take(SHOWN).for_each(|line| eprintln!("    {line}"));
        if violation.what.len() > SHOWN {
            eprintln!("    and {} more", violation.what.len() - SHOWN);
        }
        if let Some(store) = &violation.store {
            eprintln!("    store kept in {}", store.display());
        }
        self.violations.push(violation);
    }

    /// One line.
    pub fn summary(&self) -> String {
        let figures: Vec<String> =
            self.figures.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let (name, violations) = (self.name, self.violations.len());
        format!("{name}: {violations} violations; seed {}; {}", self.seed, figures.join(", "))
    }

    /// Fails when there is a violation.
    pub fn verdict(self) -> Result<Self> {
        println!("{}", self.summary());
        ensure!(self.violations.is_empty(), "{}", self.summary());
        Ok(self)
    }

    /// Writes `<name>.json` into a folder.
    pub fn write(&self, directory: &Path) -> Result<()> {
        std::fs::create_dir_all(directory)?;
        let violations: Vec<Value> =
            self.violations.iter().map(|it| json!({"point": it.point, "what": it.what})).collect();
        let value = json!({
            "test": self.name,
            "seed": self.seed,
            "commit": commit(),
            "subject": match Subject::under_test() {
                Subject::Berth => "berth",
                Subject::Peer => "docker-registry",
            },
            "figures": self.figures,
            "violations": violations,
        });
        let path = directory.join(format!("{}.json", self.name));
        std::fs::write(&path, format!("{value:#}\n"))
            .with_context(|| format!("write {}", path.display()))
    }
}

/// The commit of this checkout, marked when it has been changed since.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".into() };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} and changes"),
    }
}
