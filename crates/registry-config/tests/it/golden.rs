// SPDX-License-Identifier: Apache-2.0
//! Start-up attempts that were recorded from the OpenShift 4.6 registry: the same variables give
//! the same verdict and text (golden registry/10, steps `start-up: …`).

use crate::{texts, try_load};

/// The recorded registry's file.
const FILE: &str = "
version: 0.1
log: {level: info}
http: {addr: '127.0.0.1:5000', secret: golden}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /registry}
  delete: {enabled: true}
auth: {openshift: {}}
openshift:
  version: 1.0
  server: {addr: 'image-registry.openshift-image-registry.svc:5000'}
  metrics: {enabled: true}
  quota: {enabled: true}
";

/// Variables of the attempt, and a part of the recorded output that must be in ours.
#[test]
fn refused_attempts() {
    let table = [
        (
            "REGISTRY_OPENSHIFT_SERVER_ADDR",
            "\"\"",
            "error parsing configuration file: configuration error in openshift.server.addr: \
             REGISTRY_OPENSHIFT_SERVER_ADDR variable must be set when running outside of \
             Kubernetes cluster",
        ),
        (
            "REGISTRY_LOG_LEVEL",
            "foo",
            "error parsing configuration file: Invalid loglevel foo Must be one of [error, warn, \
             info, debug]",
        ),
        // The original names the file's version here, not the wrong one.
        (
            "REGISTRY_VERSION",
            "9.9",
            "error parsing configuration file: Unsupported version: \"9.9\"",
        ),
        ("REGISTRY_LOG_FORMATTER", "foo", "unsupported logging formatter: \"foo\""),
        (
            "REGISTRY_OPENSHIFT_AUTH_TOKENREALM",
            "https://x/y",
            "tokenrealm config option may not contain a path (\"/y\" was specified)",
        ),
        (
            "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING",
            "true",
            "uploadpurging config key must contain additional keys",
        ),
        (
            "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR",
            "redis",
            "redis configuration required to use for layerinfo cache",
        ),
    ];
    for (name, value, expected) in table {
        let printed = try_load(FILE, &[(name, value)]).expect_err(name).to_string();
        assert!(printed.contains(expected), "{printed}");
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
}

/// Variables, and the warnings that are expected.
type Attempt = (&'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn accepted_attempts() {
    let table: [Attempt; 3] = [
        (&[("REGISTRY_OPENSHIFT_VERSION", "2.0")], &[]),
        (
            &[("REGISTRY_FOO_BAR", "x"), ("REGISTRY_HTTP_SECRET", "\"\"")],
            &["Ignoring unrecognized environment variable REGISTRY_FOO_BAR"],
        ),
        (
            &[
                ("REGISTRY_OPENSHIFT_PULLTHROUGH_ENABLED", "false"),
                ("REGISTRY_OPENSHIFT_QUOTA_ENABLED", "false"),
                ("REGISTRY_OPENSHIFT_CACHE_DISABLED", "true"),
            ],
            &["pullthrough can't be disabled anymore (REGISTRY_OPENSHIFT_PULLTHROUGH_ENABLED)"],
        ),
    ];
    for (variables, expected) in table {
        let loaded = try_load(FILE, variables).expect("started");
        assert_eq!(texts(&loaded), expected);
    }
}
