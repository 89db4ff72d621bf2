// SPDX-License-Identifier: Apache-2.0
//! `metav1.Status`: what an API server answers instead of an object.
//!
//! A client prints `Error from server (REASON): MESSAGE`, so each constructor gives Kubernetes' exact message (1.36).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::field::ErrorList;
use crate::{GroupKind, GroupResource, GroupVersionKind};

/// Why a request failed, in one word that programs compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 409 on create.
    AlreadyExists,
    /// 409 on update.
    Conflict,
    /// 410: no longer there.
    Gone,
    /// 422.
    Invalid,
    /// 500: try again after a while.
    ServerTimeout,
    /// 504.
    Timeout,
    /// 429.
    TooManyRequests,
    /// 400.
    BadRequest,
    /// 405.
    MethodNotAllowed,
    /// 406.
    NotAcceptable,
    /// 413.
    RequestEntityTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 500.
    InternalError,
    /// 410: the resource version or continue token is too old.
    Expired,
    /// 503.
    ServiceUnavailable,
}

impl Reason {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Invalid => "Invalid",
            Self::ServerTimeout => "ServerTimeout",
            Self::Timeout => "Timeout",
            Self::TooManyRequests => "TooManyRequests",
            Self::BadRequest => "BadRequest",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::InternalError => "InternalError",
            Self::Expired => "Expired",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    /// The HTTP status code that goes with it.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Gone | Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError | Self::ServerTimeout => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// One of several things that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cause {
    /// What kind of cause, for example `FieldValueRequired`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field, for example `spec.containers[0].name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What the answer is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name, or the operation of a `ServerTimeout`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource (or, in `Invalid`, the kind).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// What is wrong in detail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again, in seconds; 0 for no advice.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

/// The object itself. It is also the error type of everything that answers requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    kind: Kind,
    #[serde(rename = "apiVersion")]
    api_version: Version,
    metadata: ListMeta,
    /// `Success` or `Failure`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// For people; what clients print.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// For programs; one of [`Reason`]'s words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
    /// The HTTP status code.
    pub code: u16,
}

/// The only kind there is. Without size, like the version: a `Status` is every handler's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Status,
}

/// The only version there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Version {
    #[serde(rename = "v1")]
    V1,
}

/// `{}` in most answers; an expired list's says where it could go on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct ListMeta {
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    continue_token: Option<Box<str>>,
}

