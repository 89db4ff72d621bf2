// SPDX-License-Identifier: Apache-2.0
//! Who asks: a client certificate of our authority, or a bearer token of a service account or of the OAuth server.

use std::sync::Arc;

use api::status::Status;
use apimachinery::auth::{Authenticator, PeerCertificates};
use async_trait::async_trait;
use authn::groups;
use http::header::AUTHORIZATION;
use http::request::Parts;
use rbac::UserInfo;
use time::OffsetDateTime;

use crate::accounts::{AUDIENCE, Accounts};

/// Tokens of another kind than service accounts'.
#[async_trait]
pub trait BearerTokens: Send + Sync + 'static {
    /// The user, or `None` for a token that is not of this kind or not good.
    ///
    /// # Errors
    /// When it cannot be checked now.
    async fn user(&self, token: &str) -> Result<Option<UserInfo>, Status>;
}

/// The chain.
pub struct Credentials {
    accounts: Arc<Accounts>,
    others: Vec<Arc<dyn BearerTokens>>,
}

impl Credentials {
    /// Certificates, service accounts' tokens, and these.
    #[must_use]
    pub fn new(accounts: Arc<Accounts>, others: Vec<Arc<dyn BearerTokens>>) -> Self {
        Self { accounts, others }
    }
}

#[async_trait]
impl Authenticator for Credentials {
    async fn authenticate(&self, request: &Parts) -> Result<Option<UserInfo>, Status> {
        let certificates = request.extensions.get::<PeerCertificates>();
        if let Some(leaf) = certificates.and_then(|certificates| certificates.0.first()) {
            let user = authn::certificate::user(leaf).map_err(|_| Status::unauthorized())?;
            return Ok(Some(groups::authenticated(user)));
        }
        let Some(token) = bearer(request) else { return Ok(None) };
        let audiences = [AUDIENCE.to_owned()];
        if let Some((user, _)) =
            self.accounts.user(token, &audiences, OffsetDateTime::now_utc()).await?
        {
            return Ok(Some(groups::authenticated(user)));
        }
        for tokens in &self.others {
            if let Some(user) = tokens.user(token).await? {
                return Ok(Some(groups::authenticated(user)));
            }
        }
        Err(Status::unauthorized())
    }
}

fn bearer(request: &Parts) -> Option<&str> {
    let value = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

#[async_trait]
impl BearerTokens for oauth::OAuthTokens {
    async fn user(&self, token: &str) -> Result<Option<UserInfo>, Status> {
        self.authenticate(token).await
    }
}
