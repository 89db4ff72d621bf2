// SPDX-License-Identifier: Apache-2.0
//! Cipher suites and versions by the names administrators write.

use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;

use super::MinVersion;

/// rustls prefixes TLS 1.3 suites with `TLS13_`; the registry of IANA has `TLS_`.
fn iana(suite: SupportedCipherSuite) -> Option<&'static str> {
    let name = suite.suite().as_str()?;
    Some(match name {
        "TLS13_AES_128_GCM_SHA256" => "TLS_AES_128_GCM_SHA256",
        "TLS13_AES_256_GCM_SHA384" => "TLS_AES_256_GCM_SHA384",
        "TLS13_CHACHA20_POLY1305_SHA256" => "TLS_CHACHA20_POLY1305_SHA256",
        other => other,
    })
}

/// The IANA names of all suites that can be configured.
pub fn cipher_suite_names() -> Vec<&'static str> {
    ALL_CIPHER_SUITES.iter().copied().filter_map(iana).collect()
}

pub(super) fn cipher_suite(name: &str) -> Option<SupportedCipherSuite> {
    ALL_CIPHER_SUITES.iter().copied().find(|suite| iana(*suite) == Some(name))
}

/// The names of the versions that can be configured as the lowest, as distribution writes them.
pub fn tls_version_names() -> [(&'static str, MinVersion); 2] {
    [("tls1.2", MinVersion::Tls12), ("tls1.3", MinVersion::Tls13)]
}
