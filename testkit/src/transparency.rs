// SPDX-License-Identifier: Apache-2.0
//! A transparency log as Rekor of version 2 is one, as far as signatures are brought to it.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use x509_cert::der::{Decode as _, Encode as _};

use crate::http::{HttpServer, Reply, Request};

/// Where entries are brought to.
pub const PATH: &str = "/api/v2/log/entries";
/// Number of gRPC's status "already exists" and "invalid argument".
const ALREADY_EXISTS: u32 = 6;
const INVALID_ARGUMENT: u32 = 3;

type Hash = [u8; 32];

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
    hash
}

/// A log: a tree of hashes (RFC 6962) with a key (Ed25519).
pub struct TransparencyLog {
    origin: String,
    key: Ed25519KeyPair,
    bodies: Vec<Vec<u8>>,
}

impl std::fmt::Debug for TransparencyLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.bodies.len();
        f.debug_struct("TransparencyLog")
            .field("origin", &self.origin)
            .field("size", &size)
            .finish_non_exhaustive()
    }
}

impl TransparencyLog {
    /// Makes an empty log; the key comes from a seed.
    ///
    /// # Panics
    ///
    /// Never: 32 bytes are a key.
    pub fn new(origin: &str, seed: &str) -> Self {
        let seed = hash(&[seed.as_bytes()]);
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a key");
        Self { origin: origin.to_owned(), key, bodies: Vec::new() }
    }

    /// Returns the public key in DER.
    pub fn spki(&self) -> Vec<u8> {
        let head = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
        [&head, self.key.public_key().as_ref()].concat()
    }

    /// Returns the log's id.
    pub fn id(&self) -> Vec<u8> {
        hash(&[self.origin.as_bytes(), b"\n\x01", self.key.public_key().as_ref()]).to_vec()
    }

    /// Returns how many entries it has.
    pub fn size(&self) -> usize {
        self.bodies.len()
    }

    /// Takes what `POST` brought. Says why not with a status, and what the log answers.
    pub fn take(&mut self, request: &[u8]) -> Result<Value, (u16, Value)> {
        let refuse = |status, code: u32, message: String| {
            (status, json!({"code": code, "message": message, "details": []}))
        };
        let body = body_of(request).ok_or_else(|| {
            let message = "the signature does not verify, or something is missing";
            refuse(400, INVALID_ARGUMENT, message.to_owned())
        })?;
        if let Some(index) = self.bodies.iter().position(|known| *known == body) {
            let message = format!(
                "an equivalent entry already exists in the transparency log with index {index}"
            );
            return Err(refuse(409, ALREADY_EXISTS, message));
        }
        Ok(self.add(body))
    }

    /// Adds an entry, whatever it is, and returns it with its proof.
    pub fn add(&mut self, body: Vec<u8>) -> Value {
        self.bodies.push(body.clone());
        let leaves: Vec<Hash> = self.bodies.iter().map(|body| hash(&[&[0], body])).collect();
        let index = leaves.len() - 1;
        let (root, proof) = prove(&leaves, index);
        let proof: Vec<String> = proof.iter().map(|hash| STANDARD.encode(hash)).collect();
        json!({
            "logIndex": index.to_string(),
            "logId": {"keyId": STANDARD.encode(self.id())},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "integratedTime": "0",
            "inclusionPromise": null,
            "inclusionProof": {
                "logIndex": index.to_string(),
                "rootHash": STANDARD.encode(root),
                "treeSize": leaves.len().to_string(),
                "hashes": proof,
                "checkpoint": {"envelope": self.checkpoint(leaves.len(), &root)},
            },
            "canonicalizedBody": STANDARD.encode(body),
        })
    }

    /// Signs a root.
    pub fn checkpoint(&self, size: usize, root: &Hash) -> String {
        let text = format!("{}\n{size}\n{}\n", self.origin, STANDARD.encode(root));
        let signature = self.key.sign(text.as_bytes());
        let signed = [&self.id()[..4], signature.as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(signed))
    }
}

