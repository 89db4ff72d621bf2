// SPDX-License-Identifier: Apache-2.0
//! How a kind is registered: one expression that reads like a row of a table.
//!
//! Scope, protobuf and shape come from the generated table of built-in kinds; what is said here is what that table does
//! not know: names for people, storage key, columns, subresources and rules.

use std::sync::Arc;

use api::GroupVersionKind;
use apimachinery::resource::{
    Convert, Resource, ScalePaths, Source, Subresource, SubresourceKind, Verbs, Version, Virtual,
};
use apimachinery::storage::{ResourceStorage, Storage};
use apimachinery::table::Column;
use schema::Schema;

use crate::rules::{Rules, StatusRule};

/// A kind that is being described.
pub(crate) struct Define {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: String,
    short: &'static [&'static str],
    categories: &'static [&'static str],
    namespaced: bool,
    verbs: Verbs,
    versions: Vec<Version>,
    storage_version: usize,
    columns: Vec<Column>,
    subresources: Vec<Subresource>,
}

/// The shape of a kind of the built-in table.
pub(crate) fn schema_of(group: &str, version: &str, kind: &str) -> Schema {
    // A kind that the table lacks would be found by the test that builds the whole catalog.
    api::builtin::schema(group, version, kind).unwrap_or_else(Schema::any)
}

impl Define {
    /// A kind of `version`, which is the stored one.
    pub(crate) fn new(
        group: &'static str,
        version: &str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        let known = api::builtin::find(group, version, kind);
        let mut new = Self {
            group,
            kind,
            plural,
            singular: kind.to_lowercase(),
            short: &[],
            categories: &[],
            namespaced: known.is_some_and(|kind| kind.namespaced),
            verbs: Verbs::ALL,
            versions: Vec::new(),
            storage_version: 0,
            columns: crate::columns::name_and_created(),
            subresources: Vec::new(),
        };
        new.versions.push(new.version_of(version));
        new
    }

    fn version_of(&self, version: &str) -> Version {
        let known = api::builtin::find(self.group, version, self.kind);
        Version {
            name: version.to_owned(),
            schema: schema_of(self.group, version, self.kind),
            protobuf: known.is_some_and(|kind| kind.protobuf),
            from_storage: None,
            to_storage: None,
            deprecation: None,
            columns: Arc::default(),
        }
    }

    /// A further version that is old: users of it are warned.
    pub(crate) fn older(
        mut self,
        version: &str,
        from: Convert,
        to: Convert,
        deprecation: &str,
    ) -> Self {
        let made = self.version_of(version);
        let deprecation = Some(deprecation.to_owned());
        self.versions.push(Version {
            from_storage: Some(from),
            to_storage: Some(to),
            deprecation,
            ..made
        });
        self
    }

    /// Takes back that older versions are warned of: they are as good as the newest.
    pub(crate) fn undeprecated(mut self) -> Self {
        for version in &mut self.versions {
            version.deprecation = None;
        }
        self
    }

    /// The objects are those of another group's kind, shown in this one's form. The conversions also write `apiVersion`
    /// and `kind`.
    pub(crate) fn view(mut self, from_storage: Convert, to_storage: Convert) -> Self {
        for version in &mut self.versions {
            version.from_storage = Some(from_storage);
            version.to_storage = Some(to_storage);
        }
        // None of the versions is the stored one.
        self.storage_version = self.versions.len();
        self
    }

    /// The shape of another kind, where the table has none of that name.
    pub(crate) fn shaped(mut self, schema: &Schema) -> Self {
        for version in &mut self.versions {
            version.schema = schema.clone();
        }
        self
    }

