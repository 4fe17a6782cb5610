// SPDX-License-Identifier: Apache-2.0
//! Authorities that issue certificates, good ones and others.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use ring::digest::{SHA256, digest};

use crate::der::{bits, integer, octets, oid, sequence, set, text, time, tlv};

const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const KEY_USAGE: &str = "2.5.29.15";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const ALTERNATIVE_NAME: &str = "2.5.29.17";
/// Sigstore's extension with the issuer of the token that an identity was proven with.
const TOKEN_ISSUER: &str = "1.3.6.1.4.1.57264.1.8";

/// The use of certificates of timestamp authorities.
pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
/// The use of certificates of those who sign software.
pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";

/// From when until when something is valid, in seconds since 1970.
pub type Period = (i64, i64);

/// Somebody with a key (ECDSA P-256) that comes from a seed.
#[derive(Debug, Clone)]
pub struct KeyPair {
    key: SigningKey,
}

impl KeyPair {
    /// Makes the key of a seed.
    ///
    /// # Panics
    ///
    /// Never: the digest of a seed is a key, but for one of 2^32.
    pub fn new(seed: &str) -> Self {
        let secret = digest(&SHA256, seed.as_bytes());
        Self { key: SigningKey::from_slice(secret.as_ref()).expect("a digest is a key") }
    }

    /// Signs a message with SHA-256; the signature is in DER.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.key.sign(message);
        signature.as_bytes().to_vec()
    }

    /// Returns the public key in DER (`SubjectPublicKeyInfo`).
    pub fn spki(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_encoded_point(false);
        let algorithm = [oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")].concat();
        sequence(&[&sequence(&[&algorithm]), &bits(point.as_bytes())])
    }
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose it is.
    pub name: String,
    /// When it is valid.
    pub period: Period,
    /// What it is for: [`TIME_STAMPING`] or [`CODE_SIGNING`].
    pub usage: &'static str,
    /// The identity, a URI or an address, and who proved it.
    pub identity: Option<(String, String)>,
    /// Whether the identity stands in a critical extension, as it must where there is no other name.
    pub is_critical: bool,
}

impl Wanted {
    /// A certificate of a timestamp authority.
    pub fn timestamps(name: &str, period: Period) -> Self {
        let name = name.to_owned();
        Self { name, period, usage: TIME_STAMPING, identity: None, is_critical: true }
    }

    /// A certificate for an identity, which has no other name.
    pub fn identity(identity: &str, issuer: &str, period: Period) -> Self {
        Self {
            name: String::new(),
            period,
            usage: CODE_SIGNING,
            identity: Some((identity.to_owned(), issuer.to_owned())),
            is_critical: true,
        }
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all = vec![
            extension(KEY_USAGE, true, &tlv(3, &[&[7, 0x80]])),
            extension(EXTENDED_KEY_USAGE, true, &sequence(&[&oid(self.usage)])),
        ];
        if let Some((identity, issuer)) = &self.identity {
            let tag = if identity.contains("://") { 0x86 } else { 0x81 };
            let names = sequence(&[&tlv(tag, &[identity.as_bytes()])]);
            all.push(extension(ALTERNATIVE_NAME, self.is_critical, &names));
            all.push(extension(TOKEN_ISSUER, false, &text(issuer)));
        }
        sequence(&[&all.concat()])
    }
}

/// An authority with a certificate that it issued to itself.
#[derive(Debug, Clone)]
pub struct Authority {
    key: KeyPair,
    name: Vec<u8>,
    certificate: Vec<u8>,
}

impl Authority {
    /// Makes an authority; the same name gives the same key.
    pub fn new(name: &str, period: Period) -> Self {
        let key = KeyPair::new(name);
        let own = distinguished_name(name);
        let extensions = sequence(&[
            &extension(BASIC_CONSTRAINTS, true, &sequence(&[&[1, 1, 0xff]])),
            // keyCertSign and cRLSign.
            &extension(KEY_USAGE, true, &tlv(3, &[&[1, 0x06]])),
        ]);
        let certificate = certificate(&key, &own, &own, &key.spki(), period, &extensions);
        Self { key, name: own, certificate }
    }

    /// Returns its own certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Issues a certificate for a public key, in DER.
    pub fn issue(&self, spki: &[u8], wanted: &Wanted) -> Vec<u8> {
        let subject = distinguished_name(&wanted.name);
        let extensions = wanted.extensions();
        certificate(&self.key, &self.name, &subject, spki, wanted.period, &extensions)
    }
}

fn distinguished_name(name: &str) -> Vec<u8> {
    if name.is_empty() {
        return sequence(&[]);
    }
    sequence(&[&set(&[&sequence(&[&oid("2.5.4.3"), &text(name)])])])
}

fn extension(id: &str, is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if is_critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&oid(id), critical, &octets(value)])
}

/// A time as certificates have it: until 2049 with two digits of the year.
fn short_time(seconds: i64) -> Vec<u8> {
    let whole = time(seconds);
    tlv(23, &[&whole[4..]])
}

fn certificate(
    issuer_key: &KeyPair,
    issuer: &[u8],
    subject: &[u8],
    spki: &[u8],
    (start, end): Period,
    extensions: &[u8],
) -> Vec<u8> {
    let algorithm = sequence(&[&oid(ECDSA_WITH_SHA256)]);
    let serial = digest(&SHA256, &[issuer, subject, spki, &time(start), &time(end)].concat());
    let mut signed = tlv(0xa0, &[&integer(&[2])]);
    signed.extend(integer(&serial.as_ref()[..8]));
    signed.extend(&algorithm);
    signed.extend(issuer);
    signed.extend(sequence(&[&short_time(start), &short_time(end)]));
    signed.extend(subject);
    signed.extend(spki);
    signed.extend(tlv(0xa3, &[extensions]));
    let signed = sequence(&[&signed]);
    let signature = bits(&issuer_key.sign(&signed));
    sequence(&[&signed, &algorithm, &signature])
}
