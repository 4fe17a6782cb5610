// SPDX-License-Identifier: Apache-2.0
//! Questions to timestamp authorities and their answers.

use der::asn1::{Any, Int, OctetString};
use der::{Decode, Encode, Tag, Tagged};
use jiff::Timestamp as Moment;
use ring::digest;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::asn1::{MessageImprint, SHA_256, TimeStampReq, TimeStampResp, TstInfo};
use super::cms::{SignedContent, digest_of};
use crate::certificate::{CertificateError, Usage, verify_chain};
use crate::root::{Authority, TrustedRoot};

/// The longest answer that is read, in bytes: a few certificates and a signature.
pub const TIMESTAMP_BYTES_MAX: usize = 64 << 10;
/// The length of a nonce in bytes.
const NONCE_BYTES: usize = 16;
/// `granted` and `grantedWithMods`.
const GRANTED: [u8; 2] = [0, 1];
/// How much of an authority's words is told.
const MESSAGE_CHARACTERS_MAX: usize = 200;

/// Why an answer is no timestamp, or proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// More than [`TIMESTAMP_BYTES_MAX`].
    #[error("the timestamp has {0} bytes, more than {TIMESTAMP_BYTES_MAX}")]
    TooLarge(usize),
    /// Not what RFC 3161 says.
    #[error("it is no timestamp of RFC 3161: its {0} can't be read")]
    Malformed(&'static str),
    /// The authority says no.
    #[error("the authority refused (status {status}): {message}")]
    Refused {
        /// Its number for that.
        status: u8,
        /// Its words.
        message: String,
    },
    /// The answer to another question.
    #[error("the timestamp is the answer to another question: it has another nonce")]
    Nonce,
    /// A timestamp of something else.
    #[error("the timestamp is of another signature")]
    OtherSignature,
    /// An algorithm that is not known here, or too weak.
    #[error("the timestamp is made with the algorithm {0}, which is not taken")]
    Algorithm(String),
    /// A signature that does not verify.
    #[error("the timestamp's own signature does not verify: it was altered")]
    Altered,
    /// The certificate of whoever signed is not there.
    #[error(
        "the certificate of the timestamp's authority is neither in it nor in the trusted root"
    )]
    NoCertificate,
    /// Nobody trusts the authority.
    #[error("no timestamp authority of the trusted root made it")]
    UnknownAuthority(#[source] CertificateError),
    /// The root names no authority.
    #[error("the trusted root has no timestamp authority")]
    NoAuthority,
    /// A time at which the authority was not trusted.
    #[error("the authority {0:?} was not trusted at the time that it states")]
    NotThen(String),
}

impl TimestampError {
    /// Returns whether it tells of an attack or of damage, and not of an authority that somebody else trusts.
    pub fn is_tampering(&self) -> bool {
        !matches!(
            self,
            Self::UnknownAuthority(_)
                | Self::NoAuthority
                | Self::NoCertificate
                | Self::NotThen(_)
                | Self::Algorithm(_)
        )
    }
}

/// A question to an authority: the time for the digest of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampRequest {
    der: Vec<u8>,
    imprint: Vec<u8>,
    nonce: Int,
}

impl TimestampRequest {
    /// The media type of questions.
    pub const MEDIA_TYPE: &'static str = "application/timestamp-query";
    /// The media type of answers.
    pub const ANSWER_MEDIA_TYPE: &'static str = "application/timestamp-reply";

    /// Asks for the time of a signature. The nonce must not be guessed: an answer has it, and so is no older than the
    /// question.
    pub fn new(signature: &[u8], mut nonce: [u8; NONCE_BYTES]) -> Self {
        // A positive number without zeros before it.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        let nonce = Int::new(&nonce).expect("sixteen bytes are a number");
        let imprint = digest::digest(&digest::SHA256, signature).as_ref().to_vec();
        let request = TimeStampReq {
            version: 1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned {
                    oid: SHA_256,
                    parameters: Some(Any::null()),
                },
                hashed_message: OctetString::new(&*imprint).expect("a digest is short"),
            },
            nonce: nonce.clone(),
            cert_req: true,
        };
        let der = request.to_der().expect("a short question can be written");
        Self { der, imprint, nonce }
    }

    /// Returns what is posted.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Reads an answer, and checks that it is one to this question. Who signed it is not verified.
    pub fn read_answer(&self, answer: &[u8]) -> Result<Timestamp, TimestampError> {
        let timestamp = Timestamp::parse(answer)?;
        if timestamp.imprint() != self.imprint {
            return Err(TimestampError::OtherSignature);
        }
        if timestamp.info.nonce.as_ref() != Some(&self.nonce) {
            return Err(TimestampError::Nonce);
        }
        // What was altered on the way is no use to anybody; its certificate was asked for.
        let signer = timestamp.signed.signer(std::iter::empty());
        timestamp.signed.verify(signer.ok_or(TimestampError::NoCertificate)?)?;
        Ok(timestamp)
    }
}

