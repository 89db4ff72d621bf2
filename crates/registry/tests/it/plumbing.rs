// SPDX-License-Identifier: Apache-2.0
//! What is not a registry operation: probes, redirects, names, limits, addresses, logs.

use std::sync::Arc;

use ports::Secret;
use registry::{QueueSettings, Settings, auth::Open};
use telemetry::log::{Capture, LogConfig};

use crate::client::Client;

async fn with(change: impl FnOnce(&mut Settings)) -> Client {
    let mut settings = Settings::new(Secret::new("secret"));
    change(&mut settings);
    Client::with(settings, Arc::new(Open)).await
}

#[tokio::test]
async fn probes_have_no_registry_header() {
    let client = Client::open().await;
    for (method, target) in [("GET", "/healthz"), ("POST", "/healthz"), ("FOO", "/")] {
        let answer = client.send(method, target, &[], "").await.expect(200);
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert!(answer.body.is_empty());
        assert!(!answer.headers.contains_key("docker-distribution-api-version"));
    }
    client.get("/healthz/").await.expect(404);
}

#[tokio::test]
async fn while_a_check_fails_every_path_is_503_with_the_reason() {
    let client = Client::open().await;
    client.health.report("storage", Err("the volume is gone".into()));
    for target in ["/", "/healthz", "/v2/", "/foo"] {
        let answer = client.get(target).await.expect_error(503, "UNAVAILABLE");
        assert!(answer.error().1.as_str().unwrap().contains("the volume is gone"));
    }
    client.health.report("storage", Ok(()));
    client.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn ping_and_pages() {
    let client = Client::open().await;
    for method in ["GET", "HEAD", "POST", "FOO"] {
        let answer = client.send(method, "/v2/", &[], "").await.expect(200);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    }
    let answer = client.get("/v2/foo").await.expect(404);
    assert_eq!(answer.body, b"404 page not found\n");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let answer = client.get("/v2?x=1").await.expect(301);
    assert_eq!(answer.header("location"), "/v2/?x=1");
    let answer = client.get("/v2/a/b/tags/list/").await.expect(301);
    assert_eq!(answer.header("location"), "/v2/a/b/tags/list");
    assert_eq!(answer.body, b"<a href=\"/v2/a/b/tags/list\">Moved Permanently</a>.\n\n");
}

#[tokio::test]
async fn names_and_paths_cannot_escape() {
    let client = Client::open().await;
    for name in ["..", "a/../b", "a%2fb", "%2e%2e/a", "UP/app", "a/UP", "a//b", "ü", "a%00b"] {
        let answer = client.get(&format!("/v2/{name}/tags/list")).await;
        let detail = answer.expect_error(400, "NAME_INVALID").error().1;
        assert!(detail.as_str().unwrap().contains("not a repository name"), "{detail}");
    }
    let longest = "n".repeat(255);
    client.get(&format!("/v2/{longest}/tags/list")).await.expect_error(404, "NAME_UNKNOWN");
    let longer = "n".repeat(256);
    client.get(&format!("/v2/{longer}/tags/list")).await.expect_error(400, "NAME_INVALID");
}

#[tokio::test]
async fn addresses_in_answers() {
    let start = |client: Client| async move {
        let answer = client.send("POST", &client_target(&client), &[], "").await.expect(202);
        answer.header("location").split("/v2/").next().unwrap().to_owned()
    };
    fn client_target(_: &Client) -> String {
        "/v2/a/blobs/uploads/".to_owned()
    }
    assert_eq!(start(with(|_| {}).await).await, "http://registry.test:5000");
    assert_eq!(start(with(|s| s.relative_urls = true).await).await, "");
    let host = with(|s| s.public_url = Some("https://r.example".into())).await;
    assert_eq!(start(host).await, "https://r.example");
    let prefixed = with(|s| s.prefix = "/reg".into()).await;
    let answer = prefixed.send("POST", "/reg/v2/a/blobs/uploads/", &[], "").await.expect(202);
    assert!(answer.header("location").starts_with("http://registry.test:5000/reg/v2/a/"));
    prefixed.get("/v2/").await.expect(404);
}

#[tokio::test]
async fn extra_headers_and_the_proxied_namespace() {
    let client = with(|s| {
        s.extra_headers.push((
            http::header::STRICT_TRANSPORT_SECURITY,
            http::HeaderValue::from_static("max-age=1"),
        ));
    })
    .await;
    let answer = client.get("/v2/?ns=docker.io").await.expect(200);
    assert_eq!(answer.header("strict-transport-security"), "max-age=1");
    assert_eq!(answer.header("oci-namespace"), "docker.io");
}

#[tokio::test]
async fn limits_are_429_with_retry_after() {
    let client = with(|s| s.limits.uploads_per_identity = 0).await;
    let answer = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await;
    let answer = answer.expect_error(429, "TOOMANYREQUESTS");
    assert_eq!(answer.header("retry-after"), "1");

    // One slot, which a request gives back when its answer was sent.
    let one = QueueSettings { max_running: 1, ..QueueSettings::default() };
    let client = with(|s| s.limits.read = one).await;
    for _ in 0..3 {
        client.get("/v2/").await.expect(200);
    }
}

/// Runs one request and returns the log.
async fn logged(client: &Client, method: &str, target: &str) -> Vec<String> {
    let capture = Capture::new();
    let scope = capture.scope(&LogConfig::default());
    client.send(method, target, &[("user-agent", "test/1")], "").await;
    drop(scope);
    capture.lines()
}

#[tokio::test]
async fn a_request_is_logged_with_one_id() {
    let client = Client::open().await;
    let lines = logged(&client, "GET", "/v2/a/b/manifests/none").await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("msg=\"authorized request\""));
    assert!(lines[0].contains("openshift.auth.user=anonymous"));
    assert!(lines[0].contains("vars.name=a/b vars.reference=none"));
    assert!(lines[1].contains("level=error msg=\"response completed with error\""));
    assert!(lines[1].contains("err.code=\"name unknown\""));
    assert!(lines[2].contains("level=info msg=response "));
    assert!(lines[2].contains("http.response.status=404"));
    assert!(lines[2].contains("http.request.useragent=test/1"));
    let id = |line: &str| {
        let at = line.find("http.request.id=").unwrap() + 16;
        line[at..at + 36].to_owned()
    };
    assert!(lines.iter().all(|line| id(line) == id(&lines[0])));

    let lines = logged(&client, "GET", "/v2/").await;
    assert!(lines[1].contains("level=info msg=\"response completed\""), "{lines:#?}");
    let lines = logged(&client, "HEAD", "/v2/a/b/manifests/none").await;
    assert!(lines[1].contains("level=info msg=\"response completed with error\""), "{lines:#?}");
}

#[tokio::test]
async fn states_of_uploads_are_not_logged() {
    let client = Client::open().await;
    let started = client.send("POST", "/v2/a/b/blobs/uploads/", &[], "").await.expect(202);
    let state = started.location();
    let secret = state.split_once("_state=").unwrap().1;
    let lines = logged(&client, "GET", &state).await;
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|line| !line.contains(&secret[..40])), "{lines:#?}");
}

#[tokio::test]
async fn the_access_log_can_be_off() {
    let client = with(|s| s.access_log = false).await;
    let lines = logged(&client, "GET", "/v2/").await;
    assert!(lines.iter().all(|line| !line.contains("msg=response ")), "{lines:#?}");
}

#[tokio::test]
async fn readiness_fails_while_everything_else_is_served() {
    let client = Client::open().await;
    client.get("/healthz").await.expect(200);
    client.registry.readiness().fail();
    client.get("/healthz").await.expect(503);
    client.get("/").await.expect(503);
    client.get("/v2/").await.expect(200);
}
