// SPDX-License-Identifier: Apache-2.0
//! regctl (regclient): images with their referrers, artifacts, tag and manifest deletes.

use anyhow::{Result, ensure};
use system_tests::Stage;
use testkit::Tool;

use super::{client, in_both_ways, must_serve, same, status_of};

/// regctl with a configuration that knows how to reach the stage.
pub(super) fn regctl(stage: &Stage) -> Result<Tool> {
    let file = stage.path().join("regctl.json");
    let mut host = serde_json::json!({
        "hostname": stage.host(),
        "tls": if stage.is_open() { "disabled" } else { "enabled" },
    });
    if let (Some(authority), Some(account)) = (&stage.authority, &stage.credentials) {
        host["regcert"] = std::fs::read_to_string(&authority.authority_file)?.into();
        host["user"] = account.user.clone().into();
        host["pass"] = account.password.clone().into();
    }
    let text = serde_json::json!({ "hosts": { stage.host(): host } });
    std::fs::write(&file, serde_json::to_vec(&text)?)?;
    Ok(client(stage, "regctl")?.env("REGCTL_CONFIG", file))
}

#[test]
fn regctl_copies_inspects_attaches_and_deletes() -> Result<()> {
    in_both_ways(|stage, content| {
        let regctl = regctl(stage)?;
        let name = |tag: &str| format!("{}/regctl/app:{tag}", stage.host());
        for (tag, part) in [
            ("image", &content.image),
            ("multi", &content.multi),
            ("foreign", &content.foreign),
            ("artifact", &content.artifact),
        ] {
            let source = format!("ocidir://{}", content.source(tag));
            regctl.run(["image", "copy", &source, &name(tag)])?;
            must_serve(stage, "regctl/app", part)?;
            same(tag, &regctl.run(["image", "digest", &name(tag)])?.text(), &part.digest)?;
        }
        let manifest = regctl.run(["manifest", "get", "--format", "raw-body", &name("multi")])?;
        ensure!(manifest.stdout == content.layout.read(&content.multi.digest)?, "manifest bytes");
        ensure!(
            regctl.run(["image", "inspect", &name("image")])?.text().contains("amd64"),
            "config"
        );

        // Attach a report to the image, find it, and read it back.
        let report = stage.path().join("report.txt");
        std::fs::write(&report, "all is well\n")?;
        let kind = "application/vnd.example.report.v1";
        let file = report.display().to_string();
        regctl.run([
            "artifact",
            "put",
            "--artifact-type",
            kind,
            "--subject",
            &name("image"),
            "--file",
            &file,
        ])?;
        let list = regctl.run(["artifact", "list", &name("image")])?.text();
        ensure!(list.contains(kind), "referrers: {list}");
        let got = regctl.run(["artifact", "get", "--subject", &name("image")])?.text();
        ensure!(got.contains("all is well"), "artifact: {got}");

        // A copy that takes the referrers along.
        let copy = format!("{}/regctl/copy:image", stage.host());
        regctl.run(["image", "copy", "--referrers", &name("image"), &copy])?;
        must_serve(stage, "regctl/copy", &content.image)?;
        let list = regctl.run(["artifact", "list", &copy])?.text();
        ensure!(list.contains(kind), "referrers of the copy: {list}");

        let tags = regctl.run(["tag", "ls", &format!("{}/regctl/app", stage.host())])?.text();
        ensure!(tags.contains("foreign") && tags.contains("multi"), "tags: {tags}");
        regctl.run(["tag", "delete", &name("multi")])?;
        ensure!(status_of(stage, "regctl/app", "multi")? == 404, "the tag is still there");
        let digest = format!("{}/regctl/app@{}", stage.host(), content.foreign.digest);
        regctl.run(["manifest", "delete", &digest])?;
        ensure!(status_of(stage, "regctl/app", &content.foreign.digest)? == 404, "still served");
        must_serve(stage, "regctl/app", &content.image)
    })
}
