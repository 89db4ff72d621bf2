// SPDX-License-Identifier: Apache-2.0
//! `/oauth/token` (RFC 6749 3.2, 4.1.3): a code becomes a token.

use std::borrow::Cow;

use apimachinery::body::{Body, Response};
use apimachinery::reply;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::authorize::too_many;
use super::parameters::{self, Parameters};
use super::{Incoming, OAuthServer, json_response};
use crate::client::Client;
use crate::credentials::{Hidden, basic_pair};
use crate::tokens::{Issued, Order};

/// An error of RFC 6749 5.2.
#[derive(Clone, Copy, Debug)]
pub(super) enum TokenError {
    InvalidRequest(&'static str),
    InvalidClient,
    InvalidGrant,
    UnsupportedGrantType,
}

/// A refusal, or an answer that is not the protocol's (429, 503).
pub(super) enum Failure {
    Error(TokenError),
    Other(Box<Response>),
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Error(error)
    }
}

impl From<api::status::Status> for Failure {
    fn from(status: api::status::Status) -> Self {
        Self::Other(Box::new(reply::status(&status)))
    }
}

impl OAuthServer {
    pub(super) async fn token(&self, request: &Incoming, body: Body) -> Response {
        match self.exchange(request, body).await {
            Ok((issued, scopes)) => {
                let mut answer = json!({
                    "access_token": issued.token.expose(),
                    "token_type": "Bearer",
                    "scope": scopes.join(" "),
                });
                if issued.expires_in > 0 {
                    answer["expires_in"] = issued.expires_in.into();
                }
                json_response(StatusCode::OK, &answer)
            }
            Err(Failure::Error(error)) => refuse(error),
            Err(Failure::Other(response)) => *response,
        }
    }

    async fn exchange(
        &self,
        request: &Incoming,
        body: Body,
    ) -> Result<(Issued, Vec<String>), Failure> {
        let form = parameters::form(request, body).await.map_err(|_| {
            TokenError::InvalidRequest("the body has to be a form, each parameter once")
        })?;
        let (name, secret) = credentials(&request.headers, &form)?;
        let client = self.client(&name).await?;
        let client = self
            .logins
            .guard(request.peer, || client.filter(|client| client.is_authentic(secret.expose())))
            .map_err(too_many)?
            .ok_or(TokenError::InvalidClient)?;
        match form.get("grant_type") {
            Some("authorization_code") => {}
            Some(_) => return Err(TokenError::UnsupportedGrantType.into()),
            None => return Err(TokenError::InvalidRequest("grant_type is missing").into()),
        }
        let code = form.get("code").ok_or(TokenError::InvalidRequest("code is missing"))?;
        self.redeem(&client, code, form.get("redirect_uri"), form.get("code_verifier")).await
    }

    /// A token for a code, with the code's scopes.
    pub(super) async fn redeem(
        &self,
        client: &Client,
        code: &str,
        redirect: Option<&str>,
        verifier: Option<&str>,
    ) -> Result<(Issued, Vec<String>), Failure> {
        let (code_name, meaning) =
            self.codes.redeem(code).await?.ok_or(TokenError::InvalidGrant)?;
        // A client with a single URI need not repeat it: there is nothing that it could be mistaken for.
        let target = client.redirect(redirect);
        if meaning.client != client.name
            || target.as_deref() != Some(&meaning.redirect)
            || !meaning.is_proven(verifier)
        {
            return Err(TokenError::InvalidGrant.into());
        }
        if self.accounts.user_info(&meaning.account).await?.is_none() {
            return Err(TokenError::InvalidGrant.into());
        }
        let order = Order {
            client,
            account: &meaning.account,
            scopes: &meaning.scopes,
            redirect: &meaning.redirect,
            code: &code_name,
        };
        let issued = self.tokens.issue(&order).await?;
        self.codes.redeemed(&code_name, api::meta::name(&issued.object));
        Ok((issued, meaning.scopes))
    }
}

/// The client's name and secret: in the header or in the form, not in both (RFC 6749 2.3).
fn credentials(headers: &HeaderMap, form: &Parameters) -> Result<(String, Hidden), TokenError> {
    if !headers.contains_key(header::AUTHORIZATION) {
        let name = form.get("client_id").ok_or(TokenError::InvalidClient)?;
        return Ok((name.to_owned(), Hidden::new(form.text("client_secret"))));
    }
    let (name, secret) = basic_pair(headers).ok_or(TokenError::InvalidClient)?;
    // Both are form-encoded before they are put together (RFC 6749 2.3.1).
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced)
            .decode_utf8()
            .map(Cow::into_owned)
            .map_err(|_| TokenError::InvalidClient)
    };
    let (name, secret) = (decode(&name)?, Hidden::new(decode(secret.expose())?));
    if form.get("client_secret").is_some()
        || form.get("client_id").is_some_and(|other| other != name)
    {
        return Err(TokenError::InvalidRequest("the client has to say who it is in one way"));
    }
    Ok((name, secret))
}

fn refuse(error: TokenError) -> Response {
    let (code, name, description) = match error {
        TokenError::InvalidRequest(text) => (StatusCode::BAD_REQUEST, "invalid_request", text),
        TokenError::InvalidClient => (
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "the client is not known, or its secret is wrong",
        ),
        TokenError::InvalidGrant => (
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "the code is unknown, used, expired, or was given for another client, redirect_uri or code_verifier",
        ),
        TokenError::UnsupportedGrantType => (
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "grant_type has to be authorization_code",
        ),
    };
    let mut response =
        json_response(code, &json!({"error": name, "error_description": description}));
    if matches!(error, TokenError::InvalidClient) {
        let value = HeaderValue::from_static("Basic realm=\"openshift\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
