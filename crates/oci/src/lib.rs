// SPDX-License-Identifier: Apache-2.0
//! Names, digests, references, media types and manifests of container registries.
//!
//! Everything here is pure: bytes and texts in, values or errors out. No I/O, no clock, no
//! runtime. Every parser is a plain function over `&str` or `&[u8]`, takes time linear in its
//! input, never panics, and says in its error what is wrong in words that a client can be shown.
//!
//! | module | from | to |
//! |---|---|---|
//! | [`Digest`], [`Hasher`] | URLs, headers, manifests; content | checked values; running hashes |
//! | [`RepositoryName`], [`Tag`], [`Reference`], [`ImageReference`] | URLs, scopes, people | checked values |
//! | [`MediaType`], [`media_type`] | headers, manifests | what kind of document |
//! | [`Manifest`], [`Descriptor`] | pushed or stored documents | what they refer to |
//! | [`schema1`] | signed Docker manifests of old | verified documents, and new ones by conversion |

mod digest;
mod hasher;
mod image_reference;
mod json;
mod manifest;
pub mod media_type;
mod name;
mod reference;
pub mod schema1;
mod text;

pub use digest::{Algorithm, Digest, DigestError};
pub use hasher::{Hasher, Midstate, MidstateError};
pub use image_reference::{ImageReference, ImageReferenceError};
pub use manifest::{
    Descriptor, DescriptorError, MAX_DESCRIPTORS, Manifest, ManifestError, Platform, Role,
};
pub use media_type::MediaType;
pub use name::{NameError, RepositoryName};
pub use reference::{Reference, ReferenceError, Tag, TagError};
