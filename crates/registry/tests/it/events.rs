// SPDX-License-Identifier: Apache-2.0
//! Notifications, from a request to an endpoint (registry.md 6.9).

use std::sync::Arc;

use ports::Secret;
use registry::{EndpointSettings, Notifier, NotifierParts, Settings, auth::Open};
use telemetry::clock::MonotonicClock;
use telemetry::families::{BuildInfo, RegistryMetrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::{Client, parts, sha256};

/// Takes `count` events, one POST each.
async fn collect(listener: TcpListener, count: usize) -> Vec<serde_json::Value> {
    let mut events = Vec::new();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    while events.len() < count {
        let text = String::from_utf8_lossy(&seen).into_owned();
        let body = text.find("\r\n\r\n").map(|at| at + 4);
        let length = text
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<usize>().ok());
        match (body, length) {
            (Some(body), Some(length)) if seen.len() >= body + length => {
                let json: serde_json::Value =
                    serde_json::from_slice(&seen[body..body + length]).unwrap();
                events.push(json["events"][0].clone());
                seen.drain(..body + length);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
            _ => assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{text}"),
        }
    }
    events
}

fn notifier(
    url: String,
    directory: Option<std::path::PathBuf>,
) -> (Notifier, registry::Deliveries) {
    let mut endpoint = EndpointSettings::new("test", url);
    endpoint.ignored_actions.push("delete".into());
    endpoint.timeout = std::time::Duration::from_secs(20);
    let clock = MonotonicClock::shared();
    let metrics = RegistryMetrics::new(&BuildInfo::default(), false, &clock).unwrap();
    let parts = NotifierParts {
        endpoints: vec![endpoint],
        directory,
        backlog_bytes: 1 << 20,
        include_references: false,
        source: "registry.test:5000".into(),
        tls: Arc::new(registry::client_tls().unwrap()),
    };
    Notifier::start(parts, &metrics.own).unwrap()
}

async fn client(notifier: Notifier) -> Client {
    let settings = Settings::new(Secret::new("secret"));
    let mut parts = parts(settings, Arc::new(Open)).await;
    parts.notifier = Some(Arc::new(notifier));
    Client::of(parts)
}

#[tokio::test]
async fn what_happens_is_told_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    let (notifier, _deliveries) = notifier(url, None);
    let client = client(notifier).await;
    let manifest = client.push_image("a/b", "v1").await;
    let accept = [("accept", "*/*")];
    let get = client.send("GET", "/v2/a/b/manifests/v1", &accept, "").await.expect(200);
    client.send("DELETE", "/v2/a/b/manifests/v1", &[], "").await.expect(202);
    let mount = format!("/v2/c/d/blobs/uploads/?mount={}&from=a/b", sha256(b"layer"));
    client.send("POST", &mount, &[], "").await.expect(201);
    client.get("/v2/a/b/manifests/none").await.expect(404);

    let events = collect(listener, 5).await;
    let actions: Vec<_> = events.iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["push", "push", "push", "pull", "mount"]);
    let pushed = &events[2]["target"];
    assert_eq!(pushed["digest"], sha256(manifest.as_bytes()));
    assert_eq!(pushed["repository"], "a/b");
    assert_eq!(pushed["tag"], "v1");
    assert_eq!(events[3]["request"]["id"], get.header("x-request-id"));
    assert_eq!(events[4]["target"]["fromRepository"], "a/b");
}

#[tokio::test]
async fn events_of_an_endpoint_that_was_away_come_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    // Nobody listens on a port that was just given back.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let path = Some(directory.path().to_owned());
    let (first, deliveries) = notifier(format!("http://{gone}/"), path.clone());
    let client = client(first).await;
    client.push_blob("a/b", b"x").await;
    drop(client);
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (_second, _deliveries) = notifier(url, path);
    let events = collect(listener, 1).await;
    assert_eq!(events[0]["target"]["digest"], sha256(b"x"));
}
