// SPDX-License-Identifier: Apache-2.0
//! Request path → [`Route`]. Pure: no store, no settings but the prefix, no regular expression.
//!
//! A repository name may itself contain words like `manifests`, so the path is read from its end:
//! the last segments decide what is meant and all that stands before them is the name.
//!
//! Nothing is percent-decoded into a name. `%` is not a character of the name grammar, so an
//! encoded slash or dot makes an invalid name instead of another repository. One exception outside
//! of names: some clients send the colon of a digest as `%3A`.

use std::borrow::Cow;

use oci::RepositoryName;

/// What a path means. The last segment stays text: it is parsed behind authorization, so that an
/// anonymous caller learns nothing from its validity.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'p> {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// Something of one repository.
    Repository(RepositoryName, Item<'p>),
    /// `/extensions/v2/metrics`
    Metrics,
    /// `/admin/blobs/<digest>`
    AnyBlob(Cow<'p, str>),
}

/// What of a repository is meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'p> {
    /// `tags/list`
    Tags,
    /// `manifests/<reference>`
    Manifest(Cow<'p, str>),
    /// `blobs/<digest>`
    Blob(Cow<'p, str>),
    /// `blobs/uploads/`
    Uploads,
    /// `blobs/uploads/<id>`
    Upload(&'p str),
    /// `referrers/<digest>`
    Referrers(Cow<'p, str>),
}

/// A path that is not a route.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoute<'p> {
    /// The text page.
    NotFound,
    /// A route but for the last slash.
    Moved(String),
    /// The shape of a route around something that is not a repository name.
    InvalidName(&'p str),
}

/// Longest last segment that is looked at; the longest legal one is a sha512 digest.
const MAX_SEGMENT: usize = 512;

/// Reads a path as sent. `prefix` is `http.prefix` without its last slash, or empty.
///
/// # Errors
///
/// See [`NoRoute`].
pub fn parse<'p>(prefix: &str, path: &'p str) -> Result<Route<'p>, NoRoute<'p>> {
    // Only /v2 moves below the prefix (registry.md 1.2).
    if let Some(rest) = path.strip_prefix(prefix).and_then(|p| p.strip_prefix("/v2")) {
        return match rest.strip_prefix('/') {
            Some(rest) => api(path, rest),
            None if rest.is_empty() => Err(NoRoute::Moved(format!("{path}/"))),
            None => Err(NoRoute::NotFound),
        };
    }
    if path == "/extensions/v2/metrics" {
        return Ok(Route::Metrics);
    }
    match path.strip_prefix("/admin/blobs/") {
        Some(digest) if is_segment(digest) => Ok(Route::AnyBlob(colon(digest))),
        _ => Err(NoRoute::NotFound),
    }
}

/// Reads what follows `/v2/`.
fn api<'p>(path: &'p str, rest: &'p str) -> Result<Route<'p>, NoRoute<'p>> {
    match rest {
        "" => return Ok(Route::Ping),
        "_catalog" => return Ok(Route::Catalog),
        _ => {}
    }
    let (before, last) = rest.rsplit_once('/').ok_or(NoRoute::NotFound)?;
    if last.is_empty() {
        if let Some(name) = before.strip_suffix("/blobs/uploads") {
            return named(name, Item::Uploads);
        }
        // Any other route is without a last slash.
        return match api(path, before) {
            Ok(_) => Err(NoRoute::Moved(path[..path.len() - 1].to_owned())),
            Err(NoRoute::InvalidName(name)) => Err(NoRoute::InvalidName(name)),
            Err(_) => Err(NoRoute::NotFound),
        };
    }
    if last.len() > MAX_SEGMENT {
        return Err(NoRoute::NotFound);
    }
    if last == "list"
        && let Some(name) = before.strip_suffix("/tags")
    {
        return named(name, Item::Tags);
    }
    if let Some(name) = before.strip_suffix("/manifests") {
        return named(name, Item::Manifest(colon(last)));
    }
    if let Some(name) = before.strip_suffix("/blobs/uploads") {
        return named(name, Item::Upload(last));
    }
    if let Some(name) = before.strip_suffix("/blobs") {
        return if last == "uploads" {
            named(name, Item::Uploads).and(Err(NoRoute::Moved(format!("{path}/"))))
        } else {
            named(name, Item::Blob(colon(last)))
        };
    }
    if let Some(name) = before.strip_suffix("/referrers") {
        return named(name, Item::Referrers(colon(last)));
    }
    Err(NoRoute::NotFound)
}

fn named<'p>(name: &'p str, item: Item<'p>) -> Result<Route<'p>, NoRoute<'p>> {
    match RepositoryName::parse(name) {
        Ok(parsed) => Ok(Route::Repository(parsed, item)),
        Err(_) => Err(NoRoute::InvalidName(name)),
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_SEGMENT && !text.contains('/')
}

/// COMPAT: clients that escape a whole path segment send `sha256%3A…`.
fn colon(segment: &str) -> Cow<'_, str> {
    match segment.find('%') {
        Some(at) if segment[at..].starts_with("%3A") || segment[at..].starts_with("%3a") => {
            Cow::Owned(format!("{}:{}", &segment[..at], &segment[at + 3..]))
        }
        _ => Cow::Borrowed(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn routes_are_read_from_their_end() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let repository = |n: &str, item| Ok(Route::Repository(name(n), item));
        let manifest = |r: &'static str| Item::Manifest(r.into());
        let cases = [
            ("/v2/", Ok(Route::Ping)),
            ("/v2/_catalog", Ok(Route::Catalog)),
            ("/v2/a/b/tags/list", repository("a/b", Item::Tags)),
            ("/v2/a/manifests/latest", repository("a", manifest("latest"))),
            ("/v2/a/manifests/tags/list", repository("a/manifests", Item::Tags)),
            ("/v2/a/tags/list/manifests/x", repository("a/tags/list", manifest("x"))),
            ("/v2/a/blobs/uploads/", repository("a", Item::Uploads)),
            ("/v2/a/blobs/uploads/u-1", repository("a", Item::Upload("u-1"))),
            ("/extensions/v2/metrics", Ok(Route::Metrics)),
        ];
        for (path, expected) in cases {
            assert_eq!(parse("", path), expected, "{path}");
        }
        let path = format!("/v2/a/blobs/{digest}");
        assert_eq!(parse("", &path), repository("a", Item::Blob(digest.as_str().into())));
        let path = format!("/v2/a/referrers/{}", digest.replace(':', "%3A"));
        assert_eq!(parse("", &path), repository("a", Item::Referrers(digest.as_str().into())));
        let path = format!("/admin/blobs/{digest}");
        assert_eq!(parse("", &path), Ok(Route::AnyBlob(digest.as_str().into())));
    }

    #[test]
    fn slashes_at_the_end_are_strict() {
        let moved = |to: &str| Err(NoRoute::Moved(to.to_owned()));
        assert_eq!(parse("", "/v2"), moved("/v2/"));
        assert_eq!(parse("", "/v2/a/b/tags/list/"), moved("/v2/a/b/tags/list"));
        assert_eq!(parse("", "/v2/a/blobs/uploads"), moved("/v2/a/blobs/uploads/"));
        assert_eq!(parse("", "/v2/_catalog/"), moved("/v2/_catalog"));
        assert_eq!(parse("", "/v2//"), moved("/v2/"));
        assert_eq!(parse("", "/v2/a/tags/list//"), Err(NoRoute::NotFound));
    }

    #[test]
    fn unknown_paths_are_the_text_page() {
        for path in ["/foo", "/v2/foo", "/v2x", "/v2/tags/list", "/healthz/", "/admin/blobs/", "*"]
        {
            assert_eq!(parse("", path), Err(NoRoute::NotFound), "{path}");
        }
    }

    #[test]
    fn illegal_names_are_told_and_never_decoded() {
        for bad in [
            "..", "a/..", "../a", "a/../b", ".", "a//b", "", "/", "a%2fb", "%2e%2e", "A", "ns/UP",
            "a\0", "a%00", "naïve", "a/ü", "a b", "-a", "a-", "a..b", "a___b",
        ] {
            let path = format!("/v2/{bad}/tags/list");
            assert_eq!(parse("", &path), Err(NoRoute::InvalidName(bad)), "{bad:?}");
        }
        let longest = "n".repeat(255);
        assert!(parse("", &format!("/v2/{longest}/tags/list")).is_ok());
        let longer = "n".repeat(256);
        let path = format!("/v2/{longer}/tags/list");
        assert_eq!(parse("", &path), Err(NoRoute::InvalidName(&longer)));
    }

    #[test]
    fn only_v2_moves_below_the_prefix() {
        assert_eq!(parse("/reg", "/reg/v2/"), Ok(Route::Ping));
        assert_eq!(parse("/reg", "/v2/"), Err(NoRoute::NotFound));
        assert_eq!(parse("/reg", "/regv2/"), Err(NoRoute::NotFound));
        assert_eq!(parse("/reg", "/extensions/v2/metrics"), Ok(Route::Metrics));
        assert_eq!(parse("/reg", "/reg/v2"), Err(NoRoute::Moved("/reg/v2/".into())));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn every_legal_name_and_reference_is_found(
            n in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}", r in "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}"
        ) {
            let path = format!("/v2/{n}/manifests/{r}");
            prop_assert_eq!(
                parse("", &path),
                Ok(Route::Repository(name(&n), Item::Manifest(r.as_str().into())))
            );
        }

        #[test]
        fn a_name_in_a_route_was_in_the_path(path in "(/[a-z0-9.%_-]{0,6}|/v2|/manifests|/blobs|/uploads|/tags|/list|/referrers){0,8}/?") {
            if let Ok(Route::Repository(n, _)) = parse("", &path) {
                prop_assert!(path.contains(n.as_str()));
                prop_assert!(!n.as_str().contains("..") && !n.as_str().contains('%'));
            }
        }
    }
}
