// SPDX-License-Identifier: Apache-2.0
//! The core group.

mod configmaps;
mod endpoints;
pub(crate) mod events;
mod limits;
pub mod namespaces;
mod nodes;
mod pod_streams;
mod pod_table;
pub(crate) mod pods;
mod replication;
mod secrets;
pub(crate) mod serviceaccounts;
pub(crate) mod services;
pub(crate) mod volumes;

use apimachinery::resource::Resource;

use crate::Parts;

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    [
        namespaces::resources(parts),
        pods::resources(parts),
        services::resources(parts),
        replication::resources(parts),
        volumes::resources(parts),
    ]
    .into_iter()
    .flatten()
    .chain([
        configmaps::resource(parts),
        endpoints::resource(parts),
        events::resource(parts),
        limits::ranges(parts),
        limits::quotas(parts),
        nodes::resource(parts),
        secrets::resource(parts),
        serviceaccounts::resource(parts),
    ])
    .collect()
}
