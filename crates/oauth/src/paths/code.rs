// SPDX-License-Identifier: Apache-2.0
//! Authorization codes: good once, for five minutes, for the client that asked, with the proof that it is the one.

use std::collections::VecDeque;
use std::sync::Arc;

use api::status::Status;
use authn::oauth::{AccessToken, Lookup, lookup};
use parking_lot::Mutex;
use serde_json::{Value, json};
use time::Duration;

use crate::accounts::Account;
use crate::credentials::Hidden;
use crate::objects::{ACCESS_TOKENS, AUTHORIZE_TOKENS, Objects, number, text, texts};
use crate::pkce;
use crate::settings::Clock;
use crate::tokens::born;

/// How long a code is good (RFC 6749 4.1.2 recommends at most ten minutes).
const LIFETIME: i64 = 300;
/// Redeemed codes whose token is known, to be revoked when one comes again.
const REMEMBERED: usize = 4096;

/// A challenge and how it was made (RFC 7636 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) method: String,
    pub(super) text: String,
}

/// What a code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) client: String,
    pub(super) account: Account,
    pub(super) scopes: Vec<String>,
    pub(super) redirect: String,
    pub(super) state: String,
    pub(super) challenge: Option<Challenge>,
}

/// Makes and redeems codes.
pub(super) struct Codes {
    objects: Arc<Objects>,
    clock: Clock,
    /// Names of codes' objects and of the tokens that were issued for them.
    redeemed: Mutex<VecDeque<(String, String)>>,
}

impl Codes {
    pub(super) fn new(objects: Arc<Objects>, clock: Clock) -> Self {
        Self { objects, clock, redeemed: Mutex::default() }
    }

    pub(super) async fn issue(&self, meaning: &Meaning) -> Result<Hidden, Status> {
        let code = AccessToken::generate().map_err(Status::internal)?;
        let mut object = json!({
            "kind": "OAuthAuthorizeToken",
            "apiVersion": "oauth.openshift.io/v1",
            "metadata": {"name": code.object_name()},
            "clientName": meaning.client,
            "expiresIn": LIFETIME,
            "scopes": meaning.scopes,
            "redirectURI": meaning.redirect,
            "state": meaning.state,
            "userName": meaning.account.name,
            "userUID": meaning.account.uid,
        });
        if let Some(challenge) = &meaning.challenge {
            object["codeChallenge"] = challenge.text.as_str().into();
            object["codeChallengeMethod"] = challenge.method.as_str().into();
        }
        self.objects.create(AUTHORIZE_TOKENS, &object).await?;
        Ok(Hidden::new(code.token()))
    }

    /// What a code stands for, without redeeming it.
    pub(super) async fn peek(&self, code: &str) -> Result<Option<(String, Meaning)>, Status> {
        let Some(Lookup::Digest(name)) = lookup(code, false) else { return Ok(None) };
        let object = self.objects.find(AUTHORIZE_TOKENS, &name).await?;
        Ok(object.filter(|object| self.is_fresh(object)).map(|object| (name, meaning(&object))))
    }

    /// Redeems a code: whoever deletes its object has it. Any use ends a code, a wrong one too: it has been seen by
    /// somebody whom it was not meant for.
    ///
    /// A code that comes again was copied. The token that was given for it is revoked (RFC 6749 4.1.2).
    pub(super) async fn redeem(&self, code: &str) -> Result<Option<(String, Meaning)>, Status> {
        let Some(Lookup::Digest(name)) = lookup(code, false) else { return Ok(None) };
        let object = self.objects.find(AUTHORIZE_TOKENS, &name).await?;
        let Some(object) = object else {
            self.revoke_token_of(&name).await?;
            return Ok(None);
        };
        if !self.objects.delete(AUTHORIZE_TOKENS, &object).await? || !self.is_fresh(&object) {
            return Ok(None);
        }
        Ok(Some((name, meaning(&object))))
    }

    /// Notes which token was given for a code.
    pub(super) fn redeemed(&self, code: &str, token: &str) {
        let mut redeemed = self.redeemed.lock();
        if redeemed.len() >= REMEMBERED {
            redeemed.pop_front();
        }
        redeemed.push_back((code.to_owned(), token.to_owned()));
    }

    async fn revoke_token_of(&self, code: &str) -> Result<(), Status> {
        let token = self
            .redeemed
            .lock()
            .iter()
            .find(|(known, _)| known == code)
            .map(|(_, token)| token.clone());
        let Some(token) = token else { return Ok(()) };
        if let Some(object) = self.objects.find(ACCESS_TOKENS, &token).await? {
            tracing::warn!(
                user = text(&object, "userName"),
                "a code was used twice; its token is revoked"
            );
            self.objects.delete(ACCESS_TOKENS, &object).await?;
        }
        Ok(())
    }

    fn is_fresh(&self, object: &Value) -> bool {
        let life = Duration::seconds(number(object, "expiresIn").clamp(0, LIFETIME));
        // A code from the future: the clock was set back. A little is drift between replicas.
        let from = Duration::seconds(-60);
        born(object).is_some_and(|born| (from..life).contains(&(self.clock.wall() - born)))
    }
}

fn meaning(object: &Value) -> Meaning {
    let own = |field: &str| text(object, field).to_owned();
    let challenge = own("codeChallenge");
    Meaning {
        client: own("clientName"),
        account: Account { name: own("userName"), uid: own("userUID") },
        scopes: texts(object, "scopes"),
        redirect: own("redirectURI"),
        state: own("state"),
        challenge: (!challenge.is_empty())
            .then(|| Challenge { method: own("codeChallengeMethod"), text: challenge }),
    }
}

impl Meaning {
    /// Whether the verifier belongs to the challenge. Where there was no challenge none is expected: one that comes
    /// nevertheless means that the challenge was taken out on its way (RFC 9700 2.1.1).
    pub(super) fn is_proven(&self, verifier: Option<&str>) -> bool {
        match (&self.challenge, verifier) {
            (Some(challenge), Some(verifier)) => {
                pkce::holds(&challenge.method, &challenge.text, verifier)
            }
            (None, None) => true,
            _ => false,
        }
    }
}
