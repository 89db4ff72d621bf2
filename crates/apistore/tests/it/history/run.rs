// SPDX-License-Identifier: Apache-2.0
//! Clients that work on a few keys at once, watchers that resume, and somebody who kills the store meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use apistore::{Error, Event, Expect, KeyValue, List, Revision, Store, WatchItem};
use futures_util::StreamExt;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::check::{Change, Demand, Op, Segment, State, What};
use super::{KEYS, key};

/// How long a watcher waits in silence for what was acknowledged, counted in these.
const SILENCE: Duration = Duration::from_millis(200);
const SILENCES: usize = 50;
/// How far behind the first watcher compaction stays.
const HISTORY: u64 = 400;

/// What happened.
#[derive(Default)]
pub struct History {
    pub log: Vec<Change>,
    pub ops: Vec<Op>,
    pub segments: Vec<Segment>,
    /// Answers that are wrong by themselves.
    pub anomalies: Vec<String>,
    pub compactions: u64,
    pub unknown: usize,
}

struct Shared {
    /// Real time: every call and every end is a tick.
    clock: AtomicU64,
    values: AtomicU64,
    done: AtomicU64,
    total: u64,
    /// How far the first watcher is.
    watched: AtomicU64,
    /// Compaction: asked for, and acknowledged.
    compact_asked: AtomicU64,
    compact_done: AtomicU64,
    compactions: AtomicU64,
    /// Where watchers may stop: the last revision of each key. Empty: not yet.
    target: Mutex<HashMap<usize, Revision>>,
    anomalies: Mutex<Vec<String>>,
}

/// Runs `total` operations of `clients` (several may be one store's replicas). `disturb` is called with the part done
/// until all is done; it kills and restarts.
pub async fn run(
    seed: u64,
    total: u64,
    clients: Vec<Arc<dyn Store>>,
    mut disturb: impl AsyncFnMut(f64),
) -> History {
    let shared = Arc::new(Shared {
        clock: AtomicU64::new(1),
        values: AtomicU64::new(1),
        done: AtomicU64::new(0),
        total,
        watched: AtomicU64::new(0),
        compact_asked: AtomicU64::new(0),
        compact_done: AtomicU64::new(0),
        compactions: AtomicU64::new(0),
        target: Mutex::default(),
        anomalies: Mutex::default(),
    });
    let base = settled(&clients[0], |store| async move { store.revision().await }).await;
    let watchers: Vec<_> = ["/h/", "/h/", "/h/k", "/h/k1", "/h/k2"]
        .iter()
        .enumerate()
        .map(|(index, prefix)| {
            let store = Arc::clone(&clients[index % clients.len()]);
            tokio::spawn(watcher(Arc::clone(&shared), store, index, prefix, base, seed))
        })
        .collect();
    let workers: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(index, store)| {
            let client = Client {
                shared: Arc::clone(&shared),
                store: Arc::clone(store),
                random: StdRng::seed_from_u64(seed ^ (index as u64) << 32),
                known: vec![None; KEYS],
                ops: Vec::new(),
            };
            tokio::spawn(client.work())
        })
        .collect();
    while shared.done.load(SeqCst) < total {
        disturb(shared.done.load(SeqCst) as f64 / total as f64).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut history = History::default();
    for worker in workers {
        history.ops.extend(worker.await.unwrap());
    }
    let mut last = Client {
        shared: Arc::clone(&shared),
        store: Arc::clone(&clients[0]),
        random: StdRng::seed_from_u64(seed),
        known: vec![None; KEYS],
        ops: Vec::new(),
    };
    let target = last.finish().await;
    *shared.target.lock() = target;
    history.ops.append(&mut last.ops);
    for (index, watcher) in watchers.into_iter().enumerate() {
        let segments = watcher.await.unwrap();
        if index == 0 {
            history.log = segments.iter().flat_map(|segment| segment.changes.clone()).collect();
        }
        history.segments.extend(segments);
    }
    history.anomalies = std::mem::take(&mut *shared.anomalies.lock());
    history.compactions = shared.compactions.load(SeqCst);
    history.unknown = history.ops.iter().filter(|op| op.end == u64::MAX).count();
    history
}

