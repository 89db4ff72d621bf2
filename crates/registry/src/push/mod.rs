// SPDX-License-Identifier: Apache-2.0
//! The life of a push.
//!
//! ```text
//!  POST uploads/ ─▶ mount (another repository has the blob: done)
//!        └────────▶ upload session ─PATCH…─▶ PUT ?digest= ─▶ blob
//!  PUT manifests/<ref> ─▶ parse ─▶ what it names exists ─▶ stored, tagged
//! ```

pub(crate) mod content_range;
pub(crate) mod manifest;
pub(crate) mod mount;
pub(crate) mod references;
pub(crate) mod state;
pub(crate) mod upload;
