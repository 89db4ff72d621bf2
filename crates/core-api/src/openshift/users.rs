// SPDX-License-Identifier: Apache-2.0
//! user.openshift.io/v1: users, their identities, groups. `users/~` is whoever asks.

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::status::Status;
use api::{GroupResource, meta};
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::request::Verb;
use apimachinery::resource::{NameRule, Resource, Verbs, Virtual};
use apimachinery::table::Column;
use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{at, column};
use crate::define::{Define, place};
use crate::object::{default, text, texts};
use crate::rules::{Rules, Special};
use crate::stored;

const GROUP: &str = "user.openshift.io";
const USERS: &str = "/openshift.io/users";
const IDENTITIES: &str = "/openshift.io/useridentities";

const USER_RULES: Rules = Rules {
    names: NameRule::PathSegment,
    prepare: |_, object, _| {
        for list in ["identities", "groups"] {
            default(object, list, Value::Null);
        }
    },
    validate: validate_user,
    ..Rules::PLAIN
};

const IDENTITY_RULES: Rules =
    Rules { names: NameRule::PathSegment, validate: validate_identity, ..Rules::PLAIN };

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    let define = |kind, plural| Define::new(GROUP, "v1", kind, plural).namespaced(false);
    let users = Special {
        rules: USER_RULES,
        made: Some(("~", Arc::new(Myself(parts.clone())))),
        visible: None,
    };
    vec![
        define("User", "users")
            .columns([
                Column::object_name(),
                at("UID", "/metadata/uid"),
                at("Full Name", "/fullName"),
                column("Identities", |object| texts(object, "/identities").join(", ")),
            ])
            .kept(place(&parts.storage, USERS, &USER_RULES), Arc::new(users)),
        define("Identity", "identities")
            .columns([
                Column::object_name(),
                at("IDP Name", "/providerName"),
                at("IDP User Name", "/providerUserName"),
                at("User Name", "/user/name"),
                at("User UID", "/user/uid"),
            ])
            .stored(&parts.storage, IDENTITIES, IDENTITY_RULES),
        define("UserIdentityMapping", "useridentitymappings")
            .verbs(
                Verbs::GET
                    .and(Verbs::CREATE)
                    .and(Verbs::UPDATE)
                    .and(Verbs::PATCH)
                    .and(Verbs::DELETE),
            )
            .answered(Arc::new(Mappings(parts.clone()))),
        define("Group", "groups")
            .columns([
                Column::object_name(),
                column("Users", |object| texts(object, "/users").join(", ")),
            ])
            .stored(
                &parts.storage,
                "/openshift.io/groups",
                Rules {
                    names: NameRule::PathSegment,
                    prepare: |_, object, _| default(object, "users", Value::Null),
                    validate: validate_group,
                    ..Rules::PLAIN
                },
            ),
    ]
}

/// A user's or group's name.
fn check_name(name: &str, path: &Path, errors: &mut ErrorList) {
    if name.contains(':') && name != "kube:admin" {
        errors.push(Error::invalid(path, name, "may not contain \":\""));
    }
    if name == "~" {
        errors.push(Error::invalid(path, name, "may not equal \"~\""));
    }
}

fn validate_user(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    check_name(meta::name(object), &Path::new("metadata").child("name"), errors);
    for (at, identity) in texts(object, "/identities").into_iter().enumerate() {
        check_identity(identity, &Path::new("identities").index(at), errors);
    }
    for (at, group) in texts(object, "/groups").into_iter().enumerate() {
        let path = Path::new("groups").index(at);
        if group.trim().is_empty() {
            errors.push(Error::invalid(&path, group, "may not be empty"));
        }
    }
}

fn validate_group(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    check_name(meta::name(object), &Path::new("metadata").child("name"), errors);
    for (at, user) in texts(object, "/users").into_iter().enumerate() {
        check_name(user, &Path::new("users").index(at), errors);
    }
}

/// `PROVIDER:NAME`.
fn check_identity(name: &str, path: &Path, errors: &mut ErrorList) {
    match name.split_once(':') {
        Some((provider, user)) if !provider.is_empty() && !user.is_empty() => {}
        _ => errors.push(Error::invalid(
            path,
            name,
            "must be in the format <providerName>:<providerUserName>",
        )),
    }
}

fn validate_identity(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (provider, user) = (text(object, "/providerName"), text(object, "/providerUserName"));
    for (field, value) in [("providerName", provider), ("providerUserName", user)] {
        if value.is_empty() {
            errors.push(Error::required(&Path::new(field), ""));
        }
    }
    let expected = format!("{provider}:{user}");
    if meta::name(object) != expected {
        let path = Path::new("metadata").child("name");
        errors.push(Error::invalid(&path, meta::name(object), format!("must be {expected:?}")));
    }
    if text(object, "/user/name").is_empty() != text(object, "/user/uid").is_empty() {
        let detail = "name and uid must be given together";
        errors.push(Error::invalid(&Path::new("user"), object["user"].clone(), detail));
    }
    if let Some(old) = old {
        crate::validation::immutable(object, old, "/providerName", errors);
        crate::validation::immutable(object, old, "/providerUserName", errors);
    }
}

/// `users/~`: the stored user if there is one, else what authentication says.
struct Myself(Parts);

