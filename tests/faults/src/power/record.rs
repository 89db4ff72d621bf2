// SPDX-License-Identifier: Apache-2.0
//! Runs the script against traced registries and keeps what they did and what the client knew.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use testkit::Server;

use super::trace::{self, ARGUMENTS, Event};
use crate::oracle::Oracle;
use crate::script::{Action, Answer, Connection, Kind, Step};
use crate::world::{Mode, client, launch, new_store};

/// How many registries serve the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// One.
    One,
    /// Two; requests go to them in turn.
    Two,
}

/// What happened.
pub struct Recording {
    /// For reports.
    pub name: String,
    /// Kind of store.
    pub mode: Mode,
    /// How many registries.
    pub replicas: Replicas,
    /// Where the store was.
    pub root: PathBuf,
    /// What the registries did.
    pub events: Vec<Event>,
    /// For each answer they sent, whether it acknowledged an action.
    pub replies: Vec<bool>,
    /// The actions in order.
    pub actions: Vec<Action>,
    /// What the client knew after so many acknowledgements, with the next action under way.
    pub oracles: Vec<Oracle>,
}

/// Runs the script once.
pub fn record(mode: Mode, replicas: Replicas, script: &[Step]) -> Result<Recording> {
    let store = new_store()?;
    let root = store.path().to_owned();
    let mut recorder = Recorder {
        mode,
        root: root.clone(),
        count: if replicas == Replicas::Two { 2 } else { 1 },
        servers: Vec::new(),
        logs: Vec::new(),
        replies: Vec::new(),
        turn: 0,
    };
    let mut oracle = Oracle::default();
    let mut actions = Vec::new();
    let mut oracles = Vec::new();
    recorder.start()?;
    for step in script {
        match &step.kind {
            Kind::Act(action) => {
                let effects = action.effects(&oracle);
                oracle.begin(&effects);
                oracles.push(oracle.clone());
                recorder.act(action).with_context(|| step.name.to_owned())?;
                oracle.acknowledge(&effects);
                actions.push(action.clone());
            }
            Kind::Idle => std::thread::sleep(std::time::Duration::from_millis(1600)),
            Kind::Stop => recorder.end(false)?,
            Kind::Start => recorder.start()?,
            Kind::CrashStart => {
                recorder.end(true)?;
                recorder.start()?;
            }
        }
    }
    oracles.push(oracle);
    recorder.end(false)?;
    let events = trace::parse(&recorder.logs, &root)?;
    let name = format!("{}-{}", mode.word(), recorder.count);
    let replies = recorder.replies;
    Ok(Recording { name, mode, replicas, root, events, replies, actions, oracles })
}

struct Recorder {
    mode: Mode,
    root: PathBuf,
    count: usize,
    servers: Vec<(Server, Connection)>,
    logs: Vec<String>,
    replies: Vec<bool>,
    turn: usize,
}

impl Recorder {
    fn start(&mut self) -> Result<()> {
        for _ in 0..self.count {
            // Replicas look everything up again, so that the script works whoever is asked.
            let extra = "  shared:\n    maxage: 0s\n";
            let server = launch(self.mode, &self.root, extra, Some(ARGUMENTS))?;
            // The question whether it is ready was answered, once.
            self.replies.push(false);
            let client = client(&server)?;
            self.servers.push((server, Connection::new(client)));
        }
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Result<()> {
        let index = self.turn % self.servers.len();
        self.turn += 1;
        let connection = &mut self.servers[index].1;
        let before = connection.answers;
        match action.perform(connection) {
            Answer::Acknowledged => {
                let answers = connection.answers - before;
                self.replies.extend((1..=answers).map(|answer| answer == answers));
                Ok(())
            }
            other => bail!("{other:?}"),
        }
    }

    /// Ends all registries and keeps their logs.
    fn end(&mut self, kill: bool) -> Result<()> {
        for (mut server, connection) in self.servers.drain(..) {
            drop(connection);
            if kill {
                server.kill()?;
            } else {
                server.signal_stop()?;
                server.wait(std::time::Duration::from_secs(60))?;
            }
            self.logs.push(whole_trace(&server));
        }
        Ok(())
    }
}

/// The log once strace, which outlives the registry for a moment, has written all of it.
fn whole_trace(server: &Server) -> String {
    let mut before = server.trace();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(150));
        let now = server.trace();
        if now.len() == before.len() {
            return now;
        }
        before = now;
    }
}
