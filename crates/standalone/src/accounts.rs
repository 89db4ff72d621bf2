// SPDX-License-Identifier: Apache-2.0
//! Service accounts' tokens: issued on TokenRequests, checked on every request against the objects they are bound to.

use std::sync::Arc;

use api::meta;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::storage::{Freshness, ResourceStorage, Storage};
use async_trait::async_trait;
use authn::jwt::{Bound, Kind, Reference, ServiceAccountToken, TokenRequest, clamp_lifetime};
use core_api::{Review, Tokens};
use rbac::UserInfo;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::identity::Keys;

/// The longest life of a token.
const LONGEST: Duration = Duration::days(1);
/// The audience of the API itself.
pub const AUDIENCE: &str = crate::identity::TOKEN_ISSUER;

/// Issues and checks tokens.
pub struct Accounts {
    keys: Arc<Keys>,
    accounts: ResourceStorage,
    pods: ResourceStorage,
    secrets: ResourceStorage,
    nodes: ResourceStorage,
}

impl Accounts {
    /// Over the storage that holds the accounts, pods, secrets and nodes.
    #[must_use]
    pub fn new(keys: Arc<Keys>, storage: &Arc<Storage>) -> Self {
        let at = |name: &str| storage.resource(&format!("/registry/{name}/"), &[]);
        Self {
            keys,
            accounts: at("serviceaccounts"),
            pods: at("pods"),
            secrets: at("secrets"),
            nodes: at("minions"),
        }
    }

    /// Whose a token is; none: nobody's that can be believed.
    ///
    /// # Errors
    /// When the objects cannot be read now.
    pub async fn user(
        &self,
        token: &str,
        audiences: &[String],
        now: OffsetDateTime,
    ) -> Result<Option<(UserInfo, ServiceAccountToken)>, Status> {
        let audiences: Vec<&str> = audiences.iter().map(String::as_str).collect();
        let Ok(token_says) = self.keys.verifier.verify(token, &audiences, now) else {
            return Ok(None);
        };
        let account = self
            .uid(&self.accounts, &format!("{}/{}", token_says.namespace, token_says.account.name))
            .await?;
        let bound = match &token_says.bound {
            Bound::Nothing => None,
            Bound::Pod(pod, _) => {
                self.uid(&self.pods, &format!("{}/{}", token_says.namespace, pod.name)).await?
            }
            Bound::Secret(secret) => {
                self.secret(&token_says.namespace, &secret.name, token).await?
            }
            Bound::Node(node) => self.uid(&self.nodes, &node.name).await?,
        };
        let uid_of = |kind, _: &str, _: &str| match kind {
            Kind::ServiceAccount => account.clone(),
            Kind::Pod | Kind::Secret | Kind::Node => bound.clone(),
        };
        Ok(token_says.check(uid_of).is_ok().then(|| (token_says.user(), token_says)))
    }

    async fn uid(&self, storage: &ResourceStorage, key: &str) -> Result<Option<String>, Status> {
        let entry = storage.get(key, Freshness::Newest).await.map_err(unavailable)?;
        Ok(entry.map(|entry| meta::uid(&entry.object()).to_owned()))
    }

    /// The secret's uid, if it is the one that holds this token.
    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        token: &str,
    ) -> Result<Option<String>, Status> {
        use base64::Engine as _;
        let entry = self
            .secrets
            .get(&format!("{namespace}/{name}"), Freshness::Newest)
            .await
            .map_err(unavailable)?;
        let Some(entry) = entry else { return Ok(None) };
        let object = entry.object();
        let held = object.pointer("/data/token").and_then(Value::as_str).unwrap_or_default();
        let held = base64::engine::general_purpose::STANDARD.decode(held).unwrap_or_default();
        Ok((held == token.as_bytes()).then(|| meta::uid(&object).to_owned()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an adapter for map_err")]
fn unavailable(error: apimachinery::storage::ReadError) -> Status {
    tracing::warn!(%error, "a token's objects cannot be read");
    Status::service_unavailable("the token cannot be checked now, try again").retry_after(1)
}

#[async_trait]
impl Tokens for Accounts {
    async fn issue(
        &self,
        call: &Call,
        account: &Value,
        mut request: Value,
    ) -> Result<Value, Status> {
        let now =
            OffsetDateTime::from_unix_timestamp(call.now.seconds()).map_err(Status::internal)?;
        let asked = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
        let life = clamp_lifetime(asked, LONGEST);
        let mut audiences: Vec<String> = request
            .pointer("/spec/audiences")
            .and_then(Value::as_array)
            .map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default();
        if audiences.is_empty() {
            audiences.push(AUDIENCE.to_owned());
        }
        let namespace = meta::namespace(account);
        let bound = self.bound(namespace, request.pointer("/spec/boundObjectRef")).await?;
        let account =
            Reference { name: meta::name(account).to_owned(), uid: meta::uid(account).to_owned() };
        let token = self
            .keys
            .issuer
            .issue(
                &TokenRequest {
                    namespace,
                    account,
                    bound,
                    audiences: audiences.clone(),
                    lifetime: life,
                    warn_after: None,
                    id: uuid::Uuid::new_v4().to_string(),
                },
                now,
            )
            .map_err(Status::internal)?;
        let ends = api::time::Time::from_unix((now + life).unix_timestamp(), 0).unwrap_or(call.now);
        request["spec"]["audiences"] = json!(audiences);
        request["spec"]["expirationSeconds"] = life.whole_seconds().into();
        request["status"] = json!({"token": token, "expirationTimestamp": ends.to_string()});
        Ok(request)
    }

    async fn review(&self, token: &str, audiences: &[String]) -> Result<Review, Status> {
        let own = [AUDIENCE.to_owned()];
        let asked = if audiences.is_empty() { &own[..] } else { audiences };
        let found = self.user(token, asked, OffsetDateTime::now_utc()).await?;
        Ok(match found {
            Some((user, says)) => {
                let matching = authn::review::matching_audiences(audiences, &own, &says.audiences);
                Review::Good(authn::groups::authenticated(user), matching)
            }
            None => Review::Bad("the token is not valid".to_owned()),
        })
    }
}

impl Accounts {
    /// What a TokenRequest binds its token to.
    async fn bound(&self, namespace: &str, reference: Option<&Value>) -> Result<Bound, Status> {
        let Some(reference) = reference.filter(|r| !r.is_null()) else { return Ok(Bound::Nothing) };
        let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, name, uid) = (text("kind"), text("name"), text("uid"));
        let (storage, key, plural) = match kind {
            "Pod" => (&self.pods, format!("{namespace}/{name}"), "pods"),
            "Secret" => (&self.secrets, format!("{namespace}/{name}"), "secrets"),
            "Node" => (&self.nodes, name.to_owned(), "nodes"),
            other => {
                return Err(Status::bad_request(format!(
                    "cannot bind token to object of type {other}"
                )));
            }
        };
        let found = self.uid(storage, &key).await?;
        let found =
            found.ok_or_else(|| Status::not_found(&api::GroupResource::new("", plural), name))?;
        if !uid.is_empty() && uid != found {
            let cause = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            return Err(Status::conflict(&api::GroupResource::new("", plural), name, cause));
        }
        let reference = Reference { name: name.to_owned(), uid: found };
        Ok(match kind {
            "Pod" => Bound::Pod(reference, None),
            "Secret" => Bound::Secret(reference),
            _ => Bound::Node(reference),
        })
    }
}
