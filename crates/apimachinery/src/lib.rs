// SPDX-License-Identifier: Apache-2.0
//! A generic API server: what every Kubernetes-style API does the same way.
//!
//! ```text
//!  server ─▶ request (what is asked) ─▶ auth (who, may they) ─▶ verb (get, list, watch, create, update, patch, delete)
//!                                                                 ├─▶ resource (the kind's own rules), admission
//!                                                                 ├─▶ storage (caches over a store)
//!                                                                 └─▶ reply (object, table, JSON, YAML, protobuf)
//!        └─▶ discovery, openapi: made from the catalog of resources
//! ```
//!
//! A resource is added by describing it ([`resource::Resource`]); nothing here knows any kind by name.

pub mod auth;
pub mod body;
pub mod catalog;
pub mod codec;
pub mod context;
mod digest;
pub mod discovery;
pub mod fields;
pub mod local;
pub mod objectmeta;
pub mod openapi;
pub mod reply;
pub mod request;
pub mod resource;
pub mod serve;
pub mod server;
pub mod storage;
pub mod table;
pub mod verb;
pub mod version;
