// SPDX-License-Identifier: Apache-2.0
//! Runs one real program to its end and keeps what it printed.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may run unless told otherwise.
const LIMIT: Duration = Duration::from_secs(180);

/// A program with the settings that all its calls in one test share.
#[derive(Clone)]
pub struct Tool {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    limit: Duration,
}

/// What a program answered.
#[derive(Debug)]
pub struct Output {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as text without the last line end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

impl Tool {
    /// A program of `PATH`, or of the folders where Go and Debian put what `PATH` may lack.
    pub fn new(program: &str) -> Result<Self> {
        let found = find(program).with_context(|| {
            format!("{program} is not installed: run `cargo xtask setup` once as root")
        })?;
        Ok(Self {
            program: found.into_os_string(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            limit: LIMIT,
        })
    }

    /// Adds arguments that come first in every call.
    #[must_use]
    pub fn with<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|it| it.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable for every call.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory for every call.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Sets after which time a call is killed and counts as failed.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the program; its failure is an error that shows the command and what it printed.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        let arguments: Vec<OsString> =
            arguments.into_iter().map(|it| it.as_ref().to_owned()).collect();
        let output = self.attempt(&arguments)?;
        if !output.success {
            bail!(
                "{} {} failed ({:?})\n--- stdout\n{}\n--- stderr\n{}",
                self.program.display(),
                arguments.join(OsStr::new(" ")).display(),
                output.code,
                output.text(),
                output.stderr
            );
        }
        Ok(output)
    }

    /// Runs the program and returns what it answered, whether it succeeded or not.
    pub fn attempt<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("start {}", self.program.display()))?;
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if start.elapsed() > self.limit {
                child.kill()?;
                child.wait()?;
                bail!("{} did not end within {:?}", self.program.display(), self.limit);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Ok(Output {
            success: status.success(),
            code: status.code(),
            stdout: stdout.join().unwrap_or_default(),
            stderr: String::from_utf8_lossy(&stderr.join().unwrap_or_default()).into_owned(),
        })
    }
}

/// Path of `program`, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Path::new(program).is_file().then(|| PathBuf::from(program));
    }
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|it| std::env::split_paths(&it).collect()).unwrap_or_default();
    if let Some(home) = std::env::var_os("HOME") {
        folders.push(Path::new(&home).join("go/bin"));
    }
    folders.extend(["/usr/local/bin", "/usr/sbin", "/usr/bin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn collect(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // A stream cut by a kill still shows what came before.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}
