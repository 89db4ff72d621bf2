// SPDX-License-Identifier: Apache-2.0
//! Pages for people: plain HTML that needs no script, no picture and no style to be used.

use std::sync::LazyLock;

use apimachinery::body::{self, Response};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};

const STYLE: &str = "body{font:1rem/1.5 sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}\
label{display:block;margin-top:1rem}input{font:inherit;width:100%;box-sizing:border-box;padding:.4rem}\
button{font:inherit;margin-top:1rem;padding:.4rem 1.5rem}pre{overflow-x:auto;padding:1rem;border:1px solid}\
.problem{border-left:.3rem solid #b00;padding-left:1rem}";

/// Nothing may run or be loaded; the one style is known by its hash. (Not `form-action`: browsers would apply it to the
/// redirects behind the login form, which lead to clients.)
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// A text, safe as content and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A page; `title` is text, `content` is HTML.
pub(super) fn page(code: StatusCode, title: &str, content: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{content}\n</main>\n\
         </body>\n</html>\n"
    );
    let mut response = Response::new(body::full(html));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}

/// A page that says what is wrong.
pub(super) fn failure(code: StatusCode, problem: &str) -> Response {
    page(code, "This did not work", &problem_text(problem))
}

/// A problem within a page, read out at once by screen readers.
pub(super) fn problem_text(problem: &str) -> String {
    format!("<p class=\"problem\" role=\"alert\">{}</p>", escape(problem))
}

/// A hidden field of a form.
pub(super) fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escape(name), escape(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
        assert!(hidden("then", "\"><script>").contains("value=\"&quot;&gt;&lt;script&gt;\""));
    }

    #[test]
    fn nothing_is_loaded_or_run() {
        let response = failure(StatusCode::BAD_REQUEST, "x");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(!policy.contains("unsafe"));
    }
}
