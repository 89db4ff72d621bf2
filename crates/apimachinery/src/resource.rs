// SPDX-License-Identifier: Apache-2.0
//! What a served resource is: its names, versions, shape, and the rules that are its own.
//!
//! A resource is data plus, where it differs from the rest, one [`Strategy`] (rules of an object that is stored) or one
//! [`Virtual`] (an answer that is made, not stored: reviews, tokens, views). Everything else is the same for all.

use std::sync::Arc;

use api::field::{ErrorList, Path};
use api::status::Status;
use async_trait::async_trait;
use schema::Schema;
use serde_json::Value;

use crate::context::Call;
use crate::reply::Answer;
use crate::storage::{Field, ResourceStorage};
use crate::table::Column;

/// The verbs a resource can serve, as discovery lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verbs(u8);

impl Verbs {
    /// get.
    pub const GET: Self = Self(1);
    /// list.
    pub const LIST: Self = Self(2);
    /// watch.
    pub const WATCH: Self = Self(4);
    /// create.
    pub const CREATE: Self = Self(8);
    /// update.
    pub const UPDATE: Self = Self(16);
    /// patch.
    pub const PATCH: Self = Self(32);
    /// delete.
    pub const DELETE: Self = Self(64);
    /// deletecollection.
    pub const DELETE_COLLECTION: Self = Self(128);
    /// All eight.
    pub const ALL: Self = Self(255);
    /// Of a subresource that is part of the object.
    pub const GET_UPDATE_PATCH: Self = Self(1 | 16 | 32);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are in.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their names in discovery's order.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        const NAMES: [(Verbs, &str); 8] = [
            (Verbs::CREATE, "create"),
            (Verbs::DELETE, "delete"),
            (Verbs::DELETE_COLLECTION, "deletecollection"),
            (Verbs::GET, "get"),
            (Verbs::LIST, "list"),
            (Verbs::PATCH, "patch"),
            (Verbs::UPDATE, "update"),
            (Verbs::WATCH, "watch"),
        ];
        NAMES.iter().filter(|(verb, _)| self.has(*verb)).map(|(_, name)| *name).collect()
    }
}

/// Whether a user sees an object.
pub type Visible = Arc<dyn Fn(&crate::storage::Entry) -> bool + Send + Sync>;

/// A conversion between two versions of a kind; `apiVersion` is set by the caller.
pub type Convert = fn(&mut Value);

/// One version of a resource.
#[derive(Clone)]
pub struct Version {
    /// `v1`.
    pub name: String,
    /// The kind's fields.
    pub schema: Schema,
    /// Whether the table of built-in kinds knows its protobuf form.
    pub protobuf: bool,
    /// Makes the stored form into this one.
    pub from_storage: Option<Convert>,
    /// Makes this form into the stored one.
    pub to_storage: Option<Convert>,
    /// What a `Warning` header says to users of this version.
    pub deprecation: Option<String>,
    /// The columns of tables.
    pub columns: Arc<Vec<Column>>,
}

/// Whose rules a subresource follows.
#[derive(Clone)]
pub enum SubresourceKind {
    /// The status of the stored object: only `status` (and metadata that is not the main resource's) changes.
    Status,
    /// The number of replicas, as `autoscaling/v1` `Scale`; paths in the object.
    Scale(Arc<ScalePaths>),
    /// Anything else.
    Virtual(Arc<dyn Virtual>),
}

/// Where a scalable object keeps what a `Scale` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePaths {
    /// JSON pointer to the wanted number, `/spec/replicas`.
    pub spec: String,
    /// JSON pointer to the present number.
    pub status: String,
    /// JSON pointer to the label selector (string or object), if there is one.
    pub selector: Option<String>,
}

/// A subresource.
#[derive(Clone)]
pub struct Subresource {
    /// `status`, `scale`, `log`.
    pub name: String,
    /// The kind it answers with.
    pub kind: api::GroupVersionKind,
    /// Its verbs.
    pub verbs: Verbs,
    /// Its rules.
    pub rules: SubresourceKind,
}

/// How a resource's objects come to be.
#[derive(Clone)]
pub enum Source {
    /// They are stored.
    Stored {
        /// Where.
        storage: ResourceStorage,
        /// The rules of this kind.
        strategy: Arc<dyn Strategy>,
    },
    /// They are made at each request.
    Virtual(Arc<dyn Virtual>),
}

