// SPDX-License-Identifier: Apache-2.0
//! The index over roles and bindings that answers requests. A controller feeds it from watches, one
//! changed object at a time; each request costs a look-up per binding that names the user or one of
//! the user's groups, however many bindings there are.
//!
//! The index is plain data: who shares it between threads puts it behind a lock (an answer takes
//! about a microsecond) or clones it (bindings and roles are shared between clones).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::attributes::{Attributes, MASTERS, UserInfo, service_account_name};
use crate::model::{
    API_GROUP, ClusterRole, ClusterRoleBinding, PolicyObjects, PolicyRule, Role, RoleBinding,
    RoleRef, Subject,
};
use crate::rule::{group_matches, name_matches, path_matches, verb_matches};
use crate::text::{join_errors, quote};

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Permitted.
    Allowed {
        /// By which binding of which role, for the audit log.
        reason: String,
    },
    /// No role permits it. Unless another authorizer does, it is refused.
    NoOpinion {
        /// Empty, or which roles could not be found.
        reason: String,
    },
}

impl Decision {
    /// Whether it is permitted.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// The reason, possibly empty.
    pub fn reason(&self) -> &str {
        match self {
            Self::Allowed { reason } | Self::NoOpinion { reason } => reason,
        }
    }
}

/// All roles and bindings, indexed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    cluster_roles: HashMap<Box<str>, Arc<Rulebook>>,
    cluster_bindings: Bindings,
    namespaces: HashMap<Box<str>, Namespace>,
}

#[derive(Clone, Debug, Default)]
struct Namespace {
    roles: HashMap<Box<str>, Arc<Rulebook>>,
    bindings: Bindings,
}

/// The bindings of one namespace or of the cluster, by whom they name.
#[derive(Clone, Debug, Default)]
struct Bindings {
    by_name: BTreeMap<Box<str>, Arc<Binding>>,
    by_user: HashMap<Box<str>, Vec<Arc<Binding>>>,
    by_group: HashMap<Box<str>, Vec<Arc<Binding>>>,
}

#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) name: String,
    /// Empty: a ClusterRoleBinding.
    pub(crate) namespace: String,
    pub(crate) role: RoleRef,
    pub(crate) subjects: Vec<Subject>,
}

/// A role's rules, by what they name.
#[derive(Debug)]
pub(crate) struct Rulebook {
    pub(crate) rules: Vec<PolicyRule>,
    /// Places in `rules`, by each of their resources as written there.
    by_resource: HashMap<Box<str>, Vec<usize>>,
    with_paths: Vec<usize>,
}

/// A request, with the keys that it is looked up by.
struct Wanted<'a> {
    attributes: &'a Attributes<'a>,
    keys: [Option<std::borrow::Cow<'a, str>>; 3],
}

impl<'a> Wanted<'a> {
    fn new(attributes: &'a Attributes<'a>) -> Self {
        let any_with_subresource = (!attributes.subresource.is_empty())
            .then(|| format!("*/{}", attributes.subresource).into());
        Self {
            attributes,
            keys: [Some(attributes.combined()), any_with_subresource, Some("*".into())],
        }
    }
}

impl Rulebook {
    fn new(rules: &[PolicyRule]) -> Arc<Self> {
        let mut by_resource: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        let mut with_paths = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            for resource in &rule.resources {
                by_resource.entry(resource.as_str().into()).or_default().push(place);
            }
            if !rule.non_resource_urls.is_empty() {
                with_paths.push(place);
            }
        }
        Arc::new(Self { rules: rules.to_vec(), by_resource, with_paths })
    }

    fn allows(&self, wanted: &Wanted<'_>) -> bool {
        let ask = wanted.attributes;
        if !ask.resource_request {
            return self.with_paths.iter().any(|place| {
                let rule = &self.rules[*place];
                verb_matches(rule, ask.verb) && path_matches(rule, ask.path)
            });
        }
        wanted.keys.iter().flatten().any(|key| {
            self.by_resource.get(key.as_ref()).is_some_and(|places| {
                places.iter().any(|place| {
                    let rule = &self.rules[*place];
                    verb_matches(rule, ask.verb)
                        && group_matches(rule, ask.api_group)
                        && name_matches(rule, ask.name)
                })
            })
        })
    }
}

