// SPDX-License-Identifier: Apache-2.0
//! Reading and writing objects of other kinds than the one a request is about: a project request makes a namespace, a
//! mapping changes a user and an identity.

use api::status::Status;
use api::{GroupResource, meta};
use apimachinery::storage::{Freshness, ResourceStorage, decode, encode, set_resource_version};
use apistore::{Error as StoreError, Expect};
use serde_json::Value;

/// How often a change is tried on a newer state.
const TRIES: usize = 32;

/// An object, if it exists.
pub(crate) async fn find(storage: &ResourceStorage, key: &str) -> Result<Option<Value>, Status> {
    let found = storage.get(key, Freshness::Newest).await.map_err(Status::internal)?;
    Ok(found.map(|entry| entry.object()))
}

/// A new object, complete as it is; answers with its version.
pub(crate) async fn create(
    storage: &ResourceStorage,
    resource: &GroupResource,
    key: &str,
    mut object: Value,
) -> Result<Value, Status> {
    let bytes = encode(&mut object);
    match storage.store().create(&storage.key(key), bytes, None).await {
        Ok(kv) => {
            set_resource_version(&mut object, kv.modified);
            Ok(object)
        }
        Err(StoreError::Exists) => Err(Status::already_exists(resource, meta::name(&object))),
        Err(error) => Err(Status::internal(error)),
    }
}

/// Changes an object that exists.
pub(crate) async fn amend(
    storage: &ResourceStorage,
    resource: &GroupResource,
    key: &str,
    mut change: impl FnMut(&mut Value),
) -> Result<Value, Status> {
    let not_found = || Status::not_found(resource, key);
    for _ in 0..TRIES {
        let current = storage.read(key).await.map_err(Status::internal)?.ok_or_else(not_found)?;
        let old = decode(&current, current.modified).map_err(Status::internal)?;
        let mut new = old.clone();
        change(&mut new);
        if new == old {
            return Ok(old);
        }
        let bytes = encode(&mut new);
        match storage
            .store()
            .update(&storage.key(key), bytes, Expect::Modified(current.modified), None)
            .await
        {
            Ok(kv) => {
                set_resource_version(&mut new, kv.modified);
                return Ok(new);
            }
            Err(StoreError::Conflict(_)) => {}
            Err(StoreError::NotFound) => return Err(not_found()),
            Err(error) => return Err(Status::internal(error)),
        }
    }
    Err(Status::modified(resource, key))
}

/// Removes an object; one that is gone is no error.
pub(crate) async fn remove(storage: &ResourceStorage, key: &str) -> Result<(), Status> {
    match storage.store().delete(&storage.key(key), Expect::Exists).await {
        Ok(_) | Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(Status::internal(error)),
    }
}
