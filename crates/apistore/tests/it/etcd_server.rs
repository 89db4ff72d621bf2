// SPDX-License-Identifier: Apache-2.0
//! A real etcd on loopback.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use apistore::Store;
use apistore::etcd::Config;
use tempfile::TempDir;

/// A running etcd with its data.
pub struct Etcd {
    dir: TempDir,
    client_port: u16,
    peer_port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Etcd {
    /// None where etcd is not installed.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    pub async fn start_with(arguments: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (client_port, peer_port) = (free_port(), free_port());
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let Some(child) = spawn(&dir, client_port, peer_port, &arguments) else {
            assert!(std::env::var_os("BERTH_REQUIRE_TOOLS").is_none(), "etcd is not installed");
            eprintln!("skipped: etcd is not installed");
            return None;
        };
        let server = Self { dir, client_port, peer_port, arguments, child };
        server.wait().await;
        Some(server)
    }

    pub fn config(&self, prefix: &str) -> Config {
        let mut config = Config::new([format!("http://127.0.0.1:{}", self.client_port)]);
        prefix.clone_into(&mut config.prefix);
        config.timeout = Duration::from_secs(20);
        config
    }

    pub fn store(&self, prefix: &str) -> apistore::Etcd {
        apistore::Etcd::new(self.config(prefix)).unwrap()
    }

    /// Answers linearizable reads.
    async fn wait(&self) {
        let store = self.store("/ready");
        for _ in 0..100 {
            if store.revision().await.is_ok() {
                return;
            }
        }
        panic!("etcd did not start");
    }

    /// kill -9, and a new process on the same data.
    pub async fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.dir, self.client_port, self.peer_port, &self.arguments).unwrap();
        self.wait().await;
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &TempDir, client_port: u16, peer_port: u16, arguments: &[String]) -> Option<Child> {
    let (client, peer) =
        (format!("http://127.0.0.1:{client_port}"), format!("http://127.0.0.1:{peer_port}"));
    Command::new("etcd")
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}"), "--log-level", "error"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
