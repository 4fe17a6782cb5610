// SPDX-License-Identifier: Apache-2.0
//! Signed statements: envelopes of DSSE, version 1.

use hardpan_image::canonical_json;
use serde::{Deserialize, Serialize};

use super::{Bundle, Material, Witness};
use crate::key::{PublicKey, SignError, Signer, base64, sign_and_check};
use crate::log::{LogEntry, Signed, Verifier, is_called};
use crate::timestamp::Timestamp;
use crate::{STATEMENT_BYTES_MAX, Statement, StatementError};

/// The type of the payload: an in-toto statement in JSON.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The longest envelope that is read, in bytes: a statement in base64 and a little.
pub const ENVELOPE_BYTES_MAX: usize = STATEMENT_BYTES_MAX / 3 * 4 + (1 << 20);
/// The most signatures of an envelope. Each is tried with each key, over as much as [`ENVELOPE_BYTES_MAX`].
const SIGNATURES_MAX: usize = 4;
/// How many bytes of a seed are written as white space: as many as make it unlikely that two are the same.
const PADDING_BYTES: usize = 8;

/// Why there is no envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More than [`ENVELOPE_BYTES_MAX`].
    #[error("the envelope has {0} bytes, more than {ENVELOPE_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON of the right shape, or cut off.
    #[error("not a DSSE envelope")]
    Malformed(#[source] serde_json::Error),
    /// Not base64.
    #[error("the envelope's {0} is not base64")]
    Base64(&'static str),
    /// Not a statement.
    #[error("the envelope holds {0:?}, not an in-toto statement ({PAYLOAD_TYPE:?})")]
    PayloadType(String),
    /// None or too many.
    #[error("the envelope has {0} signatures")]
    Signatures(usize),
}

/// A payload with its type and the signatures over both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What is signed, exactly as it was signed.
    pub payload: Vec<u8>,
    /// One or more signatures; of ECDSA keys in ASN.1. Names of keys are neither written nor believed: whoever
    /// verifies tries the keys that are trusted.
    pub signatures: Vec<Vec<u8>>,
}

/// The JSON form, in an attestation of cosign 2 and in a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvelopeJson {
    #[serde(default, alias = "payload_type")]
    payload_type: String,
    #[serde(default)]
    payload: String,
    #[serde(default)]
    signatures: Vec<SignatureJson>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SignatureJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    #[serde(default)]
    sig: String,
}

/// Returns what is signed in place of a payload (DSSE, "PAE"): its type and length can't be shifted into it.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Signs a statement's bytes.
    fn sign(payload: Vec<u8>, signer: &dyn Signer) -> Result<Self, SignError> {
        let message = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
        let signature = sign_and_check(signer, &message)?;
        Ok(Self { payload, signatures: vec![signature] })
    }

    /// Reads the envelope of an attestation of cosign 2.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        serde_json::from_slice::<EnvelopeJson>(bytes).map_err(EnvelopeError::Malformed)?.decode()
    }

    /// Returns what the signatures are over.
    pub fn message(&self) -> Vec<u8> {
        pre_authentication_encoding(PAYLOAD_TYPE, &self.payload)
    }

    /// Returns the bytes of an attestation as cosign 2 writes it, with an empty `keyid`.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical_json(&self.json(Some(String::new())))
    }

    /// Bundles have no `keyid` at all: clients that find one look for a key of that name.
    pub(super) fn json(&self, keyid: Option<String>) -> EnvelopeJson {
        let signatures = (self.signatures.iter())
            .map(|bytes| SignatureJson { keyid: keyid.clone(), sig: base64::encode(bytes) });
        EnvelopeJson {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: base64::encode(&self.payload),
            signatures: signatures.collect(),
        }
    }
}

impl EnvelopeJson {
    pub(super) fn decode(self) -> Result<Envelope, EnvelopeError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType(self.payload_type.chars().take(100).collect()));
        }
        let count = self.signatures.len();
        if count == 0 || count > SIGNATURES_MAX {
            return Err(EnvelopeError::Signatures(count));
        }
        let payload =
            base64::decode_tolerant(&self.payload).ok_or(EnvelopeError::Base64("payload"))?;
        let signatures = (self.signatures.iter())
            .map(|signature| base64::decode_tolerant(&signature.sig))
            .collect::<Option<Vec<_>>>()
            .ok_or(EnvelopeError::Base64("signature"))?;
        Ok(Envelope { payload, signatures })
    }
}

/// A statement, the envelope with it, and who signed. Made once, it is attached to every artifact that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedStatement {
    statement: Statement,
    envelope: Envelope,
    key: PublicKey,
    certificate: Option<Vec<u8>>,
    witness: Witness,
}

