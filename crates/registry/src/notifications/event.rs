// SPDX-License-Identifier: Apache-2.0
//! What happened, and how distribution's event format says it.

use http::header;
use httpd::Head;
use oci::{Descriptor, Digest, Manifest, RepositoryName, Tag};
use ports::Credentials;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::auth::Caller;
use crate::reply::location;
use crate::settings::Settings;

/// The kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Push,
    Pull,
    Mount,
    Delete,
}

impl Action {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Mount => "mount",
            Self::Delete => "delete",
        }
    }
}

/// Something that happened to a repository.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) action: Action,
    pub(crate) media_type: String,
    repository: RepositoryName,
    from: Option<RepositoryName>,
    digest: Option<Digest>,
    size: u64,
    tag: Option<Tag>,
    references: Vec<Descriptor>,
    is_manifest: bool,
}

impl Happening {
    fn blob(action: Action, repository: &RepositoryName, digest: Digest, size: u64) -> Self {
        Self {
            action,
            media_type: "application/octet-stream".to_owned(),
            repository: repository.clone(),
            from: None,
            digest: Some(digest),
            size,
            tag: None,
            references: Vec::new(),
            is_manifest: false,
        }
    }

    pub(crate) fn pushed_blob(repository: &RepositoryName, digest: Digest, size: u64) -> Self {
        Self::blob(Action::Push, repository, digest, size)
    }

    pub(crate) fn pulled_blob(repository: &RepositoryName, digest: Digest, size: u64) -> Self {
        Self::blob(Action::Pull, repository, digest, size)
    }

    pub(crate) fn mounted_blob(
        repository: &RepositoryName,
        from: RepositoryName,
        digest: Digest,
        size: u64,
    ) -> Self {
        Self { from: Some(from), ..Self::blob(Action::Mount, repository, digest, size) }
    }

    pub(crate) fn pushed_manifest(
        repository: &RepositoryName,
        manifest: &Manifest,
        digest: Digest,
        size: u64,
        tag: Option<&Tag>,
    ) -> Self {
        Self {
            media_type: manifest.media_type().as_str().to_owned(),
            tag: tag.cloned(),
            references: manifest.references().map(|(_, d)| d.clone()).collect(),
            is_manifest: true,
            ..Self::blob(Action::Push, repository, digest, size)
        }
    }

    pub(crate) fn pulled_manifest(
        repository: &RepositoryName,
        stored: &blobstore::StoredManifest,
        tag: Option<&Tag>,
    ) -> Self {
        Self {
            media_type: stored.media_type.as_str().to_owned(),
            tag: tag.cloned(),
            is_manifest: true,
            ..Self::blob(Action::Pull, repository, stored.digest, stored.bytes.len() as u64)
        }
    }

    pub(crate) fn deleted(
        repository: &RepositoryName,
        digest: Option<Digest>,
        tag: Option<Tag>,
    ) -> Self {
        Self {
            action: Action::Delete,
            media_type: String::new(),
            repository: repository.clone(),
            from: None,
            digest,
            size: 0,
            tag,
            references: Vec::new(),
            is_manifest: false,
        }
    }
}

/// The request that an event tells of.
pub(super) struct Context<'a> {
    pub(super) head: &'a Head,
    pub(super) request_id: Uuid,
    pub(super) caller: &'a Caller,
    pub(super) settings: &'a Settings,
    pub(super) source: &'a str,
}

/// One event, field for field as distribution writes it.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    id: Uuid,
    timestamp: String,
    action: &'static str,
    target: Target<'a>,
    request: Request<'a>,
    actor: Actor,
    source: Source<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    media_type: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    length: u64,
    repository: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_repository: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Descriptor]>::is_empty")]
    references: &'a [Descriptor],
}

#[derive(Serialize)]
struct Request<'a> {
    id: Uuid,
    addr: String,
    host: &'a str,
    method: &'a str,
    useragent: &'a str,
}

