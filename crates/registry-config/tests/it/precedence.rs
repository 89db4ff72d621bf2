// SPDX-License-Identifier: Apache-2.0
//! Which of default, file and variable wins (registry.md 4.2).

use std::time::Duration;

use registry_config::config::auth::Auth;
use registry_config::config::http::{CipherSuite, TlsVersion};
use registry_config::config::log::{LogFormatter, LogLevel};
use registry_config::config::middleware::OptionValue;
use registry_config::config::storage::StorageDriver;
use registry_config::{ByteSize, Secret};

use crate::{LEAST, config, try_load};

fn directory(text: &str, variables: &[(&str, &str)]) -> String {
    match config(text, variables).storage.driver {
        StorageDriver::Filesystem(filesystem) => filesystem.root_directory,
        other => panic!("not a directory: {other:?}"),
    }
}

#[test]
fn default_then_file_then_variable() {
    let file = format!("{LEAST}http: {{addr: ':7000'}}\n");
    assert_eq!(config(LEAST, &[]).http.addr, ":5000");
    assert_eq!(config(&file, &[]).http.addr, ":7000");
    assert_eq!(config(&file, &[("REGISTRY_HTTP_ADDR", ":8000")]).http.addr, ":8000");
    // Null and empty mean "not given".
    assert_eq!(config(&file, &[("REGISTRY_HTTP_ADDR", "")]).http.addr, ":5000");
    // A whole subtree replaces what was there.
    let tree = ("REGISTRY_HTTP", "{secret: s3cret}");
    let http = config(&file, &[tree]).http;
    assert_eq!((http.addr.as_str(), &http.secret), (":5000", &Secret::new("s3cret")));
    // More specific variables come later, whatever the order of the environment.
    let http = config(&file, &[("REGISTRY_HTTP_ADDR", ":9"), tree]).http;
    assert_eq!((http.addr.as_str(), http.secret.expose()), (":9", "s3cret"));
}

#[test]
fn values_keep_their_text_where_a_string_is_wanted() {
    for (value, text) in [("012", "012"), ("yes", "yes"), ("1.50", "1.50"), ("'a b'", "a b")] {
        assert_eq!(config(LEAST, &[("REGISTRY_HTTP_SECRET", value)]).http.secret.expose(), text);
    }
}

#[test]
fn storage_variable_replaces_the_section() {
    let file = "version: 0.1\nstorage:\n  s3: {bucket: b}\n  delete: {enabled: true}\n";
    let replaced = config(file, &[("REGISTRY_STORAGE", "filesystem")]).storage;
    assert!(matches!(replaced.driver, StorageDriver::Filesystem(_)));
    assert!(!replaced.delete.enabled, "deleting is lost with the section");

    let operator = [
        ("REGISTRY_STORAGE", "filesystem"),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/registry"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
        ("REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR", "inmemory"),
    ];
    assert_eq!(directory(file, &operator), "/registry");
    assert!(config(file, &operator).storage.delete.enabled);

    // A file with the short form is extended, too.
    let short = "version: 0.1\nstorage: filesystem\n";
    assert_eq!(directory(short, &operator[1..]), "/registry");
}

#[test]
fn drivers_that_come_later_are_known() {
    for (variable, name) in [
        ("s3", "s3"),
        ("s3aws", "s3"),
        ("gcs", "gcs"),
        ("azure", "azure"),
        ("swift", "swift"),
        ("oss", "oss"),
    ] {
        let storage = config(LEAST, &[("REGISTRY_STORAGE", variable)]).storage;
        assert_eq!(storage.driver, StorageDriver::Unimplemented { name });
    }
    // Parameters of drivers may be quoted, and follow the name that the section has.
    config(
        LEAST,
        &[
            ("REGISTRY_STORAGE", "s3aws"),
            ("REGISTRY_STORAGE_S3AWS_ENCRYPT", "'true'"),
            ("REGISTRY_STORAGE_S3AWS_CHUNKSIZE", "'5242880'"),
        ],
    );
}

#[test]
fn maintenance_takes_both_forms() {
    let both = [
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{enabled: true}"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true"),
    ];
    for variable in both {
        for file in [
            LEAST,
            "version: 0.1\nstorage:\n  inmemory:\n  maintenance:\n    readonly: {enabled: false}\n",
        ] {
            assert!(config(file, &[variable]).storage.maintenance.read_only.enabled);
        }
    }
    let purging = config(LEAST, &[("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE", "24h")])
        .storage
        .maintenance
        .upload_purging;
    assert_eq!(purging.age, Duration::from_secs(24 * 3600));
    assert_eq!(purging.interval, Duration::from_secs(24 * 3600), "the default stays");
    assert!(purging.enabled);
}

