// SPDX-License-Identifier: Apache-2.0
//! Parameters of a query or a form. RFC 6749 3.1: an empty one is none, and none may be there twice.

use std::collections::BTreeMap;

use apimachinery::body::{self, Body};
use http::header;

use super::Incoming;

/// Most bytes of a form.
const MAX_FORM: usize = 16 << 10;
/// Most parameters.
const MAX: usize = 64;

/// Why parameters could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadParameters {
    #[error("the body is no form, or too large")]
    Form,
    #[error("a parameter is repeated, or there are too many")]
    Repeated,
}

/// Names and values. Not printed: there are passwords and codes among them.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn parse(text: &[u8]) -> Result<Self, BadParameters> {
        let mut all = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            if all.len() >= MAX || all.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(BadParameters::Repeated);
            }
        }
        Ok(Self(all))
    }

    /// A value that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A value, empty if absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

/// Reads a form. Only the one type that HTML forms and RFC 6749 use.
pub(super) async fn form(request: &Incoming, body: Body) -> Result<Parameters, BadParameters> {
    let content_type =
        request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(BadParameters::Form);
    }
    let bytes = body::collect(body, MAX_FORM).await.map_err(|_| BadParameters::Form)?;
    Parameters::parse(&bytes)
}

/// `name=value&…`, encoded.
pub(super) fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A path of this server to go on to: anything else could be another's.
pub(super) fn local_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (plain && text.starts_with('/') && !text.starts_with("//")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_are_there_once() {
        let all = Parameters::parse(b"a=1&b=&c=x%20y+z").expect("parameters");
        assert_eq!((all.get("a"), all.get("b"), all.get("c")), (Some("1"), None, Some("x y z")));
        assert_eq!(Parameters::parse(b"a=1&a=1").err(), Some(BadParameters::Repeated));
    }

    #[test]
    fn only_paths_of_this_server_are_gone_on_to() {
        assert_eq!(local_path("/oauth/authorize?a=b"), Some("/oauth/authorize?a=b"));
        for bad in [
            "",
            "x",
            "//evil.org",
            "/\\evil.org",
            "https://evil.org",
            "/a\nb",
            "/\t/evil.org",
            "/ä",
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_is_encoded_is_read(name in "\\PC{1,10}", value in "\\PC{1,30}") {
            let text = encode([(name.as_str(), value.as_str())]);
            prop_assert!(text.is_ascii());
            let read = Parameters::parse(text.as_bytes()).expect("parameters");
            prop_assert_eq!(read.get(&name), Some(value.as_str()));
        }

        #[test]
        fn no_path_leaves_the_server(text in "[/\\\\.:a-z@\t]{0,12}") {
            if let Some(path) = local_path(&text) {
                prop_assert!(path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'));
            }
        }
    }
}
