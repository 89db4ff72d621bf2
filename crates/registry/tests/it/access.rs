// SPDX-License-Identifier: Apache-2.0
//! Who may do what: htpasswd, challenges, the metrics secret, and an authority that decides by
//! repository (registry.md 2).

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use ports::{
    Access, AuthError, Authorizer, Challenge, Credentials, Decision, Identity, Resource, Secret,
    Verb,
};
use registry::Settings;
use registry::auth::{Htpasswd, HtpasswdSettings};

use crate::client::{Client, sha256};

/// Everything that can be asked, by route.
fn requests() -> Vec<(&'static str, String)> {
    let digest = sha256(b"x");
    let mut all = Vec::new();
    for path in [
        "/v2/".to_owned(),
        "/v2/_catalog".into(),
        "/v2/a/b/tags/list".into(),
        "/v2/a/b/manifests/v1".into(),
        format!("/v2/a/b/manifests/{digest}"),
        format!("/v2/a/b/blobs/{digest}"),
        "/v2/a/b/blobs/notadigest".into(),
        "/v2/a/b/blobs/uploads/".into(),
        format!("/v2/a/b/blobs/uploads/?mount={digest}&from=c/d"),
        "/v2/a/b/blobs/uploads/u?_state=x".into(),
        format!("/v2/a/b/referrers/{digest}"),
        "/extensions/v2/metrics".into(),
        format!("/admin/blobs/{digest}"),
    ] {
        for method in ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "FOO"] {
            all.push((method, path.clone()));
        }
    }
    all
}

fn settings() -> Settings {
    Settings { metrics_enabled: true, ..Settings::new(Secret::new("secret")) }
}

async fn htpasswd() -> (tempfile::TempDir, Client) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let hash = bcrypt::hash("pw", 4).unwrap();
    std::fs::write(&path, format!("alice:{hash}\n")).unwrap();
    let users = Htpasswd::open(HtpasswdSettings::new(path, "my realm")).unwrap();
    (dir, Client::with(settings(), Arc::new(users)).await)
}

const ALICE: &str = "Basic YWxpY2U6cHc=";

#[tokio::test]
async fn without_credentials_every_route_is_401_with_a_challenge() {
    let (_dir, client) = htpasswd().await;
    for (method, target) in requests() {
        for credentials in ["", "Basic YWxpY2U6bm8=", "Basic !", "Bearer x", "Negotiate x"] {
            let headers = [("authorization", credentials)];
            let headers = if credentials.is_empty() { &headers[..0] } else { &headers[..] };
            let answer = client.send(method, &target, headers, "").await;
            assert_eq!(answer.status.as_u16(), 401, "{method} {target} {credentials}");
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"my realm\"");
        }
    }
    client.get("/healthz").await.expect(200);
    client.get("/").await.expect(200);
    client.get("/v2").await.expect(301);
    client.get("/foo").await.expect(404);
}

#[tokio::test]
async fn a_user_may_do_everything() {
    let (_dir, mut client) = htpasswd().await;
    client.headers.insert("authorization", HeaderValue::from_static(ALICE));
    assert_eq!(client.get("/v2/").await.expect(200).body, b"{}");
    client.push_image("a/b", "v1").await;
    client.get("/v2/_catalog").await.expect(200);
    client.send("DELETE", "/v2/a/b/manifests/v1", &[], "").await.expect(202);
    client.get("/extensions/v2/metrics").await.expect(200);
}

#[tokio::test]
async fn a_refusal_tells_what_would_be_needed() {
    let (_dir, client) = htpasswd().await;
    let ping = client.get("/v2/").await.expect(401);
    assert_eq!(
        String::from_utf8(ping.body).unwrap(),
        "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\
         \"detail\":null}]}\n"
    );
    let push = client.send("POST", "/v2/a/b/blobs/uploads/", &[], "").await.expect(401);
    let text = String::from_utf8(push.body).unwrap();
    let entry = |action: &str| {
        format!(
            "{{\"Type\":\"repository\",\"Class\":\"\",\"Name\":\"a/b\",\"Action\":\"{action}\"}}"
        )
    };
    assert!(text.contains(&format!("\"detail\":[{},{}]", entry("pull"), entry("push"))), "{text}");
}