#[test]
fn field_names_that_differ_from_keys() {
    let all = config(
        LEAST,
        &[
            ("REGISTRY_COMPATIBILITY_SCHEMA1_TRUSTKEY", "/key"),
            ("REGISTRY_HEALTH_FILECHECKERS", "[{file: /down}]"),
            ("REGISTRY_HEALTH_HTTPCHECKERS", "[{uri: http://h/}]"),
            ("REGISTRY_HEALTH_TCPCHECKERS", "[{addr: 'h:1'}]"),
            ("REGISTRY_NOTIFICATIONS_EVENTCONFIG", "{includereferences: true}"),
        ],
    );
    assert_eq!(all.compatibility.schema1.signing_key_file.as_deref(), Some("/key"));
    assert_eq!(all.health.file[0].file, "/down");
    assert_eq!(all.health.http[0].status_code, 200);
    assert_eq!(all.health.tcp[0].interval, Duration::from_secs(10));
    assert!(all.notifications.events.include_references);
}

#[test]
fn maps_take_free_names() {
    let file = format!("{LEAST}log: {{fields: {{Service: a}}}}\n");
    let variables = [("REGISTRY_LOG_FIELDS_SERVICE", "b"), ("REGISTRY_LOG_FIELDS_ZONE", "1")];
    let fields = config(&file, &variables).log.fields;
    let fields: Vec<_> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(fields, [("Service", "b"), ("zone", "1")]);
}

#[test]
fn auth_in_short_and_by_variable() {
    let server = ("REGISTRY_OPENSHIFT_SERVER_ADDR", "registry:5000");
    assert_eq!(config(LEAST, &[]).auth, Auth::Open);
    assert_eq!(config(LEAST, &[("REGISTRY_AUTH", "openshift"), server]).auth, Auth::OpenShift);
    let file = format!("{LEAST}auth: {{openshift: {{}}}}\n");
    assert_eq!(config(&file, &[server]).auth, Auth::OpenShift);
    let variables = [
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/users"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "here"),
    ];
    match config(&file, &variables).auth {
        Auth::Htpasswd(users) => {
            assert_eq!((users.path, users.realm), ("/users".into(), "here".into()));
        }
        other => panic!("not htpasswd: {other:?}"),
    }
}

#[test]
fn old_log_level_counts_where_the_new_one_is_absent() {
    let old = format!("{LEAST}loglevel: debug\n");
    let both = format!("{LEAST}loglevel: debug\nlog: {{level: error}}\n");
    assert_eq!(config(&old, &[]).log.level, LogLevel::Debug);
    assert_eq!(config(&both, &[]).log.level, LogLevel::Error);
    assert_eq!(config(LEAST, &[("REGISTRY_LOGLEVEL", "warn")]).log.level, LogLevel::Warn);
    assert_eq!(config(&old, &[("REGISTRY_LOG_LEVEL", "WARN")]).log.level, LogLevel::Warn);
    assert_eq!(
        config(LEAST, &[("REGISTRY_LOG_FORMATTER", "json")]).log.formatter,
        LogFormatter::Json
    );
}

#[test]
fn openshift_defaults_are_per_key() {
    let file = format!(
        "{LEAST}openshift:\n  version: 1.0\n  quota: {{enabled: true}}\n  cache: {{}}\n  \
         compatibility:\n  pullthrough: {{enabled: true}}\n"
    );
    let openshift = config(&file, &[]).openshift;
    assert_eq!(openshift.quota.cache_ttl, Duration::from_secs(60));
    assert_eq!(openshift.cache.blob_repository_ttl, Duration::from_secs(600));
    assert!(openshift.compatibility.accept_schema2 && openshift.pull_through.mirror);
}

#[test]
fn server_address_in_the_order_of_its_names() {
    let names = [
        ("OPENSHIFT_DEFAULT_REGISTRY", "a:1"),
        ("DOCKER_REGISTRY_URL", "b:1"),
        ("REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_DOCKERREGISTRYURL", "c:1"),
        ("REGISTRY_OPENSHIFT_SERVER_ADDR", "d:1"),
        ("DOCKER_REGISTRY_SERVICE_HOST", "fd00::1"),
        ("DOCKER_REGISTRY_SERVICE_PORT", "5000"),
    ];
    let expected = ["a:1", "b:1", "c:1", "d:1", "[fd00::1]:5000"];
    for (skip, expected) in expected.iter().enumerate() {
        let loaded = try_load(LEAST, &names[skip..]).expect("right");
        assert_eq!(loaded.config.openshift.server.addr.as_deref(), Some(*expected));
        let deprecated = loaded.warnings.iter().filter(|warning| warning.is_notice()).count();
        assert_eq!(deprecated, usize::from(skip < 2));
    }
    assert_eq!(config(LEAST, &names[5..]).openshift.server.addr, None);
    let option = format!(
        "{LEAST}openshift: {{server: {{addr: 'x:1'}}}}\nmiddleware:\n  repository:\n  - name: openshift\n    \
         options: {{dockerregistryurl: 'o:1'}}\n"
    );
    assert_eq!(config(&option, &[]).openshift.server.addr.as_deref(), Some("o:1"));
}

