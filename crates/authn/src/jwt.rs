// SPDX-License-Identifier: Apache-2.0
//! Service-account tokens with the claims of Kubernetes: bound ones with an audience, an end and
//! perhaps the pod, secret or node whose life they share; and those of old, which lie in a secret and
//! live as long as it does.
//!
//! A token is bound to the uid of its service account, not to the name: one that was made for an
//! account of a deleted project says nothing about an account of the same name in a new one
//! (reliability.md 3). Whether those objects still exist is asked of the caller.

use rbac::{UserInfo, service_account_name};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use crate::groups::of_service_account;
use crate::jwk::{BadKey, KeySet, SigningKey};
use crate::jws::{self, Invalid};
use crate::strict;

/// The issuer that tokens of old name.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// How far two machines' clocks may be apart. It is granted for the beginning of a token, never for
/// its end.
pub const LEEWAY: Duration = Duration::seconds(60);

/// An object by name and uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name.
    pub name: String,
    /// Which of the objects that had the name.
    pub uid: String,
}

/// Whose life a token shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Only the service account's.
    Nothing,
    /// A pod's; the node is told, if known, but does not limit the token.
    Pod(Reference, Option<Reference>),
    /// A secret's.
    Secret(Reference),
    /// A node's.
    Node(Reference),
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountToken {
    /// The namespace.
    pub namespace: String,
    /// Name and uid of the account.
    pub account: Reference,
    /// What it is bound to.
    pub bound: Bound,
    /// Whom it is meant for; empty only in tokens of old.
    pub audiences: Vec<String>,
    /// `None` only in tokens of old.
    pub expires: Option<OffsetDateTime>,
    /// From when on a client should have got another one.
    pub warn_after: Option<OffsetDateTime>,
    /// The token's own id; empty in tokens of old.
    pub id: String,
}

/// What a new token shall say.
#[derive(Clone, Debug)]
pub struct TokenRequest<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// Name and uid of the account.
    pub account: Reference,
    /// What it is bound to.
    pub bound: Bound,
    /// Whom it is meant for.
    pub audiences: Vec<String>,
    /// How long it lives; see [`clamp_lifetime`].
    pub lifetime: Duration,
    /// After what time a client is warned, if it differs from the end.
    pub warn_after: Option<Duration>,
    /// A fresh unique id.
    pub id: String,
}

/// Between 10 minutes and a limit, as upstream; absent is an hour.
pub fn clamp_lifetime(seconds: Option<i64>, max: Duration) -> Duration {
    let min = Duration::minutes(10);
    let asked = Duration::seconds(seconds.unwrap_or(3600));
    asked.clamp(min, max.max(min))
}

/// Makes tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The claim `iss`.
    pub name: String,
    /// Signs.
    pub key: SigningKey,
}

impl Issuer {
    /// A bound token.
    pub fn issue(&self, request: &TokenRequest<'_>, now: OffsetDateTime) -> Result<String, BadKey> {
        let seconds = now.unix_timestamp();
        let reference = |one: &Reference| json!({"name": one.name, "uid": one.uid});
        let mut private = json!({
            "namespace": request.namespace,
            "serviceaccount": reference(&request.account),
        });
        match &request.bound {
            Bound::Nothing => {}
            Bound::Pod(pod, node) => {
                private["pod"] = reference(pod);
                if let Some(node) = node {
                    private["node"] = reference(node);
                }
            }
            Bound::Secret(secret) => private["secret"] = reference(secret),
            Bound::Node(node) => private["node"] = reference(node),
        }
        if let Some(after) = request.warn_after {
            private["warnafter"] = json!(seconds.saturating_add(after.whole_seconds()));
        }
        let claims = json!({
            "aud": request.audiences,
            "exp": seconds.saturating_add(request.lifetime.whole_seconds()),
            "iat": seconds,
            "iss": self.name,
            "jti": request.id,
            "kubernetes.io": private,
            "nbf": seconds,
            "sub": service_account_name(request.namespace, &request.account.name),
        });
        jws::sign(&claims, &self.key)
    }

