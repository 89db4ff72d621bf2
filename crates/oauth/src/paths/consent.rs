// SPDX-License-Identifier: Apache-2.0
//! A user's consent to a client with `grantMethod: prompt`: asked once for each scope, kept as an
//! `OAuthClientAuthorization`.

use api::status::Status;
use apimachinery::body::{Body, Response};
use apimachinery::reply;
use http::StatusCode;
use serde_json::{Value, json};

use super::authorize::{ACCESS_DENIED, Asked, form_token};
use super::page::{escape, failure, hidden, page};
use super::parameters;
use super::{APPROVE, Incoming, OAuthServer, with_cookie};
use crate::accounts::Account;
use crate::objects::{AUTHORIZATIONS, text, texts};
use crate::session::is_own_form;

impl OAuthServer {
    /// Whether the user allowed the client all that it asks for.
    pub(super) async fn has_consent(
        &self,
        asked: &Asked,
        account: &Account,
    ) -> Result<bool, Status> {
        let given =
            self.consent(asked, account).await?.map(|it| texts(&it, "scopes")).unwrap_or_default();
        Ok(asked.scopes.iter().all(|scope| given.contains(scope)))
    }

    async fn consent(&self, asked: &Asked, account: &Account) -> Result<Option<Value>, Status> {
        let found = self.objects.find(AUTHORIZATIONS, &consent_name(asked, account)).await?;
        // That of a former user of this name is not this one's.
        Ok(found.filter(|it| text(it, "userUID") == account.uid))
    }

    pub(super) fn consent_form(
        &self,
        request: &Incoming,
        asked: &Asked,
        account: &Account,
    ) -> Response {
        let (token, cookie) = match form_token(&request.headers) {
            Ok(made) => made,
            Err(response) => return *response,
        };
        let scopes: String = asked
            .scopes
            .iter()
            .map(|scope| format!("<li><code>{}</code></li>\n", escape(scope)))
            .collect();
        let content = format!(
            "<p>The client <strong>{}</strong> asks to act as <strong>{}</strong> with these scopes:</p>\n\
             <ul>\n{scopes}</ul>\n<p>You will be sent back to <code>{}</code>.</p>\n\
             <form method=\"post\" action=\"{APPROVE}\">\n{}{}\
             <button name=\"answer\" value=\"allow\">Allow</button>\n\
             <button name=\"answer\" value=\"deny\">Do not allow</button>\n</form>",
            escape(&asked.client.name),
            escape(&account.name),
            escape(&asked.redirect),
            hidden("csrf", &token),
            hidden("request", &request.query),
        );
        with_cookie(page(StatusCode::OK, "Allow access?", &content), cookie)
    }

    pub(super) async fn approve(&self, request: &Incoming, body: Body) -> Response {
        let Ok(form) = parameters::form(request, body).await else {
            return failure(StatusCode::BAD_REQUEST, "The form could not be read.");
        };
        if !is_own_form(&request.headers, form.text("csrf")) {
            return failure(StatusCode::FORBIDDEN, "The form is too old. Go back and try again.");
        }
        let asked = match self.understand(form.text("request")).await {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        let account = match self.session(&request.headers).await {
            Ok(Some(account)) => account,
            Ok(None) => {
                return failure(
                    StatusCode::FORBIDDEN,
                    "You are no longer logged in. Go back and try again.",
                );
            }
            Err(status) => return reply::status(&status),
        };
        if asked.client.grant == crate::client::Grant::Deny || form.text("answer") != "allow" {
            return asked.back().refuse(&ACCESS_DENIED);
        }
        if let Err(status) = self.keep_consent(&asked, &account).await {
            return reply::status(&status);
        }
        self.grant(&asked, &account).await
    }

    async fn keep_consent(&self, asked: &Asked, account: &Account) -> Result<(), Status> {
        let name = consent_name(asked, account);
        let mut scopes = asked.scopes.clone();
        let known = self.objects.find(AUTHORIZATIONS, &name).await?;
        if let Some(mut object) = known {
            if text(&object, "userUID") == account.uid {
                scopes.extend(texts(&object, "scopes"));
                scopes.sort();
                scopes.dedup();
            }
            object["scopes"] = scopes.into();
            object["userUID"] = account.uid.as_str().into();
            self.objects.replace(AUTHORIZATIONS, &object).await?;
            return Ok(());
        }
        let object = json!({
            "kind": "OAuthClientAuthorization",
            "apiVersion": "oauth.openshift.io/v1",
            "metadata": {"name": name},
            "clientName": asked.client.name,
            "userName": account.name,
            "userUID": account.uid,
            "scopes": scopes,
        });
        self.objects.create(AUTHORIZATIONS, &object).await?;
        Ok(())
    }
}

fn consent_name(asked: &Asked, account: &Account) -> String {
    format!("{}:{}", account.name, asked.client.name)
}
