// SPDX-License-Identifier: Apache-2.0
//! An API server with the kinds that logins need, and an OAuth server in it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use api::status::Status;
use apimachinery::auth::{Authenticator, Authorizer, Decision};
use apimachinery::body;
use apimachinery::catalog::{Catalog, Place};
use apimachinery::local::Local;
use apimachinery::resource::{NameRule, Resource, Source, Strategy, Verbs, Version};
use apimachinery::serve::PeerAddress;
use apimachinery::server::Server;
use apimachinery::storage::Storage;
use apimachinery::table::default_columns;
use apistore::Memory;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, StatusCode, header};
use oauth::scope::{ClusterRoles, ScopeAuthorizer};
use oauth::{Clock, Lockout, OAuthServer, SessionKey, Settings};
use rbac::{Attributes, UserInfo};
use serde_json::{Value, json};
use time::OffsetDateTime;

pub const ISSUER: &str = "https://api.test:6443";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Bearer tokens by the OAuth server; without one: nobody.
struct Bearer(Arc<OAuthServer>);

#[async_trait]
impl Authenticator for Bearer {
    async fn authenticate(
        &self,
        request: &http::request::Parts,
    ) -> Result<Option<UserInfo>, Status> {
        let value =
            request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match value.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) => self.0.tokens().authenticate(token).await,
            None => Ok(None),
        }
    }
}

/// Whoever proved who they are may do everything.
struct Known;

#[async_trait]
impl Authorizer for Known {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Result<Decision, Status> {
        Ok(Decision { allowed: attributes.user.is_in(rbac::AUTHENTICATED), reason: String::new() })
    }
}

struct Plain;
impl Strategy for Plain {
    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }
}

fn resource(
    storage: &Arc<Storage>,
    group: &str,
    kind: &str,
    plural: &str,
    namespaced: bool,
) -> Resource {
    Resource {
        group: group.into(),
        versions: vec![Version {
            name: "v1".into(),
            schema: api::builtin::schema(group, "v1", kind).expect("a built-in kind"),
            protobuf: false,
            from_storage: None,
            to_storage: None,
            deprecation: None,
            columns: Arc::new(default_columns()),
        }],
        storage_version: 0,
        plural: plural.into(),
        singular: kind.to_lowercase(),
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        namespaced,
        short_names: Vec::new(),
        categories: Vec::new(),
        verbs: Verbs::ALL,
        source: Source::Stored {
            storage: storage.resource(&format!("/{plural}/"), &[]),
            strategy: Arc::new(Plain),
        },
        subresources: Vec::new(),
    }
}

pub struct World {
    pub server: Arc<Server>,
    pub oauth: Arc<OAuthServer>,
    pub admin: Local,
    wall: Arc<AtomicI64>,
    running: Arc<AtomicU64>,
    following: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.following.abort();
        self.oauth.disconnect();
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn location(&self) -> &str {
        self.header(header::LOCATION)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// A parameter of the redirect's query or fragment.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, parameters) = self.location().split_once(['?', '#'])?;
        form_urlencoded::parse(parameters.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The cookies that were set, as a browser sends them back.
    pub fn cookies(&self) -> Vec<String> {
        let values = self.headers.get_all(header::SET_COOKIE).iter();
        values
            .map(|value| {
                value.to_str().expect("text").split(';').next().unwrap_or_default().to_owned()
            })
            .collect()
    }

    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> String {
        let begin = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&begin).expect("the field");
        rest.split('"').next().unwrap_or_default().replace("&amp;", "&")
    }
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

impl World {
    /// With an htpasswd provider `local`, in which alice's password is `wonder` and bob's `builder`.
    pub async fn new() -> Self {
        let (wall, running) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicU64::new(0)));
        let (of_wall, of_running) = (wall.clone(), running.clone());
        let clock = Clock::new(
            move || {
                OffsetDateTime::now_utc() + time::Duration::seconds(of_wall.load(Ordering::SeqCst))
            },
            move || Duration::from_secs(of_running.load(Ordering::SeqCst)),
        );
        let settings = Settings {
            clock,
            lockout: Lockout {
                per_user: 3,
                per_address: 6,
                first: Duration::from_secs(10),
                ..Lockout::default()
            },
            ..Settings::new(ISSUER, SessionKey::new([7; 32]))
        };
        let oauth = OAuthServer::new(&settings).expect("random numbers");
        let storage = Storage::new(Arc::new(Memory::default()), "/");
        let kinds = [
            ("", "Secret", "secrets", true),
            ("config.openshift.io", "OAuth", "oauths", false),
            ("user.openshift.io", "User", "users", false),
            ("user.openshift.io", "Identity", "identities", false),
            ("user.openshift.io", "Group", "groups", false),
            ("oauth.openshift.io", "OAuthClient", "oauthclients", false),
            ("oauth.openshift.io", "OAuthAccessToken", "oauthaccesstokens", false),
            ("oauth.openshift.io", "OAuthAuthorizeToken", "oauthauthorizetokens", false),
            ("oauth.openshift.io", "OAuthClientAuthorization", "oauthclientauthorizations", false),
        ];
        let resources = kinds.map(|(group, kind, plural, namespaced)| {
            (Place::BuiltIn, resource(&storage, group, kind, plural, namespaced))
        });
        storage.start().await.expect("an empty store");
        let roles: ClusterRoles = Arc::new(|_| None);
        let authorizer = Arc::new(ScopeAuthorizer::new(Arc::new(Known), roles));
        let server =
            Server::new(Catalog::new(resources), Arc::new(Bearer(oauth.clone())), authorizer)
                .with_paths(oauth.clone())
                .with_admission(oauth.admission());
        let server = Arc::new(server);
        let user = UserInfo {
            name: "system:apiserver".into(),
            groups: vec![rbac::MASTERS.into(), rbac::AUTHENTICATED.into()],
            ..UserInfo::default()
        };
        let admin = Local::new(server.clone(), user);
        oauth.connect(admin.clone());
        let following = tokio::spawn(oauth.tokens().run());
        let world = Self { server, oauth, admin, wall, running, following };
        world
            .set_passwords(&[("alice", "wonder"), ("bob", "builder"), ("per%cent", "x")], None)
            .await;
        let provider = json!({
            "name": "local",
            "mappingMethod": "claim",
            "type": "HTPasswd",
            "htpasswd": {"fileData": {"name": "htpasswd"}},
        });
        let config = json!({
            "kind": "OAuth",
            "apiVersion": "config.openshift.io/v1",
            "metadata": {"name": "cluster"},
            "spec": {"identityProviders": [provider]},
        });
        world.create("/apis/config.openshift.io/v1/oauths", &config).await;
        world
    }

