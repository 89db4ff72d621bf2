// SPDX-License-Identifier: Apache-2.0
//! Questions about the policy as a whole: what may this user do (SelfSubjectRulesReview,
//! `auth can-i --list`), and who may do this (`oc policy who-can`).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::attributes::{Attributes, MASTERS, UserInfo};
use crate::model::{API_GROUP, PolicyRule, Subject};
use crate::policy::Policy;
use crate::rule::rules_allow;
use crate::text::join_errors;

/// What a user may do in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// All rules of all roles that the user has there, in the order of the bindings' names.
    pub rules: Vec<PolicyRule>,
    /// Empty, or which roles could not be found; the rules are true all the same.
    pub evaluation_error: String,
}

impl Rules {
    /// `status` of a SubjectRulesReview.
    pub fn status(&self) -> Value {
        let resource_rules: Vec<_> = self
            .rules
            .iter()
            .filter(|rule| !rule.resources.is_empty())
            .map(|rule| {
                let mut value = json!({
                    "verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources,
                });
                if !rule.resource_names.is_empty() {
                    value["resourceNames"] = json!(rule.resource_names);
                }
                value
            })
            .collect();
        let non_resource_rules: Vec<_> = self
            .rules
            .iter()
            .filter(|rule| !rule.non_resource_urls.is_empty())
            .map(|rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}))
            .collect();
        let mut status = json!({
            "resourceRules": resource_rules,
            "nonResourceRules": non_resource_rules,
            "incomplete": false,
        });
        if !self.evaluation_error.is_empty() {
            status["evaluationError"] = json!(self.evaluation_error);
        }
        status
    }
}

impl Policy {
    /// What the user may do in the namespace (empty: at the cluster scope).
    pub fn rules_for(&self, user: &UserInfo, namespace: &str) -> Rules {
        let mut bindings: Vec<_> = self.bindings_of(user, namespace).collect();
        bindings.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        bindings.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let mut rules = Vec::new();
        let mut errors = Vec::new();
        for binding in bindings {
            match self.resolve(&binding.role, &binding.namespace) {
                Ok(rulebook) => rules.extend_from_slice(&rulebook.rules),
                Err(error) => errors.push(error),
            }
        }
        Rules { rules, evaluation_error: join_errors(&errors) }
    }

    /// Who may do what is asked, whoever asks, and which roles could not be found. The group
    /// [`MASTERS`] comes first: it may do everything. A service account without a namespace gets that
    /// of its binding.
    pub fn subjects_for(&self, attributes: &Attributes<'_>) -> (Vec<Subject>, String) {
        let masters = Subject {
            kind: "Group".to_owned(),
            api_group: API_GROUP.to_owned(),
            name: MASTERS.to_owned(),
            namespace: String::new(),
        };
        let mut subjects = vec![masters];
        let mut errors = Vec::new();
        for binding in self.bindings_in(attributes.namespace) {
            match self.resolve(&binding.role, &binding.namespace) {
                Ok(rulebook) if rules_allow(attributes, &rulebook.rules) => {
                    for subject in &binding.subjects {
                        let mut subject = subject.clone();
                        if subject.kind == "ServiceAccount" && subject.namespace.is_empty() {
                            subject.namespace.clone_from(&binding.namespace);
                        }
                        if !subjects.contains(&subject) {
                            subjects.push(subject);
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        (subjects, join_errors(&errors))
    }
}
