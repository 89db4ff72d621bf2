// SPDX-License-Identifier: Apache-2.0
//! What people see: login, logout, and a token to copy.

use std::time::Duration;

use apimachinery::body::{Body, Response};
use apimachinery::reply;
use http::{HeaderValue, StatusCode, header};

use super::authorize::{form_token, too_many};
use super::page::{escape, failure, hidden, page, problem_text};
use super::parameters::{self, Parameters, encode, local_path};
use super::token::Failure;
use super::{
    AUTHORIZE, DISPLAY, Incoming, LOGIN, LOGOUT, OAuthServer, REQUEST, redirect, with_cookie,
};
use crate::client;
use crate::credentials::Basic;
use crate::login::LoginError;
use crate::session::{Sessions, is_own_form};

/// Texts that the login page can be asked to show; a link cannot put others there.
const REASONS: [(&str, &str); 4] = [
    ("wrong", "The user name or the password is wrong."),
    ("form", "The form was too old. Try again."),
    ("refused", "You may not log in here with this user name. Ask an administrator."),
    ("failed", "The login could not be checked. Try again later."),
];

const OLD_FORM: &str = "The form is too old. Go back and try again.";

impl OAuthServer {
    pub(super) fn login_form(&self, request: &Incoming) -> Response {
        let parameters = Parameters::parse(request.query.as_bytes()).unwrap_or_default();
        let then = local_path(parameters.text("then")).unwrap_or(REQUEST);
        let reason = parameters.text("reason");
        let problem =
            REASONS.iter().find(|(key, _)| *key == reason).map(|(_, text)| problem_text(text));
        let (token, cookie) = match form_token(&request.headers) {
            Ok(made) => made,
            Err(response) => return *response,
        };
        let content = format!(
            "{}\n<form method=\"post\" action=\"{LOGIN}\">\n{}{}\
             <label for=\"username\">User name</label>\n\
             <input id=\"username\" name=\"username\" autocomplete=\"username\" autocapitalize=\"none\" \
             spellcheck=\"false\" required>\n\
             <label for=\"password\">Password</label>\n\
             <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>\n\
             <button>Log in</button>\n</form>",
            problem.unwrap_or_default(),
            hidden("csrf", &token),
            hidden("then", then),
        );
        with_cookie(page(StatusCode::OK, "Log in", &content), cookie)
    }

    pub(super) async fn login(&self, request: &Incoming, body: Body) -> Response {
        let Ok(form) = parameters::form(request, body).await else {
            return failure(StatusCode::BAD_REQUEST, "The form could not be read.");
        };
        let then = local_path(form.text("then")).unwrap_or(REQUEST);
        let again = |reason: &str| {
            let query = encode([("then", then), ("reason", reason)]);
            redirect(StatusCode::SEE_OTHER, &format!("{LOGIN}?{query}"))
        };
        if !is_own_form(&request.headers, form.text("csrf")) {
            return again("form");
        }
        let Some(who) = Basic::new(form.text("username"), form.text("password")) else {
            return again("wrong");
        };
        match self.logins.login(&who, request.peer).await {
            Ok(account) => {
                let cookie = self.sessions.begin(&account, self.clock.wall());
                with_cookie(redirect(StatusCode::SEE_OTHER, then), cookie)
            }
            Err(LoginError::Wrong) => again("wrong"),
            Err(LoginError::Refused(_)) => again("refused"),
            Err(LoginError::Failed(status)) => {
                tracing::error!(reason = %status.message, "a login could not be checked");
                again("failed")
            }
            Err(LoginError::Locked(wait)) => wait_page(wait),
            Err(LoginError::Busy) => wait_page(Duration::from_secs(1)),
        }
    }

    pub(super) fn logout_form(&self, request: &Incoming) -> Response {
        let (token, cookie) = match form_token(&request.headers) {
            Ok(made) => made,
            Err(response) => return *response,
        };
        let content = format!(
            "<p>This ends your session in this browser. Tokens that were shown to you stay good until they expire, or \
             until <code>oc logout</code>.</p>\n\
             <form method=\"post\" action=\"{LOGOUT}\">\n{}<button>Log out</button>\n</form>",
            hidden("csrf", &token),
        );
        with_cookie(page(StatusCode::OK, "Log out", &content), cookie)
    }

    pub(super) async fn logout(&self, request: &Incoming, body: Body) -> Response {
        let Ok(form) = parameters::form(request, body).await else {
            return failure(StatusCode::BAD_REQUEST, "The form could not be read.");
        };
        if !is_own_form(&request.headers, form.text("csrf")) {
            return failure(StatusCode::FORBIDDEN, OLD_FORM);
        }
        with_cookie(redirect(StatusCode::SEE_OTHER, LOGIN), Sessions::end())
    }

