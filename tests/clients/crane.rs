// SPDX-License-Identifier: Apache-2.0
//! crane (go-containerregistry).

use anyhow::{Result, ensure};
use system_tests::is_berth;

use super::{client, in_both_ways, must_serve, same, status_of};

#[test]
fn crane_pushes_copies_lists_validates_tags_and_deletes() -> Result<()> {
    in_both_ways(|stage, content| {
        let host = stage.host();
        let crane = client(stage, "crane")?;
        let image = format!("{host}/crane/app:v1");
        let by_digest = |repository: &str, digest: &str| format!("{host}/{repository}@{digest}");

        // crane pushes a whole layout as one index; each entry is a manifest of ours.
        let layout = content.layout.path().display().to_string();
        crane.run(["push", "--index", &layout, &format!("{host}/crane/all:layout")])?;
        for part in [&content.image, &content.multi, &content.foreign, &content.artifact] {
            must_serve(stage, "crane/all", part)?;
        }

        crane.run(["copy", &by_digest("crane/all", &content.image.digest), &image])?;
        must_serve(stage, "crane/app", &content.image)?;
        same("digest", &crane.run(["digest", &image])?.text(), &content.image.digest)?;
        let manifest = crane.run(["manifest", &image])?;
        ensure!(manifest.stdout == content.layout.read(&content.image.digest)?, "manifest bytes");
        ensure!(crane.run(["config", &image])?.text().contains("\"seed\":\"1\""), "config");

        let multi = format!("{host}/crane/app:multi");
        crane.run(["copy", &by_digest("crane/all", &content.multi.digest), &multi])?;
        must_serve(stage, "crane/app", &content.multi)?;
        crane.run(["validate", "--remote", &multi])?;
        let pulled = stage.path().join("pulled");
        crane.run(["pull", "--format", "oci", &multi, &pulled.display().to_string()])?;
        let file =
            pulled.join("blobs/sha256").join(content.multi.digest.trim_start_matches("sha256:"));
        ensure!(
            std::fs::read(file)? == content.layout.read(&content.multi.digest)?,
            "pulled index"
        );

        crane.run(["tag", &image, "v2"])?;
        let tags = crane.run(["ls", &format!("{host}/crane/app")])?.text();
        let mut tags: Vec<&str> = tags.lines().collect();
        if !is_berth() {
            tags.sort_unstable(); // distribution 2.8 lists them in the order of the directory.
        }
        ensure!(tags == ["multi", "v1", "v2"], "tags: {tags:?}");
        let catalog = crane.run(["catalog", &host])?.text();
        ensure!(catalog.lines().eq(["crane/all", "crane/app"]), "catalogue: {catalog}");

        crane.run(["delete", &by_digest("crane/app", &content.image.digest)])?;
        ensure!(status_of(stage, "crane/app", "v1")? == 404, "deleted, yet served by tag");
        ensure!(
            status_of(stage, "crane/app", &content.image.digest)? == 404,
            "deleted, yet served"
        );
        must_serve(stage, "crane/app", &content.multi)
    })
}

#[test]
fn crane_without_the_password_is_refused() -> Result<()> {
    in_both_ways(|stage, _| {
        let crane = client(stage, "crane")?
            .env("DOCKER_CONFIG", "/nonexistent")
            .env("REGISTRY_AUTH_FILE", "/nonexistent");
        let output = crane.attempt(["catalog", &stage.host()])?;
        ensure!(output.success == stage.is_open(), "success: {}", output.success);
        ensure!(stage.is_open() || output.stderr.contains("UNAUTHORIZED"), "{}", output.stderr);
        Ok(())
    })
}