/// Returns the root of a tree and the proof of a leaf in it.
fn prove(leaves: &[Hash], index: usize) -> (Hash, Vec<Hash>) {
    if let [leaf] = leaves {
        return (*leaf, Vec::new());
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let is_left = index < left.len();
    let (left_root, left_proof) = prove(left, if is_left { index } else { 0 });
    let (right_root, right_proof) = prove(right, if is_left { 0 } else { index - left.len() });
    let (mut proof, sibling) =
        if is_left { (left_proof, right_root) } else { (right_proof, left_root) };
    proof.push(sibling);
    (hash(&[&[1], &left_root, &right_root]), proof)
}

/// Checks what is to be logged, and writes the entry.
fn body_of(request: &[u8]) -> Option<Vec<u8>> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let asked = &request["hashedRekordRequestV002"];
    let bytes = |value: &Value| STANDARD.decode(value.as_str()?).ok();
    let (digest, signature) = (bytes(&asked["digest"])?, &asked["signature"]);
    let verifier = &signature["verifier"];
    if verifier["keyDetails"] != "PKIX_ECDSA_P256_SHA_256" {
        return None;
    }
    let (name, spki) = if let Some(spki) = bytes(&verifier["publicKey"]["rawBytes"]) {
        ("publicKey", spki)
    } else {
        let der = bytes(&verifier["x509Certificate"]["rawBytes"])?;
        let certificate = x509_cert::Certificate::from_der(&der).ok()?;
        let spki = certificate.tbs_certificate.subject_public_key_info.to_der().ok()?;
        ("x509Certificate", spki)
    };
    let key = VerifyingKey::from_public_key_der(&spki).ok()?;
    let made = DerSignature::from_bytes(&bytes(&signature["content"])?).ok()?;
    key.verify_prehash(&digest, &made).ok()?;
    let entry = json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": {"hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": asked["digest"]},
            "signature": {
                "content": signature["content"],
                "verifier": {"keyDetails": verifier["keyDetails"], name: verifier[name]},
            },
        }},
    });
    serde_json::to_vec(&entry).ok()
}

/// A server of a log on the loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct LogServer {
    server: HttpServer,
    log: Arc<Mutex<TransparencyLog>>,
}

impl LogServer {
    /// Starts to answer as the log `127.0.0.1`.
    pub fn start() -> Self {
        Self::with(|entry| entry)
    }

    /// Starts to answer; `change` gets every entry that is answered.
    pub fn with(change: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        let log = Arc::new(Mutex::new(TransparencyLog::new("127.0.0.1", "log")));
        let shared = Arc::clone(&log);
        let server = HttpServer::start(move |request| answer(&shared, &change, &request));
        Self { server, log }
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Returns how many entries the log has.
    pub fn size(&self) -> usize {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).size()
    }
}

fn answer(
    log: &Mutex<TransparencyLog>,
    change: &(impl Fn(Value) -> Value + Send + Sync),
    request: &Request,
) -> Reply {
    if request.path != PATH {
        return Reply::status(404);
    }
    if request.method != "POST" {
        return Reply::status(405);
    }
    let taken = log.lock().unwrap_or_else(PoisonError::into_inner).take(&request.body);
    let (status, value) = match taken {
        Ok(entry) => (201, change(entry)),
        Err((status, refusal)) => (status, refusal),
    };
    Reply { status, ..Reply::body("application/json", value.to_string().into_bytes()) }
}

/// Writes a trusted root of Sigstore.
#[derive(Debug, Clone)]
pub struct RootFile {
    value: Value,
}

impl Default for RootFile {
    fn default() -> Self {
        let media_type = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
        Self {
            value: json!({
                "mediaType": media_type,
                "tlogs": [], "certificateAuthorities": [], "ctlogs": [], "timestampAuthorities": [],
            }),
        }
    }
}

impl RootFile {
    /// Adds a log at a URL.
    #[must_use]
    pub fn log(self, url: &str, log: &TransparencyLog) -> Self {
        self.with(
            "tlogs",
            json!({
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(log.spki()),
                    "keyDetails": "PKIX_ED25519",
                    "validFor": {"start": "2020-01-01T00:00:00Z"},
                },
                "logId": {"keyId": STANDARD.encode(log.id())},
            }),
        )
    }

    /// Adds a timestamp authority by its certificates, its own first.
    #[must_use]
    pub fn timestamps(self, url: &str, chain: &[&[u8]]) -> Self {
        self.with("timestampAuthorities", authority(url, chain))
    }

    /// Adds an authority of signers by its certificates.
    #[must_use]
    pub fn certificates(self, url: &str, chain: &[&[u8]]) -> Self {
        self.with("certificateAuthorities", authority(url, chain))
    }

    /// Changes it.
    #[must_use]
    pub fn change(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.value);
        self
    }

    /// Returns the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.value.to_string().into_bytes()
    }

    fn with(mut self, kind: &str, member: Value) -> Self {
        if let Some(all) = self.value[kind].as_array_mut() {
            all.push(member);
        }
        self
    }
}

impl LogServer {
    /// Adds its log to a trusted root.
    #[must_use]
    pub fn root(&self, root: RootFile) -> RootFile {
        root.log(&self.url(), &self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn authority(url: &str, chain: &[&[u8]]) -> Value {
    let certificates: Vec<Value> =
        chain.iter().map(|der| json!({"rawBytes": STANDARD.encode(der)})).collect();
    json!({
        "subject": {"organization": "test", "commonName": "test"},
        "uri": url,
        "certChain": {"certificates": certificates},
        "validFor": {"start": "2020-01-01T00:00:00Z"},
    })
}
