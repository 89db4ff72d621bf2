// SPDX-License-Identifier: Apache-2.0
//! Front proxies and impersonation.

use authn::authority::Authority;
use authn::groups::{anonymous, authenticated, split_service_account};
use authn::headers::{BadHeaders, FrontProxy, impersonation, strip_impersonation};
use http::{HeaderMap, HeaderName, HeaderValue};
use rbac::{Policy, UserInfo, shipped};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::{now, text};

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

#[test]
fn only_a_known_proxy_names_users() {
    let authority = Authority::generate("proxies", now()).unwrap();
    let certificate = |name| {
        let identity = authority.client(name, None, now()).unwrap();
        CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes()).unwrap()
    };
    let proxy = FrontProxy { allowed_names: text(&["aggregator"]), ..FrontProxy::default() };
    let mut map = headers(&[
        ("X-Remote-User", "ann"),
        ("X-Remote-Uid", "7"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-Example.org%2FScope", "s"),
    ]);
    let user = proxy.user(&certificate("aggregator"), &map).unwrap().unwrap();
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("ann", "7"));
    assert_eq!(user.groups, ["a", "b", "system:authenticated"]);
    assert_eq!(user.extra["example.org/scope"], ["s"]);
    assert_eq!(proxy.user(&certificate("eve"), &map), Err(BadHeaders::NotAProxy));
    assert_eq!(proxy.user(&certificate("eve"), &HeaderMap::new()), Ok(None));
    proxy.strip(&mut map);
    assert!(map.is_empty());
}

#[test]
fn impersonation_needs_a_permission_for_each_part() {
    let map = headers(&[
        ("Impersonate-User", "ann"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Scopes.Authorization.Openshift.Io", "user:info"),
    ]);
    let wish = impersonation(&map).unwrap().unwrap();
    assert_eq!(wish.user.groups, ["dev", "ops", "system:authenticated"]);
    let checks: Vec<_> = wish
        .checks
        .iter()
        .map(|one| format!("{}/{}/{}={}", one.api_group, one.resource, one.subresource, one.name))
        .collect();
    assert_eq!(
        checks,
        [
            "/users/=ann",
            "/groups/=dev",
            "/groups/=ops",
            "authentication.k8s.io/userextras/scopes.authorization.openshift.io=user:info",
            "authentication.k8s.io/uids/=7",
        ]
    );
    // What everybody may do: limit oneself by scopes; nothing else.
    let policy = Policy::new(shipped());
    let eve = authenticated(UserInfo { name: "eve".into(), ..UserInfo::default() });
    let permitted: Vec<_> = wish
        .checks
        .iter()
        .filter(|one| policy.authorize(&one.attributes(&eve)).is_allowed())
        .map(|one| one.resource)
        .collect();
    assert_eq!(permitted, ["userextras"]);
}

#[test]
fn groups_follow_the_name() {
    let groups =
        |list: &[(&str, &str)]| impersonation(&headers(list)).unwrap().unwrap().user.groups;
    let account = ("Impersonate-User", "system:serviceaccount:shop:bot");
    assert_eq!(
        groups(&[account]),
        ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]
    );
    assert_eq!(groups(&[account, ("Impersonate-Group", "g")]), ["g", "system:authenticated"]);
    assert_eq!(groups(&[("Impersonate-User", "system:anonymous")]), ["system:unauthenticated"]);
    let unauthenticated = ("Impersonate-Group", "system:unauthenticated");
    assert_eq!(groups(&[("Impersonate-User", "x"), unauthenticated]), ["system:unauthenticated"]);
    let wish = impersonation(&headers(&[account])).unwrap().unwrap();
    assert_eq!((wish.checks[0].resource, &*wish.checks[0].namespace), ("serviceaccounts", "shop"));
    // Not a service account by grammar: a user, for which the permission is another.
    let odd = impersonation(&headers(&[("Impersonate-User", "system:serviceaccount:a:b:c")]));
    assert_eq!(odd.unwrap().unwrap().checks[0].resource, "users");
    assert_eq!(split_service_account("system:serviceaccount:a:b.c"), Some(("a", "b.c")));
    for bad in [
        "system:serviceaccount:a",
        "system:serviceaccount::b",
        "system:serviceaccount:A:b",
        "system:serviceaccount:a.b:c",
        "x",
    ] {
        assert_eq!(split_service_account(bad), None, "{bad}");
    }
    assert_eq!(authenticated(anonymous()), anonymous());
}

#[test]
fn parts_without_a_user_are_refused_and_bounded() {
    for name in ["Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-A"] {
        assert!(matches!(impersonation(&headers(&[(name, "x")])), Err(BadHeaders::NoUser(_))));
    }
    assert_eq!(impersonation(&headers(&[("Authorization", "x")])), Ok(None));
    let many = vec![("Impersonate-Group", "g"); 1_001];
    assert_eq!(impersonation(&headers(&many)), Err(BadHeaders::TooMany));
    let mut binary = headers(&[]);
    binary.insert("impersonate-user", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(impersonation(&binary), Err(BadHeaders::Malformed));
    let mut map =
        headers(&[("Impersonate-User", "a"), ("Impersonate-Extra-B", "c"), ("Accept", "d")]);
    strip_impersonation(&mut map);
    assert_eq!(map.len(), 1);
}
