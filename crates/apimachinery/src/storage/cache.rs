// SPDX-License-Identifier: Apache-2.0
//! The newest state of one resource in memory, its recent changes, and whoever watches them.
//!
//! Fed by [`super::Storage`]'s one watch on the store. A list is a walk over a map of ready bytes; a watch is a bounded
//! queue that the feed fills, so that a thousand watchers cost the store one.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use apistore::Revision;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::entry::{Change, Entry};

/// How many recent changes of a resource are kept for watches that begin in the past.
const RING_CHANGES: usize = 1024;
/// How many bytes of objects these changes may hold.
const RING_BYTES: usize = 4 << 20;
/// How many undelivered events a watcher may have before it is cut off; it resumes from its last one.
const WATCHER_QUEUE: usize = 1024;

/// Whether an object fulfils what selectors demand.
pub type Predicate = Arc<dyn Fn(&Entry) -> bool + Send + Sync>;

/// Which objects a list or watch is about.
#[derive(Clone)]
pub struct Selection {
    /// Only this namespace; empty for all.
    pub namespace: String,
    /// Only this name.
    pub name: Option<String>,
    /// What selectors demand beyond that.
    pub matches: Option<Predicate>,
}

impl std::fmt::Debug for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Selection")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .field("selectors", &self.matches.is_some())
            .finish()
    }
}

impl Selection {
    /// Everything in a namespace, or everything when it is empty.
    #[must_use]
    pub fn of_namespace(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: None, matches: None }
    }

    /// Whether an object is meant.
    #[must_use]
    pub fn contains(&self, entry: &Entry) -> bool {
        (self.namespace.is_empty() || entry.namespace() == self.namespace)
            && self.name.as_deref().is_none_or(|name| entry.name() == name)
            && self.matches.as_ref().is_none_or(|matches| matches(entry))
    }

    /// The smallest part of the key space that holds all that is meant.
    #[must_use]
    pub fn key_prefix(&self) -> String {
        if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) }
    }
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub enum Told {
    /// An object appeared in the selection.
    Added(Arc<Entry>),
    /// An object of the selection changed.
    Modified(Arc<Entry>),
    /// An object left the selection or was deleted; as it last looked, at the revision of the change.
    Deleted(Arc<Entry>),
    /// Everything up to this revision was told.
    Progress(Revision),
}

/// What a change means for a selection.
#[must_use]
pub fn tell(change: &Change, selection: &Selection) -> Option<Told> {
    let before = change.previous.as_ref().is_some_and(|entry| selection.contains(entry));
    let now = change.now.as_ref().filter(|entry| selection.contains(entry));
    match (before, now) {
        (false, Some(now)) => Some(Told::Added(now.clone())),
        (true, Some(now)) => Some(Told::Modified(now.clone())),
        (true, None) => change
            .previous
            .clone()
            .map(|previous| Told::Deleted(at_revision(&previous, change.revision))),
        (false, None) => None,
    }
}

/// The object as it was, with the revision of the change that took it away, as watchers of Kubernetes are shown it.
fn at_revision(entry: &Arc<Entry>, revision: Revision) -> Arc<Entry> {
    if entry.revision == revision {
        return entry.clone();
    }
    let mut object = entry.object();
    super::entry::set_resource_version(&mut object, revision);
    Arc::new(Entry {
        key: entry.key.clone(),
        revision,
        json: serde_json::to_vec(&object).unwrap_or_default().into(),
        labels: entry.labels.clone(),
        fields: entry.fields.clone(),
    })
}

/// A page of a list.
#[derive(Debug)]
pub struct Listed {
    /// The objects in the order of their keys.
    pub entries: Vec<Arc<Entry>>,
    /// The revision at which this is true.
    pub revision: Revision,
    /// The last key looked at, when the limit ended the page.
    pub next: Option<String>,
    /// How many objects follow, known only when nothing but the namespace selects.
    pub remaining: Option<u64>,
}

/// A watch that the cache feeds.
#[derive(Debug)]
pub struct Subscription {
    /// The first events: the objects there were, or the changes since the revision asked for.
    pub first: Vec<Told>,
    /// The revision up to which `first` goes.
    pub revision: Revision,
    /// What comes after.
    pub events: mpsc::Receiver<Told>,
    /// Names the watcher for [`Cache::ask_progress`].
    pub id: u64,
}

struct Watcher {
    id: u64,
    selection: Selection,
    queue: mpsc::Sender<Told>,
}

/// How much the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// Nothing; changes are of no interest.
    #[default]
    Empty,
    /// The first list is under way; changes wait in `pending`.
    Loading,
    /// Everything.
    Loaded,
}

