// SPDX-License-Identifier: Apache-2.0
//! Files as people have them: they load without a word, and resolve as the snapshot says.

use registry_config::config::auth::Auth;
use registry_config::{DEFAULT_FILE, DEFAULT_FILE_NAME, Source, load};

use crate::{config, try_load};

/// Shaped as Debian's docker-registry ships it.
const DEBIAN: &str = "
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/docker-registry
  delete:
    enabled: true
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
auth:
  htpasswd:
    realm: basic-realm
    path: /etc/docker/registry
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";

/// Shaped as the OpenShift registry's image ships it.
const OPENSHIFT: &str = "
version: 0.1
log:
  level: info
http:
  addr: :5000
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /registry
  delete:
    enabled: true
auth:
  openshift: {}
openshift:
  version: 1.0
  auth:
    realm: openshift
  audit:
    enabled: false
  metrics:
    enabled: false
  requests:
    read:
      maxrunning: 0
      maxinqueue: 0
      maxwaitinqueue: 0
    write:
      maxrunning: 0
      maxinqueue: 0
      maxwaitinqueue: 0
  quota:
    enabled: false
    cachettl: 1m
  cache:
    blobrepositoryttl: 10m
  pullthrough:
    enabled: true
    mirror: true
  compatibility:
    acceptschema2: true
";

/// Shaped as distribution's development example: every section it has at once.
const DEVELOPMENT: &str = "
version: 0.1
log:
  accesslog:
    disabled: false
  level: debug
  formatter: text
  fields:
    service: registry
    environment: development
storage:
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
    maxthreads: 100
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: :5000
  secret: asecretforlocaldevelopment
  debug:
    addr: :5001
    prometheus:
      enabled: true
      path: /metrics
  headers:
    X-Content-Type-Options: [nosniff]
  http2:
    disabled: false
notifications:
  events:
    includereferences: true
  endpoints:
    - name: local-5003
      url: http://localhost:5003/callback
      headers:
        Authorization: [Bearer an-example-token]
      timeout: 1s
      threshold: 10
      backoff: 1s
      disabled: true
    - name: local-8083
      url: http://localhost:8083/callback
      timeout: 1s
      threshold: 10
      backoff: 1s
      ignore:
        mediatypes: [application/octet-stream]
        actions: [pull]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
validation:
  manifests:
    urls:
      allow: ['^https?://([^/]+\\.)*example\\.com/']
";

#[test]
fn shipped_files_load_without_a_warning() {
    assert!(matches!(config(DEBIAN, &[]).auth, Auth::Htpasswd(_)));
    config(DEVELOPMENT, &[]);
    config(OPENSHIFT, &[("REGISTRY_OPENSHIFT_SERVER_ADDR", "registry:5000")]);
}

/// The environment that the operator gives the registry (registry.md 4.3).
#[test]
fn operator_environment() {
    let config = config(
        OPENSHIFT,
        &[
            ("REGISTRY_STORAGE", "filesystem"),
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/registry"),
            ("REGISTRY_HTTP_ADDR", ":5000"),
            ("REGISTRY_HTTP_NET", "tcp"),
            ("REGISTRY_HTTP_SECRET", "0123456789abcdef"),
            ("REGISTRY_LOG_LEVEL", "info"),
            ("REGISTRY_OPENSHIFT_QUOTA_ENABLED", "true"),
            ("REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR", "inmemory"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ("REGISTRY_OPENSHIFT_METRICS_ENABLED", "true"),
            ("REGISTRY_OPENSHIFT_SERVER_ADDR", "image-registry.openshift-image-registry.svc:5000"),
            ("REGISTRY_HTTP_TLS_CERTIFICATE", "/etc/secrets/tls.crt"),
            ("REGISTRY_HTTP_TLS_KEY", "/etc/secrets/tls.key"),
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{enabled: true}"),
            ("REGISTRY_STORAGE_REDIRECT_DISABLE", "true"),
            ("REGISTRY_OPENSHIFT_REQUESTS_READ_MAXRUNNING", "10"),
            ("REGISTRY_OPENSHIFT_REQUESTS_READ_MAXWAITINQUEUE", "30s"),
            ("REGISTRY_HEALTH_STORAGEDRIVER_ENABLED", "true"),
            ("REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL", "10s"),
            ("REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD", "1"),
        ],
    );
    insta::assert_debug_snapshot!(config);
}

#[test]
fn built_in_file_needs_nothing() {
    let source =
        Source { name: DEFAULT_FILE_NAME, text: DEFAULT_FILE, variables: &[], strict: true };
    let loaded = load(&source).expect("the built-in file is right");
    assert!(loaded.warnings.is_empty() && loaded.config.storage.delete.enabled);
}

#[test]
fn debug_output_shows_no_secret() {
    let file = "version: 0.1\nstorage:\n  s3: {accesskey: hunter2, secretkey: hunter2}\n\
                http: {secret: hunter2}\nredis: {password: hunter2}\n\
                openshift: {metrics: {secret: hunter2}}\n\
                notifications: {endpoints: [{disabled: true, url: 'http://u:hunter2@h/?t=hunter2', \
                headers: {A: [hunter2]}}]}\n\
                middleware: {storage: [{name: m, options: {key: hunter2, list: [hunter2]}}]}\n";
    let loaded = try_load(file, &[]).expect("right");
    assert_eq!(loaded.config.http.secret.expose(), "hunter2");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}
