// SPDX-License-Identifier: Apache-2.0
//! The cases that every driver has to pass.
//!
//! They know the trait only. What a backend does not promise ([`Guarantees`]) they do not expect:
//! where writes are seen late, a check is repeated for a while instead of failing at once. Names all
//! lie below a directory of the run's own, so a bucket in use will do.
//!
//! ```no_run
//! # async fn example() {
//! let store = storage::memory::Memory::default();
//! storage::conformance::run(move || std::sync::Arc::new(store.clone())).await;
//! # }
//! ```
//!
//! Cases panic when a driver fails them: this is test code, compiled with the feature `conformance`.

mod batches;
mod concurrency;
mod listing;
mod objects;
mod support;
mod uploads;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::driver::Driver;
#[cfg(doc)]
use crate::driver::Guarantees;

pub use self::support::Harness;

/// One case.
type Case = fn(Harness) -> BoxFuture<'static, ()>;

macro_rules! cases {
    ($($group:ident: $($name:ident),+;)+) => {
        const CASES: &[(&str, Case)] = &[
            $($((concat!(stringify!($group), "::", stringify!($name)), |harness| {
                Box::pin($group::$name(harness))
            }),)+)+
        ];
    };
}

cases! {
    objects: put_replaces, empty_object, absence_is_not_found, siblings_are_not_mistaken,
        directories_are_no_objects, the_limit_of_a_read, ranges, unusual_names, deep_keys;
    batches: changes_are_made_in_order, remove, remove_tree, move_replaces, move_can_be_replayed,
        a_failed_batch_leaves_a_prefix, an_upload_becomes_a_blob;
    listing: names_are_in_byte_order, pages, only_direct_children, an_absent_directory;
    uploads: append_and_finish, empty_upload, large_upload, resume_elsewhere,
        resume_without_a_note, a_wrong_offset, cancel, a_second_upload_discards_the_first,
        a_hint_is_only_a_hint, a_known_destination;
    concurrency: writers_of_one_name, readers_during_replacement, removal_during_writes,
        the_same_blob_from_many;
}

/// Runs all cases. Each call of `open` gives another instance on the same store, as another process
/// would have it. Panics at the end if a case failed, naming all that did.
pub async fn run(open: impl Fn() -> Arc<dyn Driver> + Send + Sync + 'static) {
    let open: Arc<dyn Fn() -> Arc<dyn Driver> + Send + Sync> = Arc::new(open);
    let run = uuid::Uuid::new_v4().simple().to_string();
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let directory = format!("/conformance-{run}/{}", name.replace("::", "."));
        let harness = Harness::new(Arc::clone(&open), &directory);
        // As a task, so that a panic is that case's only and the others still run.
        if tokio::spawn(case(harness)).await.is_err() {
            failed.push(*name);
        }
    }
    let harness = Harness::new(open, &format!("/conformance-{run}"));
    harness.remove_everything().await;
    assert!(failed.is_empty(), "failed cases: {}", failed.join(", "));
}
