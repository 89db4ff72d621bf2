// SPDX-License-Identifier: Apache-2.0
//! A registry that is started, killed and started again over one store, and what its client knows.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use testkit::server::berth;
use testkit::{Client, Server, Subject, Tool};

use crate::oracle::{Effects, Oracle};
use crate::script::{Action, Answer, Connection, Kind, Step};
use crate::verify::verify;

/// How long an idle registry may take until its journal is cut.
const CUT_LIMIT: Duration = Duration::from_millis(1600);

/// How long a request may take, also under strace.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who may write to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// One process, journal.
    Exclusive,
    /// Several processes, every name synced.
    Shared,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Exclusive, Self::Shared];

    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }
}

/// Folder for stores: memory where there is some (a kill loses no page), else the usual place.
/// `BERTH_FAULTS_DIR` overrides.
pub fn scratch() -> PathBuf {
    if let Some(path) = std::env::var_os("BERTH_FAULTS_DIR") {
        return path.into();
    }
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// A new, empty folder for one store.
pub fn new_store() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("berth-fault-")
        .tempdir_in(scratch())
        .context("make a folder for a store")
}

/// The registry under test and what is known of it.
pub struct World {
    /// How it is started.
    pub mode: Mode,
    /// Its store.
    pub store: PathBuf,
    /// What it acknowledged.
    pub oracle: Oracle,
    /// The running process.
    pub server: Option<Server>,
    /// Sections added to its configuration.
    pub extra: String,
    connection: Option<Connection>,
    /// Longest time from start to the first answer.
    pub slowest_start: Duration,
}

impl World {
    /// Nothing runs yet.
    pub fn new(mode: Mode, store: &Path) -> Self {
        Self {
            mode,
            store: store.to_owned(),
            oracle: Oracle::default(),
            server: None,
            extra: String::new(),
            connection: None,
            slowest_start: Duration::ZERO,
        }
    }

    /// Starts a registry over the store, under strace when arguments for it are given.
    pub fn start(&mut self, strace: Option<&[&str]>) -> Result<()> {
        let begin = Instant::now();
        let server = launch(self.mode, &self.store, &self.extra, strace)?;
        let mut client = client(&server)?;
        client.get("/v2/", &[])?.expect(200)?;
        self.slowest_start = self.slowest_start.max(begin.elapsed());
        self.connection = Some(Connection::new(client));
        self.server = Some(server);
        Ok(())
    }

    /// The running registry.
    pub fn running(&mut self) -> Result<&mut Server> {
        self.server.as_mut().context("no registry runs")
    }

    /// Answers that the present connection has received.
    pub fn answers(&self) -> usize {
        self.connection.as_ref().map_or(0, |connection| connection.answers)
    }

    /// A client of its own for a test.
    pub fn client(&mut self) -> Result<Client> {
        client(self.running()?)
    }

    /// Performs an action and lets the oracle know how it ended.
    pub fn act(&mut self, action: &Action) -> Result<Answer> {
        let effects = action.effects(&self.oracle);
        self.oracle.begin(&effects);
        let connection = self.connection.as_mut().context("no registry runs")?;
        let answer = action.perform(connection);
        self.conclude(&answer, &effects);
        if matches!(answer, Answer::Broken(_)) {
            // The next request needs a new connection.
            if let Some(server) = &self.server {
                self.connection = Some(Connection::new(client(server)?));
            }
        }
        Ok(answer)
    }

    fn conclude(&mut self, answer: &Answer, effects: &Effects) {
        if matches!(answer, Answer::Acknowledged) {
            self.oracle.acknowledge(effects);
        }
    }

    /// Does the action again after it failed: it must succeed, or its effect must be there already.
    pub fn act_again(&mut self, action: &Action) -> Result<()> {
        let effects = action.effects(&self.oracle);
        match self.act(action)? {
            Answer::Acknowledged => Ok(()),
            Answer::Refused(answer) if action.is_delete() && answer.status == 404 => {
                self.oracle.acknowledge(&effects);
                Ok(())
            }
            other => bail!("done again: {other:?}"),
        }
    }

