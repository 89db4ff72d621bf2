// SPDX-License-Identifier: Apache-2.0
//! Each shipped role against the table that upstream's evaluator wrote (`tests/upstream/main.go`),
//! and who holds one role against all others they might try to hand out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rbac::{
    Attributes, Escalation, Policy, PolicyRule, check_cluster_role, check_cluster_role_binding,
    check_role_binding, covers, rules_allow, shipped,
};

use crate::{bind, bind_cluster, cluster_role, role_ref, subject, user};

const TABLE: &str = include_str!("../upstream/table.tsv");
const COVERS: &str = include_str!("../upstream/covers.tsv");

struct Table {
    verbs: Vec<&'static str>,
    asked: Vec<&'static str>,
    paths: Vec<&'static str>,
    /// By role: what is asked, and the verbs that are allowed.
    allowed: HashMap<&'static str, HashMap<&'static str, BTreeSet<&'static str>>>,
}

fn table() -> Table {
    let mut table =
        Table { verbs: Vec::new(), asked: Vec::new(), paths: Vec::new(), allowed: HashMap::new() };
    for line in TABLE.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        match columns.as_slice() {
            ["#verbs", verbs] => table.verbs = verbs.split(' ').collect(),
            ["#ask", target] => table.asked.push(target),
            ["#path", path] => table.paths.push(path),
            [role, verbs, targets] => {
                let verbs: BTreeSet<_> = match *verbs {
                    "*" => table.verbs.iter().copied().collect(),
                    some => some.split(' ').collect(),
                };
                let of_role = table.allowed.entry(role).or_default();
                let targets: Vec<_> = match *targets {
                    "everything" => table.asked.iter().chain(&table.paths).copied().collect(),
                    some => some
                        .split(' ')
                        .map(|one| one.strip_prefix("path:").unwrap_or(one))
                        .collect(),
                };
                for target in targets {
                    assert!(of_role.insert(target, verbs.clone()).is_none(), "{line}");
                }
            }
            _ => panic!("{line}"),
        }
    }
    table
}

/// Every role by the table's name of it, with its namespace.
fn roles() -> BTreeMap<String, (&'static str, &'static [PolicyRule])> {
    let cluster = shipped()
        .cluster_roles
        .iter()
        .map(|one| (one.metadata.name.clone(), ("", one.rules.as_slice())));
    let roles = shipped().roles.iter().map(|one| {
        let (namespace, name) = (one.metadata.namespace.as_str(), &one.metadata.name);
        (format!("role/{namespace}/{name}"), (namespace, one.rules.as_slice()))
    });
    cluster.chain(roles).collect()
}

#[test]
fn each_shipped_role_permits_what_upstream_says() {
    let table = table();
    let who = user("u", "g");
    let group = || subject("Group", "", "g");
    let nothing = BTreeSet::new();
    let (mut cells, mut yes) = (0_u32, 0_u32);
    for (id, (namespace, rules)) in roles() {
        let mut policy = Policy::new(shipped());
        match id.rsplit_once('/').filter(|_| !namespace.is_empty()) {
            Some((_, name)) => {
                policy.set_role_binding(&bind(namespace, "b", role_ref("Role", name), group()));
            }
            None => policy.set_cluster_role_binding(&bind_cluster("b", &id, group())),
        }
        for target in table.asked.iter().chain(&table.paths).copied() {
            let expected = table.allowed.get(&*id).and_then(|row| row.get(target));
            let expected = expected.unwrap_or(&nothing);
            for verb in &table.verbs {
                let (whole, name) = target.split_once('=').unwrap_or((target, ""));
                let (api_group, resource) = whole.split_once('/').unwrap_or(("", ""));
                let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                let ask = if table.paths.contains(&target) {
                    Attributes::path(&who, verb, target)
                } else {
                    Attributes::resource(&who, verb, api_group, resource)
                        .subresource(subresource)
                        .named(name)
                };
                let ask = ask.in_namespace(namespace);
                let allowed = policy.authorize(&ask).is_allowed();
                assert_eq!(allowed, expected.contains(verb), "{id}: {verb} {target}");
                // The index says what the definition says.
                assert_eq!(allowed, rules_allow(&ask, rules), "{id}: {verb} {target}");
                // In one piece it is the same, but for rules that only name the subresource.
                if !subresource.is_empty() {
                    let whole = format!("{resource}/{subresource}");
                    let one = Attributes { resource: &whole, subresource: "", ..ask.clone() };
                    assert_eq!(
                        allowed,
                        policy.authorize(&one).is_allowed(),
                        "{id}: {verb} {whole}"
                    );
                }
                cells += 1;
                yes += u32::from(allowed);
            }
        }
    }
    assert!(cells > 500_000 && yes > 5_000, "{yes} of {cells}");
    let known: BTreeSet<_> = roles().into_keys().collect();
    assert!(table.allowed.keys().all(|role| known.contains(*role)), "the table is outdated");
}

