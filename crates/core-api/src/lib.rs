// SPDX-License-Identifier: Apache-2.0
//! The resources of one machine's cluster: Kubernetes' own and OpenShift's, described to the generic API server.
//!
//! ```text
//!  Parts (storage, policy, tokens, nodes) ─▶ resources() ─▶ Catalog ─▶ apimachinery::server::Server
//!                                         └▶ admission() ───────────────▲
//!  bootstrap() ─▶ the objects that exist before anybody made one
//! ```
//!
//! Each kind is one expression ([`define::Define`]) and, where it differs from the rest, one set of rules
//! ([`rules::Rules`]). Controllers live elsewhere: here kinds are served, defaulted, validated and printed.
//! image.openshift.io is its own server's.

mod access;
mod admission;
mod apps;
mod authentication;
mod autoscaling;
mod backend;
mod batch;
pub mod bootstrap;
mod certificates;
mod cluster_ip;
mod columns;
mod coordination;
mod core;
mod define;
mod discovery;
mod extensions;
mod flowcontrol;
mod networking;
mod node;
mod object;
mod openshift;
mod policy;
mod rbac_kinds;
mod reviews;
mod rules;
mod scheduling;
mod storage;
mod stored;
mod validation;

use apimachinery::catalog::Place;
use apimachinery::resource::Resource;

pub use access::{RbacAuthorizer, SharedPolicy};
pub use admission::admission;
pub use backend::{Nodes, NotHere, Parts, Review, Settings, Stream, Tokens};
pub use batch::schedule::{Schedule, ScheduleError};
pub use cluster_ip::{AddressRange, RangeError};
pub use core::namespaces::{self, is_terminating};

/// All resources, in the order in which discovery lists their groups.
#[must_use]
pub fn resources(parts: &Parts) -> Vec<(Place, Resource)> {
    let kubernetes = [
        core::resources(parts),
        extensions::api_services(parts),
        apps::resources(parts),
        core::events::events_group(parts),
        authentication::resources(parts),
        reviews::authorization::resources(parts),
        autoscaling::resources(parts),
        batch::resources(parts),
        certificates::resources(parts),
        networking::resources(parts),
        policy::resources(parts),
        rbac_kinds::resources(parts),
        storage::resources(parts),
        extensions::webhooks(parts),
        extensions::custom_resource_definitions(parts),
        scheduling::resources(parts),
        coordination::resources(parts),
        node::resources(parts),
        discovery::resources(parts),
        flowcontrol::resources(parts),
    ];
    let aggregated = openshift::aggregated(parts);
    let custom = openshift::custom(parts);
    let mut all = Vec::new();
    for (place, groups) in [
        (Place::BuiltIn, kubernetes.to_vec()),
        (Place::Aggregated, aggregated),
        (Place::Custom, custom),
    ] {
        for mut group in groups {
            group.sort_by(|a, b| a.plural.cmp(&b.plural));
            all.extend(group.into_iter().map(|resource| (place, resource)));
        }
    }
    all
}