    /// A token for a secret of type `kubernetes.io/service-account-token`. It has no end; deleting
    /// the secret ends it.
    pub fn issue_legacy(
        &self,
        namespace: &str,
        account: &Reference,
        secret: &str,
    ) -> Result<String, BadKey> {
        let claims = json!({
            "iss": LEGACY_ISSUER,
            "sub": service_account_name(namespace, &account.name),
            "kubernetes.io/serviceaccount/namespace": namespace,
            "kubernetes.io/serviceaccount/secret.name": secret,
            "kubernetes.io/serviceaccount/service-account.name": account.name,
            "kubernetes.io/serviceaccount/service-account.uid": account.uid,
        });
        jws::sign(&claims, &self.key)
    }

    /// Signs any bytes as a payload: how the fuzz target gets past the signature.
    #[doc(hidden)]
    pub fn sign_payload(&self, payload: &[u8]) -> Result<String, BadKey> {
        jws::sign_bytes(payload, &self.key)
    }
}

/// Reads tokens.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The issuers that are believed: the first signs, others did once.
    pub issuers: Vec<String>,
    /// The keys that are believed.
    pub keys: KeySet,
    /// Whether tokens of old are accepted.
    pub legacy: bool,
}

impl Verifier {
    /// The token, if its signature, issuer, times and claims are right and it is meant for one of
    /// these audiences. What it is bound to is still to be checked: [`ServiceAccountToken::check`].
    pub fn verify(
        &self,
        token: &str,
        audiences: &[&str],
        now: OffsetDateTime,
    ) -> Result<ServiceAccountToken, Invalid> {
        let payload = jws::verify(token, &self.keys)?;
        let claims = strict::object(&payload).ok_or(Invalid::Malformed)?;
        let issuer = text(&claims, "iss")?;
        if issuer == LEGACY_ISSUER && self.legacy {
            // The audience of these is the API server alone, which is always the first asked for.
            return legacy(&claims, now);
        }
        if !self.issuers.iter().any(|one| one == issuer) {
            return Err(Invalid::Issuer);
        }
        let token = bound(&claims, now)?;
        if !token.audiences.iter().any(|one| audiences.contains(&one.as_str())) {
            return Err(Invalid::Audience);
        }
        Ok(token)
    }
}

fn bound(claims: &Map<String, Value>, now: OffsetDateTime) -> Result<ServiceAccountToken, Invalid> {
    let expires = times(claims, now)?.ok_or(Invalid::Claims)?;
    let private = claims.get("kubernetes.io").and_then(Value::as_object).ok_or(Invalid::Claims)?;
    let part = |name: &str| match private.get(name) {
        None => Ok(None),
        Some(value) => reference(value).map(Some),
    };
    let bound = match (part("pod")?, part("secret")?, part("node")?) {
        (None, None, None) => Bound::Nothing,
        (Some(pod), None, node) => Bound::Pod(pod, node),
        (None, Some(secret), None) => Bound::Secret(secret),
        (None, None, Some(node)) => Bound::Node(node),
        _ => return Err(Invalid::Claims),
    };
    let token = ServiceAccountToken {
        namespace: text(private, "namespace")?.to_owned(),
        account: part("serviceaccount")?.ok_or(Invalid::Claims)?,
        bound,
        audiences: audiences(claims)?,
        expires: Some(expires),
        warn_after: time(private, "warnafter")?,
        id: claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    same_subject(claims, token)
}

fn legacy(
    claims: &Map<String, Value>,
    now: OffsetDateTime,
) -> Result<ServiceAccountToken, Invalid> {
    let expires = times(claims, now)?;
    let of = |name: &str| text(claims, &format!("kubernetes.io/serviceaccount/{name}"));
    let account = Reference {
        name: of("service-account.name")?.to_owned(),
        uid: of("service-account.uid")?.to_owned(),
    };
    let secret = Reference { name: of("secret.name")?.to_owned(), uid: String::new() };
    let token = ServiceAccountToken {
        namespace: of("namespace")?.to_owned(),
        account,
        bound: Bound::Secret(secret),
        audiences: Vec::new(),
        expires,
        warn_after: None,
        id: String::new(),
    };
    same_subject(claims, token)
}

/// The subject is what other readers of the token look at: it must be the same account.
fn same_subject(
    claims: &Map<String, Value>,
    token: ServiceAccountToken,
) -> Result<ServiceAccountToken, Invalid> {
    let subject = service_account_name(&token.namespace, &token.account.name);
    let valid =
        text(claims, "sub")? == subject && crate::groups::split_service_account(&subject).is_some();
    if valid { Ok(token) } else { Err(Invalid::Claims) }
}

/// Checks the times and returns the end.
fn times(
    claims: &Map<String, Value>,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, Invalid> {
    let expires = time(claims, "exp")?;
    if expires.is_some_and(|end| now >= end) {
        return Err(Invalid::Expired);
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|begin| begin - now > LEEWAY) {
            return Err(Invalid::NotYet);
        }
    }
    Ok(expires)
}

/// A NumericDate. Fractions are cut off; what no calendar holds is refused.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<OffsetDateTime>, Invalid> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(seconds), _) => seconds,
            // Far below where the next integer could not be represented.
            (None, Some(float)) if float.abs() < 1e15 => float.trunc() as i64,
            _ => return Err(Invalid::Claims),
        },
        _ => return Err(Invalid::Claims),
    };
    OffsetDateTime::from_unix_timestamp(seconds).map(Some).map_err(|_| Invalid::Claims)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, Invalid> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or(Invalid::Claims)
}

