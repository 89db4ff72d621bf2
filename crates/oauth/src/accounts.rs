// SPDX-License-Identifier: Apache-2.0
//! Users and the identities that they log in with, and who a user is at this moment.

use std::sync::Arc;

use api::status::{Reason, Status};
use rbac::UserInfo;
use serde_json::{Value, json};

use crate::kubeadmin;
use crate::login::LoginError;
use crate::objects::{GROUPS, IDENTITIES, Objects, SYSTEM_SECRETS, USERS, text, texts};

/// How often a write that met another is tried again.
const TRIES: usize = 4;

/// Somebody who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// `mappingMethod`: how an identity becomes a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// The user of that name, which no other identity has.
    Claim,
    /// The user of that name, even if other identities have it too.
    Add,
    /// Only an identity that an administrator mapped.
    Lookup,
}

impl Mapping {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "claim" => Some(Self::Claim),
            "add" => Some(Self::Add),
            "lookup" => Some(Self::Lookup),
            _ => None,
        }
    }
}

/// Whether a name may be a user's: it is one segment of a path, and none that the system uses itself (`system:…`,
/// `kube:admin`).
fn is_user_name(name: &str) -> bool {
    !matches!(name, "" | "." | ".." | "~") && !name.contains(['/', '%', ':']) && name.trim() == name
}

/// Reads and makes users.
#[derive(Debug)]
pub(crate) struct Accounts {
    objects: Arc<Objects>,
}

impl Accounts {
    pub(crate) fn new(objects: Arc<Objects>) -> Self {
        Self { objects }
    }

    /// The user of an identity; both are made at the first login.
    pub(crate) async fn of_identity(
        &self,
        provider: &str,
        login: &str,
        mapping: Mapping,
    ) -> Result<Account, LoginError> {
        if !is_user_name(login) {
            return Err(LoginError::Refused("the name cannot be a user's"));
        }
        let mut last = None;
        for _ in 0..TRIES {
            match self.map(provider, login, mapping).await {
                Err(LoginError::Failed(status))
                    if status.is(Reason::AlreadyExists) || status.is(Reason::Conflict) =>
                {
                    last = Some(LoginError::Failed(status));
                }
                other => return other,
            }
        }
        Err(last.unwrap_or(LoginError::Busy))
    }

    async fn map(
        &self,
        provider: &str,
        login: &str,
        mapping: Mapping,
    ) -> Result<Account, LoginError> {
        let identity_name = format!("{provider}:{login}");
        if let Some(identity) = self.objects.find(IDENTITIES, &identity_name).await? {
            return self.of_known(&identity_name, &identity).await;
        }
        if mapping == Mapping::Lookup {
            return Err(LoginError::Refused("the identity is not mapped to a user"));
        }
        let user = match self.objects.find(USERS, login).await? {
            Some(user) => self.attach(user, &identity_name, mapping).await?,
            None => {
                let user = json!({
                    "kind": "User",
                    "apiVersion": "user.openshift.io/v1",
                    "metadata": {"name": login},
                    "identities": [identity_name],
                    "groups": null,
                });
                self.objects.create(USERS, &user).await?
            }
        };
        let account = account_of(&user);
        let identity = json!({
            "kind": "Identity",
            "apiVersion": "user.openshift.io/v1",
            "metadata": {"name": identity_name},
            "providerName": provider,
            "providerUserName": login,
            "user": {"name": account.name, "uid": account.uid},
        });
        self.objects.create(IDENTITIES, &identity).await?;
        Ok(account)
    }

    /// Both sides have to name the other: a user that was deleted and made anew is another.
    async fn of_known(&self, identity_name: &str, identity: &Value) -> Result<Account, LoginError> {
        let of = |field: &str| identity.get("user").map(|it| text(it, field)).unwrap_or_default();
        let user = self.objects.find(USERS, of("name")).await?;
        let user = user.filter(|user| {
            api::meta::uid(user) == of("uid")
                && !api::meta::is_being_deleted(user)
                && texts(user, "identities").iter().any(|it| it == identity_name)
        });
        user.map(|user| account_of(&user))
            .ok_or(LoginError::Refused("the identity's user is another or gone"))
    }

    async fn attach(
        &self,
        mut user: Value,
        identity: &str,
        mapping: Mapping,
    ) -> Result<Value, LoginError> {
        let mut identities = texts(&user, "identities");
        // Made by a login that was cut short before it made the identity.
        if identities.iter().any(|it| it == identity) {
            return Ok(user);
        }
        if mapping == Mapping::Claim && !identities.is_empty() {
            return Err(LoginError::Refused("the user of that name belongs to another identity"));
        }
        identities.push(identity.to_owned());
        user["identities"] = identities.into();
        Ok(self.objects.replace(USERS, &user).await?)
    }

    /// What authorization knows of an account now; `None` when it is gone, or another has its name.
    pub(crate) async fn user_info(&self, account: &Account) -> Result<Option<UserInfo>, Status> {
        let info = if account.name == kubeadmin::USER {
            let secret = self.objects.find(SYSTEM_SECRETS, kubeadmin::SECRET).await?;
            match secret.as_ref().and_then(kubeadmin::uid_of) {
                Some(uid) if uid == account.uid => kubeadmin::user_info(&uid),
                _ => return Ok(None),
            }
        } else {
            let Some(user) = self.objects.find(USERS, &account.name).await? else {
                return Ok(None);
            };
            if api::meta::uid(&user) != account.uid || api::meta::is_being_deleted(&user) {
                return Ok(None);
            }
            let mut groups = self.groups_of(&account.name).await?;
            groups.extend(texts(&user, "groups"));
            groups.push(authn::groups::OAUTH.to_owned());
            UserInfo {
                name: account.name.clone(),
                uid: account.uid.clone(),
                groups,
                ..UserInfo::default()
            }
        };
        let mut info = authn::groups::authenticated(info);
        info.groups.sort();
        info.groups.dedup();
        Ok(Some(info))
    }

    async fn groups_of(&self, user: &str) -> Result<Vec<String>, Status> {
        let groups = self.objects.list(GROUPS).await?;
        let has = |group: &&Value| {
            let users = group.get("users").and_then(Value::as_array);
            users.is_some_and(|users| users.iter().any(|it| it.as_str() == Some(user)))
        };
        // What belongs to the system is nobody's to hand out by a Group object.
        let names =
            groups.iter().filter(has).map(api::meta::name).filter(|name| !name.contains(':'));
        Ok(names.map(str::to_owned).collect())
    }
}

fn account_of(user: &Value) -> Account {
    Account { name: api::meta::name(user).to_owned(), uid: api::meta::uid(user).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_system_are_no_users() {
        for good in ["alice", "alice@example.org", "Jürgen Meier", "kubeadmin"] {
            assert!(is_user_name(good), "{good}");
        }
        for bad in
            ["", ".", "..", "~", "system:admin", "kube:admin", "a/b", "a%2fb", " a", "a\u{a0}"]
        {
            assert!(!is_user_name(bad), "{bad}");
        }
    }
}
