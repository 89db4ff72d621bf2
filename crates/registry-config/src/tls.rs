// SPDX-License-Identifier: Apache-2.0
//! Versions and cipher suites of TLS by the names that Go and IANA give them (registry.md 6.7).

use crate::problem::{Problem, WarningKind};
use crate::read::{Path, Reader, Setting, place_of};
use crate::schema::{Leaf, Shape};
use crate::yaml::{Node, Value};

choices! {
    /// A version of TLS. As read, never below 1.2.
    pub enum TlsVersion {
        /// TLS 1.0; not offered.
        Tls10 = "tls1.0" | "VersionTLS10",
        /// TLS 1.1; not offered.
        Tls11 = "tls1.1" | "VersionTLS11",
        /// TLS 1.2.
        Tls12 = "tls1.2" | "VersionTLS12",
        /// TLS 1.3.
        Tls13 = "tls1.3" | "VersionTLS13",
    }
}

/// The suites that are offered, by their IANA names.
const OFFERED: [(&str, CipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", CipherSuite::Aes128GcmSha256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::Aes256GcmSha384),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::Chacha20Poly1305Sha256),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::EcdheEcdsaAes128GcmSha256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::EcdheEcdsaAes256GcmSha384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::EcdheEcdsaChacha20Poly1305),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::EcdheRsaAes128GcmSha256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::EcdheRsaAes256GcmSha384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::EcdheRsaChacha20Poly1305),
];

/// Suites that the original accepts and that are not offered here: CBC modes, RC4, 3DES, and key
/// exchange without forward secrecy.
const OTHERS: [&str; 17] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_FALLBACK_SCSV",
];

/// A cipher suite that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it; OFFERED has the official ones")]
pub enum CipherSuite {
    Aes128GcmSha256,
    Aes256GcmSha384,
    Chacha20Poly1305Sha256,
    EcdheEcdsaAes128GcmSha256,
    EcdheEcdsaAes256GcmSha384,
    EcdheEcdsaChacha20Poly1305,
    EcdheRsaAes128GcmSha256,
    EcdheRsaAes256GcmSha384,
    EcdheRsaChacha20Poly1305,
}

impl CipherSuite {
    /// The suite's IANA name.
    pub fn name(self) -> &'static str {
        OFFERED.iter().find(|(_, suite)| *suite == self).map_or("", |(name, _)| name)
    }
}

/// The suites that were asked for; empty means all that are offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CipherSuites(pub Vec<CipherSuite>);

impl Setting for CipherSuites {
    const SHAPE: Shape = Shape::List(&Shape::Leaf(Leaf {
        name: "cipher suite",
        expected: "the IANA name of a cipher suite",
        choices: &[],
        secret: false,
    }));

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        let names: Vec<String> = match &node.value {
            Value::Scalar { text, .. } => {
                text.split(',').map(|name| name.trim().to_owned()).collect()
            }
            _ => Vec::<String>::read(node, at, reader)?,
        };
        let mut suites = Vec::new();
        let mut dropped = 0;
        for name in names.iter().filter(|name| !name.is_empty()) {
            // The two ChaCha suites had names without hash before RFC 7905 was final.
            let long = format!("{name}_SHA256");
            let offered = OFFERED.iter().find(|(known, _)| {
                *known == name || (name.ends_with("_CHACHA20_POLY1305") && *known == long)
            });
            if let Some((_, suite)) = offered {
                suites.push(*suite);
            } else if OTHERS.contains(&name.as_str()) {
                dropped += 1;
                let text = format!("{at}: {name} is not offered");
                reader.warn(at, &node.origin, WarningKind::NoEffect, text);
            } else {
                let name: String = name.chars().take(100).collect();
                let valid: Vec<&str> = OFFERED.iter().map(|(name, _)| *name).collect();
                let text = format!(
                    "invalid cipher suite {name:?} specified in {}: valid values are {}",
                    place_of(node, at),
                    valid.join(", ")
                );
                reader.error(at, &node.origin, Problem::Value(text));
            }
        }
        if suites.is_empty() && dropped > 0 {
            let text = "none of these cipher suites is offered".to_owned();
            reader.error(at, &node.origin, Problem::Value(text));
        }
        Some(Self(suites))
    }
}
