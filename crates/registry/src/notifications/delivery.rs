// SPDX-License-Identifier: Apache-2.0
//! The task of one endpoint: takes events in, posts them in order, and leaves an endpoint that
//! fails alone for longer and longer. What waits is synced within [`SYNC_AFTER`].

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use telemetry::families::QueueMetrics;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};

use super::backlog::Backlog;
use super::client::{Client, DeliveryError};
use crate::settings::EndpointSettings;

/// Longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// Pause after a failure below the threshold.
const SHORT_PAUSE: Duration = Duration::from_millis(100);

/// Events taken from the channel at once.
const BATCH: usize = 256;

/// Longest time from an event's arrival here to the start of the sync that keeps it through a loss
/// of power. Events that are delivered sooner cost no sync.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// A try in progress.
type Attempt = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

pub(super) struct Delivery {
    settings: EndpointSettings,
    /// Used by one try at a time.
    client: Arc<Mutex<Client>>,
    backlog: Backlog,
    metrics: QueueMetrics,
    /// Failures since the last success.
    failures: u32,
}

/// What comes of a failed delivery.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Try again after this pause.
    Retry(Duration),
    /// The endpoint will never take this event.
    GiveUp,
}

impl Delivery {
    pub(super) fn new(
        settings: EndpointSettings,
        client: Client,
        backlog: Backlog,
        metrics: QueueMetrics,
    ) -> Self {
        metrics.length(backlog.len());
        Self { settings, client: Arc::new(Mutex::new(client)), backlog, metrics, failures: 0 }
    }

    /// Runs until the notifier is dropped; by then every event is in the backlog.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Vec<u8>>) -> Synced {
        let mut batch = Vec::with_capacity(BATCH);
        let mut not_before = Instant::now();
        let mut attempt: Option<Attempt> = None;
        let mut sync_at: Option<Instant> = None;
        let mut sync: Option<JoinHandle<()>> = None;
        let mut syncs = 0;
        loop {
            tokio::select! {
                // New events first: the channel is the part that is lost in a crash.
                biased;
                count = events.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    self.keep(std::mem::take(&mut batch));
                    sync_at.get_or_insert_with(|| Instant::now() + SYNC_AFTER);
                }
                () = reached(sync_at), if sync.is_none() => {
                    sync_at = None;
                    sync = self.start_sync();
                    syncs += u64::from(sync.is_some());
                }
                () = ended(&mut sync) => sync = None,
                sent = tried(&mut attempt) => {
                    attempt = None;
                    not_before = Instant::now() + self.settle(sent).await;
                }
                () = sleep_until(not_before), if attempt.is_none() && self.backlog.len() > 0 => {
                    match self.first() {
                        Some(event) => attempt = Some(self.attempt(event)),
                        None => not_before = Instant::now() + SHORT_PAUSE,
                    }
                }
            }
        }
        if attempt.is_some() {
            let sent = tried(&mut attempt).await;
            self.settle(sent).await;
        }
        if let Some(sync) = sync {
            let _ = sync.await;
        }
        if let Some(sync) = self.start_sync() {
            let _ = sync.await;
        }
        Synced(syncs)
    }

    /// Starts the sync of what waits, if anything does.
    fn start_sync(&mut self) -> Option<JoinHandle<()>> {
        let sync = self.backlog.unsynced()?;
        let name = self.settings.name.clone();
        Some(spawn_blocking(move || {
            if let Err(error) = sync.run() {
                tracing::error!("notification endpoint {name}: backlog: {error}");
            }
        }))
    }

    /// One try.
    fn attempt(&self, event: Vec<u8>) -> Attempt {
        let (client, limit) = (Arc::clone(&self.client), self.settings.timeout);
        Box::pin(async move {
            let mut client = client.lock().await;
            let sent = timeout(limit, client.post(event.into())).await;
            sent.unwrap_or(Err(DeliveryError::TimedOut))
        })
    }

    /// What comes of a try: the pause before the next.
    async fn settle(&mut self, sent: Result<(), DeliveryError>) -> Duration {
        let Err(error) = sent else {
            self.failures = 0;
            return self.forget().await;
        };
        self.failures = self.failures.saturating_add(1);
        let name = &self.settings.name;
        match self.next(&error) {
            Next::GiveUp => {
                tracing::error!("notification endpoint {name} refuses an event: {error}");
                self.metrics.dropped(1);
                self.failures = 0;
                self.forget().await
            }
            Next::Retry(pause) => {
                if self.failures == self.settings.threshold.max(1) {
                    let cause = std::error::Error::source(&error);
                    let cause = cause.map(|c| format!(": {c}")).unwrap_or_default();
                    tracing::warn!("notification endpoint {name} is backed off: {error}{cause}");
                }
                pause
            }
        }
    }

    /// Decides what comes after a failure.
    fn next(&self, error: &DeliveryError) -> Next {
        let threshold = self.settings.threshold.max(1);
        if self.failures < threshold {
            return Next::Retry(SHORT_PAUSE.min(self.settings.backoff));
        }
        // Content that is refused for what it is will be refused for ever; everything else may
        // mend (credentials, deployments, load).
        if let DeliveryError::Status(
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY,
        ) = error
        {
            return Next::GiveUp;
        }
        let doublings = (self.failures - threshold).min(16);
        Next::Retry(self.settings.backoff.saturating_mul(1 << doublings).min(MAX_PAUSE))
    }

    fn keep(&mut self, events: Vec<Vec<u8>>) {
        let count = events.len() as u64;
        let lost = self.backlog.append(events).unwrap_or_else(|error| {
            tracing::error!("notification endpoint {}: backlog: {error}", self.settings.name);
            count
        });
        if lost > 0 {
            self.metrics.dropped(lost);
        }
        self.metrics.length(self.backlog.len());
    }

    fn first(&self) -> Option<Vec<u8>> {
        self.backlog.first().unwrap_or_else(|error| {
            tracing::error!("notification endpoint {}: backlog: {error}", self.settings.name);
            None
        })
    }

    async fn forget(&mut self) -> Duration {
        let mut forgotten = self.backlog.delivered();
        if forgotten.is_ok() {
            forgotten = self.compact().await;
        }
        self.metrics.length(self.backlog.len());
        match forgotten {
            Ok(()) => Duration::ZERO,
            Err(error) => {
                tracing::error!("notification endpoint {}: backlog: {error}", self.settings.name);
                SHORT_PAUSE
            }
        }
    }

    /// Gives space back when much is delivered.
    async fn compact(&mut self) -> std::io::Result<()> {
        let Some(compaction) = self.backlog.compaction() else { return Ok(()) };
        let done = spawn_blocking(move || compaction.run()).await;
        self.backlog.compacted(done.map_err(std::io::Error::other)??);
        Ok(())
    }
}

