// SPDX-License-Identifier: Apache-2.0
//! The groups that follow from how somebody proved who they are.

use rbac::{AUTHENTICATED, UNAUTHENTICATED, UserInfo};

/// The name of who did not prove anything.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of all service accounts; `system:serviceaccounts:<namespace>` is that of one namespace.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// The group of those who logged in at the OAuth server.
pub const OAUTH: &str = "system:authenticated:oauth";

/// Somebody without credentials. Wrong credentials are refused instead: they never make somebody
/// anonymous.
pub fn anonymous() -> UserInfo {
    UserInfo {
        name: ANONYMOUS.to_owned(),
        groups: vec![UNAUTHENTICATED.to_owned()],
        ..UserInfo::default()
    }
}

/// Somebody who proved who they are: adds the group of all of them, unless an authenticator already
/// said that it is (or is not) so.
#[must_use]
pub fn authenticated(mut user: UserInfo) -> UserInfo {
    if user.name == ANONYMOUS {
        return user;
    }
    if !user.is_in(AUTHENTICATED) && !user.is_in(UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

/// The groups of a service account.
pub fn of_service_account(namespace: &str) -> Vec<String> {
    vec![SERVICE_ACCOUNTS.to_owned(), format!("{SERVICE_ACCOUNTS}:{namespace}")]
}

/// Namespace and name of a user name that is a service account's, by the names' grammar: nothing
/// that merely begins like one is taken for one.
pub fn split_service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let label = |text: &str, dots: bool, max: usize| {
        !text.is_empty()
            && text.len() <= max
            && text.split('.').count() <= if dots { max } else { 1 }
            && text.split('.').all(|part| {
                let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
                let bytes = part.as_bytes();
                bytes.first().copied().is_some_and(inner)
                    && bytes.last().copied().is_some_and(inner)
                    && bytes.iter().all(|c| inner(*c) || *c == b'-')
            })
    };
    (label(namespace, false, 63) && label(name, true, 253)).then_some((namespace, name))
}
