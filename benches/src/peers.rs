// SPDX-License-Identifier: Apache-2.0
//! The servers that are measured: how each is configured, started, watched and stopped.
//!
//! All listen on a free loopback port, write no access log, and get the same certificate when the
//! row is over TLS. Registries get the same configuration file.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::load::http::Connection;
use crate::load::transport::Endpoint;
use crate::process;
use crate::tls::Tls;

/// How long a server may take to answer for the first time, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The only user of a Berth that authenticates.
const USER: &str = "bench";
const PASSWORD: &str = "only-for-benchmarks";
const BCRYPT_COST: u32 = 10;

/// How long a server may go on working after a measurement.
const REST: Duration = Duration::from_secs(30);

/// A kind of server, which is also a column of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Berth with an exclusively locked store (its default).
    Berth,
    /// Berth with a store shared with other writers.
    BerthShared,
    /// Debian's docker-registry (distribution 2.8).
    Distribution,
    /// Another build of distribution, for example version 3.
    Distribution3,
    /// nginx serving the same bytes at the same paths.
    Nginx,
}

impl Peer {
    /// All of them, in the order of the report's columns.
    pub const ALL: [Self; 5] =
        [Self::Berth, Self::BerthShared, Self::Distribution, Self::Distribution3, Self::Nginx];

    /// Name on the command line and in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Berth => "berth",
            Self::BerthShared => "berth-shared",
            Self::Distribution => "docker-registry",
            Self::Distribution3 => "distribution3",
            Self::Nginx => "nginx",
        }
    }

    /// Whether it takes pushes and lists tags.
    pub fn is_registry(self) -> bool {
        self != Self::Nginx
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the programs are.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// Program of each peer that can be run here.
    pub found: Vec<(Peer, PathBuf)>,
    /// Whether nginx keeps file descriptors open (`open_file_cache`).
    pub nginx_file_cache: bool,
}

impl Programs {
    /// Looks for every program: `BERTH_BIN` or the release build next to this program, then
    /// `DISTRIBUTION_BIN`, `DISTRIBUTION3_BIN`, `NGINX_BIN` or the usual places.
    pub fn find(nginx_file_cache: bool) -> Self {
        let beside = std::env::current_exe().ok();
        let beside = beside.as_deref().and_then(Path::parent).map(|folder| folder.join("berth"));
        let berth = pick(
            "BERTH_BIN",
            beside.into_iter().chain([PathBuf::from("target/release/berth")]).collect(),
        );
        let places = |name: &str| {
            ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(|folder| Path::new(folder).join(name))
        };
        let mut found = Vec::new();
        let mut add = |peer, program: Option<PathBuf>| {
            if let Some(program) = program {
                found.push((peer, program));
            }
        };
        add(Peer::Berth, berth.clone());
        add(Peer::BerthShared, berth);
        add(Peer::Distribution, pick("DISTRIBUTION_BIN", places("docker-registry").into()));
        add(Peer::Distribution3, pick("DISTRIBUTION3_BIN", Vec::new()));
        add(Peer::Nginx, pick("NGINX_BIN", places("nginx").into()));
        Self { found, nginx_file_cache }
    }

    /// Builds Berth's release program when this one runs under `cargo run`, so that one command
    /// measures what is checked out. Nothing is built when `BERTH_BIN` names a program.
    pub fn build_berth() -> Result<()> {
        let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
        if std::env::var_os("BERTH_BIN").is_some() {
            return Ok(());
        }
        let status = Command::new(cargo).args(["build", "--release", "-p", "berth"]).status()?;
        ensure!(status.success(), "building berth failed; --peers measures without it");
        Ok(())
    }

    /// The program of a peer.
    pub fn of(&self, peer: Peer) -> Result<&Path> {
        self.found
            .iter()
            .find(|(one, _)| *one == peer)
            .map(|(_, program)| program.as_path())
            .with_context(|| format!("{peer} is not installed"))
    }

    /// Version line of a peer's program.
    pub fn version(&self, peer: Peer) -> String {
        let flag = if peer == Peer::Nginx { "-v" } else { "--version" };
        let Ok(program) = self.of(peer) else { return "not found".into() };
        let Ok(output) = Command::new(program).arg(flag).output() else {
            return "unknown".into();
        };
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
    }
}

