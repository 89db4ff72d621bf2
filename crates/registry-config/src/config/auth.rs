// SPDX-License-Identifier: Apache-2.0
//! `auth`: at most one access controller (registry.md 4.1, 4.2).

use std::collections::BTreeMap;

use crate::problem::{Origin, Problem};
use crate::read::{Path, Reader, Scope, Setting};
use crate::schema::Shape;
use crate::yaml::{Mapping, Node, Value};

/// How clients are authenticated and authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all: everybody may do everything.
    Open,
    /// By a file of users; every user may do everything.
    Htpasswd(Htpasswd),
    /// By the OpenShift API: tokens, and the rights of image streams.
    OpenShift,
}

settings! {
    /// How clients are authenticated and authorized: at most one method.
    pub struct Methods, open to methods {
        /// Users and rights of OpenShift; settings are in `openshift.auth`.
        "openshift" => openshift: BTreeMap<String, String> = "{}";
        /// A file of users.
        "htpasswd" => htpasswd: Htpasswd = "{}";
        /// Tokens of a separate server: not part of this build, refused at start.
        "token" => token: Option<Token> = "";
        /// For tests of the original registry: refused at start.
        "silly" => silly: Option<Silly> = "";
    }
}

settings! {
    /// A file of users. Every user may do everything.
    pub struct Htpasswd {
        /// Name of the protected area, shown to clients. Required.
        "realm" => realm: String = "";
        /// The file: `user:hash` on each line, hashes by bcrypt only. Required.
        "path" => path: String = "";
    }
}

settings! {
    /// Tokens of a separate server.
    pub struct Token {
        /// Where clients get tokens.
        "realm" => realm: String = "";
        /// Who issues them.
        "issuer" => issuer: String = "";
        /// Name of this registry in them.
        "service" => service: String = "";
        /// Certificates that they are signed with.
        "rootcertbundle" => root_cert_bundle: String = "";
        /// Key set that they are signed with.
        "jwks" => jwks: String = "";
        /// Accepted algorithms.
        "signingalgorithms" => signing_algorithms: Vec<String> = "[]";
        /// Whether clients are redirected to the realm automatically.
        "autoredirect" => auto_redirect: bool = "false";
        /// Path of that redirect.
        "autoredirectpath" => auto_redirect_path: String = "";
    }
}

settings! {
    /// For tests of the original registry: any `Authorization` header is accepted.
    pub struct Silly {
        /// Realm of the challenge.
        "realm" => realm: String = "";
        /// Service of the challenge.
        "service" => service: String = "";
    }
}

impl Setting for Auth {
    const SHAPE: Shape = Shape::Section(Methods::SECTION);

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let map = match &node.value {
            Value::Null => return Some(Self::Open),
            Value::Mapping(map) => map,
            // `auth: openshift` is short for `auth: {openshift: {}}`.
            Value::Scalar { text, .. } => {
                let mut map = Mapping::default();
                map.set(text, Node::empty_map(node.origin.clone()));
                return read_method(&map, &node.origin, at, reader);
            }
            Value::Sequence(_) => {
                reader.wrong::<Self>(node, at);
                return None;
            }
        };
        read_method(map, &node.origin, at, reader)
    }
}

fn read_method(map: &Mapping, origin: &Origin, at: &Path<'_>, reader: &mut Reader) -> Option<Auth> {
    let given: Vec<(&str, &Node)> = map.iter().collect();
    let (name, node) = match given.as_slice() {
        [] => return Some(Auth::Open),
        [only] => *only,
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            let text = format!("must provide exactly one type. Provided: [{}]", names.join(" "));
            reader.error(at, origin, Problem::Conflict(text));
            return None;
        }
    };
    let below = at.child(name);
    match name {
        // Its settings are in the `openshift` section (registry.md 4.1).
        "openshift" => Some(Auth::OpenShift),
        "htpasswd" => {
            let htpasswd = Htpasswd::read(node, &below, reader)?;
            let empty = Mapping::default();
            let map = node.as_mapping().unwrap_or(&empty);
            let scope = Scope { at: &below, map, origin: &node.origin };
            for (key, value) in [("realm", &htpasswd.realm), ("path", &htpasswd.path)] {
                if value.is_empty() {
                    let text = format!("\"{key}\" must be set for htpasswd access controller");
                    reader.error(&below.child(key), scope.origin_of(key), Problem::Missing(text));
                }
            }
            Some(Auth::Htpasswd(htpasswd))
        }
        "token" | "silly" => {
            let text = format!(
                "unable to configure authorization ({name}): not supported; expected one of \
                 [openshift, htpasswd]"
            );
            reader.error(&below, &node.origin, Problem::Unsupported(text));
            None
        }
        unknown => {
            let name: String = unknown.chars().take(100).collect();
            let text = format!(
                "unable to configure authorization ({name}): no access controller of that name; \
                 expected one of [openshift, htpasswd]"
            );
            reader.error(&at.child(&name), &node.origin, Problem::Value(text));
            None
        }
    }
}
