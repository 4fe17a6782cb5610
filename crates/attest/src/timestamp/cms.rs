// SPDX-License-Identifier: Apache-2.0
//! The signature around a timestamp (RFC 5652).

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use ring::digest;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::EndEntityCert;
use webpki::ring as algorithms;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use super::TimestampError;
use super::asn1::{SHA_256, SHA_384, SHA_512, SigningCertificate, SigningCertificateV2, TST_INFO};
use crate::certificate::CERTIFICATES_MAX;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// Signed content with its one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedContent {
    /// What is signed.
    pub(super) content: Vec<u8>,
    /// Certificates beside it, in DER.
    pub(super) certificates: Vec<Vec<u8>>,
    signer: SignerInfo,
}

impl SignedContent {
    /// Reads what is around a timestamp. Nothing is verified.
    pub(super) fn parse(token: &Any) -> Result<Self, TimestampError> {
        let malformed = TimestampError::Malformed;
        let bytes = token.to_der().map_err(|_| malformed("token"))?;
        let info = ContentInfo::from_der(&bytes).map_err(|_| malformed("token"))?;
        if info.content_type != SIGNED_DATA {
            return Err(malformed("token"));
        }
        let signed: SignedData = info.content.decode_as().map_err(|_| malformed("signed data"))?;
        if signed.encap_content_info.econtent_type != TST_INFO {
            return Err(malformed("content type"));
        }
        let content = signed.encap_content_info.econtent.ok_or(malformed("content"))?;
        let content: OctetString = content.decode_as().map_err(|_| malformed("content"))?;
        let mut certificates = Vec::new();
        for one in signed.certificates.iter().flat_map(|set| set.0.iter()) {
            let CertificateChoices::Certificate(certificate) = one else { continue };
            if certificates.len() == CERTIFICATES_MAX {
                return Err(malformed("number of certificates"));
            }
            certificates.push(certificate.to_der().map_err(|_| malformed("certificate"))?);
        }
        let mut signers = signed.signer_infos.0.into_vec();
        let (Some(signer), true) = (signers.pop(), signers.is_empty()) else {
            return Err(malformed("number of signatures"));
        };
        Ok(Self { content: content.into_bytes(), certificates, signer })
    }

