// SPDX-License-Identifier: Apache-2.0
//! One request from its head to its answer, in the order of registry.md 1.1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blobstore::BlobStore;
use http::{StatusCode, header};
use httpd::{Body, Head, Reply, Sent, Service};
use oci::schema1::SigningKey;
use ports::{Authorizer, Identity};
use telemetry::families::RegistryMetrics;
use telemetry::health::Health;

use crate::auth::{self, Caller};
use crate::exchange::Exchange;
use crate::limits::requests::RequestQueues;
use crate::limits::uploads::UploadCounts;
use crate::notifications::{Happening, Notifier};
use crate::observe::Observer;
use crate::operation::Operation;
use crate::pull::manifest::Conversions;
use crate::push::state::StateCodec;
use crate::reply::error::{Code, Error, Result, stamp};
use crate::reply::headers::{from_text, name};
use crate::reply::pages;
use crate::route::{self, Item, NoRoute, Route};
use crate::settings::Settings;
use crate::{content, delete, extensions, gate, pull, push, query};

/// What a registry is made of.
pub struct RegistryParts {
    /// Where the content is.
    pub store: BlobStore,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// The configuration, resolved.
    pub settings: Settings,
    /// Counters and summaries.
    pub metrics: Arc<RegistryMetrics>,
    /// The registered health checks.
    pub health: Health,
    /// Where events go, if endpoints are configured.
    pub notifier: Option<Arc<Notifier>>,
    /// Key that signs converted schema 1 manifests; without one, a key is made when it is needed.
    pub schema1_key: Option<SigningKey>,
}

/// The registry: answers every request of every connection.
pub struct Registry {
    pub(crate) store: BlobStore,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) settings: Settings,
    pub(crate) observer: Observer,
    pub(crate) upload_states: StateCodec,
    pub(crate) uploads: UploadCounts,
    pub(crate) conversions: Conversions,
    /// Made once: an identity holds allocated strings.
    pub(crate) anonymous: Identity,
    health: Health,
    readiness: Readiness,
    queues: RequestQueues,
    notifier: Option<Arc<Notifier>>,
}

/// Makes `/healthz` and `/` answer 503, so that whoever distributes requests looks elsewhere before
/// the process stops accepting them. Cheap to clone; all clones are the same switch.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on the registry is not ready.
    pub fn fail(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One admitted request, as handlers see it.
pub(crate) struct Call<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) head: &'a Head,
    pub(crate) caller: &'a Caller,
    /// What happened, for notifications.
    pub(crate) happened: Vec<Happening>,
}

impl Call<'_> {
    pub(crate) fn store(&self) -> &BlobStore {
        &self.registry.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.registry.settings
    }

    /// Notes an event, if anybody is to hear of it.
    pub(crate) fn note(&mut self, happening: impl FnOnce() -> Happening) {
        if self.registry.notifier.is_some() {
            self.happened.push(happening());
        }
    }
}

impl Registry {
    /// Puts the parts together.
    pub fn new(parts: RegistryParts) -> Self {
        let settings = parts.settings;
        Self {
            store: parts.store,
            authorizer: parts.authorizer,
            observer: Observer::new(parts.metrics, &settings),
            upload_states: StateCodec::new(&settings.upload_secret),
            uploads: UploadCounts::default(),
            conversions: Conversions::new(parts.schema1_key),
            anonymous: Identity::anonymous(),
            health: parts.health,
            readiness: Readiness::default(),
            queues: RequestQueues::new(settings.limits.read, settings.limits.write),
            notifier: parts.notifier,
            settings,
        }
    }

    /// The switch that makes readiness fail while everything else is still served.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Gate, probes, limiter, then the application.
    async fn answer(&self, head: &Head, body: &mut Body<'_>, exchange: &mut Exchange) -> Reply {
        if !self.health.is_healthy() {
            let failures = self.health.failures();
            let reasons: Vec<_> =
                failures.iter().map(|(name, why)| format!("{name}: {why}")).collect();
            return Error::new(Code::Unavailable)
                .detail(format!("health check failed: {}", reasons.join("; ")))
                .into_reply();
        }
        if matches!(head.target.path(), "/" | "/healthz") {
            return if self.readiness.is_failing() { pages::stopping() } else { pages::alive() };
        }
        match self.queues.enter(&head.method).await {
            Ok(slot) => exchange.slot = slot,
            Err(_) => {
                self.observer.overloaded();
                return pages::too_many_requests();
            }
        }
        self.observer.started(exchange);
        exchange.application = true;
        let mut reply = match self.application(head, body, exchange).await {
            Ok(reply) => reply,
            Err(error) => {
                exchange.remember(&error);
                error.into_reply()
            }
        };
        stamp(&mut reply);
        reply
    }

