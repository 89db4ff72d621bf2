// SPDX-License-Identifier: Apache-2.0
//! `validation`: what a manifest must satisfy (registry.md 1.7, 4.1; indexes as distribution 3).

use crate::problem::Problem;
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
        "indexes" => indexes: Indexes = "{}";
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

choices! {
    /// Which images of an index must exist.
    pub enum Platforms {
        /// All of them.
        All = "all",
        /// None: indexes may be sparse.
        None = "none",
        /// Those for the platforms in `platformlist`.
        List = "list",
    }
}

settings! {
    /// Image indexes and manifest lists.
    pub struct Indexes checked by check_indexes {
        /// Which of their images must exist.
        "platforms" => platforms: Platforms = "all"
            wrong "invalid platforms option {} Must be one of [all, none, list]";
        /// The platforms for `list`.
        "platformlist" => platform_list: Vec<Platform> = "[]";
    }
}

settings! {
    /// A platform.
    pub struct Platform {
        /// Architecture, as in `amd64`.
        "architecture" => architecture: String = "";
        /// Operating system, as in `linux`.
        "os" => os: String = "";
    }
}

fn check_validation(validation: &mut Validation, _: &Scope<'_>, _: &mut Reader) {
    validation.enabled &= !validation.disabled;
    validation.disabled = !validation.enabled;
}

fn check_indexes(indexes: &mut Indexes, scope: &Scope<'_>, reader: &mut Reader) {
    if indexes.platforms == Platforms::List && indexes.platform_list.is_empty() {
        let text = "platforms is list: platformlist needs at least one platform".to_owned();
        let at = scope.at.child("platformlist");
        reader.error(&at, scope.origin_of("platforms"), Problem::Missing(text));
    }
}