    /// Returns the certificate that the signature names, out of those beside it and others.
    pub(super) fn signer<'c>(
        &'c self,
        others: impl Iterator<Item = &'c Vec<u8>>,
    ) -> Option<&'c Vec<u8>> {
        self.certificates.iter().chain(others).find(|der| self.is_signer(der))
    }

    fn is_signer(&self, der: &[u8]) -> bool {
        let Ok(certificate) = Certificate::from_der(der) else { return false };
        let tbs = &certificate.tbs_certificate;
        match &self.signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(named) => {
                named.issuer == tbs.issuer && named.serial_number == tbs.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(named) => {
                let id = tbs.get::<SubjectKeyIdentifier>();
                matches!(id, Ok(Some((_, id))) if id == *named)
            }
        }
    }

    /// Checks that a certificate's key made the signature over the content, and that the signature names that certificate.
    pub(super) fn verify(&self, certificate: &[u8]) -> Result<(), TimestampError> {
        let malformed = TimestampError::Malformed;
        let digest_algorithm = digest_of(&self.signer.digest_alg.oid)?;
        let attributes = self.signer.signed_attrs.as_ref().ok_or(malformed("attributes"))?;
        if self.attribute::<ObjectIdentifier>(CONTENT_TYPE)? != Some(TST_INFO) {
            return Err(malformed("content type"));
        }
        let said: Option<OctetString> = self.attribute(MESSAGE_DIGEST)?;
        let actual = digest::digest(digest_algorithm, &self.content);
        if said.is_none_or(|said| said.as_bytes() != actual.as_ref()) {
            return Err(TimestampError::Altered);
        }
        self.check_named(certificate)?;
        // The set's own encoding is signed, without the tag that it has here.
        let message = attributes.to_der().map_err(|_| malformed("attributes"))?;
        let der = CertificateDer::from(certificate);
        let entity = EndEntityCert::try_from(&der).map_err(|_| malformed("certificate"))?;
        let algorithms =
            signature_algorithms(&self.signer.signature_algorithm.oid, digest_algorithm)?;
        let signature = self.signer.signature.as_bytes();
        let made = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            entity.verify_signature(*algorithm, &message, signature).is_ok()
        };
        if algorithms.iter().any(made) { Ok(()) } else { Err(TimestampError::Altered) }
    }

    /// RFC 3161 demands that the certificate is named in what is signed: else another one with the same key could be put in
    /// its place.
    fn check_named(&self, certificate: &[u8]) -> Result<(), TimestampError> {
        let hash = |algorithm| digest::digest(algorithm, certificate);
        let is =
            if let Some(named) = self.attribute::<SigningCertificateV2>(SIGNING_CERTIFICATE_V2)? {
                let first = named.certs.first().ok_or(TimestampError::Malformed("attributes"))?;
                let oid = first.hash_algorithm.as_ref().map_or(SHA_256, |algorithm| algorithm.oid);
                hash(digest_of(&oid)?).as_ref() == first.cert_hash.as_bytes()
            } else if let Some(named) = self.attribute::<SigningCertificate>(SIGNING_CERTIFICATE)? {
                let first = named.certs.first().ok_or(TimestampError::Malformed("attributes"))?;
                hash(&digest::SHA1_FOR_LEGACY_USE_ONLY).as_ref() == first.cert_hash.as_bytes()
            } else {
                return Err(TimestampError::Malformed("attributes"));
            };
        if is { Ok(()) } else { Err(TimestampError::Altered) }
    }

    /// Returns the one value of an attribute.
    fn attribute<T>(&self, oid: ObjectIdentifier) -> Result<Option<T>, TimestampError>
    where
        T: for<'a> der::Choice<'a> + for<'a> der::DecodeValue<'a>,
    {
        let malformed = TimestampError::Malformed("attributes");
        let mut all = (self.signer.signed_attrs.iter())
            .flat_map(|attributes| attributes.iter())
            .filter(|attribute| attribute.oid == oid);
        let Some(attribute) = all.next() else { return Ok(None) };
        let mut values = attribute.values.iter();
        match (values.next(), values.next(), all.next()) {
            (Some(value), None, None) => value.decode_as().map(Some).map_err(|_| malformed),
            _ => Err(malformed),
        }
    }
}

/// Returns an algorithm that makes digests.
pub(super) fn digest_of(
    oid: &ObjectIdentifier,
) -> Result<&'static digest::Algorithm, TimestampError> {
    match *oid {
        SHA_256 => Ok(&digest::SHA256),
        SHA_384 => Ok(&digest::SHA384),
        SHA_512 => Ok(&digest::SHA512),
        other => Err(TimestampError::Algorithm(other.to_string())),
    }
}

/// Returns the algorithms that a signature can be of: which of them, the certificate's key says.
fn signature_algorithms(
    oid: &ObjectIdentifier,
    digest: &'static digest::Algorithm,
) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, TimestampError> {
    let rsa: &dyn SignatureVerificationAlgorithm = if *digest == digest::SHA256 {
        algorithms::RSA_PKCS1_2048_8192_SHA256
    } else if *digest == digest::SHA384 {
        algorithms::RSA_PKCS1_2048_8192_SHA384
    } else {
        algorithms::RSA_PKCS1_2048_8192_SHA512
    };
    Ok(match oid.to_string().as_str() {
        "1.2.840.10045.4.3.2" => vec![algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256],
        "1.2.840.10045.4.3.3" => vec![algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384],
        // Only the key is named; the digest is that of the attributes.
        "1.2.840.113549.1.1.1" => vec![rsa],
        "1.2.840.113549.1.1.11" => vec![algorithms::RSA_PKCS1_2048_8192_SHA256],
        "1.2.840.113549.1.1.12" => vec![algorithms::RSA_PKCS1_2048_8192_SHA384],
        "1.2.840.113549.1.1.13" => vec![algorithms::RSA_PKCS1_2048_8192_SHA512],
        "1.3.101.112" => vec![algorithms::ED25519],
        other => return Err(TimestampError::Algorithm(other.to_owned())),
    })
}
