// SPDX-License-Identifier: Apache-2.0
//! Many keep-alive connections driven from one or two threads with epoll: the load of every row
//! that reads.
//!
//! Each connection has one request in flight. Status and length of every answer are checked; the
//! digest of a sample is. [`verify`] checks the digest of every target once, before the clock
//! starts, and so warms the server.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::event::epoll;
use sha2::{Digest as _, Sha256};

use super::content::{Random, hex};
use super::http::{Connection, Rest, parse_head, request_bytes};
use super::transport::{Endpoint, PATIENCE, Transport};

/// Receives before another connection gets its turn.
const TURN: usize = 16;

/// Bytes received at once.
const SCRATCH: usize = 256 * 1024;

/// One request and what its answer has to be.
#[derive(Clone, Debug)]
pub struct Target {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    /// Status of the answer.
    pub status: u16,
    /// `Content-Length` of the answer, where it is known.
    pub length: Option<u64>,
    /// Digest of the body of the answer, where it is known.
    pub digest: Option<String>,
}

impl Target {
    /// A GET answered by 200 and, when given, content of this length and digest.
    pub fn get(path: impl Into<String>, content: Option<(u64, &str)>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            headers: Vec::new(),
            status: 200,
            length: content.map(|(length, _)| length),
            digest: content.map(|(_, digest)| digest.to_owned()),
        }
    }

    /// The same as HEAD.
    pub fn head(mut self) -> Self {
        self.method = "HEAD";
        self.digest = None;
        self
    }

    /// The same with a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A part of a blob: answered by 206.
    pub fn range(path: impl Into<String>, from: u64, bytes: &[u8]) -> Self {
        let last = from + bytes.len() as u64 - 1;
        let mut target = Self::get(path, Some((bytes.len() as u64, "")));
        target.digest = Some(super::content::digest(bytes));
        target.status = 206;
        target.with("Range", format!("bytes={from}-{last}"))
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// After a time, but not before one request is complete.
    After(Duration),
    /// After so many requests.
    Count(u64),
    /// After each target was requested once, in order.
    Once,
}

/// What to load a server with.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The server.
    pub endpoint: &'a Endpoint,
    /// Requests, taken at random unless `stop` says otherwise.
    pub targets: &'a [Target],
    /// Connections.
    pub connections: usize,
    /// Threads that drive them.
    pub threads: usize,
    /// When to stop.
    pub stop: Stop,
    /// Hash the body of every n-th answer; 0 for none.
    pub sample: u64,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Complete answers.
    pub requests: u64,
    /// Bytes of bodies, those of answers cut off at the end of the time included.
    pub bytes: u64,
    /// Time from the first request to the last byte.
    pub elapsed: Duration,
    /// Microseconds per request.
    pub latencies: Vec<u32>,
}

/// Requests every target once on one connection and checks everything that is known about it.
pub fn verify(endpoint: &Endpoint, targets: &[Target]) -> Result<()> {
    let mut connection = Connection::open(endpoint)?;
    for target in targets {
        let answer = connection
            .request(target.method, &target.path, &target.headers(), &[])?
            .expect(target.status)
            .with_context(|| format!("{} {}", target.method, target.path))?;
        if let Some(length) = target.length {
            ensure!(answer.head.length == Some(length), "{}: wrong length", target.path);
        }
        if let Some(digest) = &target.digest {
            let found = super::content::digest(&answer.body);
            ensure!(found == *digest, "{}: body has digest {found}", target.path);
        }
    }
    Ok(())
}

/// Connections that are open and have not sent anything yet.
#[derive(Debug)]
pub struct Fleet<'a> {
    plan: Plan<'a>,
    requests: Vec<Vec<u8>>,
    transports: Vec<Transport>,
}

impl<'a> Fleet<'a> {
    /// Opens the connections of a plan.
    pub fn connect(plan: Plan<'a>) -> Result<Self> {
        ensure!(!plan.targets.is_empty(), "no targets");
        let requests = plan
            .targets
            .iter()
            .map(|target| {
                request_bytes(target.method, plan.endpoint, &target.path, &target.headers())
            })
            .collect();
        let transports = (0..plan.connections)
            .map(|_| Transport::connect(plan.endpoint).context("connecting"))
            .collect::<Result<_>>()?;
        Ok(Self { plan, requests, transports })
    }