#[derive(Serialize)]
struct Actor {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

#[derive(Serialize)]
struct Source<'a> {
    addr: &'a str,
    #[serde(rename = "instanceID")]
    instance_id: &'static str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    events: [&'a Event<'a>; 1],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl<'a> Event<'a> {
    pub(super) fn new(
        happening: &'a Happening,
        context: &'a Context<'a>,
        include_references: bool,
    ) -> Self {
        let headers = &context.head.headers;
        let text = |name| {
            headers.get(name).and_then(|v: &http::HeaderValue| v.to_str().ok()).unwrap_or("")
        };
        let url = happening.digest.map(|digest| {
            let base = location::base(context.head, context.settings);
            let kind = if happening.is_manifest { "manifests" } else { "blobs" };
            format!("{base}/v2/{}/{kind}/{digest}", happening.repository)
        });
        let is_delete = happening.action == Action::Delete;
        Self {
            id: Uuid::new_v4(),
            timestamp: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
            action: happening.action.as_str(),
            target: Target {
                media_type: &happening.media_type,
                size: happening.size,
                digest: happening.digest.map(|digest| digest.to_string()),
                length: happening.size,
                repository: happening.repository.as_str(),
                from_repository: happening.from.as_ref().map(RepositoryName::as_str),
                url: url.filter(|_| !is_delete),
                tag: happening.tag.as_ref().map(Tag::as_str),
                references: if include_references { &happening.references } else { &[] },
            },
            request: Request {
                id: context.request_id,
                addr: crate::observe::remote_address(context.head),
                host: text(header::HOST),
                method: context.head.method.as_str(),
                useragent: text(header::USER_AGENT),
            },
            actor: Actor { name: actor(context) },
            source: Source { addr: context.source, instance_id: "" },
        }
    }

    /// The body of a delivery: one event, indented by three.
    pub(super) fn envelope(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(1024);
        let format = PrettyFormatter::with_indent(b"   ");
        let mut writer = serde_json::Serializer::with_formatter(&mut body, format);
        Envelope { events: [self] }
            .serialize(&mut writer)
            .expect("strings and numbers become JSON");
        body
    }
}

/// The user name of Basic credentials, as the original; a name is not a token.
fn actor(context: &Context<'_>) -> String {
    match &context.caller.credentials {
        Credentials::Basic { user, .. } => user.clone(),
        _ => context.caller.identity.name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method, Version};
    use oci::Algorithm;
    use ports::{Identity, Secret};

    #[test]
    fn an_event_has_the_fields_of_distribution() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("r:5000"));
        headers.insert("user-agent", HeaderValue::from_static("podman"));
        let head = Head {
            method: Method::PUT,
            target: httpd::Target::new("/v2/"),
            version: Version::HTTP_11,
            headers,
            peer: ([127, 0, 0, 1], 7).into(),
            tls: false,
            received: std::time::Instant::now(),
        };
        let caller = Caller {
            identity: Identity::anonymous(),
            credentials: Credentials::Basic { user: "alice".into(), password: Secret::new("pw") },
            mount_from: None,
        };
        let settings = Settings::new(Secret::new("s"));
        let context = Context {
            head: &head,
            request_id: Uuid::from_u128(1),
            caller: &caller,
            settings: &settings,
            source: "here:5000",
        };
        let name = RepositoryName::parse("a/b").unwrap();
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let from = RepositoryName::parse("c").unwrap();
        let happening = Happening::mounted_blob(&name, from, digest, 5);
        let body = Event::new(&happening, &context, true).envelope();
        let text = String::from_utf8(body.clone()).unwrap();
        assert!(text.starts_with("{\n   \"events\": [\n      {\n         \"id\": \""), "{text}");
        assert!(!text.contains("pw"));
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let event = &json["events"][0];
        assert_eq!(event["action"], "mount");
        assert_eq!(event["target"]["digest"], digest.to_string());
        assert_eq!(event["target"]["size"], 5);
        assert_eq!(event["target"]["length"], 5);
        assert_eq!(event["target"]["repository"], "a/b");
        assert_eq!(event["target"]["fromRepository"], "c");
        assert_eq!(event["target"]["url"], format!("http://r:5000/v2/a/b/blobs/{digest}"));
        assert_eq!(event["request"]["addr"], "127.0.0.1:7");
        assert_eq!(event["request"]["useragent"], "podman");
        assert_eq!(event["actor"]["name"], "alice");
        assert_eq!(event["source"]["addr"], "here:5000");

        let gone = Happening::deleted(&name, None, Some(Tag::parse("v1").unwrap()));
        let body = Event::new(&gone, &context, true).envelope();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            json["events"][0]["target"],
            serde_json::json!({"repository": "a/b", "tag": "v1"})
        );
    }
}
