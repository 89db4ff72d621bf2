// SPDX-License-Identifier: Apache-2.0
//! Who may ask for tokens, and where answers go.

use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{CHALLENGE, ISSUER, VERIFIER, World, basic, form};

const BACK: &str = "https://app.test/back";

async fn register(world: &World, fields: Value) {
    let mut client = json!({
        "kind": "OAuthClient",
        "apiVersion": "oauth.openshift.io/v1",
        "metadata": {"name": "app"},
        "secret": "app-secret",
        "redirectURIs": [BACK],
        "grantMethod": "auto",
        "respondWithChallenges": true,
    });
    for (key, value) in fields.as_object().expect("fields") {
        client[key] = value.clone();
    }
    world.create("/apis/oauth.openshift.io/v1/oauthclients", &client).await;
}

async fn ask(world: &World, pairs: &[(&str, &str)]) -> crate::world::Answer {
    let headers = [("x-csrf-token", "1"), ("authorization", &*basic("alice", "wonder"))];
    world.get(&format!("/oauth/authorize?{}", form(pairs)), &headers).await
}

#[tokio::test]
async fn answers_go_to_registered_addresses_only() {
    let world = World::new().await;
    register(&world, json!({})).await;
    for target in [
        "https://evil.test/",
        "https://app.test/back/",
        "https://app.test/back?x=y",
        "/oauth/token/display",
        "",
    ] {
        for client in ["app", "openshift-challenging-client", "openshift-browser-client"] {
            let pairs =
                [("client_id", client), ("redirect_uri", target), ("response_type", "code")];
            if target.is_empty() && client != "nobody" {
                continue;
            }
            let answer = ask(&world, &pairs).await;
            assert_eq!(answer.code, StatusCode::BAD_REQUEST, "{client} {target}");
            assert_eq!(answer.location(), "", "{client} {target}");
        }
    }
    let unknown =
        ask(&world, &[("client_id", "nobody"), ("redirect_uri", BACK), ("response_type", "code")])
            .await;
    assert_eq!((unknown.code, unknown.location()), (StatusCode::BAD_REQUEST, ""));
    let twice = [
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("redirect_uri", BACK),
        ("response_type", "code"),
    ];
    assert_eq!(ask(&world, &twice).await.code, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn errors_come_back_on_the_redirect_with_the_state() {
    let world = World::new().await;
    register(&world, json!({"scopeRestrictions": [{"literals": ["user:info", "user:full"]}]}))
        .await;
    let base = [("client_id", "app"), ("redirect_uri", BACK), ("state", "a b&c")];
    let table: [(&[(&str, &str)], &str); 8] = [
        (&[], "invalid_request"),
        (&[("response_type", "id_token")], "unsupported_response_type"),
        (&[("response_type", "code"), ("scope", "user:unknown")], "invalid_scope"),
        (&[("response_type", "code"), ("scope", "user:check-access")], "invalid_scope"),
        (&[("response_type", "code"), ("code_challenge", "short")], "invalid_request"),
        (
            &[
                ("response_type", "code"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "md5"),
            ],
            "invalid_request",
        ),
        (&[("response_type", "code"), ("code_challenge_method", "S256")], "invalid_request"),
        (&[("response_type", "code"), ("scope", " ")], "invalid_scope"),
    ];
    for (more, error) in table {
        let pairs: Vec<(&str, &str)> = base.iter().chain(more).copied().collect();
        let answer = ask(&world, &pairs).await;
        assert_eq!(answer.code, StatusCode::FOUND, "{more:?}");
        assert!(
            answer.location().starts_with("https://app.test/back?error="),
            "{}",
            answer.location()
        );
        assert_eq!(answer.parameter("error").as_deref(), Some(error), "{more:?}");
        assert!(answer.parameter("error_description").is_some());
        assert_eq!(answer.parameter("state").as_deref(), Some("a b&c"));
    }
}

#[tokio::test]
async fn a_registered_client_redeems_with_its_secret_and_only_its_own_codes() {
    let world = World::new().await;
    register(&world, json!({"accessTokenMaxAgeSeconds": 60})).await;
    let asked = [
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("state", "s"),
        ("scope", "user:info"),
    ];
    let code = async || ask(&world, &asked).await.parameter("code").expect("a code");
    let redeem = async |code: &str, client: &str, secret: &str, redirect: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("client_id", client),
            ("client_secret", secret),
        ];
        world.post("/oauth/token", &[], &form(&pairs)).await
    };
    let fresh = code().await;
    assert_eq!(redeem(&fresh, "app", "wrong", BACK).await.json()["error"], "invalid_client");
    let answer = redeem(&fresh, "app", "app-secret", BACK).await;
    assert_eq!(answer.code, StatusCode::OK, "a wrong secret is not the code's fault");
    assert_eq!(answer.json()["expires_in"], 60);
    assert_eq!(answer.json()["scope"], "user:info");
    let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(world.with_token(&token).await, StatusCode::FORBIDDEN, "user:info lists no users");
    let stolen = code().await;
    let implicit = format!("{ISSUER}/oauth/token/implicit");
    let answer = redeem(&stolen, "openshift-challenging-client", "", &implicit).await;
    assert_eq!(answer.json()["error"], "invalid_grant");
    assert_eq!(
        redeem(&code().await, "app", "app-secret", "https://app.test/").await.json()["error"],
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_a_downgrade() {
    let world = World::new().await;
    let redirect = format!("{ISSUER}/oauth/token/implicit");
    let pairs = [
        ("client_id", "openshift-challenging-client"),
        ("redirect_uri", &redirect),
        ("response_type", "code"),
    ];
    let code =
        ask(&world, &pairs).await.parameter("code").expect("a code: a challenge is not demanded");
    assert_eq!(world.redeem(&code, VERIFIER).await.json()["error"], "invalid_grant");
    let plain = [pairs.as_slice(), &[("code_challenge", VERIFIER)]].concat();
    let code = ask(&world, &plain).await.parameter("code").expect("a code");
    assert_eq!(
        world.redeem(&code, VERIFIER).await.code,
        StatusCode::OK,
        "plain is the default method"
    );
}

#[tokio::test]
async fn a_client_that_is_denied_gets_nothing_and_the_cli_must_prove_itself() {
    let world = World::new().await;
    register(&world, json!({"grantMethod": "deny"})).await;
    let answer =
        ask(&world, &[("client_id", "app"), ("redirect_uri", BACK), ("response_type", "code")])
            .await;
    assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
    let target = "http://127.0.0.1:40001/callback";
    for kind in ["code", "token"] {
        let pairs = [
            ("client_id", "openshift-cli-client"),
            ("redirect_uri", target),
            ("response_type", kind),
        ];
        let answer = ask(&world, &pairs).await;
        assert!(
            answer.location().starts_with(&format!("{target}?error=")),
            "{}",
            answer.location()
        );
    }
}
