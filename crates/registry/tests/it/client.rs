// SPDX-License-Identifier: Apache-2.0
//! A client without a network: builds heads and bodies, calls the service, reads replies.

use std::sync::Arc;
use std::time::Duration;

use blobstore::{Backend, BlobStore, Options};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use httpd::{Body, Head, Part, ReplyBody, Sent, Service, Target};
use oci::{Algorithm, Digest};
use ports::{Authorizer, Secret};
use registry::{Registry, RegistryParts, Settings, auth::Open};
use storage::memory::Memory;
use telemetry::clock::MonotonicClock;
use telemetry::families::{BuildInfo, RegistryMetrics};
use telemetry::health::Health;

/// A registry under test.
pub struct Client {
    pub registry: Registry,
    pub health: Health,
    /// Sent with every request.
    pub headers: HeaderMap,
}

/// An answer, its body read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }

    /// The code of the error and its detail.
    pub fn error(&self) -> (String, serde_json::Value) {
        let json = self.json();
        let error = &json["errors"][0];
        (error["code"].as_str().unwrap().to_owned(), error["detail"].clone())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let shown = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.status.as_u16(), status, "{shown}");
        self
    }

    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.error().0, code);
        answer
    }

    /// `Location` as a request target.
    pub fn location(&self) -> String {
        let location = self.header("location");
        match location.split_once("://") {
            Some((_, rest)) => rest[rest.find('/').unwrap()..].to_owned(),
            None => location.to_owned(),
        }
    }
}

/// The parts of a registry in memory.
pub async fn parts(settings: Settings, authorizer: Arc<dyn Authorizer>) -> RegistryParts {
    let driver = Arc::new(Memory::default());
    let store = BlobStore::open(Backend::Driver(driver), Options::default()).await.unwrap();
    let clock = MonotonicClock::shared();
    let metrics = RegistryMetrics::new(&BuildInfo::default(), false, &clock).unwrap();
    RegistryParts {
        store,
        authorizer,
        settings,
        metrics: Arc::new(metrics),
        health: Health::new(),
        notifier: None,
        schema1_key: None,
    }
}

pub fn sha256(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, content).to_string()
}

impl Client {
    pub async fn open() -> Self {
        Self::with(Settings::new(Secret::new("secret")), Arc::new(Open)).await
    }

    pub async fn with(settings: Settings, authorizer: Arc<dyn Authorizer>) -> Self {
        Self::of(parts(settings, authorizer).await)
    }

    pub fn of(parts: RegistryParts) -> Self {
        let health = parts.health.clone();
        Self { registry: Registry::new(parts), health, headers: HeaderMap::new() }
    }

    /// Sends a request and reads the answer.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut map = self.headers.clone();
        map.entry("host").or_insert(HeaderValue::from_static("registry.test:5000"));
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let head = Head {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            target: Target::new(target),
            version: Version::HTTP_11,
            headers: map,
            peer: ([127, 0, 0, 1], 4242).into(),
            tls: false,
            received: std::time::Instant::now(),
        };
        let mut body = Body::from_bytes(body);
        let (reply, exchange) = self.registry.call(&head, &mut body).await;
        let mut content = Vec::new();
        match reply.body {
            ReplyBody::Empty => {}
            ReplyBody::Bytes(bytes) => content.extend_from_slice(&bytes),
            ReplyBody::Parts(parts) => {
                for part in parts {
                    match part {
                        Part::Bytes(bytes) => content.extend_from_slice(&bytes),
                        Part::File(_) => panic!("the store is in memory"),
                    }
                }
            }
            ReplyBody::Stream(mut stream) => {
                while let Some(chunk) = stream.next().await {
                    content.extend_from_slice(&chunk.unwrap());
                }
            }
            ReplyBody::File(_) => panic!("the store is in memory"),
        }
        let sent = Sent {
            status: reply.status,
            written: content.len() as u64,
            duration: Duration::from_millis(1),
            complete: true,
        };
        self.registry.completed(&head, sent, exchange);
        if method == "HEAD" {
            // As the engine does.
            content.clear();
        }
        Answer { status: reply.status, headers: reply.headers, body: content }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], "").await
    }

    /// Uploads a blob in one POST.
    pub async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.send("POST", &target, &[], content.to_vec()).await.expect(201);
        digest
    }

    /// Puts a manifest.
    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        body: &str,
    ) -> Answer {
        let target = format!("/v2/{repository}/manifests/{reference}");
        self.send("PUT", &target, &[("content-type", media_type)], body.to_owned()).await
    }

    /// An OCI image of two small blobs under a tag; the manifest's text is returned.
    pub async fn push_image(&self, repository: &str, tag: &str) -> String {
        let manifest = image(&[b"layer"], "");
        self.push_blob(repository, b"{}").await;
        self.push_blob(repository, b"layer").await;
        self.put_manifest(repository, tag, OCI_MANIFEST, &manifest).await.expect(201);
        manifest
    }
}

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const SCHEMA2: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An OCI manifest with an empty configuration and these layers; `more` are further fields.
pub fn image(layers: &[&[u8]], more: &str) -> String {
    let layers: Vec<_> = layers
        .iter()
        .map(|l| descriptor("application/vnd.oci.image.layer.v1.tar", &sha256(l), l.len()))
        .collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", &sha256(b"{}"), 2);
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"config\":{config},\
         \"layers\":[{}]{more}}}",
        layers.join(",")
    )
}

pub fn descriptor(media_type: &str, digest: &str, size: usize) -> String {
    format!("{{\"mediaType\":\"{media_type}\",\"digest\":\"{digest}\",\"size\":{size}}}")
}