/// The answer, however often it must be asked.
async fn settled<T, F>(store: &Arc<dyn Store>, mut ask: impl FnMut(Arc<dyn Store>) -> F) -> T
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match ask(Arc::clone(store)).await {
            Ok(answer) => return answer,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

struct Client {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    random: StdRng,
    /// Revisions of keys as this client saw them last.
    known: Vec<Option<Revision>>,
    ops: Vec<Op>,
}

fn number(item: &KeyValue) -> (Revision, u64) {
    (item.modified, std::str::from_utf8(&item.value).unwrap().parse().unwrap())
}

fn index(key: &str) -> usize {
    key.trim_start_matches("/h/k").parse().unwrap()
}

fn states(items: &[KeyValue]) -> Vec<State> {
    let mut states = vec![None; KEYS];
    for item in items {
        states[index(&item.key)] = Some(number(item));
    }
    states
}

impl Client {
    async fn work(mut self) -> Vec<Op> {
        while self.shared.done.fetch_add(1, SeqCst) < self.shared.total {
            let key = self.random.random_range(0..KEYS);
            let before = self.ops.len();
            match self.random.random_range(0..100) {
                0..30 => self.get(key).await,
                30..62 => self.update(key).await,
                62..74 => self.create(key).await,
                74..80 => self.delete(key).await,
                80..88 => self.list().await,
                88..95 => self.past().await,
                95..99 => self.revision().await,
                _ => self.compact().await,
            }
            // The store is away.
            if self.ops.len() == before || self.ops.last().is_some_and(|op| op.end == u64::MAX) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        self.ops
    }

    fn tick(&self) -> u64 {
        self.shared.clock.fetch_add(1, SeqCst)
    }

    fn wrong(&self, text: String) {
        self.shared.anomalies.lock().push(text);
    }

    fn record(&mut self, call: u64, what: What) {
        let end = self.tick();
        self.ops.push(Op { call, end, what });
    }

    fn unknown(&mut self, call: u64, what: What) {
        self.ops.push(Op { call, end: u64::MAX, what });
    }

    async fn get(&mut self, at: usize) {
        let call = self.tick();
        if let Ok(found) = self.store.get(&key(at)).await {
            self.known[at] = found.as_ref().map(|found| found.modified);
            self.record(call, What::Read { key: at, state: found.as_ref().map(number) });
        }
    }

    async fn create(&mut self, at: usize) {
        let value = self.shared.values.fetch_add(1, SeqCst);
        let call = self.tick();
        let answer = self.store.create(&key(at), value.to_string().into(), None).await;
        self.written(call, at, value, Demand::Absent, answer);
    }

    async fn update(&mut self, at: usize) {
        let (expect, demand) = match self.known[at] {
            Some(revision) if self.random.random_bool(0.8) => {
                (Expect::Modified(revision), Demand::At(revision))
            }
            _ => (Expect::Exists, Demand::Present),
        };
        let value = self.shared.values.fetch_add(1, SeqCst);
        let call = self.tick();
        let answer = self.store.update(&key(at), value.to_string().into(), expect, None).await;
        self.written(call, at, value, demand, answer);
    }

    fn written(
        &mut self,
        call: u64,
        at: usize,
        value: u64,
        demand: Demand,
        answer: Result<KeyValue, Error>,
    ) {
        match answer {
            Ok(now) => {
                self.known[at] = Some(now.modified);
                self.record(call, What::Put { key: at, value, demand, done: Some(now.modified) });
            }
            Err(Error::Exists) => self.record(call, What::Present { key: at }),
            Err(error) => {
                if let Some(error) = self.refused(call, at, error) {
                    if !matches!(error, Error::Unavailable(_) | Error::Failed(_)) {
                        self.wrong(format!("a write answered {error}"));
                    }
                    self.unknown(call, What::Put { key: at, value, demand, done: None });
                }
            }
        }
    }

    /// A refusal is a read.
    fn refused(&mut self, call: u64, at: usize, error: Error) -> Option<Error> {
        let state = match error {
            Error::NotFound => None,
            Error::Conflict(now) => Some(number(&now)),
            error => return Some(error),
        };
        self.known[at] = state.map(|(revision, _)| revision);
        self.record(call, What::Read { key: at, state });
        None
    }

    async fn delete(&mut self, at: usize) {
        let Some(revision) = self.known[at] else { return self.get(at).await };
        let (demand, call) = (Demand::At(revision), self.tick());
        match self.store.delete(&key(at), Expect::Modified(revision)).await {
            Ok((previous, done)) => {
                if previous.modified != revision {
                    self.wrong(format!("deleted {previous:?} instead of revision {revision}"));
                }
                self.known[at] = None;
                self.record(call, What::Delete { key: at, demand, done: Some(done) });
            }
            Err(error) => {
                if self.refused(call, at, error).is_some() {
                    self.unknown(call, What::Delete { key: at, demand, done: None });
                }
            }
        }
    }

    async fn list(&mut self) {
        let call = self.tick();
        if let Ok(page) = self.store.list("/h/", List::default()).await {
            let states = states(&page.items);
            self.record(call, What::List { revision: page.revision, states });
        }
    }

    async fn past(&mut self) {
        let newest = self.shared.watched.load(SeqCst);
        let revision = newest.saturating_sub(self.random.random_range(0..HISTORY * 2));
        if revision == 0 {
            return self.list().await;
        }
        let gone = self.shared.compact_done.load(SeqCst);
        let call = self.tick();
        match self.store.list("/h/", List { revision: Some(revision), ..List::default() }).await {
            Ok(page) => {
                if revision < gone {
                    self.wrong(format!("revision {revision} was read after {gone} was compacted"));
                }
                self.record(call, What::Past { revision, states: states(&page.items) });
            }
            Err(Error::Compacted { .. }) if revision >= self.shared.compact_asked.load(SeqCst) => {
                self.wrong(format!("revision {revision} is gone and nobody compacted it"));
            }
            Err(Error::Future { newest, .. }) => {
                self.wrong(format!(
                    "revision {revision} was seen and is the future now, after {newest}"
                ));
            }
            Err(_) => {}
        }
    }

    async fn revision(&mut self) {
        let call = self.tick();
        if let Ok(revision) = self.store.revision().await {
            self.record(call, What::Newest { revision });
        }
    }

    async fn compact(&mut self) {
        let revision = self.shared.watched.load(SeqCst).saturating_sub(HISTORY);
        if revision == 0 {
            return self.revision().await;
        }
        self.shared.compact_asked.fetch_max(revision, SeqCst);
        if self.store.compact(revision).await.is_ok() {
            self.shared.compact_done.fetch_max(revision, SeqCst);
            self.shared.compactions.fetch_add(1, SeqCst);
        }
        self.revision().await;
    }

    /// One more write of each key, whose end is known; then everything once more.
    async fn finish(&mut self) -> HashMap<usize, Revision> {
        let mut target = HashMap::new();
        for at in 0..KEYS {
            while !target.contains_key(&at) {
                self.create(at).await;
                self.known[at] = None;
                self.update(at).await;
                if let Some(Op { what: What::Put { done: Some(revision), .. }, .. }) =
                    self.ops.last()
                {
                    target.insert(at, *revision);
                }
            }
        }
        let before = self.ops.len();
        while self.ops.len() == before {
            self.list().await;
        }
        target
    }
}

async fn watcher(
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    index: usize,
    prefix: &str,
    base: Revision,
    seed: u64,
) -> Vec<Segment> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(index as u64 + 1));
    let mut segments = Vec::new();
    let new = |after| Segment {
        watcher: index.to_string(),
        prefix: prefix.to_owned(),
        after,
        changes: Vec::new(),
    };
    let mut segment = new(base);
    let arrived = |segment: &Segment| {
        let target = shared.target.lock();
        let mine = target
            .iter()
            .filter(|(at, _)| key(**at).starts_with(prefix))
            .map(|(_, revision)| *revision);
        let last = segment.changes.last().map_or(segment.after, |change| change.revision);
        mine.max().is_some_and(|target| last >= target)
    };
    let mut silences = 0;
    'watching: while !arrived(&segment) {
        let after = segment.changes.last().map_or(segment.after, |change| change.revision);
        let opened = store.watch(prefix, after).await;
        let mut failed = None;
        // All but the first are cut now and then.
        let mut left = if index == 0 { usize::MAX } else { random.random_range(1..3000) };
        match opened {
            Err(error) => failed = Some(error),
            Ok(mut changes) => {
                while left > 0 {
                    left -= 1;
                    let next = tokio::select! {
                        next = changes.next() => next,
                        () = tokio::time::sleep(SILENCE) => {
                            if arrived(&segment) {
                                break 'watching;
                            }
                            silences += usize::from(!shared.target.lock().is_empty());
                            if silences == SILENCES {
                                shared.anomalies.lock().push(format!("watch {index} lacks the last changes"));
                                break 'watching;
                            }
                            continue;
                        }
                    };
                    match next {
                        Some(Ok(WatchItem::Event(event))) => {
                            if index == 0 {
                                shared.watched.fetch_max(event.revision(), SeqCst);
                            }
                            segment.changes.push(change(&event));
                        }
                        Some(Ok(WatchItem::Progress(_))) => {}
                        Some(Err(error)) => {
                            failed = Some(error);
                            break;
                        }
                        None => break,
                    }
                }
            }
        }
        match failed {
            Some(Error::Compacted { .. }) if index == 0 => {
                shared
                    .anomalies
                    .lock()
                    .push(format!("the first watcher's history after {after} is gone"));
                break;
            }
            // It was away for too long: begin anew, from now.
            Some(Error::Compacted { .. }) => {
                let now = settled(&store, |store| async move { store.revision().await }).await;
                segments.push(std::mem::replace(&mut segment, new(now)));
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            None => {}
        }
    }
    segments.push(segment);
    segments
}

fn change(event: &Event) -> Change {
    match event {
        Event::Put { now, previous } => Change {
            revision: now.modified,
            key: index(&now.key),
            value: Some(number(now).1),
            previous: previous.as_ref().map(|previous| previous.modified),
        },
        Event::Delete { previous, revision } => Change {
            revision: *revision,
            key: index(&previous.key),
            value: None,
            previous: Some(previous.modified),
        },
    }
}
