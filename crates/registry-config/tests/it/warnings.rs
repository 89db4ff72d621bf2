// SPDX-License-Identifier: Apache-2.0
//! What is warned about, and strict mode.

use registry_config::{Source, WarningKind, load};

use crate::{LEAST, config, texts, try_load};

#[test]
fn unknown_keys_name_place_and_suggestion() {
    let file = format!("{LEAST}http:\n  adr: ':1'\nlogs: {{}}\nxyzzy: 1\n");
    let loaded = try_load(&file, &[]).expect("right");
    assert_eq!(
        texts(&loaded),
        [
            "ignoring unknown key logs; did you mean log? (config.yml:5)",
            "ignoring unknown key xyzzy (config.yml:6)",
            "ignoring unknown key http.adr; did you mean addr? (config.yml:4)",
        ]
    );
}

#[test]
fn unknown_variables_and_those_of_services() {
    let services = [
        ("REGISTRY_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_SERVICE_PORT", "5000"),
        ("REGISTRY_SERVICE_PORT_HTTPS", "5000"),
        ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
        ("REGISTRY_PORT_5000_TCP", "tcp://10.0.0.1:5000"),
        ("REGISTRY_PORT_5000_TCP_ADDR", "10.0.0.1"),
        ("REGISTRY_STORAGE_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_STORAGE_PORT_80_TCP_PROTO", "tcp"),
        ("REGISTRY_AUTH_SERVICE_PORT", "80"),
        ("REGISTRY_HTTP_PORT", "tcp://10.0.0.1:80"),
        ("REGISTRY_MIDDLEWARE_STORAGE_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_CONFIGURATION_PATH", "/x"),
        ("REGISTRY_OPENSHIFT_VERSION", "2.0"),
        ("PATH", "/bin"),
    ];
    config(LEAST, &services);
    for name in [
        "REGISTRY_FOO_BAR",
        "REGISTRY_HTTP_ADDR_X",
        "REGISTRY_HTTP__ADDR",
        "REGISTRY_",
        "REGISTRY_http_addr",
    ] {
        let loaded = try_load(LEAST, &[(name, "x")]).expect("right");
        assert_eq!(texts(&loaded), [format!("Ignoring unrecognized environment variable {name}")]);
    }
    let inside = try_load(LEAST, &[("REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL", "http://h")]);
    assert_eq!(
        texts(&inside.expect("right")),
        ["Ignoring unrecognized environment variable REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL; \
          a list is given whole, as one YAML value"]
    );
}

#[test]
fn variables_of_the_originals_process_warn_and_the_profiling_listener_is_opened() {
    let load = |variables: &[(&str, &str)]| {
        let loaded = try_load(LEAST, variables).expect("right");
        (loaded.config.http.debug.addr.clone(), texts(&loaded).join("\n"))
    };
    let (address, text) = load(&[("OPENSHIFT_PROFILE", "web")]);
    assert_eq!(address.as_deref(), Some("127.0.0.1:6060"));
    assert_eq!(text, "OPENSHIFT_PROFILE=web opens the debug listener; it has no profiles");
    let place = [("OPENSHIFT_PROFILE_HOST", "::1"), ("OPENSHIFT_PROFILE_PORT", "7")];
    let (address, _) = load(&[place[0], place[1], ("OPENSHIFT_PROFILE", "web")]);
    assert_eq!(address.as_deref(), Some("[::1]:7"));
    let (address, text) =
        load(&[("OPENSHIFT_PROFILE", "web"), ("REGISTRY_HTTP_DEBUG_ADDR", "127.0.0.1:9")]);
    assert_eq!(address.as_deref(), Some("127.0.0.1:9"), "the new name wins");
    assert!(text.contains("no effect"), "{text}");
    for (name, value) in [
        ("OPENSHIFT_PROFILE", "cpu"),
        place[1],
        ("OPENSHIFT_ON_PANIC", "crash"),
        ("BEARER_TOKEN", "a-secret"),
        ("OPENSHIFT_CA_DATA", "a-secret"),
    ] {
        let (address, text) = load(&[(name, value)]);
        assert_eq!(address, None);
        assert!(text.contains(name) && text.contains("no effect"), "{text}");
        assert!(!text.contains("a-secret"), "{text}");
    }
}

#[test]
fn sections_without_effect_warn() {
    let file = format!(
        "{LEAST}redis: {{addr: 'r:1'}}\nreporting: {{newrelic: {{name: x}}}}\n\
         proxy: {{remoteurl: 'https://h'}}\nlog: {{hooks: [{{type: mail, levels: [panic]}}]}}\n\
         middleware: {{registry: [{{name: openshift}}], repository: [{{name: other}}]}}\n\
         openshift: {{pullthrough: {{enabled: false}}}}\nhttp: {{draintimeout: 30}}\n"
    );
    let loaded = try_load(&file, &[]).expect("right");
    assert!(loaded.config.openshift.pull_through.enabled);
    let shown = texts(&loaded);
    let expected = [
        "log.hooks has no effect",
        "middleware other in middleware.repository has no effect",
        "reporting has no effect",
        "http.draintimeout: 30 without unit counts nanoseconds",
        "redis has no effect",
        "proxy has no effect",
        "pullthrough can't be disabled anymore",
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (shown, expected) in shown.iter().zip(expected) {
        assert!(shown.starts_with(expected), "{shown}");
    }
}

#[test]
fn old_tls_and_suites_that_are_not_offered() {
    let suites = "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let variables = [
        ("REGISTRY_HTTP_TLS_MINVERSION", "VersionTLS10"),
        ("REGISTRY_HTTP_TLS_CIPHERSUITES", suites),
    ];
    let loaded = try_load(LEAST, &variables).expect("right");
    assert_eq!(loaded.config.http.tls.minimum_version.as_str(), "tls1.2");
    assert_eq!(loaded.config.http.tls.cipher_suites.0.len(), 1);
    let kinds: Vec<_> = loaded.warnings.iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [WarningKind::NoEffect, WarningKind::Doubtful]);
}

#[test]
fn strict_refuses_the_unknown_only() {
    let file = format!("{LEAST}htp: {{}}\nredis: {{addr: a}}\n");
    let variables = [("REGISTRY_FOO".to_owned(), "x".to_owned())];
    let source = Source { name: "config.yml", text: &file, variables: &variables, strict: true };
    let refused = load(&source).expect_err("strict");
    let shown: Vec<_> = refused.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "strict: Ignoring unrecognized environment variable REGISTRY_FOO (REGISTRY_FOO)",
            "strict: ignoring unknown key htp; did you mean http? (htp, config.yml:3)",
        ]
    );
    assert_eq!(refused.warnings.len(), 1, "no effect stays a warning");
}

#[test]
fn which_images_of_an_index_must_exist_cannot_be_chosen() {
    let file = format!("{LEAST}validation:\n  manifests:\n    indexes: {{platforms: none}}\n");
    let loaded = try_load(&file, &[]).expect("right");
    assert_eq!(
        texts(&loaded),
        ["validation.manifests.indexes has no effect: indexes are validated against all their \
          children (config.yml:5)"]
    );
    let variable = [("REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS", "none")];
    assert_eq!(texts(&try_load(LEAST, &variable).expect("right")).len(), 1);
}
