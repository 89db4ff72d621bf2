// SPDX-License-Identifier: Apache-2.0
//! Attacks that HTTP/2 makes possible: rapid reset (CVE-2023-44487), CONTINUATION flood
//! (CVE-2024-27316), more streams than agreed, floods of PING and SETTINGS.

use anyhow::{Context, Result, ensure};
use system_tests::{Access, Stage, is_full};
use testkit::{Credentials, lock};

use super::frames::{
    CONTINUATION, Connection, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, field,
    frame, get,
};
use super::{MEMORY_CONNECTIONS, Memory};

/// A registry over TLS without passwords beside what `attack` does to it; it must stay small and
/// serve others within 10 s afterwards.
fn survive(attack: impl FnOnce(&Stage) -> Result<()>) -> Result<()> {
    let _machine = lock::machine();
    let stage = Stage::new(Access::Guarded)?;
    let memory = Memory::watch(&stage.server)?;
    attack(&stage)?;
    memory.must_have_grown_by_at_most(MEMORY_CONNECTIONS)?;
    super::must_recover(&stage.server)
}

/// A request head with the password, so that the server has something to do.
fn authorized(path: &str) -> Vec<u8> {
    let mut block = get(path);
    block.extend(field("authorization", &Credentials::default().basic()));
    block
}

#[test]
fn an_ordinary_request_written_by_hand_is_answered() -> Result<()> {
    // Shows that the other tests of this file speak HTTP/2 right.
    survive(|stage| {
        let mut connection = Connection::open(stage)?;
        connection.send(HEADERS, END_STREAM | END_HEADERS, 1, &authorized("/v2/"))?;
        loop {
            let (kind, _, stream, payload) = connection.receive().context("no answer")?;
            if kind == HEADERS && stream == 1 {
                // 0x88 is `:status: 200` (RFC 7541, appendix A).
                ensure!(payload.contains(&0x88), "not 200: {payload:?}");
                return Ok(());
            }
        }
    })
}

#[test]
fn rapid_reset_is_cut_off_or_costs_nothing() -> Result<()> {
    survive(|stage| {
        let rounds = if is_full() { 1000 } else { 200 };
        let block = authorized("/v2/_catalog");
        let mut connection = Connection::open(stage)?;
        let mut stream = 1;
        for _ in 0..rounds {
            let mut batch = Vec::new();
            for _ in 0..100 {
                batch.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block));
                batch.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
                stream += 2;
            }
            if connection.send_all(&batch).is_err() {
                return Ok(()); // Cut off while we wrote.
            }
        }
        ensure!(connection.is_given_up(), "{} resets were taken", rounds * 100);
        Ok(())
    })
}

#[test]
fn a_head_that_continues_for_ever_is_cut_off() -> Result<()> {
    survive(|stage| {
        let mut connection = Connection::open(stage)?;
        connection.send(HEADERS, END_STREAM, 1, &authorized("/v2/"))?;
        let fields = field("x-flood", &"a".repeat(100)).repeat(100);
        for _ in 0..20_000 {
            if connection.send(CONTINUATION, 0, 1, &fields).is_err() {
                return Ok(());
            }
        }
        ensure!(connection.is_given_up(), "200 MB of header fields were taken");
        Ok(())
    })
}

#[test]
fn more_streams_than_agreed_are_refused() -> Result<()> {
    survive(|stage| {
        let mut connection = Connection::open(stage)?;
        // Uploads whose bodies never come stay open until the server refuses more.
        let mut block = vec![0x83, 0x87]; // `:method: POST`, `:scheme: https`
        block.extend_from_slice(&get("/v2/many/app/blobs/uploads/")[2..]);
        block.extend(field("authorization", &Credentials::default().basic()));
        for number in 0..5000u32 {
            if connection.send(HEADERS, END_HEADERS, number * 2 + 1, &block).is_err() {
                return Ok(());
            }
        }
        loop {
            match connection.receive() {
                Ok((RST_STREAM | super::frames::GOAWAY, ..)) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
        }
    })
}

#[test]
fn floods_of_control_frames_cost_nothing() -> Result<()> {
    survive(|stage| {
        for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, &[][..])] {
            let mut connection = Connection::open(stage)?;
            let batch = frame(kind, 0, 0, payload).repeat(1000);
            // We never read, so every answer must stay in bounded memory.
            for _ in 0..500 {
                if connection.send_all(&batch).is_err() {
                    break;
                }
            }
        }
        Ok(())
    })
}
