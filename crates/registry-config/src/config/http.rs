// SPDX-License-Identifier: Apache-2.0
//! `http`: listener, links, TLS, debug listener (registry.md 4.1, 6.7, 6.8).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::problem::{Problem, WarningKind};
use crate::read::{Reader, Scope};
pub use crate::tls::{CipherSuite, CipherSuites, TlsVersion};
use crate::value::{Secret, Url};

choices! {
    /// The kind of socket to listen on.
    pub enum Network {
        /// TCP; `addr` is host and port, either may be left out.
        Tcp = "tcp",
        /// A Unix socket; `addr` is its path.
        Unix = "unix",
    }
}

choices! {
    /// What is asked of clients when `clientcas` is set.
    pub enum ClientAuth {
        /// A certificate is asked for, and neither needed nor verified.
        Request = "request-client-cert",
        /// Any certificate is needed.
        RequireAny = "require-any-client-cert",
        /// A certificate is verified if there is one.
        VerifyIfGiven = "verify-client-cert-if-given",
        /// A certificate of one of the authorities is needed.
        RequireAndVerify = "require-and-verify-client-cert",
    }
}

settings! {
    /// The listener and what it answers with.
    pub struct Http checked by check_http {
        /// Address to listen on.
        "addr" => addr: String = ":5000";
        /// Kind of socket.
        "net" => net: Network = "tcp";
        /// URL at which clients reach the registry, for links in answers. Without it, links are
        /// made from the request (`Host`, `X-Forwarded-*`).
        "host" => host: Option<Url> = "";
        /// Path under which all routes lie, when a proxy in front does not cut it.
        "prefix" => prefix: String = "/";
        /// Key that signs the state of uploads. Replicas need the same one. Without it a random
        /// one is used.
        "secret" => secret: Secret = "";
        /// Whether links in answers are without scheme and host.
        "relativeurls" => relative_urls: bool = "false";
        /// How long requests in flight may go on after SIGTERM.
        "draintimeout" => drain_timeout: Duration = "29s" in "0s" .. "1h";
        /// Encryption.
        "tls" => tls: Tls = "{}";
        /// Headers that are added to every answer: a list of values for each name.
        "headers" => headers: BTreeMap<String, Vec<String>> = "{}";
        /// The debug listener.
        "debug" => debug: DebugListener = "{}";
        /// HTTP/2.
        "http2" => http2: Http2 = "{}";
        /// HTTP/2 without TLS.
        "h2c" => h2c: H2c = "{}";
    }
}

settings! {
    /// Encryption of the listener. TLS 1.2 and 1.3 are offered; certificate and key are read again
    /// when the files change.
    pub struct Tls checked by check_tls {
        /// Certificate chain (PEM). Together with `key` this switches TLS on.
        "certificate" => certificate: Option<String> = "";
        /// Private key (PEM).
        "key" => key: Option<String> = "";
        /// Files with the certificate authorities of clients (PEM).
        "clientcas" => client_cas: Vec<String> = "[]";
        /// What is asked of clients when `clientcas` is set.
        "clientauth" => client_auth: ClientAuth = "require-and-verify-client-cert";
        /// Lowest version of TLS. `REGISTRY_HTTP_TLS_MINVERSION` takes Go's names, `VersionTLS12`
        /// and `VersionTLS13`. Lower ones are accepted, and 1.2 is used.
        "minimumtls" also "minversion" => minimum_version: TlsVersion = "tls1.2"
            wrong "invalid TLS version \"{}\" specified in {where}: valid values \
                   are VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13, tls1.0, tls1.1, \
                   tls1.2, tls1.3";
        /// Cipher suites for TLS 1.2, by their IANA names: a list, or separated by commas. Empty
        /// means all that are offered. `OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES` is another name
        /// of the variable. Suites of TLS 1.3 cannot be switched off.
        "ciphersuites" => cipher_suites: CipherSuites = "[]";
        /// Certificates from Let's Encrypt: refused at start.
        "letsencrypt" => lets_encrypt: LetsEncrypt = "{}";
    }
}

