// SPDX-License-Identifier: Apache-2.0
//! An authority that issues certificates for identities, as Fulcio does, and the tokens that it takes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use serde_json::{Value, json};

use crate::apk::pem;
use crate::authority::{Authority, Period, Wanted};
use crate::http::{HttpServer, Reply, Request};

/// Where certificates are asked for.
pub const PATH: &str = "/api/v2/signingCert";
/// What a token that is taken has in place of a signature.
const SEAL: &str = "c2VhbGVk";

/// Writes a token for claims, as an issuer of identities does.
pub fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{SEAL}", part(&json!({"alg": "none"})), part(claims))
}

/// A server of such an authority on the loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct CertificateServer {
    server: HttpServer,
}

impl CertificateServer {
    /// Starts to issue certificates, valid as `period` says.
    pub fn start(
        authority: &Authority,
        period: impl Fn() -> Period + Send + Sync + 'static,
    ) -> Self {
        let authority = authority.clone();
        let server = HttpServer::start(move |request| answer(&authority, period(), &request));
        Self { server }
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }
}

fn answer(authority: &Authority, period: Period, request: &Request) -> Reply {
    if request.path != PATH || request.method != "POST" {
        return Reply::status(404);
    }
    let reply = |status, value: Value| {
        let body = value.to_string().into_bytes();
        Reply { status, ..Reply::body("application/json", body) }
    };
    match certificate(authority, period, &request.body) {
        Some(leaf) => {
            let chain = [leaf.as_slice(), authority.certificate()];
            let chain = chain.map(|der| pem("CERTIFICATE", der));
            reply(200, json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}))
        }
        None => reply(400, json!({"code": 3, "message": "the token or the proof is no good"})),
    }
}

/// Checks the token and the proof that whoever asks has the key.
fn certificate(authority: &Authority, period: Period, request: &[u8]) -> Option<Vec<u8>> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let token = request["credentials"]["oidcIdentityToken"].as_str()?;
    let (head, seal) = token.rsplit_once('.')?;
    let claims = URL_SAFE_NO_PAD.decode(head.rsplit_once('.')?.1).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let identity = claims["email"].as_str().or(claims["sub"].as_str())?;
    let asked = &request["publicKeyRequest"];
    let key = asked["publicKey"]["content"].as_str()?;
    let key = VerifyingKey::from_public_key_pem(key).ok()?;
    let proof = STANDARD.decode(asked["proofOfPossession"].as_str()?).ok()?;
    key.verify(identity.as_bytes(), &DerSignature::from_bytes(&proof).ok()?).ok()?;
    if seal != SEAL || asked["publicKey"]["algorithm"] != "ECDSA" {
        return None;
    }
    let spki = key.to_public_key_der().ok()?;
    let wanted = Wanted::identity(identity, claims["iss"].as_str()?, period);
    Some(authority.issue(spki.as_bytes(), &wanted))
}
