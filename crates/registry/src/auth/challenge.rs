// SPDX-License-Identifier: Apache-2.0
//! The 401 answer (registry.md 2.1): `WWW-Authenticate` and, in the body, what would be needed.

use http::header;
use httpd::Head;
use ports::{Access, AuthError, Authorizer, Challenge, Resource};
use serde::Serialize;

use crate::reply::error::{Code, Error};
use crate::reply::headers::from_text;
use crate::reply::location;
use crate::settings::Settings;

/// One entry of the access list, as distribution writes it.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "Class")]
    class: &'static str,
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "Action")]
    action: &'static str,
}

impl<'a> From<&'a Access> for Entry<'a> {
    fn from(access: &'a Access) -> Self {
        let (kind, name) = match &access.resource {
            Resource::Repository(name) => ("repository", name.as_str()),
            Resource::Catalog => ("registry", "catalog"),
            Resource::Metrics => ("registry", "metrics"),
            Resource::AnyBlob => ("admin", "blobs"),
        };
        Self { kind, class: "", name, action: access.verb.as_str() }
    }
}

/// The refusal of a request that needs `wanted`.
pub(crate) fn refusal(
    authorizer: &dyn Authorizer,
    head: &Head,
    settings: &Settings,
    cause: &AuthError,
    wanted: &[Access],
) -> Error {
    if let AuthError::Unavailable(_) = cause {
        return Error::new(Code::Unavailable)
            .detail("the authority that decides about access cannot be reached; try again later")
            .retry_soon()
            .caused_by(cause.clone());
    }
    let entries: Vec<_> = wanted.iter().map(Entry::from).collect();
    // The ping shows `null`, as a nil list does in the original.
    let detail = (!entries.is_empty()).then_some(entries);
    let header = match authorizer.challenge(cause) {
        Challenge::Basic { realm, error: None } => format!("Basic realm={realm:?}"),
        Challenge::Basic { realm, error: Some(text) } => {
            format!("Basic realm={realm},error={text:?}")
        }
        Challenge::Bearer { token_path } => {
            let realm = location::token_realm(head, settings, &token_path);
            format!("Bearer realm={realm:?}")
        }
    };
    Error::new(Code::Unauthorized)
        .detail(detail)
        .header(&header::WWW_AUTHENTICATE, from_text(header))
}
