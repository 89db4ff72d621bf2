// SPDX-License-Identifier: Apache-2.0
//! Removing upload sessions that nobody will go on with (registry.md 5.7).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use storage::driver::Key;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::walk;
use crate::error::{Result, present};
use crate::journal::Op;
use crate::layout;
use crate::store::BlobStore;

/// Longest `startedat` that is read.
const MAX_STARTED_AT: usize = 4096;

/// An upload session that is older than allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Its directory.
    pub directory: Key,
    /// When it began, or, without a readable `startedat`, when it was last changed.
    pub since: SystemTime,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Sessions removed, or to be removed in a dry run.
    pub sessions: u64,
    /// Sessions that could not be looked at or removed.
    pub errors: u64,
    /// Leftover temporary files of ours that were removed.
    pub temporaries: u64,
}

impl BlobStore {
    /// Removes sessions begun more than `age` before `now`; with `dry_run` only tells of them.
    /// One that fails is counted and passed over.
    pub async fn purge_uploads(
        &self,
        age: Duration,
        now: SystemTime,
        dry_run: bool,
        mut found: impl FnMut(&Stale) + Send,
    ) -> Result<Purged> {
        let mut purged = Purged::default();
        let Some(limit) = now.checked_sub(age) else { return Ok(purged) };
        for (directory, since) in self.inner.purge_held(limit.into(), dry_run) {
            found(&Stale { directory, since: since.into() });
            purged.sessions += 1;
        }
        let driver = &self.inner.driver;
        let mut repositories = walk::repositories(driver);
        while let Some((path, _)) = repositories.next().await? {
            let uploads = layout::repository_path(&path).and_then(|key| key.join("_uploads").ok());
            let Some(uploads) = uploads else { continue };
            let mut list = walk::pages(driver, uploads.clone());
            while let Some(names) = list.next().await? {
                for name in names {
                    let Ok(id) = Uuid::parse_str(&name) else { continue };
                    let Ok(directory) = uploads.join(&name) else { continue };
                    match self.started(&directory).await {
                        Ok(Some(since)) if since < limit => {
                            let stale = Stale { directory, since };
                            found(&stale);
                            if dry_run || self.remove_session(id, &stale.directory).await {
                                purged.sessions += 1;
                            } else {
                                purged.errors += 1;
                            }
                        }
                        Ok(_) => {}
                        Err(error) => {
                            tracing::warn!(%error, %directory, "cannot look at an upload session");
                            purged.errors += 1;
                        }
                    }
                }
            }
        }
        if let (Some(filesystem), false) = (self.inner.filesystem.clone(), dry_run) {
            let reclaim = crate::upload::blocking(move || filesystem.reclaim_temporaries(limit));
            purged.temporaries = reclaim.await?;
        }
        Ok(purged)
    }

    async fn started(&self, directory: &Key) -> Result<Option<SystemTime>> {
        let driver = &self.inner.driver;
        if let Ok(key) = directory.join("startedat") {
            let text = match driver.read(&key, MAX_STARTED_AT).await {
                Err(storage::driver::Error::TooLarge { .. }) => None,
                other => present(other)?,
            };
            let parsed = text
                .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
                .and_then(|text| OffsetDateTime::parse(text.trim(), &Rfc3339).ok());
            if let Some(time) = parsed {
                return Ok(Some(time.into()));
            }
        }
        Ok(present(driver.stat(directory).await)?.map(|meta| meta.modified))
    }

    async fn remove_session(&self, id: Uuid, directory: &Key) -> bool {
        let store = Arc::clone(&self.inner);
        let op = Op::RemoveTree { key: directory.clone() };
        let effects = Box::new(move |_| store.sessions.end(id));
        match self.inner.engine.commit(vec![op], effects).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, %directory, "cannot remove an upload session");
                false
            }
        }
    }
}
