// SPDX-License-Identifier: Apache-2.0
//! Certificates that are issued, believed by rustls, read as users, and renewed in time.

use std::sync::Arc;

use authn::authority::{
    Authority, Identity, LEAF_LIFETIME, covers_names, issued_by, needs_renewal,
};
use authn::certificate::{BadCertificate, user};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use time::Duration;

use crate::{now, text};

fn der(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes()).unwrap()
}

fn roots(authority: &Authority) -> Arc<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der(authority.identity())).unwrap();
    Arc::new(roots)
}

fn at(time: time::OffsetDateTime) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(time.unix_timestamp() as u64))
}

#[test]
fn a_client_certificate_names_its_user() {
    let authority = Authority::generate("berth clients", now()).unwrap();
    let identity = authority.client("system:admin", Some("system:masters"), now()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(&authority), provider).build().unwrap();
    verifier.verify_client_cert(&der(&identity), &[], at(now())).unwrap();
    let after = at(now() + LEAF_LIFETIME + Duration::seconds(1));
    assert!(verifier.verify_client_cert(&der(&identity), &[], after).is_err());
    let who = user(&der(&identity)).unwrap();
    assert_eq!(who.name, "system:admin");
    assert_eq!(who.groups, ["system:masters", "system:authenticated"]);
    let id = &who.extra["authentication.kubernetes.io/credential-id"][0];
    assert!(id.starts_with("X509SHA256=") && id.len() == 11 + 64);
    PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).unwrap();
    assert!(!format!("{identity:?} {authority:?}").contains("PRIVATE"));
    // One of another authority is not believed, and neither is a server's.
    let other = Authority::generate("berth clients", now()).unwrap();
    let foreign = other.client("system:admin", Some("system:masters"), now()).unwrap();
    assert!(verifier.verify_client_cert(&der(&foreign), &[], at(now())).is_err());
    let server = authority.serving(&text(&["localhost"]), now()).unwrap();
    assert!(verifier.verify_client_cert(&der(&server), &[], at(now())).is_err());
    assert_eq!(user(&der(&server)), Err(BadCertificate::NotForClients));
    assert_eq!(user(b"x"), Err(BadCertificate::Malformed));
    let mut longer = der(&identity).to_vec();
    longer.push(0);
    assert_eq!(user(&longer), Err(BadCertificate::Malformed));
}

#[test]
fn a_serving_certificate_is_good_for_its_names() {
    let authority = Authority::generate("berth", now()).unwrap();
    let names = text(&["localhost", "127.0.0.1", "::1", "*.apps.example.com"]);
    let identity = authority.serving(&names, now()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots(&authority), provider).build().unwrap();
    let verify = |name: &str, time| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        rustls::client::danger::ServerCertVerifier::verify_server_cert(
            &*verifier,
            &der(&identity),
            &[],
            &name,
            &[],
            at(time),
        )
    };
    for name in ["localhost", "127.0.0.1", "::1", "x.apps.example.com"] {
        verify(name, now()).unwrap();
    }
    assert!(verify("example.com", now()).is_err());
    assert!(verify("localhost", now() - Duration::hours(1)).is_err());
    let certificate = identity.certificate_pem();
    assert!(covers_names(certificate, &names[..3]) && covers_names(certificate, &[]));
    assert!(!covers_names(certificate, &text(&["localhost", "other"])));
    assert!(issued_by(certificate, authority.identity().certificate_pem()));
    let other = Authority::generate("berth", now()).unwrap();
    assert!(!issued_by(certificate, other.identity().certificate_pem()));
    for bad in [&[][..], &[""], &["a b"], &["a..b"], &["x\n"], &["*"]] {
        assert!(authority.serving(&text(bad), now()).is_err(), "{bad:?}");
    }
    assert!(authority.client("", None, now()).is_err());
    assert!(authority.client("a\0b", None, now()).is_err());
}

#[test]
fn an_authority_is_put_aside_and_taken_up() {
    let first = Authority::generate("berth", now()).unwrap();
    let (certificate, key) = (first.identity().certificate_pem(), first.identity().key_pem());
    let again = Authority::from_identity(Identity::from_pem(certificate, key).unwrap()).unwrap();
    let leaf = again.client("u", None, now()).unwrap();
    assert!(issued_by(leaf.certificate_pem(), certificate));
    let other = Authority::generate("berth", now()).unwrap();
    assert!(Identity::from_pem(certificate, other.identity().key_pem()).is_err());
    assert!(Identity::from_pem("", "").is_err());
    assert!(Authority::from_identity(leaf).is_err(), "a leaf issues nothing");
    // Nothing outlives its authority.
    let late = now() + Duration::days(3600);
    let leaf = again.client("u", None, late).unwrap();
    assert!(needs_renewal(leaf.certificate_pem(), late + Duration::days(45)));
}

#[test]
fn renewal_is_due_in_the_last_third() {
    let authority = Authority::generate("berth", now()).unwrap();
    let identity = authority.client("u", None, now()).unwrap();
    let due = |days| needs_renewal(identity.certificate_pem(), now() + Duration::days(days));
    assert!(!due(0) && !due(243) && due(244) && due(365) && due(4000));
    assert!(due(-1), "the clock was wrong when it was made");
    assert!(
        needs_renewal("", now())
            && needs_renewal("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----", now())
    );
}

#[test]
fn all_organizations_are_groups_and_one_name_is_needed() {
    use rcgen::DnType::{CommonName, CustomDnType, OrganizationName};
    let make = |parts: Vec<(rcgen::DnType, &str)>| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        parts.into_iter().for_each(|(kind, value)| params.distinguished_name.push(kind, value));
        let key = rcgen::KeyPair::generate().unwrap();
        user(params.self_signed(&key).unwrap().der())
    };
    // The library writes each kind once; by number it is another kind to it.
    let organization = || CustomDnType(vec![2, 5, 4, 10]);
    let who =
        make(vec![(OrganizationName, "b"), (organization(), "a"), (CommonName, "u")]).unwrap();
    assert_eq!(who.groups, ["b", "a", "system:authenticated"]);
    let twice = make(vec![(CommonName, "u"), (CustomDnType(vec![2, 5, 4, 3]), "v")]);
    assert_eq!(twice, Err(BadCertificate::NoUser));
    assert_eq!(make(vec![(OrganizationName, "g")]), Err(BadCertificate::NoUser));
}
