// SPDX-License-Identifier: Apache-2.0
//! Access tokens of the OAuth server.

use authn::oauth::{AccessToken, Lookup, lookup};

#[test]
fn a_token_is_found_by_its_digest() {
    let token = AccessToken::generate().unwrap();
    let secret = token.token().strip_prefix("sha256~").unwrap();
    assert_eq!(secret.len(), 43);
    assert_eq!(lookup(token.token(), false), Some(Lookup::Digest(token.object_name().to_owned())));
    assert_eq!(token.object_name().len(), "sha256~".len() + 43);
    // The object's name is no token: it leads to another name.
    assert_ne!(
        lookup(token.object_name(), true),
        Some(Lookup::Digest(token.object_name().to_owned()))
    );
    assert!(!format!("{token:?}").contains(secret));
    assert_ne!(AccessToken::generate().unwrap().token(), token.token());
}

#[test]
fn the_digest_is_of_the_part_after_the_prefix() {
    // printf %s abc | sha256sum, in base64url.
    let name = "sha256~ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
    assert_eq!(lookup("sha256~abc", false), Some(Lookup::Digest(name.into())));
    for bad in
        ["", "sha256~", "sha256~a b", "sha256~a/../b", &format!("sha256~{}", "a".repeat(300))]
    {
        assert_eq!(lookup(bad, true), None, "{bad}");
    }
    let old = "qcC2lLoOp6ZRz8dlJXRZs0nLTYRTyn9q2t7_sQzgZQ8";
    assert_eq!(lookup(old, false), None);
    assert_eq!(lookup(old, true), Some(Lookup::Legacy(old.into())));
    assert!(!format!("{:?}", lookup(old, true)).contains(old));
}
