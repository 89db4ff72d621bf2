// SPDX-License-Identifier: Apache-2.0
//! What looks into every write, whatever its kind.

mod accounts;
mod escalation;
mod namespaces;
mod routes;
mod services;

use std::sync::Arc;

use apimachinery::resource::Admission;

use crate::Parts;

/// The plugins, in the order in which they look.
#[must_use]
pub fn admission(parts: &Parts) -> Vec<Arc<dyn Admission>> {
    vec![
        Arc::new(namespaces::Lifecycle::new(parts)),
        Arc::new(escalation::Escalation(parts.policy.clone())),
        Arc::new(accounts::Accounts::new(parts)),
        Arc::new(services::Addresses::new(parts)),
        Arc::new(routes::Hosts::new(parts)),
    ]
}
