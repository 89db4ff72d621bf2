// SPDX-License-Identifier: Apache-2.0
//! What `oc login -u -p` does, step by step (guide-commands.md 2), and how it fails.

use http::{Method, StatusCode};
use serde_json::json;

use crate::world::{CHALLENGE, ISSUER, VERIFIER, World, basic, form};

const USERS: &str = "/apis/user.openshift.io/v1/users";
const CODES: &str = "/apis/oauth.openshift.io/v1/oauthauthorizetokens";
const TOKENS: &str = "/apis/oauth.openshift.io/v1/oauthaccesstokens";

#[tokio::test]
async fn the_recorded_login() {
    let world = World::new().await;
    // 3: where everything is.
    let metadata =
        world.get("/.well-known/oauth-authorization-server", &[("x-csrf-token", "1")]).await;
    assert_eq!(metadata.code, StatusCode::OK);
    let metadata = metadata.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["response_types_supported"], json!(["code", "token"]));
    assert_eq!(metadata["grant_types_supported"], json!(["authorization_code", "implicit"]));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["plain", "S256"]));
    let redirect = format!("{ISSUER}/oauth/token/implicit");
    let endpoint = metadata["authorization_endpoint"].as_str().expect("a URL");
    let query = form(&[
        ("client_id", "openshift-challenging-client"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("redirect_uri", &redirect),
        ("response_type", "code"),
    ]);
    let target = format!("{endpoint}?{query}");
    // 5: a challenge.
    let challenge = world.get(&target, &[("x-csrf-token", "1")]).await;
    assert_eq!(challenge.code, StatusCode::UNAUTHORIZED);
    assert_eq!(challenge.header("www-authenticate"), "Basic realm=\"openshift\"");
    // 6: wrong, then right.
    for wrong in
        [basic("alice", "wrong"), basic("nobody", "wonder"), "Basic !".into(), basic("alice", "")]
    {
        let answer = world.get(&target, &[("x-csrf-token", "1"), ("authorization", &wrong)]).await;
        assert_eq!(answer.code, StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"openshift\"");
    }
    let right = basic("alice", "wonder");
    let answer = world.get(&target, &[("x-csrf-token", "1"), ("authorization", &right)]).await;
    assert_eq!(answer.code, StatusCode::FOUND);
    let code = answer.parameter("code").expect("a code");
    assert_eq!(answer.location(), format!("{redirect}?code={code}&state=").replace('~', "%7E"));
    assert_eq!(answer.header("cache-control"), "no-store");
    // 7: the token.
    let endpoint = metadata["token_endpoint"].as_str().expect("a URL");
    let content = form(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", &redirect),
    ]);
    let client = basic("openshift-challenging-client", "");
    let headers = [("authorization", client.as_str()), ("accept", "application/json")];
    let answer = world.post(endpoint, &headers, &content).await;
    assert_eq!(answer.code, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    let token = answer["access_token"].as_str().expect("a token");
    assert!(token.starts_with("sha256~"));
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 86400);
    assert_eq!(answer["scope"], "user:full");
    // 8: who that is.
    let user = world.who(token).await;
    assert_eq!(user.name, "alice");
    assert_eq!(user.groups, ["system:authenticated", "system:authenticated:oauth"]);
    assert_eq!(world.with_token(token).await, StatusCode::OK);
    // What is stored: a user and an identity that name each other, digests only.
    let stored = world.admin.get(&format!("{USERS}/alice")).await.expect("the user");
    assert_eq!(stored["identities"], json!(["local:alice"]));
    let identity = world
        .admin
        .get("/apis/user.openshift.io/v1/identities/local:alice")
        .await
        .expect("the identity");
    assert_eq!(identity["user"]["uid"], stored["metadata"]["uid"]);
    let tokens = world.list(TOKENS).await;
    assert_eq!(tokens.len(), 1);
    assert!(!tokens[0].to_string().contains(token.trim_start_matches("sha256~")));
    assert!(world.list(CODES).await.is_empty(), "the code is gone");
    // oc logout.
    let name = tokens[0]["metadata"]["name"].as_str().expect("a name");
    let bearer = format!("Bearer {token}");
    let answer = world
        .send(Method::DELETE, &format!("{TOKENS}/{name}"), &[("authorization", &bearer)], "")
        .await;
    assert_eq!(answer.code, StatusCode::OK);
    assert_eq!(world.with_token(token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn scripts_get_a_token_in_the_fragment() {
    let world = World::new().await;
    let right = basic("bob", "builder");
    for method in [Method::GET, Method::HEAD] {
        let headers = [("x-csrf-token", "x"), ("authorization", right.as_str())];
        let answer = world.send(method, &world.authorize("token"), &headers, "").await;
        assert_eq!(answer.code, StatusCode::FOUND);
        let token = answer.parameter("access_token").expect("a token");
        let expected = format!(
            "{ISSUER}/oauth/token/implicit#access_token={}&expires_in=86400&scope=user%3Afull&token_type=Bearer",
            token.replace('~', "%7E"),
        );
        assert_eq!(answer.location(), expected);
        assert_eq!(world.who(&token).await.name, "bob");
    }
}

#[tokio::test]
async fn a_second_login_is_the_same_user() {
    let world = World::new().await;
    let first = world.token_of("alice", "wonder").await;
    let second = world.token_of("alice", "wonder").await;
    assert_ne!(first, second);
    assert_eq!(world.who(&first).await.uid, world.who(&second).await.uid);
    assert_eq!(world.list(USERS).await.len(), 1);
}

#[tokio::test]
async fn a_code_is_good_once_and_its_token_ends_when_it_comes_again() {
    let world = World::new().await;
    let code = world.code().await;
    let answer = world.redeem(&code, VERIFIER).await.json();
    let token = answer["access_token"].as_str().expect("a token");
    assert_eq!(world.with_token(token).await, StatusCode::OK);
    let again = world.redeem(&code, VERIFIER).await;
    assert_eq!(again.code, StatusCode::BAD_REQUEST);
    assert_eq!(again.json()["error"], "invalid_grant");
    assert_eq!(world.with_token(token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_verifier_ends_the_code() {
    let world = World::new().await;
    let wrong = "A".repeat(43);
    for verifier in [wrong.as_str(), "", CHALLENGE] {
        let code = world.code().await;
        assert_eq!(
            world.redeem(&code, verifier).await.json()["error"],
            "invalid_grant",
            "{verifier}"
        );
        assert_eq!(world.redeem(&code, VERIFIER).await.json()["error"], "invalid_grant");
    }
    assert!(world.list(TOKENS).await.is_empty());
}

#[tokio::test]
async fn a_code_ends_after_five_minutes_and_does_not_live_longer_when_the_clock_is_set_back() {
    let world = World::new().await;
    for jump in [301, 3600, -3600, -315_360_000] {
        let code = world.code().await;
        world.set_wall(jump);
        assert_eq!(world.redeem(&code, VERIFIER).await.json()["error"], "invalid_grant", "{jump}");
        world.set_wall(-jump);
    }
    let code = world.code().await;
    world.set_wall(290);
    assert_eq!(world.redeem(&code, VERIFIER).await.code, StatusCode::OK);
}

#[tokio::test]
async fn of_many_who_redeem_a_code_at_once_one_gets_a_token() {
    let world = World::new().await;
    let code = world.code().await;
    let all = futures_util::future::join_all((0..8).map(|_| world.redeem(&code, VERIFIER))).await;
    assert_eq!(all.iter().filter(|answer| answer.code == StatusCode::OK).count(), 1);
}

#[tokio::test]
async fn the_token_endpoint_says_what_is_wrong() {
    let world = World::new().await;
    let client = basic("openshift-challenging-client", "");
    let with = [("authorization", client.as_str())];
    let nobody = basic("nobody", "");
    let secret = basic("openshift-challenging-client", "guess");
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, u16, &'a str);
    let table: [Row<'_>; 7] = [
        (&with, "", 400, "invalid_request"),
        (&with, "grant_type=password", 400, "unsupported_grant_type"),
        (&with, "grant_type=authorization_code", 400, "invalid_request"),
        (&with, "grant_type=authorization_code&code=x&code=y", 400, "invalid_request"),
        (&with, "grant_type=authorization_code&code=sha256~nothing", 400, "invalid_grant"),
        (
            &[("authorization", nobody.as_str())],
            "grant_type=authorization_code&code=x",
            401,
            "invalid_client",
        ),
        (
            &[("authorization", secret.as_str())],
            "grant_type=authorization_code&code=x",
            401,
            "invalid_client",
        ),
    ];
    for (headers, content, code, error) in table {
        let answer = world.post("/oauth/token", headers, content).await;
        assert_eq!(answer.code, code, "{content}");
        assert_eq!(answer.json()["error"], error, "{content}");
        assert_eq!(answer.header("www-authenticate").is_empty(), code != 401);
    }
    let answer =
        world.send(Method::POST, "/oauth/token", &with, "grant_type=authorization_code").await;
    assert_eq!(answer.json()["error"], "invalid_request", "no form");
    let answer = world.post("/oauth/token", &with, &"x".repeat(20_000)).await;
    assert_eq!(answer.json()["error"], "invalid_request", "too large");
    assert_eq!(world.get("/oauth/token", &[]).await.code, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn names_that_no_path_can_have_are_refused_and_changed_passwords_count_at_once() {
    let world = World::new().await;
    assert_eq!(world.login("token", "per%cent", "x").await.code, StatusCode::FORBIDDEN);
    assert_eq!(world.login("token", "alice", "wonder").await.code, StatusCode::FOUND);
    let secret = world
        .admin
        .get("/api/v1/namespaces/openshift-config/secrets/htpasswd")
        .await
        .expect("the secret");
    world.set_passwords(&[("alice", "changed")], Some(&secret)).await;
    assert_eq!(world.login("token", "alice", "wonder").await.code, StatusCode::UNAUTHORIZED);
    assert_eq!(world.login("token", "alice", "changed").await.code, StatusCode::FOUND);
    assert_eq!(world.login("token", "bob", "builder").await.code, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_user_of_another_identity_is_not_taken_over() {
    let world = World::new().await;
    let user = |identities| {
        json!({
            "kind": "User",
            "apiVersion": "user.openshift.io/v1",
            "metadata": {"name": "alice"},
            "identities": identities,
            "groups": null,
        })
    };
    let made = world.create(USERS, &user(json!(["other:alice"]))).await;
    assert_eq!(world.login("token", "alice", "wonder").await.code, StatusCode::FORBIDDEN);
    world.admin.delete(&format!("{USERS}/alice"), None).await.expect("deleted");
    let prepared = world.create(USERS, &user(json!(null))).await;
    assert_ne!(made["metadata"]["uid"], prepared["metadata"]["uid"]);
    let token = world.token_of("alice", "wonder").await;
    assert_eq!(world.who(&token).await.uid, prepared["metadata"]["uid"].as_str().expect("a uid"));
}

#[tokio::test]
async fn before_it_is_connected_it_asks_to_come_back() {
    let world = World::new().await;
    world.oauth.disconnect();
    let answer = world.login("code", "alice", "wonder").await;
    assert_eq!(answer.code, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
}
