// SPDX-License-Identifier: Apache-2.0
//! From the configuration to the settings of each part.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use http::{HeaderName, HeaderValue};
use oci::schema1::SigningKey;
use ports::{Authorizer, Secret};
use registry::auth::{Htpasswd, HtpasswdSettings, Open};
use registry::{EndpointSettings, QueueSettings, Settings, UrlPolicy};
use registry_config::Config;
use registry_config::config::auth::Auth;
use registry_config::config::http::{CipherSuite, ClientAuth, TlsVersion};
use registry_config::config::openshift::RequestLimits;
use rustix::rand::{GetRandomFlags, getrandom};
use telemetry::log::Line;

/// The text of the contract (registry.md 6.3).
const NO_SECRET: &str = "No HTTP secret provided - generated random secret. This may cause problems \
    with uploads if multiple registries are behind a load-balancer. To provide a shared secret, fill \
    in http.secret in the configuration file or set the REGISTRY_HTTP_SECRET environment variable.";

/// Settings of the data plane.
pub(super) fn data_plane(config: &Config) -> Result<Settings> {
    let mut settings = Settings::new(upload_secret(config)?);
    let http = &config.http;
    settings.prefix = http.prefix.trim_end_matches('/').to_owned();
    settings.public_url =
        http.host.as_ref().map(|url| url.expose().trim_end_matches('/').to_owned());
    settings.relative_urls = http.relative_urls;
    for (name, values) in &http.headers {
        for value in values {
            let header = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
            let (Ok(name), Ok(value)) = header else {
                bail!("http.headers: {name:?} with value {value:?} is not an HTTP header");
            };
            settings.extra_headers.push((name, value));
        }
    }
    settings.access_log = !config.log.access_log.disabled;
    settings.audit = config.openshift.audit.enabled;
    settings.classes = config.policy.repository.classes.clone();
    settings.read_only = config.storage.maintenance.read_only.enabled;
    settings.delete_enabled = config.storage.delete.enabled;
    settings.redirects = !config.storage.redirect.disable;
    settings.metrics_enabled = config.openshift.metrics.enabled;
    settings.metrics_secret = secret(&config.openshift.metrics.secret);
    settings.validation_enabled = config.validation.enabled;
    settings.layer_urls = layer_urls(config)?;
    settings.accept_schema2 = config.openshift.compatibility.accept_schema2;
    let limits = &config.berth.limits;
    settings.limits = registry::Limits {
        read: queue(&config.openshift.requests.read),
        write: queue(&config.openshift.requests.write),
        manifest_bytes: limits.manifest_bytes.bytes() as usize,
        uploads_per_identity: limits.uploads_per_identity as usize,
        catalog_page: config.catalog.max_entries as usize,
        tags_page: config.tags.max_tags as usize,
        referrers_page: limits.referrers_page as usize,
        tag_parameters: limits.manifest_tags as usize,
        manifest_references: limits.manifest_descriptors as usize,
    };
    Ok(settings)
}

fn secret(configured: &registry_config::Secret) -> Option<Secret> {
    (!configured.is_empty()).then(|| Secret::new(configured.expose()))
}

