// SPDX-License-Identifier: Apache-2.0
//! What is served: the resources in the order in which discovery names them.
//!
//! Group order is meaning: a bare name that several groups have is the first group's (guide-commands.md 1.1).

use std::collections::HashMap;
use std::sync::Arc;

use crate::resource::Resource;

/// A group's place in the order; smaller comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Kubernetes' own groups, core first, in the order they were added.
    BuiltIn,
    /// Aggregated APIs.
    Aggregated,
    /// Custom resources.
    Custom,
}

/// All resources of one moment; replaced as a whole when a custom resource comes or goes.
#[derive(Default, Clone)]
pub struct Catalog {
    /// Groups in order.
    groups: Vec<Group>,
    index: HashMap<(String, String), (usize, usize)>,
}

/// A group.
#[derive(Clone)]
pub struct Group {
    /// Its name; empty for core.
    pub name: String,
    /// Its place.
    pub place: Place,
    /// Its resources in the order they were added.
    pub resources: Vec<Arc<Resource>>,
}

impl Group {
    /// Its versions, the preferred first: as Kubernetes orders version names (stable before beta before alpha).
    #[must_use]
    pub fn versions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for version in self.resources.iter().flat_map(|resource| &resource.versions) {
            if !names.contains(&version.name.as_str()) {
                names.push(&version.name);
            }
        }
        names.sort_by_key(|name| std::cmp::Reverse(priority(name)));
        names
    }

    /// The resources served in a version, with its index in each.
    pub fn in_version<'a>(
        &'a self,
        version: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<Resource>, usize)> {
        self.resources.iter().filter_map(move |resource| {
            resource.versions.iter().position(|v| v.name == version).map(|at| (resource, at))
        })
    }
}

/// Kubernetes' order of versions: `v2` > `v1` > `v1beta2` > `v1beta1` > `v1alpha1` > anything else.
fn priority(name: &str) -> (u8, u64, u64) {
    let Some(rest) = name.strip_prefix('v') else { return (0, 0, 0) };
    let (kind, major, minor) = if let Some((major, minor)) = rest.split_once("beta") {
        (2, major, minor)
    } else if let Some((major, minor)) = rest.split_once("alpha") {
        (1, major, minor)
    } else {
        (3, rest, "0")
    };
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => (kind, major, minor),
        _ => (0, 0, 0),
    }
}

impl Catalog {
    /// A catalog of these resources.
    #[must_use]
    pub fn new(resources: impl IntoIterator<Item = (Place, Resource)>) -> Self {
        let mut catalog = Self::default();
        for (place, resource) in resources {
            catalog.add(place, resource);
        }
        catalog
    }

    /// Adds a resource, or replaces the one of that group and name.
    pub fn add(&mut self, place: Place, resource: Resource) {
        let resource = Arc::new(resource);
        match self.groups.iter_mut().find(|group| group.name == resource.group) {
            Some(group) => {
                group.resources.retain(|other| other.plural != resource.plural);
                group.resources.push(resource);
            }
            None => {
                let at = self
                    .groups
                    .iter()
                    .position(|group| group.place > place)
                    .unwrap_or(self.groups.len());
                self.groups.insert(
                    at,
                    Group { name: resource.group.clone(), place, resources: vec![resource] },
                );
            }
        }
        self.reindex();
    }

    /// Removes a resource.
    pub fn remove(&mut self, group: &str, plural: &str) {
        for found in self.groups.iter_mut().filter(|g| g.name == group) {
            found.resources.retain(|resource| resource.plural != plural);
        }
        self.groups.retain(|group| !group.resources.is_empty());
        self.reindex();
    }

    fn reindex(&mut self) {
        self.index.clear();
        for (g, group) in self.groups.iter().enumerate() {
            for (r, resource) in group.resources.iter().enumerate() {
                self.index.insert((resource.group.clone(), resource.plural.clone()), (g, r));
            }
        }
    }

    /// The groups in order.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of that name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The resource of that group and plural.
    #[must_use]
    pub fn resource(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        let (g, r) = self.index.get(&(group.to_owned(), plural.to_owned()))?;
        self.groups.get(*g)?.resources.get(*r)
    }

    /// The resource and the index of the version, for a path.
    #[must_use]
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<(Arc<Resource>, usize)> {
        let resource = self.resource(group, plural)?;
        let at = resource.versions.iter().position(|v| v.name == version)?;
        Some((resource.clone(), at))
    }

    /// All resources.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.groups.iter().flat_map(|group| &group.resources)
    }
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut names = ["v1alpha1", "v2", "v1beta1", "v11", "v1beta2", "v1", "foo", "v10"];
        names.sort_by_key(|n| std::cmp::Reverse(priority(n)));
        assert_eq!(names, ["v11", "v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo"]);
    }
}
