// SPDX-License-Identifier: Apache-2.0
//! The start of a registry: what it says, and what is found before the store is touched.

use std::net::TcpListener;

use crate::program::Place;

#[test]
fn a_missing_store_is_made_and_that_is_said() {
    let place = Place::new();
    place.configure("", "http: {addr: '127.0.0.1:0'}");
    let notice =
        format!("the storage directory {} does not exist and is created", place.store().display());
    let registry = place.serve();
    assert!(registry.said().contains(&notice), "{}", registry.said());
    assert!(registry.get("/v2/").starts_with("HTTP/1.1 200 "));
    assert_eq!(registry.stop(), Some(0));
    let registry = place.serve();
    assert!(!registry.said().contains(&notice), "{}", registry.said());
    assert_eq!(registry.stop(), Some(0));
}

#[test]
fn what_is_wrong_is_found_before_the_store_is_touched() {
    let place = Place::new();
    let nobody = place.write("nobody", "# no user\n");
    let key = place.write("schema1.pem", "not a key");
    let none = place.path("none").display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let cases = [
        (
            format!("http: {{tls: {{certificate: '{none}', key: '{none}'}}}}"),
            format!("cannot read {none}: No such file or directory (os error 2)"),
        ),
        (
            format!(
                "http: {{tls: {{certificate: '{none}', key: '{none}', clientcas: [a], \
                 clientauth: request-client-cert}}}}"
            ),
            "http.tls.clientauth: with clientcas only require-and-verify-client-cert is supported"
                .to_owned(),
        ),
        (
            format!("auth: {{htpasswd: {{realm: r, path: '{}'}}}}", nobody.display()),
            format!("the password file {} has no usable entry", nobody.display()),
        ),
        (
            format!("compatibility: {{schema1: {{signingkeyfile: '{}'}}}}", key.display()),
            "the file has no PEM block EC PRIVATE KEY or PRIVATE KEY".to_owned(),
        ),
        (
            "validation: {manifests: {urls: {allow: ['(']}}}".to_owned(),
            r#"\"(\" is not a regular expression: unclosed group"#.to_owned(),
        ),
        ("http: {addr: '5000'}".to_owned(), "invalid listen address".to_owned()),
        (
            format!("http: {{addr: '{address}'}}"),
            format!("http.addr: cannot listen on {address}: Address already in use (os error 98)"),
        ),
        (
            format!("http: {{addr: '127.0.0.1:0', debug: {{addr: '{address}'}}}}"),
            format!("http.debug.addr: cannot listen on {address}: Address already in use"),
        ),
    ];
    for (sections, expected) in cases {
        place.configure("", &sections);
        let finished = place.run(&[]);
        let log = finished.err();
        assert_eq!(finished.code(), Some(1), "{log}");
        let last = log.lines().last().expect("a line");
        assert!(last.contains("level=fatal") && last.contains(&expected), "{last}");
        for cause in ["No such file", "Address already in use", "no PEM block"] {
            assert!(last.matches(cause).count() <= 1, "a cause is there twice: {last}");
        }
        assert!(!place.store().exists(), "{last}");
    }
}

#[test]
fn a_storage_directory_that_is_none_is_named() {
    let place = Place::new();
    place.configure("", "http: {addr: '127.0.0.1:0'}");
    place.write("store", "a file");
    let fails = || {
        let finished = place.run(&[]);
        assert_eq!(finished.code(), Some(1));
        finished.err()
    };
    let named = format!("cannot use the storage directory {}: ", place.store().display());
    let log = fails();
    assert!(log.contains(&format!("{named}it is not a directory")), "{log}");
    std::fs::remove_file(place.store()).expect("removed");
    // A link that leads nowhere is no directory, and none can be made there.
    std::os::unix::fs::symlink(place.path("absent/below"), place.store()).expect("made");
    let log = fails();
    assert!(log.contains(&named), "{log}");
}

#[test]
fn a_file_system_that_folds_case_is_refused() {
    let place = Place::new();
    place.configure("", "http: {addr: '127.0.0.1:0'}");
    assert_eq!(place.serve().stop(), Some(0), "a file system that does not");
    // Few machines have one that does. To the registry it looks like this: one directory, found
    // under both names.
    std::os::unix::fs::symlink(".berth", place.store().join(".BERTH")).expect("made");
    let finished = place.run(&[]);
    let log = finished.err();
    assert_eq!(finished.code(), Some(1), "{log}");
    assert!(log.contains("does not tell upper from lower case"), "{log}");
}

#[test]
fn addresses_are_taken_at_once_and_announced_when_served() {
    let place = Place::new();
    place.configure("", "http: {addr: '127.0.0.1:0', debug: {addr: '127.0.0.1:0'}}");
    let registry = place.serve();
    let said = registry.said();
    let position = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text}: {said}"));
    assert!(position("start registry") < position("listening on 127.0.0.1:"));
    assert!(!said.contains(":0\""), "the port that was chosen is shown: {said}");
    assert!(registry.address().port() != 0);
    assert_eq!(registry.stop(), Some(0));
}

#[test]
fn a_stop_while_another_process_holds_the_store_does_not_wait_for_it() {
    let place = Place::new();
    place.configure("", "http: {addr: '127.0.0.1:0'}");
    let holder = place.serve();
    let started = std::time::Instant::now();
    let stopped = place.stop_at("the store is locked by another process");
    // The wait for the lock alone would last 30 seconds.
    assert!(started.elapsed().as_secs() < 15, "{:?}: {}", started.elapsed(), stopped.err());
    assert_eq!(stopped.code(), Some(0), "{}", stopped.err());
    assert!(stopped.err().contains("stopped before the store was opened"), "{}", stopped.err());
    assert_eq!(holder.stop(), Some(0));
}

#[test]
fn a_stop_fails_readiness_first_and_serves_meanwhile() {
    let place = Place::new();
    place.configure("", "http: {addr: '127.0.0.1:0'}\nberth: {stopdelay: 1m}");
    let registry = place.serve();
    assert!(registry.get("/healthz").starts_with("HTTP/1.1 200"));
    registry.terminate();
    let started = std::time::Instant::now();
    while !registry.get("/healthz").starts_with("HTTP/1.1 503") {
        assert!(started.elapsed().as_secs() < 20, "readiness does not fail");
    }
    assert!(registry.get("/v2/").starts_with("HTTP/1.1 200"));
    // The second signal ends the delay.
    assert_eq!(registry.stop(), Some(0));
}
