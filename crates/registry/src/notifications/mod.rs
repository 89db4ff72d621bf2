// SPDX-License-Identifier: Apache-2.0
//! Notifications (registry.md 6.9): what happened in the registry, told to HTTP endpoints.
//!
//! ```text
//!  handler ─▶ Happening ─▶ Event ─▶ channel ─▶ backlog on disk ─▶ delivery ─▶ endpoint
//!                       (per endpoint)   (bounded, survives a restart)
//! ```
//!
//! A request never waits for an endpoint. What no longer fits is dropped and counted.

mod backlog;
mod client;
mod delivery;
mod event;

use std::path::PathBuf;
use std::sync::Arc;

use httpd::Head;
use telemetry::families::{OwnMetrics, QueueMetrics};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::auth::Caller;
use crate::settings::{EndpointSettings, Settings};
use backlog::Backlog;
use client::Client;
use delivery::Delivery;
pub(crate) use event::Happening;
use event::{Context, Event};

/// Events on their way to the backlog of one endpoint.
const CHANNEL: usize = 4096;

/// What a notifier is made of.
#[derive(Clone, Debug)]
pub struct NotifierParts {
    /// Enabled endpoints.
    pub endpoints: Vec<EndpointSettings>,
    /// Directory that holds one backlog per endpoint; `None` keeps them in memory.
    pub directory: Option<PathBuf>,
    /// Most bytes waiting for one endpoint.
    pub backlog_bytes: u64,
    /// `notifications.events.includereferences`
    pub include_references: bool,
    /// `source.addr`: host and port of this registry.
    pub source: String,
    /// For `https://` endpoints.
    pub tls: Arc<rustls::ClientConfig>,
}

/// Why notifications cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NotifierError {
    /// An endpoint's address cannot be used.
    #[error("notification endpoint {endpoint}: {reason}")]
    Address {
        /// Its name.
        endpoint: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The backlog cannot be opened.
    #[error("notification endpoint {endpoint}: cannot open its backlog")]
    Backlog {
        /// Its name.
        endpoint: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Hands events to the endpoints.
pub struct Notifier {
    outlets: Vec<Outlet>,
    source: String,
    include_references: bool,
}

/// The way to one endpoint.
struct Outlet {
    settings: EndpointSettings,
    events: mpsc::Sender<Vec<u8>>,
    metrics: QueueMetrics,
}

/// Tasks that must run for the notifier to deliver.
pub type Deliveries = Vec<tokio::task::JoinHandle<()>>;

impl Notifier {
    /// Opens the backlogs and starts one delivery task per endpoint. A task ends, its backlog
    /// written, when the notifier is dropped.
    ///
    /// # Errors
    ///
    /// See [`NotifierError`].
    pub fn start(
        parts: NotifierParts,
        metrics: &OwnMetrics,
    ) -> Result<(Self, Deliveries), NotifierError> {
        let mut outlets = Vec::new();
        let mut tasks = Vec::new();
        for settings in parts.endpoints {
            let endpoint = settings.name.clone();
            let client = Client::new(&settings, Arc::clone(&parts.tls))
                .map_err(|reason| NotifierError::Address { endpoint: endpoint.clone(), reason })?;
            let backlog = match &parts.directory {
                None => Backlog::memory(parts.backlog_bytes),
                Some(directory) => {
                    let directory = directory.join(backlog::directory_name(&settings.name));
                    Backlog::open(&directory, parts.backlog_bytes)
                        .map_err(|source| NotifierError::Backlog { endpoint, source })?
                }
            };
            let (sender, receiver) = mpsc::channel(CHANNEL);
            let queue = || metrics.notifications(&settings.name);
            let delivery = Delivery::new(settings.clone(), client, backlog, queue());
            let metrics = queue();
            tasks.push(tokio::spawn(async move {
                let _ = delivery.run(receiver).await;
            }));
            outlets.push(Outlet { settings, events: sender, metrics });
        }
        let notifier =
            Self { outlets, source: parts.source, include_references: parts.include_references };
        Ok((notifier, tasks))
    }

    /// Tells every endpoint that wants to know.
    pub(crate) fn publish(
        &self,
        happening: &Happening,
        head: &Head,
        request_id: Uuid,
        caller: &Caller,
        settings: &Settings,
    ) {
        let wants = |outlet: &&Outlet| {
            let action = happening.action.as_str();
            !outlet.settings.ignored_actions.iter().any(|ignored| ignored == action)
                && !outlet.settings.ignored_media_types.contains(&happening.media_type)
        };
        if !self.outlets.iter().any(|outlet| wants(&outlet)) {
            return;
        }
        let context = Context { head, request_id, caller, settings, source: &self.source };
        let envelope = Event::new(happening, &context, self.include_references).envelope();
        for outlet in self.outlets.iter().filter(wants) {
            if outlet.events.try_send(envelope.clone()).is_err() {
                outlet.metrics.dropped(1);
            }
        }
    }
}
