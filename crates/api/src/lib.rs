// SPDX-License-Identifier: Apache-2.0
//! Kubernetes-style types: metadata, errors, selectors, and the generated table of the built-in kinds.
//!
//! Objects travel as `serde_json::Value`; what is here reads and writes the parts every object has ([`meta`]), says
//! what went wrong in the words clients print ([`status`], [`field`], [`names`]), selects ([`selector`]), computes
//! ([`quantity`], [`time`]), knows the built-in kinds' fields ([`builtin`]) and speaks their protobuf form
//! ([`protobuf`]). Nothing here does I/O.

pub mod builtin;
pub mod field;
mod go;
mod group;
pub mod meta;
pub mod names;
pub mod protobuf;
pub mod quantity;
pub mod selector;
pub mod status;
pub mod time;

pub use group::{GroupKind, GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
