// SPDX-License-Identifier: Apache-2.0
//! Service accounts, and the tokens that are asked of them.

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::resource::{Resource, Verbs, Virtual};
use apimachinery::storage::Freshness;
use async_trait::async_trait;
use http::StatusCode;
use schema::Schema;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{integer, with_name_and_age};
use crate::define::{Define, place, schema_of};
use crate::object::{default, items, number, text};
use crate::rules::Rules;

/// The storage key.
pub(crate) const KEY: &str = "serviceaccounts";
/// How long a token lives when nobody says, and at least and at most.
const LIFETIME: i64 = 3600;
const SHORTEST: i64 = 600;
const LONGEST: i64 = 1 << 32;

/// `POST /token`.
struct TokenRequests(Parts);

#[async_trait]
impl Virtual for TokenRequests {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let not_found = || Status::not_found(&call.resource.group_resource(), &call.at.name);
        let storage = place(&self.0.storage, KEY, &Rules::PLAIN);
        let account = storage
            .get(&call.key(&call.at.name), Freshness::Newest)
            .await
            .map_err(Status::internal)?
            .ok_or_else(not_found)?
            .object();
        let mut request = body.unwrap_or_else(|| json!({}));
        request["apiVersion"] = "authentication.k8s.io/v1".into();
        request["kind"] = "TokenRequest".into();
        default(&mut request, "spec", json!({}));
        default(&mut request["spec"], "expirationSeconds", LIFETIME);
        api::meta::set_name(&mut request, &call.at.name);
        api::meta::set_namespace(&mut request, &call.at.namespace);
        let errors = invalid(&request);
        if !errors.is_empty() {
            let kind = api::GroupKind::new("authentication.k8s.io", "TokenRequest");
            return Err(Status::invalid(&kind, &call.at.name, &errors));
        }
        api::meta::set_creation_timestamp(&mut request, &call.now.to_string());
        if call.query.dry_run {
            request["status"] = json!({"token": "", "expirationTimestamp": null});
            return Ok(Answer::Object(StatusCode::CREATED, request));
        }
        let issued = self.0.tokens.issue(call, &account, request).await?;
        Ok(Answer::Object(StatusCode::CREATED, issued))
    }

    fn body_schema(&self) -> Option<Schema> {
        Some(schema_of("authentication.k8s.io", "v1", "TokenRequest"))
    }
}

fn invalid(request: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec").child("expirationSeconds");
    let seconds = number(request, "/spec/expirationSeconds").unwrap_or(LIFETIME);
    if seconds < SHORTEST {
        errors.push(Error::invalid(
            &path,
            seconds,
            "may not specify a duration less than 10 minutes",
        ));
    }
    if seconds > LONGEST {
        errors.push(Error::invalid(
            &path,
            seconds,
            "may not specify a duration larger than 2^32 seconds",
        ));
    }
    if let Some(bound) = request.pointer("/spec/boundObjectRef").filter(|bound| !bound.is_null()) {
        let kind = text(bound, "/kind");
        if !matches!(kind, "Pod" | "Secret" | "Node") {
            let path = Path::new("spec").child("boundObjectRef").child("kind");
            errors.push(Error::not_supported(&path, kind, &["Pod", "Secret", "Node"]));
        }
    }
    errors
}

pub(super) fn resource(parts: &Parts) -> Resource {
    // 1.36 prints no SECRETS any more; the guide's users see the column (guide-commands.md 1.3).
    let mut secrets = integer("Secrets", |object| {
        i64::try_from(items(object, "/secrets").len()).unwrap_or(i64::MAX)
    });
    secrets.kind = "string";
    Define::new("", "v1", "ServiceAccount", "serviceaccounts")
        .short(&["sa"])
        .columns(with_name_and_age([secrets]))
        .made(
            "token",
            ("authentication.k8s.io", "v1", "TokenRequest"),
            Verbs::CREATE,
            Arc::new(TokenRequests(parts.clone())),
        )
        .stored(&parts.storage, KEY, Rules::PLAIN)
}
