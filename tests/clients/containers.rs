// SPDX-License-Identifier: Apache-2.0
//! skopeo, podman and buildah, with storage of their own and the `vfs` driver, as root.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;
use system_tests::Stage;
use testkit::Tool;
use testkit::fixture::media;
use testkit::inventory::{self, Inventory};

use super::{client, in_both_ways, must_serve, same, status_of};

/// podman or buildah with storage below the stage's folder.
fn with_storage(stage: &Stage, program: &str) -> Result<Tool> {
    let folder = |name: &str| stage.path().join(program).join(name).display().to_string();
    let (root, run) = (folder("root"), folder("run"));
    let tool = client(stage, program)?.with(["--storage-driver", "vfs"]);
    Ok(tool.with(["--root", &root, "--runroot", &run]).env("TMPDIR", stage.path()))
}

#[test]
fn skopeo_copies_inspects_lists_and_deletes() -> Result<()> {
    in_both_ways(|stage, content| {
        let skopeo = client(stage, "skopeo")?;
        let verify = |side: &str| format!("--{side}tls-verify={}", !stage.is_open());
        let name = |tag: &str| format!("docker://{}/skopeo/app:{tag}", stage.host());

        for (tag, part) in [("image", &content.image), ("multi", &content.multi)] {
            let source = format!("oci:{}", content.source(tag));
            let to = verify("dest-");
            skopeo.run(["copy", "--all", "--preserve-digests", &to, &source, &name(tag)])?;
            must_serve(stage, "skopeo/app", part)?;
            let raw = skopeo.run(["inspect", &verify(""), "--raw", &name(tag)])?;
            ensure!(raw.stdout == content.layout.read(&part.digest)?, "{tag}: manifest bytes");
        }
        let digest =
            skopeo.run(["inspect", &verify(""), "--format", "{{.Digest}}", &name("image")])?;
        same("image", &digest.text(), &content.image.digest)?;

        // Between two repositories (mounts), and down into a folder.
        let copy = format!("docker://{}/skopeo/copy:multi", stage.host());
        let (from, to) = (verify("src-"), verify("dest-"));
        skopeo.run(["copy", "--all", "--preserve-digests", &from, &to, &name("multi"), &copy])?;
        must_serve(stage, "skopeo/copy", &content.multi)?;
        let down = format!("oci:{}:multi", stage.path().join("down").display());
        skopeo.run(["copy", "--all", "--preserve-digests", &from, &copy, &down])?;
        let index = std::fs::read_to_string(stage.path().join("down/index.json"))?;
        ensure!(index.contains(&content.multi.digest), "pulled: {index}");

        // Docker schema 2 on the way up: another manifest, the same layers.
        let docker = name("docker");
        let source = format!("oci:{}", content.source("multi"));
        skopeo.run(["copy", "--format", "v2s2", &verify("dest-"), &source, &docker])?;
        let raw: Value = serde_json::from_slice(
            &skopeo.run(["inspect", &verify(""), "--raw", &docker])?.stdout,
        )?;
        ensure!(raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json");

        let repository = format!("docker://{}/skopeo/app", stage.host());
        let tags = skopeo.run(["list-tags", &verify(""), &repository])?.text();
        ensure!(tags.contains("\"image\"") && tags.contains("\"docker\""), "tags: {tags}");
        skopeo.run(["delete", &verify(""), &name("image")])?;
        ensure!(status_of(stage, "skopeo/app", &content.image.digest)? == 404, "still served");
        must_serve(stage, "skopeo/app", &content.multi)
    })
}

#[test]
fn podman_pulls_pushes_and_pulls_again() -> Result<()> {
    in_both_ways(|stage, content| {
        let host = stage.host();
        let verify = format!("--tls-verify={}", !stage.is_open());
        let oras = client(stage, "oras")?;
        let plain = format!("--to-plain-http={}", stage.is_open());
        let source = content.source("multi");
        let name = format!("{host}/podman/app:multi");
        oras.run(["cp", "--from-oci-layout", &source, &plain, &name])?;

        let podman = with_storage(stage, "podman")?;
        if let Some(account) = &stage.credentials {
            let (user, password) = (&account.user, &account.password);
            podman.run(["login", &verify, "--username", user, "--password", password, &host])?;
            let wrong = ["login", &verify, "--username", user, "--password", "wrong", &host];
            ensure!(!podman.attempt(wrong)?.success, "a wrong password was accepted");
        }
        let id = podman.run(["pull", "--quiet", &verify, &name])?.text();
        let labels = podman.run(["image", "inspect", "--format", "{{.Labels.seed}}", &id])?.text();
        ensure!(labels == "2", "label: {labels}");

        // Push under another name, forget it, pull it back: the same image.
        let again = format!("{host}/podman/again:v1");
        let digest_file = stage.path().join("digest").display().to_string();
        podman.run(["push", "--quiet", &verify, "--digestfile", &digest_file, &id, &again])?;
        let digest = std::fs::read_to_string(&digest_file)?;
        podman.run(["rmi", "--force", &id])?;
        let back =
            podman.run(["pull", "--quiet", &verify, &format!("{host}/podman/again@{digest}")])?;
        same("image id", &back.text(), &id)?;
        let search =
            podman.run(["search", &verify, "--list-tags", &format!("{host}/podman/again")])?;
        ensure!(search.text().contains("v1"), "tags: {}", search.text());
        ensure!(status_of(stage, "podman/again", digest.trim())? == 200);

        // An image with zstd and plain layers is unpacked as well.
        let name = format!("{host}/podman/app:image");
        oras.run(["cp", "--from-oci-layout", &content.source("image"), &plain, &name])?;
        podman.run(["pull", "--quiet", &verify, &name])?;
        Ok(())
    })
}

#[test]
fn buildah_builds_pushes_in_both_formats_and_pulls() -> Result<()> {
    in_both_ways(|stage, _| {
        let host = stage.host();
        let verify = format!("--tls-verify={}", !stage.is_open());
        let buildah = with_storage(stage, "buildah")?;
        let context = stage.path().join("context");
        std::fs::create_dir_all(&context)?;
        std::fs::write(context.join("Containerfile"), "FROM scratch\nCOPY hello.txt /\n")?;
        let context = context.display().to_string();
        let (oci, docker) = (media::MANIFEST, media::DOCKER_MANIFEST);
        for (format, compression, manifest, layer) in [
            ("oci", "zstd", oci, media::LAYER_ZSTD),
            ("oci", "gzip", oci, media::LAYER_GZIP),
            ("docker", "gzip", docker, media::DOCKER_LAYER),
        ] {
            let tag = format!("{format}-{compression}");
            let local = format!("localhost/built:{tag}");
            let name = format!("{host}/buildah/{compression}:{format}");
            let destination = format!("docker://{name}");
            // Content of its own: buildah remembers, beyond this test, which packed layer went where.
            let hello = format!("{tag} {}\n", stage.path().display());
            std::fs::write(Path::new(&context).join("hello.txt"), hello)?;
            buildah.run(["bud", "--format", format, "--tag", &local, &context])?;
            let pack = ["--compression-format", compression];
            let push = ["push", "--format", format, pack[0], pack[1], &verify];
            buildah.run(push.iter().chain(&[local.as_str(), destination.as_str()]))?;
            let target = format!("/v2/buildah/{compression}/manifests/{format}");
            let answer = stage.server.client()?.get(&target, &[("accept", inventory::ACCEPT)])?;
            ensure!(answer.header("content-type") == Some(manifest), "{:?}", answer.headers);
            ensure!(answer.text().contains(layer), "no {layer} in {}", answer.text());
            buildah.run(["rmi", "--force", &local])?;
            buildah.run(["pull", &verify, &name])?;
            buildah.run(["rmi", "--all", "--force"])?;
        }
        Ok(())
    })
}

#[test]
fn buildah_assembles_and_pushes_an_index() -> Result<()> {
    in_both_ways(|stage, content| {
        let host = stage.host();
        let verify = format!("--tls-verify={}", !stage.is_open());
        let oras = client(stage, "oras")?;
        let plain = format!("--to-plain-http={}", stage.is_open());
        for tag in ["image", "multi"] {
            let name = format!("{host}/index/parts:{tag}");
            oras.run(["cp", "--from-oci-layout", &content.source(tag), &plain, &name])?;
        }
        let buildah = with_storage(stage, "buildah")?;
        buildah.run(["manifest", "create", "assembled"])?;
        let part = format!("docker://{host}/index/parts:multi");
        buildah.run(["manifest", "add", &verify, "--all", "assembled", &part])?;
        let destination = format!("docker://{host}/index/app:v1");
        buildah.run(["manifest", "push", &verify, "--all", "assembled", &destination])?;

        let mut found = Inventory::new();
        let mut http = stage.server.client()?;
        let accept = [("accept", inventory::ACCEPT)];
        let index = http.get("/v2/index/app/manifests/v1", &accept)?.expect(200)?;
        let digest = testkit::digest::sha256(&index.body);
        inventory::walk(&mut http, "index/app", &digest, &mut found)?;
        let pushed = index.json()?;
        let original: Value = serde_json::from_slice(&content.layout.read(&content.multi.digest)?)?;
        let digests = |index: &Value| -> Vec<String> {
            let entries = index["manifests"].as_array().into_iter().flatten();
            entries.map(|entry| entry["digest"].to_string()).collect()
        };
        ensure!(digests(&pushed) == digests(&original), "{pushed} holds other images");
        Ok(())
    })
}
