// SPDX-License-Identifier: Apache-2.0
//! Who is asking, and may they. The answers come from a [`ports::Authorizer`]; this module turns a
//! request into the questions, and a refusal into a challenge.

mod admit;
mod challenge;
pub(crate) mod credentials;
mod htpasswd;
mod htpasswd_cache;
mod open;

pub(crate) use admit::{Caller, admit};
pub use htpasswd::{Htpasswd, HtpasswdError, HtpasswdSettings};
pub use open::Open;
