// SPDX-License-Identifier: Apache-2.0
//! Query parameters of the API's verbs. Unknown ones are ignored, as clients send many (guide-commands.md 9.17).

use std::time::Duration;

/// `fieldValidation`: what happens to fields that the kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped and named in `Warning` headers. What an absent parameter means since 1.27.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// `resourceVersionMatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionMatch {
    /// At just that version.
    Exact,
    /// At that version or a newer one.
    NotOlderThan,
}

/// Everything the API's own verbs read from a query string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `labelSelector`.
    pub label_selector: String,
    /// `fieldSelector`.
    pub field_selector: String,
    /// `resourceVersion` as sent; empty when absent.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub version_match: Option<VersionMatch>,
    /// `limit`; 0 for all.
    pub limit: u64,
    /// `continue`.
    pub continue_token: String,
    /// `watch`.
    pub watch: bool,
    /// `allowWatchBookmarks`.
    pub bookmarks: bool,
    /// `sendInitialEvents`.
    pub send_initial_events: Option<bool>,
    /// `timeoutSeconds`.
    pub timeout: Option<Duration>,
    /// `dryRun=All`.
    pub dry_run: bool,
    /// `fieldManager`.
    pub field_manager: String,
    /// `fieldValidation`.
    pub field_validation: FieldValidation,
    /// `force`, of server-side apply.
    pub force: Option<bool>,
    /// `pretty`.
    pub pretty: bool,
    /// `propagationPolicy`, of deletes without a body.
    pub propagation_policy: String,
    /// `gracePeriodSeconds`, of deletes without a body.
    pub grace_period: Option<i64>,
    /// `orphanDependents`, of deletes without a body.
    pub orphan_dependents: Option<bool>,
    /// `includeObject` of tables: `None`, `Metadata` (default), `Object`.
    pub include_object: String,
}

/// A parameter whose value cannot be read; answered with 400 and this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadQuery(pub String);

impl Query {
    /// Reads a raw query string.
    ///
    /// # Errors
    /// The first parameter of ours whose value is not of its type.
    pub fn parse(raw: &str) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(raw.as_bytes()) {
            match key.as_ref() {
                "labelSelector" => query.label_selector = value.into_owned(),
                "fieldSelector" => query.field_selector = value.into_owned(),
                "resourceVersion" => query.resource_version = value.into_owned(),
                "resourceVersionMatch" => query.version_match = version_match(&value)?,
                "limit" => query.limit = integer(&key, &value)?.try_into().unwrap_or(0),
                "continue" => query.continue_token = value.into_owned(),
                "watch" => query.watch = boolean(&value),
                "allowWatchBookmarks" => query.bookmarks = boolean(&value),
                "sendInitialEvents" => query.send_initial_events = Some(boolean(&value)),
                "timeoutSeconds" => {
                    let seconds = u64::try_from(integer(&key, &value)?).unwrap_or(0);
                    query.timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
                }
                "dryRun" => query.dry_run = dry_run(&value)?,
                "fieldManager" => query.field_manager = value.into_owned(),
                "fieldValidation" => query.field_validation = field_validation(&value)?,
                "force" => query.force = Some(boolean(&value)),
                "pretty" => query.pretty = boolean(&value),
                "propagationPolicy" => query.propagation_policy = value.into_owned(),
                "gracePeriodSeconds" => query.grace_period = Some(integer(&key, &value)?),
                "orphanDependents" => query.orphan_dependents = Some(boolean(&value)),
                "includeObject" => query.include_object = value.into_owned(),
                _ => {}
            }
        }
        if query.field_manager.len() > 128 {
            return Err(BadQuery(format!(
                "fieldManager: Too long: may not be more than 128 bytes, it is {}",
                query.field_manager.len()
            )));
        }
        Ok(query)
    }
}

/// Kubernetes reads `false` and `0` as false and anything else, also nothing, as true.
fn boolean(value: &str) -> bool {
    !matches!(value, "false" | "0" | "False" | "FALSE" | "f" | "F")
}

fn integer(key: &str, value: &str) -> Result<i64, BadQuery> {
    if value.is_empty() {
        return Ok(0);
    }
    value.parse().map_err(|_| {
        BadQuery(format!("parameter {key}: strconv.ParseInt: parsing {value:?}: invalid syntax"))
    })
}

fn version_match(value: &str) -> Result<Option<VersionMatch>, BadQuery> {
    match value {
        "" => Ok(None),
        "Exact" => Ok(Some(VersionMatch::Exact)),
        "NotOlderThan" => Ok(Some(VersionMatch::NotOlderThan)),
        other => Err(BadQuery(format!(
            "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
        ))),
    }
}

fn dry_run(value: &str) -> Result<bool, BadQuery> {
    match value {
        "" => Ok(false),
        "All" => Ok(true),
        other => Err(BadQuery(format!(
            "dryRun: Unsupported value: {other:?}: supported values: \"All\""
        ))),
    }
}

fn field_validation(value: &str) -> Result<FieldValidation, BadQuery> {
    match value {
        "" | "Warn" => Ok(FieldValidation::Warn),
        "Ignore" => Ok(FieldValidation::Ignore),
        "Strict" => Ok(FieldValidation::Strict),
        other => Err(BadQuery(format!(
            "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_read_and_unknown_ones_ignored() {
        let query = Query::parse(
            "limit=500&watch&timeoutSeconds=30&dryRun=All&fieldValidation=Strict&x=y&force=true",
        );
        let query = query.expect("a good query");
        assert_eq!((query.limit, query.watch, query.dry_run), (500, true, true));
        assert_eq!(query.timeout, Some(Duration::from_secs(30)));
        assert_eq!((query.field_validation, query.force), (FieldValidation::Strict, Some(true)));
        assert!(Query::parse("dryRun=Some").is_err());
        assert!(Query::parse("limit=x").is_err());
    }
}
