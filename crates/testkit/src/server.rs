// SPDX-License-Identifier: Apache-2.0
//! Starts a registry as a child process and ends it with its handle.
//!
//! The configuration is distribution's file format, which Berth and `docker-registry` both read, so
//! a test runs against either: the variable `BERTH_TEST_SUBJECT=docker-registry` chooses the peer.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::client::{Client, Endpoint, PATIENCE};
use crate::tool;
use crate::trust::{Authority, Credentials};
use crate::{port, process};

/// How long a registry may take until it accepts connections.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Which program serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `berth registry`.
    Berth,
    /// Debian's `docker-registry serve` (distribution 2.8).
    Peer,
}

impl Subject {
    /// The program that the tests are about: Berth unless `BERTH_TEST_SUBJECT` names the peer.
    pub fn under_test() -> Self {
        match std::env::var("BERTH_TEST_SUBJECT") {
            Ok(name) if name == "docker-registry" => Self::Peer,
            _ => Self::Berth,
        }
    }

    fn command(self) -> Result<Vec<PathBuf>> {
        match self {
            Self::Berth => Ok(vec![berth()?, "registry".into()]),
            Self::Peer => {
                let program = tool::find("docker-registry")
                    .context("docker-registry is not installed: run `cargo xtask setup`")?;
                Ok(vec![program, "serve".into()])
            }
        }
    }
}

/// Path of the built program: `BERTH_BIN`, else the newest kind of build, release first.
pub fn berth() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("BERTH_BIN") {
        let path = PathBuf::from(path);
        anyhow::ensure!(path.is_file(), "BERTH_BIN is no file: {}", path.display());
        return Ok(path);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    ["release/berth", "debug/berth"]
        .iter()
        .map(|name| target.join(name))
        .find(|path| path.is_file())
        .with_context(|| {
            format!("no berth below {}: cargo build --release -p berth", target.display())
        })
}

/// How a registry is to be started; made by [`Server::builder`].
#[derive(Clone)]
pub struct Builder {
    subject: Subject,
    store: Option<PathBuf>,
    authority: Option<Arc<Authority>>,
    credentials: Option<Credentials>,
    validation: bool,
    delete: bool,
    extra: String,
    environment: Vec<(String, String)>,
    strace: Option<Vec<String>>,
}

impl Builder {
    /// Serves the store below this folder instead of a new one.
    #[must_use]
    pub fn store(mut self, directory: &Path) -> Self {
        self.store = Some(directory.to_owned());
        self
    }

    /// Serves over TLS with this authority's certificate.
    #[must_use]
    pub fn tls(mut self, authority: Arc<Authority>) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Asks for this account by htpasswd.
    #[must_use]
    pub fn htpasswd(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Whether manifests whose parts are missing are refused (`validation`); they are by default.
    #[must_use]
    pub fn validation(mut self, enabled: bool) -> Self {
        self.validation = enabled;
        self
    }

    /// Whether deletes are allowed; they are by default.
    #[must_use]
    pub fn delete(mut self, enabled: bool) -> Self {
        self.delete = enabled;
        self
    }

    /// Adds top-level sections to the configuration file.
    #[must_use]
    pub fn extra(mut self, yaml: &str) -> Self {
        self.extra.push_str(yaml);
        self.extra.push('\n');
        self
    }

    /// Sets an environment variable of the registry.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs the registry under `strace` with these arguments, for example
    /// `["-e", "inject=fsync:error=EIO:when=3"]`. The tracer follows threads and detaches itself from
    /// the process tree, so that signals and exit status are the registry's own.
    #[must_use]
    pub fn strace(mut self, arguments: &[&str]) -> Self {
        self.strace = Some(arguments.iter().map(|it| (*it).to_owned()).collect());
        self
    }

    /// Starts the registry and waits until it accepts connections.
    pub fn start(&self) -> Result<Server> {
        // Between choosing a port and listening on it another program may take it: try again then.
        let mut failure = None;
        for _ in 0..3 {
            match self.launch() {
                Ok(server) => return Ok(server),
                Err(cause) if format!("{cause:#}").contains("in use") => failure = Some(cause),
                Err(cause) => return Err(cause),
            }
        }
        Err(failure.context("no attempt to start was made")?)
    }

    fn launch(&self) -> Result<Server> {
        let directory = tempfile::Builder::new().prefix("berth-test-").tempdir()?;
        let store = self.store.clone().unwrap_or_else(|| directory.path().join("store"));
        std::fs::create_dir_all(&store)?;
        let address = port::free()?;
        let configuration = directory.path().join("config.yml");
        let text = self.configuration(address, &store, directory.path())?;
        std::fs::write(&configuration, text)?;
        let log = directory.path().join("registry.log");

        process::raise_file_limit();
        let mut line: Vec<PathBuf> = Vec::new();
        if let Some(arguments) = &self.strace {
            line.push(tool::find("strace").context("strace is not installed")?);
            line.extend(["-D", "-f", "-qq", "-o"].map(PathBuf::from));
            line.push(directory.path().join("strace.log"));
            line.extend(arguments.iter().map(PathBuf::from));
        }
        line.extend(self.subject.command()?);
        line.push(configuration.clone());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("start {}", line[0].display()))?;
        let mut server = Server {
            builder: self.clone(),
            child,
            address,
            store,
            configuration,
            log,
            started_in: Duration::ZERO,
            directories: vec![directory],
        };
        server.wait_ready()?;
        Ok(server)
    }

