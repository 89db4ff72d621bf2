// SPDX-License-Identifier: Apache-2.0
//! Conditions that prevent the start, with the original's texts (registry.md 4.2).

use crate::{LEAST, errors, try_load};

/// File, variables, and the beginning of the only error.
type Case = (String, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn each_condition_has_its_text_and_place() {
    let with = |more: &str| format!("{LEAST}{more}\n");
    let storage = |more: &str| format!("version: 0.1\nstorage:\n  inmemory:\n{more}\n");
    let table: Vec<Case> = vec![
        (
            LEAST.into(),
            &[("REGISTRY_VERSION", "9.9")],
            "Unsupported version: \"9.9\"; expected 0.1 (version, REGISTRY_VERSION)",
        ),
        (
            "storage: inmemory".into(),
            &[],
            "Unsupported version: \"\"; expected 0.1 (version, not set)",
        ),
        ("version: 0.1".into(), &[], "No storage configuration provided (storage, not set)"),
        (
            "version: 0.1\nstorage: {delete: {enabled: true}}".into(),
            &[],
            "No storage configuration provided (storage, config.yml:2)",
        ),
        (
            storage("  filesystem: {}"),
            &[],
            "Must provide exactly one storage type. Provided: [inmemory filesystem] (storage, config.yml:4)",
        ),
        (
            LEAST.into(),
            &[("REGISTRY_STORAGE_S3_BUCKET", "b")],
            "multiple storage drivers specified in configuration or environment: inmemory, s3; set REGISTRY_STORAGE to the one that is meant (storage, REGISTRY_STORAGE_S3_BUCKET)",
        ),
        (
            LEAST.into(),
            &[("REGISTRY_STORAGE", "floppy")],
            "unknown storage driver \"floppy\"; expected one of [\"filesystem\"",
        ),
        (
            with("auth: {htpasswd: {realm: r, path: /p}, openshift: {}}"),
            &[],
            "must provide exactly one type. Provided: [htpasswd openshift] (auth, config.yml:3)",
        ),
        (
            with("auth: {htpasswd: {realm: r}}"),
            &[],
            "\"path\" must be set for htpasswd access controller (auth.htpasswd.path, config.yml:3)",
        ),
        (
            with("auth: {silly: {realm: r}}"),
            &[],
            "unable to configure authorization (silly): not supported",
        ),
        (with("auth: token"), &[], "unable to configure authorization (token): not supported"),
        (
            with("auth: ldap"),
            &[],
            "unable to configure authorization (ldap): no access controller of that name",
        ),
        (
            with("auth: openshift"),
            &[],
            "configuration error in openshift.server.addr: REGISTRY_OPENSHIFT_SERVER_ADDR variable must be set when running outside of Kubernetes cluster",
        ),
        (
            with("log: {level: foo}"),
            &[],
            "Invalid loglevel foo Must be one of [error, warn, info, debug] (log.level, config.yml:3)",
        ),
        (with("loglevel: foo"), &[], "Invalid loglevel foo Must be one of"),
        (with("log: {formatter: xml}"), &[], "unsupported logging formatter: \"xml\""),
        (with("openshift: {version: 2.0}"), &[], "Unsupported openshift configuration version"),
        (
            with("openshift: {auth: {tokenrealm: 'https://x/y'}}"),
            &[],
            "tokenrealm config option may not contain a path (\"/y\" was specified)",
        ),
        (
            with("openshift: {auth: {tokenrealm: 'https://x?a'}}"),
            &[],
            "tokenrealm config option may not contain query parameters or a fragment",
        ),
        (
            storage("  maintenance: {uploadpurging: true}"),
            &[],
            "uploadpurging config key must contain additional keys",
        ),
        (
            storage("  maintenance: {readonly: yes}"),
            &[],
            "readonly config key must contain additional keys",
        ),
        (
            storage("  maintenance: {readonly: {enabled: 'true'}}"),
            &[],
            "readonly's enabled config key must have a boolean value",
        ),
        (
            storage("  maintenance: {uploadpurging: {age: old}}"),
            &[],
            "Unable to parse upload purge configuration: \"old\" is not a duration",
        ),
        (storage("  redirect: {disable: maybe}"), &[], "invalid type for redirect config"),
        (storage("  redirect: {}"), &[], "invalid type for redirect config: disable is required"),
        (
            storage("  cache: {blobdescriptor: redis}"),
            &[],
            "redis configuration required to use for layerinfo cache (storage.cache.blobdescriptor, config.yml:4)",
        ),
        (
            storage("  cache: {layerinfo: memcached}"),
            &[],
            "invalid value \"memcached\": expected one of [inmemory, redis] (storage.cache.blobdescriptor, config.yml:4)",
        ),
        (
            LEAST.into(),
            &[("REGISTRY_HTTP_TLS_MINVERSION", "VersionTLS9")],
            "invalid TLS version \"VersionTLS9\" specified in REGISTRY_HTTP_TLS_MINVERSION: valid values are VersionTLS10",
        ),
        (
            with("http: {tls: {minimumtls: tls9}}"),
            &[],
            "invalid TLS version \"tls9\" specified in http.tls.minimumtls: valid values are VersionTLS10",
        ),
        (
            with("http: {tls: {ciphersuites: [TLS_FOO]}}"),
            &[],
            "invalid cipher suite \"TLS_FOO\" specified in http.tls.ciphersuites: valid values are TLS_AES",
        ),
        (
            LEAST.into(),
            &[("OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES", "TLS_FOO")],
            "invalid cipher suite \"TLS_FOO\" specified in OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES: valid",
        ),
        (
            LEAST.into(),
            &[("REGISTRY_HTTP_TLS_CIPHERSUITES", "TLS_FOO")],
            "invalid cipher suite \"TLS_FOO\" specified in REGISTRY_HTTP_TLS_CIPHERSUITES: valid values are TLS_AES_128_GCM_SHA256",
        ),
        (with("http: {tls: {letsencrypt: {email: a@b}}}"), &[], "letsencrypt is not supported"),
        (
            with("http: {tls: {certificate: /c}}"),
            &[],
            "key is required: TLS needs certificate and key (http.tls.key, config.yml:3)",
        ),
        (
            with("http: {net: udp}"),
            &[],
            "invalid value \"udp\": expected one of [tcp, unix] (http.net, config.yml:3)",
        ),
        (with("http: {net: unix}"), &[], "http.net is unix: http.addr must be an absolute path"),
        (
            with("http: {host: registry.example}"),
            &[],
            "invalid value (a single value): expected a URL such as https://host/path: http:// or https://, and a host (http.host, config.yml:3)",
        ),
        (
            with("http: {headers: {X: y}}"),
            &[],
            "invalid value (a single value): expected a list (http.headers.X, config.yml:3)",
        ),
        (
            with("http: {draintimeout: -1s}"),
            &[],
            "invalid value \"-1s\": expected a duration such as",
        ),
        (
            with("http: {draintimeout: 90000h}"),
            &[],
            "invalid value \"90000h\": expected a value from 0s to 1h",
        ),
        (
            with("http: [1]"),
            &[],
            "invalid value (a list): expected a map of keys (http, config.yml:3)",
        ),
        (
            with("catalog: {maxentries: ten}"),
            &[],
            "invalid value \"ten\": expected a whole number that is not negative",
        ),
        (
            with("notifications: {endpoints: [{name: a}]}"),
            &[],
            "a value is required (notifications.endpoints[0].url, config.yml:3)",
        ),
        (
            with("notifications: {endpoints: [{url: 'h:5000/x'}]}"),
            &[],
            "invalid value (a single value): expected a URL such as https://host/path: http:// or https://, and a host (notifications.endpoints[0].url, config.yml:3)",
        ),
        (
            with("notifications: {endpoints: [{url: 'http://u:hunter2@h'}]}"),
            &[],
            "credentials in the URL are not supported; use headers (notifications.endpoints[0].url, config.yml:3)",
        ),
        (
            with("health: {http: [{uri: 'http://u:hunter2@h'}]}"),
            &[],
            "credentials in the URL are not supported; use headers (health.http[0].uri, config.yml:3)",
        ),
        (
            with("berth: {limits: {headers: 257}}"),
            &[],
            "invalid value \"257\": expected a value from 16 to 256 (berth.limits.headers, config.yml:3)",
        ),
        (
            with("notifications: {endpoints: [{url: 'http://h'}, {url: 'http://h'}]}"),
            &[],
            "two endpoints are named \"\"",
        ),
        (
            with("validation: {manifests: {indexes: {platforms: some}}}"),
            &[],
            "invalid platforms option some Must be one of [all, none, list]",
        ),
        (
            LEAST.into(),
            &[("REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_ENFORCEQUOTA", "yes")],
            "configuration error in openshift.quota.enabled: invalid value of environment variable REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_ENFORCEQUOTA: ",
        ),
        (LEAST.into(), &[("REGISTRY_HTTP_SECRET", "@hunter2")], "the value is not YAML"),
    ];
    for (file, variables, expected) in table {
        let found = errors(&file, variables);
        assert_eq!(found.len(), 1, "{file}\n{found:#?}");
        assert!(
            found[0].starts_with(expected),
            "{file}\nexpected {expected}\nfound    {}",
            found[0]
        );
        assert!(!found[0].contains('\n') && !found[0].contains("hunter2"));
    }
}

#[test]
fn all_errors_are_shown_at_once() {
    let file = "version: 7\nstorage: inmemory\nhttp:\n  net: udp\nlog:\n  level: loud\n";
    let all = try_load(file, &[("REGISTRY_CATALOG_MAXENTRIES", "0")]).expect_err("wrong");
    let printed = all.to_string();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines,
        [
            "error parsing configuration file: Unsupported version: \"7\"; expected 0.1 (version, config.yml:1)",
            "error parsing configuration file: Invalid loglevel loud Must be one of \
             [error, warn, info, debug] (log.level, config.yml:6)",
            "error parsing configuration file: invalid value \"udp\": expected one of [tcp, unix] \
             (http.net, config.yml:4)",
            "error parsing configuration file: invalid value \"0\": expected a value from 1 to \
             1000000 (catalog.maxentries, REGISTRY_CATALOG_MAXENTRIES)",
        ]
    );
}

#[test]
fn secrets_are_in_no_message() {
    let file = format!(
        "{LEAST}http: {{secret: [hunter2], host: 'ftp://u:hunter2@h'}}\nredis: hunter2\n\
         notifications: {{endpoints: [{{url: 'u:hunter2@h', headers: {{A: hunter2}}}}]}}\n"
    );
    let all = try_load(&file, &[]).expect_err("wrong");
    assert!(all.errors.len() >= 4, "{all}");
    assert!(!format!("{all} {all:?}").contains("hunter2"), "{all}");
}
