// SPDX-License-Identifier: Apache-2.0
//! `validation`: what a manifest must satisfy (registry.md 1.7, 4.1).

use super::ignored::Indexes;
use crate::read::{Reader, Scope};

settings! {
    /// What a manifest must satisfy to be accepted.
    pub struct Validation checked by check_validation {
        /// Whether the rules of this section apply. As resolved, false if either key says so.
        "enabled" => enabled: bool = "true";
        /// The same, reversed.
        "disabled" => disabled: bool = "false";
        /// Rules for manifests.
        "manifests" => manifests: Manifests = "{}";
    }
}

settings! {
    /// Rules for manifests.
    pub struct Manifests {
        /// URLs of layers that lie elsewhere.
        "urls" => urls: Urls = "{}";
        /// Image indexes and manifest lists.
        "indexes" => indexes: Indexes = "{}"
            ignored "indexes are validated against all their children";
    }
}

settings! {
    /// URLs of layers that lie elsewhere. Without either list every URL is accepted.
    pub struct Urls {
        /// Regular expressions, one of which must match.
        "allow" => allow: Vec<String> = "[]";
        /// Regular expressions, none of which may match.
        "deny" => deny: Vec<String> = "[]";
    }
}

fn check_validation(validation: &mut Validation, _: &Scope<'_>, _: &mut Reader) {
    validation.enabled &= !validation.disabled;
    validation.disabled = !validation.enabled;
}