fn upload_secret(config: &Config) -> Result<Secret> {
    if let Some(secret) = secret(&config.http.secret) {
        return Ok(secret);
    }
    Line::warning(NO_SECRET).emit();
    // From the kernel: the generator of the TLS library takes longer to start than all the rest.
    let mut random = [0; 32];
    let filled = getrandom(&mut random, GetRandomFlags::empty()).context("no random numbers")?;
    // Up to 256 bytes the kernel gives all or nothing (getrandom(2)).
    if filled < random.len() {
        bail!("the system gave only {filled} random bytes");
    }
    Ok(Secret::new(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

fn queue(limits: &RequestLimits) -> QueueSettings {
    QueueSettings {
        max_running: limits.max_running as usize,
        max_in_queue: limits.max_in_queue as usize,
        max_wait: limits.max_wait_in_queue,
    }
}

/// Foreign layers' URLs are looked at only if one of the lists is there (registry.md 1.7).
fn layer_urls(config: &Config) -> Result<Option<UrlPolicy>> {
    let urls = &config.validation.manifests.urls;
    if urls.allow.is_empty() && urls.deny.is_empty() {
        return Ok(None);
    }
    let compile = |key: &str, patterns: &[String]| {
        regex::RegexSet::new(patterns).map_err(|error| wrong_pattern(key, patterns, &error))
    };
    let allow = compile("allow", &urls.allow)?;
    let deny = compile("deny", &urls.deny)?;
    Ok(Some(UrlPolicy::new(move |url| {
        (allow.is_empty() || allow.is_match(url)) && !deny.is_match(url)
    })))
}

/// Names the pattern that is wrong, on one line; the library draws a picture.
fn wrong_pattern(key: &str, patterns: &[String], error: &regex::Error) -> anyhow::Error {
    let wrong = patterns.iter().find(|pattern| regex::Regex::new(pattern).is_err());
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    anyhow::anyhow!(
        "validation.manifests.urls.{key}: {:?} is not a regular expression: {reason}",
        wrong.map_or("", String::as_str)
    )
}

/// Who may do what.
pub(super) fn authorizer(config: &Config) -> Result<Arc<dyn Authorizer>> {
    Ok(match &config.auth {
        Auth::Open => Arc::new(Open),
        Auth::Htpasswd(htpasswd) => {
            let mut settings = HtpasswdSettings::new(&htpasswd.path, &htpasswd.realm);
            settings.cache_lifetime = config.berth.htpasswd.cache_ttl;
            settings.cache_entries = config.berth.htpasswd.cache_entries as usize;
            Arc::new(Htpasswd::open(settings)?)
        }
        Auth::OpenShift => {
            bail!("auth.openshift is not part of this build yet; use htpasswd or no auth section")
        }
    })
}

/// The key that signs schema 1 manifests made by conversion, if one is configured.
pub(super) fn schema1_key(config: &Config) -> Result<Option<SigningKey>> {
    let Some(path) = &config.compatibility.schema1.signing_key_file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read compatibility.schema1.signingkeyfile {path}"))?;
    SigningKey::from_file(&text)
        .with_context(|| format!("compatibility.schema1.signingkeyfile {path}"))
        .map(Some)
}

/// Limits of the HTTP engine.
pub(super) fn engine(config: &Config) -> httpd::Limits {
    let limits = &config.berth.limits;
    httpd::Limits {
        connections: limits.connections as usize,
        head: httpd::HeadLimits {
            bytes: limits.header_bytes.bytes() as usize,
            fields: limits.headers as usize,
            ..httpd::HeadLimits::default()
        },
        head_time: limits.header_timeout,
        idle: limits.idle_timeout,
        body_idle: limits.body_idle_timeout,
        write_idle: limits.write_idle_timeout,
        drain: config.http.drain_timeout,
        h2: httpd::H2Limits {
            enabled: !config.http.http2.disabled,
            cleartext: config.http.h2c.enabled,
            streams: limits.h2_streams,
            header_list: u32::try_from(limits.header_bytes.bytes()).unwrap_or(u32::MAX),
            ..httpd::H2Limits::default()
        },
        ..httpd::Limits::default()
    }
}

/// TLS, if a certificate is configured.
pub(super) fn tls(config: &Config) -> Result<Option<Arc<httpd::Tls>>> {
    let tls = &config.http.tls;
    let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else { return Ok(None) };
    if !tls.client_cas.is_empty() && tls.client_auth != ClientAuth::RequireAndVerify {
        bail!(
            "http.tls.clientauth: with clientcas only require-and-verify-client-cert is supported"
        );
    }
    let mut settings = httpd::TlsSettings::new(certificate, key);
    settings.min_version = match tls.minimum_version {
        TlsVersion::Tls13 => httpd::MinVersion::Tls13,
        _ => httpd::MinVersion::Tls12,
    };
    // Suites of TLS 1.3 cannot be switched off, as in the original.
    let tls13 = [
        CipherSuite::Aes128GcmSha256,
        CipherSuite::Aes256GcmSha384,
        CipherSuite::Chacha20Poly1305Sha256,
    ];
    let chosen = &tls.cipher_suites.0;
    if !chosen.is_empty() {
        let missing = tls13.iter().filter(|suite| !chosen.contains(suite));
        settings.cipher_suites =
            chosen.iter().chain(missing).map(|suite| suite.name().to_owned()).collect();
    }
    settings.client_cas = tls.client_cas.iter().map(Into::into).collect();
    settings.http2 = !config.http.http2.disabled;
    settings.reload_interval = config.berth.tls.reload;
    Ok(Some(Arc::new(httpd::Tls::new(settings)?)))
}

/// Endpoints that are told of events.
pub(super) fn endpoints(config: &Config) -> Result<Vec<EndpointSettings>> {
    let mut endpoints = Vec::new();
    for configured in &config.notifications.endpoints {
        if configured.disabled {
            Line::info(format!("endpoint {} disabled, skipping", configured.name)).emit();
            continue;
        }
        let Some(url) = &configured.url else { continue };
        let mut endpoint = EndpointSettings::new(&configured.name, url.expose());
        let mut names = Vec::new();
        for (name, values) in &configured.headers {
            for value in values {
                let name = HeaderName::from_bytes(name.as_bytes());
                let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(value.expose()))
                else {
                    bail!("notifications: a header of endpoint {} is not valid", configured.name);
                };
                value.set_sensitive(true);
                names.push(name.to_string());
                endpoint.headers.push((name, value));
            }
        }
        endpoint.timeout = configured.timeout;
        endpoint.threshold = configured.threshold;
        endpoint.backoff = configured.backoff;
        endpoint.ignored_media_types = configured
            .ignored_media_types
            .iter()
            .chain(&configured.ignore.media_types)
            .cloned()
            .collect();
        endpoint.ignored_actions =
            configured.ignore.actions.iter().map(|action| action.as_str().to_owned()).collect();
        Line::info(format!(
            "configuring endpoint {} ({url}), timeout={}, headers=[{}]",
            configured.name,
            telemetry::go::go_duration(configured.timeout),
            names.join(" ")
        ))
        .emit();
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let text = format!("version: 0.1\nstorage: inmemory\n{more}\n");
        let source = registry_config::Source {
            name: "config.yml",
            text: &text,
            variables: &[],
            strict: true,
        };
        registry_config::load(&source).expect("the configuration is right").config
    }

    #[test]
    fn the_size_of_headers_is_the_same_for_both_versions_of_http() {
        let limits = engine(&config("berth: {limits: {headerbytes: 16KiB, headers: 256}}"));
        assert_eq!((limits.head.bytes, limits.h2.header_list), (16 << 10, 16 << 10));
        assert_eq!(limits.head.fields, httpd::HeadLimits::MAX_FIELDS);
    }

    #[test]
    fn a_wrong_pattern_is_named_on_one_line() {
        let config = config("validation: {manifests: {urls: {deny: ['^http://ok', 'a(b']}}}");
        let error = format!("{:#}", layer_urls(&config).expect_err("wrong"));
        assert_eq!(
            error,
            "validation.manifests.urls.deny: \"a(b\" is not a regular expression: unclosed group"
        );
    }

    #[test]
    fn without_a_secret_each_start_has_its_own() {
        let secrets: Vec<Secret> =
            (0..2).map(|_| upload_secret(&config("")).expect("random numbers")).collect();
        assert_eq!(secrets[0].expose().len(), 64);
        assert_ne!(secrets[0].expose(), secrets[1].expose());
    }
}
