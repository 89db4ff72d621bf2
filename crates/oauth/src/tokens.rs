// SPDX-License-Identifier: Apache-2.0
//! Access tokens: issued, checked, kept in mind for a while, revoked.
//!
//! ```text
//!  token ─▶ cache ─miss─▶ OAuthAccessToken ─▶ not expired, not idle ─▶ user (uid, groups) ─▶ UserInfo
//!             ▲
//!             └─ watch on tokens, users, groups, kubeadmin's secret; admission before a write in this process
//! ```
//!
//! A watch tells of a revocation when it has happened; somebody who just logged out could be faster. Writes that go
//! through this server are therefore announced by [`RevocationAdmission`] before they are made: what they concern is
//! read anew until the watch has told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration as StdDuration;

use api::status::{Reason, Status};
use apimachinery::local::Event;
use authn::cache::{Found, Revocation, TokenCache};
use authn::oauth::{AccessToken, Lookup, lookup};
use futures_util::StreamExt as _;
use rbac::UserInfo;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::accounts::{Account, Accounts};
use crate::client::Client;
use crate::credentials::Hidden;
use crate::kubeadmin;
use crate::objects::{
    ACCESS_TOKENS, AUTHORIZE_TOKENS, Collection, OAUTHS, Objects, number, text, texts,
};
use crate::revocation::Announced;
use crate::scope::{self, Scope};
use crate::settings::{Clock, Settings};

/// Tokens in mind.
const CACHED: usize = 10_000;
/// How long a token is not looked at again. Short against [`MIN_INACTIVITY`], so that use is noticed.
const CACHED_FOR: Duration = Duration::seconds(60);
/// The shortest inactivity timeout, as OpenShift allows it.
const MIN_INACTIVITY: i64 = 300;
/// The pause before a broken watch is begun anew.
const PAUSE: StdDuration = StdDuration::from_secs(1);
/// How often expired tokens are removed.
const PRUNE_EVERY: StdDuration = StdDuration::from_secs(3600);
/// What is watched: the collection, and a selector.
const WATCHED: [(&str, &str); 4] = [
    ("/apis/oauth.openshift.io/v1/oauthaccesstokens", ""),
    ("/apis/user.openshift.io/v1/users", ""),
    ("/apis/user.openshift.io/v1/groups", ""),
    ("/api/v1/namespaces/kube-system/secrets", "&fieldSelector=metadata.name%3Dkubeadmin"),
];

/// Checks access tokens. Shared with the API server's authenticator.
pub struct OAuthTokens {
    objects: Arc<Objects>,
    accounts: Arc<Accounts>,
    cache: TokenCache,
    announced: Arc<Announced>,
    /// How many of [`WATCHED`] are followed now; the cache is only believed when all are.
    followed: AtomicUsize,
    clock: Clock,
    lifetime: StdDuration,
}

impl std::fmt::Debug for OAuthTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuthTokens").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// A token that was made, for the client once.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: Hidden,
    pub(crate) object: Value,
    /// Seconds; 0: it does not expire.
    pub(crate) expires_in: i64,
}

/// What a token is for.
pub(crate) struct Order<'a> {
    pub(crate) client: &'a Client,
    pub(crate) account: &'a Account,
    pub(crate) scopes: &'a [String],
    pub(crate) redirect: &'a str,
    /// The name of the code's object; empty for the implicit flow.
    pub(crate) code: &'a str,
}

impl OAuthTokens {
    pub(crate) fn new(
        objects: Arc<Objects>,
        accounts: Arc<Accounts>,
        settings: &Settings,
    ) -> Result<Self, authn::jwk::BadKey> {
        Ok(Self {
            objects,
            accounts,
            cache: TokenCache::new(CACHED, CACHED_FOR)?,
            announced: Arc::new(Announced::new(settings.clock.clone())),
            followed: AtomicUsize::new(0),
            clock: settings.clock.clone(),
            lifetime: settings.token_lifetime,
        })
    }

    pub(crate) fn announced(&self) -> &Arc<Announced> {
        &self.announced
    }

    /// Whose a bearer token is; `None` when it is no OAuth token (perhaps another authenticator knows it).
    ///
    /// # Errors
    /// 401 for one that is unknown, expired, revoked or whose user is gone; what kept it from being found out.
    pub async fn authenticate(&self, token: &str) -> Result<Option<UserInfo>, Status> {
        let Some(Lookup::Digest(name)) = lookup(token, false) else { return Ok(None) };
        let now = self.clock.wall();
        let cached = self.cache.get(token, "", now);
        if let Some(user) = cached.filter(|user| self.may_use_cache(&name, &user.name)) {
            return Ok(Some((*user).clone()));
        }
        let ticket = self.cache.ticket();
        let object =
            self.objects.find(ACCESS_TOKENS, &name).await?.ok_or_else(Status::unauthorized)?;
        if api::meta::is_being_deleted(&object) {
            return Err(Status::unauthorized());
        }
        let expires = self.still_good(&object, now)?;
        let account = Account {
            name: text(&object, "userName").into(),
            uid: text(&object, "userUID").into(),
        };
        let mut user = self.accounts.user_info(&account).await?.ok_or_else(Status::unauthorized)?;
        let scopes = texts(&object, "scopes");
        if scopes.is_empty() || scopes.iter().any(|scope| Scope::parse(scope).is_none()) {
            return Err(Status::unauthorized());
        }
        user.extra.insert(scope::EXTRA.to_owned(), scopes);
        let expires = self.used(object, now).await.or(expires);
        if self.may_use_cache(&name, &user.name) {
            let found = Found { user: Arc::new(user.clone()), source: name, expires };
            self.cache.put(ticket, token, "", found, now);
        }
        Ok(Some(user))
    }