/// How often a backlog was synced while its endpoint was served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Synced(u64);

/// Until a moment; for ever if there is none.
async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Until a sync ends; for ever if none runs.
async fn ended(sync: &mut Option<JoinHandle<()>>) {
    match sync {
        // The sync reports its own failure.
        Some(sync) => drop(sync.await),
        None => std::future::pending().await,
    }
}

/// Until a try ends; for ever if there is none.
async fn tried(attempt: &mut Option<Attempt>) -> Result<(), DeliveryError> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::clock::MonotonicClock;
    use telemetry::families::{BuildInfo, RegistryMetrics};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn tls() -> Arc<rustls::ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Arc::new(
            rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
        )
    }

    fn delivery(url: &str) -> Delivery {
        let settings = EndpointSettings { threshold: 3, ..EndpointSettings::new("e", url) };
        let client = Client::new(&settings, tls()).unwrap();
        let metrics =
            RegistryMetrics::new(&BuildInfo::default(), false, &MonotonicClock::shared()).unwrap();
        let queue = metrics.own.notifications("e");
        Delivery::new(settings, client, Backlog::memory(1 << 20), queue)
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut delivery = delivery("http://h/");
        let busy = DeliveryError::Status(StatusCode::SERVICE_UNAVAILABLE);
        let pauses: Vec<_> = [1, 2, 3, 4, 5, 100]
            .into_iter()
            .map(|failures| {
                delivery.failures = failures;
                match delivery.next(&busy) {
                    Next::Retry(pause) => pause.as_millis(),
                    Next::GiveUp => panic!("busy endpoints are asked again"),
                }
            })
            .collect();
        assert_eq!(pauses, [100, 100, 1000, 2000, 4000, 300_000]);
        let refused = DeliveryError::Status(StatusCode::BAD_REQUEST);
        assert_eq!(delivery.next(&refused), Next::GiveUp);
        delivery.failures = 1;
        assert_ne!(delivery.next(&refused), Next::GiveUp);
    }

    /// Answers each request with the next status of the list and returns the bodies.
    async fn endpoint(listener: TcpListener, answers: &[u16]) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        let mut answers = answers.iter();
        'connections: loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            loop {
                let end = loop {
                    if let Some(at) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                        break at + 4;
                    }
                    if stream.read_buf(&mut seen).await.unwrap() == 0 {
                        continue 'connections;
                    }
                };
                let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
                assert!(head.starts_with("post /hook http/1.1\r\n"), "{head}");
                assert!(head.contains("distribution.events.v1+json"), "{head}");
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                while seen.len() < end + length {
                    assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
                }
                bodies.push(seen[end..end + length].to_vec());
                seen.drain(..end + length);
                let status = answers.next().unwrap();
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answers.len() == 0 {
                    return bodies;
                }
            }
        }
    }

    #[tokio::test]
    async fn events_arrive_in_order_and_again_after_a_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let mut delivery = delivery(&url);
        delivery.settings.backoff = Duration::from_millis(1);
        delivery.backlog.append(vec![b"one".to_vec()]).unwrap();
        let (sender, receiver) = mpsc::channel(8);
        sender.send(b"two".to_vec()).await.unwrap();
        let task = tokio::spawn(delivery.run(receiver));
        let bodies = endpoint(listener, &[500, 503, 200, 302]).await;
        assert_eq!(bodies, [b"one".to_vec(), b"one".to_vec(), b"one".to_vec(), b"two".to_vec()]);
        drop(sender);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_an_endpoint_that_fails_is_synced_meanwhile() {
        let place = tempfile::tempdir().unwrap();
        // Nobody listens there.
        let mut delivery = delivery("http://127.0.0.1:1/");
        delivery.backlog = Backlog::open(place.path(), 1 << 20).unwrap();
        let (sender, receiver) = mpsc::channel(8);
        let task = tokio::spawn(delivery.run(receiver));
        for event in [b"one", b"two"] {
            sender.send(event.to_vec()).await.unwrap();
            tokio::time::sleep(2 * SYNC_AFTER).await;
        }
        drop(sender);
        assert_eq!(task.await.unwrap(), Synced(2));
        assert_eq!(Backlog::open(place.path(), 1 << 20).unwrap().len(), 2);
    }

    #[test]
    fn addresses_are_checked() {
        let of = |url: &str| Client::new(&EndpointSettings::new("e", url), tls()).err();
        assert_eq!(of("https://h:8443/p?q=1"), None);
        assert_eq!(of("http://[::1]:1/"), None);
        for bad in ["", "h", "ftp://h/", "http://u:p@h/"] {
            assert!(of(bad).is_some(), "{bad}");
        }
    }
}