    /// Where `openshift-challenging-client` is redirected to. oc reads the address and does not come here.
    pub(super) fn implicit(&self) -> Response {
        let content = format!(
            "<p>Programs read the code or the token from the address of this page. \
             To get a token with a browser, go to <a href=\"{REQUEST}\">request a token</a>.</p>"
        );
        page(StatusCode::OK, "Log in from a program", &content)
    }

    pub(super) fn request_token(&self) -> Response {
        let target = format!("{}{DISPLAY}", self.issuer);
        let query = encode([
            ("client_id", client::BROWSER),
            ("redirect_uri", target.as_str()),
            ("response_type", "code"),
        ]);
        redirect(StatusCode::FOUND, &format!("{AUTHORIZE}?{query}"))
    }

    /// A code came back. A token is made of it when somebody asks for it, so that following a link makes none.
    pub(super) fn display_form(&self, request: &Incoming) -> Response {
        let Ok(parameters) = Parameters::parse(request.query.as_bytes()) else {
            return failure(StatusCode::BAD_REQUEST, "A parameter of the request is repeated.");
        };
        let Some(code) = parameters.get("code") else {
            let problem = match parameters.get("error") {
                Some("access_denied") => "Access was denied.",
                Some(_) => "The login did not succeed.",
                None => "There is no code in the address of this page.",
            };
            let content =
                format!("{}\n<p><a href=\"{REQUEST}\">Try again</a></p>", problem_text(problem));
            return page(StatusCode::BAD_REQUEST, "No token", &content);
        };
        let (token, cookie) = match form_token(&request.headers) {
            Ok(made) => made,
            Err(response) => return *response,
        };
        let content = format!(
            "<p>Whoever sees the token can use it in your name.</p>\n\
             <form method=\"post\" action=\"{DISPLAY}\">\n{}{}<button>Display the token</button>\n</form>",
            hidden("csrf", &token),
            hidden("code", code),
        );
        with_cookie(page(StatusCode::OK, "Your token is ready", &content), cookie)
    }

    pub(super) async fn display(&self, request: &Incoming, body: Body) -> Response {
        let Ok(form) = parameters::form(request, body).await else {
            return failure(StatusCode::BAD_REQUEST, "The form could not be read.");
        };
        if !is_own_form(&request.headers, form.text("csrf")) {
            return failure(StatusCode::FORBIDDEN, OLD_FORM);
        }
        match self.shown_token(&request.headers, form.text("code")).await {
            Ok(Some(token)) => {
                let (token, issuer) = (escape(&token), escape(&self.issuer));
                let content = format!(
                    "<p>Your token:</p>\n<pre>{token}</pre>\n<p>Log in with it:</p>\n\
                     <pre>oc login --token={token} --server={issuer}</pre>\n\
                     <p>Use it with the API:</p>\n\
                     <pre>curl -H \"Authorization: Bearer {token}\" \"{issuer}/apis/user.openshift.io/v1/users/~\"</pre>\n\
                     <p><a href=\"{REQUEST}\">Request another token</a> · <a href=\"{LOGOUT}\">Log out</a></p>"
                );
                page(StatusCode::OK, "Your token", &content)
            }
            Ok(None) => {
                let problem =
                    problem_text("The code was used already, has expired, or is another user's.");
                let content =
                    format!("{problem}\n<p><a href=\"{REQUEST}\">Request another token</a></p>");
                page(StatusCode::BAD_REQUEST, "No token", &content)
            }
            Err(response) => *response,
        }
    }

    /// A code is only turned into a token for the one who is logged in: nobody is made to use another's account.
    async fn shown_token(
        &self,
        headers: &http::HeaderMap,
        code: &str,
    ) -> Result<Option<String>, Box<Response>> {
        let failed = |status: api::status::Status| Box::new(reply::status(&status));
        let Some(account) = self.session(headers).await.map_err(failed)? else { return Ok(None) };
        let Some((_, meaning)) = self.codes.peek(code).await.map_err(failed)? else {
            return Ok(None);
        };
        let Some(client) = self.client(client::BROWSER).await.map_err(failed)? else {
            return Ok(None);
        };
        if meaning.account != account {
            return Ok(None);
        }
        match self.redeem(&client, code, None, None).await {
            Ok((issued, _)) => Ok(Some(issued.token.expose().to_owned())),
            Err(Failure::Error(_)) => Ok(None),
            Err(Failure::Other(response)) => Err(response),
        }
    }
}

/// 429 for people.
fn wait_page(wait: Duration) -> Response {
    let status = too_many(wait);
    let seconds = status.retry_after_seconds().unwrap_or(1);
    let text = format!("There were too many failed logins. Try again in {seconds} seconds.");
    let mut response = failure(StatusCode::TOO_MANY_REQUESTS, &text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}
