// SPDX-License-Identifier: Apache-2.0
//! Clients that take their time: slow headers, slow bodies, slow reading, and too much at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use system_tests::{is_berth, is_full};
use testkit::{Server, fixture, lock};

use super::{MEMORY_CONNECTIONS, Memory, connect, exchange, is_closed, latency, must_recover};

/// T-12 says 5,000; the short form keeps the time of a run and the file limit of small machines.
fn connections() -> usize {
    if is_full() { 5000 } else { 1000 }
}

/// Opens many connections that each did `begin`, measures, drops them, and sees all well again.
fn besiege(server: &Server, begin: impl Fn(&mut TcpStream) -> Result<()>) -> Result<()> {
    let baseline = latency::p99(server)?;
    let memory = Memory::watch(server)?;
    let mut held = Vec::new();
    for _ in 0..connections() {
        let mut socket = connect(server)?;
        begin(&mut socket)?;
        held.push(socket);
    }
    let during = latency::p99(server)?;
    memory.must_have_grown_by_at_most(MEMORY_CONNECTIONS)?;
    latency::must_be_bearable(baseline, during)?;
    drop(held);
    must_recover(server)
}

#[test]
fn headers_that_never_end_cost_little_and_disturb_nobody() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    besiege(&server, |socket| {
        socket.write_all(b"GET /v2/ HTTP/1.1\r\nhost: registry\r\nx-slow: a")?;
        Ok(())
    })
}

#[test]
fn a_request_head_that_does_not_come_is_given_up() -> Result<()> {
    if !is_berth() {
        println!("distribution has no time limit for headers");
        return Ok(());
    }
    // The documented default is 30 s (registry.md 6.6).
    let server = Server::builder().start()?;
    let mut socket = connect(&server)?;
    socket.write_all(b"GET /v2/ HTTP/1.1\r\nhost: registry\r\n")?;
    let start = Instant::now();
    ensure!(is_closed(&mut socket), "a request head may take for ever");
    ensure!(start.elapsed() < Duration::from_secs(45), "given up after {:?}", start.elapsed());
    Ok(())
}

#[test]
fn bodies_that_trickle_cost_little_and_disturb_nobody() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    besiege(&server, |socket| {
        socket.write_all(
            b"PUT /v2/slow/app/manifests/latest HTTP/1.1\r\nhost: registry\r\n\
              content-type: application/vnd.oci.image.manifest.v1+json\r\n\
              content-length: 100000\r\n\r\n{",
        )?;
        Ok(())
    })
}

#[test]
fn readers_that_do_not_read_cost_little_and_disturb_nobody() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let digest = server.client()?.push_blob("slow/app", &fixture::noise(4, 32 << 20))?;
    let request = format!("GET /v2/slow/app/blobs/{digest} HTTP/1.1\r\nhost: registry\r\n\r\n");
    besiege(&server, |socket| {
        socket.write_all(request.as_bytes())?;
        let mut first = [0; 1];
        socket.read_exact(&mut first)?;
        Ok(())
    })
}

#[test]
fn a_head_without_bounds_is_refused() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let memory = Memory::watch(&server)?;
    // One endless field, then endless fields, 64 MiB each; a server that closes early is right.
    for line in [vec![b'a'; 64 << 10], b"a: b\r\n".repeat(10_000)] {
        let mut socket = connect(&server)?;
        socket.write_all(b"GET /v2/ HTTP/1.1\r\nhost: registry\r\nx: ")?;
        let cut = (0..1024).any(|_| socket.write_all(&line).is_err());
        ensure!(cut || is_closed(&mut socket), "64 MiB of head were taken");
    }
    let mut request = b"GET /v2/ HTTP/1.1\r\nhost: registry\r\nx: ".to_vec();
    request.resize(request.len() + (3 << 20), b'a');
    request.extend_from_slice(b"\r\n\r\n");
    // A reset that overtakes the answer is as clean as the answer itself.
    if let Ok(answer) = exchange(&server, &request) {
        ensure!(matches!(answer.status, 400 | 431), "a head of 3 MiB: {}", answer.status);
    }
    memory.must_have_grown_by_at_most(MEMORY_CONNECTIONS)?;
    must_recover(&server)
}

#[test]
fn pipelined_requests_are_answered_in_order() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    let memory = Memory::watch(&server)?;
    const COUNT: usize = 2000;
    let mut requests = Vec::new();
    for number in 0..COUNT {
        let path = if number % 2 == 0 { "/v2/" } else { "/v2/none/manifests/none" };
        requests.extend_from_slice(format!("GET {path} HTTP/1.1\r\nhost: r\r\n\r\n").as_bytes());
    }
    let socket = connect(&server)?;
    let mut writer = socket.try_clone()?;
    let sender = std::thread::spawn(move || writer.write_all(&requests));
    let mut reader = std::io::BufReader::new(socket);
    for number in 0..COUNT {
        let (answer, _) = testkit::client::read_response(&mut reader, false)?;
        let wanted = if number % 2 == 0 { 200 } else { 404 };
        ensure!(answer.status == wanted, "answer {number}: {}", answer.status);
    }
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    memory.must_have_grown_by_at_most(MEMORY_CONNECTIONS)
}

#[test]
fn a_refused_upload_is_refused_before_its_body_is_sent() -> Result<()> {
    let _machine = lock::machine();
    let server = Server::builder().start()?;
    // `Expect: 100-continue` lets the server refuse at no cost (RFC 9110, 10.1.1).
    let answer = exchange(
        &server,
        b"PUT /v2/expect/app/blobs/uploads/00000000-0000-4000-8000-000000000000?digest=sha256:\
          0000000000000000000000000000000000000000000000000000000000000000 HTTP/1.1\r\n\
          host: r\r\nexpect: 100-continue\r\ncontent-length: 1000000000000\r\n\r\n",
    )?;
    ensure!(answer.status == 404, "an unknown upload: {}", answer.status);
    must_recover(&server)
}
