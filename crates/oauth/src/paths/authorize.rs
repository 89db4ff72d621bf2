// SPDX-License-Identifier: Apache-2.0
//! `/oauth/authorize` (RFC 6749 4.1.1, 4.2.1): who asks for whom is found out, and the answer goes to the client's own
//! redirect URI, or nowhere.

use std::time::Duration;

use api::status::Status;
use apimachinery::body::Response;
use apimachinery::reply;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::code::{Challenge, Meaning};
use super::parameters::{Parameters, encode};
use super::{AUTHORIZE, Incoming, LOGIN, OAuthServer, page, redirect};
use crate::accounts::Account;
use crate::client::{Client, Grant};
use crate::credentials::{Basic, basic_pair};
use crate::login::LoginError;
use crate::pkce;
use crate::scope::{MAX_SCOPES, Scope};
use crate::tokens::Order;

/// Longest `state`.
const MAX_STATE: usize = 4096;

/// What comes back on the redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseType {
    Code,
    Token,
}

/// A request that its client may make.
pub(super) struct Asked {
    pub(super) client: Client,
    pub(super) redirect: String,
    pub(super) state: String,
    pub(super) kind: ResponseType,
    pub(super) scopes: Vec<String>,
    challenge: Option<Challenge>,
}

/// An error that goes to the client (RFC 6749 4.1.2.1).
pub(super) struct Refusal {
    error: &'static str,
    description: &'static str,
}

/// Where an answer goes.
pub(super) struct Back {
    pub(super) redirect: String,
    state: String,
    kind: ResponseType,
}

