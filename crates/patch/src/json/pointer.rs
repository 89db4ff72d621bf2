// SPDX-License-Identifier: Apache-2.0
//! JSON pointers, RFC 6901, and the step into a container.

use std::borrow::Cow;

use serde_json::Value;

use super::{Dialect, Reason};

/// A pointer; the tokens are unescaped as they are needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer<'a> {
    text: &'a str,
    /// What follows the first slash; none for the whole document.
    tokens: Option<&'a str>,
    dialect: Dialect,
}

impl<'a> Pointer<'a> {
    pub(super) fn parse(text: &'a str, dialect: Dialect) -> Result<Self, Reason> {
        let malformed = || Reason::Pointer(text.to_owned());
        let tokens = match (text.split_once('/'), dialect) {
            (None, _) if text.is_empty() => None,
            (None, _) => return Err(malformed()),
            (Some((before, _)), Dialect::Rfc6902) if !before.is_empty() => return Err(malformed()),
            (Some((_, tokens)), _) => Some(tokens),
        };
        Ok(Self { text, tokens, dialect })
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn is_root(&self) -> bool {
        self.tokens.is_none()
    }

    /// How many containers the location lies within.
    pub(super) fn depth(&self) -> usize {
        self.tokens.map_or(0, |tokens| tokens.split('/').count())
    }

    /// Whether `other` is this location or lies inside it.
    pub(super) fn contains(&self, other: &Self) -> bool {
        let (Some(outer), Some(inner)) = (self.tokens, other.tokens) else {
            return self.tokens.is_none();
        };
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The container that holds the location, and the last token. None for the whole document.
    pub(super) fn parent<'d>(
        &self,
        document: &'d mut Value,
    ) -> Result<(&'d mut Value, Cow<'a, str>), Reason> {
        let missing = || Reason::Missing(self.text.to_owned());
        let tokens = self.tokens.ok_or_else(missing)?;
        let (path, last) = match tokens.rsplit_once('/') {
            Some((path, last)) => (Some(path), last),
            None => (None, tokens),
        };
        let mut at = document;
        for token in path.into_iter().flat_map(|path| path.split('/')) {
            at = step(at, &unescape(token), self.dialect).ok_or_else(missing)?;
        }
        if at.is_object() || at.is_array() { Ok((at, unescape(last))) } else { Err(missing()) }
    }
}

/// The value at one token of a container.
fn step<'d>(container: &'d mut Value, token: &str, dialect: Dialect) -> Option<&'d mut Value> {
    match container {
        Value::Object(fields) => fields.get_mut(token),
        Value::Array(items) => {
            let at = index(token, items.len(), dialect)?;
            items.get_mut(at)
        }
        _ => None,
    }
}

/// A list index below `length`.
pub(super) fn index(token: &str, length: usize, dialect: Dialect) -> Option<usize> {
    let at = match dialect {
        Dialect::Rfc6902 => {
            let digits = token.bytes().all(|byte| byte.is_ascii_digit());
            let canonical = digits && (token == "0" || !token.starts_with('0'));
            canonical.then(|| token.parse().ok()).flatten()?
        }
        Dialect::Kubernetes => {
            let at: i64 = token.parse().ok()?;
            if at < 0 {
                length.checked_sub(usize::try_from(at.unsigned_abs()).ok()?)?
            } else {
                usize::try_from(at).ok()?
            }
        }
    };
    (at < length).then_some(at)
}

/// `~1` is a slash and `~0` a tilde.
fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        // In this order: `~01` is `~1`.
        Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(token)
    }
}
