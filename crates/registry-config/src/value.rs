// SPDX-License-Identifier: Apache-2.0
//! Small types for values that need more than a string: secrets, sizes, URLs.

use std::fmt;

/// Text that must not be printed: a password, a key, a header value.
///
/// `Debug` shows only whether there is one; nothing implements `Display`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Never log what this returns.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether no secret was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "<none>" } else { "<redacted>" })
    }
}

/// A number of bytes, written as `4194304` or `4MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Parses a number of bytes with an optional unit B, KiB, MiB, GiB or TiB.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit).map(Self)
    }
}

/// An absolute http or https URL. `Debug` and `Display` hide credentials and the query.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// Takes a text that begins with `http://` or `https://` and a host.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        // The colons of an IPv6 address are inside brackets.
        let end = place.rfind(']').map_or(0, |bracket| bracket + 1);
        let colon = place[end..].find(':').map_or(place.len(), |colon| end + colon);
        let (host, port) = place.split_at(colon);
        let port = port.is_empty() || port[1..].parse::<u16>().is_ok();
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let whole = end == 0 || colon == end;
        (clean && port && whole && !host.is_empty()).then(|| Self(text.to_owned()))
    }

    /// Whether there is a user name or password before the host.
    pub(crate) fn has_credentials(&self) -> bool {
        let authority = self.0.len() - self.after_authority().len();
        self.0[..authority].contains('@')
    }

    /// The whole URL, credentials included. Never log what this returns; log the `Display` form.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Path, query and fragment, whatever there is of them.
    pub(crate) fn after_authority(&self) -> &str {
        let start = self.0.find("://").map_or(0, |index| index + 3);
        let rest = &self.0[start..];
        rest.find(['/', '?', '#']).map_or("", |index| &rest[index..])
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.find("://").map_or(0, |index| index + 3);
        let (scheme, rest) = self.0.split_at(start);
        let (authority, tail) = rest.split_at(rest.len() - self.after_authority().len());
        f.write_str(scheme)?;
        match authority.rsplit_once('@') {
            Some((_, host)) => write!(f, "<redacted>@{host}")?,
            None => f.write_str(authority)?,
        }
        match tail.split_once('?') {
            Some((path, _)) => write!(f, "{path}?<redacted>"),
            None => f.write_str(tail),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "<redacted>");
        assert_eq!(secret.expose(), "hunter2");
        let url = Url::parse("https://me:hunter2@h.example/x?a=b").expect("a URL");
        assert_eq!(url.to_string(), "https://<redacted>@h.example/x?<redacted>");
        assert_eq!(format!("{url:?}"), url.to_string());
    }

    #[test]
    fn urls_need_scheme_and_host() {
        for bad in [
            "",
            "registry:5000",
            "ftp://h",
            "http://",
            "http:///x",
            "http://:80",
            "http://h h",
            "http://h:",
            "http://h:65536",
            "http://h:x",
            "http://[::1]:x",
            "http://[::1]x",
        ] {
            assert!(Url::parse(bad).is_none(), "{bad:?}");
        }
        for good in ["http://h:80", "https://[::1]:5000/x", "http://[::1]", "http://u@h/a@b:c"] {
            assert!(Url::parse(good).is_some(), "{good:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(ByteSize::parse("4MiB"), Some(ByteSize(4 << 20)));
        assert_eq!(ByteSize::parse("12"), Some(ByteSize(12)));
        assert_eq!(ByteSize::parse("64 KiB"), Some(ByteSize(64 << 10)));
        for bad in ["", "MiB", "-1", "1.5MiB", "4MB", "99999999999999999999", "18000000000GiB"] {
            assert_eq!(ByteSize::parse(bad), None, "{bad:?}");
        }
    }
}
