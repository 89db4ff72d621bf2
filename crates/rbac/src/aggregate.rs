// SPDX-License-Identifier: Apache-2.0
//! Cluster roles that gather the rules of others: `admin`, `edit`, `view`, and whatever a user adds
//! by labelling a role.

use crate::model::{ClusterRole, PolicyRule};

/// The aggregated roles whose rules are not what their selectors gather, with the right rules. Roles
/// may gather roles that themselves gather; unless they gather each other in a circle, a second call
/// after these are written returns nothing.
pub fn aggregate(roles: &[ClusterRole]) -> Vec<ClusterRole> {
    let mut current = roles.to_vec();
    // Selectors look at names in order, so that the result does not depend on the order of a list.
    current.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let original = current.clone();
    // Each round carries rules one aggregation further, and rules are only handed on, never made.
    for _ in 0..=current.len() {
        let mut settled = true;
        for place in 0..current.len() {
            if let Some(rules) = gathered(&current, place)
                && rules != current[place].rules
            {
                current[place].rules = rules;
                settled = false;
            }
        }
        if settled {
            break;
        }
    }
    current.into_iter().zip(original).filter(|(new, old)| new != old).map(|(new, _)| new).collect()
}

/// What the role's selectors gather, each rule once; `None` for roles that do not gather. Rules that
/// were in it by hand are lost, as upstream.
fn gathered(roles: &[ClusterRole], place: usize) -> Option<Vec<PolicyRule>> {
    let selectors = &roles[place].aggregation_rule.as_ref()?.cluster_role_selectors;
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in selectors {
        for (other, role) in roles.iter().enumerate() {
            if other == place || !selector.matches(&role.metadata.labels) {
                continue;
            }
            for rule in &role.rules {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Some(rules)
}
