// SPDX-License-Identifier: Apache-2.0
//! HTTP/1.1 and HTTP/2 over TLS, TLS 1.2 and 1.3: the same bytes each way.

use anyhow::{Context, Result, ensure};
use system_tests::{Access, Stage};
use testkit::Tool;

use super::{Content, client};

#[test]
fn every_http_and_tls_version_serves_the_same_bytes() -> Result<()> {
    let stage = Stage::new(Access::Guarded)?;
    let blob = testkit::fixture::noise(3, 700_000);
    let digest = stage.server.client()?.push_blob("protocols/app", &blob)?;
    let authority = stage.authority.as_ref().context("guarded")?;
    let account = stage.credentials.as_ref().context("guarded")?;
    let curl = Tool::new("curl")?
        .with(["--silent", "--show-error", "--fail", "--cacert"])
        .with([&authority.authority_file])
        .with(["--user", &format!("{}:{}", account.user, account.password)]);
    let url = format!("https://{}/v2/protocols/app/blobs/{digest}", stage.host());
    for (http, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for tls in ["1.2", "1.3"] {
            let file = stage.path().join("got").display().to_string();
            let minimum = format!("--tlsv{tls}");
            let output = curl.run([
                http,
                &minimum,
                "--tls-max",
                tls,
                "--output",
                &file,
                "--write-out",
                "%{http_version}",
                &url,
            ])?;
            ensure!(output.text() == version, "asked for {http}, got {}", output.text());
            ensure!(std::fs::read(&file)? == blob, "{http} over TLS {tls}: other bytes");
        }
    }
    let old = curl.attempt(["--tls-max", "1.1", "--tlsv1.1", &url])?;
    ensure!(!old.success, "TLS 1.1 was accepted");
    Ok(())
}

/// Go's clients speak HTTP/2 where the server offers it, HTTP/1.1 when told to, and log the former
/// when asked to; logs of registries differ.
const SETTINGS: [(&str, bool); 2] = [("http2debug=1", true), ("http2client=0,http2debug=1", false)];

#[test]
fn regctl_moves_images_over_either_version_of_http() -> Result<()> {
    for (setting, is_http2) in SETTINGS {
        let stage = Stage::with(Access::Guarded, super::lenient)?;
        let content = Content::create(stage.path())?;
        let regctl = super::regctl::regctl(&stage)?.env("GODEBUG", setting);
        let source = format!("ocidir://{}", content.source("multi"));
        let name = format!("{}/protocols/regctl:multi", stage.host());
        let copy = stage.path().join("copy").display().to_string();
        for output in [
            regctl.run(["image", "copy", &source, &name])?,
            regctl.run(["image", "copy", &name, &format!("ocidir://{copy}:multi")])?,
        ] {
            let logged = output.stderr.contains("http2: Transport");
            ensure!(logged == is_http2, "{setting}: HTTP/2 is {logged}:\n{}", output.stderr);
        }
        super::must_serve(&stage, "protocols/regctl", &content.multi)?;
    }
    Ok(())
}

#[test]
fn crane_moves_images_over_either_version_of_http() -> Result<()> {
    for (setting, is_http2) in SETTINGS {
        let stage = Stage::with(Access::Guarded, super::lenient)?;
        let content = Content::create(stage.path())?;
        let crane = client(&stage, "crane")?.env("GODEBUG", setting);
        let layout = content.layout.path().display().to_string();
        let name = format!("{}/protocols/all:layout", stage.host());
        let multi = format!("{}/protocols/all@{}", stage.host(), content.multi.digest);
        for output in [
            crane.run(["push", "--index", &layout, &name])?,
            crane.run(["validate", "--remote", &multi])?,
        ] {
            let logged = output.stderr.contains("http2: Transport");
            ensure!(logged == is_http2, "{setting}: HTTP/2 is {logged}:\n{}", output.stderr);
        }
    }
    Ok(())
}
