// SPDX-License-Identifier: Apache-2.0
//! The lock of a filesystem store, `.berth/lock`: one exclusive owner, or any number of sharers.
//!
//! It keeps an exclusive owner, who trusts what it remembers, from running beside anybody who
//! writes. Another registry of the distribution family does not know it; `docs/storage-layout.md`
//! says when such a one may run.

use std::time::{Duration, Instant};

use storage::driver::{self, Key};
use storage::filesystem::{FileLock, Filesystem};
use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::journal::Journal;

/// How long a start waits for a predecessor that is just stopping.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(100);

fn key() -> Key {
    Key::parse("/.berth/lock").expect("a constant of legal characters")
}

/// Takes the store for this process alone.
pub(crate) async fn own(filesystem: &Filesystem) -> Result<FileLock> {
    wait(filesystem, |filesystem| filesystem.lock_exclusive(&key())).await
}

/// Takes the store together with others. The first one applies what an exclusive owner left in the
/// journal when it crashed: later it would undo what sharers have written since.
pub(crate) async fn share(filesystem: &Filesystem) -> Result<FileLock> {
    let alone = filesystem.clone();
    let recovered = spawn_blocking(move || match alone.lock_exclusive(&key()) {
        Ok(_lock) => Journal::recover(&alone),
        // Others share it already, and the first of them has looked; or somebody owns it, and we
        // wait for the end of that.
        Err(driver::Error::Busy { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    });
    recovered.await.map_err(|_| Error::Stopping)??;
    let lock = wait(filesystem, |filesystem| filesystem.lock_shared(&key())).await?;
    // The owner we waited for may have crashed. With a lock of ours no new owner can come.
    let again = filesystem.clone();
    let pending = spawn_blocking(move || Journal::is_pending(&again));
    if !pending.await.map_err(|_| Error::Stopping)?? {
        return Ok(lock);
    }
    drop(lock);
    let owned = own(filesystem).await?;
    let last = filesystem.clone();
    spawn_blocking(move || Journal::recover(&last)).await.map_err(|_| Error::Stopping)??;
    drop(owned);
    wait(filesystem, |filesystem| filesystem.lock_shared(&key())).await
}

async fn wait(
    filesystem: &Filesystem,
    lock: fn(&Filesystem) -> driver::Result<FileLock>,
) -> Result<FileLock> {
    let started = Instant::now();
    let mut told = false;
    loop {
        let filesystem = filesystem.clone();
        match spawn_blocking(move || lock(&filesystem)).await.map_err(|_| Error::Stopping)? {
            Err(driver::Error::Busy { .. }) if started.elapsed() < PATIENCE => {
                if !told {
                    tracing::warn!("the store is locked by another process; waiting for it");
                    told = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            other => return Ok(other?),
        }
    }
}