impl Binding {
    /// Under which user names and groups the binding is found. Without a namespace of its own a
    /// service account is one of the binding's namespace; in a ClusterRoleBinding it is nobody.
    fn keys(&self) -> impl Iterator<Item = (bool, String)> + '_ {
        self.subjects.iter().filter_map(|subject| match subject.kind.as_str() {
            "User" => Some((true, subject.name.clone())),
            "Group" => Some((false, subject.name.clone())),
            "ServiceAccount" => Some((true, self.service_account(subject)?)),
            _ => None,
        })
    }

    fn service_account(&self, subject: &Subject) -> Option<String> {
        let namespace =
            if subject.namespace.is_empty() { &self.namespace } else { &subject.namespace };
        (!namespace.is_empty()).then(|| service_account_name(namespace, &subject.name))
    }

    /// The first subject that is the user, as the reason names it.
    fn subject_of(&self, user: &UserInfo) -> Option<&Subject> {
        self.subjects.iter().find(|subject| match subject.kind.as_str() {
            "User" => subject.name == user.name,
            "Group" => user.is_in(&subject.name),
            "ServiceAccount" => self.service_account(subject).as_deref() == Some(&*user.name),
            _ => false,
        })
    }

    /// `RoleBinding "x/y" of ClusterRole "z" to User "u"`; upstream writes names before namespaces.
    fn describe(&self, user: &UserInfo) -> String {
        let (kind, name) = if self.namespace.is_empty() {
            ("ClusterRoleBinding", quote(&self.name))
        } else {
            ("RoleBinding", quote(&format!("{}/{}", self.name, self.namespace)))
        };
        let to = self.subject_of(user).map_or_else(String::new, |subject| {
            let name = if subject.kind == "ServiceAccount" {
                let namespace =
                    if subject.namespace.is_empty() { &self.namespace } else { &subject.namespace };
                quote(&format!("{}/{namespace}", subject.name))
            } else {
                quote(&subject.name)
            };
            format!("{} {name}", subject.kind)
        });
        format!("{kind} {name} of {} {} to {to}", self.role.kind, quote(&self.role.name))
    }
}

impl Bindings {
    fn set(&mut self, binding: Binding) {
        self.remove(&binding.name);
        let binding = Arc::new(binding);
        for (is_user, key) in binding.keys() {
            let index = if is_user { &mut self.by_user } else { &mut self.by_group };
            let list = index.entry(key.into()).or_default();
            // A subject that is named twice must not be found twice.
            if !list.iter().any(|one| Arc::ptr_eq(one, &binding)) {
                let place = list.partition_point(|one| one.name < binding.name);
                list.insert(place, Arc::clone(&binding));
            }
        }
        self.by_name.insert(binding.name.as_str().into(), binding);
    }

    fn remove(&mut self, name: &str) {
        let Some(binding) = self.by_name.remove(name) else { return };
        for (is_user, key) in binding.keys() {
            let index = if is_user { &mut self.by_user } else { &mut self.by_group };
            if let Some(list) = index.get_mut(key.as_str()) {
                list.retain(|one| !Arc::ptr_eq(one, &binding));
                if list.is_empty() {
                    index.remove(key.as_str());
                }
            }
        }
    }

    /// The bindings that name the user, those that name a group of theirs after them. A binding that
    /// names both comes twice.
    fn of<'a>(&'a self, user: &'a UserInfo) -> impl Iterator<Item = &'a Arc<Binding>> {
        let by_group = user.groups.iter().filter_map(|group| self.by_group.get(group.as_str()));
        self.by_user.get(user.name.as_str()).into_iter().chain(by_group).flatten()
    }
}

impl Policy {
    /// An index of these objects, as they are: roles with an aggregation rule have the rules that
    /// stand in them (see [`crate::aggregate`]).
    pub fn new(objects: &PolicyObjects) -> Self {
        let mut policy = Self::default();
        objects.cluster_roles.iter().for_each(|one| policy.set_cluster_role(one));
        objects.roles.iter().for_each(|one| policy.set_role(one));
        objects.cluster_role_bindings.iter().for_each(|one| policy.set_cluster_role_binding(one));
        objects.role_bindings.iter().for_each(|one| policy.set_role_binding(one));
        policy
    }

    /// A cluster role was created or changed.
    pub fn set_cluster_role(&mut self, role: &ClusterRole) {
        self.cluster_roles.insert(role.metadata.name.as_str().into(), Rulebook::new(&role.rules));
    }

    /// A cluster role was deleted.
    pub fn remove_cluster_role(&mut self, name: &str) {
        self.cluster_roles.remove(name);
    }