/// An authority's answer with a time in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    der: Vec<u8>,
    info: TstInfo,
    signed: SignedContent,
    seconds: i64,
}

/// A time that is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTime {
    /// In seconds since 1970.
    pub seconds: i64,
    /// The URL of the authority.
    pub authority: String,
}

impl Timestamp {
    /// Reads an answer. Nothing is verified.
    pub fn parse(der: &[u8]) -> Result<Self, TimestampError> {
        let malformed = TimestampError::Malformed;
        if der.len() > TIMESTAMP_BYTES_MAX {
            return Err(TimestampError::TooLarge(der.len()));
        }
        let answer = TimeStampResp::from_der(der).map_err(|_| malformed("answer"))?;
        if !GRANTED.contains(&answer.status.status) {
            let words = answer.status.status_string.unwrap_or_default().join("; ");
            let message = words.chars().take(MESSAGE_CHARACTERS_MAX).collect();
            return Err(TimestampError::Refused { status: answer.status.status, message });
        }
        let token = answer.time_stamp_token.ok_or(malformed("token"))?;
        let signed = SignedContent::parse(&token)?;
        let info = TstInfo::from_der(&signed.content).map_err(|_| malformed("content"))?;
        if info.version != 1 {
            return Err(malformed("version"));
        }
        let seconds = seconds_of(&info.gen_time).ok_or(malformed("time"))?;
        Ok(Self { der: der.to_vec(), info, signed, seconds })
    }

    /// Returns the answer as it came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the time that it states, in seconds.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    fn imprint(&self) -> &[u8] {
        self.info.message_imprint.hashed_message.as_bytes()
    }

    /// Checks that it is of a signature.
    pub fn check(&self, signature: &[u8]) -> Result<(), TimestampError> {
        let algorithm = digest_of(&self.info.message_imprint.hash_algorithm.oid)?;
        if digest::digest(algorithm, signature).as_ref() == self.imprint() {
            Ok(())
        } else {
            Err(TimestampError::OtherSignature)
        }
    }

    /// Checks that an authority that is trusted made it, of a signature, while its certificate was valid.
    pub fn verify(
        &self,
        signature: &[u8],
        root: &TrustedRoot,
    ) -> Result<VerifiedTime, TimestampError> {
        self.check(signature)?;
        let known = root.timestamp_authorities().iter().flat_map(|authority| &authority.chain);
        let signer = self.signed.signer(known).ok_or(TimestampError::NoCertificate)?;
        self.signed.verify(signer)?;
        let mut problem = TimestampError::NoAuthority;
        for authority in root.timestamp_authorities() {
            match self.verify_authority(signer, authority) {
                Ok(()) if authority.validity.contains(self.seconds) => {
                    let authority = authority.url.clone();
                    return Ok(VerifiedTime { seconds: self.seconds, authority });
                }
                Ok(()) => problem = TimestampError::NotThen(authority.url.clone()),
                Err(error) if matches!(problem, TimestampError::NotThen(_)) => drop(error),
                Err(error) => problem = TimestampError::UnknownAuthority(error),
            }
        }
        Err(problem)
    }

    fn verify_authority(
        &self,
        signer: &[u8],
        authority: &Authority,
    ) -> Result<(), CertificateError> {
        let usage = Usage::Timestamps;
        verify_chain(signer, &authority.chain, &self.signed.certificates, self.seconds, usage)
    }
}

/// Reads `20261126120000Z`, with or without fractions of a second.
fn seconds_of(time: &Any) -> Option<i64> {
    if time.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = std::str::from_utf8(time.value()).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if whole.len() != 14 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let part = |from: usize, to: usize| &whole[from..to];
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    text.parse::<Moment>().ok().map(Moment::as_second)
}
