// SPDX-License-Identifier: Apache-2.0
//! certificates.k8s.io/v1: requests, their approval, and the certificate in the status.

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::fields::Writer;
use apimachinery::reply::Answer;
use apimachinery::resource::{Resource, ResourceParts, Verbs, Virtual};
use apimachinery::storage::{Field, Freshness};
use apimachinery::table::{Column, human_duration};
use apimachinery::verb::write::{self, Part};
use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{NONE, at, at_or, column};
use crate::define::{Define, place};
use crate::object::{default, has, items, number, set, text};
use crate::rules::{Rules, StatusRule};

const KEY: &str = "certificatesigningrequests";

const FIELDS: &[Field] =
    &[("spec.signerName", |object| text(object, "/spec/signerName").to_owned())];

const RULES: Rules =
    Rules { fields: FIELDS, status: StatusRule::Apart, prepare, validate, ..Rules::PLAIN };

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let kind = ("certificates.k8s.io", "v1", "CertificateSigningRequest");
    vec![
        Define::new("certificates.k8s.io", "v1", "CertificateSigningRequest", KEY)
            .short(&["csr"])
            .columns([
                Column::object_name(),
                Column::age(),
                at_or("SignerName", "/spec/signerName", NONE),
                at("Requestor", "/spec/username"),
                column("RequestedDuration", |object| {
                    number(object, "/spec/expirationSeconds")
                        .map_or_else(|| NONE.to_owned(), human_duration)
                }),
                column("Condition", condition),
            ])
            .made("approval", kind, Verbs::GET_UPDATE_PATCH, Arc::new(Approval(parts.clone())))
            .stored(&parts.storage, KEY, RULES),
    ]
}

/// Who asks is who sends the request, whatever it says.
fn prepare(call: &Call, object: &mut Value, old: Option<&Value>) {
    if let Some(old) = old {
        // A request never changes.
        set(object, "spec", old.get("spec").cloned().unwrap_or_default());
        return;
    }
    object["status"] = json!({});
    default(object, "spec", json!({}));
    let spec = &mut object["spec"];
    for field in ["username", "uid", "groups", "extra"] {
        crate::object::remove(spec, field);
    }
    for (field, value) in authn::review::user_info(&call.user).as_object().into_iter().flatten() {
        set(spec, field, value.clone());
    }
}

fn validate(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    if text(object, "/spec/request").is_empty() {
        let detail = "PEM block type must be CERTIFICATE REQUEST";
        errors.push(Error::invalid(&path.child("request"), "", detail));
    }
    if items(object, "/spec/usages").is_empty() {
        errors.push(Error::required(&path.child("usages"), ""));
    }
    let signer = text(object, "/spec/signerName");
    let at_signer = path.child("signerName");
    match signer {
        "" => errors.push(Error::required(&at_signer, "")),
        "kubernetes.io/legacy-unknown" => {
            let detail = "the legacy signerName is not allowed via this API version";
            errors.push(Error::invalid(&at_signer, signer, detail));
        }
        name if !name.contains('/') => {
            let detail =
                "must be a fully qualified domain and path of the form 'example.com/signer-name'";
            errors.push(Error::invalid(&at_signer, name, detail));
        }
        _ => {}
    }
    if let Some(seconds) =
        number(object, "/spec/expirationSeconds").filter(|seconds| *seconds < 600)
    {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.push(Error::invalid(&path.child("expirationSeconds"), seconds, detail));
    }
}

/// `/approval`: changes conditions alone.
struct Approval(Parts);

#[async_trait]
impl Virtual for Approval {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let storage = place(&self.0.storage, KEY, &RULES);
        let Some(body) = body else {
            let found =
                storage.get(&call.at.name, Freshness::Newest).await.map_err(Status::internal)?;
            let found = found
                .ok_or_else(|| Status::not_found(&call.resource.group_resource(), &call.at.name))?;
            return Ok(Answer::Entry(StatusCode::OK, found));
        };
        let parts = ResourceParts { storage: &storage, strategy: &RULES, admission: &[] };
        let part = Part::Subresource("approval");
        let resource = call.resource.group_resource();
        let now = call.now.to_string();
        write::change(call, &parts, &Writer::update(call, part), part, |old| {
            let version = meta::resource_version(&body);
            if !version.is_empty() && version != meta::resource_version(old) {
                return Err(Status::modified(&resource, &call.at.name));
            }
            let mut new = old.clone();
            let mut conditions = items(&body, "/status/conditions").to_vec();
            for one in &mut conditions {
                for field in ["lastUpdateTime", "lastTransitionTime"] {
                    default(one, field, now.as_str());
                }
            }
            // What was decided stays decided.
            for kind in ["Approved", "Denied"] {
                let had = items(old, "/status/conditions").iter().any(|one| one["type"] == kind);
                if had && !conditions.iter().any(|one| one["type"] == kind) {
                    let mut errors = ErrorList::new();
                    let path = Path::new("status").child("conditions");
                    let detail = format!("updates may not remove a condition of type {kind:?}");
                    errors.push(Error::forbidden(&path, detail));
                    return Err(Status::invalid(
                        &call.resource.group_kind(),
                        &call.at.name,
                        &errors,
                    ));
                }
            }
            default(&mut new, "status", json!({}));
            new["status"]["conditions"] = conditions.into();
            Ok(Some(new))
        })
        .await
    }
}

fn condition(object: &Value) -> String {
    let conditions = items(object, "/status/conditions");
    let any = |kind: &str| conditions.iter().any(|one| text(one, "/type") == kind);
    let mut words = vec![match () {
        () if any("Denied") => "Denied",
        () if any("Approved") => "Approved",
        () => "Pending",
    }];
    if any("Failed") {
        words.push("Failed");
    }
    if has(object, "/status/certificate") && !text(object, "/status/certificate").is_empty() {
        words.push("Issued");
    }
    words.join(",")
}
