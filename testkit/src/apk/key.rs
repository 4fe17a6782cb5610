// SPDX-License-Identifier: Apache-2.0
//! RSA keys that sign packages and indexes. They were made once and are public: they protect nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Algorithm as Hash, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::pkcs8::EncodePublicKey as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};

const KEYS: [&[u8]; 3] =
    [include_bytes!("keys/1.der"), include_bytes!("keys/2.der"), include_bytes!("keys/3.der")];
const SHORT_KEY: &[u8] = include_bytes!("keys/short.der");

/// How a signature is made, by its name in `.SIGN.<name>.<key>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `RSA`, with SHA-1, which is what Alpine uses.
    Rsa,
    /// `RSA256`, which is what Wolfi uses.
    Rsa256,
    /// `RSA512`
    Rsa512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rsa, Self::Rsa256, Self::Rsa512];

    /// Returns the name in the archive.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Rsa256 => "RSA256",
            Self::Rsa512 => "RSA512",
        }
    }

    fn hash(self) -> &'static Hash {
        match self {
            Self::Rsa => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Rsa256 => &SHA256,
            Self::Rsa512 => &SHA512,
        }
    }

    /// Returns what PKCS#1 puts before a digest.
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Rsa => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
            Self::Rsa256 => {
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
            }
            Self::Rsa512 => {
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
            }
        }
    }
}

/// A private key with the name of its public half.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    private: RsaPrivateKey,
}

impl Key {
    /// Returns the key `test-<number>.rsa.pub`; there are 1, 2 and 3, with 2048 bits.
    pub fn new(number: usize) -> Self {
        let bytes = number.checked_sub(1).and_then(|at| KEYS.get(at));
        Self::read(&format!("test-{number}.rsa.pub"), bytes.expect("there are three keys"))
    }

    /// Returns a key with 1024 bits, which is too short.
    pub fn short() -> Self {
        Self::read("short.rsa.pub", SHORT_KEY)
    }

    fn read(name: &str, der: &[u8]) -> Self {
        let private = RsaPrivateKey::from_pkcs1_der(der).expect("the keys are sound");
        Self { name: name.to_owned(), private }
    }

    /// Gives the key another name.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Returns the file name of the public key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the public key as Alpine has it: a PEM file with SubjectPublicKeyInfo.
    pub fn public_pem(&self) -> String {
        let der = self.private.to_public_key().to_public_key_der().expect("memory can be written");
        pem("PUBLIC KEY", der.as_bytes())
    }

    /// Returns the public key as PKCS#1 has it, in DER.
    pub fn public_pkcs1(&self) -> Vec<u8> {
        let der = self.private.to_public_key().to_pkcs1_der().expect("memory can be written");
        der.into_vec()
    }

    /// Returns the public key as a PEM file with PKCS#1.
    pub fn public_pkcs1_pem(&self) -> String {
        pem("RSA PUBLIC KEY", &self.public_pkcs1())
    }

    /// Signs bytes.
    pub fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let hash = digest(algorithm.hash(), bytes);
        let scheme =
            Pkcs1v15Sign { hash_len: Some(hash.as_ref().len()), prefix: algorithm.prefix().into() };
        self.private.sign(scheme, hash.as_ref()).expect("the keys are long enough")
    }
}

/// Returns a PEM file.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(ascii).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("base64 is ASCII")
}