impl OAuthServer {
    pub(super) async fn authorize(&self, request: &Incoming) -> Response {
        let asked = match self.understand(&request.query).await {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        let account = match self.who(request, &asked.client).await {
            Ok(account) => account,
            Err(response) => return *response,
        };
        match asked.client.grant {
            Grant::Auto => {}
            Grant::Deny => return asked.back().refuse(&ACCESS_DENIED),
            Grant::Prompt => match self.has_consent(&asked, &account).await {
                Ok(true) => {}
                Ok(false) if request.headers.contains_key("x-csrf-token") => {
                    return asked.back().refuse(&Refusal {
                        error: "interaction_required",
                        description: "the user has to allow this client in a browser first",
                    });
                }
                Ok(false) => return self.consent_form(request, &asked, &account),
                Err(status) => return reply::status(&status),
            },
        }
        self.grant(&asked, &account).await
    }

    /// The request, checked. Errors go to the redirect URI only once it is known to be the client's.
    pub(super) async fn understand(&self, query: &str) -> Result<Asked, Box<Response>> {
        let stop = |text: &str| Box::new(page::failure(StatusCode::BAD_REQUEST, text));
        let parameters = Parameters::parse(query.as_bytes())
            .map_err(|_| stop("A parameter of the request is repeated."))?;
        let client = self
            .client(parameters.text("client_id"))
            .await
            .map_err(|it| Box::new(reply::status(&it)))?;
        let client = client.ok_or_else(|| stop("The client that sent you here is not known."))?;
        let target = client.redirect(parameters.get("redirect_uri")).ok_or_else(|| {
            stop("The address to go back to is not one that the client has registered.")
        })?;
        let kind = match parameters.text("response_type") {
            "token" => ResponseType::Token,
            _ => ResponseType::Code,
        };
        let state = parameters.text("state");
        let back = Back { redirect: target, state: state.chars().take(MAX_STATE).collect(), kind };
        match read(&parameters, client) {
            Ok((client, scopes, challenge)) => {
                let Back { redirect, state, kind } = back;
                Ok(Asked { client, redirect, state, kind, scopes, challenge })
            }
            Err(refusal) => Err(Box::new(back.refuse(&refusal))),
        }
    }

    /// Who the request is made for. Programs are challenged if they can read the answer, which a page of another site
    /// cannot do: it cannot send that header. Browsers have a session, or go and get one.
    async fn who(&self, request: &Incoming, client: &Client) -> Result<Account, Box<Response>> {
        let program = request.headers.get("x-csrf-token").is_some_and(|value| !value.is_empty());
        if program && client.challenges {
            return self.challenged(request).await.map_err(Box::new);
        }
        let session =
            self.session(&request.headers).await.map_err(|it| Box::new(reply::status(&it)))?;
        session.ok_or_else(|| {
            let then = format!("{AUTHORIZE}?{}", request.query);
            let login = format!("{LOGIN}?{}", encode([("then", then.as_str())]));
            Box::new(redirect(StatusCode::FOUND, &login))
        })
    }

    async fn challenged(&self, request: &Incoming) -> Result<Account, Response> {
        let given = basic_pair(&request.headers);
        let Some(who) = given.and_then(|(user, password)| Basic::new(&user, password.expose()))
        else {
            return Err(challenge());
        };
        self.logins.login(&who, request.peer).await.map_err(|error| match error {
            LoginError::Wrong => challenge(),
            LoginError::Locked(wait) => reply::status(&too_many(wait)),
            LoginError::Busy => reply::status(&too_many(Duration::from_secs(1))),
            LoginError::Refused(reason) => reply::status(&Status::failure(
                api::status::Reason::Forbidden,
                format!("login refused: {reason}"),
            )),
            LoginError::Failed(status) => reply::status(&status),
        })
    }

    /// Answers with a code or a token.
    pub(super) async fn grant(&self, asked: &Asked, account: &Account) -> Response {
        let back = asked.back();
        let failed = |status: Status| {
            tracing::error!(reason = %status.message, "a login could not be completed");
            asked.back().refuse(&SERVER_ERROR)
        };
        if asked.kind == ResponseType::Code {
            let meaning = Meaning {
                client: asked.client.name.clone(),
                account: account.clone(),
                scopes: asked.scopes.clone(),
                redirect: asked.redirect.clone(),
                state: asked.state.clone(),
                challenge: asked.challenge.clone(),
            };
            return match self.codes.issue(&meaning).await {
                // `state` is there even if it is empty, as OpenShift sends it.
                Ok(code) => back.send(&[("code", code.expose()), ("state", &asked.state)]),
                Err(status) => failed(status),
            };
        }
        let order = Order {
            client: &asked.client,
            account,
            scopes: &asked.scopes,
            redirect: &asked.redirect,
            code: "",
        };
        match self.tokens.issue(&order).await {
            Ok(issued) => {
                let (expires, scope) = (issued.expires_in.to_string(), asked.scopes.join(" "));
                let mut pairs = vec![("access_token", issued.token.expose())];
                if issued.expires_in > 0 {
                    pairs.push(("expires_in", expires.as_str()));
                }
                pairs.push(("scope", scope.as_str()));
                if !asked.state.is_empty() {
                    pairs.push(("state", asked.state.as_str()));
                }
                pairs.push(("token_type", "Bearer"));
                back.send(&pairs)
            }
            Err(status) => failed(status),
        }
    }
}

/// Reads what does not decide where the answer goes.
fn read(
    parameters: &Parameters,
    client: Client,
) -> Result<(Client, Vec<String>, Option<Challenge>), Refusal> {
    let invalid = |description| Refusal { error: "invalid_request", description };
    if parameters.text("state").len() > MAX_STATE {
        return Err(invalid("state is too long"));
    }
    match parameters.text("response_type") {
        "code" => {}
        // Whoever sees such a token can use it: not for programs that can do better.
        "token" if !client.needs_challenge => {}
        "" => return Err(invalid("response_type is missing")),
        _ => {
            let description = "response_type has to be code or token";
            return Err(Refusal { error: "unsupported_response_type", description });
        }
    }
    let scopes: Vec<String> = match parameters.get("scope") {
        None => vec![Scope::Full.to_string()],
        Some(text) => {
            text.split_ascii_whitespace().take(MAX_SCOPES + 1).map(str::to_owned).collect()
        }
    };
    let allowed = |scope: &String| Scope::parse(scope).is_some_and(|scope| client.may_ask(&scope));
    if scopes.is_empty() || scopes.len() > MAX_SCOPES || !scopes.iter().all(allowed) {
        let description = "a scope is not known, or the client may not ask for it";
        return Err(Refusal { error: "invalid_scope", description });
    }
    let challenge = match parameters.get("code_challenge") {
        None if parameters.get("code_challenge_method").is_some() => {
            return Err(invalid("code_challenge_method without code_challenge"));
        }
        None if client.needs_challenge => return Err(invalid("code_challenge is required")),
        None => None,
        Some(text) => {
            let method = parameters.get("code_challenge_method").unwrap_or("plain");
            if !pkce::METHODS.contains(&method) {
                return Err(invalid("code_challenge_method has to be plain or S256"));
            }
            if !pkce::is_legal(text) {
                return Err(invalid("code_challenge has to have 43 to 128 unreserved characters"));
            }
            Some(Challenge { method: method.to_owned(), text: text.to_owned() })
        }
    };
    Ok((client, scopes, challenge))
}

const SERVER_ERROR: Refusal = Refusal {
    error: "server_error",
    description: "the server could not complete the login; try again later",
};
pub(super) const ACCESS_DENIED: Refusal =
    Refusal { error: "access_denied", description: "the client was not given access" };

impl Asked {
    pub(super) fn back(&self) -> Back {
        Back { redirect: self.redirect.clone(), state: self.state.clone(), kind: self.kind }
    }
}

impl Back {
    pub(super) fn refuse(&self, refusal: &Refusal) -> Response {
        let mut pairs = vec![("error", refusal.error), ("error_description", refusal.description)];
        if !self.state.is_empty() {
            pairs.push(("state", self.state.as_str()));
        }
        // Errors are in the query for both flows, as OpenShift sends them: oc reads them there.
        append(&self.redirect, '?', &encode(pairs))
    }

    fn send(&self, pairs: &[(&str, &str)]) -> Response {
        let separator = if self.kind == ResponseType::Token { '#' } else { '?' };
        append(&self.redirect, separator, &encode(pairs.iter().copied()))
    }
}

fn append(target: &str, separator: char, parameters: &str) -> Response {
    let separator = if separator == '?' && target.contains('?') { '&' } else { separator };
    redirect(StatusCode::FOUND, &format!("{target}{separator}{parameters}"))
}

fn challenge() -> Response {
    let mut response = reply::status(&Status::unauthorized());
    let value = HeaderValue::from_static("Basic realm=\"openshift\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    response
}

/// 429, with whole seconds to wait.
pub(super) fn too_many(wait: Duration) -> Status {
    let seconds = u32::try_from(wait.as_secs())
        .unwrap_or(u32::MAX)
        .saturating_add(u32::from(wait.subsec_nanos() > 0));
    Status::too_many_requests("too many failed logins; try again later", seconds.max(1))
}

/// The headers of a request of a page that are needed to make its form.
pub(super) fn form_token(
    headers: &HeaderMap,
) -> Result<(String, Option<HeaderValue>), Box<Response>> {
    crate::session::form_token(headers)
        .map_err(|error| Box::new(reply::status(&Status::internal(error))))
}
