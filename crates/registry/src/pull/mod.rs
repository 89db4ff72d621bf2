// SPDX-License-Identifier: Apache-2.0
//! The life of a pull: a reference becomes a digest, the digest bytes.

pub(crate) mod accept;
pub(crate) mod blob;
pub(crate) mod conditional;
pub(crate) mod manifest;
pub(crate) mod multipart;
pub(crate) mod range;