    fn configuration(&self, address: SocketAddr, store: &Path, files: &Path) -> Result<String> {
        let mut text = format!(
            "version: 0.1\n\
             log:\n  level: info\n\
             storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: {}\n\
             http:\n  addr: {address}\n  secret: only-for-tests\n",
            store.display(),
            self.delete
        );
        if let Some(authority) = &self.authority {
            text.push_str(&format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                authority.certificate_file.display(),
                authority.key_file.display()
            ));
        }
        if let Some(credentials) = &self.credentials {
            let file = files.join("htpasswd");
            credentials.write_htpasswd(&file)?;
            text.push_str(&format!(
                "auth:\n  htpasswd:\n    realm: system tests\n    path: {}\n",
                file.display()
            ));
        }
        if !self.validation {
            text.push_str("validation:\n  disabled: true\n");
        }
        text.push_str(&self.extra);
        Ok(text)
    }
}

/// A running registry; killed when dropped.
pub struct Server {
    builder: Builder,
    child: Child,
    address: SocketAddr,
    store: PathBuf,
    configuration: PathBuf,
    log: PathBuf,
    started_in: Duration,
    directories: Vec<TempDir>,
}

impl Server {
    /// A registry of the kind under test with a new store, clear text, open to everybody.
    pub fn builder() -> Builder {
        Self::builder_of(Subject::under_test())
    }

    /// The same for a given kind.
    pub fn builder_of(subject: Subject) -> Builder {
        Builder {
            subject,
            store: None,
            authority: None,
            credentials: None,
            validation: true,
            delete: true,
            extra: String::new(),
            environment: Vec::new(),
            strace: None,
        }
    }

    /// Which kind this is.
    pub fn subject(&self) -> Subject {
        self.builder.subject
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port` as clients write it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Root folder of its store.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Its configuration file, for the other commands of the same program.
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// Its process id (the registry's own, also under `strace`).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Time from start until it accepted a connection.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of what it has printed, for messages.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Whether it runs or how it ended, and the last lines of what it has printed, for messages.
    pub fn report(&self, lines: usize) -> String {
        let fate = process::fate(self.pid());
        format!("the registry is {fate}; its last lines:\n{}", self.log_tail(lines))
    }

    /// What `strace` has written so far, for a registry that runs under it.
    pub fn trace(&self) -> String {
        let file = self.log.with_file_name("strace.log");
        std::fs::read_to_string(file).unwrap_or_default()
    }

    /// What a client needs to know to talk to it.
    pub fn endpoint(&self) -> Result<Endpoint> {
        let tls = match &self.builder.authority {
            Some(authority) => Some(authority.client(&[b"http/1.1"])?),
            None => None,
        };
        let credentials = self.builder.credentials.clone();
        Ok(Endpoint { address: self.address, tls, credentials, patience: PATIENCE })
    }

    /// A new client of it.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(self.endpoint()?))
    }

    /// Whether the process has not ended by itself.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Asks it to stop, as Kubernetes does, without waiting.
    pub fn signal_stop(&self) -> Result<()> {
        self.signal(rustix::process::Signal::TERM)
    }

    /// Sends `signal` to the registry's process.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .context("not a process id")?;
        rustix::process::kill_process(pid, signal)?;
        Ok(())
    }

    /// Waits until the process has ended.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        let mut status = None;
        process::wait_until("the registry ends", limit, || {
            status = child.try_wait()?;
            Ok(status.is_some())
        })?;
        status.context("ended without a status")
    }

    /// Kills the process at once.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Kills the process if it still runs and starts it again over the same store (new port).
    pub fn restart(mut self) -> Result<Self> {
        self.kill()?;
        let mut server = self.builder.clone().store(&self.store).start()?;
        // The store may lie in the first folder, which therefore lives as long as the new server.
        server.directories.append(&mut self.directories);
        Ok(server)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if answers(self.address) {
                self.started_in = start.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the registry ended while starting ({}):\n{}", describe(status), self.log());
            }
            if start.elapsed() > START_LIMIT {
                bail!("the registry does not listen after {START_LIMIT:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether something answers, not only listens: a registry may accept connections before its store
/// is open. A TLS port answers plain HTTP too, with a complaint.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(START_LIMIT))?;
        stream.write_all(b"GET /v2/ HTTP/1.0\r\nHost: ready\r\n\r\n")?;
        Ok(stream.read(&mut [0])? > 0)
    };
    ask().unwrap_or(false)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is fine; nothing can be done about the rest here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() || std::env::var_os("BERTH_TEST_LOG").is_some() {
            eprintln!("--- end of the registry's log\n{}", self.log_tail(40));
        }
    }
}

fn describe(status: ExitStatus) -> String {
    status.signal().map_or_else(|| status.to_string(), |signal| format!("signal {signal}"))
}
