// SPDX-License-Identifier: Apache-2.0
//! oras: artifacts, attaching and discovering.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{client, in_both_ways, must_serve, same, status_of};

#[test]
fn oras_pushes_attaches_discovers_copies_and_deletes() -> Result<()> {
    in_both_ways(|stage, content| {
        let oras = client(stage, "oras")?;
        let host = stage.host();
        let plain = format!("--plain-http={}", stage.is_open());
        let from_plain = format!("--from-plain-http={}", stage.is_open());
        let to_plain = format!("--to-plain-http={}", stage.is_open());
        let name = |tag: &str| format!("{host}/oras/app:{tag}");

        for (tag, part) in [("image", &content.image), ("multi", &content.multi)] {
            let source = content.source(tag);
            oras.run(["cp", "--from-oci-layout", &source, &to_plain, &name(tag)])?;
            must_serve(stage, "oras/app", part)?;
            same(tag, &oras.run(["resolve", &plain, &name(tag)])?.text(), &part.digest)?;
        }

        // Push files as an artifact and pull them into another folder.
        let files = stage.path().join("files");
        let other = stage.path().join("other");
        std::fs::create_dir_all(&files)?;
        std::fs::write(files.join("hello.txt"), "hello\n")?;
        let at = oras.clone().directory(&files);
        let kind = "application/vnd.example.greeting";
        at.run(["push", &plain, "--artifact-type", kind, &name("files"), "hello.txt:text/plain"])?;
        oras.run(["pull", &plain, &name("files"), "--output", &other.display().to_string()])?;
        ensure!(std::fs::read_to_string(other.join("hello.txt"))? == "hello\n", "pulled file");

        // Attach two kinds to the index; discover all, and one kind alone.
        for kind in ["application/vnd.example.sbom", "application/vnd.example.signature"] {
            let file = "hello.txt:text/plain";
            at.run(["attach", &plain, "--artifact-type", kind, &name("multi"), file])?;
        }
        let found = |arguments: &[&str]| -> Result<usize> {
            let mut line = vec!["discover", &plain, "--format", "json"];
            line.extend(arguments);
            let tree: Value = serde_json::from_slice(&oras.run(line)?.stdout)?;
            let referrers = tree.get("referrers").or_else(|| tree.get("manifests"));
            Ok(referrers.and_then(Value::as_array).map_or(0, Vec::len))
        };
        let multi = name("multi");
        ensure!(found(&[&multi])? == 2, "two referrers were attached");
        let signature = "application/vnd.example.signature";
        ensure!(found(&["--artifact-type", signature, &multi])? == 1, "one is a signature");

        // A recursive copy takes the referrers along.
        let copy = format!("{host}/oras/copy:multi");
        oras.run(["cp", "--recursive", &from_plain, &to_plain, &multi, &copy])?;
        must_serve(stage, "oras/copy", &content.multi)?;
        ensure!(found(&[&copy])? == 2, "the copy has both referrers");

        let manifest = oras.run(["manifest", "fetch", &plain, &multi])?;
        ensure!(manifest.stdout == content.layout.read(&content.multi.digest)?, "manifest bytes");
        oras.run(["tag", &plain, &name("image"), "newest"])?;
        let tags = oras.run(["repo", "tags", &plain, &format!("{host}/oras/app")])?.text();
        ensure!(tags.lines().any(|tag| tag == "newest"), "tags: {tags}");
        let repositories = oras.run(["repo", "ls", &plain, &host])?.text();
        ensure!(repositories.contains("oras/copy"), "repositories: {repositories}");

        let blob = stage.path().join("blob");
        std::fs::write(&blob, "one blob")?;
        let digest = testkit::digest::sha256(b"one blob");
        let blob_name = format!("{host}/oras/app@{digest}");
        oras.run(["blob", "push", &plain, &blob_name, &blob.display().to_string()])?;
        let fetched = oras.run(["blob", "fetch", &plain, "--output", "-", &blob_name])?;
        ensure!(fetched.stdout == b"one blob", "blob bytes");
        oras.run(["blob", "delete", &plain, "--force", &blob_name])?;
        ensure!(!oras.attempt(["blob", "fetch", &plain, "--output", "-", &blob_name])?.success);

        oras.run(["manifest", "delete", &plain, "--force", &name("image")])
            .context("delete the image")?;
        ensure!(status_of(stage, "oras/app", &content.image.digest)? == 404, "still served");
        must_serve(stage, "oras/app", &content.multi)
    })
}
