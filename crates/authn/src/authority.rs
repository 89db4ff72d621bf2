// SPDX-License-Identifier: Apache-2.0
//! Certificates of our own: an authority, and what it issues to servers and to clients. All keys are
//! ECDSA P-256 (design.md 5). Files are the caller's business: everything goes in and out as PEM.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;

use crate::certificate::parse;
use crate::pem;

/// How long an authority lives.
pub const AUTHORITY_LIFETIME: Duration = Duration::days(3650);

/// How long what it issues lives.
pub const LEAF_LIFETIME: Duration = Duration::days(365);

/// What is issued begins a little earlier: clocks differ.
const BACKDATE: Duration = Duration::minutes(5);

/// Why a certificate cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A name cannot stand in a certificate.
    #[error("{0:?} cannot be a name in a certificate")]
    Name(String),
    /// The PEM text holds no certificate or key, or they do not belong together.
    #[error("the certificate and its key cannot be read, or do not belong together")]
    Malformed,
    /// The certificate may not issue others.
    #[error("the certificate is not an authority's")]
    NotAnAuthority,
    /// The library failed.
    #[error("the certificate could not be made")]
    Make(#[source] rcgen::Error),
    /// The generator of random numbers failed.
    #[error("no random numbers")]
    NoRandom,
}

/// A certificate and its key. Only [`Identity::key_pem`] shows the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    certificate: String,
    key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Identity {
    /// As they were put aside. That they belong together is checked.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        let der = pem::decode(certificate, "CERTIFICATE").ok_or(AuthorityError::Malformed)?;
        let parsed = parse(&der).map_err(|_| AuthorityError::Malformed)?;
        let pair = KeyPair::from_pem(key).map_err(|_| AuthorityError::Malformed)?;
        if parsed.public_key().subject_public_key.data.as_ref() != pair.public_key_raw() {
            return Err(AuthorityError::Malformed);
        }
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned() })
    }

    /// The certificate.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The private key, for a file that only its owner reads.
    pub fn key_pem(&self) -> &str {
        &self.key
    }
}

/// Issues certificates.
pub struct Authority {
    identity: Identity,
    issuer: Issuer<'static, KeyPair>,
    ends: OffsetDateTime,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority that signs itself.
    pub fn generate(name: &str, now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let key = new_key()?;
        let mut params = params(name, None, now, now + AUTHORITY_LIFETIME)?;
        // It issues leaves only.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key).map_err(AuthorityError::Make)?;
        let identity = Identity { certificate: certificate.pem(), key: key.serialize_pem() };
        Self::from_identity(identity)
    }

    /// One that was put aside.
    pub fn from_identity(identity: Identity) -> Result<Self, AuthorityError> {
        let der =
            pem::decode(&identity.certificate, "CERTIFICATE").ok_or(AuthorityError::Malformed)?;
        let parsed = parse(&der).map_err(|_| AuthorityError::Malformed)?;
        if !parsed.is_ca() {
            return Err(AuthorityError::NotAnAuthority);
        }
        let ends = parsed.validity().not_after.to_datetime();
        let key = KeyPair::from_pem(&identity.key).map_err(|_| AuthorityError::Malformed)?;
        let issuer = Issuer::from_ca_cert_pem(&identity.certificate, key)
            .map_err(|_| AuthorityError::Malformed)?;
        Ok(Self { identity, issuer, ends })
    }

    /// Its certificate, for those who shall believe it, and its key.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// For a server that is reached by these host names and addresses.
    pub fn serving(
        &self,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<Identity, AuthorityError> {
        let first = names.first().ok_or_else(|| AuthorityError::Name(String::new()))?;
        // Common names are bounded, and nobody reads a server's.
        let common: String = first.chars().take(64).collect();
        let mut params = params(&common, None, now, self.end_of_leaf(now))?;
        params.subject_alt_names =
            names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// For a client: the user, and perhaps a group, that [`crate::certificate::user`] reads out of it.
    /// One group, because the library writes each kind of name once.
    pub fn client(
        &self,
        user: &str,
        group: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<Identity, AuthorityError> {
        let mut params = params(user, group, now, self.end_of_leaf(now))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// Nothing outlives its authority.
    fn end_of_leaf(&self, now: OffsetDateTime) -> OffsetDateTime {
        (now + LEAF_LIFETIME).min(self.ends)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Identity, AuthorityError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Make)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn new_key() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Make)
}

fn params(
    name: &str,
    group: Option<&str>,
    now: OffsetDateTime,
    end: OffsetDateTime,
) -> Result<CertificateParams, AuthorityError> {
    let usable = |text: &&str| !text.is_empty() && !text.chars().any(char::is_control);
    if let Some(bad) = group.into_iter().chain([name]).find(|text| !usable(text)) {
        return Err(AuthorityError::Name(bad.to_owned()));
    }
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    params.not_before = now - BACKDATE;
    params.not_after = end;
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| AuthorityError::NoRandom)?;
    // Positive and of full length.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn alternative(name: &str) -> Result<SanType, AuthorityError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    let valid = !host.is_empty()
        && name.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        });
    let bad = || AuthorityError::Name(name.to_owned());
    if !valid {
        return Err(bad());
    }
    name.try_into().map(SanType::DnsName).map_err(|_| bad())
}

/// Whether a certificate has to be made anew: it cannot be read, has not begun, or less than a third
/// of its life is left, so that a machine that is off for months still finds a good one.
pub fn needs_renewal(certificate_pem: &str, now: OffsetDateTime) -> bool {
    let Some(der) = pem::decode(certificate_pem, "CERTIFICATE") else { return true };
    let Ok(certificate) = parse(&der) else { return true };
    let validity = certificate.validity();
    let (begin, end) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
    now < begin || end - now < (end - begin) / 3
}

/// Whether a serving certificate is valid for all these names and addresses.
pub fn covers_names(certificate_pem: &str, names: &[String]) -> bool {
    let Some(der) = pem::decode(certificate_pem, "CERTIFICATE") else { return false };
    let Ok(certificate) = parse(&der) else { return false };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return false };
    names.iter().all(|name| {
        extension.value.general_names.iter().any(|one| match one {
            GeneralName::DNSName(have) => have.eq_ignore_ascii_case(name),
            GeneralName::IPAddress(bytes) => match name.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => *bytes == address.octets(),
                Ok(IpAddr::V6(address)) => *bytes == address.octets(),
                Err(_) => false,
            },
            _ => false,
        })
    })
}

/// Whether a certificate was issued by this authority, by name and signature of its key.
pub fn issued_by(certificate_pem: &str, authority_pem: &str) -> bool {
    let decode = |text| pem::decode(text, "CERTIFICATE");
    let (Some(leaf), Some(authority)) = (decode(certificate_pem), decode(authority_pem)) else {
        return false;
    };
    let (Ok(leaf), Ok(authority)) = (parse(&leaf), parse(&authority)) else { return false };
    leaf.issuer() == authority.subject()
        && verifies(&authority, leaf.tbs_certificate.as_ref(), &leaf.signature_value.data)
}

fn verifies(
    authority: &x509_parser::prelude::X509Certificate<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
        &authority.public_key().subject_public_key.data,
    )
    .verify(message, signature)
    .is_ok()
}
