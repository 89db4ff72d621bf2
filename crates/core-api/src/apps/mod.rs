// SPDX-License-Identifier: Apache-2.0
//! apps/v1: what keeps pods running.

mod deployments;
mod revisions;
mod sets;
mod stateful;

use apimachinery::resource::Resource;

use crate::Parts;

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        deployments::resource(parts),
        sets::replica_sets(parts),
        sets::daemon_sets(parts),
        stateful::resource(parts),
        revisions::resource(parts),
    ]
}
