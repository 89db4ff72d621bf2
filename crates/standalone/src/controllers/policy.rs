// SPDX-License-Identifier: Apache-2.0
//! Roles and bindings, as they change, into the policy that decides requests.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::meta;
use apimachinery::local::Local;
use core_api::SharedPolicy;
use futures_util::StreamExt as _;

use super::{PAUSE, from_the_start};

const KINDS: [(&str, &str); 4] = [
    ("ClusterRole", "clusterroles"),
    ("Role", "roles"),
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("RoleBinding", "rolebindings"),
];

/// Follows all four kinds for ever.
pub async fn policy(local: Local, policy: Arc<SharedPolicy>) {
    let all = KINDS.map(|(kind, plural)| follow(local.clone(), policy.clone(), kind, plural));
    futures_util::future::join_all(all).await;
}

async fn follow(local: Local, policy: Arc<SharedPolicy>, kind: &str, plural: &str) {
    let target = from_the_start(&format!("/apis/rbac.authorization.k8s.io/v1/{plural}"));
    let mut known: BTreeSet<(String, String)> = BTreeSet::new();
    loop {
        // What the last watch knew and this one's beginning does not name is gone.
        let mut unseen = known.clone();
        match local.watch(&target).await {
            Ok(mut events) => {
                while let Some(event) = events.next().await {
                    let at = (
                        meta::namespace(&event.object).to_owned(),
                        meta::name(&event.object).to_owned(),
                    );
                    match event.kind.as_str() {
                        "ADDED" | "MODIFIED" => {
                            policy.set(&event.object);
                            unseen.remove(&at);
                            known.insert(at);
                        }
                        "DELETED" => {
                            policy.remove(kind, &at.0, &at.1);
                            known.remove(&at);
                        }
                        "BOOKMARK" => {
                            for (namespace, name) in std::mem::take(&mut unseen) {
                                policy.remove(kind, &namespace, &name);
                                known.remove(&(namespace, name));
                            }
                        }
                        _ => break,
                    }
                }
            }
            Err(status) => tracing::warn!(error = %status.message, kind, "roles cannot be watched"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
