// SPDX-License-Identifier: Apache-2.0
//! Pages: login, a token to copy, consent, logout.

use http::{Method, StatusCode};
use serde_json::json;

use crate::world::{Answer, ISSUER, World, form};

/// A browser: keeps cookies.
struct Browser<'a> {
    world: &'a World,
    cookies: Vec<String>,
}

impl<'a> Browser<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, cookies: Vec::new() }
    }

    async fn ask(&mut self, method: Method, target: &str, content: &str) -> Answer {
        let cookies = self.cookies.join("; ");
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        if !cookies.is_empty() {
            headers.push(("cookie", cookies.as_str()));
        }
        let answer = self.world.send(method, target, &headers, content).await;
        for fresh in answer.cookies() {
            let name = fresh.split('=').next().unwrap_or_default().to_owned();
            self.cookies.retain(|old| old.split('=').next() != Some(&name));
            if !fresh.ends_with('=') {
                self.cookies.push(fresh);
            }
        }
        answer
    }

    async fn get(&mut self, target: &str) -> Answer {
        self.ask(Method::GET, target, "").await
    }

    async fn post(&mut self, target: &str, pairs: &[(&str, &str)]) -> Answer {
        self.ask(Method::POST, target, &form(pairs)).await
    }

    async fn login(&mut self, page: &Answer, user: &str, password: &str) -> Answer {
        let (csrf, then) = (page.field("csrf"), page.field("then"));
        self.post(
            "/login",
            &[("csrf", &csrf), ("then", &then), ("username", user), ("password", password)],
        )
        .await
    }
}

#[tokio::test]
async fn a_browser_gets_a_token_to_copy() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let to_authorize = browser.get("/oauth/token/request").await;
    let to_login = browser.get(to_authorize.location()).await;
    assert_eq!(to_login.code, StatusCode::FOUND);
    assert!(
        to_login.location().starts_with("/login?then=%2Foauth%2Fauthorize%3F"),
        "{}",
        to_login.location()
    );
    let page = browser.get(to_login.location()).await;
    assert_eq!(page.code, StatusCode::OK);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.body.contains("<script"));
    assert_eq!(page.header("x-frame-options"), "DENY");
    for cookie in page.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("text");
        for attribute in ["__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
    }
    let wrong = browser.login(&page, "alice", "wrong").await;
    assert_eq!(wrong.code, StatusCode::SEE_OTHER);
    let page = browser.get(wrong.location()).await;
    assert!(page.body.contains("role=\"alert\"") && page.body.contains("is wrong"));
    let back = browser.login(&page, "alice", "wonder").await;
    assert_eq!(back.code, StatusCode::SEE_OTHER);
    let display = browser.get(back.location()).await;
    assert!(
        display.location().starts_with(&format!("{ISSUER}/oauth/token/display?code=")),
        "{}",
        display.location()
    );
    let page = browser.get(display.location()).await;
    let (csrf, code) = (page.field("csrf"), page.field("code"));
    let shown = browser.post("/oauth/token/display", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(shown.code, StatusCode::OK);
    let (_, rest) = shown.body.split_once("oc login --token=").expect("the command");
    let token = rest.split(' ').next().expect("a token");
    assert!(rest.contains(&format!("--server={ISSUER}")));
    assert_eq!(world.who(token).await.name, "alice");
    let again = browser.post("/oauth/token/display", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(again.code, StatusCode::BAD_REQUEST, "a code is good once");
    // Logged out, the next request is for the login page.
    let page = browser.get("/logout").await;
    browser.post("/logout", &[("csrf", &page.field("csrf"))]).await;
    let answer = browser.get(to_authorize.location()).await;
    assert!(answer.location().starts_with("/login?"));
}

#[tokio::test]
async fn forms_of_others_are_refused() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let page = browser.get("/login").await;
    let pairs =
        |csrf| [("csrf", csrf), ("then", "/x"), ("username", "alice"), ("password", "wonder")];
    for csrf in ["", "guess"] {
        let answer = browser.post("/login", &pairs(csrf)).await;
        assert!(answer.location().contains("reason=form"), "{}", answer.location());
        assert!(answer.cookies().is_empty());
    }
    let own = page.field("csrf");
    let answer = Browser::new(&world).post("/login", &pairs(&own)).await;
    assert!(answer.location().contains("reason=form"), "the cookie is another browser's");
    for path in ["/logout", "/oauth/approve", "/oauth/token/display"] {
        assert_eq!(
            browser.post(path, &[("csrf", "guess")]).await.code,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
}

#[tokio::test]
async fn nobody_is_led_away() {
    let world = World::new().await;
    for then in
        ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "\"><script>"]
    {
        let mut browser = Browser::new(&world);
        let page = browser.get(&format!("/login?{}", form(&[("then", then)]))).await;
        assert_eq!(page.field("then"), "/oauth/token/request", "{then}");
        let csrf = page.field("csrf");
        let pairs = [
            ("csrf", csrf.as_str()),
            ("then", then),
            ("username", "alice"),
            ("password", "wonder"),
        ];
        let answer = browser.post("/login", &pairs).await;
        assert_eq!(answer.location(), "/oauth/token/request", "{then}");
    }
}

#[tokio::test]
async fn browsers_are_not_challenged_and_passwords_without_the_header_count_for_nothing() {
    let world = World::new().await;
    let right = crate::world::basic("alice", "wonder");
    let answer = world.get(&world.authorize("token"), &[("authorization", &right)]).await;
    assert_eq!(answer.code, StatusCode::FOUND);
    assert!(answer.location().starts_with("/login?then="), "{}", answer.location());
    assert_eq!(answer.header("www-authenticate"), "");
}

#[tokio::test]
async fn a_code_of_another_user_is_not_shown() {
    let world = World::new().await;
    let mut mallory = Browser::new(&world);
    let page = mallory.get("/login").await;
    mallory.login(&page, "bob", "builder").await;
    let to_authorize = mallory.get("/oauth/token/request").await;
    let display = mallory.get(to_authorize.location()).await;
    let code = display.parameter("code").expect("a code");
    let mut alice = Browser::new(&world);
    let page = alice.get("/login").await;
    alice.login(&page, "alice", "wonder").await;
    let answer =
        alice.post("/oauth/token/display", &[("csrf", &page.field("csrf")), ("code", &code)]).await;
    assert_eq!(answer.code, StatusCode::BAD_REQUEST);
    assert!(!answer.body.contains("sha256~"));
}

#[tokio::test]
async fn a_session_ends_with_its_time_and_with_its_user() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let page = browser.get("/login").await;
    browser.login(&page, "alice", "wonder").await;
    let target = browser.get("/oauth/token/request").await.location().to_owned();
    assert!(browser.get(&target).await.parameter("code").is_some());
    world.set_wall(301);
    assert!(browser.get(&target).await.location().starts_with("/login"));
    world.set_wall(-301);
    assert!(browser.get(&target).await.parameter("code").is_some());
    world.admin.delete("/apis/user.openshift.io/v1/users/alice", None).await.expect("deleted");
    assert!(browser.get(&target).await.location().starts_with("/login"));
}

