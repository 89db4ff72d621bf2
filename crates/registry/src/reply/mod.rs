// SPDX-License-Identifier: Apache-2.0
//! What goes back to the client: errors, pages, header names and the addresses in `Location`.

pub(crate) mod error;
pub(crate) mod headers;
pub(crate) mod location;
pub(crate) mod pages;
