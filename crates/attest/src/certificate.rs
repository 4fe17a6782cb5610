// SPDX-License-Identifier: Apache-2.0
//! Certificates: of those who sign without a key of their own (Fulcio), and of timestamp authorities.

use std::fmt;
use std::time::Duration;

use der::asn1::{ObjectIdentifier, Utf8StringRef};
use der::{Decode, Encode};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::ring as algorithms;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Validity;

use crate::key::{PublicKey, PublicKeyError};
use crate::root::TrustedRoot;

/// The longest certificate that is read, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 32 << 10;
/// The most certificates beside a signature that are looked at.
pub(crate) const CERTIFICATES_MAX: usize = 10;
/// The longest identity that is told.
const IDENTITY_CHARACTERS_MAX: usize = 512;

/// Sigstore's extension with the issuer of the token that an identity was proven with.
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
/// Sigstore's kind of name for identities that are neither URIs nor addresses.
const OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
/// `id-kp-codeSigning` and `id-kp-timeStamping`, without tag and length.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// The algorithms of signatures on certificates.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

/// Why a certificate is none, or proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// More than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate has {0} bytes, more than {CERTIFICATE_BYTES_MAX}")]
    TooLarge(usize),
    /// Not X.509.
    #[error("the certificate's {0} can't be read")]
    Malformed(&'static str),
    /// A key that is not verified with here.
    #[error("the certificate's key can't be used")]
    Key(#[source] PublicKeyError),
    /// No identity, or several, or one that may be ignored.
    #[error("the certificate names no identity in one critical alternative name")]
    NoIdentity,
    /// No issuer of the identity.
    #[error("the certificate does not say who proved the identity (extension {ISSUER})")]
    NoIssuer,
    /// No way from the certificate to an authority.
    #[error(
        "the certificate does not lead to the authority, or was not valid at the time of the signature: {0}"
    )]
    Chain(String),
    /// The root names no authority.
    #[error("the trusted root has no certificate authority")]
    NoAuthority,
    /// A time at which the authority was not trusted.
    #[error("the authority {0:?} was not trusted at the time of the signature")]
    NotThen(String),
}

/// Who somebody is, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// A URI or an address: the subject of a token.
    pub name: String,
    /// Who issued the token, a URL.
    pub issuer: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.issuer)
    }
}

/// The certificate of somebody who signs without a key of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerCertificate {
    der: Vec<u8>,
    key: PublicKey,
    identity: Identity,
    not_before: i64,
    not_after: i64,
}

impl SignerCertificate {
    /// Reads a certificate. Nothing is verified.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = CertificateError::Malformed;
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLarge(der.len()));
        }
        let certificate = Certificate::from_der(der).map_err(|_| malformed("form"))?;
        let info = &certificate.tbs_certificate.subject_public_key_info;
        let key = info.to_der().map_err(|_| malformed("key"))?;
        let key = PublicKey::parse_der(&key).map_err(CertificateError::Key)?;
        let identity = Identity { name: name_of(&certificate)?, issuer: issuer_of(&certificate)? };
        let Validity { not_before, not_after } = &certificate.tbs_certificate.validity;
        let seconds = |time: &x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| malformed("validity"))
        };
        let (not_before, not_after) = (seconds(not_before)?, seconds(not_after)?);
        Ok(Self { der: der.to_vec(), key, identity, not_before, not_after })
    }

    /// Returns the bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the key that signatures are verified with.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns whose it is, if its authority is to be believed.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns from when on it is valid, in seconds.
    pub fn valid_from(&self) -> i64 {
        self.not_before
    }

    /// Returns whether it is valid at a time.
    pub fn is_valid_at(&self, seconds: i64) -> bool {
        (self.not_before..=self.not_after).contains(&seconds)
    }

    /// Checks that an authority of the trusted root issued it, and that it was valid at a time.
    pub fn verify(&self, root: &TrustedRoot, seconds: i64) -> Result<(), CertificateError> {
        let mut problem = CertificateError::NoAuthority;
        for authority in root.certificate_authorities() {
            match verify_chain(&self.der, &authority.chain, &[], seconds, Usage::Signatures) {
                Ok(()) if authority.validity.contains(seconds) => return Ok(()),
                Ok(()) => problem = CertificateError::NotThen(authority.url.clone()),
                Err(error) if matches!(problem, CertificateError::NotThen(_)) => drop(error),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }
}

/// A certificate that was just issued, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: SignerCertificate,
    /// A root that trusts its authority, and nobody else.
    pub root: TrustedRoot,
}

