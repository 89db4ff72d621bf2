// SPDX-License-Identifier: Apache-2.0
//! Serving a registry: start, run, stop.
//!
//! Order of a start: log; everything that may be wrong with the configuration, its files and its
//! addresses; the store (lock and journal replay); the parts. The sockets listen before the store is
//! opened, so that a wrong address shows at once, and are accepted from when the rest is ready:
//! clients that come in between wait. Order of a stop: readiness fails, after `berth.stopdelay`
//! accepting ends, requests in flight get `http.draintimeout`, then the journal is emptied.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use blobstore::BlobStore;
use httpd::{Listener, Server};
use registry::{EndpointSettings, Notifier, NotifierParts, Registry, RegistryParts};
use registry_config::Config;
use registry_config::config::http::Network;
use telemetry::families::RegistryMetrics;
use telemetry::go::go_duration;
use telemetry::log::Line;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::store::Purpose;
use super::{checks, config, debug, descriptors, maintenance, metrics, settings, store};
use crate::cli::Source;

/// Threads for file work: more would only queue at the disk.
const BLOCKING_THREADS: usize = 64;

/// File work comes in bursts; a thread that has had nothing to do for this long is given back.
const BLOCKING_KEEP: Duration = Duration::from_secs(5);

/// Connections of the debug listener.
pub(super) const DEBUG_CONNECTIONS: usize = 64;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(source: &Source) -> Result<ExitCode> {
    let (config, warnings) = config::load(source)?;
    config::init_log(&config, None, &warnings)?;
    descriptors::prepare(&config);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.berth.workers > 0 {
        runtime.worker_threads(config.berth.workers.into());
    }
    let runtime = runtime
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_KEEP)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    match runtime.block_on(serve(&config)) {
        Ok(()) => {
            Line::info("server shutdown, bye.").emit();
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            // One line, in the log's own format: this is what a supervisor shows.
            Line::fatal(format!("{error:#}")).emit();
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn serve(config: &Config) -> Result<()> {
    Line::info("start registry")
        .field("distribution_version", concat!("v", env!("CARGO_PKG_VERSION"), "+berth"))
        .field("openshift_version", concat!("v", env!("CARGO_PKG_VERSION")))
        .emit();
    // Signals are caught before anything takes long, so that none is missed.
    let mut signals = Signals::catch()?;
    let inherited = httpd::inherited()?;

    let per_route = config.http.debug.prometheus.enabled;
    let families = metrics::families(per_route)?;
    let observed = config.openshift.metrics.enabled || per_route;
    let settings = settings::data_plane(config)?;
    let authorizer = settings::authorizer(config)?;
    let schema1_key = settings::schema1_key(config)?;
    let tls = settings::tls(config)?;
    let endpoints = settings::endpoints(config)?;
    let listeners = listeners(config, inherited)?;
    let debug_listener = debug_listener(config)?;

    let store = tokio::select! {
        store = store::open(config, Purpose::Serve, observed.then_some(&*families)) => store?,
        // Another process may hold the store's lock for long.
        () = signals.next() => {
            Line::info("stopped before the store was opened").emit();
            return Ok(());
        }
    };
    if store.journal_is_pending() {
        bail!(
            "the journal of the store holds changes that were not applied, because its registry was \
             killed or still runs: start a registry once that is not read-only \
             (storage.maintenance.readonly) and stop it"
        );
    }
    let health = checks::register(&config.health, &store)?;
    let (notifier, deliveries) = notifier(config, endpoints, &families)?;
    Line::info("redis not configured").emit();
    let (stop, stopping) = watch::channel(());
    let purge = start_purge(config, &store, stopping.clone());
    if config.storage.redirect.disable {
        Line::info("backend redirection disabled").emit();
    }
    Line::info("using openshift blob descriptor cache").emit();

    let registry = Registry::new(RegistryParts {
        store: store.clone(),
        authorizer,
        settings,
        metrics: Arc::clone(&families),
        health: health.clone(),
        notifier,
        schema1_key,
    });
    let readiness = registry.readiness();
    let stop_delay = config.berth.stop_delay;
    let mut server = Server::new(registry, settings::engine(config));
    metrics::show(&families, &store, &server.handle());
    for listener in listeners {
        announce(config, &listener, tls.is_some());
        server = server.listen(listener, tls.clone());
    }
    let debug =
        debug_listener.map(|listener| start_debug(config, listener, health, families, stopping));

    let drained = server
        .serve(async move {
            signals.next().await;
            readiness.fail();
            tokio::select! {
                () = tokio::time::sleep(stop_delay) => {}
                // A second signal does not wait.
                () = signals.next() => {}
            }
            Line::info("shutting down image registry server").emit();
        })
        .await;
    drop(stop);
    if let Some(purge) = purge {
        let _ = purge.await;
    }
    for delivery in deliveries {
        // Bounded: what is not delivered by then waits on disk for the next start.
        let _ = tokio::time::timeout(Duration::from_secs(1), delivery).await;
    }
    if let Some(debug) = debug {
        debug.abort();
    }
    store.close().await;
    if drained.cut > 0 {
        bail!(
            "{} connections were still at work after {} (http.draintimeout) and were cut",
            drained.cut,
            go_duration(config.http.drain_timeout)
        );
    }
    Ok(())
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn listeners(config: &Config, inherited: Vec<httpd::Inherited>) -> Result<Vec<Listener>> {
    if !inherited.is_empty() {
        return Ok(inherited.into_iter().map(|socket| socket.listener).collect());
    }
    let address = &config.http.addr;
    Ok(vec![match config.http.net {
        Network::Tcp => Listener::tcp(address).context("http.addr")?,
        Network::Unix => Listener::unix(address.as_ref()).context("http.addr")?,
    }])
}

/// The line that tells where the registry is; with port 0 the port that was chosen.
fn announce(config: &Config, listener: &Listener, tls: bool) {
    let address = shown(&config.http.addr, listener);
    Line::info(format!("listening on {address}{}", if tls { ", tls" } else { "" })).emit();
}

fn shown(configured: &str, listener: &Listener) -> String {
    match listener.local_addr() {
        Some(bound) if !configured.ends_with(&format!(":{}", bound.port())) => bound.to_string(),
        _ => configured.to_owned(),
    }
}

fn notifier(
    config: &Config,
    endpoints: Vec<EndpointSettings>,
    families: &RegistryMetrics,
) -> Result<(Option<Arc<Notifier>>, registry::Deliveries)> {
    if endpoints.is_empty() {
        return Ok((None, Vec::new()));
    }
    let parts = NotifierParts {
        endpoints,
        directory: store::private_directory(config).map(|berth| berth.join("notifications")),
        backlog_bytes: config.berth.notifications.queue_bytes.bytes(),
        include_references: config.notifications.events.include_references,
        source: source_address(config),
        tls: Arc::new(registry::client_tls()?),
    };
    let (notifier, deliveries) = Notifier::start(parts, &families.own)?;
    Ok((Some(Arc::new(notifier)), deliveries))
}

/// `source.addr` of events: host name and port.
fn source_address(config: &Config) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let port = config.http.addr.rsplit_once(':').map_or("", |(_, port)| port);
    format!("{}:{port}", host.trim())
}

/// Purges abandoned uploads now and then (registry.md 5.7): first after a random part of an hour,
/// so that replicas do not all walk at once.
fn start_purge(
    config: &Config,
    store: &BlobStore,
    mut stopping: watch::Receiver<()>,
) -> Option<tokio::task::JoinHandle<()>> {
    let purging = config.storage.maintenance.upload_purging.clone();
    if !purging.enabled || config.storage.maintenance.read_only.enabled {
        return None;
    }
    let store = store.clone();
    let minutes = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) % 60;
    let mut pause = Duration::from_secs(60 * minutes);
    Some(tokio::spawn(async move {
        loop {
            Line::info(format!("Starting upload purge in {}", go_duration(pause))).emit();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopping.changed() => return,
            }
            let run = maintenance::purge(&store, purging.age, SystemTime::now(), purging.dry_run);
            tokio::select! {
                () = run => {}
                _ = stopping.changed() => return,
            }
            pause = purging.interval;
        }
    }))
}

fn debug_listener(config: &Config) -> Result<Option<Listener>> {
    let address = config.http.debug.addr.as_deref();
    address.map(|address| Listener::tcp(address).context("http.debug.addr")).transpose()
}

fn start_debug(
    config: &Config,
    listener: Listener,
    health: telemetry::health::Health,
    metrics: Arc<RegistryMetrics>,
    mut stopping: watch::Receiver<()>,
) -> tokio::task::JoinHandle<()> {
    let prometheus = &config.http.debug.prometheus;
    let service = debug::Debug {
        health,
        metrics,
        metrics_path: prometheus.enabled.then(|| prometheus.path.clone()),
    };
    if let Some(address) = &config.http.debug.addr {
        Line::info(format!("debug server listening on {}", shown(address, &listener))).emit();
    }
    let limits = httpd::Limits {
        connections: DEBUG_CONNECTIONS,
        drain: Duration::ZERO,
        ..httpd::Limits::default()
    };
    let server = Server::new(service, limits).listen(listener, None);
    tokio::spawn(async move {
        server
            .serve(async move {
                let _ = stopping.changed().await;
            })
            .await;
    })
}
