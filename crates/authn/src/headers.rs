// SPDX-License-Identifier: Apache-2.0
//! Identity in headers: those that a trusted proxy adds (`X-Remote-*`), and those by which somebody
//! asks to act as somebody else (`Impersonate-*`).

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use rbac::{AUTHENTICATED, Attributes, UNAUTHENTICATED, UserInfo, service_account_name};

use crate::certificate::{BadCertificate, common_name, parse};
use crate::groups::{ANONYMOUS, authenticated, of_service_account, split_service_account};

/// Values beyond this number are refused: each impersonated one costs a decision.
const MAX_VALUES: usize = 1_000;

/// Why the headers are refused: 400 for impersonation, 401 for a proxy's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeaders {
    /// A value is not UTF-8.
    #[error("a header's value cannot be read")]
    Malformed,
    /// There are too many.
    #[error("too many headers that name an identity")]
    TooMany,
    /// Groups, a uid or extras without a user.
    #[error("requested {0} without impersonating a user")]
    NoUser(String),
    /// The proxy's certificate.
    #[error(transparent)]
    Proxy(#[from] BadCertificate),
    /// Headers of a proxy in a request from somebody else.
    #[error("the client certificate is not that of a proxy")]
    NotAProxy,
}

/// A proxy that authenticates users itself, as the aggregation layer does.
#[derive(Clone, Debug)]
pub struct FrontProxy {
    /// Common names of the proxy's certificate that are believed; empty is any that the proxies'
    /// authority has issued.
    pub allowed_names: Vec<String>,
    /// Normally `x-remote-user`.
    pub user_header: HeaderName,
    /// Normally `x-remote-uid`.
    pub uid_header: HeaderName,
    /// Normally `x-remote-group`.
    pub group_header: HeaderName,
    /// Normally `x-remote-extra-`; lower case.
    pub extra_prefix: String,
}

impl Default for FrontProxy {
    fn default() -> Self {
        Self {
            allowed_names: Vec::new(),
            user_header: HeaderName::from_static("x-remote-user"),
            uid_header: HeaderName::from_static("x-remote-uid"),
            group_header: HeaderName::from_static("x-remote-group"),
            extra_prefix: "x-remote-extra-".to_owned(),
        }
    }
}

impl FrontProxy {
    /// The user whom the proxy names. `certificate` is the first of the chain that was verified
    /// against the *proxies'* authority; the clients' authority must be another one. `None` if the
    /// request names no user.
    pub fn user(
        &self,
        certificate: &[u8],
        headers: &HeaderMap,
    ) -> Result<Option<UserInfo>, BadHeaders> {
        let Some(name) = first(headers, self.user_header.as_str())? else { return Ok(None) };
        if !self.allowed_names.is_empty() {
            let proxy = common_name(&parse(certificate)?)?;
            if !self.allowed_names.contains(&proxy) {
                return Err(BadHeaders::NotAProxy);
            }
        }
        let groups = all(headers, self.group_header.as_str())?;
        let user = UserInfo {
            name,
            uid: first(headers, self.uid_header.as_str())?.unwrap_or_default(),
            groups: groups.into_iter().filter(|group| !group.is_empty()).collect(),
            extra: extra(headers, &self.extra_prefix)?,
        };
        Ok(Some(authenticated(user)))
    }

    /// Takes the headers out of a request, whoever sent them, so that nothing behind believes them.
    pub fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(&self.user_header);
        headers.remove(&self.uid_header);
        headers.remove(&self.group_header);
        remove_prefix(headers, &self.extra_prefix);
    }
}

/// Somebody's wish to act as somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    /// Who they want to be, with the groups that follow from it.
    pub user: UserInfo,
    /// All of which they must be permitted.
    pub checks: Vec<Check>,
}

/// One permission (`verb` `impersonate`) that an impersonation needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Empty or `authentication.k8s.io`.
    pub api_group: &'static str,
    /// `users`, `groups`, `serviceaccounts`, `uids` or `userextras`.
    pub resource: &'static str,
    /// Of `userextras` the key.
    pub subresource: String,
    /// Of a service account.
    pub namespace: String,
    /// The user, group, uid or value.
    pub name: String,
}

