// SPDX-License-Identifier: Apache-2.0
//! Where an API server keeps its objects.
//!
//! One trait, [`Store`], with the guarantees of etcd's key-value and watch API and no more than an API server uses:
//! every write is one revision; reads are linearizable or at a revision; a watch is ordered, unique, reliable, atomic
//! and resumable until its revision is compacted. Keys are paths, values are bytes; what they mean is the caller's.
//!
//! Three stores: [`Memory`] for tests, `Sqlite` (feature `sqlite`) for one machine, `Etcd` (feature `etcd`) for a
//! cluster. [`compaction`] decides how much history they keep.

mod clock;
pub mod compaction;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
#[cfg(feature = "etcd")]
pub mod etcd;
mod hub;
mod keys;
mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod store;

pub use clock::Clock;
pub use error::Error;
#[cfg(feature = "etcd")]
pub use etcd::Etcd;
pub use memory::Memory;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use store::{Event, Expect, KeyValue, List, Page, Revision, Store, Watch, WatchItem};