    /// A role was created or changed.
    pub fn set_role(&mut self, role: &Role) {
        let meta = &role.metadata;
        let namespace = self.namespaces.entry(meta.namespace.as_str().into()).or_default();
        namespace.roles.insert(meta.name.as_str().into(), Rulebook::new(&role.rules));
    }

    /// A role was deleted.
    pub fn remove_role(&mut self, namespace: &str, name: &str) {
        self.in_namespace(namespace, |content| {
            content.roles.remove(name);
        });
    }

    /// A cluster role binding was created or changed.
    pub fn set_cluster_role_binding(&mut self, binding: &ClusterRoleBinding) {
        self.cluster_bindings.set(Binding {
            name: binding.metadata.name.clone(),
            namespace: String::new(),
            role: binding.role_ref.clone(),
            subjects: binding.subjects.clone(),
        });
    }

    /// A cluster role binding was deleted.
    pub fn remove_cluster_role_binding(&mut self, name: &str) {
        self.cluster_bindings.remove(name);
    }

    /// A role binding was created or changed.
    pub fn set_role_binding(&mut self, binding: &RoleBinding) {
        let meta = &binding.metadata;
        // Without a namespace it would be taken for a cluster role binding.
        if meta.namespace.is_empty() {
            return;
        }
        let namespace = self.namespaces.entry(meta.namespace.as_str().into()).or_default();
        namespace.bindings.set(Binding {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            role: binding.role_ref.clone(),
            subjects: binding.subjects.clone(),
        });
    }

    /// A role binding was deleted.
    pub fn remove_role_binding(&mut self, namespace: &str, name: &str) {
        self.in_namespace(namespace, |content| content.bindings.remove(name));
    }

    /// Changes what a namespace holds, and forgets it when it holds nothing any more.
    fn in_namespace(&mut self, namespace: &str, change: impl FnOnce(&mut Namespace)) {
        if let Some(content) = self.namespaces.get_mut(namespace) {
            change(content);
            if content.roles.is_empty() && content.bindings.by_name.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }

    /// The answer of the roles. Who is in [`MASTERS`] may do everything, whatever the roles say, so
    /// that a damaged policy can be repaired.
    pub fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        let user = attributes.user;
        if user.is_in(MASTERS) {
            return Decision::Allowed { reason: String::new() };
        }
        let wanted = Wanted::new(attributes);
        let mut errors = Vec::new();
        for binding in self.bindings_of(user, attributes.namespace) {
            match self.resolve(&binding.role, &binding.namespace) {
                Ok(rulebook) if rulebook.allows(&wanted) => {
                    let reason = format!("RBAC: allowed by {}", binding.describe(user));
                    return Decision::Allowed { reason };
                }
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        let reason = match join_errors(&errors) {
            none if none.is_empty() => none,
            errors => format!("RBAC: {errors}"),
        };
        Decision::NoOpinion { reason }
    }

    /// The rules of a cluster role, if there is one of that name.
    pub fn cluster_role_rules(&self, name: &str) -> Option<&[PolicyRule]> {
        self.cluster_roles.get(name).map(|rulebook| rulebook.rules.as_slice())
    }

    /// The bindings that concern a user: the cluster's, then those of the namespace, if one is meant.
    pub(crate) fn bindings_of<'a>(
        &'a self,
        user: &'a UserInfo,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Binding>> {
        let namespaced = self.namespaces.get(namespace).map(|content| content.bindings.of(user));
        self.cluster_bindings.of(user).chain(namespaced.into_iter().flatten())
    }

    /// All bindings that concern a namespace, by name: the cluster's, then its own.
    pub(crate) fn bindings_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<Binding>> {
        let namespaced =
            self.namespaces.get(namespace).map(|content| content.bindings.by_name.values());
        self.cluster_bindings.by_name.values().chain(namespaced.into_iter().flatten())
    }

    /// The role that a binding in a namespace (or of the cluster, if empty) refers to, or upstream's
    /// text when there is none.
    pub(crate) fn resolve(&self, role: &RoleRef, namespace: &str) -> Result<&Rulebook, String> {
        let (kind, found) = match role.kind.as_str() {
            "Role" => {
                let content = self.namespaces.get(namespace);
                ("role", content.and_then(|content| content.roles.get(role.name.as_str())))
            }
            "ClusterRole" => ("clusterrole", self.cluster_roles.get(role.name.as_str())),
            other => return Err(format!("unsupported role reference kind: {}", quote(other))),
        };
        found
            .map(Arc::as_ref)
            .ok_or_else(|| format!("{kind}.{API_GROUP} \"{}\" not found", role.name))
    }
}