fn pick(variable: &str, candidates: Vec<PathBuf>) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let all = named.map_or(candidates, |program| vec![program]);
    all.into_iter().find(|program| program.is_file()).and_then(|path| path.canonicalize().ok())
}

/// What a server is started with.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Programs.
    pub programs: &'a Programs,
    /// `rootdirectory` of a registry, or document root of nginx.
    pub store: &'a Path,
    /// Folder for configuration and logs.
    pub scratch: &'a Path,
    /// Certificate, for a row over TLS.
    pub tls: Option<&'a Tls>,
    /// Run under `strace -c` and write its table here.
    pub strace: Option<&'a Path>,
    /// Whether Berth asks for a password; the other servers never do.
    pub authenticate: bool,
}

/// A running server; it is stopped when dropped.
#[derive(Debug)]
pub struct Server {
    /// What it is.
    pub peer: Peer,
    /// How to reach it.
    pub endpoint: Endpoint,
    /// From the start of the process to its first answer to `GET /v2/`: 200, or 401 where it
    /// authenticates.
    pub startup: Duration,
    child: Child,
    log: PathBuf,
    stopped: bool,
}

impl Server {
    /// Starts a server and waits for its first answer.
    pub fn start(peer: Peer, setup: Setup<'_>) -> Result<Self> {
        Self::launch(peer, setup).with_context(|| format!("starting {peer}"))
    }

    fn launch(peer: Peer, setup: Setup<'_>) -> Result<Self> {
        let program = setup.programs.of(peer)?;
        fs::create_dir_all(setup.store)?;
        fs::create_dir_all(setup.scratch)?;
        let address = free_address()?;
        let log = setup.scratch.join(format!("{peer}.log"));
        let mut arguments: Vec<PathBuf> = Vec::new();
        let mut authorization = None;
        if peer == Peer::Nginx {
            let config = setup.scratch.join("nginx.conf");
            fs::write(&config, nginx_config(address, setup))?;
            arguments.extend(["-p".into(), setup.scratch.into(), "-c".into(), config]);
        } else {
            let config = setup.scratch.join(format!("{peer}.yml"));
            let ours = matches!(peer, Peer::Berth | Peer::BerthShared);
            let mut text = registry_config(address, setup);
            if ours && setup.authenticate {
                let users = setup.scratch.join("htpasswd");
                let line = format!("{USER}:{}\n", bcrypt::hash(PASSWORD, BCRYPT_COST)?);
                fs::write(&users, line)?;
                let users = users.display();
                let _ = write!(text, "auth:\n  htpasswd:\n    realm: bench\n    path: {users}\n");
                let pair =
                    base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
                authorization = Some(format!("Basic {pair}"));
            }
            fs::write(&config, text)?;
            arguments.extend([if ours { "registry".into() } else { "serve".into() }, config]);
        }
        let mut command = match setup.strace {
            None => Command::new(program),
            Some(table) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-c", "-o"]).arg(table).arg("--").arg(program);
                strace
            }
        };
        let output = File::create(&log)?;
        command
            .args(arguments)
            .env("REGISTRY_LOG_ACCESSLOG_DISABLED", "true")
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        if peer == Peer::BerthShared {
            command.env("REGISTRY_BERTH_STORE", "shared");
        }
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("running {}", program.display()))?;
        let tls = setup.tls.map(|tls| tls.client(true)).transpose()?;
        let endpoint = Endpoint { address, tls, authorization };
        let mut server =
            Self { peer, endpoint, startup: Duration::ZERO, child, log, stopped: false };
        server.startup = server.await_first_answer(begun)?;
        Ok(server)
    }

    fn await_first_answer(&mut self, begun: Instant) -> Result<Duration> {
        // Without credentials: the time of one bcrypt is not that of the start.
        let expected = if self.endpoint.authorization.is_some() { 401 } else { 200 };
        let endpoint = Endpoint { authorization: None, ..self.endpoint.clone() };
        loop {
            let answer = Connection::open(&endpoint)
                .and_then(|mut connection| connection.request("GET", "/v2/", &[], &[]));
            if answer.is_ok_and(|answer| answer.head.status == expected) {
                return Ok(begun.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.last_words());
            }
            ensure!(begun.elapsed() < PATIENCE, "no answer in time: {}", self.last_words());
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(600)..];
        String::from_utf8_lossy(tail).trim().replace('\n', " | ")
    }

    /// Process id of its main process (of strace, when it runs under that).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time used so far, in seconds.
    pub fn cpu(&self) -> f64 {
        process::cpu_seconds(self.pid())
    }

    /// Memory used now.
    pub fn memory(&self) -> process::Memory {
        process::memory(self.pid())
    }

    /// Waits until it uses next to no processor time, so that requests that were cut off, or
    /// work put off, do not weigh on the next measurement.
    pub fn await_rest(&self) {
        let begun = Instant::now();
        let mut last = self.cpu();
        while begun.elapsed() < REST {
            std::thread::sleep(Duration::from_millis(50));
            let now = self.cpu();
            if now - last < 0.011 {
                break;
            }
            last = now;
        }
    }

    /// Stops it and waits until it is gone.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let main = self.pid();
        // strace does not pass SIGTERM on; its child is the server.
        let traced = fs::read_to_string(format!("/proc/{main}/comm")).unwrap_or_default();
        let target = if traced.trim() == "strace" {
            process::tree(main).get(1).copied().unwrap_or(main)
        } else {
            main
        };
        if let Some(pid) = Pid::from_raw(target.cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} did not stop on SIGTERM", self.peer);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.end().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn free_address() -> Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(probe.local_addr()?)
}