impl Check {
    /// The question to ask about the user who wants it.
    pub fn attributes<'a>(&'a self, requester: &'a UserInfo) -> Attributes<'a> {
        Attributes::resource(requester, "impersonate", self.api_group, self.resource)
            .subresource(&self.subresource)
            .in_namespace(&self.namespace)
            .named(&self.name)
    }
}

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// What the request wants; `None` if it has no such header.
pub fn impersonation(headers: &HeaderMap) -> Result<Option<Impersonation>, BadHeaders> {
    let name = first(headers, USER)?;
    let groups = all(headers, GROUP)?;
    let uid = first(headers, UID)?.unwrap_or_default();
    let extra = extra(headers, EXTRA)?;
    let Some(name) = name else {
        // Silently ignored, these would run the request with more rights than was asked for.
        let what = [
            (!groups.is_empty(), format!("groups {groups:?}")),
            (!extra.is_empty(), format!("extra {:?}", extra.keys().collect::<Vec<_>>())),
            (!uid.is_empty(), format!("uid {uid:?}")),
        ];
        return match what.into_iter().find(|(given, _)| *given) {
            Some((_, what)) => Err(BadHeaders::NoUser(what)),
            None => Ok(None),
        };
    };
    let check = |api_group, resource, name: &str| Check {
        api_group,
        resource,
        subresource: String::new(),
        namespace: String::new(),
        name: name.to_owned(),
    };
    let mut checks = Vec::new();
    let mut user = UserInfo { name, uid, groups, extra };
    match split_service_account(&user.name) {
        Some((namespace, account)) => {
            checks.push(Check {
                namespace: namespace.to_owned(),
                ..check("", "serviceaccounts", account)
            });
            debug_assert_eq!(user.name, service_account_name(namespace, account));
        }
        None => checks.push(check("", "users", &user.name)),
    }
    checks.extend(user.groups.iter().map(|group| check("", "groups", group)));
    for (key, values) in &user.extra {
        checks.extend(values.iter().map(|value| Check {
            subresource: key.clone(),
            ..check("authentication.k8s.io", "userextras", value)
        }));
    }
    if !user.uid.is_empty() {
        checks.push(check("authentication.k8s.io", "uids", &user.uid));
    }
    // Groups that follow from the name need no permission of their own.
    if user.groups.is_empty()
        && let Some((namespace, _)) = split_service_account(&user.name)
    {
        user.groups = of_service_account(namespace);
    }
    let (own, other) = if user.name == ANONYMOUS {
        (UNAUTHENTICATED, UNAUTHENTICATED)
    } else {
        (AUTHENTICATED, UNAUTHENTICATED)
    };
    if !user.is_in(own) && !user.is_in(other) {
        user.groups.push(own.to_owned());
    }
    Ok(Some(Impersonation { user, checks }))
}

/// Takes the headers out of a request, once they have been acted upon.
pub fn strip_impersonation(headers: &mut HeaderMap) {
    for name in [USER, GROUP, UID] {
        headers.remove(name);
    }
    remove_prefix(headers, EXTRA);
}

fn remove_prefix(headers: &mut HeaderMap, prefix: &str) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(prefix)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn text(value: &HeaderValue) -> Result<String, BadHeaders> {
    std::str::from_utf8(value.as_bytes()).map(str::to_owned).map_err(|_| BadHeaders::Malformed)
}

fn all(headers: &HeaderMap, name: &str) -> Result<Vec<String>, BadHeaders> {
    let values: Vec<_> = headers.get_all(name).iter().take(MAX_VALUES + 1).collect();
    if values.len() > MAX_VALUES {
        return Err(BadHeaders::TooMany);
    }
    values.into_iter().map(text).collect()
}

/// The first value, as upstream; empty is none.
fn first(headers: &HeaderMap, name: &str) -> Result<Option<String>, BadHeaders> {
    let value = headers.get(name).map(text).transpose()?;
    Ok(value.filter(|value| !value.is_empty()))
}

fn extra(headers: &HeaderMap, prefix: &str) -> Result<BTreeMap<String, Vec<String>>, BadHeaders> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for (name, value) in headers {
        let Some(key) = name.as_str().strip_prefix(prefix) else { continue };
        count += 1;
        if count > MAX_VALUES {
            return Err(BadHeaders::TooMany);
        }
        extra.entry(unescape(key)).or_default().push(text(value)?);
    }
    Ok(extra)
}

/// Percent-decoded; a key that is not well encoded stays as it is.
fn unescape(key: &str) -> String {
    let mut out = Vec::with_capacity(key.len());
    let mut bytes = key.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next(), bytes.next()].map(|c| char::from(c.unwrap_or(0)).to_digit(16));
        match digits {
            [Some(high), Some(low)] => out.push((high * 16 + low) as u8),
            _ => return key.to_owned(),
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| key.to_owned())
}