    pub async fn set_passwords(&self, users: &[(&str, &str)], replaces: Option<&Value>) {
        let line = |(user, password): &(&str, &str)| {
            format!("{user}:{}\n", bcrypt::hash(password, 4).expect("a hash"))
        };
        let file: String = users.iter().map(line).collect();
        let mut secret = json!({
            "kind": "Secret",
            "apiVersion": "v1",
            "metadata": {"name": "htpasswd", "namespace": "openshift-config"},
            "data": {"htpasswd": STANDARD.encode(file)},
        });
        let collection = "/api/v1/namespaces/openshift-config/secrets";
        match replaces {
            None => self.create(collection, &secret).await,
            Some(old) => {
                secret["metadata"] = old["metadata"].clone();
                self.admin
                    .replace(&format!("{collection}/htpasswd"), &secret)
                    .await
                    .expect("replaced")
            }
        };
    }

    pub async fn create(&self, collection: &str, object: &Value) -> Value {
        self.admin.create(collection, object).await.expect("created")
    }

    pub async fn list(&self, collection: &str) -> Vec<Value> {
        let list = self.admin.get(collection).await.expect("a list");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Moves the wall's clock.
    pub fn set_wall(&self, seconds: i64) {
        self.wall.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Moves the clock that lockouts count on.
    pub fn wait(&self, seconds: u64) {
        self.running.fetch_add(seconds, Ordering::SeqCst);
    }

    pub async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        content: &str,
    ) -> Answer {
        self.send_from("192.0.2.1:1000", method, target, headers, content).await
    }

    pub async fn send_from(
        &self,
        peer: &str,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        content: &str,
    ) -> Answer {
        let target = target.strip_prefix(ISSUER).unwrap_or(target);
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body::full(content.to_owned())).expect("a request");
        request
            .extensions_mut()
            .insert(PeerAddress(peer.parse::<SocketAddr>().expect("an address")));
        let response = self.server.handle(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body::collect(body, 1 << 20).await.expect("a body");
        let body = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { code: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, target, headers, "").await
    }

    pub async fn post(&self, target: &str, headers: &[(&str, &str)], content: &str) -> Answer {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(Method::POST, target, &all, content).await
    }

    /// The authorize URL that oc asks.
    pub fn authorize(&self, kind: &str) -> String {
        let redirect = format!("{ISSUER}/oauth/token/implicit");
        let mut pairs = vec![
            ("client_id", "openshift-challenging-client"),
            ("redirect_uri", redirect.as_str()),
            ("response_type", kind),
        ];
        if kind == "code" {
            pairs.extend([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
        }
        format!("/oauth/authorize?{}", form(&pairs))
    }

    pub async fn login(&self, kind: &str, user: &str, password: &str) -> Answer {
        self.get(
            &self.authorize(kind),
            &[("x-csrf-token", "1"), ("authorization", &basic(user, password))],
        )
        .await
    }

    pub async fn code(&self) -> String {
        self.login("code", "alice", "wonder").await.parameter("code").expect("a code")
    }

    pub async fn redeem(&self, code: &str, verifier: &str) -> Answer {
        let redirect = format!("{ISSUER}/oauth/token/implicit");
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", &redirect),
        ];
        self.post(
            "/oauth/token",
            &[("authorization", &basic("openshift-challenging-client", ""))],
            &form(&pairs),
        )
        .await
    }

    pub async fn token_of(&self, user: &str, password: &str) -> String {
        self.login("token", user, password).await.parameter("access_token").expect("a token")
    }

    /// How many tokens are in mind.
    pub fn remembered(&self) -> usize {
        let shown = format!("{:?}", self.oauth.tokens());
        let (_, rest) = shown.split_once("entries: ").expect("the number of entries");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// Waits until tokens are kept in mind: all watches have begun. Leaves none there.
    pub async fn set_remembering(&self) {
        let token = self.token_of("bob", "builder").await;
        while self.remembered() == 0 {
            assert_eq!(self.with_token(&token).await, StatusCode::OK);
            tokio::task::yield_now().await;
        }
        self.admin
            .delete("/apis/oauth.openshift.io/v1/oauthaccesstokens", None)
            .await
            .expect("deleted");
        assert_eq!(self.with_token(&token).await, StatusCode::UNAUTHORIZED);
        while self.remembered() != 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The code of a request with a token.
    pub async fn with_token(&self, token: &str) -> StatusCode {
        self.get(
            "/apis/user.openshift.io/v1/users",
            &[("authorization", &format!("Bearer {token}"))],
        )
        .await
        .code
    }

    pub async fn who(&self, token: &str) -> UserInfo {
        self.oauth
            .tokens()
            .authenticate(token)
            .await
            .expect("a good token")
            .expect("an OAuth token")
    }
}
