// SPDX-License-Identifier: Apache-2.0
//! The verbs on stored objects.
//!
//! Reads come from the caches; every write goes through [`write`], where all that Kubernetes promises of a write stands
//! in one order: decode, identity, defaults, admission, rules, field ownership, precondition, store.

pub mod delete;
pub mod patch;
pub mod read;
pub mod scale;
pub mod watch;
pub mod write;

use api::status::Status;
use apistore::Error as StoreError;

use crate::context::Call;
use crate::storage::ReadError;

/// What a failed read answers.
pub(crate) fn read_failed(call: &Call, error: ReadError) -> Status {
    match error {
        ReadError::Store(error) => store_failed(call, error),
        ReadError::TooNew { asked, current } => Status::resource_version_too_large(asked, current),
        ReadError::Undecodable(error) => Status::internal(error),
    }
}

/// What a failure of the store answers, where it is not about the key itself.
pub(crate) fn store_failed(call: &Call, error: StoreError) -> Status {
    match error {
        StoreError::Compacted { asked, oldest } => Status::too_old_resource_version(asked, oldest),
        StoreError::Future { asked, newest } => Status::resource_version_too_large(asked, newest),
        StoreError::TooLarge { size, limit } => Status::request_entity_too_large(format!(
            "the object is {size} bytes, the store takes at most {limit}; fewer or smaller entries are the only way"
        )),
        StoreError::Full(_) => {
            tracing::error!(%error, "the store is full");
            Status::service_unavailable(format!(
                "{error}: free space on the server's data directory; reads go on"
            ))
        }
        StoreError::Unavailable(_) => {
            tracing::warn!(%error, "the store is not available");
            Status::server_timeout(&call.resource.group_resource(), call.info.verb.as_str(), 1)
        }
        StoreError::Exists
        | StoreError::NotFound
        | StoreError::Conflict(_)
        | StoreError::Failed(_) => {
            tracing::error!(%error, "the store failed");
            Status::internal(error)
        }
    }
}