/// Why a statement could not be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignStatementError {
    /// It could not be read by anybody: no subject, or too long.
    #[error("the statement can't be signed")]
    Statement(#[source] StatementError),
    /// No signature.
    #[error("the statement of the type {predicate_type} is not signed")]
    Sign {
        /// What it states.
        predicate_type: String,
        /// Why.
        #[source]
        source: SignError,
    },
}

impl SignedStatement {
    /// Signs a statement.
    pub fn new(statement: Statement, signer: &dyn Signer) -> Result<Self, SignStatementError> {
        Self::of_bytes(statement.to_bytes(), statement, signer)
    }

    /// Signs a statement in other bytes: with white space behind it, which is different for each seed.
    pub fn with_padding(
        statement: Statement,
        signer: &dyn Signer,
        seed: &[u8; 32],
    ) -> Result<Self, SignStatementError> {
        let mut bytes = statement.to_bytes();
        let bits =
            seed.iter().take(PADDING_BYTES).flat_map(|byte| (0..8).map(move |at| byte >> at));
        bytes.extend(bits.map(|bit| if bit & 1 == 1 { b'\t' } else { b' ' }));
        Self::of_bytes(bytes, statement, signer)
    }

    fn of_bytes(
        bytes: Vec<u8>,
        statement: Statement,
        signer: &dyn Signer,
    ) -> Result<Self, SignStatementError> {
        Statement::parse(&bytes).map_err(SignStatementError::Statement)?;
        let envelope = Envelope::sign(bytes, signer).map_err(|source| {
            let predicate_type = statement.predicate_type.clone();
            SignStatementError::Sign { predicate_type, source }
        })?;
        let key = signer.public_key().clone();
        let certificate = signer.issued().map(|issued| issued.certificate.der().to_vec());
        Ok(Self { statement, envelope, key, certificate, witness: Witness::default() })
    }

    /// Returns what is stated.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Returns the envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Takes what a bundle has, which was verified with the key.
    pub(crate) fn of_bundle(bundle: &Bundle, statement: Statement, key: PublicKey) -> Self {
        let certificate = match bundle.material() {
            Material::Certificate(der) => Some(der.clone()),
            Material::PublicKey(_) => None,
        };
        let (envelope, witness) = (bundle.envelope().clone(), bundle.witness().clone());
        Self { statement, envelope, key, certificate, witness }
    }

    /// Reads a bundle that a key signed; `None` if it did not.
    pub fn of_signed_bundle(bytes: &[u8], key: &PublicKey) -> Option<Self> {
        let bundle = Bundle::parse(bytes).ok()?;
        let message = bundle.envelope().message();
        let signature = bundle.envelope().signatures.first()?;
        key.verify(&message, signature).ok()?;
        let statement = Statement::parse(&bundle.envelope().payload).ok()?;
        Some(Self::of_bundle(&bundle, statement, key.clone()))
    }

    /// Returns whether it has an entry of the log of a host and a timestamp, as far as these are asked for, that are about
    /// this signature. Who signed them is not looked at.
    pub fn is_witnessed(&self, log: Option<&str>, by_time: bool) -> bool {
        let message = self.message();
        let signed = self.signed(&message);
        let has_entry = |host: &str| {
            let mut entries = self.witness.entries().iter();
            entries.any(|value| {
                let entry = LogEntry::parse(value);
                entry.is_ok_and(|it| is_called(it.origin(), host) && it.check(&signed).is_ok())
            })
        };
        let has_time = || {
            let mut stamps = self.witness.timestamps().iter();
            stamps.any(|der| {
                let stamp = Timestamp::parse(der);
                stamp.is_ok_and(|stamp| stamp.check(signed.signature).is_ok())
            })
        };
        log.is_none_or(has_entry) && (!by_time || has_time())
    }

    /// Says that the key is that of a certificate, in DER.
    #[must_use]
    pub fn with_certificate(self, certificate: Vec<u8>) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// Adds what others say of the signature.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Self {
        Self { witness, ..self }
    }

    /// Returns the key that signed.
    pub fn key(&self) -> crate::key::KeyId {
        self.key.id()
    }

    /// Returns the certificate of the key, if it has one, in DER.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// Returns what others say of the signature.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Returns the signature.
    pub fn signature(&self) -> &[u8] {
        self.envelope.signatures.first().map_or(&[], Vec::as_slice)
    }

    /// Returns what the key verifies the signature over.
    pub fn message(&self) -> Vec<u8> {
        self.envelope.message()
    }

    /// Says what was signed, how, and by whom, to those who witness it. `message` is [`Self::message`].
    pub fn signed<'s>(&'s self, message: &'s [u8]) -> Signed<'s> {
        let verifier = match &self.certificate {
            Some(der) => Verifier::Certificate(der, &self.key),
            None => Verifier::Key(&self.key),
        };
        Signed { message, signature: self.signature(), verifier }
    }
}
