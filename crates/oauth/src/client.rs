// SPDX-License-Identifier: Apache-2.0
//! Who asks for tokens on behalf of users: oc, the pages of this server, and clients registered as `OAuthClient`.

use api::status::Status;
use serde_json::Value;

use crate::credentials::Hidden;
use crate::objects::{CLIENTS, Objects, text, texts};
use crate::scope::Scope;

/// oc with user name and password.
pub(crate) const CHALLENGING: &str = "openshift-challenging-client";
/// The page that shows a token.
pub(crate) const BROWSER: &str = "openshift-browser-client";
/// `oc login --web`.
pub(crate) const CLI: &str = "openshift-cli-client";

/// What a client must be allowed by the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Nothing: an administrator trusts it.
    Auto,
    /// The user is asked, once for each scope.
    Prompt,
    /// It gets no tokens.
    Deny,
}

/// A client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    secrets: Vec<Hidden>,
    pub(crate) challenges: bool,
    redirects: Vec<String>,
    /// Whether the redirects are a program's on the user's machine, on whatever port it got (RFC 8252 7.3).
    loopback: bool,
    /// Whether a code without a challenge is refused.
    pub(crate) needs_challenge: bool,
    pub(crate) grant: Grant,
    restrictions: Vec<Restriction>,
    /// 0: tokens do not expire.
    pub(crate) max_age: Option<i64>,
    /// 0: tokens may lie idle.
    pub(crate) inactivity: Option<i64>,
}

/// An entry of `scopeRestrictions`; a scope has to fit one.
#[derive(Clone, Debug, Default)]
struct Restriction {
    literals: Vec<String>,
    roles: Vec<String>,
    namespaces: Vec<String>,
    escalation: bool,
}

impl Client {
    fn built_in(name: &str, redirects: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            secrets: Vec::new(),
            challenges: false,
            redirects,
            loopback: false,
            needs_challenge: false,
            grant: Grant::Auto,
            restrictions: Vec::new(),
            max_age: None,
            inactivity: None,
        }
    }

    /// The client of that name.
    pub(crate) async fn find(
        objects: &Objects,
        issuer: &str,
        name: &str,
    ) -> Result<Option<Self>, Status> {
        let own = |page: &str| vec![format!("{issuer}/oauth/token/{page}")];
        Ok(match name {
            "" => None,
            CHALLENGING => Some(Self { challenges: true, ..Self::built_in(name, own("implicit")) }),
            BROWSER => Some(Self::built_in(name, own("display"))),
            CLI => {
                let redirects = ["http://127.0.0.1/callback", "http://[::1]/callback"]
                    .map(str::to_owned)
                    .to_vec();
                Some(Self {
                    loopback: true,
                    needs_challenge: true,
                    ..Self::built_in(name, redirects)
                })
            }
            name if name.len() <= 253 && !name.contains('/') => {
                objects.find(CLIENTS, name).await?.map(|object| Self::registered(&object))
            }
            _ => None,
        })
    }

    fn registered(object: &Value) -> Self {
        let mut secrets = texts(object, "additionalSecrets");
        secrets.push(text(object, "secret").to_owned());
        let restrictions = object.get("scopeRestrictions").and_then(Value::as_array);
        Self {
            name: api::meta::name(object).to_owned(),
            secrets: secrets.into_iter().filter(|it| !it.is_empty()).map(Hidden::new).collect(),
            challenges: object
                .get("respondWithChallenges")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            redirects: texts(object, "redirectURIs"),
            loopback: false,
            needs_challenge: false,
            grant: match text(object, "grantMethod") {
                "auto" => Grant::Auto,
                "deny" => Grant::Deny,
                _ => Grant::Prompt,
            },
            restrictions: restrictions.into_iter().flatten().map(Restriction::read).collect(),
            max_age: object.get("accessTokenMaxAgeSeconds").and_then(Value::as_i64),
            inactivity: object.get("accessTokenInactivityTimeoutSeconds").and_then(Value::as_i64),
        }
    }

    /// Where an answer goes: the URI that was asked for if it is registered, letter by letter (RFC 9700 2.1); the only
    /// registered one if none was asked for.
    pub(crate) fn redirect(&self, asked: Option<&str>) -> Option<String> {
        let Some(asked) = asked else {
            return match self.redirects.as_slice() {
                [only] if !self.loopback => Some(only.clone()),
                _ => None,
            };
        };
        if asked.contains('#') || !asked.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let plain = if self.loopback { without_port(asked)? } else { asked.to_owned() };
        self.redirects.contains(&plain).then(|| asked.to_owned())
    }

    /// Whether the secret is one of the client's. A client without secrets is a public one and sends none.
    pub(crate) fn is_authentic(&self, secret: &str) -> bool {
        if self.secrets.is_empty() {
            return secret.is_empty();
        }
        // All are compared, whichever it is.
        self.secrets.iter().fold(false, |found, one| one.is(secret) | found)
    }

    /// Whether the client may ask for a scope.
    pub(crate) fn may_ask(&self, scope: &Scope) -> bool {
        self.restrictions.is_empty() || self.restrictions.iter().any(|one| one.allows(scope))
    }
}

