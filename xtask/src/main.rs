// SPDX-License-Identifier: Apache-2.0
//! Chores of the workspace: `cargo xtask <chore>`.
//!
//! Each chore is a script of `scripts/` or a command line that is too long to remember. What a chore
//! prints goes straight to the console and its exit code is the chore's.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

mod kinds;

const HELP: &str = "\
cargo xtask <chore>

  setup            install the programs that the tests call (as root, idempotent)
  test [STEP...]   run all tests as continuous integration does, or only the named steps
                   (tools, format, lint, deny, build, unit, system, faults, fuzz, bench)
  generate kinds DIR
                   write the table of the built-in kinds from the Go modules in DIR
                   (xtask/src/kinds/mod.rs says which)
  deny             check licences, banned crates and sources; installs cargo-deny
  full deny        the same and security advisories, whose database is fetched from GitHub
  full system      the system tests with the larger counts (5,000 slow connections)
  full faults      every kill point, error, crash image, full disk and flipped bit (hours);
                   the outcome goes to docs/evidence
  full fuzz        every fuzz target for ten minutes
  full bench       the benchmark; tables go to docs/evidence/bench
  full peer        the system tests against Debian's docker-registry, to see what a peer does;
                   failures are expected and do not fail the chore
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["setup"] => script("install-test-tools", &[]),
        ["test", steps @ ..] => script("test", steps),
        ["generate", "kinds", source] => {
            kinds::generate(Path::new(source), &root().join("crates/api/src/generated/kinds.tsv"))
        }
        ["deny"] => deny(),
        ["full", "deny"] => deny().and_then(|()| advisories()),
        ["full", "system"] => system_tests(&[("BERTH_TEST_FULL", "1")]),
        ["full", "faults"] => faults(),
        ["full", "fuzz"] => fuzz(),
        ["full", "bench"] => package("benches", &["run", "--out", "docs/evidence/bench"]),
        ["full", "peer"] => {
            if let Err(cause) = system_tests(&[("BERTH_TEST_SUBJECT", "docker-registry")]) {
                eprintln!("as expected of a peer: {cause:#}");
            }
            Ok(())
        }
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("unknown chore: {}\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("xtask: {cause:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder that holds the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

fn script(name: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(root().join("scripts").join(name));
    command.args(arguments);
    run(command)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds the program that is tested, then runs a tool of the workspace on it.
fn package(name: &str, arguments: &[&str]) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "--package", "berth"]);
    run(build)?;
    let mut tool = cargo();
    tool.args(["run", "--locked", "--release", "--package", name, "--"]).args(arguments);
    run(tool)
}

fn faults() -> Result<()> {
    package("fault-tests", &["all", "--full", "--out", "docs/evidence"])
}

fn fuzz() -> Result<()> {
    let mut command = Command::new(root().join("fuzz/run"));
    command.args(["--seconds", "600"]);
    run(command)
}

/// The trees that `deny.toml` is about. The fuzz targets are a workspace of their own.
const TREES: [&str; 2] = ["Cargo.toml", "fuzz/Cargo.toml"];

fn deny() -> Result<()> {
    let wanted = format!("cargo-deny {}", pinned("CARGO_DENY_VERSION")?);
    let present = cargo().args(["deny", "--version"]).output();
    if !present.is_ok_and(|output| output.stdout.trim_ascii() == wanted.as_bytes()) {
        let (name, version) = wanted.split_once(' ').unwrap_or_default();
        let mut install = cargo();
        install.args(["install", "--locked", "--force", name, "--version", version]);
        run(install)?;
    }
    check_trees(&[], &["bans", "licenses", "sources"])
}

/// The database of advisories is fetched anew; where that is not possible, a copy from an earlier
/// time will do, as long as the reader is told.
fn advisories() -> Result<()> {
    let mut fetch = cargo();
    fetch.args(["deny", "fetch", "db"]);
    if run(fetch).is_ok() {
        return check_trees(&[], &["advisories"]);
    }
    eprintln!(
        "xtask: no new advisories could be fetched; checking against the copy at hand, if any"
    );
    for tree in TREES {
        // cargo-deny's `--offline` is also cargo's, which then wants all crates to be there.
        let mut crates = cargo();
        crates.args(["fetch", "--locked", "--manifest-path", tree]);
        run(crates)?;
    }
    check_trees(&["--offline"], &["advisories"])
}

fn check_trees(options: &[&str], checks: &[&str]) -> Result<()> {
    for tree in TREES {
        println!("{tree}: {}", checks.join(", "));
        let mut check = cargo();
        check.args(["deny", "--manifest-path", tree, "--workspace", "--config", "deny.toml"]);
        check.args(options).args(["check", "--hide-inclusion-graph"]).args(checks);
        run(check)?;
    }
    Ok(())
}

fn system_tests(environment: &[(&str, &str)]) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "berth"]);
    run(build)?;
    let mut test = cargo();
    test.args(["test", "--no-fail-fast", "--package", "system-tests", "--features", "system"])
        .envs(environment.iter().copied());
    run(test)
}

/// Value of a name in `scripts/versions.env`, the one place of pinned versions.
fn pinned(name: &str) -> Result<String> {
    let path = root().join("scripts/versions.env");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    Ok(line.with_context(|| format!("{name} is not in {}", path.display()))?.to_owned())
}

fn run(mut command: Command) -> Result<()> {
    command.current_dir(root());
    let status = command.status().with_context(|| format!("start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
