// SPDX-License-Identifier: Apache-2.0
//! Lists: tags of a repository, repositories, referrers of a manifest.

pub(crate) mod catalog;
mod page;
pub(crate) mod referrers;
pub(crate) mod tags;