#[tokio::test]
async fn consent_is_asked_once() {
    let world = World::new().await;
    let client = json!({
        "kind": "OAuthClient",
        "apiVersion": "oauth.openshift.io/v1",
        "metadata": {"name": "app"},
        "redirectURIs": ["https://app.test/back"],
        "grantMethod": "prompt",
    });
    world.create("/apis/oauth.openshift.io/v1/oauthclients", &client).await;
    let mut browser = Browser::new(&world);
    let page = browser.get("/login").await;
    browser.login(&page, "alice", "wonder").await;
    let target = format!(
        "/oauth/authorize?{}",
        form(&[("client_id", "app"), ("response_type", "code"), ("state", "s")])
    );
    let page = browser.get(&target).await;
    assert_eq!(page.code, StatusCode::OK);
    assert!(page.body.contains("user:full"));
    let (csrf, request) = (page.field("csrf"), page.field("request"));
    let answer =
        |answer| [("csrf", csrf.as_str()), ("request", request.as_str()), ("answer", answer)];
    let denied = browser.post("/oauth/approve", &answer("deny")).await;
    assert!(
        denied.location().starts_with("https://app.test/back?error=access_denied&"),
        "{}",
        denied.location()
    );
    assert_eq!(browser.get(&target).await.code, StatusCode::OK, "asked again");
    let allowed = browser.post("/oauth/approve", &answer("allow")).await;
    assert!(
        allowed.location().starts_with("https://app.test/back?code="),
        "{}",
        allowed.location()
    );
    assert!(browser.get(&target).await.parameter("code").is_some(), "not asked again");
    let more = format!("{target}&scope=user%3Ainfo");
    assert_eq!(browser.get(&more).await.code, StatusCode::OK, "another scope");
}