#[tokio::test]
async fn the_metrics_secret_opens_the_metrics_and_nothing_else() {
    let settings = Settings { metrics_secret: Some(Secret::new("s3cret")), ..settings() };
    let client = Client::with(settings, Arc::new(registry::auth::Open)).await;
    for credentials in ["Bearer s3cret", "Basic dXNlcjpzM2NyZXQ="] {
        let headers = [("authorization", credentials)];
        let page = client.send("GET", "/extensions/v2/metrics", &headers, "").await.expect(200);
        assert_eq!(page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        assert!(page.body.starts_with(b"# HELP"));
        client.send("GET", "/v2/", &headers, "").await.expect(401);
    }
    client.get("/extensions/v2/metrics").await.expect(401);
    let other = [("authorization", "Bearer other")];
    client.send("GET", "/extensions/v2/metrics", &other, "").await.expect(401);
    client.get("/v2/").await.expect(200);
}

#[tokio::test]
async fn a_manifest_by_tag_counts_for_the_tag_service_too() {
    let client = Client::with(settings(), Arc::new(registry::auth::Open)).await;
    let kind = "application/vnd.oci.image.index.v1+json";
    let put = client.put_manifest("a/b", "v1", kind, r#"{"schemaVersion":2,"manifests":[]}"#).await;
    let digest = put.expect(201).header("docker-content-digest").to_owned();
    let accept = [("accept", kind)];
    for (method, reference) in [("GET", "v1"), ("GET", &digest), ("HEAD", "v1")] {
        let target = format!("/v2/a/b/manifests/{reference}");
        client.send(method, &target, &accept, "").await.expect(200);
    }
    client.send("DELETE", "/v2/a/b/manifests/v1", &[], "").await.expect(202);
    let page = client.get("/extensions/v2/metrics").await.expect(200);
    let page = String::from_utf8(page.body).unwrap();
    for (operation, count) in [
        ("TagService.Get", 2),
        ("TagService.Tag", 1),
        ("TagService.Untag", 1),
        ("ManifestService.Get", 3),
        ("ManifestService.Put", 1),
        ("ManifestService.Delete", 1),
    ] {
        let name = "imageregistry_request_duration_seconds_count";
        let line = format!("{name}{{operation=\"{operation}\"}} {count}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
}

#[tokio::test]
async fn metrics_that_are_off_are_not_there() {
    let client = Client::open().await;
    client.get("/extensions/v2/metrics").await.expect(404);
}

/// Users are names; `<name>/…` is theirs, `public/…` everybody may pull.
struct ByOwner;

#[async_trait]
impl Authorizer for ByOwner {
    async fn identify(&self, credentials: &Credentials) -> Result<Identity, AuthError> {
        match credentials {
            Credentials::Bearer(token) if token.expose() == "down" => {
                Err(AuthError::Unavailable("no route".into()))
            }
            Credentials::Bearer(token) => {
                let name = token.expose().into();
                Ok(Identity { name, uid: "".into(), authenticated: true })
            }
            _ => Err(AuthError::Required),
        }
    }

    async fn decide(
        &self,
        identity: &Identity,
        _credentials: &Credentials,
        wanted: &[Access],
    ) -> Result<Vec<Decision>, AuthError> {
        let may = |access: &Access| match &access.resource {
            Resource::Repository(name) => {
                let owner = name.as_str().split('/').next();
                owner == Some(&*identity.name)
                    || (owner == Some("public") && access.verb == Verb::Pull)
            }
            _ => false,
        };
        let decision = |yes| if yes { Decision::Allowed } else { Decision::Denied("no".into()) };
        Ok(wanted.iter().map(|access| decision(may(access))).collect())
    }

    fn challenge(&self, cause: &AuthError) -> Challenge {
        match cause {
            AuthError::Required => Challenge::Bearer { token_path: "/openshift/token".into() },
            _ => {
                Challenge::Basic { realm: "openshift".into(), error: Some("access denied".into()) }
            }
        }
    }
}

async fn by_owner(user: &str) -> Client {
    let mut client = Client::with(settings(), Arc::new(ByOwner)).await;
    client.headers.insert("authorization", format!("Bearer {user}").parse().unwrap());
    client
}

#[tokio::test]
async fn challenges_of_the_cluster() {
    let mut client = by_owner("alice").await;
    let answer = client.get("/v2/bob/app/tags/list").await.expect(401);
    assert_eq!(answer.header("www-authenticate"), "Basic realm=openshift,error=\"access denied\"");
    client.get("/v2/").await.expect(200);
    client.headers.clear();
    let answer = client.get("/v2/").await.expect(401);
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"http://registry.test:5000/openshift/token\""
    );
}

#[tokio::test]
async fn an_authority_that_is_away_is_503_and_never_a_no() {
    let client = by_owner("down").await;
    let answer = client.get("/v2/a/b/tags/list").await.expect_error(503, "UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!String::from_utf8(answer.body).unwrap().contains("no route"));
}

#[tokio::test]
async fn nobody_mounts_what_they_may_not_pull() {
    let mut client = by_owner("bob").await;
    let secret = client.push_blob("bob/app", b"secret").await;
    client.headers.insert("authorization", HeaderValue::from_static("Bearer public"));
    let shared = client.push_blob("public/app", b"shared").await;
    client.headers.insert("authorization", HeaderValue::from_static("Bearer alice"));
    let mount = |query: String| format!("/v2/alice/app/blobs/uploads/?mount={query}");
    for query in [format!("{secret}&from=bob/app"), secret.clone()] {
        client.send("POST", &mount(query), &[], "").await.expect(202);
    }
    client.get(&format!("/v2/alice/app/blobs/{secret}")).await.expect(404);
    client.send("POST", &mount(format!("{shared}&from=public/app")), &[], "").await.expect(201);
    client.send("DELETE", &format!("/v2/public/app/blobs/{shared}"), &[], "").await.expect(401);
}

#[tokio::test]
async fn anonymous_mounts_look_at_readable_repositories() {
    let mut client = by_owner("public").await;
    let shared = client.push_blob("public/app", b"shared").await;
    client.headers.insert("authorization", HeaderValue::from_static("Bearer alice"));
    let target = format!("/v2/alice/app/blobs/uploads/?mount={shared}");
    client.send("POST", &target, &[], "").await.expect(201);
}

#[tokio::test]
async fn an_upload_belongs_to_who_began_it() {
    let mut client = by_owner("alice").await;
    let started = client.send("POST", "/v2/alice/app/blobs/uploads/", &[], "").await.expect(202);
    let location = started.location();
    client.get(&location).await.expect(204);
    client.headers.insert("authorization", HeaderValue::from_static("Bearer public"));
    for method in ["GET", "PATCH", "PUT", "DELETE"] {
        client.send(method, &location, &[], "x").await.expect(401);
    }
}

#[tokio::test]
async fn authorization_comes_before_the_method() {
    let client = by_owner("alice").await;
    client.send("DELETE", "/v2/bob/app/tags/list", &[], "").await.expect(401);
    client.send("OPTIONS", "/v2/alice/app/tags/list", &[], "").await.expect(405);
    client.send("OPTIONS", "/v2/bob/app/tags/list", &[], "").await.expect(401);
}
