// SPDX-License-Identifier: Apache-2.0
//! Things that are too large, too deep or too many (T-13): 4xx, at once, in little memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use system_tests::is_berth;
use testkit::fixture::{self, media};
use testkit::{Response, Server, lock};

use super::{MEMORY_SIZES, Memory, must_recover};

/// T-13's 100 ms, plus what sending megabytes over loopback on two shared cores may take.
const AT_ONCE: Duration = Duration::from_millis(100);
const TRANSFER: Duration = Duration::from_millis(400);

fn put(server: &Server, media_type: &str, body: &[u8]) -> Result<(Response, Duration)> {
    let mut client = server.client()?;
    client.get("/v2/", &[])?.expect(200)?;
    let start = Instant::now();
    let target = "/v2/sizes/app/manifests/bomb";
    let answer = client.send("PUT", target, &[("content-type", media_type)], body)?;
    Ok((answer, start.elapsed()))
}

/// Puts `body`; it must be refused as T-13 asks, with one of `statuses`.
fn must_be_refused(what: &str, body: &[u8], statuses: &[u16]) -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let memory = Memory::watch(&server)?;
    for media_type in [media::MANIFEST, media::INDEX, media::DOCKER_MANIFEST, media::DOCKER_LIST] {
        let (answer, took) = put(&server, media_type, body)?;
        println!("{what} as {media_type}: {} in {took:?}", answer.status);
        ensure!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        ensure!(took <= AT_ONCE + TRANSFER, "{what}: took {took:?}");
        ensure!(answer.code().is_some(), "no error code in {}", answer.text());
    }
    memory.must_have_grown_by_at_most(MEMORY_SIZES)?;
    must_recover(&server)
}

#[test]
fn a_manifest_of_five_mebibytes() -> Result<()> {
    // The limit is 4 MiB (registry.md 1.7). White space makes it large and still a manifest.
    let mut body = br#"{"schemaVersion":2,"layers":[]"#.to_vec();
    body.resize(5 << 20, b' ');
    body.push(b'}');
    must_be_refused("5 MiB", &body, if is_berth() { &[413] } else { &[400] })
}

#[test]
fn json_that_is_a_hundred_thousand_deep() -> Result<()> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"schemaVersion":2,"annotations":{deep},"layers":[]}}"#);
    must_be_refused("depth 100,000", body.as_bytes(), &[400])?;
    must_be_refused("depth 100,000, not closed", "{\"a\":".repeat(100_000).as_bytes(), &[400])
}

#[test]
fn a_million_descriptors() -> Result<()> {
    // As many as fit: `{}` is the shortest that a parser must make an object of.
    let list = vec!["{}"; 1_000_000].join(",");
    let body = format!(r#"{{"schemaVersion":2,"layers":[{list}],"manifests":[{list}]}}"#);
    must_be_refused("a million descriptors", body.as_bytes(), &[400, 413])
}

#[test]
fn as_many_descriptors_as_four_mebibytes_hold() -> Result<()> {
    let entry = json!({
        "mediaType": media::MANIFEST, "size": 1, "digest": testkit::digest::sha256(b"none"),
    });
    let entry = entry.to_string();
    let count = (4 << 20) / (entry.len() + 1) - 10;
    let list = vec![entry.as_str(); count].join(",");
    let body =
        format!(r#"{{"schemaVersion":2,"config":{entry},"layers":[{list}],"manifests":[{list}]}}"#);
    must_be_refused("descriptors beyond 4 MiB", body.as_bytes(), &[400, 413])
}

#[test]
fn numbers_beyond_every_integer() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let memory = Memory::watch(&server)?;
    let mut client = server.client()?;
    client.push_blob("sizes/app", b"x")?;
    for number in ["9223372036854775808", "18446744073709551616", "-1", "1e400", "0x10", "%00"] {
        for path in ["/v2/_catalog", "/v2/sizes/app/tags/list"] {
            let start = Instant::now();
            let answer = client.get(&format!("{path}?n={number}"), &[])?;
            let refused =
                answer.status == 400 || (!is_berth() && matches!(answer.status, 200 | 404));
            ensure!(refused, "{path}?n={number}: {}", answer.status);
            ensure!(start.elapsed() <= AT_ONCE, "{path}?n={number}: {:?}", start.elapsed());
        }
    }
    memory.must_have_grown_by_at_most(MEMORY_SIZES)
}

#[test]
fn a_million_ranges() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let digest = server.client()?.push_blob("sizes/app", &fixture::noise(8, 1 << 20))?;
    let memory = Memory::watch(&server)?;
    let target = format!("/v2/sizes/app/blobs/{digest}");
    for count in [100, 1000, 100_000, 1_000_000] {
        let mut client = server.client()?;
        let ranges = vec!["0-0"; count].join(",");
        let start = Instant::now();
        // RFC 9110, 14.2: a server may ignore or refuse many ranges. Never a large answer.
        match client.get(&target, &[("range", &format!("bytes={ranges}"))]) {
            Ok(answer) => {
                let fine = matches!(answer.status, 200 | 206 | 400 | 416 | 431);
                ensure!(fine, "{count} ranges: {}", answer.status);
                ensure!(answer.body.len() <= 2 << 20, "{count} ranges: {}", answer.body.len());
            }
            Err(cause) => ensure!(count >= 100_000, "{count} ranges: {cause:#}"),
        }
        ensure!(start.elapsed() <= AT_ONCE + TRANSFER, "{count} ranges: {:?}", start.elapsed());
    }
    memory.must_have_grown_by_at_most(MEMORY_SIZES)?;
    must_recover(&server)
}

#[test]
fn lengths_that_lie() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let memory = Memory::watch(&server)?;
    for length in ["9223372036854775807", "18446744073709551616", "-1", "1, 2", "+1", "0x1"] {
        let request = format!(
            "PUT /v2/sizes/app/manifests/latest HTTP/1.1\r\nhost: r\r\ncontent-length: {length}\r\n\
             content-type: {}\r\nconnection: close\r\n\r\n{{}}",
            media::MANIFEST
        );
        let answer = super::exchange(&server, request.as_bytes())
            .with_context(|| format!("length {length}"))?;
        ensure!(matches!(answer.status, 400 | 413), "length {length}: {}", answer.status);
    }
    memory.must_have_grown_by_at_most(MEMORY_SIZES)?;
    must_recover(&server)
}