/// A served resource.
#[derive(Clone)]
pub struct Resource {
    /// The group; empty for core.
    pub group: String,
    /// The versions, the preferred first.
    pub versions: Vec<Version>,
    /// The index in `versions` of the one that is stored.
    pub storage_version: usize,
    /// `pods`.
    pub plural: String,
    /// `pod`.
    pub singular: String,
    /// `Pod`.
    pub kind: String,
    /// `PodList`.
    pub list_kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// `po`.
    pub short_names: Vec<String>,
    /// `all`.
    pub categories: Vec<String>,
    /// The verbs of the resource itself.
    pub verbs: Verbs,
    /// Its objects.
    pub source: Source,
    /// Its subresources.
    pub subresources: Vec<Subresource>,
}

impl Resource {
    /// Group and plural, as error texts name it.
    #[must_use]
    pub fn group_resource(&self) -> api::GroupResource {
        api::GroupResource::new(self.group.as_str(), self.plural.as_str())
    }

    /// Group and kind, as validation errors name it.
    #[must_use]
    pub fn group_kind(&self) -> api::GroupKind {
        api::GroupKind::new(self.group.as_str(), self.kind.as_str())
    }

    /// `group/version` of one of the versions.
    #[must_use]
    pub fn api_version(&self, version: usize) -> String {
        let name = self.versions.get(version).map_or("", |v| &v.name);
        if self.group.is_empty() { name.to_owned() } else { format!("{}/{name}", self.group) }
    }

    /// The subresource of that name.
    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }
}

/// How names of a kind may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameRule {
    /// A DNS subdomain.
    #[default]
    Subdomain,
    /// A DNS label (namespaces).
    Label,
    /// An RFC 1035 label (services).
    Label1035,
    /// Anything that fits into one path segment (roles, users).
    PathSegment,
}

/// What a delete has to do beside removing the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// Removed at once.
    None,
    /// Stays, marked, for that many seconds, until somebody deletes it with 0 (pods).
    Seconds(i64),
}

/// The rules of one stored kind. Every method has a default that fits most kinds.
///
/// `prepare_*` changes what was asked for (drops what this path may not set), `validate_*` refuses it.
pub trait Strategy: Send + Sync + 'static {
    /// Who answers a get of this name, if it is not an object's (`users/~`).
    fn made(&self, _name: &str) -> Option<Arc<dyn Virtual>> {
        None
    }

    /// Which objects of a list or watch this user sees, beside what was authorized; none: all (projects are listed to
    /// everybody, but each sees their own).
    fn visible(&self, _call: &Call) -> Option<Visible> {
        None
    }

    /// How names look.
    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }

    /// Fields that selectors may name beside name and namespace.
    fn fields(&self) -> &'static [Field] {
        &[]
    }

    /// Before a new object is validated: the kind's own defaults, fields the creator may not set.
    fn prepare_create(&self, _call: &Call, object: &mut Value) {
        self.reset_status(object, None);
    }

    /// Before a replaced object is validated.
    fn prepare_update(&self, _call: &Call, new: &mut Value, old: &Value) {
        self.reset_status(new, Some(old));
    }

    /// Before a change through `/status` is validated: everything but the status is the old object's.
    fn prepare_status(&self, _call: &Call, new: &mut Value, old: &Value) {
        keep_all_but_status(new, old);
    }

    /// Refuses a new object.
    fn validate_create(&self, _call: &Call, _object: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Refuses a change.
    fn validate_update(&self, call: &Call, new: &Value, _old: &Value) -> ErrorList {
        self.validate_create(call, new)
    }

    /// Refuses a change of the status.
    fn validate_status(&self, _call: &Call, _new: &Value, _old: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// What to warn the client of.
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// Whether the kind has a status subresource; then the main resource cannot change the status.
    fn has_status(&self) -> bool {
        false
    }

    /// Whether `metadata.generation` counts changes of everything but metadata and status.
    fn counts_generations(&self) -> bool {
        false
    }

    /// Whether a PUT without `resourceVersion` is an overwrite (true for most kinds) or an error.
    fn allows_unconditional_update(&self) -> bool {
        true
    }

    /// Whether a PUT of an absent object creates it.
    fn allows_create_on_update(&self) -> bool {
        false
    }

    /// How a delete goes on; `asked` is `gracePeriodSeconds` of the request.
    fn grace(&self, _object: &Value, _asked: Option<i64>) -> Grace {
        Grace::None
    }

    /// A deletion begins and the object stays for a while: what shows it (a namespace's phase).
    fn begin_delete(&self, _object: &mut Value) {}

    /// Whether something beside `metadata.finalizers` keeps an object that is being deleted (a namespace's
    /// `spec.finalizers`).
    fn is_held(&self, _object: &Value) -> bool {
        false
    }

    /// Whether a delete answers with the object instead of a Status.
    fn returns_deleted(&self) -> bool {
        false
    }

    /// How long an object lives, for kinds that go away by themselves (events, tokens).
    fn ttl(&self, _object: &Value) -> Option<std::time::Duration> {
        None
    }

    /// What garbage collection does with dependents when the client does not say.
    fn default_propagation(&self) -> Propagation {
        Propagation::Background
    }

    /// Puts the status back to what the main resource may say of it: nothing on create, the old one on update.
    fn reset_status(&self, object: &mut Value, old: Option<&Value>) {
        if !self.has_status() {
            return;
        }
        let Some(object) = object.as_object_mut() else { return };
        match old.and_then(|old| old.get("status")) {
            Some(status) => object.insert("status".to_owned(), status.clone()),
            None => object.remove("status"),
        };
    }
}

/// `propagationPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// The object goes, its dependents stay without owner.
    Orphan,
    /// The object goes, its dependents after it.
    Background,
    /// Dependents go first.
    Foreground,
}

