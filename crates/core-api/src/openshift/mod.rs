// SPDX-License-Identifier: Apache-2.0
//! OpenShift's groups: those of its own API servers, and those that are custom resources there.

pub(crate) mod config;
pub(crate) mod legacy_rbac;
pub(crate) mod oauth;
pub(crate) mod project_requests;
pub(crate) mod projects;
mod quota;
pub(crate) mod routes;
mod security;
mod users;
mod workloads;

use apimachinery::resource::Resource;

use crate::{Parts, reviews};

/// Groups of aggregated API servers, in the order in which discovery lists them (guide-commands.md 1.1).
pub(crate) fn aggregated(parts: &Parts) -> Vec<Vec<Resource>> {
    let mut authorization = legacy_rbac::resources(parts);
    authorization.extend(reviews::openshift::resources(parts));
    let mut project = projects::resources(parts);
    project.extend(project_requests::resources(parts));
    vec![
        workloads::apps(parts),
        authorization,
        workloads::build(parts),
        oauth::resources(parts),
        project,
        quota::resources(parts),
        routes::resources(parts),
        security::resources(parts),
        workloads::template(parts),
        users::resources(parts),
    ]
}

/// Groups that are custom resources: no protobuf, no strategic patch.
pub(crate) fn custom(parts: &Parts) -> Vec<Vec<Resource>> {
    vec![config::resources(parts), config::operator_resources(parts)]
}