impl Issued {
    /// Takes a certificate and the chain that an authority at a URL gave with it.
    pub fn new(certificate: SignerCertificate, url: &str, chain: Vec<Vec<u8>>) -> Self {
        Self { certificate, root: TrustedRoot::of_authority(url, chain) }
    }
}

/// What a certificate must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Signatures of software.
    Signatures,
    /// Timestamps.
    Timestamps,
}

/// Checks that a certificate leads to the last one of a chain, all of them valid at a time and for a use.
pub(crate) fn verify_chain(
    leaf: &[u8],
    chain: &[Vec<u8>],
    beside: &[Vec<u8>],
    seconds: i64,
    usage: Usage,
) -> Result<(), CertificateError> {
    let failed = |error: webpki::Error| CertificateError::Chain(told(&error));
    let Some((anchor, between)) = chain.split_last() else {
        return Err(CertificateError::NoAuthority);
    };
    // The library takes an anchor as it is, whenever it is.
    let root = Certificate::from_der(anchor).map_err(|_| CertificateError::Malformed("form"))?;
    let Validity { not_before, not_after } = &root.tbs_certificate.validity;
    let time = Duration::from_secs(seconds.try_into().unwrap_or(0));
    if !(not_before.to_unix_duration()..=not_after.to_unix_duration()).contains(&time) {
        return Err(CertificateError::Chain("the authority's own is not valid then".to_owned()));
    }
    let anchor = CertificateDer::from(anchor.as_slice());
    let anchor = anchor_from_trusted_cert(&anchor).map_err(failed)?;
    let between: Vec<CertificateDer<'_>> = (between.iter().chain(beside))
        .filter(|der| der.as_slice() != leaf)
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let leaf = CertificateDer::from(leaf);
    let entity = EndEntityCert::try_from(&leaf).map_err(failed)?;
    let usage = KeyUsage::required(match usage {
        Usage::Signatures => CODE_SIGNING,
        Usage::Timestamps => TIME_STAMPING,
    });
    let time = UnixTime::since_unix_epoch(time);
    let anchors = [anchor];
    let found = entity.verify_for_usage(ALGORITHMS, &anchors, &between, time, usage, None, None);
    found.map(drop).map_err(failed)
}

/// Says what the library has only names for.
fn told(error: &webpki::Error) -> String {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer => "somebody else issued it".to_owned(),
        E::CertExpired { .. } => "it had expired".to_owned(),
        E::CertNotValidYet { .. } => "it was not valid yet".to_owned(),
        E::InvalidSignatureForPublicKey => "its signature is not the authority's".to_owned(),
        E::RequiredEkuNotFoundContext(_) => "it is for another use".to_owned(),
        other => format!("{other:?}").chars().take(100).collect(),
    }
}

/// Returns the one name of a certificate.
fn name_of(certificate: &Certificate) -> Result<String, CertificateError> {
    let found = certificate.tbs_certificate.get::<SubjectAltName>();
    let found = found.map_err(|_| CertificateError::Malformed("alternative name"))?;
    let Some((true, SubjectAltName(names))) = found else {
        return Err(CertificateError::NoIdentity);
    };
    let [name] = names.as_slice() else { return Err(CertificateError::NoIdentity) };
    let text = match name {
        GeneralName::UniformResourceIdentifier(uri) => uri.as_str().to_owned(),
        GeneralName::Rfc822Name(address) => address.as_str().to_owned(),
        GeneralName::OtherName(other) if other.type_id == OTHER_NAME => {
            let text = other.value.decode_as::<Utf8StringRef<'_>>();
            text.map_err(|_| CertificateError::NoIdentity)?.as_str().to_owned()
        }
        _ => return Err(CertificateError::NoIdentity),
    };
    if text.is_empty() || text.chars().count() > IDENTITY_CHARACTERS_MAX {
        return Err(CertificateError::NoIdentity);
    }
    Ok(text)
}

fn issuer_of(certificate: &Certificate) -> Result<String, CertificateError> {
    let extensions = certificate.tbs_certificate.extensions.iter().flatten();
    let mut found = extensions.filter(|extension| extension.extn_id == ISSUER);
    let (Some(extension), None) = (found.next(), found.next()) else {
        return Err(CertificateError::NoIssuer);
    };
    let text = Utf8StringRef::from_der(extension.extn_value.as_bytes());
    let text = text.map_err(|_| CertificateError::NoIssuer)?.as_str().to_owned();
    if text.is_empty() || text.chars().count() > IDENTITY_CHARACTERS_MAX {
        return Err(CertificateError::NoIssuer);
    }
    Ok(text)
}
