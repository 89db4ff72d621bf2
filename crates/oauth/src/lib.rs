// SPDX-License-Identifier: Apache-2.0
//! The OAuth server of the embedded cluster: who logs in, how, and what an access token stands for.
//!
//! ```text
//!  /oauth/authorize, /login ─▶ paths ─▶ login ─▶ accounts ─┐
//!  /oauth/token ─────────────▶ paths ─▶ tokens ────────────┼─▶ objects: users, identities, tokens, clients
//!  Authorization: Bearer ────▶ OAuthTokens ────────────────┘
//!                                  ▲ revocation
//! ```
//!
//! The protocol is what `oc login` and scripts speak to OpenShift (guide-commands.md 2), which is RFC 6749 with PKCE
//! (RFC 7636), strict where the RFCs since have become so (RFC 9700): redirect URIs are compared letter by letter, a
//! code is good once. Tokens and codes are stored as digests only.

mod accounts;
mod client;
mod credentials;
mod htpasswd;
pub mod kubeadmin;
mod login;
mod objects;
mod paths;
mod pkce;
mod revocation;
pub mod scope;
mod session;
mod settings;
mod throttle;
mod tokens;

pub use paths::OAuthServer;
pub use revocation::RevocationAdmission;
pub use settings::{Clock, Lockout, NoRandom, SessionKey, Settings};
pub use tokens::{OAuthTokens, user_object};