/// Configuration of distribution's format, the same for every registry.
fn registry_config(address: SocketAddr, setup: Setup<'_>) -> String {
    let mut text = format!(
        "version: 0.1\n\
         log:\n  level: error\n  accesslog:\n    disabled: true\n\
         storage:\n  cache:\n    blobdescriptor: inmemory\n\
         \x20 delete:\n    enabled: true\n\
         \x20 filesystem:\n    rootdirectory: {}\n\
         \x20 maintenance:\n    uploadpurging:\n      enabled: false\n\
         http:\n  addr: {address}\n  secret: only-for-benchmarks\n",
        setup.store.display()
    );
    if let Some(tls) = setup.tls {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        let _ = write!(text, "  tls:\n    certificate: {certificate}\n    key: {key}\n");
    }
    text
}

/// nginx as a static file server over the paths of the registry protocol.
fn nginx_config(address: SocketAddr, setup: Setup<'_>) -> String {
    let scratch = setup.scratch.display();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut server = format!("listen {address}");
    if let Some(tls) = setup.tls {
        let _ = write!(
            server,
            " ssl;\n    ssl_certificate {};\n    ssl_certificate_key {};\n    \
             ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_cache shared:a:10m;\n    \
             ssl_buffer_size 16k",
            tls.certificate.display(),
            tls.key.display()
        );
    }
    let cache = if setup.programs.nginx_file_cache {
        "  open_file_cache max=20000 inactive=60s;\n  open_file_cache_valid 60s;\n"
    } else {
        ""
    };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {scratch}/nginx-{name};\n"))
        .collect();
    format!(
        "{user}worker_processes {workers};\npid {scratch}/nginx.pid;\ndaemon off;\n\
         error_log stderr error;\nevents {{ worker_connections 8192; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  etag on;\n\
         \x20 keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n\
         \x20 types {{ }}\n  default_type application/octet-stream;\n{cache}{temporary}\
         \x20 server {{\n    {server};\n    root {root};\n\
         \x20   location = /v2/ {{ default_type application/json; return 200 '{{}}'; }}\n\
         \x20   location /v2/bench/small/manifests/ {{ default_type {manifest}; }}\n\
         \x20   location /v2/bench/big/manifests/ {{ default_type {manifest}; }}\n\
         \x20 }}\n}}\n",
        root = setup.store.display(),
        manifest = crate::load::push::MANIFEST,
    )
}
