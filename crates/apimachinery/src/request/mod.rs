// SPDX-License-Identifier: Apache-2.0
//! A request before anything is done for it: path and verb, query parameters, the wanted form of the answer.

pub mod accept;
mod info;
mod query;

pub use info::{Kind, RequestInfo, ResourcePath, Verb};
pub use query::{BadQuery, FieldValidation, Query, VersionMatch};
