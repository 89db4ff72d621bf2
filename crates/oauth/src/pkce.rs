// SPDX-License-Identifier: Apache-2.0
//! Proof that who redeems a code is who asked for it (RFC 7636).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Methods by which a challenge is made of a verifier.
pub(crate) const METHODS: [&str; 2] = ["plain", "S256"];

/// Whether a text is a verifier or a challenge: 43 to 128 unreserved characters (RFC 7636 4.1, 4.2).
pub(crate) fn is_legal(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// Whether a verifier belongs to a challenge.
pub(crate) fn holds(method: &str, challenge: &str, verifier: &str) -> bool {
    let made = match method {
        "S256" => URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())),
        "plain" => verifier.to_owned(),
        _ => return false,
    };
    is_legal(verifier) && verify_slices_are_equal(made.as_bytes(), challenge.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn the_example_of_the_rfc() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(holds("S256", challenge, verifier));
        assert!(holds("plain", verifier, verifier));
        assert!(!holds("plain", challenge, verifier));
        assert!(!holds("S256", challenge, challenge));
        assert!(!holds("", verifier, verifier));
        assert!(!holds("plain", "short", "short"));
    }
}