#[test]
fn old_middleware_variables_win_and_options_yield() {
    let prefix = "REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_";
    let names: Vec<(String, &str)> = [
        ("ENFORCEQUOTA", "true"),
        ("PROJECTCACHETTL", "5s"),
        ("ACCEPTSCHEMA2", "false"),
        ("BLOBREPOSITORYCACHETTL", "6s"),
        ("MIRRORPULLTHROUGH", "false"),
    ]
    .iter()
    .map(|(name, value)| (format!("{prefix}{name}"), *value))
    .collect();
    let mut variables: Vec<(&str, &str)> =
        names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    variables.push(("REGISTRY_OPENSHIFT_QUOTA_ENABLED", "false"));
    let openshift = config(LEAST, &variables).openshift;
    assert!(openshift.quota.enabled && !openshift.compatibility.accept_schema2);
    assert!(!openshift.pull_through.mirror);
    assert_eq!(openshift.quota.cache_ttl, Duration::from_secs(5));
    assert_eq!(openshift.cache.blob_repository_ttl, Duration::from_secs(6));

    let options =
        "middleware:\n  repository:\n  - name: openshift\n    options: {enforcequota: true}\n";
    assert!(config(&format!("{LEAST}{options}"), &[]).openshift.quota.enabled);
    let section = format!("{LEAST}{options}openshift: {{quota: {{cachettl: 1s}}}}\n");
    assert!(!config(&section, &[]).openshift.quota.enabled);
}

#[test]
fn cipher_suites_and_versions() {
    for name in ["REGISTRY_HTTP_TLS_CIPHERSUITES", "OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES"] {
        let value = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305";
        let suites = config(LEAST, &[(name, value)]).http.tls.cipher_suites;
        assert_eq!(
            suites.0,
            [CipherSuite::EcdheRsaAes128GcmSha256, CipherSuite::EcdheRsaChacha20Poly1305]
        );
    }
    let file = format!(
        "{LEAST}http: {{tls: {{minimumtls: tls1.3, ciphersuites: [TLS_AES_128_GCM_SHA256]}}}}\n"
    );
    let tls = config(&file, &[]).http.tls;
    assert_eq!(tls.minimum_version, TlsVersion::Tls13);
    assert_eq!(tls.cipher_suites.0[0].name(), "TLS_AES_128_GCM_SHA256");
    let version = ("REGISTRY_HTTP_TLS_MINVERSION", "VersionTLS13");
    assert_eq!(config(LEAST, &[version]).http.tls.minimum_version, TlsVersion::Tls13);
}

#[test]
fn middleware_options_by_variable() {
    let whole = ("REGISTRY_MIDDLEWARE_STORAGE", "[{name: cloudfront, options: {baseurl: u}}]");
    let single = ("REGISTRY_MIDDLEWARE_STORAGE_CLOUDFRONT_BASEURL", "u");
    for variable in [whole, single] {
        let loaded = try_load(LEAST, &[variable]).expect("right");
        let storage = &loaded.config.middleware.storage;
        assert_eq!((storage.len(), storage[0].name.as_str()), (1, "cloudfront"));
        assert_eq!(storage[0].options["baseurl"], OptionValue::Text(Secret::new("u")));
    }
}

#[test]
fn own_section() {
    let berth = config(
        LEAST,
        &[
            ("REGISTRY_BERTH_STORE", "shared"),
            ("REGISTRY_BERTH_LIMITS_MANIFESTBYTES", "8MiB"),
            ("REGISTRY_BERTH_SHARED_MAXAGE", "500ms"),
        ],
    )
    .berth;
    assert_eq!(berth.limits.manifest_bytes, ByteSize(8 << 20));
    assert_eq!(berth.shared.max_age, Duration::from_millis(500));
    assert_eq!(berth.limits.connections, 10_000);
}

#[test]
fn resolved_values_are_normal() {
    let file = format!("{LEAST}http: {{prefix: my/registry}}\nvalidation: {{disabled: true}}\n");
    let all = config(&file, &[]);
    assert_eq!(all.http.prefix, "/my/registry/");
    assert!(!all.validation.enabled);
    assert!(!config(&format!("{LEAST}validation: {{enabled: no}}\n"), &[]).validation.enabled);
    assert!(config(LEAST, &[]).validation.enabled);
}