/// The text of a conflict on a stale resource version.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Status {
    fn blank(status: &str, code: u16) -> Self {
        Self {
            kind: Kind::Status,
            api_version: Version::V1,
            metadata: ListMeta::default(),
            status: status.to_owned(),
            message: String::new(),
            reason: String::new(),
            details: None,
            code,
        }
    }

    /// Says in `metadata.continue` where an expired list could go on.
    pub fn set_continue(&mut self, token: &str) {
        self.metadata.continue_token = Some(token.into());
    }

    /// A failure of that reason with the code that goes with it.
    pub fn failure(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            reason: reason.as_str().to_owned(),
            ..Self::blank("Failure", reason.code())
        }
    }

    fn about(mut self, resource: &GroupResource, name: &str) -> Self {
        let details = self.details.get_or_insert_default();
        details.group.clone_from(&resource.group);
        details.kind.clone_from(&resource.resource);
        name.clone_into(&mut details.name);
        self
    }

    /// 200 `Success`, as a delete answers it when the object is gone.
    #[must_use]
    pub fn success(resource: &GroupResource, name: &str, uid: &str) -> Self {
        let mut status = Self::blank("Success", 200).about(resource, name);
        if let Some(details) = &mut status.details {
            uid.clone_into(&mut details.uid);
        }
        status
    }

    /// 404 `pods "x" not found`.
    #[must_use]
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        Self::failure(Reason::NotFound, format!("{resource} {} not found", quote(name)))
            .about(resource, name)
    }

    /// 404 for a path that no resource is served at.
    #[must_use]
    pub fn no_such_path() -> Self {
        let mut status =
            Self::failure(Reason::NotFound, "the server could not find the requested resource");
        status.details = Some(Box::default());
        status
    }

    /// 409 `pods "x" already exists`.
    #[must_use]
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        Self::failure(Reason::AlreadyExists, format!("{resource} {} already exists", quote(name)))
            .about(resource, name)
    }

    /// 409 when no free name was found for a `generateName`.
    #[must_use]
    pub fn generate_name_conflict(resource: &GroupResource, name: &str, retry: u32) -> Self {
        let message = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            quote(name)
        );
        Self::failure(Reason::AlreadyExists, message).about(resource, name).retry_after(retry)
    }

    /// 409 `Operation cannot be fulfilled on pods "x": CAUSE`.
    pub fn conflict(resource: &GroupResource, name: &str, cause: impl fmt::Display) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {resource} {}: {cause}", quote(name));
        Self::failure(Reason::Conflict, message).about(resource, name)
    }

    /// 409 for a resource version that is no longer the newest.
    #[must_use]
    pub fn modified(resource: &GroupResource, name: &str) -> Self {
        Self::conflict(resource, name, MODIFIED)
    }

    /// 409 of server-side apply, one cause for each field.
    pub fn apply_conflict(causes: Vec<Cause>, message: impl Into<String>) -> Self {
        let mut status = Self::failure(Reason::Conflict, message);
        status.details = Some(Box::new(Details { causes, ..Details::default() }));
        status
    }

    /// 422 `Pod "x" is invalid: …` with a cause for each error.
    #[must_use]
    pub fn invalid(kind: &GroupKind, name: &str, errors: &ErrorList) -> Self {
        let mut message = format!("{kind} {} is invalid", quote(name));
        if !errors.is_empty() {
            message = format!("{message}: {errors}");
        }
        let causes = errors
            .iter()
            .map(|it| Cause {
                reason: it.kind.reason().to_owned(),
                message: it.body(),
                field: it.field.clone(),
            })
            .collect();
        let mut status = Self::failure(Reason::Invalid, message);
        status.details = Some(Box::new(Details {
            name: name.to_owned(),
            group: kind.group.clone(),
            kind: kind.kind.clone(),
            causes,
            ..Details::default()
        }));
        status
    }

    /// 403 `pods "x" is forbidden: CAUSE`.
    pub fn forbidden(resource: &GroupResource, name: &str, cause: impl fmt::Display) -> Self {
        let message = if resource.is_empty() {
            format!("forbidden: {cause}")
        } else if name.is_empty() {
            format!("{resource} is forbidden: {cause}")
        } else {
            format!("{resource} {} is forbidden: {cause}", quote(name))
        };
        Self::failure(Reason::Forbidden, message).about(resource, name)
    }

    /// 401 as API servers answer it: `Unauthorized`.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::failure(Reason::Unauthorized, "Unauthorized")
    }

    /// 400 with that message.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(Reason::BadRequest, message)
    }

    /// 400 for a body that is not an object of the kind that the path takes:
    /// `Pod in version "v1" cannot be handled as a Pod: CAUSE`.
    pub fn not_decodable(
        actual: &GroupVersionKind,
        expected: &str,
        cause: impl fmt::Display,
    ) -> Self {
        let version = actual.group_version().to_string();
        let message = format!(
            "{} in version {} cannot be handled as a {expected}: {cause}",
            actual.kind,
            quote(&version)
        );
        Self::bad_request(message)
    }

    /// 400 of `fieldValidation=Strict`: `strict decoding error: unknown field "spec.x", …`.
    #[must_use]
    pub fn strict_decoding(actual: &GroupVersionKind, expected: &str, errors: &[String]) -> Self {
        Self::not_decodable(
            actual,
            expected,
            format_args!("strict decoding error: {}", errors.join(", ")),
        )
    }

    /// 405 `patch is not supported on resources of kind "pods"`.
    #[must_use]
    pub fn method_not_supported(resource: &GroupResource, action: &str) -> Self {
        let name = resource.to_string();
        let message = format!("{action} is not supported on resources of kind {}", quote(&name));
        Self::failure(Reason::MethodNotAllowed, message).about(resource, "")
    }

    /// 405 for a method that the path does not take at all.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let mut status = Self::failure(
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        );
        status.details = Some(Box::default());
        status
    }

    /// 406 naming what can be had.
    #[must_use]
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        Self::failure(
            Reason::NotAcceptable,
            format!("only the following media types are accepted: {}", accepted.join(", ")),
        )
    }

    /// 415 naming what is understood.
    #[must_use]
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        Self::failure(
            Reason::UnsupportedMediaType,
            format!(
                "the body of the request was in an unknown format - accepted media types include: {list}"
            ),
        )
    }

    /// 410 `Expired`: a list or watch has to start afresh.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(Reason::Expired, message)
    }

    /// 410 `Expired` for a watch from a revision that was compacted:
    /// `too old resource version: 5 (17)`.
    #[must_use]
    pub fn too_old_resource_version(asked: u64, oldest: u64) -> Self {
        Self::expired(format!("too old resource version: {asked} ({oldest})"))
    }

    /// 410 `Gone`.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::failure(Reason::Gone, message)
    }

    /// 429 with that message.
    pub fn too_many_requests(message: impl Into<String>, retry: u32) -> Self {
        let mut status = Self::failure(Reason::TooManyRequests, message);
        status.details = Some(Box::default());
        status.retry_after(retry)
    }

    /// 413 `Request entity too large: DETAIL`.
    pub fn request_entity_too_large(detail: impl fmt::Display) -> Self {
        Self::failure(Reason::RequestEntityTooLarge, format!("Request entity too large: {detail}"))
    }

    /// 504 `Timeout: DETAIL`.
    pub fn timeout(detail: impl fmt::Display, retry: u32) -> Self {
        let mut status = Self::failure(Reason::Timeout, format!("Timeout: {detail}"));
        status.details = Some(Box::default());
        status.retry_after(retry)
    }

    /// 504 with a `ResourceVersionTooLarge` cause: the server has not seen that revision yet.
    #[must_use]
    pub fn resource_version_too_large(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut status = Self::timeout(&message, 1);
        if let Some(details) = &mut status.details {
            details.causes.push(Cause {
                reason: "ResourceVersionTooLarge".to_owned(),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            });
        }
        status
    }

    /// 500 `The OPERATION operation against pods could not be completed at this time, please try again.`
    #[must_use]
    pub fn server_timeout(resource: &GroupResource, operation: &str, retry: u32) -> Self {
        let message = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        Self::failure(Reason::ServerTimeout, message).about(resource, operation).retry_after(retry)
    }

    /// 503 with that message.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::failure(Reason::ServiceUnavailable, message)
    }

    /// 500 `Internal error occurred: CAUSE`. The cause reaches the client: no secrets in it.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let cause = cause.to_string();
        let mut status =
            Self::failure(Reason::InternalError, format!("Internal error occurred: {cause}"));
        let causes = vec![Cause { message: cause, ..Cause::default() }];
        status.details = Some(Box::new(Details { causes, ..Details::default() }));
        status
    }

    /// With advice when to try again; also what the `Retry-After` header says.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// The advice when to try again, if any.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.details.as_ref().map(|it| it.retry_after_seconds).filter(|it| *it > 0)
    }

    /// Whether it is of that reason.
    #[must_use]
    pub fn is(&self, reason: Reason) -> bool {
        self.reason == reason.as_str()
    }

    /// The JSON object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

