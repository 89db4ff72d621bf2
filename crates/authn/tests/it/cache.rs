// SPDX-License-Identifier: Apache-2.0
//! Verified tokens are remembered within bounds and forgotten when revoked.

use std::sync::Arc;

use authn::cache::{Found, Revocation, TokenCache};
use rbac::UserInfo;
use time::OffsetDateTime;

use crate::{now, seconds};

fn found(name: &str, expires: Option<OffsetDateTime>) -> Found {
    let user = UserInfo { name: name.into(), uid: format!("uid-{name}"), ..UserInfo::default() };
    Found { user: Arc::new(user), source: format!("object-{name}"), expires }
}

fn cache(capacity: usize) -> TokenCache {
    TokenCache::new(capacity, seconds(10)).unwrap()
}

fn put(cache: &TokenCache, token: &str, name: &str) {
    cache.put(cache.ticket(), token, "a", found(name, None), now());
}

#[test]
fn an_entry_ends_with_its_age_and_with_its_token() {
    let cache = cache(10);
    put(&cache, "t", "ann");
    cache.put(cache.ticket(), "short", "a", found("ann", Some(now() + seconds(3))), now());
    cache.put(cache.ticket(), "over", "a", found("ann", Some(now())), now());
    let get = |token, offset| cache.get(token, "a", now() + seconds(offset)).is_some();
    assert!(get("t", 0) && get("short", 2) && !get("over", 0));
    assert!(!get("short", 3) && get("t", 9) && !get("t", 10));
    put(&cache, "t", "ann");
    assert!(cache.get("t", "b", now()).is_none(), "another audience");
    assert!(!get("t", -1), "the clock was set back");
    assert!(!get("t", 0) && cache.is_empty());
}

#[test]
fn the_oldest_make_room() {
    let cache = cache(3);
    for token in ["1", "2", "3", "1", "4"] {
        put(&cache, token, "ann");
    }
    let there: Vec<_> = ["1", "2", "3", "4"]
        .into_iter()
        .filter(|one| cache.get(one, "a", now()).is_some())
        .collect();
    assert_eq!(there, ["1", "3", "4"]);
    assert_eq!(cache.len(), 3);
}

#[test]
fn a_revocation_works_at_once_and_on_those_under_way() {
    let revocations = [
        Revocation::User("ann"),
        Revocation::Uid("uid-ann"),
        Revocation::Source("object-ann"),
        Revocation::All,
    ];
    for what in revocations {
        let cache = cache(10);
        put(&cache, "t", "ann");
        put(&cache, "u", "bob");
        let ticket = cache.ticket();
        cache.revoke(what);
        assert!(cache.get("t", "a", now()).is_none(), "{what:?}");
        assert_eq!(cache.get("u", "a", now()).is_some(), what != Revocation::All, "{what:?}");
        // Verified before the revocation, to be kept after it.
        cache.put(ticket, "t", "a", found("ann", None), now());
        assert!(cache.get("t", "a", now()).is_none(), "{what:?}");
        put(&cache, "t", "ann");
        assert!(cache.get("t", "a", now()).is_some(), "{what:?}");
    }
}