settings! {
    /// Certificates from Let's Encrypt. A registry with such a section does not start: obtain the
    /// certificate with a client of your own and set `certificate` and `key`.
    pub struct LetsEncrypt {
        /// File for certificates and keys.
        "cachefile" => cache_file: String = "";
        /// Address for the registration.
        "email" => email: String = "";
        /// Hosts that may have a certificate.
        "hosts" => hosts: Vec<String> = "[]";
        /// Directory of the authority.
        "directoryurl" => directory_url: String = "";
    }
}

settings! {
    /// The debug listener. It serves `/debug/health`, without authentication.
    pub struct DebugListener {
        /// Address to listen on; without it there is no debug listener.
        "addr" => addr: Option<String> = "";
        /// Metrics on the debug listener.
        "prometheus" => prometheus: Prometheus = "{}";
    }
}

settings! {
    /// Metrics on the debug listener, in addition to `/extensions/v2/metrics`.
    pub struct Prometheus {
        /// Whether they are served; this also adds metrics for each route.
        "enabled" => enabled: bool = "false";
        /// Their path.
        "path" => path: String = "/metrics";
    }
}

settings! {
    /// HTTP/2.
    pub struct Http2 {
        /// Whether only HTTP/1.1 is offered.
        "disabled" => disabled: bool = "false";
    }
}

settings! {
    /// HTTP/2 without TLS.
    pub struct H2c {
        /// Whether clients that know that the server speaks it may use it.
        "enabled" => enabled: bool = "false";
    }
}

fn check_http(http: &mut Http, scope: &Scope<'_>, reader: &mut Reader) {
    // Both `registry` and `/registry/` are found in files; links are made from one form.
    let inner = http.prefix.trim_matches('/');
    http.prefix = if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") };
    if http.net == Network::Unix && !http.addr.starts_with('/') {
        let text = "http.net is unix: http.addr must be an absolute path";
        let at = scope.at.child("addr");
        reader.error(&at, scope.origin_of("addr"), Problem::Conflict(text.to_owned()));
    }
    for (name, values) in &http.headers {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            let text = format!("invalid header name {name:?}");
            reader.error(
                &scope.at.child("headers"),
                scope.origin_of("headers"),
                Problem::Value(text),
            );
        }
        if values.iter().any(|value| value.chars().any(char::is_control)) {
            let text = format!("a value of header {name:?} contains control characters");
            reader.error(
                &scope.at.child("headers"),
                scope.origin_of("headers"),
                Problem::Value(text),
            );
        }
    }
}

fn check_tls(tls: &mut Tls, scope: &Scope<'_>, reader: &mut Reader) {
    for (given, missing, name) in
        [(&tls.certificate, &tls.key, "key"), (&tls.key, &tls.certificate, "certificate")]
    {
        if given.is_some() && missing.is_none() {
            let text = format!("{name} is required: TLS needs certificate and key");
            reader.error(&scope.at.child(name), scope.origin, Problem::Missing(text));
        }
    }
    if !tls.client_cas.is_empty() && tls.certificate.is_none() {
        let at = scope.at.child("clientcas");
        let text = format!("{at} has no effect: no certificate is set, so there is no TLS");
        reader.warn(&at, scope.origin_of("clientcas"), WarningKind::NoEffect, text);
    }
    let wanted = |node: &crate::yaml::Node| {
        node.as_mapping().is_none_or(|map| map.iter().any(|(_, value)| !value.is_null()))
    };
    if let Some(node) = scope.map.get("letsencrypt").filter(|node| !node.is_null() && wanted(node))
    {
        let text = "letsencrypt is not supported: obtain the certificate with an ACME client and \
                    set http.tls.certificate and http.tls.key, which are read again when they change";
        let at = scope.at.child("letsencrypt");
        reader.error(&at, &node.origin, Problem::Unsupported(text.to_owned()));
    }
    if tls.minimum_version < TlsVersion::Tls12 {
        let name = if scope.has("minimumtls") { "minimumtls" } else { "minversion" };
        let at = scope.at.child("minimumtls");
        let text = format!("{at}: TLS below 1.2 is not offered; the lowest version is 1.2");
        reader.warn(&at, scope.origin_of(name), WarningKind::Doubtful, text);
        tls.minimum_version = TlsVersion::Tls12;
    }
}
