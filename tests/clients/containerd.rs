// SPDX-License-Identifier: Apache-2.0
//! containerd, through `ctr`, with a daemon of the test's own: the way of most cluster pulls.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use system_tests::Stage;
use testkit::{Tool, process, tool};

use super::{client, in_both_ways, must_serve};

/// A containerd that is killed when dropped.
struct Daemon {
    child: Child,
    ctr: Tool,
}

impl Daemon {
    fn start(stage: &Stage) -> Result<Self> {
        let folder = stage.path().join("containerd");
        std::fs::create_dir_all(&folder)?;
        let socket = folder.join("socket");
        let configuration = folder.join("config.toml");
        std::fs::write(
            &configuration,
            format!(
                "version = 2\nroot = {:?}\nstate = {:?}\n\
                 disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
                 [grpc]\naddress = {socket:?}\n",
                folder.join("root"),
                folder.join("state"),
            ),
        )?;
        let program = tool::find("containerd").context("containerd is not installed")?;
        let log = std::fs::File::create(folder.join("log"))?;
        let child = Command::new(program)
            .arg("--config")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let address = socket.display().to_string();
        let mut daemon = Self { child, ctr: client(stage, "ctr")?.with(["--address", &address]) };
        process::wait_until("containerd answers", Duration::from_secs(30), || {
            ensure!(
                daemon.child.try_wait()?.is_none(),
                "containerd ended: {}",
                std::fs::read_to_string(folder.join("log"))?
            );
            Ok(socket.exists() && daemon.ctr.attempt(["version"])?.success)
        })?;
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Options of `ctr` that reach the stage. containerd takes a loopback host for clear text unless its
/// host file, which clusters use as well, says otherwise.
fn access(stage: &Stage) -> Result<Vec<String>> {
    let (Some(authority), Some(account)) = (&stage.authority, &stage.credentials) else {
        return Ok(vec!["--plain-http".into()]);
    };
    let hosts = stage.path().join("certs.d");
    let folder = hosts.join(stage.host());
    std::fs::create_dir_all(&folder)?;
    let server = format!("https://{}", stage.host());
    let ca = &authority.authority_file;
    let text = format!(
        "server = {server:?}\n[host.{server:?}]\n\
         capabilities = [\"pull\", \"resolve\", \"push\"]\nca = {ca:?}\n"
    );
    std::fs::write(folder.join("hosts.toml"), text)?;
    let user = format!("{}:{}", account.user, account.password);
    Ok(vec!["--hosts-dir".into(), hosts.display().to_string(), "--user".into(), user])
}

#[test]
fn containerd_fetches_pulls_and_pushes() -> Result<()> {
    in_both_ways(|stage, content| {
        let daemon = Daemon::start(stage)?;
        let host = stage.host();
        let access = access(stage)?;
        let run = |words: &[&str], rest: &[&str]| {
            let access = access.iter().map(String::as_str);
            daemon.ctr.run(words.iter().copied().chain(access).chain(rest.iter().copied()))
        };

        let oras = client(stage, "oras")?;
        let plain = format!("--to-plain-http={}", stage.is_open());
        let name = format!("{host}/containerd/app:multi");
        oras.run(["cp", "--from-oci-layout", &content.source("multi"), &plain, &name])?;

        run(&["content", "fetch"], &["--all-platforms", &name])?;
        let held = daemon.ctr.run(["content", "ls", "--quiet"])?.text();
        ensure!(held.contains(&content.multi.digest), "fetched: {held}");
        let listed = daemon.ctr.run(["content", "get", &content.multi.digest])?;
        ensure!(listed.stdout == content.layout.read(&content.multi.digest)?, "index bytes");
        run(&["images", "pull"], &["--snapshotter", "native", "--all-platforms", &name])?;

        let pushed = format!("{host}/containerd/pushed:multi");
        run(&["images", "push"], &[&pushed, &name])?;
        must_serve(stage, "containerd/pushed", &content.multi)
    })
}