#[test]
fn nobody_hands_out_what_they_do_not_hold() {
    let roles = roles();
    let may: HashMap<&str, BTreeSet<&str>> = COVERS
        .lines()
        .skip(1)
        .map(|line| line.split_once('\t').unwrap())
        .map(|(owner, roles)| (owner, roles.split(' ').collect()))
        .collect();
    assert_eq!(may.len(), roles.len(), "the table is outdated");
    let (mut permitted, mut refused) = (0, 0);
    for (owner, (owner_namespace, own)) in &roles {
        let mut policy = Policy::new(shipped());
        policy.set_cluster_role(&cluster_role("own", own.to_vec()));
        policy.set_role_binding(&bind(
            "n",
            "own",
            role_ref("ClusterRole", "own"),
            subject("User", "", "u"),
        ));
        let mut in_cluster = policy.clone();
        in_cluster.set_cluster_role_binding(&bind_cluster("own", "own", subject("User", "", "u")));
        let who = user("u", "");
        for (wanted, (namespace, rules)) in &roles {
            let expected = may[owner.as_str()].contains(wanted.as_str());
            assert_eq!(covers(own, rules).is_empty(), expected, "{owner} covers {wanted}");
            if !namespace.is_empty() || !owner_namespace.is_empty() {
                continue;
            }
            let binding = bind("n", "x", role_ref("ClusterRole", wanted), subject("User", "", "u"));
            let result = check_role_binding(&policy, &who, &binding, None);
            assert_eq!(result.is_ok(), expected, "{owner} binds {wanted}: {result:?}");
            let binding = bind_cluster("x", wanted, subject("User", "", "u"));
            let result = check_cluster_role_binding(&in_cluster, &who, &binding, None);
            assert_eq!(result.is_ok(), expected, "{owner} binds {wanted}: {result:?}");
            let result =
                check_cluster_role(&in_cluster, &who, &cluster_role("x", rules.to_vec()), None);
            // One controller fills aggregated roles and may `escalate`; nobody has `bind`.
            let expected =
                expected || owner == "system:controller:clusterrole-aggregation-controller";
            assert_eq!(result.is_ok(), expected, "{owner} writes {wanted}: {result:?}");
            // Held in one namespace only, nothing can be handed out in the whole cluster.
            let result = check_cluster_role_binding(&policy, &who, &binding, None);
            assert_eq!(result.is_ok(), rules.is_empty(), "{owner} binds {wanted} everywhere");
            assert!(!matches!(
                result,
                Err(Escalation::NoSuchRole { .. } | Escalation::UnknownKind(_))
            ));
            *if expected { &mut permitted } else { &mut refused } += 1;
        }
    }
    assert!(permitted > 100 && refused > 8_000, "{permitted} {refused}");
}

#[test]
fn what_is_bound_exists_and_is_not_for_everybody() {
    let shipped = shipped();
    let policy = Policy::new(shipped);
    for one in &shipped.cluster_role_bindings {
        assert!(policy.cluster_role_rules(&one.role_ref.name).is_some(), "{}", one.metadata.name);
    }
    let names: BTreeSet<_> = shipped.cluster_roles.iter().map(|one| &one.metadata.name).collect();
    assert_eq!(names.len(), shipped.cluster_roles.len());
    // What somebody who is not logged in may do: look at the version, ask what they may do.
    let anonymous = user("system:anonymous", "system:unauthenticated");
    let rules = policy.rules_for(&anonymous, "openshift");
    for rule in &rules.rules {
        assert!(
            rule.verbs == ["get"] && rule.resources.is_empty()
                || rule.verbs == ["create"]
                    && rule.resources.iter().all(|one| one.contains("self")),
            "{rule:?}"
        );
    }
    assert!(!rules.rules.is_empty() && rules.evaluation_error.is_empty());
}
