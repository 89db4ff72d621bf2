// SPDX-License-Identifier: Apache-2.0
//! The OCI distribution conformance suite, every feature on, must pass whole.
//!
//! The suite is a program of its own (`scripts/versions.env` pins it); it is configured through its
//! environment and leaves a JUnit report, whose totals are compared here.

use anyhow::{Context, Result, ensure};
use system_tests::{Access, Stage};
use testkit::Tool;

const API: [&str; 16] = [
    "PING",
    "PULL",
    "PUSH",
    "BLOBS_ATOMIC",
    "BLOBS_DELETE",
    "BLOBS_DIGEST_HEADER",
    "BLOBS_MOUNT_ANONYMOUS",
    "BLOBS_UPLOAD_CANCEL",
    "MANIFESTS_ATOMIC",
    "MANIFESTS_DELETE",
    "MANIFESTS_DIGEST_HEADER",
    "MANIFESTS_TAG_PARAM",
    "TAGS_ATOMIC",
    "TAGS_DELETE",
    "TAGS_LIST",
    "REFERRER",
];

/// All kinds of data but `SPARSE`, which depends on the registry's configuration.
const DATA: [&str; 14] = [
    "IMAGE",
    "INDEX",
    "INDEX_LIST",
    "ARTIFACT",
    "SUBJECT",
    "SUBJECT_MISSING",
    "ARTIFACT_LIST",
    "SUBJECT_LIST",
    "DATA_FIELD",
    "NONDISTRIBUTABLE",
    "CUSTOM_FIELDS",
    "NO_LAYERS",
    "EMPTY_BLOB",
    "SHA512",
];

/// Fewest checks that must have passed, so that a suite that silently does less is noticed.
const LEAST_PASSED: u32 = 980;

/// Totals of a JUnit report.
#[derive(Debug)]
struct Totals {
    tests: u32,
    failures: u32,
    errors: u32,
    skipped: u32,
    disabled: u32,
}

impl Totals {
    fn passed(&self) -> u32 {
        self.tests - self.failures - self.errors - self.skipped - self.disabled
    }
}

fn run(stage: &Stage, version: &str, sparse: bool) -> Result<(Totals, String)> {
    let results = stage.path().join(format!("results-{version}"));
    let mut suite = Tool::new("conformance")?
        .directory(stage.path())
        .env("OCI_REGISTRY", stage.host())
        .env("OCI_VERSION", version)
        .env("OCI_RESULTS_DIR", &results)
        .env("OCI_REPO1", "conformance/first")
        .env("OCI_REPO2", "conformance/second")
        .env("OCI_TLS", if stage.is_open() { "disabled" } else { "enabled" })
        .env("OCI_DATA_SPARSE", sparse.to_string());
    for name in API {
        suite = suite.env(format!("OCI_API_{name}"), "true");
    }
    for name in DATA {
        suite = suite.env(format!("OCI_DATA_{name}"), "true");
    }
    if let (Some(authority), Some(account)) = (&stage.authority, &stage.credentials) {
        suite = suite
            .env("SSL_CERT_FILE", &authority.authority_file)
            .env("OCI_USERNAME", &account.user)
            .env("OCI_PASSWORD", &account.password);
    }
    let output = suite.attempt::<&str>([])?;
    let report = std::fs::read_to_string(results.join("junit.xml"))
        .with_context(|| format!("no report; the suite said: {}", output.stderr))?;
    let totals = totals(&report)?;
    println!(
        "conformance {version}, {:?}, sparse {sparse}: {} passed, {} failed, {} skipped, {} off",
        stage.access,
        totals.passed(),
        totals.failures + totals.errors,
        totals.skipped,
        totals.disabled
    );
    let names: Vec<&str> = cases(&report, "failure").chain(cases(&report, "error")).collect();
    Ok((totals, names.join("\n")))
}

/// Attributes of the report's one suite.
fn totals(report: &str) -> Result<Totals> {
    let start = report.find("<testsuite ").context("no suite in the report")?;
    let tag = report[start..].split_once('>').context("a suite without an end")?.0;
    let number = |name: &str| -> Result<u32> {
        match tag.split_once(&format!(" {name}=\"")) {
            Some((_, rest)) => Ok(rest.split('"').next().unwrap_or_default().parse()?),
            None => Ok(0), // Go's encoder leaves out a zero.
        }
    };
    Ok(Totals {
        tests: number("tests")?,
        failures: number("failures")?,
        errors: number("errors")?,
        skipped: number("skipped")?,
        disabled: number("disabled")?,
    })
}

/// Names of the cases with this status.
fn cases<'a>(report: &'a str, status: &'a str) -> impl Iterator<Item = &'a str> {
    let wanted = format!("status=\"{status}\"");
    report
        .split("<testcase ")
        .skip(1)
        .filter(move |case| case.split('>').next().is_some_and(|tag| tag.contains(&wanted)))
        .filter_map(|case| case.split_once("name=\"")?.1.split('"').next())
}

fn must_pass(stage: &Stage, version: &str, sparse: bool) -> Result<()> {
    let (totals, failed) = run(stage, version, sparse)?;
    ensure!(
        totals.failures + totals.errors == 0,
        "{totals:?}; failed:\n{failed}\n{}",
        stage.server.report(60)
    );
    ensure!(totals.skipped == 0, "checks were skipped: {totals:?}");
    // Checks of a kind of data that is off are left out of the report altogether.
    ensure!(totals.disabled == 0, "checks were off: {totals:?}");
    ensure!(totals.passed() >= LEAST_PASSED, "too few checks: {totals:?}");
    Ok(())
}

#[test]
fn stable_profile_passes_in_clear_text() -> Result<()> {
    let stage = Stage::with(Access::Open, |builder| builder.validation(false))?;
    must_pass(&stage, "stable", true)
}

#[test]
fn dev_profile_passes_in_clear_text() -> Result<()> {
    let stage = Stage::with(Access::Open, |builder| builder.validation(false))?;
    must_pass(&stage, "dev", true)
}

#[test]
fn stable_profile_passes_over_tls_with_htpasswd() -> Result<()> {
    let stage = Stage::with(Access::Guarded, |builder| builder.validation(false))?;
    must_pass(&stage, "stable", true)
}

#[test]
fn dev_profile_passes_over_tls_with_htpasswd() -> Result<()> {
    let stage = Stage::with(Access::Guarded, |builder| builder.validation(false))?;
    must_pass(&stage, "dev", true)
}

#[test]
fn all_but_sparse_passes_where_manifests_are_validated() -> Result<()> {
    let stage = Stage::with(Access::Open, |builder| builder.validation(true))?;
    must_pass(&stage, "dev", false)
}

#[test]
fn sparse_manifests_are_refused_where_manifests_are_validated() -> Result<()> {
    let stage = Stage::with(Access::Open, |builder| builder.validation(true))?;
    let (totals, failed) = run(&stage, "dev", true)?;
    ensure!(totals.failures > 0, "sparse manifests were accepted: {totals:?}");
    let others: Vec<&str> = failed.lines().filter(|name| !name.contains("/sparse/")).collect();
    ensure!(others.is_empty(), "other checks failed: {others:?}");
    Ok(())
}
