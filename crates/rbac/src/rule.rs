// SPDX-License-Identifier: Apache-2.0
//! Whether one rule permits one request: the definition. [`crate::Policy`] asks the same of an index.

use crate::attributes::Attributes;
use crate::model::PolicyRule;

/// Whether any of the rules permits the request.
pub fn rules_allow(attributes: &Attributes<'_>, rules: &[PolicyRule]) -> bool {
    rules.iter().any(|rule| rule_allows(attributes, rule))
}

/// Whether the rule permits the request.
pub fn rule_allows(attributes: &Attributes<'_>, rule: &PolicyRule) -> bool {
    if !attributes.resource_request {
        return verb_matches(rule, attributes.verb) && path_matches(rule, attributes.path);
    }
    verb_matches(rule, attributes.verb)
        && group_matches(rule, attributes.api_group)
        && resource_matches(rule, attributes)
        && name_matches(rule, attributes.name)
}

pub(crate) fn verb_matches(rule: &PolicyRule, verb: &str) -> bool {
    rule.verbs.iter().any(|one| one == "*" || one == verb)
}

pub(crate) fn group_matches(rule: &PolicyRule, group: &str) -> bool {
    rule.api_groups.iter().any(|one| one == "*" || one == group)
}

pub(crate) fn name_matches(rule: &PolicyRule, name: &str) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|one| one == name)
}

fn resource_matches(rule: &PolicyRule, attributes: &Attributes<'_>) -> bool {
    let combined = attributes.combined();
    rule.resources.iter().any(|one| {
        one == "*"
            || *one == combined
            || (!attributes.subresource.is_empty()
                && one.strip_prefix("*/") == Some(attributes.subresource))
    })
}

pub(crate) fn path_matches(rule: &PolicyRule, path: &str) -> bool {
    rule.non_resource_urls.iter().any(|one| path_covers(one, path))
}

/// Whether a path of a rule takes in another: equal, or all that follows before its trailing `*`.
pub(crate) fn path_covers(owner: &str, path: &str) -> bool {
    owner == path || (owner.ends_with('*') && path.starts_with(owner.trim_end_matches('*')))
}
