// SPDX-License-Identifier: Apache-2.0
//! The catalog: repositories in order, found by walking only what a page needs.
//!
//! Repositories nest (`a` and `a/b` may both be one), so the walk is depth first, a parent before
//! its children: the order in which distribution lists them. A repository is listed while it holds
//! a manifest. What is known of a name stays in its mark, so that a page of known names costs no
//! look at the store.

use std::ops::Bound;

use oci::RepositoryName;
use storage::driver::Key;

use crate::error::{Result, present};
use crate::layout;
use crate::names::{Names, UNMARKED};
use crate::store::{BlobStore, Inner, Page};

const KNOWN: u64 = 1;
const LISTED: u64 = 2;
const PARENT: u64 = 4;

/// Names asked of the index at once while walking.
const STEP: usize = 128;

/// Revisions looked at before a repository counts as holding one: so many removed ones in a row
/// are not looked through for the sake of a list.
const LOOK_AT: usize = 1000;

/// A write of ours made sure that the repository and the directories above it exist.
pub(crate) fn touch(names: &Names, repository: &RepositoryName) {
    let text = repository.as_str();
    let mut start = 0;
    loop {
        let end = text[start..].find('/').map(|at| start + at);
        let parent = text[..start].trim_end_matches('/');
        let Some(directory) = layout::repository_path(parent) else { return };
        let needed = if end.is_some() { PARENT } else { LISTED };
        let name = &text[start..end.unwrap_or(text.len())];
        if names.holds(&directory)
            && names.mark_of(&directory, name).unwrap_or(UNMARKED) & needed == 0
        {
            names.insert(&directory, name, UNMARKED);
        }
        match end {
            Some(end) => start = end + 1,
            None => return,
        }
    }
}

struct Frame {
    /// Empty, or a name with a slash behind it.
    prefix: String,
    next: Bound<String>,
    /// What is left of `after` below the first name of this frame.
    rest: Option<String>,
}

impl Frame {
    fn new(prefix: String, after: Option<&str>) -> Self {
        match after {
            None => Self { prefix, next: Bound::Unbounded, rest: None },
            Some(after) => match after.split_once('/') {
                // The child itself comes before `after`; what lies below it may come behind.
                Some((first, rest)) => Self {
                    prefix,
                    next: Bound::Included(first.to_owned()),
                    rest: Some(rest.to_owned()),
                },
                None => Self {
                    prefix,
                    next: Bound::Included(after.to_owned()),
                    rest: Some(String::new()),
                },
            },
        }
    }
}

impl Inner {
    /// Removing a manifest may have emptied the repository.
    pub(crate) fn untouch(&self, repository: &RepositoryName) {
        let (parent, name) =
            repository.as_str().rsplit_once('/').unwrap_or(("", repository.as_str()));
        if let Some(directory) = layout::repository_path(parent) {
            self.repository_names.unmark(&directory, name);
        }
    }

    /// Finds out what a directory below `repositories` is.
    async fn examine(&self, directory: &Key) -> Result<u64> {
        let mut mark = KNOWN;
        let mut after: Option<String> = None;
        let mut has_manifests = false;
        loop {
            let listing = self.driver.list(directory, after.as_deref(), STEP).await;
            let Some(listing) = present(listing)? else { break };
            for name in &listing.names {
                if name == "_manifests" {
                    has_manifests = true;
                } else if !name.starts_with('_') {
                    mark |= PARENT;
                }
            }
            // `_…` sorts before lower-case letters and behind digits: both answers may take pages.
            if !listing.more || (has_manifests && mark & PARENT != 0) {
                break;
            }
            after = listing.names.last().cloned();
        }
        if has_manifests && self.has_revision(directory).await? {
            mark |= LISTED;
        }
        Ok(mark)
    }

    async fn has_revision(&self, directory: &Key) -> Result<bool> {
        let Ok(revisions) = Key::parse(&format!("{directory}/_manifests/revisions")) else {
            return Ok(false);
        };
        let Some(algorithms) = present(self.driver.list(&revisions, None, 8).await)? else {
            return Ok(false);
        };
        for algorithm in algorithms.names {
            let Ok(below) = revisions.join(&algorithm) else { continue };
            let Some(found) = present(self.driver.list(&below, None, LOOK_AT).await)? else {
                continue;
            };
            if found.more {
                return Ok(true);
            }
            for hex in found.names {
                let Ok(link) = Key::parse(&format!("{below}/{hex}/link")) else { continue };
                if present(self.driver.stat(&link).await)?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl BlobStore {
    /// Repositories that come behind `after`, at most `limit`.
    pub async fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page<String>> {
        let inner = &self.inner;
        let mut items = Vec::new();
        let mut stack = vec![Frame::new(String::new(), after)];
        while let Some(frame) = stack.last_mut() {
            if items.len() > limit {
                break;
            }
            let Some(directory) = layout::repository_path(frame.prefix.trim_end_matches('/'))
            else {
                stack.pop();
                continue;
            };
            let from = match &frame.next {
                Bound::Unbounded => Bound::Unbounded,
                Bound::Included(name) => Bound::Included(name.as_str()),
                Bound::Excluded(name) => Bound::Excluded(name.as_str()),
            };
            let want = STEP.min(limit + 1 - items.len());
            let page = inner.repository_names.page(&directory, from, want).await?;
            let Some((page, more)) = page.filter(|(page, _)| !page.is_empty()) else {
                stack.pop();
                continue;
            };
            let mut child = None;
            let mut seen_all = !more;
            let count = page.len();
            for (index, (name, mark)) in page.into_iter().enumerate() {
                let full = format!("{}{name}", frame.prefix);
                let rest = match &frame.rest {
                    Some(rest) if matches!(&frame.next, Bound::Included(first) if **first == *name) => {
                        Some(rest.clone())
                    }
                    _ => None,
                };
                frame.next = Bound::Excluded(name.to_string());
                frame.rest = None;
                if name.starts_with('_') {
                    continue;
                }
                let Some(key) = layout::repository_path(&full) else { continue };
                let mark = if mark == UNMARKED {
                    let mark = inner.examine(&key).await?;
                    inner.repository_names.mark(&directory, &name, mark);
                    mark
                } else {
                    mark
                };
                // `after` itself, and the parents of `after`, have been listed before.
                if rest.is_none() && mark & LISTED != 0 {
                    items.push(full.clone());
                }
                if mark & PARENT != 0 {
                    let after = rest.filter(|rest| !rest.is_empty());
                    child = Some(Frame::new(format!("{full}/"), after.as_deref()));
                    seen_all = seen_all && index + 1 == count;
                    break;
                }
                if items.len() > limit {
                    seen_all = false;
                    break;
                }
            }
            if seen_all {
                stack.pop();
            }
            stack.extend(child);
        }
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Page { items, more })
    }

    /// Whether anything was ever stored under that name.
    pub async fn has_repository(&self, repository: &RepositoryName) -> Result<bool> {
        let driver = &self.inner.driver;
        for part in ["_manifests", "_layers"] {
            let key = layout::repository(repository)
                .join(part)
                .expect("a constant element of legal characters");
            if present(driver.stat(&key).await)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
