// SPDX-License-Identifier: Apache-2.0
//! A registry's store: distribution's layout, made durable and fast.
//!
//! ```text
//!             BlobStore
//!   blobs · manifests · tags · referrers · repositories      what a registry asks for
//!        │ look-ups                 │ changes
//!        ▼                          ▼
//!   caches kept true ◀─effects─ engine ──▶ journal ──▶ filesystem      exclusive store
//!        │ misses                   └────▶ driver.apply                shared or object store
//!        ▼
//!   storage::Driver                 upload ──▶ driver.create_upload    large bodies
//! ```
//!
//! What is here knows digests, links and sessions; it knows neither HTTP nor who may do what. The
//! layout is [`layout`]'s, and only its.

mod blobs;
mod buffer;
mod cache;
mod content;
mod engine;
mod error;
mod journal;
pub mod layout;
mod lock;
pub mod maintenance;
mod manifests;
mod names;
mod referrers;
mod repositories;
mod store;
mod tags;
mod upload;
mod usage;

pub use blobs::Blob;
pub use buffer::{BUFFER_SIZE, Buffer};
pub use cache::Trust;
pub use error::{Error, Result};
pub use manifests::{MAX_STORED_MANIFEST, ManifestWrite};
pub use store::{Backend, BlobInfo, BlobStore, Limits, Options, Page, SMALL, StoredManifest};
pub use upload::{Upload, UploadState};
pub use usage::{CacheUsage, Usage};
