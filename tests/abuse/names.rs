// SPDX-License-Identifier: Apache-2.0
//! Names that try to leave the store or to mean something else on disk (T-29).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use testkit::fixture::media;
use testkit::{Server, lock};

use super::{exchange, must_recover};

const EMPTY: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

/// Sends an upload start for `path`, a raw request target that a client library would clean up.
fn start_upload(server: &Server, path: &str) -> Result<u16> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: r\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    Ok(exchange(server, request.as_bytes()).with_context(|| path.to_owned())?.status)
}

#[test]
fn no_name_leaves_the_store() -> Result<()> {
    let _machine = lock::machine();
    let outside = tempfile::tempdir()?;
    let store = outside.path().join("a/b/c/store");
    let server = Server::builder().store(&store).start()?;
    let names = [
        "../../../../../escaped",
        "a/../../../../../../escaped",
        "..%2f..%2f..%2f..%2fescaped",
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/escaped",
        "a/%2e%2e%2f%2e%2e%2fescaped",
        "a/..%252f..%252fescaped",
        "a%00b",
        "a%0a",
        "a/./b",
        "a//b",
        "/etc/escaped",
        "a\\..\\..\\escaped",
        "a%5c..%5cescaped",
        "_uploads",
        "a/_layers/b",
        "a/_manifests",
        "UPPER",
        "a/Upper",
        "caf%c3%a9",
        "%ef%bc%8e%ef%bc%8e/escaped",
        "a%ff",
        "a..b",
        "a___b",
        "-a",
        "a-",
        ".a",
        "a.",
        "a/",
    ];
    for name in names {
        let status = start_upload(&server, &format!("/v2/{name}/blobs/uploads/"))?;
        // 301 and 307 send the client to the cleaned path, which is another request.
        let refused = matches!(status, 301 | 307 | 308 | 400 | 404 | 405);
        ensure!(refused, "{name} was answered with {status}");
    }
    let repositories = store.join("docker/registry/v2/repositories");
    ensure!(!repositories.exists() || !has_files(&repositories)?, "an upload was begun");
    for folder in [outside.path().to_owned(), outside.path().join("a"), outside.path().join("a/b")]
    {
        let count = std::fs::read_dir(&folder)?.count();
        ensure!(count == 1, "{} holds {count} entries", folder.display());
    }
    ensure!(!Path::new("/etc/escaped").exists() && !Path::new("/escaped").exists(), "escaped");
    must_recover(&server)
}

#[test]
fn references_and_upload_ids_are_no_paths() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let mut client = server.client()?;
    client.push_manifest("names/app", "fine", media::INDEX, EMPTY)?;
    let references = [
        "..%2f..%2ffine",
        "%2e%2e",
        "fine%00",
        "fine%2f..%2ffine",
        "sha256:..%2f..%2f",
        "sha256:0000",
        "sha256:zz00000000000000000000000000000000000000000000000000000000000000",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
    ];
    for reference in references {
        let target = format!("/v2/names/app/manifests/{reference}");
        let answer = client.get(&target, &[])?;
        // A redirect sends the client to the cleaned path, which is another request.
        let refused = matches!(answer.status, 301 | 307 | 308 | 400 | 404);
        ensure!(refused, "GET {target}: {}", answer.status);
        let target = format!("/v2/names/app/blobs/uploads/{reference}");
        let answer = client.send("PATCH", &target, &[], b"x")?;
        ensure!(matches!(answer.status, 400 | 404 | 405), "PATCH {target}: {}", answer.status);
        let target = format!("/v2/names/app/blobs/{reference}");
        let answer = client.delete(&target)?;
        ensure!(matches!(answer.status, 400 | 404 | 405), "DELETE {target}: {}", answer.status);
    }
    client.get("/v2/names/app/manifests/fine", &[("accept", media::INDEX)])?.expect(200)?;
    Ok(())
}

#[test]
fn the_name_grammar_is_exactly_the_specifications() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let longest = |total: usize| format!("a/{}", "b".repeat(total - 2));
    let good = ["a", "0", "a/b/c/d/e/f/g", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b-c__d/e"];
    for name in good.into_iter().chain([longest(255).as_str()]) {
        let status = start_upload(&server, &format!("/v2/{name}/blobs/uploads/"))?;
        ensure!(status == 202, "{name}: {status}");
    }
    let status = start_upload(&server, &format!("/v2/{}/blobs/uploads/", longest(256)))?;
    ensure!(matches!(status, 400 | 404), "256 bytes: {status}");
    Ok(())
}

#[test]
fn tags_that_differ_in_case_are_different_tags() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let mut client = server.client()?;
    let other = br#"{"schemaVersion":2,"manifests":[], "annotations":{"case":"upper"}}"#;
    let lower = client.push_manifest("names/app", "tag", media::INDEX, EMPTY)?;
    let upper = client.push_manifest("names/app", "TAG", media::INDEX, other)?;
    for (tag, wanted) in [("tag", &lower), ("TAG", &upper)] {
        let target = format!("/v2/names/app/manifests/{tag}");
        let answer = client.get(&target, &[("accept", media::INDEX)])?.expect(200)?;
        let found = answer.header("docker-content-digest").unwrap_or_default();
        ensure!(found == wanted, "{tag} is {found}");
    }
    let longest = "t".repeat(128);
    client.push_manifest("names/app", &longest, media::INDEX, EMPTY)?;
    let target = format!("/v2/names/app/manifests/{longest}t");
    let answer = client.send("PUT", &target, &[("content-type", media::INDEX)], EMPTY)?;
    ensure!(matches!(answer.status, 400 | 404), "a tag of 129 bytes: {}", answer.status);
    Ok(())
}

fn has_files(folder: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() || has_files(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}
