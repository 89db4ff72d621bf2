// SPDX-License-Identifier: Apache-2.0
//! SIGTERM with 100 pushes and 100 pulls in flight.
//!
//! Each push has sent half of its body and each pull has read the first byte when the signal comes.
//! A push then completes or is refused cleanly (a whole answer, or a connection closed without any);
//! a pull, whose answer has begun, completes. Every push that was acknowledged is there, byte for
//! byte, after the restart.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use system_tests::is_berth;
use testkit::{Response, Server, client, digest, fixture, inventory};

const PUSHES: usize = 100;
const PULLS: usize = 100;
const PUSHED: usize = 256 << 10;
/// More than the kernel buffers between a sender and a reader that does not read.
const PULLED: usize = 8 << 20;

/// How one client ended.
#[derive(Debug)]
enum End {
    /// The whole answer with success.
    Done,
    /// A whole answer that refuses: 503 or 429.
    Refused,
    /// No answer: the connection was closed.
    Closed,
    /// What must not happen.
    Wrong(String),
}

fn content(number: usize) -> Vec<u8> {
    fixture::noise(1000 + number as u64, PUSHED)
}

fn connect(server: &Server) -> Result<TcpStream> {
    let socket = TcpStream::connect(server.address())?;
    socket.set_read_timeout(Some(client::PATIENCE))?;
    Ok(socket)
}

fn answer(socket: &TcpStream) -> Result<Response> {
    Ok(client::read_response(&mut BufReader::new(socket), false)?.0)
}

/// Sends half of a blob, waits for the signal to be sent, sends the rest.
fn push(server: &Server, number: usize, half_way: &Barrier, signalled: &Barrier) -> End {
    let bytes = content(number);
    let (first, second) = bytes.split_at(PUSHED / 2);
    let begun = || -> Result<TcpStream> {
        let session = server.client()?.start_upload(&format!("stop/push{number}"))?;
        let target = client::path_of(&session);
        let mut socket = connect(server)?;
        write!(
            socket,
            "PUT {target}&digest={} HTTP/1.1\r\nhost: r\r\ncontent-length: {PUSHED}\r\n\r\n",
            digest::sha256(&bytes)
        )?;
        socket.write_all(first)?;
        Ok(socket)
    };
    let socket = begun();
    half_way.wait();
    signalled.wait();
    let mut socket = match socket {
        Ok(socket) => socket,
        Err(cause) => return End::Wrong(format!("push {number} before the signal: {cause:#}")),
    };
    // An early refusal may have closed the connection; what counts is the answer.
    let _ = socket.write_all(second);
    match answer(&socket) {
        Ok(answer) if answer.status == 201 => End::Done,
        Ok(answer) if matches!(answer.status, 503 | 429) => End::Refused,
        Ok(answer) => End::Wrong(format!("push {number}: {} {}", answer.status, answer.text())),
        Err(_) => End::Closed,
    }
}

/// Asks for a blob, sees the answer begin, waits for the signal to be sent, reads the rest.
fn pull(server: &Server, wanted: &str, half_way: &Barrier, signalled: &Barrier) -> End {
    let begun = || -> Result<TcpStream> {
        let mut socket = connect(server)?;
        write!(socket, "GET /v2/stop/pull/blobs/{wanted} HTTP/1.1\r\nhost: r\r\n\r\n")?;
        ensure!(socket.peek(&mut [0])? == 1, "no answer");
        Ok(socket)
    };
    let socket = begun();
    half_way.wait();
    signalled.wait();
    let socket = match socket {
        Ok(socket) => socket,
        Err(cause) => return End::Wrong(format!("pull before the signal: {cause:#}")),
    };
    match answer(&socket) {
        Ok(answer) if answer.status == 200 && digest::sha256(&answer.body) == wanted => End::Done,
        Ok(answer) => End::Wrong(format!("pull: {} with {}", answer.status, answer.body.len())),
        // The length in the head tells a cut body apart from a whole one.
        Err(_) => End::Closed,
    }
}