    /// The `User` that `users/~` answers the bearer of a token with.
    ///
    /// # Errors
    /// As [`OAuthTokens::authenticate`].
    pub async fn user_for_token(&self, token: &str) -> Result<Option<Value>, Status> {
        let Some(user) = self.authenticate(token).await? else { return Ok(None) };
        let stored = if user.name == kubeadmin::USER {
            None
        } else {
            self.objects.find(crate::objects::USERS, &user.name).await?
        };
        Ok(Some(stored.unwrap_or_else(|| user_object(&user))))
    }

    fn may_use_cache(&self, source: &str, user: &str) -> bool {
        self.followed.load(Ordering::Acquire) == WATCHED.len()
            && !self.announced.concerns(source, user)
    }

    /// When the token ends, if it has not.
    fn still_good(
        &self,
        object: &Value,
        now: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, Status> {
        let born = born(object).ok_or_else(Status::unauthorized)?;
        let ends = [number(object, "expiresIn"), number(object, "inactivityTimeoutSeconds")];
        let end = ends
            .iter()
            .filter(|it| **it > 0)
            .map(|it| born.saturating_add(Duration::seconds(*it)))
            .min();
        match end {
            Some(end) if end <= now => Err(Status::unauthorized()),
            end => Ok(end),
        }
    }

    /// Moves the inactivity timeout of a token that is used on, when a third of it has passed; answers with the new end.
    ///
    /// As OpenShift stores it, `inactivityTimeoutSeconds` counts from the token's creation.
    async fn used(&self, mut object: Value, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let stored = number(&object, "inactivityTimeoutSeconds");
        if stored <= 0 {
            return None;
        }
        let born = born(&object)?;
        let client =
            Client::find(&self.objects, "", text(&object, "clientName")).await.ok().flatten();
        let timeout = self.inactivity(client.as_ref()).await.ok()?.max(MIN_INACTIVITY);
        let wanted = (now - born).whole_seconds().saturating_add(timeout);
        let lifetime = number(&object, "expiresIn");
        if wanted - stored < timeout / 3 || (lifetime > 0 && stored >= lifetime) {
            return None;
        }
        object["inactivityTimeoutSeconds"] = wanted.min(i64::from(i32::MAX)).into();
        // Bound to the version that was read: a token that was deleted meanwhile is not made anew.
        if let Err(status) = self.objects.replace(ACCESS_TOKENS, &object).await {
            tracing::debug!(reason = %status.message, "a token's use was not noted");
            return None;
        }
        let end = if lifetime > 0 { wanted.min(lifetime) } else { wanted };
        Some(born.saturating_add(Duration::seconds(end)))
    }

    /// Seconds that tokens may lie idle; 0: any time.
    async fn inactivity(&self, client: Option<&Client>) -> Result<i64, Status> {
        if let Some(seconds) = client.and_then(|client| client.inactivity) {
            return Ok(seconds);
        }
        let config = self.objects.find(OAUTHS, "cluster").await?.unwrap_or_default();
        let tokens = config.pointer("/spec/tokenConfig").cloned().unwrap_or_default();
        Ok(go_seconds(text(&tokens, "accessTokenInactivityTimeout")).unwrap_or_default().max(0))
    }

    /// Seconds that tokens are good; 0: for ever.
    async fn max_age(&self, client: &Client) -> Result<i64, Status> {
        if let Some(seconds) = client.max_age {
            return Ok(seconds.max(0));
        }
        let config = self.objects.find(OAUTHS, "cluster").await?.unwrap_or_default();
        let set =
            config.pointer("/spec/tokenConfig/accessTokenMaxAgeSeconds").and_then(Value::as_i64);
        let own = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        Ok(set.filter(|seconds| *seconds > 0).unwrap_or(own))
    }

    /// Makes a token.
    pub(crate) async fn issue(&self, order: &Order<'_>) -> Result<Issued, Status> {
        let token = AccessToken::generate().map_err(Status::internal)?;
        let expires_in = self.max_age(order.client).await?;
        let mut object = json!({
            "kind": "OAuthAccessToken",
            "apiVersion": "oauth.openshift.io/v1",
            "metadata": {"name": token.object_name()},
            "clientName": order.client.name,
            "expiresIn": expires_in,
            "scopes": order.scopes,
            "redirectURI": order.redirect,
            "userName": order.account.name,
            "userUID": order.account.uid,
        });
        if !order.code.is_empty() {
            object["authorizeToken"] = order.code.into();
        }
        let inactivity = self.inactivity(Some(order.client)).await?;
        if inactivity > 0 {
            object["inactivityTimeoutSeconds"] = inactivity.max(MIN_INACTIVITY).into();
        }
        let object = self.objects.create(ACCESS_TOKENS, &object).await?;
        tracing::info!(user = %order.account.name, client = %order.client.name, "an access token was issued");
        Ok(Issued { token: Hidden::new(token.token()), object, expires_in })
    }

    /// Follows what revokes tokens and removes expired ones; ends when it is dropped. Without it every token is
    /// looked up each time.
    pub async fn run(self: Arc<Self>) {
        let follow = WATCHED.iter().map(|(collection, selector)| self.follow(collection, selector));
        let prune = async {
            loop {
                tokio::time::sleep(PRUNE_EVERY).await;
                if let Err(status) = self.prune().await {
                    tracing::warn!(reason = %status.message, "expired tokens were not removed");
                }
            }
        };
        tokio::join!(futures_util::future::join_all(follow), prune);
    }

    async fn follow(&self, collection: &str, selector: &str) {
        /// Takes the watch out of the count however it ends.
        struct Following<'a>(&'a OAuthTokens);
        impl Drop for Following<'_> {
            fn drop(&mut self) {
                self.0.followed.fetch_sub(1, Ordering::AcqRel);
                self.0.cache.revoke(Revocation::All);
            }
        }
        let target = format!("{collection}?watch=true&allowWatchBookmarks=true{selector}");
        loop {
            if let Ok(local) = self.objects.local() {
                match local.watch(&target).await {
                    Ok(mut events) => {
                        // What happened before it began is not told: nothing from then is believed.
                        self.cache.revoke(Revocation::All);
                        self.followed.fetch_add(1, Ordering::AcqRel);
                        let _following = Following(self);
                        while let Some(event) = events.next().await {
                            if event.kind == "ERROR" {
                                break;
                            }
                            self.told(collection, &event);
                        }
                    }
                    Err(status) => {
                        tracing::warn!(collection, reason = %status.message, "revocations cannot be followed");
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn told(&self, collection: &str, event: &Event) {
        let name = api::meta::name(&event.object);
        match (collection, event.kind.as_str()) {
            (_, "BOOKMARK") => {}
            // A new token, or a new user, concerns nothing that is in mind.
            (_, "ADDED") if !collection.ends_with("groups") => {}
            (_, "MODIFIED" | "DELETED") if collection.ends_with("oauthaccesstokens") => {
                self.cache.revoke(Revocation::Source(name));
            }
            (_, _) if collection.ends_with("users") => self.cache.revoke(Revocation::User(name)),
            (_, _) if collection.ends_with("secrets") => {
                self.cache.revoke(Revocation::User(kubeadmin::USER));
            }
            (_, _) => self.cache.revoke(Revocation::All),
        }
    }

    /// Removes tokens and codes that have expired; how many.
    ///
    /// # Errors
    /// What kept it from going on.
    pub async fn prune(&self) -> Result<usize, Status> {
        let now = self.clock.wall();
        let mut removed = 0;
        for collection in [ACCESS_TOKENS, AUTHORIZE_TOKENS] {
            for object in self.objects.list(collection).await? {
                if self.still_good(&object, now).is_err() {
                    removed += usize::from(self.remove(collection, &object).await?);
                }
            }
        }
        Ok(removed)
    }

    async fn remove(&self, collection: Collection, object: &Value) -> Result<bool, Status> {
        match self.objects.delete(collection, object).await {
            Err(status) if status.is(Reason::NotFound) => Ok(false),
            other => other,
        }
    }
}

/// The `User` of somebody without a stored one (`kube:admin`, certificates, service accounts), for `users/~`.
#[must_use]
pub fn user_object(user: &UserInfo) -> Value {
    let mut object = json!({
        "kind": "User",
        "apiVersion": "user.openshift.io/v1",
        "metadata": {"name": user.name, "creationTimestamp": null},
        "identities": null,
        "groups": user.groups,
    });
    api::meta::set_uid(&mut object, &user.uid);
    object
}

/// When an object was made.
pub(crate) fn born(object: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(api::meta::creation_timestamp(object), &Rfc3339).ok()
}

/// Whole seconds of a duration as Go writes it (`1h30m`, `400s`).
fn go_seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (value, tail) = rest.split_at(at);
        let unit = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, tail) = tail.split_at(unit);
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total += value.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    (!text.is_empty() && total.is_finite() && (0.0..1e12).contains(&total)).then_some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(go_seconds("1h30m"), Some(5400));
        assert_eq!(go_seconds("400s"), Some(400));
        assert_eq!(go_seconds("0s"), Some(0));
        for bad in ["", "5", "s", "-1s", "1x", "1e300h"] {
            assert_eq!(go_seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_user_that_is_not_stored_has_an_object_too() {
        let object = user_object(&kubeadmin::user_info("u"));
        assert_eq!(object["metadata"]["name"], "kube:admin");
        assert_eq!(object["metadata"]["uid"], "u");
        assert_eq!(
            object["groups"],
            json!(["system:cluster-admins", "system:authenticated:oauth"])
        );
    }
}
