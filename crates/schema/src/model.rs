// SPDX-License-Identifier: Apache-2.0
//! The types themselves: an arena of object types, and a cursor ([`View`]) that walks them.
//!
//! An arena, because types are recursive (`JSONSchemaProps` contains itself): an object type is named by its index.

use std::sync::Arc;

use serde_json::Value;

/// An object type's place in its [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Any JSON value, kept as it is (`RawExtension`, `JSON`, `x-kubernetes-preserve-unknown-fields` without properties).
    Any,
    /// A string.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// A whole number of that many bits (32 or 64).
    Integer(u8),
    /// A floating-point number.
    Number,
    /// true or false.
    Boolean,
    /// `resource.Quantity`: a string, or a number that is read as one.
    Quantity,
    /// A whole number or a string.
    IntOrString,
    /// RFC 3339 with seconds (`metav1.Time`).
    Time,
    /// RFC 3339 with microseconds (`metav1.MicroTime`).
    MicroTime,
    /// A Go duration string (`metav1.Duration`).
    Duration,
    /// A structure with named fields.
    Object(TypeId),
    /// A map with string keys.
    Map(Box<Map>),
    /// A list.
    List(Box<List>),
}

/// A map from strings to values of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The type of each value.
    pub values: Type,
    /// Whether server-side apply owns the map as one value (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
}

/// A list and how patches merge it.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// The type of each item.
    pub items: Type,
    /// How server-side apply merges it.
    pub kind: ListKind,
    /// How strategic merge patch merges it.
    pub patch: PatchStrategy,
}

/// `x-kubernetes-list-type` and `x-kubernetes-list-map-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListKind {
    /// One value, owned as a whole (also what an unmarked list is).
    #[default]
    Atomic,
    /// A set of scalars.
    Set,
    /// Objects that are told apart by these fields.
    Map(Vec<String>),
}

/// `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`; also on objects, where only `retain_keys` and
/// `replace` mean something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatchStrategy {
    /// `merge`: items are merged; without it a list is replaced.
    pub merge: bool,
    /// `retainKeys`: the patch may say which keys stay.
    pub retain_keys: bool,
    /// `replace` on an object: the patch's value replaces it.
    pub replace: bool,
    /// The field that tells the items of a merged list of objects apart; none for a list of scalars.
    pub merge_key: Option<String>,
}

/// One field of an object type.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name in JSON.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether validation demands it.
    pub required: bool,
    /// Whether `null` is a value of its own (`nullable`), not an absence.
    pub nullable: bool,
    /// What an absent field becomes.
    pub default: Option<Value>,
    /// Its protobuf field number; 0 where the type has no protobuf form.
    pub proto: u32,
    /// Whether it comes from a structure that Go inlines: it stands in this object's JSON, but its protobuf number
    /// counts in that structure's message ([`ObjectType::inlined`]).
    pub inline: bool,
    /// The patch strategy of an object-valued field (lists carry their own).
    pub patch: PatchStrategy,
}

/// A structure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObjectType {
    /// Its name in OpenAPI, for example `io.k8s.api.core.v1.Pod`.
    pub name: String,
    /// Its fields, in the order of their declaration.
    pub fields: Vec<Field>,
    /// Whether fields that are not named here are kept (`x-kubernetes-preserve-unknown-fields`).
    pub preserve_unknown: bool,
    /// Whether server-side apply owns it as one value (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Whether it holds a whole object of its own with `apiVersion` and `kind` (`x-kubernetes-embedded-resource`).
    pub embedded_resource: bool,
    /// Union groups as (discriminator or empty, member fields), as far as a table names them.
    pub unions: Vec<(String, Vec<String>)>,
    /// Structures whose fields stand among this one's in JSON, but in messages of their own in protobuf (Go's
    /// `inline`; for example `Volume` holds a `VolumeSource`).
    pub inlined: Vec<Inlined>,
    /// What Go's types say of each field beyond the schema, in the order of `fields`; empty where the type is not
    /// known from Go (custom resources).
    pub go: Vec<GoField>,
    /// The places in `fields`, sorted by name.
    index: Box<[u16]>,
}

/// A structure that is inlined in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inlined {
    /// The protobuf field number of its message.
    pub proto: u32,
    /// Its type.
    pub ty: TypeId,
}

/// How Go treats a field that the built-in kinds' table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GoField {
    /// What becomes of it when it is absent or empty.
    pub empty: Empty,
    /// Whether a list is wrapped in a message of its own in protobuf (`Verbs`, `OptionalNames`).
    pub wrapped: bool,
}

