// SPDX-License-Identifier: Apache-2.0
//! Who may do what: Kubernetes' role-based access control as pure functions over an index.
//!
//! ```text
//!  roles, bindings ──set_/remove_──▶ Policy ──authorize──▶ Decision ──refusal──▶ text for the user
//!    (watched)                         │ ├──rules_for, subjects_for──▶ reviews
//!  policy/*.json ──shipped──▶ repairs  │ └──escalation──▶ may this role or binding be written
//!                              ▲       └ aggregate: rules of roles that gather other roles
//!                         what the store holds
//! ```
//!
//! Nothing here reads a clock, a file or a socket. The meaning of a rule is that of
//! `rbac.authorization.k8s.io/v1`; `tests/it/table.rs` compares it with upstream's own evaluator
//! for each role that is shipped.

mod aggregate;
mod attributes;
mod cover;
mod escalation;
mod model;
mod policy;
mod reconcile;
mod refusal;
mod review;
mod rule;
mod shipped;
mod text;

pub use aggregate::aggregate;
pub use attributes::{
    AUTHENTICATED, Attributes, MASTERS, UNAUTHENTICATED, UserInfo, service_account_name,
};
pub use cover::{breakdown, compact, covers, describe};
pub use escalation::{
    Escalation, check_cluster_role, check_cluster_role_binding, check_role, check_role_binding,
    confirm_no_escalation,
};
pub use model::{
    API_GROUP, AUTOUPDATE, AggregationRule, ClusterRole, ClusterRoleBinding, LabelSelector,
    ObjectMeta, PolicyObjects, PolicyRule, Requirement, Role, RoleBinding, RoleRef, Subject,
};
pub use policy::{Decision, Policy};
pub use reconcile::{
    Action, Outcome, Repair, reconcile_cluster_role, reconcile_cluster_role_binding,
    reconcile_role, reconcile_role_binding, repairs,
};
pub use refusal::{Hint, cause, forbidden, hint};
pub use review::Rules;
pub use rule::{rule_allows, rules_allow};
pub use shipped::{namespace_bindings, shipped};