    /// Performs a step that must succeed.
    pub fn step(&mut self, step: &Step, strace: Option<&[&str]>) -> Result<()> {
        match &step.kind {
            Kind::Act(action) => match self.act(action)? {
                Answer::Acknowledged => Ok(()),
                other => bail!("{}: {other:?}", step.name),
            },
            Kind::Idle => {
                std::thread::sleep(CUT_LIMIT);
                Ok(())
            }
            Kind::Stop => self.stop(),
            Kind::Start => self.start(strace),
            Kind::CrashStart => {
                self.kill()?;
                self.start(strace)
            }
        }
    }

    /// Asks the registry to stop and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        let mut server = self.server.take().context("no registry runs")?;
        self.connection = None;
        server.signal_stop()?;
        let status = server.wait(Duration::from_secs(20))?;
        // The peer does not catch the signal.
        let good = status.success() || server.subject() == Subject::Peer;
        ensure!(good, "stopped with {status}:\n{}", server.log());
        Ok(())
    }

    /// Kills the registry, if it runs.
    pub fn kill(&mut self) -> Result<()> {
        self.connection = None;
        if let Some(mut server) = self.server.take() {
            server.kill()?;
        }
        Ok(())
    }

    /// Whether the registry was ended by SIGKILL within that time.
    pub fn was_killed(&mut self, within: Duration) -> bool {
        let Some(server) = &mut self.server else { return false };
        server.wait(within).is_ok_and(|status| status.signal() == Some(Signal::KILL.as_raw()))
    }

    /// Reads everything back.
    pub fn verify(&mut self) -> Result<Vec<String>> {
        let mut client = self.client()?;
        verify(&mut client, &self.oracle)
    }

    /// Runs `berth registry check` over the store; its findings of damage, and nothing else.
    pub fn check(&self) -> Result<Vec<String>> {
        let (code, output) = self.command("check", &["--quiet"])?;
        Ok(match code {
            Some(0) => Vec::new(),
            code => vec![format!("check ended with {code:?}: {output}")],
        })
    }

    /// Purges every upload session and temporary file and tells what is left of them. The registry
    /// must be stopped.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        // A session that began in this very second is not older than now.
        let purge = || self.command("purge-uploads", &["--older-than", "0s", "--delete"]);
        let (code, output) = purge()?;
        if code != Some(0) {
            return Ok(vec![format!("purge-uploads ended with {code:?}: {output}")]);
        }
        let mut left = Vec::new();
        find(&self.store, &mut |path| {
            let text = path.to_string_lossy();
            if text.contains("/_uploads/") || text.contains("/.berth/tmp/") {
                left.push(format!("left after the purge: {text}"));
            }
        })?;
        Ok(left)
    }

    /// Runs one of the commands on the store.
    pub fn command(&self, name: &str, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(
            file.path(),
            format!(
                "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: \
                 {}\nberth:\n  store: {}\n",
                self.store.display(),
                self.mode.word()
            ),
        )?;
        let program = berth()?;
        let tool = Tool::new(&program.to_string_lossy())?;
        let path = file.path().to_string_lossy().into_owned();
        let mut line = vec!["registry", name, &path];
        line.extend(arguments);
        let output = tool.attempt(line)?;
        Ok((output.code, format!("{}\n{}", output.text(), output.stderr)))
    }
}

/// Starts a registry over a store.
pub fn launch(mode: Mode, store: &Path, extra: &str, strace: Option<&[&str]>) -> Result<Server> {
    let mut builder = Server::builder().store(store);
    if Subject::under_test() == Subject::Berth {
        // One worker, so that the same script makes the same calls.
        builder =
            builder.extra(&format!("berth:\n  store: {}\n  workers: 1\n{extra}", mode.word()));
    }
    if let Some(arguments) = strace {
        builder = builder.strace(arguments);
    }
    builder.start()
}

/// A client that does not wait for ever.
pub fn client(server: &Server) -> Result<Client> {
    let mut endpoint = server.endpoint()?;
    endpoint.patience = PATIENCE;
    Ok(Client::new(endpoint))
}

/// Calls `visit` for everything below a folder.
pub fn find(directory: &Path, visit: &mut dyn FnMut(&Path)) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        visit(&entry.path());
        if entry.file_type()?.is_dir() {
            find(&entry.path(), visit)?;
        }
    }
    Ok(())
}
