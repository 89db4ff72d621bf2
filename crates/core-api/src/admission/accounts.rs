// SPDX-License-Identifier: Apache-2.0
//! Pods run as a service account: `default` unless they say otherwise. It must exist, brings its pull secrets, and is
//! mounted where containers look for it.

use api::meta;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::resource::Admission;
use apimachinery::storage::ResourceStorage;
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::Parts;
use crate::core::pods;
use crate::core::serviceaccounts;
use crate::define::place;
use crate::object::{default_text, each, items, text};
use crate::rules::Rules;
use crate::stored;

/// Where a container finds its token.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The beginning of the name of the volume it is mounted from.
const VOLUME: &str = "kube-api-access-";
/// How long such a token is good; it is renewed before.
const LIFETIME: i64 = 3607;

pub(super) struct Accounts {
    accounts: ResourceStorage,
}

impl Accounts {
    pub(super) fn new(parts: &Parts) -> Self {
        Self { accounts: place(&parts.storage, serviceaccounts::KEY, &Rules::PLAIN) }
    }
}

#[async_trait]
impl Admission for Accounts {
    async fn mutate(
        &self,
        call: &Call,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let is_pod = call.resource.group.is_empty() && call.resource.plural == pods::KEY;
        if !is_pod || old.is_some() || !object["spec"].is_object() {
            return Ok(());
        }
        // A pod that mirrors a file of its node has no account.
        if meta::annotation(object, "kubernetes.io/config.mirror").is_some() {
            return Ok(());
        }
        let other = text(object, "/spec/serviceAccount").to_owned();
        let spec = &mut object["spec"];
        default_text(spec, "serviceAccountName", if other.is_empty() { "default" } else { &other });
        let name = text(spec, "/serviceAccountName").to_owned();
        let key = format!("{}/{name}", call.at.namespace);
        let Some(account) = stored::find(&self.accounts, &key).await? else {
            let pod = meta::name(object).to_owned();
            let cause = format!(
                "error looking up service account {key}: serviceaccount {name:?} not found"
            );
            return Err(Status::forbidden(&call.resource.group_resource(), &pod, cause));
        };
        let secrets = items(&account, "/imagePullSecrets");
        if items(spec, "/imagePullSecrets").is_empty() && !secrets.is_empty() {
            spec["imagePullSecrets"] = secrets.to_vec().into();
        }
        if automounts(&account, spec) {
            mount(spec);
        }
        Ok(())
    }
}

/// The pod's word, else the account's, else yes.
fn automounts(account: &Value, spec: &Value) -> bool {
    let said = |object: &Value| object.get("automountServiceAccountToken").and_then(Value::as_bool);
    said(spec).or_else(|| said(account)).unwrap_or(true)
}

fn mount(spec: &mut Value) {
    let present = items(spec, "/volumes")
        .iter()
        .map(|one| text(one, "/name"))
        .find(|name| name.starts_with(VOLUME));
    let name = present.map_or_else(|| api::names::generate(VOLUME), str::to_owned);
    let mut used = false;
    for list in ["/initContainers", "/containers"] {
        for container in each(spec, list) {
            if items(container, "/volumeMounts")
                .iter()
                .any(|mount| text(mount, "/mountPath") == MOUNT)
            {
                continue;
            }
            used = true;
            let mount = json!({"name": name, "readOnly": true, "mountPath": MOUNT});
            push(container, "volumeMounts", mount);
        }
    }
    if used && !items(spec, "/volumes").iter().any(|one| text(one, "/name") == name) {
        let field = json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
        let volume = json!({
            "name": name,
            "projected": {
                "defaultMode": 0o644,
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": LIFETIME, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [field]}},
                ],
            },
        });
        push(spec, "volumes", volume);
    }
}

fn push(structure: &mut Value, field: &str, value: Value) {
    crate::object::default(structure, field, json!([]));
    if let Some(list) = structure[field].as_array_mut() {
        list.push(value);
    }
}
