// SPDX-License-Identifier: Apache-2.0
//! One model of API types for everything that must know an object's shape.
//!
//! The generated table of the built-in kinds (`api`) and the structural schemas of custom resources both become a
//! [`Schema`]; strategic merge patch, server-side apply, pruning, defaults, field validation, OpenAPI documents and the
//! protobuf codec all walk it. Nothing here does I/O or knows HTTP.

mod default;
mod json;
mod model;
mod normalise;
mod path;
mod prune;
mod types;

pub use default::default;
pub use json::{JsonError, MAX_REPORTED, Parsed, parse};
pub use model::{
    Empty, Field, GoField, Inlined, List, ListKind, Map, ObjectType, PatchStrategy, Schema, Type,
    TypeId, Types, View,
};
pub use normalise::normalise;
pub use prune::{prune, unknown_fields};
pub use types::{TypeError, check_types};
