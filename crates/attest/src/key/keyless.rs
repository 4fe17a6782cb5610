// SPDX-License-Identifier: Apache-2.0
//! Keys for minutes, with a certificate for an identity in their place: what Fulcio does.
//!
//! An authority is shown a token, in which an issuer says who somebody is, and a new key; it gives a certificate in which both
//! stand. Who speaks HTTP is not here.

use std::error::Error;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hardpan_image::canonical_json;
use serde::Deserialize;
use serde_json::json;

use super::pem::{self, PemError};
use super::{PrivateKey, PublicKey, SignError, Signer, base64};
use crate::certificate::{CertificateError, Issued, SignerCertificate};

/// The longest answer that is read, in bytes: a few certificates.
pub const ANSWER_BYTES_MAX: usize = 256 << 10;
/// The longest token, in bytes; those of the large issuers have under 4 KiB.
pub const TOKEN_BYTES_MAX: usize = 64 << 10;
/// The most certificates of a chain.
const CHAIN_MAX: usize = 10;
/// How much of an authority's words is told.
const MESSAGE_CHARACTERS_MAX: usize = 200;
/// The label of certificates.
const LABEL: &str = "CERTIFICATE";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeylessError {
    /// Not a token, or one that names nobody.
    #[error("the identity token is no JSON Web Token that names somebody")]
    Token,
    /// The authority was not reached.
    #[error("the authority was not reached")]
    Http(#[source] Box<dyn Error + Send + Sync>),
    /// The authority says no.
    #[error("the authority says: {0}")]
    Refused(String),
    /// Not what an authority says.
    #[error("the authority's answer can't be read")]
    Malformed(#[source] serde_json::Error),
    /// Not certificates.
    #[error("the authority's certificates can't be read")]
    Pem(#[source] PemError),
    /// Not one certificate with its authority's.
    #[error("the authority gave {0} certificates")]
    Chain(usize),
    /// A certificate that proves nothing.
    #[error("the authority's certificate proves nothing")]
    Certificate(#[from] CertificateError),
    /// A certificate of another key.
    #[error("the authority's certificate is of another key")]
    OtherKey,
    /// No proof that the key is ours.
    #[error("the new key does not sign")]
    Sign(#[from] SignError),
}

/// The claims of a token that say who somebody is.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    sub: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerJson {
    #[serde(default)]
    signed_certificate_embedded_sct: Option<CertificatesJson>,
    #[serde(default)]
    signed_certificate_detached_sct: Option<CertificatesJson>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct CertificatesJson {
    chain: ChainJson,
}

#[derive(Deserialize)]
struct ChainJson {
    certificates: Vec<String>,
}

/// A key with a certificate. It is nowhere but in memory, and gone with it.
#[derive(Debug)]
pub struct KeylessSigner {
    key: PrivateKey,
    issued: Issued,
}

impl KeylessSigner {
    /// Where below an authority's URL it is asked.
    pub const PATH: &'static str = "/api/v2/signingCert";

    /// Gets a certificate for a new key. `send` posts JSON to the authority at `url`.
    pub fn open<E: Error + Send + Sync + 'static>(
        key: PrivateKey,
        token: &str,
        url: &str,
        send: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, KeylessError> {
        let proof = key.sign(subject(token)?.as_bytes())?;
        let question = canonical_json(&json!({
            "credentials": {"oidcIdentityToken": token.trim()},
            "publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": key.public_key().to_pem()},
                "proofOfPossession": base64::encode(&proof),
            },
        }));
        let answer = send(&question).map_err(|error| KeylessError::Http(Box::new(error)))?;
        let mut chain = chain(&answer)?;
        let leaf = SignerCertificate::parse(&chain.remove(0))?;
        if leaf.key().id() != key.public_key().id() {
            return Err(KeylessError::OtherKey);
        }
        let issued = Issued::new(leaf, url, chain);
        issued.certificate.verify(&issued.root, issued.certificate.valid_from())?;
        Ok(Self { key, issued })
    }
}

impl Signer for KeylessSigner {
    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.key.sign(message)
    }

    fn issued(&self) -> Option<&Issued> {
        Some(&self.issued)
    }
}

/// Returns whom a token names. That its issuer made it is the authority's matter.
fn subject(token: &str) -> Result<String, KeylessError> {
    let token = token.trim();
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(KeylessError::Token);
    };
    if token.len() > TOKEN_BYTES_MAX {
        return Err(KeylessError::Token);
    }
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| KeylessError::Token)?;
    let Claims { email, sub } = serde_json::from_slice(&claims).map_err(|_| KeylessError::Token)?;
    email.or(sub).filter(|name| !name.is_empty()).ok_or(KeylessError::Token)
}

