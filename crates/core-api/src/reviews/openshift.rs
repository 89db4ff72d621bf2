// SPDX-License-Identifier: Apache-2.0
//! Reviews of authorization.openshift.io/v1, which `oc` and the guide's registry still send.

use std::sync::Arc;

use api::meta;
use api::status::Status;
use apimachinery::auth::refusal;
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::resource::{Resource, Verbs, Virtual};
use async_trait::async_trait;
use http::StatusCode;
use rbac::{AUTHENTICATED, Attributes, UserInfo};
use serde_json::{Value, json};

use crate::Parts;
use crate::define::Define;
use crate::object::{flag, text, texts};

/// The group.
pub(crate) const GROUP: &str = "authorization.openshift.io";

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let review = |kind, plural, here: bool, what: What| {
        Define::new(GROUP, "v1", kind, plural)
            .namespaced(here)
            .verbs(Verbs::CREATE)
            .answered(Arc::new(Reviews { parts: parts.clone(), what }))
    };
    vec![
        review("LocalResourceAccessReview", "localresourceaccessreviews", true, What::Who),
        review("LocalSubjectAccessReview", "localsubjectaccessreviews", true, What::May),
        review("ResourceAccessReview", "resourceaccessreviews", false, What::Who),
        review("SelfSubjectRulesReview", "selfsubjectrulesreviews", true, What::MyRules),
        review("SubjectAccessReview", "subjectaccessreviews", false, What::May),
        review("SubjectRulesReview", "subjectrulesreviews", true, What::Rules),
    ]
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// May this user (or who asks)?
    May,
    /// Who may?
    Who,
    /// What may I?
    MyRules,
    /// What may this user?
    Rules,
}

struct Reviews {
    parts: Parts,
    what: What,
}

#[async_trait]
impl Virtual for Reviews {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let body = body.unwrap_or_default();
        let answer = match self.what {
            What::May => self.may(call, &body).await?,
            What::Who => self.who(call, &body),
            What::MyRules => self.rules(call, body, &call.user),
            What::Rules => {
                let user = named(text(&body, "/spec/user"), texts(&body, "/spec/groups"));
                self.rules(call, body, &user)
            }
        };
        Ok(Answer::Object(StatusCode::CREATED, answer))
    }
}

/// A user that a review names.
fn named(name: &str, groups: Vec<&str>) -> UserInfo {
    let mut groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
    if !name.is_empty() && !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    UserInfo { name: name.to_owned(), groups, ..UserInfo::default() }
}

/// The question of a review; a local one is about the namespace of its path.
fn attributes<'a>(call: &'a Call, user: &'a UserInfo, body: &'a Value) -> Attributes<'a> {
    if flag(body, "/isNonResourceURL") {
        return Attributes::path(user, text(body, "/verb"), text(body, "/path"));
    }
    let namespace =
        if call.resource.namespaced { &call.at.namespace } else { text(body, "/namespace") };
    let (resource, subresource) =
        text(body, "/resource").split_once('/').unwrap_or((text(body, "/resource"), ""));
    Attributes::resource(user, text(body, "/verb"), text(body, "/resourceAPIGroup"), resource)
        .subresource(subresource)
        .named(text(body, "/resourceName"))
        .in_namespace(namespace)
}

impl Reviews {
    /// Everybody may ask about themselves; the authorizer let the request pass for that. About others only those may
    /// whose role says so.
    fn may_ask_about_others(&self, call: &Call) -> Result<(), Status> {
        let asked = Attributes::resource(&call.user, "create", GROUP, &call.resource.plural)
            .in_namespace(&call.at.namespace);
        let decision = self.parts.policy.read().authorize(&asked);
        if decision.is_allowed() { Ok(()) } else { Err(refusal(&asked, decision.reason(), None)) }
    }

    async fn may(&self, call: &Call, body: &Value) -> Result<Value, Status> {
        let (name, groups) = (text(body, "/user"), texts(body, "/groups"));
        let other = !name.is_empty() || !groups.is_empty();
        if other {
            self.may_ask_about_others(call)?;
        }
        let user = if other { named(name, groups) } else { call.user.clone() };
        let asked = attributes(call, &user, body);
        let decision = self.parts.authorizer.authorize(&asked).await?;
        Ok(json!({
            "kind": "SubjectAccessReviewResponse",
            "apiVersion": call.api_version(),
            "namespace": asked.namespace,
            "allowed": decision.allowed,
            "reason": decision.reason,
        }))
    }

    fn who(&self, call: &Call, body: &Value) -> Value {
        let nobody = UserInfo::default();
        let asked = attributes(call, &nobody, body);
        let (subjects, error) = self.parts.policy.read().subjects_for(&asked);
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for subject in subjects {
            match subject.kind.as_str() {
                "User" => users.push(subject.name),
                "Group" => groups.push(subject.name),
                _ => users.push(rbac::service_account_name(&subject.namespace, &subject.name)),
            }
        }
        for list in [&mut users, &mut groups] {
            list.sort();
            list.dedup();
        }
        json!({
            "kind": "ResourceAccessReviewResponse",
            "apiVersion": call.api_version(),
            "namespace": asked.namespace,
            "users": users,
            "groups": groups,
            // The field's name is misspelt in the API.
            "evalutionError": error,
        })
    }

    fn rules(&self, call: &Call, mut review: Value, user: &UserInfo) -> Value {
        let found = self.parts.policy.read().rules_for(user, &call.at.namespace);
        let rules: Vec<Value> = found
            .rules
            .iter()
            .filter_map(|rule| serde_json::to_value(rule).ok())
            .map(|mut rule| {
                crate::openshift::legacy_rbac::add_legacy_fields(&mut rule);
                rule
            })
            .collect();
        review["status"] = json!({"rules": rules});
        if !found.evaluation_error.is_empty() {
            review["status"]["evaluationError"] = found.evaluation_error.into();
        }
        if meta::metadata(&review).is_some() {
            crate::object::remove(&mut review, "metadata");
        }
        review
    }
}
