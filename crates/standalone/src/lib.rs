// SPDX-License-Identifier: Apache-2.0
//! The embedded control plane: an API server on one machine, with everything it needs in one directory.
//!
//! ```text
//!  DataDir (lock, formats) ─▶ Keys (authority, certificates, token keys)
//!  Sqlite ─▶ Storage ─▶ core_api::resources ─▶ Server ◀─ Credentials, RbacAuthorizer, admission
//!                                                │
//!      bootstrap, controllers ── Local (in-process client, same authorization) ─┘
//! ```

mod accounts;
mod authenticate;
mod bootstrap;
mod controllers;
mod data_dir;
mod identity;
mod login;
mod paths;
mod run;

pub use authenticate::BearerTokens;
pub use data_dir::{DataDir, DataDirError};
pub use identity::IdentityError;
pub use run::{ControlPlane, Settings, StartError};