fn quote(name: &str) -> String {
    crate::go::quote(name)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Error, Path};
    use serde_json::json;

    fn pods() -> GroupResource {
        GroupResource::new("", "pods")
    }

    #[test]
    fn the_object_has_the_recorded_shape() {
        let status = Status::not_found(&GroupResource::new("apps", "deployments"), "x");
        assert_eq!(
            status.to_value(),
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "deployments.apps \"x\" not found", "reason": "NotFound",
                "details": {"name": "x", "group": "apps", "kind": "deployments"}, "code": 404})
        );
        let back: Status = serde_json::from_value(status.to_value()).expect("its own form");
        assert_eq!(back, status);
    }

    #[test]
    fn messages_are_kubernetes_own() {
        assert_eq!(
            Status::modified(&pods(), "x").message,
            "Operation cannot be fulfilled on pods \"x\": the object has been modified; please apply your changes to the latest version and try again"
        );
        assert_eq!(Status::forbidden(&pods(), "", "no").message, "pods is forbidden: no");
        assert_eq!(
            Status::method_not_supported(&pods(), "patch").message,
            "patch is not supported on resources of kind \"pods\""
        );
        assert_eq!(
            Status::resource_version_too_large(9, 3).message,
            "Timeout: Too large resource version: 9, current: 3"
        );
    }

    #[test]
    fn invalid_carries_causes() {
        let errors = ErrorList::from(Error::required(&Path::new("spec").child("x"), ""));
        let status = Status::invalid(&GroupKind::new("apps", "Deployment"), "d", &errors);
        assert_eq!(status.message, "Deployment.apps \"d\" is invalid: spec.x: Required value");
        assert_eq!(
            status.to_value()["details"]["causes"],
            json!([{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.x"}])
        );
    }
}