/// What Go's JSON writer does with an absent or empty field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Empty {
    /// A pointer with `omitempty`: an empty value is a value, an absent one stays away.
    #[default]
    Kept,
    /// `omitempty` of a plain value: an empty one is left out.
    Dropped,
    /// Always written, as the zero value of its type.
    Zero,
    /// Always written, `null` when absent.
    Null,
}

impl ObjectType {
    /// An object type with these fields.
    #[must_use]
    pub fn new(name: impl Into<String>, fields: Vec<Field>) -> Self {
        let mut index: Box<[u16]> = (0..fields.len()).filter_map(|at| at.try_into().ok()).collect();
        index.sort_by(|a, b| fields[usize::from(*a)].name.cmp(&fields[usize::from(*b)].name));
        Self { name: name.into(), fields, index, ..Self::default() }
    }

    /// Where in `fields` the field of that JSON name stands.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        let named = |at: &u16| self.fields[usize::from(*at)].name.as_str().cmp(name);
        let found = self.index.binary_search_by(named).ok()?;
        self.index.get(found).map(|at| usize::from(*at))
    }

    /// What Go's types say of that field.
    #[must_use]
    pub fn go_field(&self, position: usize) -> GoField {
        self.go.get(position).copied().unwrap_or_default()
    }

    /// The field of that JSON name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.position(name).and_then(|at| self.fields.get(at))
    }
}

/// An arena of object types.
#[derive(Debug, Default, Clone)]
pub struct Types {
    objects: Vec<ObjectType>,
}

impl Types {
    /// Adds a type and says where it lies.
    ///
    /// # Panics
    /// Never in practice: an arena holds fewer than 2^32 types.
    pub fn add(&mut self, object: ObjectType) -> TypeId {
        let id = TypeId(u32::try_from(self.objects.len()).expect("fewer than 2^32 types"));
        self.objects.push(object);
        id
    }

    /// Replaces the type at `id`: for types that refer to themselves, which are added empty first.
    pub fn set(&mut self, id: TypeId, object: ObjectType) {
        if let Some(slot) = self.objects.get_mut(id.0 as usize) {
            *slot = object;
        }
    }

    /// The type at `id`.
    ///
    /// # Panics
    /// When the id comes from another arena.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &ObjectType {
        self.objects.get(id.0 as usize).expect("a type id belongs to its arena")
    }

    /// All of them, in the order they were added.
    #[must_use]
    pub fn all(&self) -> &[ObjectType] {
        &self.objects
    }
}

/// The shape of one kind: an arena and where to begin in it.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The arena; built-in kinds share one.
    pub types: Arc<Types>,
    /// The kind's own type.
    pub root: Type,
}

impl Schema {
    /// A schema that accepts and keeps everything.
    #[must_use]
    pub fn any() -> Self {
        Self { types: Arc::new(Types::default()), root: Type::Any }
    }

    /// A cursor at the root.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { types: &self.types, ty: &self.root }
    }
}

/// A cursor into a schema: what is known about the value one stands at.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The arena.
    pub types: &'a Types,
    /// The type here.
    pub ty: &'a Type,
}

impl<'a> View<'a> {
    /// The object type here, if the value is a structure.
    #[must_use]
    pub fn object(self) -> Option<&'a ObjectType> {
        match self.ty {
            Type::Object(id) => Some(self.types.get(*id)),
            _ => None,
        }
    }

    /// The list here, if the value is one.
    #[must_use]
    pub fn list(self) -> Option<&'a List> {
        match self.ty {
            Type::List(list) => Some(list),
            _ => None,
        }
    }

    /// The map here, if the value is one.
    #[must_use]
    pub fn map(self) -> Option<&'a Map> {
        match self.ty {
            Type::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Down into the field or map value of that name; `None` when nothing is known about it.
    #[must_use]
    pub fn field(self, name: &str) -> Option<View<'a>> {
        let ty = match self.ty {
            Type::Object(id) => &self.types.get(*id).field(name)?.ty,
            Type::Map(map) => &map.values,
            _ => return None,
        };
        Some(View { types: self.types, ty })
    }

    /// Down into the items of a list.
    #[must_use]
    pub fn items(self) -> Option<View<'a>> {
        match self.ty {
            Type::List(list) => Some(View { types: self.types, ty: &list.items }),
            _ => None,
        }
    }
}
