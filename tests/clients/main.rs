// SPDX-License-Identifier: Apache-2.0
//! Real clients push, pull, copy, delete, inspect, attach and discover, and what they get is compared
//! by digest with what the fixture holds. Each client does so in clear text and over TLS with a
//! password.

mod containerd;
mod containers;
mod crane;
mod large;
mod oras;
mod protocols;
mod regctl;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use system_tests::{BOTH, Stage, is_berth};
use testkit::fixture::{self, Descriptor, Layer, Layout};
use testkit::inventory::{self, Inventory};
use testkit::{Builder, Client, Tool};

const ALLOW_URLS: &str = "validation:\n  manifests:\n    urls:\n      allow: ['^https://']";

/// The content that every client moves.
struct Content {
    layout: Layout,
    /// gzip, zstd and plain layers; tag `image`.
    image: Descriptor,
    /// amd64 and arm64; tag `multi`.
    multi: Descriptor,
    /// gzip and a layer that is not stored; tag `foreign`.
    foreign: Descriptor,
    /// One file, no subject; tag `artifact`.
    artifact: Descriptor,
}

impl Content {
    fn create(directory: &Path) -> Result<Self> {
        let mut layout = Layout::create(&directory.join("layout"))?;
        let kinds = [Layer::Gzip, Layer::Zstd, Layer::Plain];
        let image = fixture::image(&layout, 1, "amd64", &kinds, 200_000)?;
        let amd64 = fixture::image(&layout, 2, "amd64", &[Layer::Gzip, Layer::Gzip], 90_000)?;
        let arm64 = fixture::image(&layout, 2, "arm64", &[Layer::Gzip], 90_000)?;
        let multi = fixture::index(&layout, &[("amd64", amd64), ("arm64", arm64)])?;
        let layers = [Layer::Gzip, Layer::Nondistributable];
        let foreign = fixture::image(&layout, 3, "amd64", &layers, 50_000)?;
        let kind = "application/vnd.example.report.v1";
        let artifact = fixture::artifact(&layout, kind, b"a report\n", None)?;
        for (tag, descriptor) in
            [("image", &image), ("multi", &multi), ("foreign", &foreign), ("artifact", &artifact)]
        {
            layout.tag(tag, descriptor)?;
        }
        Ok(Self { layout, image, multi, foreign, artifact })
    }

    fn source(&self, tag: &str) -> String {
        format!("{}:{tag}", self.layout.path().display())
    }
}

/// Runs `scene` once in each way of access, with a registry and content of its own.
fn in_both_ways(scene: impl Fn(&Stage, &Content) -> Result<()>) -> Result<()> {
    for access in BOTH {
        let stage = Stage::with(access, lenient)?;
        let content = Content::create(stage.path())?;
        scene(&stage, &content)
            .with_context(|| format!("{access:?}; {}", stage.server.report(15)))?;
    }
    Ok(())
}

/// Lets distribution 2.8 take layers with URLs, which it refuses unless a pattern allows them.
fn lenient(builder: Builder) -> Builder {
    if is_berth() { builder } else { builder.extra(ALLOW_URLS) }
}

/// A client program that trusts the stage's authority and has its password, with a home of its own.
fn client(stage: &Stage, program: &str) -> Result<Tool> {
    let mut tool = Tool::new(program)?.env("HOME", stage.path()).directory(stage.path());
    if let (Some(authority), Some(account)) = (&stage.authority, &stage.credentials) {
        let file = account.write_docker_config(stage.path(), &stage.host())?;
        tool = tool
            .env("SSL_CERT_FILE", &authority.authority_file)
            .env("DOCKER_CONFIG", stage.path())
            .env("REGISTRY_AUTH_FILE", file);
    }
    Ok(tool)
}

/// Everything of `digest` is served, and every byte is the fixture's (digests are recomputed).
fn must_serve(stage: &Stage, repository: &str, wanted: &Descriptor) -> Result<()> {
    let mut http: Client = stage.server.client()?;
    let mut found = Inventory::new();
    inventory::walk(&mut http, repository, &wanted.digest, &mut found)
        .with_context(|| format!("{repository}@{}", wanted.digest))?;
    let object = &found[&format!("{repository}@{}", wanted.digest)];
    ensure!(object.media_type == wanted.media_type, "served as {}", object.media_type);
    Ok(())
}

/// What a registry answers for a manifest now.
fn status_of(stage: &Stage, repository: &str, reference: &str) -> Result<u16> {
    let target = format!("/v2/{repository}/manifests/{reference}");
    let answer = stage.server.client()?.get(&target, &[("accept", inventory::ACCEPT)])?;
    Ok(answer.status)
}

/// Fails unless two digests are equal, with both in the message.
fn same(what: &str, found: &str, wanted: &str) -> Result<()> {
    ensure!(found.trim() == wanted, "{what}: found {found}, wanted {wanted}");
    Ok(())
}
