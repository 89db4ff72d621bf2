// SPDX-License-Identifier: Apache-2.0
//! The data plane: everything below `/v2/`, the extensions, and the health answers.
//!
//! It knows no Kubernetes: who may do what it asks a [`ports::Authorizer`], and bytes it asks a
//! [`blobstore::BlobStore`]. One request is one walk down [`Registry`]'s `call`:
//!
//! ```text
//!  httpd ─▶ app: health gate ─▶ limits ─▶ route ─▶ operation ─▶ auth ─▶ gate ─┐
//!                                                                             ▼
//!     push/{upload,mount,manifest}   pull/{manifest,blob}   content/{tags,catalog,referrers}
//!     delete                         extensions/{metrics,admin}
//!                                                                             │
//!  httpd ◀─ reply ◀─ reply/error (the one mapping of failures) ◀───────────────┘
//!    └▶ completed: observe (log lines, metrics), notifications
//! ```
//!
//! - A push: `push` (session, commit, manifest) → store → 201.
//! - A pull: `pull` (tag → digest → bytes).
//! - Everything that changes the store passes `gate`.

mod app;
pub mod auth;
mod content;
mod delete;
mod exchange;
mod extensions;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod limits;
mod notifications;
mod observe;
mod operation;
mod outbound;
mod pull;
mod push;
mod query;
mod reply;
mod route;
mod settings;

pub use app::{Readiness, Registry, RegistryParts};
pub use exchange::Exchange;
pub use limits::requests::QueueSettings;
pub use notifications::{Deliveries, Notifier, NotifierError, NotifierParts};
pub use outbound::{Probe, ProbeError, TrustError, client_tls};
pub use reply::error::Code;
pub use route::{Item, NoRoute, Route, parse as parse_route};
pub use settings::{EndpointSettings, Limits, Settings, UrlPolicy};