    /// Route, authorization, method, gate, handler.
    async fn application(
        &self,
        head: &Head,
        body: &mut Body<'_>,
        exchange: &mut Exchange,
    ) -> Result<Reply> {
        let route = match route::parse(&self.settings.prefix, head.target.path()) {
            Ok(Route::Metrics) if !self.settings.metrics_enabled => return Ok(pages::not_found()),
            Ok(route) => route,
            Err(NoRoute::NotFound) => return Ok(pages::not_found()),
            Err(NoRoute::Moved(path)) => return Ok(moved(head, path)),
            Err(NoRoute::InvalidName(given)) => return Err(Error::name_invalid(given)),
        };
        let caller = match auth::admit(self, head, &route).await {
            Ok(caller) => caller,
            Err(error) => {
                self.observer.refused(head, exchange, &route, &error);
                return Err(error);
            }
        };
        self.observer.routed(exchange, &route);
        exchange.identity = Some(caller.identity.clone());
        self.observer.authorized(head, exchange, &route);
        let operation = match Operation::of(&route, &head.method) {
            Ok(operation) => operation,
            Err(wrong) if self.settings.read_only => {
                return Ok(pages::method_not_allowed(wrong.allow_read_only));
            }
            Err(wrong) => return Ok(pages::method_not_allowed(wrong.allow)),
        };
        exchange.operation = Some(operation);
        self.observer.begun(head, exchange, &route);
        if let Some(refusal) = gate::refusal(&self.settings, operation) {
            return Ok(refusal);
        }
        let mut call = Call { registry: self, head, caller: &caller, happened: Vec::new() };
        let mut reply = dispatch(&mut call, &route, operation, body, exchange).await?;
        if let Some(notifier) = &self.notifier {
            for happening in call.happened {
                notifier.publish(&happening, head, exchange.id, &caller, &self.settings);
            }
        }
        self.decorate(head, &mut reply);
        Ok(reply)
    }

    /// Headers of every dispatched route.
    fn decorate(&self, head: &Head, reply: &mut Reply) {
        for (name, value) in &self.settings.extra_headers {
            reply.headers.append(name, value.clone());
        }
        let query = head.target.query();
        if !query.is_empty()
            && let Some(namespace) = query::first(query, "ns")
            && namespace.len() <= 255
        {
            reply.headers.insert(&name::OCI_NAMESPACE, from_text(namespace));
        }
    }
}

/// A redirect keeps the query.
fn moved(head: &Head, mut path: String) -> Reply {
    if !head.target.query().is_empty() {
        path.push('?');
        path.push_str(head.target.query());
    }
    pages::moved(&path)
}

/// The handler of an operation. What is not a change falls to the reading handler of its route, so
/// that a mistake here cannot write.
async fn dispatch(
    call: &mut Call<'_>,
    route: &Route<'_>,
    operation: Operation,
    body: &mut Body<'_>,
    exchange: &mut Exchange,
) -> Result<Reply> {
    use Operation as Op;
    let (name, item) = match route {
        Route::Ping => return Ok(pages::json(StatusCode::OK, "{}")),
        Route::Catalog => return content::catalog::list(call).await,
        Route::Metrics => return Ok(extensions::metrics::page(call)),
        Route::AnyBlob(digest) => return extensions::admin::remove_blob(call, digest).await,
        Route::Repository(name, item) => (name, item),
    };
    match (item, operation) {
        (Item::Tags, _) => content::tags::list(call, name).await,
        (Item::Referrers(subject), _) => content::referrers::list(call, name, subject).await,
        (Item::Manifest(text), Op::PutManifest) => {
            push::manifest::put(call, name, text, body).await
        }
        (Item::Manifest(text), Op::DeleteManifest) => delete::manifest(call, name, text).await,
        (Item::Manifest(text), _) => pull::manifest::get(call, name, text).await,
        (Item::Blob(digest), Op::DeleteBlob) => delete::blob(call, name, digest).await,
        (Item::Blob(digest), _) => pull::blob::get(call, name, digest).await,
        (Item::Uploads, _) => push::upload::start(call, name, body, exchange).await,
        (Item::Upload(id), Op::AppendUpload) => {
            push::upload::append(call, name, id, body, exchange).await
        }
        (Item::Upload(id), Op::FinishUpload) => {
            push::upload::finish(call, name, id, body, exchange).await
        }
        (Item::Upload(id), Op::CancelUpload) => push::upload::cancel(call, name, id).await,
        (Item::Upload(id), _) => push::upload::status(call, name, id).await,
    }
}

impl Service for Registry {
    type Context = Exchange;

    async fn call<'a>(&'a self, head: &'a Head, body: &'a mut Body<'_>) -> (Reply, Exchange) {
        let mut exchange = Exchange::begin();
        let mut reply = self.answer(head, body, &mut exchange).await;
        self.observer.answered(head, &exchange);
        exchange.response_type = reply.headers.get(header::CONTENT_TYPE).cloned();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let id = exchange.id.hyphenated().encode_lower(&mut text);
        reply.headers.insert(&name::REQUEST_ID, from_text(&*id));
        (reply, exchange)
    }

    fn completed(&self, head: &Head, sent: Sent, exchange: Exchange) {
        self.observer.completed(head, sent, &exchange, &self.settings.prefix);
    }
}