#[async_trait]
impl Virtual for Myself {
    async fn call(&self, call: &Call, _body: Option<Value>) -> Result<Answer, Status> {
        let user = &call.user;
        let storage = place(&self.0.storage, USERS, &USER_RULES);
        let found = stored::find(&storage, &user.name).await?;
        let mut object = found.unwrap_or_else(|| {
            let mut metadata = json!({"name": user.name});
            if !user.uid.is_empty() {
                metadata["uid"] = user.uid.as_str().into();
            }
            json!({"kind": "User", "apiVersion": call.api_version(), "metadata": metadata, "identities": null})
        });
        let mut groups = user.groups.clone();
        groups.sort();
        object["groups"] = groups.into();
        Ok(Answer::Object(StatusCode::OK, object))
    }
}

/// A mapping is where a user and an identity name each other.
struct Mappings(Parts);

#[async_trait]
impl Virtual for Mappings {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let identities = place(&self.0.storage, IDENTITIES, &IDENTITY_RULES);
        let name = match (&body, call.at.name.as_str()) {
            (Some(body), "") => text(body, "/identity/name").to_owned(),
            (_, name) => name.to_owned(),
        };
        let identity = stored::find(&identities, &name).await?;
        let mapped =
            identity.as_ref().map(|one| text(one, "/user/name").to_owned()).unwrap_or_default();
        let resource = call.resource.group_resource();
        let not_found = || Status::not_found(&resource, &name);
        match call.info.verb {
            Verb::Get | Verb::Delete if mapped.is_empty() => Err(not_found()),
            Verb::Get => {
                Ok(Answer::Object(StatusCode::OK, shown(call, &identity.unwrap_or_default())))
            }
            Verb::Delete => {
                self.unmap(&name, &mapped).await?;
                stored::amend(
                    &identities,
                    &GroupResource::new(GROUP, "identities"),
                    &name,
                    |one| {
                        one["user"] = json!({});
                    },
                )
                .await?;
                Ok(Answer::Status(Status::success(&resource, &name, "")))
            }
            verb => {
                let wanted = body
                    .as_ref()
                    .map(|body| text(body, "/user/name").to_owned())
                    .unwrap_or_default();
                if verb == Verb::Create && !mapped.is_empty() {
                    return Err(Status::already_exists(&resource, &name));
                }
                if verb != Verb::Create && mapped.is_empty() {
                    return Err(not_found());
                }
                let identity = identity.ok_or_else(|| missing(call, &name, "identity", &name))?;
                if !mapped.is_empty() && mapped != wanted {
                    self.unmap(meta::name(&identity), &mapped).await?;
                }
                let done = self.map(call, &name, &wanted).await?;
                let code = if verb == Verb::Create { StatusCode::CREATED } else { StatusCode::OK };
                Ok(Answer::Object(code, shown(call, &done)))
            }
        }
    }
}

/// A mapping that names something absent.
fn missing(call: &Call, mapping: &str, field: &str, name: &str) -> Status {
    let mut errors = ErrorList::new();
    errors.push(Error::invalid(
        &Path::new(field).child("name"),
        name,
        format!("referenced {field} does not exist"),
    ));
    Status::invalid(&call.resource.group_kind(), mapping, &errors)
}

impl Mappings {
    async fn map(&self, call: &Call, identity: &str, user: &str) -> Result<Value, Status> {
        let users = place(&self.0.storage, USERS, &USER_RULES);
        let identities = place(&self.0.storage, IDENTITIES, &IDENTITY_RULES);
        if stored::find(&users, user).await?.is_none() {
            return Err(missing(call, identity, "user", user));
        }
        let found = stored::amend(&users, &GroupResource::new(GROUP, "users"), user, |one| {
            let mut all: Vec<String> =
                texts(one, "/identities").into_iter().map(str::to_owned).collect();
            if !all.iter().any(|other| other == identity) {
                all.push(identity.to_owned());
            }
            one["identities"] = all.into();
        })
        .await?;
        let reference = json!({"name": user, "uid": meta::uid(&found)});
        stored::amend(&identities, &GroupResource::new(GROUP, "identities"), identity, |one| {
            one["user"] = reference.clone();
        })
        .await
    }

    /// The user forgets the identity; a user that is gone has forgotten everything.
    async fn unmap(&self, identity: &str, user: &str) -> Result<(), Status> {
        let users = place(&self.0.storage, USERS, &USER_RULES);
        let forget = |one: &mut Value| {
            let kept: Vec<&str> =
                texts(one, "/identities").into_iter().filter(|other| *other != identity).collect();
            one["identities"] = json!(kept);
        };
        match stored::amend(&users, &GroupResource::new(GROUP, "users"), user, forget).await {
            Err(status) if status.code != 404 => Err(status),
            _ => Ok(()),
        }
    }
}

fn shown(call: &Call, identity: &Value) -> Value {
    json!({
        "kind": "UserIdentityMapping",
        "apiVersion": call.api_version(),
        "metadata": {
            "name": meta::name(identity),
            "uid": meta::uid(identity),
            "resourceVersion": meta::resource_version(identity),
        },
        "identity": {"name": meta::name(identity), "uid": meta::uid(identity)},
        "user": {"name": text(identity, "/user/name"), "uid": text(identity, "/user/uid")},
    })
}
