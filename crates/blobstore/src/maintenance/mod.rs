// SPDX-License-Identifier: Apache-2.0
//! Work on a whole store: check it, collect garbage, purge abandoned uploads.
//!
//! All of it walks the layout in pages, so memory does not grow with the store but for the set of
//! digests that a collection must remember. What a walk meets and does not know is reported and
//! left alone.

pub mod check;
pub mod collect;
mod list;
pub mod purge;
mod walk;