#[derive(Default)]
struct State {
    phase: Phase,
    revision: Revision,
    objects: BTreeMap<Box<str>, Arc<Entry>>,
    ring: VecDeque<Change>,
    ring_bytes: usize,
    /// Changes after this revision are in the ring.
    ring_from: Revision,
    watchers: Vec<Watcher>,
    next_watcher: u64,
    /// Changes that came while the first list was under way.
    pending: Vec<Change>,
}

/// One resource's cache.
#[derive(Default)]
pub struct Cache {
    state: Mutex<State>,
}

impl Cache {
    /// Whether the cache holds the resource's state.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.state.lock().phase == Phase::Loaded
    }

    /// Keeps the changes that come from now on; call before the list that [`Cache::load`] takes.
    pub fn begin_load(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Empty {
            state.phase = Phase::Loading;
        }
    }

    /// Takes the first list; changes that came meanwhile are applied on top.
    pub fn load(&self, entries: Vec<Arc<Entry>>, revision: Revision) {
        let mut state = self.state.lock();
        if state.phase != Phase::Loading {
            return;
        }
        state.objects = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        state.revision = revision;
        state.ring_from = revision;
        state.phase = Phase::Loaded;
        for change in std::mem::take(&mut state.pending) {
            if change.revision > revision {
                state.apply(change);
            }
        }
    }

    /// Forgets everything and cuts all watchers: the feed lost its place.
    pub fn reset(&self) {
        let mut state = self.state.lock();
        *state = State { next_watcher: state.next_watcher, ..State::default() };
    }

    /// A change from the feed.
    pub fn apply(&self, change: Change) {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Empty => {}
            Phase::Loading => state.pending.push(change),
            Phase::Loaded => state.apply(change),
        }
    }

    /// The object at a key, and the revision of the cache.
    #[must_use]
    pub fn get(&self, key: &str) -> (Option<Arc<Entry>>, Revision) {
        let state = self.state.lock();
        (state.objects.get(key).cloned(), state.revision)
    }

    /// The selected objects after key `after`, at most `limit` (0: all). `now` is a revision up to which the feed is
    /// known to have told everything.
    #[must_use]
    pub fn list(
        &self,
        selection: &Selection,
        limit: usize,
        after: Option<&str>,
        now: Revision,
    ) -> Listed {
        let prefix = selection.key_prefix();
        let state = self.state.lock();
        let revision = state.revision.max(now);
        if let Some(name) = &selection.name {
            // One object, by its key, wherever the name and namespace say all.
            if !selection.namespace.is_empty()
                || state.objects.keys().next().is_none_or(|key| !key.contains('/'))
            {
                let key = format!("{prefix}{name}");
                let entries =
                    state.objects.get(key.as_str()).filter(|e| selection.contains(e)).cloned();
                return Listed {
                    entries: entries.into_iter().collect(),
                    revision,
                    next: None,
                    remaining: None,
                };
            }
        }
        let from = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix.as_str()),
        };
        let mut entries = Vec::new();
        let mut next = None;
        let mut remaining = None;
        let mut walk = state.objects.range::<str, _>((from, Bound::Unbounded));
        while let Some((key, entry)) = walk.next() {
            if !key.starts_with(&prefix) {
                break;
            }
            if !selection.contains(entry) {
                continue;
            }
            if limit > 0 && entries.len() == limit {
                next = entries.last().map(|last: &Arc<Entry>| last.key.to_string());
                if selection.matches.is_none() && selection.name.is_none() {
                    let rest = walk.take_while(|(key, _)| key.starts_with(&prefix)).count();
                    remaining = Some(rest as u64 + 1);
                }
                break;
            }
            entries.push(entry.clone());
        }
        Listed { entries, revision, next, remaining }
    }

    /// Begins a watch: with the present state first when `after` is none, else with the changes after it. None: these
    /// changes are no longer in memory.
    #[must_use]
    pub fn subscribe(
        &self,
        selection: Selection,
        after: Option<Revision>,
        now: Revision,
    ) -> Option<Subscription> {
        let mut state = self.state.lock();
        let first = match after {
            None => state
                .objects
                .values()
                .filter(|e| selection.contains(e))
                .cloned()
                .map(Told::Added)
                .collect(),
            Some(after) if after < state.ring_from => return None,
            Some(after) => state
                .ring
                .iter()
                .filter(|change| change.revision > after)
                .filter_map(|change| tell(change, &selection))
                .collect(),
        };
        let (queue, events) = mpsc::channel(WATCHER_QUEUE);
        let id = state.next_watcher;
        state.next_watcher += 1;
        state.watchers.push(Watcher { id, selection, queue });
        Some(Subscription { first, revision: state.revision.max(now), events, id })
    }

    /// Puts a [`Told::Progress`] at the end of a watcher's queue.
    pub fn ask_progress(&self, id: u64, revision: Revision) {
        let state = self.state.lock();
        let revision = state.revision.max(revision);
        if let Some(watcher) = state.watchers.iter().find(|watcher| watcher.id == id) {
            // A full queue needs no bookmark: events with newer revisions are on their way.
            let _ = watcher.queue.try_send(Told::Progress(revision));
        }
    }

    /// How many watchers there are.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.state.lock().watchers.len()
    }
}

