// SPDX-License-Identifier: Apache-2.0
//! What can go wrong in a store.

use crate::store::{KeyValue, Revision};

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `create` found the key present.
    #[error("key already exists")]
    Exists,
    /// `update` or `delete` found no such key.
    #[error("key does not exist")]
    NotFound,
    /// `update` or `delete` found the key at another revision than expected; what is there now.
    #[error("key was changed")]
    Conflict(Box<KeyValue>),
    /// The revision asked for is older than what compaction kept.
    #[error("revision {asked} is compacted, the oldest kept is {oldest}")]
    Compacted {
        /// What was asked.
        asked: Revision,
        /// The oldest that can be read.
        oldest: Revision,
    },
    /// The revision asked for does not exist yet.
    #[error("revision {asked} is in the future, the newest is {newest}")]
    Future {
        /// What was asked.
        asked: Revision,
        /// The newest there is.
        newest: Revision,
    },
    /// The value is larger than the store takes.
    #[error("value of {size} bytes is larger than the store's limit of {limit}")]
    TooLarge {
        /// The value's size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The store has no space left: the write was not done. Reads go on, and writes again when there is space.
    #[error("store has no space left: {0}")]
    Full(String),
    /// The store cannot be reached or did not answer in time: the outcome of a write is unknown.
    #[error("store is not available: {0}")]
    Unavailable(String),
    /// The store failed; it takes no further writes until it is opened again. The outcome of this write is unknown.
    #[error("store failed: {0}")]
    Failed(String),
}