/// Everything of `old` but the status and the metadata that a status writer may touch.
pub fn keep_all_but_status(new: &mut Value, old: &Value) {
    let status = new.get("status").cloned();
    let managed = new.pointer("/metadata/managedFields").cloned();
    let version = new.pointer("/metadata/resourceVersion").cloned();
    *new = old.clone();
    if let Some(object) = new.as_object_mut() {
        match status {
            Some(status) => object.insert("status".to_owned(), status),
            None => object.remove("status"),
        };
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for (key, value) in [("managedFields", managed), ("resourceVersion", version)] {
                match value {
                    Some(value) => metadata.insert(key.to_owned(), value),
                    None => metadata.remove(key),
                };
            }
        }
    }
}

/// The path `metadata.name`.
#[must_use]
pub fn name_path() -> Path {
    Path::new("metadata").child("name")
}

/// A resource or subresource whose answers are made, not stored.
#[async_trait]
pub trait Virtual: Send + Sync + 'static {
    /// Answers a request that was authenticated and authorized. `body` is the decoded body of a write.
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status>;

    /// Whether a body is streamed or the connection upgraded (exec, attach, port-forward): then [`Virtual::raw`] is asked.
    fn takes_raw_request(&self) -> bool {
        false
    }

    /// Answers with the request as it came.
    async fn raw(&self, call: &Call, _request: crate::body::Request) -> Result<Answer, Status> {
        self.call(call, None).await
    }

    /// The shape of bodies; none: the resource's own kind.
    fn body_schema(&self) -> Option<Schema> {
        None
    }
}

/// Looks into every write before it is validated, and after everything is known once more.
#[async_trait]
pub trait Admission: Send + Sync + 'static {
    /// May change the object, or refuse.
    async fn mutate(
        &self,
        _call: &Call,
        _object: &mut Value,
        _old: Option<&Value>,
    ) -> Result<(), Status> {
        Ok(())
    }

    /// May refuse; `object` is none for deletes.
    async fn validate(
        &self,
        _call: &Call,
        _object: Option<&Value>,
        _old: Option<&Value>,
    ) -> Result<(), Status> {
        Ok(())
    }
}

/// What the verbs need of a stored resource.
pub struct ResourceParts<'a> {
    /// Where its objects are.
    pub storage: &'a ResourceStorage,
    /// Its rules.
    pub strategy: &'a dyn Strategy,
    /// Who looks into its writes.
    pub admission: &'a [Arc<dyn Admission>],
}