fn reference(value: &Value) -> Result<Reference, Invalid> {
    let object = value.as_object().ok_or(Invalid::Claims)?;
    Ok(Reference { name: text(object, "name")?.to_owned(), uid: text(object, "uid")?.to_owned() })
}

/// One, or several (RFC 7519 section 4.1.3).
fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>, Invalid> {
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(list)) => {
            list.iter().map(|one| one.as_str().map(str::to_owned).ok_or(Invalid::Claims)).collect()
        }
        _ => Err(Invalid::Claims),
    }
}

/// Which object the caller is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A service account of the token's namespace.
    ServiceAccount,
    /// A pod of the token's namespace.
    Pod,
    /// A secret of the token's namespace.
    Secret,
    /// A node.
    Node,
}

impl ServiceAccountToken {
    /// Whether all that the token is bound to still exists. `uid_of` gives an object's uid, `None` if
    /// it is gone or its deletion has been asked for long ago; for the secret of a token of old it
    /// also compares the token with the one in the secret.
    pub fn check(
        &self,
        uid_of: impl Fn(Kind, &str, &str) -> Option<String>,
    ) -> Result<(), Invalid> {
        let same = |kind, one: &Reference| {
            let uid = uid_of(kind, &self.namespace, &one.name).ok_or(Invalid::Unbound)?;
            // Tokens of old do not know their secret's uid.
            if uid == one.uid || (one.uid.is_empty() && kind == Kind::Secret) {
                Ok(())
            } else {
                Err(Invalid::Unbound)
            }
        };
        same(Kind::ServiceAccount, &self.account)?;
        match &self.bound {
            Bound::Nothing => Ok(()),
            Bound::Pod(pod, _) => same(Kind::Pod, pod),
            Bound::Secret(secret) => same(Kind::Secret, secret),
            Bound::Node(node) => same(Kind::Node, node),
        }
    }

    /// Who it makes its bearer.
    pub fn user(&self) -> UserInfo {
        let mut user = UserInfo {
            name: service_account_name(&self.namespace, &self.account.name),
            uid: self.account.uid.clone(),
            groups: of_service_account(&self.namespace),
            ..UserInfo::default()
        };
        let mut extra = |key: &str, value: &str| {
            user.extra
                .insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
        };
        if !self.id.is_empty() {
            extra("credential-id", &format!("JTI={}", self.id));
        }
        let node = match &self.bound {
            Bound::Pod(pod, node) => {
                extra("pod-name", &pod.name);
                extra("pod-uid", &pod.uid);
                node.as_ref()
            }
            Bound::Node(node) => Some(node),
            Bound::Nothing | Bound::Secret(_) => None,
        };
        if let Some(node) = node {
            extra("node-name", &node.name);
            extra("node-uid", &node.uid);
        }
        crate::groups::authenticated(user)
    }
}
