// SPDX-License-Identifier: Apache-2.0
//! authorization.k8s.io/v1: may somebody, may I, what may I.

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::resource::{Resource, Verbs, Virtual};
use async_trait::async_trait;
use http::StatusCode;
use rbac::{Attributes, UserInfo};
use serde_json::{Value, json};

use crate::Parts;
use crate::define::Define;
use crate::object::{has, items, map, text, texts};

const GROUP: &str = "authorization.k8s.io";

/// Whom a review is about, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Who asks.
    Oneself,
    /// Anybody, anywhere.
    Anybody,
    /// Anybody, in the namespace of the path.
    Here,
}

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let review = |kind, plural| {
        Define::new(GROUP, "v1", kind, plural).verbs(Verbs::CREATE).namespaced(false)
    };
    let access = |about| Arc::new(AccessReview { parts: parts.clone(), about });
    vec![
        review("LocalSubjectAccessReview", "localsubjectaccessreviews")
            .namespaced(true)
            .answered(access(About::Here)),
        review("SelfSubjectAccessReview", "selfsubjectaccessreviews")
            .answered(access(About::Oneself)),
        review("SubjectAccessReview", "subjectaccessreviews").answered(access(About::Anybody)),
        review("SelfSubjectRulesReview", "selfsubjectrulesreviews")
            .answered(Arc::new(RulesReview(parts.clone()))),
    ]
}

struct AccessReview {
    parts: Parts,
    about: About,
}

#[async_trait]
impl Virtual for AccessReview {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let mut review = body.unwrap_or_default();
        let errors = self.problems(call, &review);
        if !errors.is_empty() {
            return Err(Status::invalid(&call.resource.group_kind(), "", &errors));
        }
        let user = match self.about {
            About::Oneself => call.user.clone(),
            About::Anybody | About::Here => subject(&review),
        };
        let decision = self.parts.authorizer.authorize(&attributes(&user, &review["spec"])).await?;
        let mut status = json!({"allowed": decision.allowed});
        if !decision.reason.is_empty() {
            status["reason"] = decision.reason.into();
        }
        review["status"] = status;
        crate::object::default(&mut review, "metadata", json!({}));
        Ok(Answer::Object(StatusCode::CREATED, review))
    }
}

impl AccessReview {
    fn problems(&self, call: &Call, review: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let (resource, other) =
            (has(review, "/spec/resourceAttributes"), has(review, "/spec/nonResourceAttributes"));
        let shown = review.pointer("/spec/nonResourceAttributes").cloned().unwrap_or_default();
        if resource && other {
            let detail = "cannot be specified in combination with resourceAttributes";
            errors.push(Error::invalid(
                &path.child("nonResourceAttributes"),
                shown.clone(),
                detail,
            ));
        }
        if !resource && !other {
            let detail =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(Error::invalid(&path.child("resourceAttributes"), Value::Null, detail));
        }
        if self.about == About::Oneself {
            return errors;
        }
        if text(review, "/spec/user").is_empty() && items(review, "/spec/groups").is_empty() {
            let detail = "at least one of user or group must be specified";
            errors.push(Error::invalid(&path.child("user"), "", detail));
        }
        if self.about == About::Here {
            let namespace = text(review, "/spec/resourceAttributes/namespace");
            if resource && namespace != call.at.namespace {
                let at = Path::new("spec.resourceAttributes.namespace");
                errors.push(Error::invalid(&at, namespace, "must match metadata.namespace"));
            }
            if other {
                let at = Path::new("spec.nonResourceAttributes");
                errors.push(Error::invalid(&at, shown, "disallowed on this kind of request"));
            }
        }
        errors
    }
}

/// The user that a review describes.
fn subject(review: &Value) -> UserInfo {
    let owned = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let extra = map(review, "/spec/extra").into_iter().flatten();
    UserInfo {
        name: text(review, "/spec/user").to_owned(),
        uid: text(review, "/spec/uid").to_owned(),
        groups: owned(texts(review, "/spec/groups")),
        extra: extra.map(|(key, values)| (key.clone(), owned(texts(values, "")))).collect(),
    }
}

/// The question that a review's specification asks.
fn attributes<'a>(user: &'a UserInfo, spec: &'a Value) -> Attributes<'a> {
    match spec.get("resourceAttributes").filter(|asked| !asked.is_null()) {
        Some(asked) => Attributes {
            user,
            verb: text(asked, "/verb"),
            api_group: text(asked, "/group"),
            resource: text(asked, "/resource"),
            subresource: text(asked, "/subresource"),
            name: text(asked, "/name"),
            namespace: text(asked, "/namespace"),
            path: "",
            resource_request: true,
        },
        None => Attributes::path(
            user,
            text(spec, "/nonResourceAttributes/verb"),
            text(spec, "/nonResourceAttributes/path"),
        ),
    }
}

struct RulesReview(Parts);

#[async_trait]
impl Virtual for RulesReview {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let mut review = body.unwrap_or_default();
        let namespace = text(&review, "/spec/namespace").to_owned();
        if namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let rules = self.0.policy.read().rules_for(&call.user, &namespace);
        review["status"] = rules.status();
        // The specification is not repeated, as upstream does not.
        review["spec"] = json!({});
        crate::object::default(&mut review, "metadata", json!({}));
        Ok(Answer::Object(StatusCode::CREATED, review))
    }
}
