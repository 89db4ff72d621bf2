// SPDX-License-Identifier: Apache-2.0
//! Running the program: a folder with a configuration, commands on it, a registry that serves it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Longer than anything may take; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for a configuration and a store.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    /// Where the store is to be; not made.
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a configuration for [`Self::store`]: keys below `storage`, and whole sections.
    pub fn configure(&self, storage: &str, sections: &str) {
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem: {{rootdirectory: '{}'}}\n{storage}\n{sections}\n",
            self.store().display()
        );
        self.write("config.yml", &text);
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.arg("registry").args(words).arg(self.path("config.yml"));
        command.env_clear().stdin(Stdio::null());
        command
    }

    /// Runs a command of `berth registry` on the configuration, to its end.
    pub fn run(&self, words: &[&str]) -> Finished {
        Finished(self.command(words).output().expect("the program starts"))
    }

    /// Starts the registry, waits until it says `text` and then sends SIGTERM; how it ended.
    pub fn stop_at(&self, text: &str) -> Finished {
        let mut child =
            self.command(&[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains(text) {
            assert!(log.read_line(&mut said).expect("text") > 0, "the registry ended:\n{said}");
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        log.read_to_string(&mut said).expect("text");
        let status = child.wait().expect("ended");
        Finished(Output { status, stdout: Vec::new(), stderr: said.into_bytes() })
    }

    /// Starts the registry and waits until it serves.
    pub fn serve(&self) -> Registry {
        let mut command = self.command(&[]);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            let read = log.read_line(&mut said).expect("text");
            assert!(read > 0, "the registry ended:\n{said}");
            if let Some((_, rest)) = said[start..].split_once("msg=\"listening on ") {
                let end = rest.find(['"', ',']).expect("the end of the message");
                break rest[..end].parse().expect("an address");
            }
        };
        Registry { child, log, said, address }
    }
}

/// How a command ended.
pub struct Finished(Output);

impl Finished {
    pub fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

/// A registry that serves; killed if a test forgets it.
pub struct Registry {
    child: Child,
    log: BufReader<ChildStderr>,
    said: String,
    address: SocketAddr,
}

impl Registry {
    /// The log until it served.
    pub fn said(&self) -> &str {
        &self.said
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The answer to a GET, whole.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
    }

    /// Stops it; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.terminate();
        self.log.read_to_string(&mut self.said).expect("text");
        self.child.wait().expect("ended").code()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