#[test]
fn a_stop_under_load_loses_nothing_acknowledged() -> Result<()> {
    let mut server = Server::builder().start()?;
    let wanted = server.client()?.push_blob("stop/pull", &fixture::noise(5, PULLED))?;

    let half_way = Barrier::new(PUSHES + PULLS + 1);
    let signalled = Barrier::new(PUSHES + PULLS + 1);
    let (pushes, pulls) = std::thread::scope(|scope| -> Result<_> {
        let (server, wanted) = (&server, &wanted);
        let (half_way, signalled) = (&half_way, &signalled);
        let pushes: Vec<_> = (0..PUSHES)
            .map(|number| scope.spawn(move || push(server, number, half_way, signalled)))
            .collect();
        let pulls: Vec<_> = (0..PULLS)
            .map(|_| scope.spawn(move || pull(server, wanted, half_way, signalled)))
            .collect();
        half_way.wait();
        let sent = server.signal_stop();
        signalled.wait();
        let joined = |threads: Vec<std::thread::ScopedJoinHandle<'_, End>>| -> Vec<End> {
            threads
                .into_iter()
                .map(|it| it.join().unwrap_or_else(|_| End::Wrong("a client panicked".into())))
                .collect()
        };
        let ends = (joined(pushes), joined(pulls));
        sent?;
        Ok(ends)
    })?;
    let status = server.wait(Duration::from_secs(40))?;
    println!("pushes: {}\npulls: {}", summary(&pushes), summary(&pulls));
    for end in pushes.iter().chain(&pulls) {
        if let End::Wrong(what) = end {
            bail!("{what}");
        }
    }
    if is_berth() {
        ensure!(status.success(), "the registry ended with {status}");
        let cut = pulls.iter().filter(|end| !matches!(end, End::Done)).count();
        ensure!(cut == 0, "{cut} pulls whose answer had begun were cut");
    }

    let server = server.restart()?;
    let mut client = server.client()?;
    inventory::blob(&mut client, "stop/pull", &wanted)?;
    for (number, end) in pushes.iter().enumerate() {
        if matches!(end, End::Done) {
            let digest = digest::sha256(&content(number));
            inventory::blob(&mut client, &format!("stop/push{number}"), &digest)
                .with_context(|| format!("acknowledged push {number} is lost"))?;
        }
    }
    Ok(())
}

#[test]
fn an_idle_registry_stops_at_once_in_spite_of_idle_connections() -> Result<()> {
    let mut server = Server::builder().start()?;
    let mut idle = server.client()?;
    idle.get("/v2/", &[])?.expect(200)?;
    let start = Instant::now();
    server.signal_stop()?;
    let status = server.wait(Duration::from_secs(10))?;
    println!("stopped in {:?} with {status}", start.elapsed());
    ensure!(status.success() || !is_berth(), "the registry ended with {status}");
    Ok(())
}

#[test]
fn a_stopping_registry_gives_up_a_client_that_never_ends() -> Result<()> {
    let mut server = Server::builder().start()?;
    let session = server.client()?.start_upload("stop/never")?;
    let mut socket = connect(&server)?;
    let target = client::path_of(&session);
    write!(socket, "PATCH {target} HTTP/1.1\r\nhost: r\r\ncontent-length: 1000\r\n\r\nx")?;
    server.signal_stop()?;
    // registry.md 6.8: running requests get up to 29 s; Kubernetes kills after 30.
    server.wait(Duration::from_secs(30))?;
    Ok(())
}

fn summary(ends: &[End]) -> String {
    let count = |test: fn(&End) -> bool| ends.iter().filter(|end| test(end)).count();
    format!(
        "{} done, {} refused, {} closed",
        count(|it| matches!(it, End::Done)),
        count(|it| matches!(it, End::Refused)),
        count(|it| matches!(it, End::Closed))
    )
}
