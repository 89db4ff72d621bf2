// SPDX-License-Identifier: Apache-2.0
//! Who is asking. Everything by which a request proves who sent it, without input or output: what it
//! depends on (keys, the time, whether a service account still exists) is handed in.
//!
//! ```text
//!  Authorization: Bearer ──▶ TokenCache ──▶ jwt::Verifier | oauth::object_name ─┐
//!  client certificate ─────▶ certificate::user ─────────────────────────────────┤
//!  X-Remote-* ─────────────▶ headers::FrontProxy ───────────────────────────────┼─▶ rbac::UserInfo
//!  nothing ────────────────▶ groups::anonymous ─────────────────────────────────┘        │
//!                                              Impersonate-* ──▶ headers::Impersonation ◀┘
//! ```
//!
//! `authority` and `jwt::Issuer` make what the above checks: certificates and service-account tokens.
//! Nothing that a client sends names the key, the algorithm or the authority that is believed
//! (reliability.md 3).

pub mod authority;
pub mod cache;
pub mod certificate;
pub mod groups;
pub mod headers;
pub mod jwk;
mod jws;
pub mod jwt;
pub mod oauth;
mod pem;
pub mod review;
mod strict;

pub use jws::{Invalid, MAX_TOKEN, verify as verify_signed};