/// A URI without the port behind its IP address.
fn without_port(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/')?);
    let host = match authority.rsplit_once(':') {
        Some((host, port))
            if port.parse::<u16>().is_ok() && (host == "127.0.0.1" || host == "[::1]") =>
        {
            host
        }
        _ => authority,
    };
    Some(format!("http://{host}{path}"))
}

impl Restriction {
    fn read(object: &Value) -> Self {
        let role = object.get("clusterRole").cloned().unwrap_or_default();
        Self {
            literals: texts(object, "literals"),
            roles: texts(&role, "roleNames"),
            namespaces: texts(&role, "namespaces"),
            escalation: role.get("allowEscalation").and_then(Value::as_bool).unwrap_or_default(),
        }
    }

    fn allows(&self, scope: &Scope) -> bool {
        if self.literals.contains(&scope.to_string()) {
            return true;
        }
        let Scope::Role { name, namespace, escalating } = scope else { return false };
        let has = |list: &[String], it: &str| list.iter().any(|one| one == "*" || one == it);
        has(&self.roles, name)
            && has(&self.namespaces, namespace)
            && (self.escalation || !escalating)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn registered(object: &Value) -> Client {
        Client::registered(object)
    }

    #[test]
    fn redirects_are_compared_letter_by_letter() {
        let client = registered(&json!({"redirectURIs": ["https://app.example.org/back"]}));
        let good = "https://app.example.org/back";
        assert_eq!(client.redirect(Some(good)).as_deref(), Some(good));
        assert_eq!(client.redirect(None).as_deref(), Some(good));
        for bad in [
            "https://app.example.org/back/",
            "https://app.example.org/back?x=1",
            "https://app.example.org/back/../evil",
            "https://app.example.org/back#f",
            "https://app.example.org:443/back",
            "https://APP.example.org/back",
            "https://app.example.org.evil.org/back",
            "https://app.example.org@evil.org/back",
            "",
        ] {
            assert_eq!(client.redirect(Some(bad)), None, "{bad}");
        }
        let two = registered(&json!({"redirectURIs": ["https://a/", "https://b/"]}));
        assert_eq!(two.redirect(None), None, "which one is not known");
    }

    #[test]
    fn a_program_on_the_users_machine_has_any_port() {
        let redirects =
            vec!["http://127.0.0.1/callback".to_owned(), "http://[::1]/callback".to_owned()];
        let client = Client { loopback: true, ..Client::built_in(CLI, redirects) };
        for good in [
            "http://127.0.0.1:40123/callback",
            "http://[::1]:1/callback",
            "http://127.0.0.1/callback",
        ] {
            assert!(client.redirect(Some(good)).is_some(), "{good}");
        }
        for bad in [
            "http://127.0.0.1:99999/callback",
            "http://localhost:1/callback",
            "http://127.0.0.1:1/other",
            "https://127.0.0.1:1/callback",
            "http://127.0.0.1:1@evil.org/callback",
            "http://evil.org:1/callback",
        ] {
            assert!(client.redirect(Some(bad)).is_none(), "{bad}");
        }
    }

    #[test]
    fn secrets() {
        let client = registered(&json!({"secret": "s-1", "additionalSecrets": ["s-2"]}));
        assert!(client.is_authentic("s-1") && client.is_authentic("s-2"));
        assert!(!client.is_authentic("") && !client.is_authentic("s-3"));
        let public = registered(&json!({}));
        assert!(public.is_authentic("") && !public.is_authentic("x"));
        assert!(!format!("{client:?}").contains("s-1"));
    }

    #[test]
    fn scopes_can_be_restricted() {
        let client = registered(&json!({"scopeRestrictions": [
            {"literals": ["user:info"]},
            {"clusterRole": {"roleNames": ["view"], "namespaces": ["*"], "allowEscalation": false}},
        ]}));
        let may = |text: &str| Scope::parse(text).is_some_and(|scope| client.may_ask(&scope));
        assert!(may("user:info") && may("role:view:a"));
        assert!(!may("user:full") && !may("role:edit:a") && !may("role:view:a:!"));
    }
}
