// SPDX-License-Identifier: Apache-2.0
//! The task of one endpoint: takes events in, posts them in order, and leaves an endpoint that
//! fails alone for longer and longer.

use std::time::Duration;

use http::StatusCode;
use telemetry::families::QueueMetrics;
use tokio::sync::mpsc;
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

pub(super) struct Delivery {
    settings: EndpointSettings,
    client: Client,
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
        Self { settings, client, backlog, metrics, failures: 0 }
    }

    /// Runs until the notifier is dropped; by then every event is in the backlog.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Vec<u8>>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut not_before = Instant::now();
        loop {
            let waiting = self.first();
            tokio::select! {
                // New events first: the channel is the part that is lost in a crash.
                biased;
                count = events.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.keep(std::mem::take(&mut batch));
                }
                () = sleep_until(not_before), if waiting.is_some() => {
                    let event = waiting.unwrap_or_default();
                    not_before = Instant::now() + self.deliver(event).await;
                }
            }
        }
    }

    /// One try. The answer is the pause before the next.
    async fn deliver(&mut self, event: Vec<u8>) -> Duration {
        let sent = timeout(self.settings.timeout, self.client.post(event.into())).await;
        let error = match sent.unwrap_or(Err(DeliveryError::TimedOut)) {
            Ok(()) => {
                self.failures = 0;
                return self.forget();
            }
            Err(error) => error,
        };
        self.failures = self.failures.saturating_add(1);
        let name = &self.settings.name;
        match self.next(&error) {
            Next::GiveUp => {
                tracing::error!("notification endpoint {name} refuses an event: {error}");
                self.metrics.dropped(1);
                self.failures = 0;
                self.forget()
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

    fn forget(&mut self) -> Duration {
        let forgotten = self.backlog.delivered();
        self.metrics.length(self.backlog.len());
        match forgotten {
            Ok(()) => Duration::ZERO,
            Err(error) => {
                tracing::error!("notification endpoint {}: backlog: {error}", self.settings.name);
                SHORT_PAUSE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
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
