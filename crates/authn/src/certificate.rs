// SPDX-License-Identifier: Apache-2.0
//! Who a client certificate says its holder is: the common name is the user, organisations are
//! groups. Whether the chain is good was decided by TLS (rustls, with the authority for clients
//! only); what comes here is a verified chain's first certificate.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use rbac::UserInfo;
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::AttributeTypeAndValue;

use crate::groups::authenticated;

/// Why a certificate says nothing about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// It cannot be read.
    #[error("the client certificate cannot be read")]
    Malformed,
    /// It has no common name, or several.
    #[error("the client certificate does not name one user")]
    NoUser,
    /// It is not for clients.
    #[error("the certificate is not meant for clients")]
    NotForClients,
}

/// The user whom a verified client certificate names.
pub fn user(der: &[u8]) -> Result<UserInfo, BadCertificate> {
    let certificate = parse(der)?;
    // The verifier checks this too; here it costs nothing.
    let for_clients = certificate
        .extended_key_usage()
        .map_err(|_| BadCertificate::Malformed)?
        .is_none_or(|usage| usage.value.client_auth || usage.value.any);
    if !for_clients {
        return Err(BadCertificate::NotForClients);
    }
    let name = common_name(&certificate)?;
    let mut groups: Vec<String> = Vec::new();
    for organization in certificate.subject().iter_organization() {
        let group = organization.as_str().map_err(|_| BadCertificate::Malformed)?;
        if !group.is_empty() && !groups.iter().any(|one| one == group) {
            groups.push(group.to_owned());
        }
    }
    let mut id = "X509SHA256=".to_owned();
    for byte in digest(&SHA256, der).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    let extra = [("authentication.kubernetes.io/credential-id".to_owned(), vec![id])].into();
    Ok(authenticated(UserInfo { name, uid: String::new(), groups, extra }))
}

pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, BadCertificate> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(BadCertificate::Malformed),
    }
}

pub(crate) fn common_name(certificate: &X509Certificate<'_>) -> Result<String, BadCertificate> {
    let mut names = certificate.subject().iter_common_name();
    match (names.next().map(AttributeTypeAndValue::as_str), names.next()) {
        (Some(Ok(name)), None) if !name.is_empty() => Ok(name.to_owned()),
        (Some(Err(_)), _) => Err(BadCertificate::Malformed),
        _ => Err(BadCertificate::NoUser),
    }
}
