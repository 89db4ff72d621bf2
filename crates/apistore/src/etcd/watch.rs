// SPDX-License-Identifier: Apache-2.0
//! A watch that outlives its connection.
//!
//! Each watch has a stream of its own to etcd. When that breaks, the next one begins after the last event received;
//! within a revision of several events that was received in part, it begins with that revision and skips that part.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::Streaming;

use super::client::{Client, Config, is_compacted, meaning, signed, unsigned};
use super::keys::Keys;
use super::wire::{
    EventKind, WatchAsk, WatchCreate, WatchProgress, WatchRequest, WatchResponse, WireEvent,
    WireKeyValue,
};
use crate::{Error, Event, KeyValue, Revision, Watch, WatchItem};

/// Between two tries to reach etcd: doubled from the first to the second.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Watching {
    client: Client,
    keys: Keys,
    key: Bytes,
    range_end: Bytes,
    patience: Duration,
    after: Revision,
    /// Everything up to here was received, and of the revision itself so many events if it may have more.
    cursor: Revision,
    partial: usize,
    pending: VecDeque<WatchItem>,
    stream: Option<(Streaming<WatchResponse>, mpsc::Sender<WatchRequest>)>,
    asked: watch::Receiver<u64>,
    /// This etcd's word about progress is good.
    progress: bool,
}

impl Watching {
    pub async fn begin(
        client: Client,
        config: &Config,
        prefix: &str,
        after: Revision,
        asked: watch::Receiver<u64>,
        progress: bool,
    ) -> Result<Watch, Error> {
        let keys = Keys::new(&config.prefix);
        let (key, range_end) = keys.prefix(prefix);
        let mut watching = Self {
            client,
            keys,
            key,
            range_end,
            patience: config.watch_patience,
            after,
            cursor: after,
            partial: 0,
            pending: VecDeque::new(),
            stream: None,
            asked,
            progress,
        };
        watching.reopen(config.timeout).await?;
        Ok(Box::pin(futures_util::stream::unfold(Some(watching), |watching| async move {
            let mut watching = watching?;
            match watching.next().await {
                Ok(item) => Some((Ok(item), Some(watching))),
                Err(error) => Some((Err(error), None)),
            }
        })))
    }

    async fn next(&mut self) -> Result<WatchItem, Error> {
        loop {
            if let Some(item) = self.pending.pop_front() {
                return Ok(item);
            }
            let Some((stream, requests)) = &mut self.stream else {
                self.reopen(self.patience).await?;
                continue;
            };
            tokio::select! {
                biased;
                message = stream.message() => match message {
                    Ok(Some(response)) => self.take(response)?,
                    Err(status) if is_compacted(&status) => return Err(self.compacted(0)),
                    Ok(None) | Err(_) => self.stream = None,
                },
                Ok(()) = self.asked.changed() => {
                    if self.progress {
                        let ask = WatchRequest { ask: Some(WatchAsk::Progress(WatchProgress {})) };
                        // Full: it was asked already.
                        let _ = requests.try_send(ask);
                    }
                }
            }
        }
    }

    async fn reopen(&mut self, patience: Duration) -> Result<(), Error> {
        let (end, mut pause) = (Instant::now() + patience, PAUSE);
        loop {
            match self.open().await {
                Err(Error::Unavailable(reason)) => {
                    if Instant::now() + pause > end {
                        return Err(Error::Unavailable(reason));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => return other,
            }
        }
    }

    async fn open(&mut self) -> Result<(), Error> {
        let (requests, asks) = mpsc::channel(4);
        let start = if self.partial > 0 { self.cursor } else { self.cursor.saturating_add(1) };
        let create = WatchCreate {
            key: self.key.clone(),
            range_end: self.range_end.clone(),
            start_revision: signed(start),
            progress_notify: true,
            prev_kv: true,
            fragment: true,
        };
        let unavailable = |_| Error::Unavailable("the watch's stream ended".to_owned());
        requests
            .send(WatchRequest { ask: Some(WatchAsk::Create(create)) })
            .await
            .map_err(unavailable)?;
        let mut stream = self.client.watch(asks).await.map_err(|status| meaning(&status, 0, 0))?;
        let first =
            self.client.message(&mut stream).await.map_err(|status| meaning(&status, 0, 0))?;
        if first.canceled {
            return Err(self.canceled(&first));
        }
        // Whoever asked before the stream was there would wait for ever.
        self.asked.mark_changed();
        self.stream = Some((stream, requests));
        Ok(())
    }

    fn canceled(&self, response: &WatchResponse) -> Error {
        if response.compact_revision > 0 {
            return self.compacted(unsigned(response.compact_revision));
        }
        Error::Unavailable(format!("etcd ended the watch: {}", response.cancel_reason))
    }

    fn compacted(&self, oldest: Revision) -> Error {
        Error::Compacted { asked: self.cursor, oldest }
    }

    fn take(&mut self, response: WatchResponse) -> Result<(), Error> {
        if response.canceled {
            let error = self.canceled(&response);
            if matches!(error, Error::Compacted { .. }) {
                return Err(error);
            }
            self.stream = None;
            return Ok(());
        }
        let revision = response.header.as_ref().map_or(0, |header| unsigned(header.revision));
        if response.events.is_empty() {
            if self.progress && !response.created && revision >= self.after {
                self.partial = 0;
                self.cursor = self.cursor.max(revision);
                self.pending.push_back(WatchItem::Progress(revision));
            }
            return Ok(());
        }
        let (mut skip, resumed) = (self.partial, self.cursor);
        for event in response.events {
            let event = self.event(event)?;
            let at = event.revision();
            if at == resumed && skip > 0 {
                skip -= 1;
                continue;
            }
            self.partial = if at == self.cursor { self.partial + 1 } else { 1 };
            self.cursor = at;
            self.pending.push_back(WatchItem::Event(event));
        }
        if !response.fragment {
            self.partial = 0;
        }
        Ok(())
    }

    fn event(&self, event: WireEvent) -> Result<Event, Error> {
        let strange = || Error::Failed("etcd sent an event without a key".to_owned());
        let now = event.kv.ok_or_else(strange)?;
        let revision = unsigned(now.mod_revision);
        // What was there is gone when compaction came between the change and its delivery.
        let gone = || Error::Compacted { asked: revision.saturating_sub(1), oldest: revision };
        let previous = event.prev_kv.map(|previous| self.item(previous)).transpose()?;
        if event.kind == EventKind::Delete as i32 {
            return Ok(Event::Delete { previous: previous.ok_or_else(gone)?, revision });
        }
        if now.create_revision != now.mod_revision && previous.is_none() {
            return Err(gone());
        }
        Ok(Event::Put { now: self.item(now)?, previous })
    }

    fn item(&self, item: WireKeyValue) -> Result<KeyValue, Error> {
        self.keys.item(item)
    }
}
