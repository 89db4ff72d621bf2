// SPDX-License-Identifier: Apache-2.0
//! The paths of the OAuth server, beside the resources of the API server.
//!
//! ```text
//!  /.well-known/oauth-authorization-server   where the rest is (RFC 8414)
//!  /oauth/authorize   a code or a token for a user      /oauth/approve   the user's consent
//!  /oauth/token       a token for a code
//!  /oauth/token/implicit, /request, /display            what browsers land on
//!  /login, /logout
//! ```

mod authorize;
mod browser;
mod code;
mod consent;
mod page;
mod parameters;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use apimachinery::body::{Body, Request, Response};
use apimachinery::local::Local;
use apimachinery::request::RequestInfo;
use apimachinery::serve::PeerAddress;
use apimachinery::server::Paths;
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rbac::UserInfo;
use serde_json::{Value, json};

use crate::accounts::{Account, Accounts};
use crate::client::Client;
use crate::login::Logins;
use crate::objects::Objects;
use crate::revocation::RevocationAdmission;
use crate::session::Sessions;
use crate::settings::{Clock, Settings};
use crate::tokens::OAuthTokens;
use code::Codes;

pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
pub(crate) const AUTHORIZE: &str = "/oauth/authorize";
pub(crate) const APPROVE: &str = "/oauth/approve";
pub(crate) const TOKEN: &str = "/oauth/token";
pub(crate) const IMPLICIT: &str = "/oauth/token/implicit";
pub(crate) const REQUEST: &str = "/oauth/token/request";
pub(crate) const DISPLAY: &str = "/oauth/token/display";
pub(crate) const LOGIN: &str = "/login";
pub(crate) const LOGOUT: &str = "/logout";

const ALL: [&str; 9] =
    [METADATA, AUTHORIZE, APPROVE, TOKEN, IMPLICIT, REQUEST, DISPLAY, LOGIN, LOGOUT];

/// The OAuth server: paths for an API server, and the tokens that it issues.
///
/// It is made before the API server that it is part of, and [connected](Self::connect) to it afterwards.
pub struct OAuthServer {
    objects: Arc<Objects>,
    accounts: Arc<Accounts>,
    logins: Logins,
    sessions: Sessions,
    codes: Codes,
    tokens: Arc<OAuthTokens>,
    issuer: String,
    clock: Clock,
}

impl std::fmt::Debug for OAuthServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuthServer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What a handler looks at.
struct Incoming {
    method: Method,
    headers: HeaderMap,
    query: String,
    peer: Option<IpAddr>,
}

impl OAuthServer {
    /// A server that answers 503 until it is connected.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(settings: &Settings) -> Result<Arc<Self>, authn::jwk::BadKey> {
        let objects: Arc<Objects> = Arc::default();
        let accounts = Arc::new(Accounts::new(objects.clone()));
        Ok(Arc::new(Self {
            logins: Logins::new(objects.clone(), accounts.clone(), settings),
            sessions: Sessions::new(&settings.session_key),
            codes: Codes::new(objects.clone(), settings.clock.clone()),
            tokens: Arc::new(OAuthTokens::new(objects.clone(), accounts.clone(), settings)?),
            issuer: settings.issuer.clone(),
            clock: settings.clock.clone(),
            objects,
            accounts,
        }))
    }

    /// Gives it the API server, as a user that may read and write users, groups, OAuth objects and secrets.
    pub fn connect(&self, local: Local) {
        self.objects.connect(Some(local));
    }

    /// Lets go of the API server, which in turn holds this: without it neither is ever freed.
    pub fn disconnect(&self) {
        self.objects.connect(None);
    }

    /// What checks bearer tokens.
    #[must_use]
    pub fn tokens(&self) -> Arc<OAuthTokens> {
        self.tokens.clone()
    }

    /// The plugin by which a revocation counts from the moment it is answered.
    #[must_use]
    pub fn admission(&self) -> Arc<RevocationAdmission> {
        Arc::new(RevocationAdmission(self.tokens.announced().clone()))
    }

    fn metadata(&self) -> Response {
        let issuer = &self.issuer;
        json_response(
            StatusCode::OK,
            &json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}{AUTHORIZE}"),
                "token_endpoint": format!("{issuer}{TOKEN}"),
                "scopes_supported": [
                    "user:check-access", "user:full", "user:info", "user:list-projects", "user:list-scoped-projects",
                ],
                "response_types_supported": ["code", "token"],
                "grant_types_supported": ["authorization_code", "implicit"],
                "code_challenge_methods_supported": crate::pkce::METHODS,
            }),
        )
    }

    /// Who a browser is logged in as, if that is still somebody.
    async fn session(&self, headers: &HeaderMap) -> Result<Option<Account>, api::status::Status> {
        let Some(account) = self.sessions.read(headers, self.clock.wall()) else { return Ok(None) };
        Ok(self.accounts.user_info(&account).await?.map(|_| account))
    }

    async fn client(&self, name: &str) -> Result<Option<Client>, api::status::Status> {
        Client::find(&self.objects, &self.issuer, name).await
    }

    async fn route(&self, path: &str, request: &Incoming, body: Body) -> Response {
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        let posts = request.method == Method::POST;
        match path {
            METADATA if reads => self.metadata(),
            AUTHORIZE if reads => self.authorize(request).await,
            APPROVE if posts => self.approve(request, body).await,
            TOKEN if posts => self.token(request, body).await,
            IMPLICIT if reads => self.implicit(),
            REQUEST if reads => self.request_token(),
            DISPLAY if reads => self.display_form(request),
            DISPLAY if posts => self.display(request, body).await,
            LOGIN if reads => self.login_form(request),
            LOGIN if posts => self.login(request, body).await,
            LOGOUT if reads => self.logout_form(request),
            LOGOUT if posts => self.logout(request, body).await,
            _ => {
                let allow = match path {
                    METADATA | AUTHORIZE | IMPLICIT | REQUEST => "GET, HEAD",
                    APPROVE | TOKEN => "POST",
                    _ => "GET, HEAD, POST",
                };
                let mut response = page::failure(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "This method is not possible here.",
                );
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                response
            }
        }
    }
}

#[async_trait]
impl Paths for OAuthServer {
    async fn answer(
        &self,
        _user: &UserInfo,
        info: &RequestInfo,
        request: Request,
    ) -> Result<Response, Box<Request>> {
        if !self.is_public(&info.path) {
            return Err(Box::new(request));
        }
        let (parts, body) = request.into_parts();
        let incoming = Incoming {
            query: parts.uri.query().unwrap_or_default().to_owned(),
            peer: parts.extensions.get::<PeerAddress>().map(|PeerAddress(address)| address.ip()),
            method: parts.method,
            headers: parts.headers,
        };
        let mut response = self.route(&info.path, &incoming, body).await;
        let headers = response.headers_mut();
        // Answers hold codes, tokens and forms: nothing of them is kept, framed, or told to the next site.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        Ok(response)
    }

    fn is_public(&self, path: &str) -> bool {
        ALL.contains(&path)
    }
}

fn json_response(code: StatusCode, value: &Value) -> Response {
    apimachinery::reply::bytes(
        code,
        apimachinery::request::accept::Encoding::Json,
        value.to_string().into(),
    )
}

/// A redirect; `target` consists of what may stand in a header.
fn redirect(code: StatusCode, target: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(target) else {
        return page::failure(StatusCode::BAD_REQUEST, "The address to go on to cannot be used.");
    };
    let mut response = Response::new(apimachinery::body::empty());
    *response.status_mut() = code;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Sets a cookie with the answer.
fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