    /// Short names.
    pub(crate) fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short = names;
        self
    }

    /// Whether `kubectl get all` lists it.
    pub(crate) fn all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    /// Other categories.
    pub(crate) fn categories(mut self, names: &'static [&'static str]) -> Self {
        self.categories = names;
        self
    }

    /// In namespaces, or not, where the table of kinds does not know it (reviews).
    pub(crate) fn namespaced(mut self, namespaced: bool) -> Self {
        self.namespaced = namespaced;
        self
    }

    /// Fewer verbs than all.
    pub(crate) fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = verbs;
        self
    }

    /// The table's columns.
    pub(crate) fn columns(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        self.columns = columns.into_iter().collect();
        self
    }

    /// A `scale` subresource.
    pub(crate) fn scale(mut self, selector: &str) -> Self {
        let paths = ScalePaths {
            spec: "/spec/replicas".to_owned(),
            status: "/status/replicas".to_owned(),
            selector: Some(selector.to_owned()),
        };
        self.subresources.push(Subresource {
            name: "scale".to_owned(),
            kind: GroupVersionKind::new("autoscaling", "v1", "Scale"),
            verbs: Verbs::GET_UPDATE_PATCH,
            rules: SubresourceKind::Scale(Arc::new(paths)),
        });
        self
    }

    /// A subresource with its own handler; `kind` is what bodies are, as `group/version/kind`.
    pub(crate) fn made(
        mut self,
        name: &str,
        kind: (&str, &str, &str),
        verbs: Verbs,
        rules: Arc<dyn Virtual>,
    ) -> Self {
        self.subresources.push(Subresource {
            name: name.to_owned(),
            kind: GroupVersionKind::new(kind.0, kind.1, kind.2),
            verbs,
            rules: SubresourceKind::Virtual(rules),
        });
        self
    }

    /// The resource, stored at a key (see [`place`]).
    pub(crate) fn stored(self, storage: &Arc<Storage>, key: &str, rules: Rules) -> Resource {
        let place = place(storage, key, &rules);
        self.kept(place, Arc::new(rules))
    }

    /// The resource, stored at a place with rules that are more than data.
    pub(crate) fn kept(
        mut self,
        storage: ResourceStorage,
        strategy: Arc<dyn apimachinery::resource::Strategy>,
    ) -> Resource {
        if strategy.has_status() {
            let version = self.versions.first().map_or("v1", |version| version.name.as_str());
            let kind = GroupVersionKind::new(self.group, version, self.kind);
            let rules = SubresourceKind::Status;
            self.subresources.push(Subresource {
                name: "status".into(),
                kind,
                verbs: Verbs::GET_UPDATE_PATCH,
                rules,
            });
        }
        self.finish(Source::Stored { storage, strategy })
    }

    /// The resource whose answers are made.
    pub(crate) fn answered(self, rules: Arc<dyn Virtual>) -> Resource {
        self.finish(Source::Virtual(rules))
    }

    fn finish(mut self, source: Source) -> Resource {
        let columns = Arc::new(std::mem::take(&mut self.columns));
        for version in &mut self.versions {
            version.columns = columns.clone();
        }
        self.subresources.sort_by(|a, b| a.name.cmp(&b.name));
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Resource {
            group: self.group.to_owned(),
            versions: self.versions,
            storage_version: self.storage_version,
            plural: self.plural.to_owned(),
            singular: self.singular,
            kind: self.kind.to_owned(),
            list_kind: format!("{}List", self.kind),
            namespaced: self.namespaced,
            short_names: owned(self.short),
            categories: owned(self.categories),
            verbs: self.verbs,
            source,
            subresources: self.subresources,
        }
    }
}

/// A kind's place in the storage: below `/registry/`, or at an absolute key (OpenShift's own API server keeps its kinds
/// below `/openshift.io/`).
pub(crate) fn place(storage: &Arc<Storage>, key: &str, rules: &Rules) -> ResourceStorage {
    let prefix = if key.starts_with('/') { format!("{key}/") } else { format!("/registry/{key}/") };
    storage.resource(&prefix, rules.fields)
}

/// Rules with a status, for kinds of which only that is special.
pub(crate) const WITH_STATUS: Rules = Rules { status: StatusRule::Apart, ..Rules::PLAIN };
