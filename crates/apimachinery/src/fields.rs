// SPDX-License-Identifier: Apache-2.0
//! Who owns which field: `metadata.managedFields` of every write, by way of the `patch` crate.

use std::sync::LazyLock;

use api::status::{Cause, Status};
use patch::apply::{Error as ApplyError, Request, Set, apply as apply_to, track_update};
use serde_json::Value;

use crate::context::Call;
use crate::resource::Source;
use crate::verb::patch::refused as refused_patch;
use crate::verb::write::Part;

/// What the main resource of a kind with a status may not set.
static STATUS: LazyLock<Set> = LazyLock::new(|| Set::of_fields(["status"]));
/// What a status subresource may not set.
static SPEC: LazyLock<Set> = LazyLock::new(|| Set::of_fields(["spec"]));
static NOTHING: LazyLock<Set> = LazyLock::new(Set::default);

/// Who writes, and how.
#[derive(Debug, Clone)]
pub struct Writer {
    manager: String,
    part: Part,
    applies: bool,
    force: bool,
}

impl Writer {
    /// A create, update or patch.
    #[must_use]
    pub fn update(call: &Call, part: Part) -> Self {
        Self { manager: call.field_manager(), part, applies: false, force: false }
    }

    /// A server-side apply.
    #[must_use]
    pub fn apply(call: &Call, part: Part, force: bool) -> Self {
        Self { manager: call.field_manager(), part, applies: true, force }
    }
}

/// Hands `then` the patch crate's view of this write.
fn with_request<T>(call: &Call, writer: &Writer, then: impl FnOnce(&Request<'_>) -> T) -> T {
    let has_status = match &call.resource.source {
        Source::Stored { strategy, .. } => strategy.has_status(),
        Source::Virtual(_) => false,
    };
    let reset: &Set = match writer.part {
        Part::Main if has_status => &STATUS,
        Part::Status => &SPEC,
        Part::Main | Part::Subresource(_) => &NOTHING,
    };
    let api_version = call.api_version();
    let served: Vec<String> =
        (0..call.resource.versions.len()).map(|at| call.resource.api_version(at)).collect();
    let served: Vec<&str> = served.iter().map(String::as_str).collect();
    let now = call.now.to_string();
    then(&Request {
        view: call.version().schema.view(),
        api_version: &api_version,
        kind: &call.resource.kind,
        subresource: writer.part.subresource(),
        manager: &writer.manager,
        reset,
        served: &served,
        now: &now,
    })
}

/// Records what a write changed. An apply recorded it already.
pub fn record(call: &Call, writer: &Writer, old: Option<&Value>, new: &mut Value) {
    if writer.applies {
        return;
    }
    *new = with_request(call, writer, |request| track_update(request, old, std::mem::take(new)));
}

/// Applies a configuration to what is there.
///
/// # Errors
/// 409 with the managers that own what it would change; 400 and 500 for what cannot be read.
pub fn apply(
    call: &Call,
    writer: &Writer,
    live: Option<&Value>,
    applied: &Value,
) -> Result<Value, Status> {
    let result =
        with_request(call, writer, |request| apply_to(request, live, applied, writer.force));
    let mut object = result.map_err(|error| refused(&error))?;
    api::builtin::normalise(&call.version().schema, &mut object);
    Ok(object)
}

fn refused(error: &ApplyError) -> Status {
    if let ApplyError::Conflicts(conflicts) = error {
        let causes = conflicts
            .0
            .iter()
            .map(|conflict| Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: conflict.message(),
                field: conflict.field(),
            })
            .collect();
        return Status::apply_conflict(causes, error.to_string());
    }
    refused_patch(error.answer(), &error.to_string())
}