impl State {
    fn apply(&mut self, mut change: Change) {
        if change.revision <= self.revision {
            return;
        }
        self.revision = change.revision;
        let key = change.now.as_ref().or(change.previous.as_ref()).map(|entry| entry.key.clone());
        let Some(key) = key else { return };
        // What the cache holds is shared with earlier lists; the feed's own copy need not be kept as well.
        change.previous = match &change.now {
            Some(now) => self.objects.insert(key, now.clone()),
            None => self.objects.remove(&key),
        }
        .or(change.previous);
        if change.now.is_none() {
            // Once for all watchers, not once for each.
            change.previous =
                change.previous.map(|previous| at_revision(&previous, change.revision));
        }
        self.watchers.retain(|watcher| match tell(&change, &watcher.selection) {
            Some(told) => watcher.queue.try_send(told).is_ok(),
            None => !watcher.queue.is_closed(),
        });
        self.ring_bytes += change.size();
        self.ring.push_back(change);
        while self.ring.len() > RING_CHANGES || self.ring_bytes > RING_BYTES {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.ring_bytes -= oldest.size();
            self.ring_from = oldest.revision;
        }
    }
}

impl Change {
    fn size(&self) -> usize {
        self.now.as_ref().map_or(0, |e| e.json.len())
            + self.previous.as_ref().map_or(0, |e| e.json.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(key: &str, revision: Revision, app: &str) -> Arc<Entry> {
        let object =
            json!({"metadata": {"labels": {"app": app}, "resourceVersion": revision.to_string()}});
        Arc::new(Entry::new(key, revision, &object, &[]))
    }

    fn app_a() -> Selection {
        let matches: Predicate = Arc::new(|e| e.label("app") == Some("a"));
        Selection { namespace: "n".into(), name: None, matches: Some(matches) }
    }

    #[tokio::test]
    async fn a_selection_sees_objects_come_and_go() {
        let cache = Cache::default();
        cache.begin_load();
        cache.apply(Change { revision: 3, now: Some(entry("n/x", 3, "a")), previous: None });
        cache.load(vec![entry("n/x", 2, "b")], 2);
        let mut watch = cache.subscribe(app_a(), Some(2), 3).expect("in the ring");
        assert!(
            matches!(watch.first.as_slice(), [Told::Added(e)] if e.revision == 3),
            "the label came to match"
        );
        cache.apply(Change { revision: 4, now: Some(entry("n/x", 4, "b")), previous: None });
        cache.apply(Change { revision: 5, now: Some(entry("m/x", 5, "a")), previous: None });
        cache.ask_progress(watch.id, 6);
        assert!(matches!(watch.events.recv().await, Some(Told::Deleted(e)) if e.revision == 4));
        assert!(matches!(watch.events.recv().await, Some(Told::Progress(6))));
        assert!(cache.subscribe(app_a(), Some(1), 6).is_none(), "older than what is kept");
    }

    #[test]
    fn pages_follow_each_other() {
        let cache = Cache::default();
        cache.begin_load();
        let all = (0..5)
            .map(|i| entry(&format!("n/{i}"), i + 1, "a"))
            .chain([entry("o/1", 9, "a")])
            .collect();
        cache.load(all, 9);
        let page = cache.list(&Selection::of_namespace("n"), 2, None, 0);
        assert_eq!(
            (page.entries.len(), page.next.as_deref(), page.remaining),
            (2, Some("n/1"), Some(3))
        );
        let page = cache.list(&Selection::of_namespace("n"), 0, Some("n/3"), 0);
        assert_eq!((page.entries.len(), page.next, page.remaining), (1, None, None));
        let named = Selection { name: Some("1".into()), ..Selection::of_namespace("") };
        assert_eq!(cache.list(&named, 0, None, 0).entries.len(), 2, "in every namespace");
    }
}
