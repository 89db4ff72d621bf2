// SPDX-License-Identifier: Apache-2.0
//! Whether some rules permit at least what others permit, and which parts are missing. This is what
//! stands between a user who may write roles and every permission there is.

use std::collections::BTreeMap;

use crate::model::PolicyRule;
use crate::rule::{group_matches, path_covers, verb_matches};
use crate::text::quote_list;

/// The parts of `wanted` that no rule of `owner` permits; empty if all is covered. Each part has one
/// verb and one resource or path, so one owner's rule either covers all of it or nothing.
pub fn covers(owner: &[PolicyRule], wanted: &[PolicyRule]) -> Vec<PolicyRule> {
    wanted
        .iter()
        .flat_map(breakdown)
        .filter(|part| !owner.iter().any(|rule| covers_part(rule, part)))
        .collect()
}

/// A rule as rules of one verb and one group, resource and name, or one path, each.
pub fn breakdown(rule: &PolicyRule) -> Vec<PolicyRule> {
    let mut parts = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let part = PolicyRule {
                    verbs: vec![verb.clone()],
                    api_groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    parts.push(part);
                    continue;
                }
                for name in &rule.resource_names {
                    parts.push(PolicyRule { resource_names: vec![name.clone()], ..part.clone() });
                }
            }
        }
    }
    for path in &rule.non_resource_urls {
        for verb in &rule.verbs {
            parts.push(PolicyRule {
                verbs: vec![verb.clone()],
                non_resource_urls: vec![path.clone()],
                ..PolicyRule::default()
            });
        }
    }
    parts
}

fn covers_part(owner: &PolicyRule, part: &PolicyRule) -> bool {
    let names = owner.resource_names.is_empty()
        || (!part.resource_names.is_empty()
            && part.resource_names.iter().all(|name| owner.resource_names.contains(name)));
    part.verbs.iter().all(|verb| verb_matches(owner, verb))
        && part.api_groups.iter().all(|group| group_matches(owner, group))
        && part.resources.iter().all(|resource| covers_resource(owner, resource))
        && names
        && part
            .non_resource_urls
            .iter()
            .all(|path| owner.non_resource_urls.iter().any(|one| path_covers(one, path)))
}

fn covers_resource(owner: &PolicyRule, resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    owner.resources.iter().any(|one| {
        one == "*"
            || one == resource
            || (subresource.is_some() && one.strip_prefix("*/") == subresource)
    })
}

/// Puts rules together that differ only in the verb, as far as they name one resource.
pub fn compact(rules: Vec<PolicyRule>) -> Vec<PolicyRule> {
    type Key = (String, String, Option<String>);
    let mut simple: BTreeMap<Key, PolicyRule> = BTreeMap::new();
    let mut others = Vec::new();
    for rule in rules {
        let key = match (rule.api_groups.as_slice(), rule.resources.as_slice()) {
            ([group], [resource])
                if rule.resource_names.len() <= 1 && rule.non_resource_urls.is_empty() =>
            {
                (group.clone(), resource.clone(), rule.resource_names.first().cloned())
            }
            _ => {
                others.push(rule);
                continue;
            }
        };
        match simple.get_mut(&key) {
            Some(existing) => existing.verbs.extend(rule.verbs),
            None => {
                simple.insert(key, rule);
            }
        }
    }
    others.extend(simple.into_values());
    others
}

/// A rule in one line, as messages about escalation show it.
pub fn describe(rule: &PolicyRule) -> String {
    let parts: Vec<_> = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(name, values)| format!("{name}:{}", quote_list(values)))
    .collect();
    format!("{{{}}}", parts.join(", "))
}
