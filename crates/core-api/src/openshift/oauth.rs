// SPDX-License-Identifier: Apache-2.0
//! oauth.openshift.io/v1: clients, tokens and what users agreed to. The OAuth server makes them; here they are kept.

use std::sync::Arc;
use std::time::Duration;

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::reply::{Answer, ListMeta};
use apimachinery::request::Verb;
use apimachinery::resource::{NameRule, Resource, ResourceParts, Verbs, Virtual};
use apimachinery::storage::{Field, Freshness, Selection};
use apimachinery::table::Column;
use apimachinery::verb::delete;
use async_trait::async_trait;
use http::StatusCode;
use serde_json::Value;

use crate::Parts;
use crate::columns::{at, column};
use crate::define::{Define, place, schema_of};
use crate::object::{flag, number, text, texts};
use crate::rules::Rules;

const GROUP: &str = "oauth.openshift.io";
/// Where access tokens are.
const TOKENS: &str = "/openshift.io/oauth/accesstokens";
/// The prefix of names of tokens: the rest is a hash, the token itself is nowhere.
const HASHED: &str = "sha256~";

macro_rules! fields {
    ($($name:literal $pointer:literal),* $(,)?) => {
        &[$(($name, |object| text(object, $pointer).to_owned())),*]
    };
}

const TOKEN_FIELDS: &[Field] = fields![
    "clientName" "/clientName",
    "userName" "/userName",
    "userUID" "/userUID",
    "authorizeToken" "/authorizeToken",
];
const AUTHORIZATION_FIELDS: &[Field] =
    fields!["clientName" "/clientName", "userName" "/userName", "userUID" "/userUID"];

/// Rules of tokens: they end by themselves.
const TOKEN_RULES: Rules = Rules {
    names: NameRule::PathSegment,
    fields: TOKEN_FIELDS,
    validate: validate_token,
    ttl: |token| {
        let seconds = number(token, "/expiresIn").and_then(|seconds| u64::try_from(seconds).ok());
        seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs)
    },
    ..Rules::PLAIN
};

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let define = |kind, plural| Define::new(GROUP, "v1", kind, plural).namespaced(false);
    let plain = Rules { names: NameRule::PathSegment, ..Rules::PLAIN };
    vec![
        define("OAuthAccessToken", "oauthaccesstokens").columns(token_columns()).stored(
            &parts.storage,
            TOKENS,
            TOKEN_RULES,
        ),
        define("OAuthAuthorizeToken", "oauthauthorizetokens").columns(token_columns()).stored(
            &parts.storage,
            "/openshift.io/oauth/authorizetokens",
            TOKEN_RULES,
        ),
        define("OAuthClient", "oauthclients").columns(client_columns()).stored(
            &parts.storage,
            "/openshift.io/oauth/clients",
            Rules { validate: validate_client, ..plain },
        ),
        define("OAuthClientAuthorization", "oauthclientauthorizations")
            .columns([
                Column::object_name(),
                at("User Name", "/userName"),
                at("Client Name", "/clientName"),
                column("Scopes", |object| texts(object, "/scopes").join(",")),
            ])
            .stored(
                &parts.storage,
                "/openshift.io/oauth/clientauthorizations",
                Rules { fields: AUTHORIZATION_FIELDS, validate: validate_authorization, ..plain },
            ),
        define("UserOAuthAccessToken", "useroauthaccesstokens")
            .shaped(&schema_of(GROUP, "v1", "OAuthAccessToken"))
            .verbs(Verbs::GET.and(Verbs::LIST).and(Verbs::DELETE))
            .columns(token_columns())
            .answered(Arc::new(OwnTokens(parts.clone()))),
    ]
}

fn needs(object: &Value, fields: &[&str], errors: &mut ErrorList) {
    for field in fields {
        if text(object, &format!("/{field}")).is_empty() {
            errors.push(Error::required(&Path::new(*field), ""));
        }
    }
}

fn validate_token(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let name = meta::name(object);
    if !name.starts_with(HASHED) || name.len() < HASHED.len() + 32 {
        let detail = "must be the hash of the token, with the prefix sha256~";
        errors.push(Error::invalid(&Path::new("metadata").child("name"), "<hidden>", detail));
    }
    needs(object, &["clientName", "userName", "userUID"], errors);
    if let Some(old) = old {
        for field in ["/clientName", "/userName", "/userUID", "/scopes", "/redirectURI"] {
            crate::validation::immutable(object, old, field, errors);
        }
    }
}

fn validate_authorization(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let expected = format!("{}:{}", text(object, "/userName"), text(object, "/clientName"));
    if meta::name(object) != expected {
        let detail = "must be in the format <userName>:<clientName>";
        errors.push(Error::invalid(
            &Path::new("metadata").child("name"),
            meta::name(object),
            detail,
        ));
    }
    needs(object, &["clientName", "userName", "userUID"], errors);
}