    /// Runs the plan.
    pub fn run(mut self) -> Result<Outcome> {
        let threads = self.plan.threads.clamp(1, self.transports.len().max(1));
        let mut shares: Vec<Vec<Transport>> = (0..threads).map(|_| Vec::new()).collect();
        for (index, transport) in self.transports.drain(..).enumerate() {
            shares[index % threads].push(transport);
        }
        let shared = Shared {
            plan: self.plan,
            requests: &self.requests,
            taken: AtomicU64::new(0),
            complete: AtomicU64::new(0),
        };
        let barrier = Barrier::new(threads);
        let total = Mutex::new(Outcome::default());
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let workers: Vec<_> = shares
                .into_iter()
                .enumerate()
                .map(|(seed, share)| {
                    let (shared, barrier, total) = (&shared, &barrier, &total);
                    scope.spawn(move || {
                        barrier.wait();
                        let outcome = shared.drive(share, seed as u64)?;
                        let mut total = total.lock().map_err(|_| anyhow!("a worker failed"))?;
                        total.requests += outcome.requests;
                        total.bytes += outcome.bytes;
                        total.elapsed = total.elapsed.max(outcome.elapsed);
                        total.latencies.extend(outcome.latencies);
                        Ok(())
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")))
                .collect()
        });
        results.into_iter().collect::<Result<()>>()?;
        total.into_inner().map_err(|_| anyhow!("a worker failed"))
    }
}

struct Shared<'a> {
    plan: Plan<'a>,
    requests: &'a [Vec<u8>],
    taken: AtomicU64,
    complete: AtomicU64,
}

/// A connection and the answer it is receiving.
struct Active {
    transport: Transport,
    target: usize,
    begun: Instant,
    head: Vec<u8>,
    rest: Option<Rest>,
    hash: Option<Sha256>,
}

impl Shared<'_> {
    fn drive(&self, transports: Vec<Transport>, seed: u64) -> Result<Outcome> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let start = Instant::now();
        let mut worker = Worker {
            shared: self,
            random: Random::new(seed),
            scratch: vec![0; SCRATCH],
            outcome: Outcome::default(),
            start,
        };
        let mut active: Vec<Active> = Vec::with_capacity(transports.len());
        for transport in transports {
            let data = epoll::EventData::new_u64(active.len() as u64);
            epoll::add(&poll, transport.fd(), data, epoll::EventFlags::IN)?;
            active.push(Active {
                transport,
                target: 0,
                begun: start,
                head: Vec::new(),
                rest: None,
                hash: None,
            });
        }
        let mut running = 0_usize;
        for connection in &mut active {
            if worker.send(connection)? {
                running += 1;
            } else {
                connection.rest = Some(Rest::Done);
            }
        }
        let mut events = Vec::with_capacity(256);
        while running > 0 && !worker.expired() {
            events.clear();
            let patience = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
            let space = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&poll, space, Some(&patience)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let index = event.data.u64() as usize;
                let connection = &mut active[index];
                if !worker.receive(connection)? {
                    epoll::delete(&poll, connection.transport.fd())?;
                    running -= 1;
                }
            }
            if events.is_empty() {
                let waiting = active.iter().filter(|one| one.rest != Some(Rest::Done));
                let oldest = waiting.map(|one| one.begun.elapsed()).max();
                ensure!(oldest < Some(PATIENCE), "no complete answer in {PATIENCE:?}");
            }
        }
        worker.outcome.elapsed = start.elapsed();
        Ok(worker.outcome)
    }
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    random: Random,
    scratch: Vec<u8>,
    outcome: Outcome,
    start: Instant,
}

