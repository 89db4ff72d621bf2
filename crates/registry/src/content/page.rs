// SPDX-License-Identifier: Apache-2.0
//! `n` and `last`, and the `Link` to the next page. No page size is ever allocated because a
//! client named it (CVE-2023-2253).

use http::HeaderValue;

use crate::query;
use crate::reply::error::{Code, Error, Result};
use crate::reply::headers::from_text;

/// What to do with an `n` above the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// 400, as the catalog does.
    Refuse,
    /// A shorter page with a link to the next.
    Clamp,
}

/// The page size a request asks for.
pub(super) fn size(query: &str, default: usize, max: usize, beyond: Beyond) -> Result<usize> {
    let Some(text) = query::first(query, "n") else {
        // `n` that cannot be decoded is not the same as no `n`.
        return if query::has(query, "n") { Err(invalid("", max)) } else { Ok(default.min(max)) };
    };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (text.parse::<usize>(), beyond) {
        (Ok(n), _) if digits && n <= max => Ok(n),
        // What no signed integer holds is no number to the original either.
        (Ok(n), Beyond::Clamp) if digits && i64::try_from(n).is_ok() => Ok(max),
        _ => Err(invalid(&text, max)),
    }
}

fn invalid(given: &str, max: usize) -> Error {
    let shown: String = given.chars().take(40).collect();
    Error::new(Code::PaginationNumberInvalid)
        .detail(format!("n is {shown:?}; it must be a number from 0 to {max}"))
}

/// Where the next page begins.
pub(super) fn after(query: &str) -> Option<String> {
    query::first(query, "last").filter(|last| !last.is_empty()).map(Into::into)
}

/// The `Link` header. Its target is relative, so that it holds behind any proxy. `more` are further
/// parameters, encoded, each ending in `&`.
pub(super) fn next(path: &str, more: &str, last: &str, n: usize) -> HeaderValue {
    from_text(format!("<{path}?{more}last={}&n={n}>; rel=\"next\"", query::encode(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let of = |query: &str, beyond| size(query, 100, 1000, beyond).ok();
        for beyond in [Beyond::Refuse, Beyond::Clamp] {
            assert_eq!(of("", beyond), Some(100));
            assert_eq!(of("n=0", beyond), Some(0));
            assert_eq!(of("n=1000", beyond), Some(1000));
            for bad in ["n=-1", "n=abc", "n=", "n=+1", "n=%", "n=1.5"] {
                assert_eq!(of(bad, beyond), None, "{bad}");
            }
        }
        for big in ["n=1001", "n=9223372036854775808", "n=99999999999999999999999999"] {
            assert_eq!(of(big, Beyond::Refuse), None, "{big}");
        }
        for big in ["n=1001", "n=9223372036854775807"] {
            assert_eq!(of(big, Beyond::Clamp), Some(1000), "{big}");
        }
        assert_eq!(of("n=9223372036854775808", Beyond::Clamp), None, "beyond every integer");
    }

    #[test]
    fn the_link_is_the_originals() {
        assert_eq!(
            next("/v2/_catalog", "", "dev/del", 1),
            "</v2/_catalog?last=dev%2Fdel&n=1>; rel=\"next\""
        );
    }
}
