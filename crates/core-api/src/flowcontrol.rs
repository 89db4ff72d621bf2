// SPDX-License-Identifier: Apache-2.0
//! flowcontrol.apiserver.k8s.io/v1: stored, so that what configures it can be applied; this server has its own order of
//! precedence under load.

use apimachinery::resource::Resource;
use serde_json::Value;

use crate::Parts;
use crate::columns::{NONE, at, at_or, column, with_name_and_age};
use crate::define::Define;
use crate::object::{items, plain, text};
use crate::rules::Rules;

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let group = "flowcontrol.apiserver.k8s.io";
    let limit = |pointer: &'static str| {
        move |object: &Value| object.pointer(pointer).map_or_else(|| NONE.to_owned(), plain)
    };
    let dangling = |object: &Value| {
        let found =
            items(object, "/status/conditions").iter().find(|one| text(one, "/type") == "Dangling");
        found.map_or("?", |one| text(one, "/status")).to_owned()
    };
    let mut flows = with_name_and_age([
        at("PriorityLevel", "/spec/priorityLevelConfiguration/name"),
        column("MatchingPrecedence", limit("/spec/matchingPrecedence")),
        at_or("DistinguisherMethod", "/spec/distinguisherMethod/type", NONE),
    ]);
    flows.push(column("MissingPL", dangling));
    vec![
        Define::new(group, "v1", "FlowSchema", "flowschemas").columns(flows).stored(
            &parts.storage,
            "flowschemas",
            Rules::REPORTED,
        ),
        Define::new(group, "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations")
            .columns(with_name_and_age([
                at("Type", "/spec/type"),
                column("NominalConcurrencyShares", limit("/spec/limited/nominalConcurrencyShares")),
                column("Queues", limit("/spec/limited/limitResponse/queuing/queues")),
                column("HandSize", limit("/spec/limited/limitResponse/queuing/handSize")),
                column(
                    "QueueLengthLimit",
                    limit("/spec/limited/limitResponse/queuing/queueLengthLimit"),
                ),
            ]))
            .stored(&parts.storage, "prioritylevelconfigurations", Rules::REPORTED),
    ]
}
