// SPDX-License-Identifier: Apache-2.0
//! The harness does what the other tests take for granted.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::fixture::{compress, noise};
use testkit::{Server, Tool, inventory, process};

#[test]
fn a_registry_under_strace_is_the_child_itself_and_is_traced() -> Result<()> {
    let mut server = Server::builder().strace(&["-e", "trace=mkdir,mkdirat"]).start()?;
    let name = std::fs::read_to_string(format!("/proc/{}/comm", server.pid()))?;
    ensure!(!name.starts_with("strace"), "the child is {name}");
    server.client()?.push_blob("harness/app", b"traced")?;
    process::wait_until("the trace has lines", Duration::from_secs(5), || {
        Ok(server.trace().contains("mkdir"))
    })?;
    server.kill()?;
    Ok(())
}

#[test]
fn an_injected_error_reaches_the_registry() -> Result<()> {
    let inject = ["-e", "trace=mkdir,mkdirat", "-e", "inject=mkdir,mkdirat:error=ENOSPC"];
    // A registry that cannot make its first folder may end at once or refuse what is pushed.
    let Ok(server) = Server::builder().strace(&inject).start() else { return Ok(()) };
    ensure!(server.client()?.push_blob("harness/app", b"lost").is_err(), "ENOSPC went unnoticed");
    Ok(())
}

#[test]
fn a_restart_keeps_the_store() -> Result<()> {
    let server = Server::builder().start()?;
    let digest = server.client()?.push_blob("harness/app", b"kept")?;
    let server = server.restart()?.restart()?;
    inventory::blob(&mut server.client()?, "harness/app", &digest)?;
    Ok(())
}

#[test]
fn the_end_of_a_registry_is_told() -> Result<()> {
    let server = Server::builder().start()?;
    ensure!(server.report(5).contains("running"), "{}", server.report(5));
    server.signal_stop()?;
    process::wait_until("the registry has ended", Duration::from_secs(30), || {
        Ok(server.report(5).contains("ended with wait status"))
    })?;
    Ok(())
}

#[test]
fn a_dropped_server_is_gone() -> Result<()> {
    let server = Server::builder().start()?;
    let process = format!("/proc/{}", server.pid());
    let store = server.store().to_owned();
    drop(server);
    ensure!(!std::path::Path::new(&process).exists(), "still running");
    ensure!(!store.exists(), "its files are still there");
    Ok(())
}

#[test]
fn real_programs_unpack_the_frames_of_the_fixtures() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let content = noise(1, 300_001);
    let file = directory.path().join("content.gz");
    std::fs::write(&file, compress::gzip(&content))?;
    let output = Tool::new("gzip")?.with(["-dc"]).run([&file])?;
    ensure!(output.stdout == content, "gzip read something else");
    // podman unpacks zstd in the clients' tests.
    Ok(())
}
