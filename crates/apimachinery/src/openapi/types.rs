// SPDX-License-Identifier: Apache-2.0
//! Schemas as OpenAPI writes them.

use std::collections::{BTreeMap, BTreeSet};

use schema::{Field, ListKind, ObjectType, PatchStrategy, Schema, Type, TypeId, Types};
use serde_json::{Map, Value, json};

/// Collects the definitions that some roots need, each once, by name.
pub struct Definitions {
    prefix: &'static str,
    done: BTreeMap<String, Value>,
    seen: BTreeSet<(usize, TypeId)>,
}

impl Definitions {
    /// Definitions that are referred to as `prefix` + name.
    #[must_use]
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, done: BTreeMap::new(), seen: BTreeSet::new() }
    }

    /// Adds a kind's schema under a name, marked with what kind it is; answers the reference.
    pub fn root(&mut self, schema: &Schema, fallback: &str, gvk: Value) -> Value {
        let name = match &schema.root {
            Type::Object(id) if !schema.types.get(*id).name.is_empty() => {
                schema.types.get(*id).name.clone()
            }
            _ => fallback.to_owned(),
        };
        let mut value = match &schema.root {
            Type::Object(id) => self.object(&schema.types, *id),
            _ => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        };
        let kinds =
            match self.done.get(&name).and_then(|old| old.get("x-kubernetes-group-version-kind")) {
                Some(Value::Array(old)) => {
                    let mut kinds = old.clone();
                    if !kinds.contains(&gvk) {
                        kinds.push(gvk);
                    }
                    kinds
                }
                _ => vec![gvk],
            };
        value["x-kubernetes-group-version-kind"] = kinds.into();
        self.done.insert(name.clone(), value);
        self.reference(&name)
    }

    /// Adds a ready definition.
    pub fn add(&mut self, name: &str, value: Value) -> Value {
        self.done.insert(name.to_owned(), value);
        self.reference(name)
    }

    /// All definitions.
    #[must_use]
    pub fn finish(self) -> Map<String, Value> {
        self.done.into_iter().collect()
    }

    fn reference(&self, name: &str) -> Value {
        json!({"$ref": format!("{}{name}", self.prefix)})
    }

    fn object(&mut self, types: &Types, id: TypeId) -> Value {
        let object = types.get(id);
        self.seen.insert((std::ptr::from_ref(types) as usize, id));
        let mut value = json!({"type": "object"});
        let mut properties = Map::new();
        for field in &object.fields {
            properties.insert(field.name.clone(), self.field(types, field));
        }
        if !properties.is_empty() {
            value["properties"] = properties.into();
        }
        let required: Vec<&str> =
            object.fields.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
        if !required.is_empty() {
            value["required"] = json!(required);
        }
        marks(object, &mut value);
        value
    }

    fn field(&mut self, types: &Types, field: &Field) -> Value {
        let mut value = self.ty(types, &field.ty);
        let extras = patch_marks(&field.patch);
        let defaulted = field.default.is_some();
        if (defaulted || !extras.is_empty() || field.nullable) && value.get("$ref").is_some() {
            // A reference takes no siblings; it is wrapped.
            value = json!({"allOf": [value]});
        }
        if let Some(default) = &field.default {
            value["default"] = default.clone();
        }
        if field.nullable {
            value["nullable"] = true.into();
        }
        for (key, extra) in extras {
            value[key] = extra;
        }
        value
    }

    fn ty(&mut self, types: &Types, ty: &Type) -> Value {
        match ty {
            Type::Any => json!({"x-kubernetes-preserve-unknown-fields": true}),
            Type::String | Type::Quantity | Type::Duration => json!({"type": "string"}),
            Type::Bytes => json!({"type": "string", "format": "byte"}),
            Type::Integer(bits) => json!({"type": "integer", "format": format!("int{bits}")}),
            Type::Number => json!({"type": "number", "format": "double"}),
            Type::Boolean => json!({"type": "boolean"}),
            Type::IntOrString => {
                json!({"type": "string", "format": "int-or-string", "x-kubernetes-int-or-string": true})
            }
            Type::Time | Type::MicroTime => json!({"type": "string", "format": "date-time"}),
            Type::Map(map) => {
                let mut value =
                    json!({"type": "object", "additionalProperties": self.ty(types, &map.values)});
                if map.atomic {
                    value["x-kubernetes-map-type"] = "atomic".into();
                }
                value
            }
            Type::List(list) => {
                let mut value = json!({"type": "array", "items": self.ty(types, &list.items)});
                match &list.kind {
                    ListKind::Atomic => value["x-kubernetes-list-type"] = "atomic".into(),
                    ListKind::Set => value["x-kubernetes-list-type"] = "set".into(),
                    ListKind::Map(keys) => {
                        value["x-kubernetes-list-type"] = "map".into();
                        value["x-kubernetes-list-map-keys"] = json!(keys);
                    }
                }
                for (key, extra) in patch_marks(&list.patch) {
                    value[key] = extra;
                }
                value
            }
            Type::Object(id) => {
                let object = types.get(*id);
                if object.name.is_empty() {
                    return self.object(types, *id);
                }
                let name = object.name.clone();
                if !self.seen.contains(&(std::ptr::from_ref(types) as usize, *id))
                    && !self.done.contains_key(&name)
                {
                    let value = self.object(types, *id);
                    self.done.entry(name.clone()).or_insert(value);
                }
                self.reference(&name)
            }
        }
    }
}

fn marks(object: &ObjectType, value: &mut Value) {
    if object.preserve_unknown {
        value["x-kubernetes-preserve-unknown-fields"] = true.into();
    }
    if object.atomic {
        value["x-kubernetes-map-type"] = "atomic".into();
    }
    if object.embedded_resource {
        value["x-kubernetes-embedded-resource"] = true.into();
    }
}

fn patch_marks(patch: &PatchStrategy) -> Vec<(&'static str, Value)> {
    let mut strategies = Vec::new();
    if patch.merge {
        strategies.push("merge");
    }
    if patch.retain_keys {
        strategies.push("retainKeys");
    }
    if patch.replace {
        strategies.push("replace");
    }
    let mut marks = Vec::new();
    if !strategies.is_empty() {
        marks.push(("x-kubernetes-patch-strategy", strategies.join(",").into()));
    }
    if let Some(key) = &patch.merge_key {
        marks.push(("x-kubernetes-patch-merge-key", key.as_str().into()));
    }
    marks
}

/// The shape of `autoscaling/v1` `Scale`.
#[must_use]
pub fn scale_schema() -> Schema {
    api::builtin::schema("autoscaling", "v1", "Scale").unwrap_or_else(Schema::any)
}
