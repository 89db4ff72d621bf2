// SPDX-License-Identifier: Apache-2.0
//! Browsers: who is logged in (a signed cookie, short-lived) and that a form comes from a page of ours (a cookie that
//! the form repeats).
//!
//! Both names begin with `__Host-`: browsers only take them over HTTPS, from this very host.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::accounts::Account;
use crate::credentials::cookie;
use crate::settings::{NoRandom, SessionKey, random};

const SESSION: &str = "__Host-berth-session";
const FORM: &str = "__Host-berth-form";
/// How long somebody stays logged in at the pages, as OpenShift: long enough to go on to what was asked for.
const LIFETIME: i64 = 300;

/// Signs and reads sessions.
pub(crate) struct Sessions {
    key: Key,
}

#[derive(Serialize, Deserialize)]
struct Content {
    name: String,
    uid: String,
    from: i64,
    until: i64,
}

impl Sessions {
    pub(crate) fn new(key: &SessionKey) -> Self {
        Self { key: Key::new(HMAC_SHA256, key.bytes()) }
    }

    /// The cookie of a session that begins.
    pub(crate) fn begin(&self, account: &Account, now: OffsetDateTime) -> Option<HeaderValue> {
        let from = now.unix_timestamp();
        let content = Content {
            name: account.name.clone(),
            uid: account.uid.clone(),
            from,
            until: from.saturating_add(LIFETIME),
        };
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content).ok()?);
        let mac = URL_SAFE_NO_PAD.encode(sign(&self.key, body.as_bytes()));
        set(SESSION, &format!("{body}.{mac}"), LIFETIME)
    }

    /// Whose session a request belongs to. The account has still to be looked at: it may be gone.
    pub(crate) fn read(&self, headers: &HeaderMap, now: OffsetDateTime) -> Option<Account> {
        let (body, mac) = cookie(headers, SESSION)?.split_once('.')?;
        verify(&self.key, body.as_bytes(), &URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        let content: Content = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let now = now.unix_timestamp();
        (content.from <= now && now < content.until)
            .then_some(Account { name: content.name, uid: content.uid })
    }

    /// The cookie that ends a session.
    pub(crate) fn end() -> Option<HeaderValue> {
        set(SESSION, "", 0)
    }
}

/// What a page's form repeats: as the browser has it already, or a new one with its cookie.
pub(crate) fn form_token(headers: &HeaderMap) -> Result<(String, Option<HeaderValue>), NoRandom> {
    let known = cookie(headers, FORM).filter(|value| value.len() == 43 && is_plain(value));
    if let Some(known) = known {
        return Ok((known.to_owned(), None));
    }
    let fresh = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let header = set(FORM, &fresh, 24 * 3600);
    Ok((fresh, header))
}

/// Whether a form repeats the cookie.
pub(crate) fn is_own_form(headers: &HeaderMap, repeated: &str) -> bool {
    cookie(headers, FORM).is_some_and(|value| {
        value.len() == 43 && verify_slices_are_equal(value.as_bytes(), repeated.as_bytes()).is_ok()
    })
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn set(name: &str, value: &str, seconds: i64) -> Option<HeaderValue> {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;
    use time::Duration;

    fn sent(value: &HeaderValue) -> HeaderMap {
        let pair = value.to_str().expect("text").split(';').next().expect("a pair").to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&pair).expect("a value"));
        headers
    }

    #[test]
    fn a_session_is_its_accounts_until_it_ends() {
        let sessions = Sessions::new(&SessionKey::new([1; 32]));
        let alice = Account { name: "alice".into(), uid: "u".into() };
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let headers = sent(&sessions.begin(&alice, now).expect("a cookie"));
        assert_eq!(sessions.read(&headers, now), Some(alice.clone()));
        assert_eq!(sessions.read(&headers, now + Duration::seconds(LIFETIME)), None);
        assert_eq!(
            sessions.read(&headers, now - Duration::days(3650)),
            None,
            "the clock was set back"
        );
        assert_eq!(Sessions::new(&SessionKey::new([2; 32])).read(&headers, now), None);
        let text = headers[header::COOKIE].to_str().expect("text").to_owned();
        for at in SESSION.len() + 1..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let mut changed = HeaderMap::new();
            changed.insert(header::COOKIE, HeaderValue::from_bytes(&bytes).expect("a value"));
            assert_ne!(sessions.read(&changed, now), Some(alice.clone()), "byte {at}");
        }
    }

    #[test]
    fn forms_repeat_the_cookie() {
        let (token, header) = form_token(&HeaderMap::new()).expect("random numbers");
        let headers = sent(&header.expect("a new cookie"));
        assert!(is_own_form(&headers, &token));
        assert!(!is_own_form(&headers, ""));
        assert!(!is_own_form(&HeaderMap::new(), ""));
        assert!(!is_own_form(&HeaderMap::new(), &token));
        let (again, none) = form_token(&headers).expect("random numbers");
        assert_eq!((again, none), (token, None));
    }
}