/// Reads the certificates of an answer: that of the key first, then those of the authority.
fn chain(answer: &[u8]) -> Result<Vec<Vec<u8>>, KeylessError> {
    let answer: AnswerJson = serde_json::from_slice(answer).map_err(KeylessError::Malformed)?;
    let found = answer.signed_certificate_embedded_sct.or(answer.signed_certificate_detached_sct);
    let Some(found) = found else {
        let message = answer.message.unwrap_or_else(|| "nothing".to_owned());
        return Err(KeylessError::Refused(message.chars().take(MESSAGE_CHARACTERS_MAX).collect()));
    };
    let texts = found.chain.certificates;
    if !(2..=CHAIN_MAX).contains(&texts.len()) {
        return Err(KeylessError::Chain(texts.len()));
    }
    let decode = |text: &String| {
        let (label, der) = pem::decode(text.as_bytes()).map_err(KeylessError::Pem)?;
        match label.as_str() {
            LABEL => Ok(der.to_vec()),
            _ => Err(KeylessError::Chain(0)),
        }
    };
    texts.iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use hardpan_testkit::authority::{Authority, KeyPair, Wanted};

    use super::*;
    use crate::fixtures::key;

    const PERIOD: (i64, i64) = (1_795_651_200, 1_795_651_800);

    fn token(claims: &serde_json::Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn answer(certificates: &[&[u8]]) -> Vec<u8> {
        let texts: Vec<String> = certificates.iter().map(|der| pem::encode(LABEL, der)).collect();
        let chain = json!({"chain": {"certificates": texts}});
        canonical_json(&json!({"signedCertificateEmbeddedSct": chain}))
    }

    fn open(token: &str, answer: Vec<u8>) -> Result<KeylessSigner, KeylessError> {
        let send = |_: &[u8]| Ok::<_, std::io::Error>(answer);
        KeylessSigner::open(key(1), token, "https://fulcio.example", send)
    }

    #[test]
    fn a_certificate_for_an_identity() {
        let authority = Authority::new("fulcio", PERIOD);
        let wanted = Wanted::identity("me@example.org", "https://issuer.example", PERIOD);
        let leaf = authority.issue(key(1).public_key().der(), &wanted);
        let good = token(&json!({"email": "me@example.org", "sub": "1"}));
        let signer = open(&good, answer(&[&leaf, authority.certificate()])).unwrap();
        let identity = signer.issued().unwrap().certificate.identity();
        assert_eq!(identity.to_string(), "me@example.org (https://issuer.example)");
        signer.public_key().verify(b"x", &signer.sign(b"x").unwrap()).unwrap();
        let other = authority.issue(&KeyPair::new("other").spki(), &wanted);
        let stranger = Authority::new("stranger", PERIOD);
        for (answer, says) in [
            (answer(&[&other, authority.certificate()]), "of another key"),
            (answer(&[&leaf, stranger.certificate()]), "proves nothing"),
            (answer(&[&leaf]), "1 certificates"),
            (answer(&[]), "0 certificates"),
            (answer(&[&leaf[..9], authority.certificate()]), "proves nothing"),
            (b"{}".to_vec(), "says: nothing"),
            (br#"{"code": 3, "message": "go away"}"#.to_vec(), "says: go away"),
            (b"go away".to_vec(), "can't be read"),
        ] {
            let error = open(&good, answer).unwrap_err();
            assert!(error.to_string().contains(says), "{says}: {error}");
        }
    }

    #[test]
    fn tokens_that_name_nobody() {
        let long = "x".repeat(TOKEN_BYTES_MAX);
        for bad in [
            String::new(),
            "a.b".to_owned(),
            "a.b.c.d".to_owned(),
            "e30.!.x".to_owned(),
            token(&json!({})),
            token(&json!([])),
            token(&json!({"sub": ""})),
            token(&json!({"sub": 7})),
            token(&json!({"sub": long})),
        ] {
            assert!(matches!(open(&bad, Vec::new()), Err(KeylessError::Token)), "{bad:.100}");
        }
    }
}
