// SPDX-License-Identifier: Apache-2.0
//! The objects of `rbac.authorization.k8s.io/v1` as far as decisions need them. Metadata that is of
//! no interest here is kept as it is, so that an object which was read can be written back.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The API group of all these kinds.
pub const API_GROUP: &str = "rbac.authorization.k8s.io";

/// The annotation by which an administrator takes a shipped object out of the repairs: `false`.
pub const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The name, unique within the namespace or the cluster.
    pub name: String,
    /// Empty for objects of the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// By what aggregated roles choose.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Among them [`AUTOUPDATE`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// All other fields.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What may be done with what. An empty list matches nothing, except `resource_names`, where it
/// matches every name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// `*` is all.
    #[serde(deserialize_with = "nullable")]
    pub verbs: Vec<String>,
    /// `*` is all, the empty string the core group.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub api_groups: Vec<String>,
    /// `resource`, `resource/subresource`, `*/subresource` or `*` for all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub resources: Vec<String>,
    /// Restricts the rule to these names. Requests without a name (create, deletecollection, and a
    /// list or watch that is not restricted to one name) never match such a rule.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub resource_names: Vec<String>,
    /// Paths outside the resources; a trailing `*` matches any rest.
    #[serde(
        rename = "nonResourceURLs",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "nullable"
    )]
    pub non_resource_urls: Vec<String>,
}

/// Permissions within one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// What it permits.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<PolicyRule>,
}

/// Permissions in the whole cluster, or in the namespaces where it is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterRole {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// If set, `rules` are gathered from other cluster roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregation_rule: Option<AggregationRule>,
    /// What it permits.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<PolicyRule>,
}

/// From which cluster roles one gathers its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregationRule {
    /// A role is gathered that any of them selects.
    #[serde(deserialize_with = "nullable")]
    pub cluster_role_selectors: Vec<LabelSelector>,
}

/// `metav1.LabelSelector`: all of its parts must match; without parts it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must have these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements that are more than equality.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub match_expressions: Vec<Requirement>,
}

/// One expression of a label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`; anything else matches nothing.
    pub operator: String,
    /// Of `In` and `NotIn`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|one| {
                let value = labels.get(&one.key);
                match one.operator.as_str() {
                    "In" => value.is_some_and(|value| one.values.contains(value)),
                    "NotIn" => value.is_none_or(|value| !one.values.contains(value)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

/// The role that a binding hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// [`API_GROUP`].
    pub api_group: String,
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// The role's name.
    pub name: String,
}

/// Whom a binding gives a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// [`API_GROUP`] for users and groups.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    /// The name.
    pub name: String,
    /// Of a service account; empty means the binding's own namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Gives a role in one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleBinding {
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// Which role: of the same namespace, or of the cluster.
    pub role_ref: RoleRef,
    /// Whom.
    #[serde(deserialize_with = "nullable")]
    pub subjects: Vec<Subject>,
}

/// Gives a cluster role in all namespaces and for what lies outside of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterRoleBinding {
    /// The name.
    pub metadata: ObjectMeta,
    /// Which cluster role.
    pub role_ref: RoleRef,
    /// Whom.
    #[serde(deserialize_with = "nullable")]
    pub subjects: Vec<Subject>,
}

/// A set of all four kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyObjects {
    /// In no particular order.
    pub cluster_roles: Vec<ClusterRole>,
    /// In no particular order.
    pub roles: Vec<Role>,
    /// In no particular order.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// In no particular order.
    pub role_bindings: Vec<RoleBinding>,
}

/// Go's encoder writes `null` for a list or map that is nil.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
