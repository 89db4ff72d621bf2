// SPDX-License-Identifier: Apache-2.0
//! `FieldsV1`: a field set as JSON, in which keys are steps (`f:name`, `k:{"name":"web"}`, `v:"x"`, `i:3`) and `.` marks a
//! container that is a member itself.

use serde_json::{Map, Number, Value};

use super::path::Step;
use super::set::Set;
use crate::MAX_DEPTH;

/// How many fields one set may have; an object that fits into a request has fewer.
const MAX_FIELDS: usize = 1 << 20;

impl Set {
    /// Reads a set. Kinds of steps that are not known are left out, as kube-apiserver does.
    ///
    /// # Errors
    /// With the reason, when a key is no step.
    pub fn from_fields_v1(fields: &Value) -> Result<Self, String> {
        match fields {
            Value::Null => Ok(Self::default()),
            Value::Object(fields) => Ok(read(fields, MAX_DEPTH, &mut 0)?.0),
            _ => Err("fieldsV1 must be an object".to_owned()),
        }
    }

    /// The set as a JSON object.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.fields(false))
    }

    /// The set as text, in the canonical order: names, keys, values, indices. (A JSON object sorts its keys as text,
    /// which differs for values and indices.)
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        let mut out = String::new();
        self.write(false, &mut out);
        out
    }

    fn fields(&self, member: bool) -> Map<String, Value> {
        let mut out = Map::new();
        if member && !self.is_empty() {
            out.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for node in &self.nodes {
            out.insert(encode(&node.step), Value::Object(node.inner.fields(node.member)));
        }
        out
    }

    fn write(&self, member: bool, out: &mut String) {
        out.push('{');
        if member && !self.is_empty() {
            out.push_str("\".\":{},");
        }
        for node in &self.nodes {
            out.push_str(&Value::String(encode(&node.step)).to_string());
            out.push(':');
            node.inner.write(node.member, out);
            out.push(',');
        }
        if out.ends_with(',') {
            out.pop();
        }
        out.push('}');
    }
}

/// The fields inside, and whether the container itself is a member: it is if it says so, or has no fields.
fn read(
    fields: &Map<String, Value>,
    depth: usize,
    count: &mut usize,
) -> Result<(Set, bool), String> {
    *count += fields.len();
    if depth == 0 || *count > MAX_FIELDS {
        return Err("too many fields".to_owned());
    }
    let mut set = Set { nodes: Vec::with_capacity(fields.len()) };
    let mut member = false;
    for (key, inner) in fields {
        if key == "." {
            member = true;
            continue;
        }
        let Some(step) = decode(key)? else { continue };
        let (inner, inner_member) = match inner {
            Value::Object(inner) => read(inner, depth - 1, count)?,
            Value::Null => (Set::default(), true),
            _ => return Err(format!("value of {key:?} must be an object")),
        };
        set.graft(&step, inner_member, inner);
    }
    let member = member || set.is_empty();
    Ok((set, member))
}

fn decode(key: &str) -> Result<Option<Step>, String> {
    let Some((kind, text)) = key.split_at_checked(2) else {
        return Err("key must be 2 characters long".to_owned());
    };
    if !kind.ends_with(':') {
        return Err(format!("missing colon: {key}"));
    }
    let json =
        |text| serde_json::from_str::<Value>(text).map_err(|error| format!("{key:?}: {error}"));
    Ok(match kind {
        "f:" => Some(Step::field(text)),
        "v:" => Some(Step::Value(whole(json(text)?).into())),
        "k:" => match json(text)? {
            // The decoder has sorted the names.
            Value::Object(fields) => Some(Step::Key(
                fields.into_iter().map(|(name, value)| (name, whole(value))).collect(),
            )),
            _ => return Err(format!("{key:?}: not an object")),
        },
        "i:" => Some(Step::Index(text.parse().map_err(|_| format!("{key:?}: not a number"))?)),
        _ => None,
    })
}

fn encode(step: &Step) -> String {
    match step {
        Step::Field(name) => format!("f:{name}"),
        Step::Value(value) => format!("v:{value}"),
        Step::Index(index) => format!("i:{index}"),
        Step::Key(fields) => {
            let mut out = "k:{".to_owned();
            for (name, value) in fields.iter() {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                out.push_str(&value.to_string());
                out.push(',');
            }
            if out.ends_with(',') {
                out.pop();
            }
            out.push('}');
            out
        }
    }
}

/// 80.0 and 80 are one value here; Go writes 80.
fn whole(value: Value) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value.as_f64() {
        Some(float) if value.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            #[allow(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
            let number = float as i64;
            Value::Number(Number::from(number))
        }
        _ => value,
    }
}
