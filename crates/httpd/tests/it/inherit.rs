// SPDX-License-Identifier: Apache-2.0
//! Sockets handed over by a supervisor, in a process of its own.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tokio::net::TcpStream;

use crate::support::{Client, get};

/// The example binary that cargo builds beside the tests.
fn example() -> PathBuf {
    let mut path = std::env::current_exe().expect("our path");
    path.pop();
    path.pop();
    path.join("examples").join("bench")
}

#[tokio::test]
async fn a_child_serves_the_socket_it_inherits() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    // The shell puts the socket where the protocol wants it and knows its own process id, which
    // exec keeps.
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; \
                  exec \"$0\" 127.0.0.1:0";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(example())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    // We still hold no descriptor of the listener: only the child can answer.
    let mut client = Client::new(TcpStream::connect(addr).await.expect("connected"));
    let answer = client.ask(get("/small")).await;
    assert_eq!((answer.status, answer.body.len()), (200, 1434));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
    client.closed().await;
    let output = {
        let mut text = String::new();
        let mut stdout = child.stdout.take().expect("piped");
        std::io::Read::read_to_string(&mut stdout, &mut text).expect("read");
        text
    };
    assert!(child.wait().expect("ended").success());
    assert_eq!(output, "inherited web\nstopped, 0 cut\n");
}
