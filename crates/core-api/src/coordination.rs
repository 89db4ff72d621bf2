// SPDX-License-Identifier: Apache-2.0
//! coordination.k8s.io/v1: leases, by which replicas choose a leader.

use api::field::{Error, ErrorList, Path};
use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{at, with_name_and_age};
use crate::define::Define;
use crate::object::number;
use crate::rules::Rules;
use crate::validation::not_negative;

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new("coordination.k8s.io", "v1", "Lease", "leases")
            .columns(with_name_and_age([at("Holder", "/spec/holderIdentity")]))
            .stored(
                &parts.storage,
                "leases",
                Rules {
                    validate,
                    unconditional_update: false,
                    create_on_update: true,
                    ..Rules::PLAIN
                },
            ),
    ]
}

fn validate(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    if let Some(seconds) =
        number(object, "/spec/leaseDurationSeconds").filter(|seconds| *seconds <= 0)
    {
        errors.push(Error::invalid(
            &path.child("leaseDurationSeconds"),
            seconds,
            "must be greater than 0",
        ));
    }
    if let Some(spec) = object.get("spec") {
        not_negative(spec, &path, "leaseTransitions", errors);
    }
}
