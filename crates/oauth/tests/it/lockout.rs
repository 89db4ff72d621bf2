// SPDX-License-Identifier: Apache-2.0
//! Wrong passwords make everybody wait.

use http::{Method, StatusCode};

use crate::world::{World, basic, form};

#[tokio::test]
async fn a_user_is_locked_for_a_while() {
    let world = World::new().await;
    for _ in 0..3 {
        assert_eq!(world.login("token", "alice", "guess").await.code, StatusCode::UNAUTHORIZED);
    }
    let answer = world.login("token", "alice", "wonder").await;
    assert_eq!(answer.code, StatusCode::TOO_MANY_REQUESTS, "also with the right one");
    assert_eq!(answer.header("retry-after"), "10");
    assert_eq!(world.login("token", "bob", "builder").await.code, StatusCode::FOUND);
    world.set_wall(3600);
    assert_eq!(
        world.login("token", "alice", "wonder").await.code,
        StatusCode::TOO_MANY_REQUESTS,
        "the wall's clock"
    );
    world.wait(10);
    assert_eq!(world.login("token", "alice", "wonder").await.code, StatusCode::FOUND);
    for _ in 0..2 {
        assert_eq!(
            world.login("token", "alice", "guess").await.code,
            StatusCode::UNAUTHORIZED,
            "counted anew"
        );
    }
}

#[tokio::test]
async fn an_address_is_locked_whomever_it_guesses_at() {
    let world = World::new().await;
    for n in 0..6 {
        let code = world.login("token", &format!("user{n}"), "guess").await.code;
        assert_eq!(code, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.login("token", "alice", "wonder").await.code, StatusCode::TOO_MANY_REQUESTS);
    let headers = [("x-csrf-token", "1"), ("authorization", &*basic("alice", "wonder"))];
    let target = world.authorize("token");
    let answer = world.send_from("192.0.2.2:1", Method::GET, &target, &headers, "").await;
    assert_eq!(answer.code, StatusCode::FOUND, "another address");
}

#[tokio::test]
async fn secrets_of_clients_are_not_guessed_either() {
    let world = World::new().await;
    let guess = basic("openshift-challenging-client", "guess");
    for _ in 0..6 {
        let answer = world.post("/oauth/token", &[("authorization", &guess)], "grant_type=x").await;
        assert_eq!(answer.code, StatusCode::UNAUTHORIZED);
    }
    let answer = world.post("/oauth/token", &[("authorization", &guess)], "grant_type=x").await;
    assert_eq!(answer.code, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_page_says_how_long() {
    let world = World::new().await;
    for _ in 0..3 {
        world.login("token", "alice", "guess").await;
    }
    let page = world.get("/login", &[]).await;
    let cookie = page.cookies().join("; ");
    let csrf = page.field("csrf");
    let content = form(&[("csrf", &csrf), ("username", "alice"), ("password", "wonder")]);
    let answer = world.post("/login", &[("cookie", &cookie)], &content).await;
    assert_eq!(answer.code, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "10");
    assert!(answer.body.contains("10 seconds"));
}
