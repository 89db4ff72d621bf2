// SPDX-License-Identifier: Apache-2.0
//! Calls to etcd: where it is, how long to wait, and what its failures mean.

use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::wire::{
    CompactionRequest, CompactionResponse, LeaseGrantRequest, LeaseGrantResponse, RangeRequest,
    RangeResponse, StatusRequest, StatusResponse, TxnRequest, TxnResponse, WatchRequest,
    WatchResponse,
};
use crate::{Error, Revision};

/// The largest answer taken: a page of the largest values that etcd takes, see `PAGE` of the store.
const ANSWER_LIMIT: usize = 512 << 20;
/// Between two tries of a read.
const PAUSE: Duration = Duration::from_millis(50);

/// Where etcd is and how it is used.
#[derive(Clone)]
pub struct Config {
    /// `http://host:port` or `https://host:port`, one for each member.
    pub endpoints: Vec<String>,
    /// Before every key, for example `/registry`.
    pub prefix: String,
    /// For `https`.
    pub tls: Option<Tls>,
    /// The largest value that is sent; etcd refuses requests beyond its `--max-request-bytes` (1.5 MiB).
    pub value_limit: usize,
    /// How long one operation may take; after that its outcome is unknown.
    pub timeout: Duration,
    /// For how long a watch tries to reach etcd again before it ends.
    pub watch_patience: Duration,
}

/// Certificates as PEM.
#[derive(Clone)]
pub struct Tls {
    /// Who signed the servers' certificates.
    pub ca: Vec<u8>,
    /// Our certificate and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name that the servers' certificates bear, if it is not the endpoints'.
    pub server_name: Option<String>,
}

impl Config {
    /// Those endpoints, everything else as usual.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            prefix: String::new(),
            tls: None,
            value_limit: (3 << 20) / 2,
            timeout: Duration::from_secs(5),
            watch_patience: Duration::from_secs(60),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Config")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// A connection to whichever member answers.
#[derive(Clone)]
pub(super) struct Client {
    channel: Channel,
    timeout: Duration,
}

impl Client {
    /// Connects when it is first used, and again whenever it must.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let unusable = |error: tonic::transport::Error| {
            Error::Failed(format!("etcd endpoint cannot be used: {error}"))
        };
        let mut endpoints = Vec::new();
        for uri in &config.endpoints {
            let mut endpoint = Endpoint::from_shared(uri.clone())
                .map_err(unusable)?
                .connect_timeout(config.timeout / 2)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(Duration::from_secs(10))
                .keep_alive_timeout(Duration::from_secs(5))
                .keep_alive_while_idle(true);
            if let Some(tls) = &config.tls {
                endpoint = endpoint.tls_config(tls_config(tls)).map_err(unusable)?;
            }
            endpoints.push(endpoint);
        }
        let channel = match endpoints.len() {
            0 => return Err(Error::Failed("no etcd endpoint is configured".to_owned())),
            1 => endpoints.remove(0).connect_lazy(),
            _ => Channel::balance_list(endpoints.into_iter()),
        };
        Ok(Self { channel, timeout: config.timeout })
    }

    pub async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Status> {
        self.read("/etcdserverpb.KV/Range", request).await
    }

    pub async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Status> {
        self.once("/etcdserverpb.KV/Txn", request).await
    }

    pub async fn compact(&self, revision: i64) -> Result<CompactionResponse, Status> {
        self.once("/etcdserverpb.KV/Compact", CompactionRequest { revision }).await
    }

    pub async fn grant(&self, ttl: i64) -> Result<LeaseGrantResponse, Status> {
        self.read("/etcdserverpb.Lease/LeaseGrant", LeaseGrantRequest { ttl }).await
    }

    pub async fn status(&self) -> Result<StatusResponse, Status> {
        self.read("/etcdserverpb.Maintenance/Status", StatusRequest {}).await
    }

    /// A stream of watch requests and answers.
    pub async fn watch(
        &self,
        requests: mpsc::Receiver<WatchRequest>,
    ) -> Result<Streaming<WatchResponse>, Status> {
        let requests = futures_util::stream::unfold(requests, |mut requests| async move {
            requests.recv().await.map(|request| (request, requests))
        });
        let mut request = Request::new(requests);
        // A member that lost its leader ends the stream instead of being silent.
        request
            .metadata_mut()
            .insert("hasleader", tonic::metadata::MetadataValue::from_static("true"));
        let open = async {
            let mut grpc = self.grpc();
            ready(&mut grpc).await?;
            let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
            grpc.streaming(request, path, ProstCodec::<WatchRequest, WatchResponse>::default())
                .await
        };
        self.in_time(open).await.map(tonic::Response::into_inner)
    }

    /// The next message, which must come in time.
    pub async fn message(
        &self,
        stream: &mut Streaming<WatchResponse>,
    ) -> Result<WatchResponse, Status> {
        let ended = || Status::unavailable("the watch's stream ended");
        self.in_time(async { stream.message().await?.ok_or_else(ended) }).await
    }

    fn grpc(&self) -> Grpc<Channel> {
        Grpc::new(self.channel.clone()).max_decoding_message_size(ANSWER_LIMIT)
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let late = || Status::deadline_exceeded("etcd did not answer in time");
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| Err(late()))
    }

    async fn unary<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = self.grpc();
        ready(&mut grpc).await?;
        let path = PathAndQuery::from_static(path);
        let answer = grpc.unary(Request::new(request), path, ProstCodec::<Q, A>::default()).await?;
        Ok(answer.into_inner())
    }

    /// What may change something is sent once: a second time it might be done twice. A member that was not even
    /// connected to is no such time.
    async fn once<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.until(path, request, never_sent).await
    }

    /// What changes nothing that matters is tried until the time is over.
    async fn read<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.until(path, request, away).await
    }

    /// Tries while the failure is of that kind and the time is not over; the last failure counts.
    async fn until<Q, A>(
        &self,
        path: &'static str,
        request: Q,
        again: fn(&Status) -> bool,
    ) -> Result<A, Status>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut last = None;
        let tries = async {
            loop {
                match self.unary(path, request.clone()).await {
                    Err(status) if again(&status) => last = Some(status),
                    other => return other,
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        match self.in_time(tries).await {
            Err(status) if status.code() == Code::DeadlineExceeded => Err(last.unwrap_or(status)),
            other => other,
        }
    }
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))
}

fn tls_config(tls: &Tls) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca));
    if let Some((certificate, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    if let Some(name) = &tls.server_name {
        config = config.domain_name(name);
    }
    config
}

/// There was no connection to send the request on.
fn never_sent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The connection, not the request, is what failed.
fn away(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown)
}

/// What a failure means. etcd's own are told apart by their text (`api/v3rpc/rpctypes`), its codes are too coarse.
pub(super) fn meaning(status: &Status, size: usize, limit: usize) -> Error {
    let text = status.message();
    if text.contains("database space exceeded") {
        Error::Full(text.to_owned())
    } else if text.contains("request is too large") || text.contains("larger than max") {
        Error::TooLarge { size, limit }
    } else {
        Error::Unavailable(if text.is_empty() {
            status.code().to_string()
        } else {
            text.to_owned()
        })
    }
}

pub(super) fn is_compacted(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("has been compacted")
}

pub(super) fn is_future(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("future revision")
}

pub(super) fn signed(revision: Revision) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(revision: i64) -> Revision {
    Revision::try_from(revision).unwrap_or(0)
}