fn validate_client(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    for (at, uri) in texts(object, "/redirectURIs").into_iter().enumerate() {
        let path = Path::new("redirectURIs").index(at);
        match uri.parse::<http::Uri>() {
            Err(_) => errors.push(Error::invalid(&path, uri, "must be a valid URL")),
            Ok(_) if uri.contains('#') => {
                errors.push(Error::invalid(&path, uri, "may not contain a fragment"));
            }
            Ok(_) => {}
        }
    }
    let method = text(object, "/grantMethod");
    if !matches!(method, "" | "auto" | "prompt" | "deny") {
        errors.push(Error::not_supported(
            &Path::new("grantMethod"),
            method,
            &["auto", "prompt", "deny"],
        ));
    }
    if let Some(age) = number(object, "/accessTokenMaxAgeSeconds").filter(|age| *age < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(Error::invalid(&Path::new("accessTokenMaxAgeSeconds"), age, detail));
    }
    // A shorter time would end sessions that the server has not yet written down as used.
    if let Some(idle) = number(object, "/accessTokenInactivityTimeoutSeconds")
        .filter(|idle| (1..300).contains(idle))
    {
        let detail = "the minimum valid timeout value is 300 seconds";
        errors.push(Error::invalid(
            &Path::new("accessTokenInactivityTimeoutSeconds"),
            idle,
            detail,
        ));
    }
}

fn token_columns() -> Vec<Column> {
    let expires = |object: &Value| {
        let created = api::time::Time::parse(meta::creation_timestamp(object)).ok();
        match (created, number(object, "/expiresIn").unwrap_or(0)) {
            (Some(created), seconds) if seconds > 0 => {
                let end = api::time::Time::from_unix(created.seconds().saturating_add(seconds), 0);
                end.map(|end| end.to_string()).unwrap_or_default()
            }
            _ => "never".to_owned(),
        }
    };
    vec![
        Column::object_name(),
        at("User Name", "/userName"),
        at("Client Name", "/clientName"),
        at("Created", "/metadata/creationTimestamp"),
        column("Expires", expires),
        at("Redirect URI", "/redirectURI"),
        column("Scopes", |object| texts(object, "/scopes").join(",")),
    ]
}

fn client_columns() -> Vec<Column> {
    vec![
        Column::object_name(),
        // Tables are pasted into tickets: that there is one is all that is said.
        column("Secret", |object| {
            if text(object, "/secret").is_empty() { "" } else { "<hidden>" }.to_owned()
        }),
        column("WWW-Challenge", |object| flag(object, "/respondWithChallenges").to_string()),
        column("Token-Max-Age", |object| match number(object, "/accessTokenMaxAgeSeconds") {
            Some(0) => "unexpiring".to_owned(),
            Some(seconds) => seconds.to_string(),
            None => "default".to_owned(),
        }),
        column("Redirect URIs", |object| texts(object, "/redirectURIs").join(",")),
    ]
}

/// A user's own tokens, and nobody else's.
struct OwnTokens(Parts);

#[async_trait]
impl Virtual for OwnTokens {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let storage = place(&self.0.storage, TOKENS, &TOKEN_RULES);
        let own = |token: &Value| {
            text(token, "/userName") == call.user.name && text(token, "/userUID") == call.user.uid
        };
        if call.info.verb == Verb::List {
            let listed = storage
                .list(&Selection::of_namespace(""), 0, None, Freshness::Newest)
                .await
                .map_err(Status::internal)?;
            let meta =
                ListMeta { resource_version: listed.revision.to_string(), ..ListMeta::default() };
            let tokens =
                listed.entries.iter().map(|entry| entry.object()).filter(own).map(shown).collect();
            return Ok(Answer::Objects(meta, tokens));
        }
        let found =
            storage.get(&call.at.name, Freshness::Newest).await.map_err(Status::internal)?;
        let found = found.map(|entry| entry.object()).filter(own);
        let token = found
            .ok_or_else(|| Status::not_found(&call.resource.group_resource(), &call.at.name))?;
        if call.info.verb == Verb::Delete {
            let options = delete::Options::read(call, body.as_ref())?;
            let parts = ResourceParts { storage: &storage, strategy: &TOKEN_RULES, admission: &[] };
            return delete::delete(call, &parts, &options).await;
        }
        Ok(Answer::Object(StatusCode::OK, shown(token)))
    }
}

fn shown(mut token: Value) -> Value {
    token["kind"] = "UserOAuthAccessToken".into();
    token
}
