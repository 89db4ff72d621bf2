// SPDX-License-Identifier: Apache-2.0
//! authentication.k8s.io/v1: whose token is this, who am I.

use std::sync::Arc;

use api::status::Status;
use apimachinery::context::Call;
use apimachinery::reply::Answer;
use apimachinery::resource::{Resource, Verbs, Virtual};
use apimachinery::table::Column;
use async_trait::async_trait;
use authn::review::{Verdict, self_subject_review, token_review};
use http::StatusCode;
use serde_json::Value;

use crate::Parts;
use crate::backend::Review;
use crate::columns::column;
use crate::define::Define;
use crate::object::{text, texts};

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let review = |kind, plural| {
        Define::new("authentication.k8s.io", "v1", kind, plural).verbs(Verbs::CREATE)
    };
    vec![
        review("SelfSubjectReview", "selfsubjectreviews")
            .columns([
                column("Name", |object| text(object, "/status/userInfo/username").to_owned()),
                Column::age(),
            ])
            .answered(Arc::new(SelfReview)),
        review("TokenReview", "tokenreviews").answered(Arc::new(TokenReviews(parts.clone()))),
    ]
}

struct SelfReview;

#[async_trait]
impl Virtual for SelfReview {
    async fn call(&self, call: &Call, _body: Option<Value>) -> Result<Answer, Status> {
        let answer = self_subject_review(&call.api_version(), &call.now.to_string(), &call.user);
        Ok(Answer::Object(StatusCode::CREATED, answer))
    }
}

struct TokenReviews(Parts);

#[async_trait]
impl Virtual for TokenReviews {
    async fn call(&self, call: &Call, body: Option<Value>) -> Result<Answer, Status> {
        let body = body.unwrap_or_default();
        let token = text(&body, "/spec/token");
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        let audiences: Vec<String> =
            texts(&body, "/spec/audiences").into_iter().map(str::to_owned).collect();
        let review = self.0.tokens.review(token, &audiences).await?;
        let verdict = match &review {
            Review::Good(user, audiences) => Verdict::Good(user, audiences),
            Review::Bad(reason) => Verdict::Bad(reason),
        };
        Ok(Answer::Object(
            StatusCode::CREATED,
            token_review(&call.api_version(), &audiences, &verdict),
        ))
    }
}
