// SPDX-License-Identifier: Apache-2.0
//! The answers to `TokenReview` (is this token good, and whose is it) and `SelfSubjectReview` (who am
//! I), as JSON.

use rbac::UserInfo;
use serde_json::{Value, json};

/// `userInfo` as both have it.
pub fn user_info(user: &UserInfo) -> Value {
    let mut value = json!({"username": user.name});
    if !user.uid.is_empty() {
        value["uid"] = json!(user.uid);
    }
    if !user.groups.is_empty() {
        value["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        value["extra"] = json!(user.extra);
    }
    value
}

/// `status` of a TokenReview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Whose it is, and for which of the audiences that were asked about.
    Good(&'a UserInfo, &'a [String]),
    /// It is not believed; a reason only if it is no secret.
    Bad(&'a str),
}

/// The answer to a TokenReview. The token is not repeated: answers are logged more often than
/// questions.
pub fn token_review(api_version: &str, audiences: &[String], verdict: &Verdict<'_>) -> Value {
    let status = match verdict {
        Verdict::Good(user, audiences) => {
            let mut status = json!({"authenticated": true, "user": user_info(user)});
            if !audiences.is_empty() {
                status["audiences"] = json!(audiences);
            }
            status
        }
        Verdict::Bad("") => json!({"user": {}}),
        Verdict::Bad(reason) => json!({"user": {}, "error": reason}),
    };
    let mut spec = json!({});
    if !audiences.is_empty() {
        spec["audiences"] = json!(audiences);
    }
    json!({
        "kind": "TokenReview",
        "apiVersion": api_version,
        "metadata": {},
        "spec": spec,
        "status": status,
    })
}

/// The answer to a SelfSubjectReview.
pub fn self_subject_review(api_version: &str, created: &str, user: &UserInfo) -> Value {
    json!({
        "kind": "SelfSubjectReview",
        "apiVersion": api_version,
        "metadata": {"creationTimestamp": created},
        "status": {"userInfo": user_info(user)},
    })
}

/// Which of the audiences asked for a token has; if none was asked for, the server's own are meant.
pub fn matching_audiences(asked: &[String], own: &[String], of_token: &[String]) -> Vec<String> {
    let asked = if asked.is_empty() { own } else { asked };
    asked.iter().filter(|one| of_token.contains(one)).cloned().collect()
}