impl Worker<'_> {
    /// Whether the time of the run is over.
    fn expired(&self) -> bool {
        match self.shared.plan.stop {
            Stop::After(limit) => {
                self.start.elapsed() >= limit && self.shared.complete.load(Ordering::Relaxed) > 0
            }
            Stop::Count(_) | Stop::Once => false,
        }
    }

    /// Sends the next request; false when there is none.
    fn send(&mut self, connection: &mut Active) -> Result<bool> {
        let plan = &self.shared.plan;
        let number = self.shared.taken.fetch_add(1, Ordering::Relaxed);
        connection.target = match plan.stop {
            Stop::After(_) => self.random.below(plan.targets.len()),
            Stop::Count(limit) if number < limit => self.random.below(plan.targets.len()),
            Stop::Once if number < plan.targets.len() as u64 => number as usize,
            Stop::Count(_) | Stop::Once => return Ok(false),
        };
        connection.head.clear();
        connection.rest = None;
        let digest = plan.targets[connection.target].digest.is_some();
        let sampled = digest && plan.sample > 0 && number.is_multiple_of(plan.sample);
        connection.hash = sampled.then(Sha256::new);
        connection.begun = Instant::now();
        connection
            .transport
            .send(&self.shared.requests[connection.target])
            .context("sending a request")?;
        Ok(true)
    }

    /// Receives what is there; false when the connection has no more requests to send.
    fn receive(&mut self, connection: &mut Active) -> Result<bool> {
        let mut turns = 0;
        loop {
            turns += 1;
            if turns > TURN && !connection.transport.buffered() {
                return Ok(true);
            }
            let blind =
                matches!(connection.rest, Some(Rest::Bytes(_))) && connection.hash.is_none();
            let result = match connection.rest {
                Some(Rest::Bytes(rest)) if blind => {
                    let limit = SCRATCH.min(usize::try_from(rest).unwrap_or(SCRATCH));
                    connection.transport.discard(&mut self.scratch[..limit], false)
                }
                _ => connection.transport.receive(&mut self.scratch, false),
            };
            let received = match result {
                Ok(0) => bail!("the server closed the connection"),
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(anyhow::Error::from(error).context("receiving")),
            };
            if blind {
                self.outcome.bytes += received as u64;
                if let Some(Rest::Bytes(rest)) = &mut connection.rest {
                    *rest -= received as u64;
                    if *rest == 0 {
                        connection.rest = Some(Rest::Done);
                    }
                }
            } else {
                self.consume(connection, received)?;
            }
            if connection.rest == Some(Rest::Done) {
                self.finish(connection)?;
                if self.expired() {
                    return Ok(true);
                }
                if !self.send(connection)? {
                    return Ok(false);
                }
            }
        }
    }

    /// Takes in bytes of a head, or of a body that is looked at.
    fn consume(&mut self, connection: &mut Active, received: usize) -> Result<()> {
        let target = &self.shared.plan.targets[connection.target];
        let mut bytes = &self.scratch[..received];
        let joined;
        if connection.rest.is_none() {
            if !connection.head.is_empty() {
                connection.head.extend_from_slice(bytes);
                joined = std::mem::take(&mut connection.head);
                bytes = &joined;
            }
            let Some((head, used)) = parse_head(bytes, false)? else {
                connection.head = bytes.to_vec();
                return Ok(());
            };
            ensure!(
                head.status == target.status && !head.close,
                "{} {}: status {} (close: {}) instead of {}",
                target.method,
                target.path,
                head.status,
                head.close,
                target.status
            );
            if let Some(length) = target.length {
                let found = head.length;
                ensure!(found == Some(length), "{}: length {found:?}, not {length}", target.path);
            }
            connection.rest = Some(Rest::of(&head, target.method == "HEAD")?);
            bytes = &bytes[used..];
        }
        if let Some(rest) = &mut connection.rest {
            let (hash, total) = (&mut connection.hash, &mut self.outcome.bytes);
            let used = rest.feed(bytes, |content| {
                *total += content.len() as u64;
                if let Some(hash) = hash {
                    hash.update(content);
                }
            })?;
            ensure!(used == bytes.len(), "{}: bytes after the answer", target.path);
        }
        Ok(())
    }

    fn finish(&mut self, connection: &mut Active) -> Result<()> {
        let micros = connection.begun.elapsed().as_micros();
        self.outcome.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
        self.outcome.requests += 1;
        self.shared.complete.fetch_add(1, Ordering::Relaxed);
        let target = &self.shared.plan.targets[connection.target];
        if let (Some(hash), Some(expected)) = (connection.hash.take(), &target.digest) {
            let found = format!("sha256:{}", hex(&<[u8; 32]>::from(hash.finalize())));
            ensure!(found == *expected, "{}: body has digest {found}", target.path);
        }
        Ok(())
    }
}
