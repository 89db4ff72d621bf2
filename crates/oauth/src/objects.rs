// SPDX-License-Identifier: Apache-2.0
//! The stored objects that logins read and write: users, identities, tokens, clients, secrets.
//!
//! They are reached through the API server that the OAuth server itself is part of. The one is made before the other,
//! so the connection is made last; until then every request is told to come back.

use std::fmt;

use api::status::{Reason, Status};
use apimachinery::local::Local;
use parking_lot::RwLock;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// A way to the API server, once there is one.
#[derive(Default)]
pub(crate) struct Objects {
    local: RwLock<Option<Local>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("connected", &self.local.read().is_some()).finish()
    }
}

/// A collection by its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection(pub(crate) &'static str);

pub(crate) const USERS: Collection = Collection("/apis/user.openshift.io/v1/users");
pub(crate) const IDENTITIES: Collection = Collection("/apis/user.openshift.io/v1/identities");
pub(crate) const GROUPS: Collection = Collection("/apis/user.openshift.io/v1/groups");
pub(crate) const CLIENTS: Collection = Collection("/apis/oauth.openshift.io/v1/oauthclients");
pub(crate) const ACCESS_TOKENS: Collection =
    Collection("/apis/oauth.openshift.io/v1/oauthaccesstokens");
pub(crate) const AUTHORIZE_TOKENS: Collection =
    Collection("/apis/oauth.openshift.io/v1/oauthauthorizetokens");
pub(crate) const AUTHORIZATIONS: Collection =
    Collection("/apis/oauth.openshift.io/v1/oauthclientauthorizations");
pub(crate) const OAUTHS: Collection = Collection("/apis/config.openshift.io/v1/oauths");
/// Where passwords of identity providers are.
pub(crate) const CONFIG_SECRETS: Collection =
    Collection("/api/v1/namespaces/openshift-config/secrets");
/// Where kubeadmin's password is.
pub(crate) const SYSTEM_SECRETS: Collection = Collection("/api/v1/namespaces/kube-system/secrets");

impl Collection {
    /// The path of an object. Names are encoded whole, so that none can point elsewhere.
    fn object(self, name: &str) -> String {
        format!("{}/{}", self.0, utf8_percent_encode(name, NON_ALPHANUMERIC))
    }
}

impl Objects {
    pub(crate) fn connect(&self, local: Option<Local>) {
        *self.local.write() = local;
    }

    pub(crate) fn local(&self) -> Result<Local, Status> {
        self.local.read().clone().ok_or_else(|| {
            Status::service_unavailable("the OAuth server is starting").retry_after(1)
        })
    }

    pub(crate) async fn find(
        &self,
        collection: Collection,
        name: &str,
    ) -> Result<Option<Value>, Status> {
        // Without a name the path would be the collection's.
        if name.is_empty() {
            return Ok(None);
        }
        absent(self.local()?.get(&collection.object(name)).await)
    }

    pub(crate) async fn list(&self, collection: Collection) -> Result<Vec<Value>, Status> {
        let mut list = self.local()?.get(collection.0).await?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) async fn create(
        &self,
        collection: Collection,
        object: &Value,
    ) -> Result<Value, Status> {
        self.local()?.create(collection.0, object).await
    }

    pub(crate) async fn replace(
        &self,
        collection: Collection,
        object: &Value,
    ) -> Result<Value, Status> {
        self.local()?.replace(&collection.object(api::meta::name(object)), object).await
    }

    /// Deletes this very object; whether it was there (and the same) to be deleted.
    pub(crate) async fn delete(
        &self,
        collection: Collection,
        object: &Value,
    ) -> Result<bool, Status> {
        let options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": api::meta::uid(object)},
        });
        match self
            .local()?
            .delete(&collection.object(api::meta::name(object)), Some(&options))
            .await
        {
            Ok(_) => Ok(true),
            Err(status) if status.is(Reason::NotFound) || status.is(Reason::Conflict) => Ok(false),
            Err(status) => Err(status),
        }
    }
}

fn absent(answer: Result<Value, Status>) -> Result<Option<Value>, Status> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(status) if status.is(Reason::NotFound) => Ok(None),
        Err(status) => Err(status),
    }
}

/// A text field, empty if absent.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A number, 0 if absent.
pub(crate) fn number(object: &Value, field: &str) -> i64 {
    object.get(field).and_then(Value::as_i64).unwrap_or_default()
}

/// The texts of a list field.
pub(crate) fn texts(object: &Value, field: &str) -> Vec<String> {
    let items = object.get(field).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
