// SPDX-License-Identifier: Apache-2.0
//! How long tokens are believed.

use http::StatusCode;
use oauth::kubeadmin;
use serde_json::json;

use crate::world::World;

const USERS: &str = "/apis/user.openshift.io/v1/users";
const GROUPS: &str = "/apis/user.openshift.io/v1/groups";
const TOKENS: &str = "/apis/oauth.openshift.io/v1/oauthaccesstokens";

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let world = World::new().await;
    let token = world.token_of("alice", "wonder").await;
    for jump in [0, 3600, -3600, -315_360_000] {
        world.set_wall(jump);
        assert_eq!(world.with_token(&token).await, StatusCode::OK, "{jump}");
        world.set_wall(-jump);
    }
    world.set_wall(86_401);
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.oauth.tokens().prune().await.expect("pruned"), 1);
    assert!(world.list(TOKENS).await.is_empty());
}

#[tokio::test]
async fn what_is_revoked_is_not_believed_by_the_next_request() {
    let world = World::new().await;
    world.set_remembering().await;
    for _ in 0..50 {
        let token = world.token_of("alice", "wonder").await;
        assert_eq!(world.with_token(&token).await, StatusCode::OK);
        assert_eq!(world.remembered(), 1);
        let name =
            world.list(TOKENS).await[0]["metadata"]["name"].as_str().expect("a name").to_owned();
        world.admin.delete(&format!("{TOKENS}/{name}"), None).await.expect("deleted");
        assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED);
    }
    let token = world.token_of("alice", "wonder").await;
    assert_eq!(world.with_token(&token).await, StatusCode::OK);
    world.admin.delete(TOKENS, None).await.expect("all deleted");
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_is_of_one_user_not_of_a_name() {
    let world = World::new().await;
    let token = world.token_of("alice", "wonder").await;
    assert_eq!(world.with_token(&token).await, StatusCode::OK);
    world.admin.delete(&format!("{USERS}/alice"), None).await.expect("deleted");
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED);
    let user = json!({
        "kind": "User",
        "apiVersion": "user.openshift.io/v1",
        "metadata": {"name": "alice"},
        "identities": ["local:alice"],
        "groups": null,
    });
    world.create(USERS, &user).await;
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED, "another alice");
    assert_eq!(
        world.login("token", "alice", "wonder").await.code,
        StatusCode::FORBIDDEN,
        "the identity is the first's"
    );
}

#[tokio::test]
async fn groups_are_those_of_now() {
    let world = World::new().await;
    let token = world.token_of("alice", "wonder").await;
    assert_eq!(
        world.who(&token).await.groups,
        ["system:authenticated", "system:authenticated:oauth"]
    );
    let group = |name: &str, users| json!({"kind": "Group", "apiVersion": "user.openshift.io/v1", "metadata": {"name": name}, "users": users});
    world.create(GROUPS, &group("devs", json!(["alice", "bob"]))).await;
    world.create(GROUPS, &group("system:masters", json!(["alice"]))).await;
    assert_eq!(
        world.who(&token).await.groups,
        ["devs", "system:authenticated", "system:authenticated:oauth"]
    );
    world
        .admin
        .merge(&format!("{GROUPS}/devs"), &json!({"users": ["bob"]}))
        .await
        .expect("changed");
    assert!(!world.who(&token).await.is_in("devs"));
    world
        .admin
        .merge(&format!("{GROUPS}/devs"), &json!({"users": ["alice"]}))
        .await
        .expect("changed");
    assert!(world.who(&token).await.is_in("devs"));
    world.admin.delete(&format!("{GROUPS}/devs"), None).await.expect("deleted");
    assert!(!world.who(&token).await.is_in("devs"));
}

#[tokio::test]
async fn an_idle_token_ends_and_one_in_use_does_not() {
    let world = World::new().await;
    let spec = json!({"spec": {"tokenConfig": {"accessTokenInactivityTimeout": "600s"}}});
    world.admin.merge("/apis/config.openshift.io/v1/oauths/cluster", &spec).await.expect("changed");
    let token = world.token_of("alice", "wonder").await;
    for _ in 0..5 {
        world.set_wall(390);
        assert_eq!(world.with_token(&token).await, StatusCode::OK);
    }
    world.set_wall(601);
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_left_to_others() {
    let world = World::new().await;
    let tokens = world.oauth.tokens();
    for other in ["", "x", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "sha256~", "sha256~a/b"] {
        assert_eq!(tokens.authenticate(other).await.expect("no error"), None, "{other}");
    }
    assert_eq!(tokens.authenticate("sha256~unknown").await.expect_err("refused").code, 401);
    let token = world.token_of("alice", "wonder").await;
    let name = world.list(TOKENS).await[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    assert_eq!(
        tokens.authenticate(&name).await.expect_err("refused").code,
        401,
        "the name in the store is no token"
    );
    assert!(
        !format!("{:?} {:?}", tokens, world.oauth).contains(token.trim_start_matches("sha256~"))
    );
}

#[tokio::test]
async fn unknown_scopes_are_refused() {
    let world = World::new().await;
    let token = world.token_of("alice", "wonder").await;
    let name = world.list(TOKENS).await[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let scopes = json!({"scopes": ["user:full", "user:future"]});
    world.admin.merge(&format!("{TOKENS}/{name}"), &scopes).await.expect("changed");
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn kubeadmin_lasts_as_long_as_its_secret() {
    let world = World::new().await;
    assert_eq!(world.login("token", "kubeadmin", "x").await.code, StatusCode::UNAUTHORIZED);
    let password = kubeadmin::generate_password().expect("random numbers");
    let secret = kubeadmin::secret_of(&password).expect("a secret");
    world.create("/api/v1/namespaces/kube-system/secrets", &secret).await;
    assert_eq!(world.login("token", "kubeadmin", "wrong").await.code, StatusCode::UNAUTHORIZED);
    let token = world.token_of("kubeadmin", &password).await;
    let user = world.who(&token).await;
    assert_eq!(user.name, "kube:admin");
    assert_eq!(
        user.groups,
        ["system:authenticated", "system:authenticated:oauth", "system:cluster-admins"]
    );
    assert!(world.list(USERS).await.is_empty(), "it has no object");
    let object =
        world.oauth.tokens().user_for_token(&token).await.expect("no error").expect("a user");
    assert_eq!(object["metadata"]["name"], "kube:admin");
    let target = "/api/v1/namespaces/kube-system/secrets/kubeadmin";
    world.admin.delete(target, None).await.expect("deleted");
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(world.login("token", "kubeadmin", &password).await.code, StatusCode::UNAUTHORIZED);
    let secret = kubeadmin::secret_of(&password).expect("a secret");
    world.create("/api/v1/namespaces/kube-system/secrets", &secret).await;
    assert_eq!(world.with_token(&token).await, StatusCode::UNAUTHORIZED, "an older kubeadmin's");
}
