// SPDX-License-Identifier: Apache-2.0
//! Entries of logs, with the proof that they are there.

use serde::Deserialize;
use serde_json::Value;

use hardpan_tree::Digest;

use super::merkle::{self, Hash};
use super::request::{key_details, verifier_json};
use super::{Checkpoint, CheckpointError, Signed};
use crate::key::{KeyAlgorithm, base64};
use crate::root::{Log, TrustedRoot};

/// The longest entry that is read, in bytes: a certificate, a signature, 64 hashes and a checkpoint take a tenth.
pub const ENTRY_BYTES_MAX: usize = 256 << 10;
/// The only kind of entry that is written and verified.
const KIND: &str = "hashedrekord";
/// Its version.
const VERSION: &str = "0.0.2";
/// The only algorithm of digests.
const DIGEST_ALGORITHM: &str = "SHA2_256";
/// How much of an error of a log is told.
const MESSAGE_CHARACTERS_MAX: usize = 200;

/// Why an entry is not one, or proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// More than [`ENTRY_BYTES_MAX`].
    #[error("the entry has {0} bytes, more than {ENTRY_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON, or of another shape.
    #[error("it is no entry of a log")]
    Malformed(#[source] serde_json::Error),
    /// The log says why not.
    #[error("the log refused: {0}")]
    Refused(String),
    /// The log has it already, and gives it to nobody again.
    #[error("the log already has this entry, and does not give it again: {0}")]
    AlreadyThere(String),
    /// A part of it is not what it should be.
    #[error("the entry's {0} can't be read")]
    Part(&'static str),
    /// Another kind of entry.
    #[error("the entry is of the kind {0:?}; only {KIND} {VERSION} is read (Rekor version 2)")]
    Kind(String),
    /// A key whose signatures logs do not take.
    #[error("the log takes no signatures of keys of this kind and length ({0})")]
    Algorithm(KeyAlgorithm),
    /// It is about something else.
    #[error("the entry is about another {0}")]
    Other(&'static str),
    /// The proof does not lead from the entry to the root.
    #[error(
        "the entry's proof does not lead to the log's root: it is not in the log, or was altered"
    )]
    Proof,
    /// The root of the proof is not that of the checkpoint.
    #[error("the entry's proof is for another root than the checkpoint's")]
    Root,
    /// The checkpoint.
    #[error("the log's checkpoint proves nothing")]
    Checkpoint(#[from] CheckpointError),
    /// Nobody knows the log.
    #[error("the entry is of the log {origin:?}, which the trusted root does not name")]
    UnknownLog {
        /// What the checkpoint says.
        origin: String,
    },
    /// The name of the log is not what its key is trusted for.
    #[error(
        "the checkpoint is of {origin:?}, but the trusted root has the log's key for {expected:?}"
    )]
    Origin {
        /// What the checkpoint says.
        origin: String,
        /// The host of the log's URL.
        expected: String,
    },
    /// The trusted root's key of the log.
    #[error("the key of the log {origin:?} can't be used: {problem}")]
    Key {
        /// What the checkpoint says.
        origin: String,
        /// Why.
        problem: String,
    },
    /// A time at which the log was not trusted.
    #[error("the log {origin:?} was not trusted at the time of the signature")]
    NotThen {
        /// What the checkpoint says.
        origin: String,
    },
}

impl LogError {
    /// Returns whether it tells of an attack or of damage, and not of a log that somebody else trusts.
    pub fn is_tampering(&self) -> bool {
        !matches!(
            self,
            Self::UnknownLog { .. } | Self::Kind(_) | Self::Key { .. } | Self::NotThen { .. }
        )
    }
}

/// An entry of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    json: Value,
    body: Vec<u8>,
    log_id: Option<Vec<u8>>,
    index: u64,
    size: u64,
    root: Hash,
    hashes: Vec<Hash>,
    checkpoint: Checkpoint,
}

/// A number in the JSON form of protocol buffers: a text, or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(u64),
}

impl Number {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => Some(*number),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryJson {
    /// Of this version the same as the proof's.
    #[serde(default, alias = "log_index")]
    log_index: Option<Number>,
    #[serde(default, alias = "log_id")]
    log_id: Option<LogIdJson>,
    #[serde(alias = "kind_version")]
    kind_version: KindJson,
    #[serde(default, alias = "inclusion_proof")]
    inclusion_proof: Option<ProofJson>,
    #[serde(default, alias = "canonicalized_body")]
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogIdJson {
    #[serde(alias = "key_id")]
    key_id: String,
}

#[derive(Deserialize)]
struct KindJson {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProofJson {
    /// 0 is left out.
    #[serde(default, alias = "log_index")]
    log_index: Option<Number>,
    #[serde(alias = "root_hash")]
    root_hash: String,
    #[serde(alias = "tree_size")]
    tree_size: Number,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: CheckpointJson,
}

#[derive(Deserialize)]
struct CheckpointJson {
    envelope: String,
}

/// What a log answers that has no entry for whoever asks.
#[derive(Deserialize)]
struct RefusalJson {
    message: String,
    #[serde(default)]
    code: u32,
}

/// gRPC's number for "already exists".
const ALREADY_EXISTS: u32 = 6;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyJson {
    api_version: String,
    kind: String,
    spec: SpecJson,
}

#[derive(Deserialize)]
struct SpecJson {
    #[serde(rename = "hashedRekordV002")]
    hashed_rekord: RekordJson,
}

#[derive(Deserialize)]
struct RekordJson {
    data: DataJson,
    signature: SignatureJson,
}

#[derive(Deserialize)]
struct DataJson {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
struct SignatureJson {
    content: String,
    verifier: Value,
}

impl LogEntry {
    /// Reads what a log answered: an entry, or why there is none.
    pub fn parse_answer(answer: &[u8]) -> Result<Self, LogError> {
        if answer.len() > ENTRY_BYTES_MAX {
            return Err(LogError::TooLarge(answer.len()));
        }
        let value: Value = serde_json::from_slice(answer).map_err(LogError::Malformed)?;
        if value.get("canonicalizedBody").is_none()
            && let Ok(RefusalJson { message, code }) = RefusalJson::deserialize(&value)
        {
            let message = message.chars().take(MESSAGE_CHARACTERS_MAX).collect();
            return Err(match code {
                ALREADY_EXISTS => LogError::AlreadyThere(message),
                _ => LogError::Refused(message),
            });
        }
        Self::parse(&value)
    }

    /// Reads an entry, as bundles have it.
    pub fn parse(value: &Value) -> Result<Self, LogError> {
        let entry = EntryJson::deserialize(value).map_err(LogError::Malformed)?;
        let KindJson { kind, version } = &entry.kind_version;
        if (kind.as_str(), version.as_str()) != (KIND, VERSION) {
            let found = format!("{kind} {version}");
            return Err(LogError::Kind(found.chars().take(MESSAGE_CHARACTERS_MAX).collect()));
        }
        let bytes = |text: &str, part| base64::decode_tolerant(text).ok_or(LogError::Part(part));
        let hash = |text: &str, part| -> Result<Hash, LogError> {
            bytes(text, part)?.try_into().map_err(|_| LogError::Part(part))
        };
        let proof = entry.inclusion_proof.ok_or(LogError::Part("proof"))?;
        let index = match &proof.log_index {
            Some(number) => number.value().ok_or(LogError::Part("index"))?,
            None => 0,
        };
        if entry.log_index.is_some_and(|number| number.value() != Some(index)) {
            return Err(LogError::Part("index"));
        }
        if proof.hashes.len() > merkle::HASHES_MAX {
            return Err(LogError::Part("proof"));
        }
        let hashes = proof.hashes.iter().map(|text| hash(text, "proof"));
        let log_id = entry.log_id.map(|id| bytes(&id.key_id, "log id")).transpose()?;
        Ok(Self {
            body: bytes(&entry.canonicalized_body, "body")?,
            log_id,
            index,
            size: proof.tree_size.value().ok_or(LogError::Part("size"))?,
            root: hash(&proof.root_hash, "root")?,
            hashes: hashes.collect::<Result<_, _>>()?,
            checkpoint: Checkpoint::parse(&proof.checkpoint.envelope)?,
            json: value.clone(),
        })
    }

    /// Returns it as the log gave it.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Returns which entry of the log it is.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns what the log calls itself.
    pub fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    /// Checks that the entry is about a signature, that its proof leads to a root, and that the checkpoint is of that root:
    /// all but who signed the checkpoint.
    pub fn check(&self, signed: &Signed<'_>) -> Result<(), LogError> {
        self.check_body(signed)?;
        let root = merkle::root(merkle::leaf(&self.body), self.index, self.size, &self.hashes);
        if root != Some(self.root) {
            return Err(LogError::Proof);
        }
        if (self.checkpoint.size, self.checkpoint.root) != (self.size, self.root) {
            return Err(LogError::Root);
        }
        Ok(())
    }

    /// Checks all of it. `times` are proven times of the signature, in seconds; there may be none.
    pub fn verify<'r>(
        &self,
        signed: &Signed<'_>,
        root: &'r TrustedRoot,
        times: &[i64],
    ) -> Result<&'r Log, LogError> {
        self.check(signed)?;
        let origin = || self.checkpoint.origin.clone();
        let mut problem = LogError::UnknownLog { origin: origin() };
        for log in root.logs() {
            if self.log_id.as_ref().is_some_and(|id| *id != log.id) {
                continue;
            }
            let key = match &log.key {
                Ok(key) => key,
                Err(error) => {
                    problem = LogError::Key { origin: origin(), problem: error.to_string() };
                    continue;
                }
            };
            match self.checkpoint.verify(key) {
                Ok(()) => {}
                // Without an id any log may be meant.
                Err(CheckpointError::Unsigned { .. }) if self.log_id.is_none() => continue,
                Err(error) => return Err(error.into()),
            }
            if !log.is_called(&self.checkpoint.origin) {
                return Err(LogError::Origin { origin: origin(), expected: log.host().to_owned() });
            }
            if !times.iter().all(|time| log.validity.contains(*time)) {
                return Err(LogError::NotThen { origin: origin() });
            }
            return Ok(log);
        }
        Err(problem)
    }

    fn check_body(&self, signed: &Signed<'_>) -> Result<(), LogError> {
        let body: BodyJson = serde_json::from_slice(&self.body).map_err(LogError::Malformed)?;
        if (body.kind.as_str(), body.api_version.as_str()) != (KIND, VERSION) {
            return Err(LogError::Other("kind of signature"));
        }
        let RekordJson { data, signature } = body.spec.hashed_rekord;
        let is = |text: &str, bytes: &[u8]| base64::decode(text).is_some_and(|is| is == bytes);
        let digest = Digest::of(signed.message);
        if data.algorithm != DIGEST_ALGORITHM || !is(&data.digest, digest.as_bytes()) {
            return Err(LogError::Other("digest"));
        }
        if !is(&signature.content, signed.signature) {
            return Err(LogError::Other("signature"));
        }
        let (name, bytes) = verifier_json(&signed.verifier);
        let raw = signature.verifier.get(name).and_then(|it| it.get("rawBytes"));
        let details = key_details(signed.verifier.key())?;
        let is_its = raw.and_then(Value::as_str).is_some_and(|text| is(text, bytes))
            && signature.verifier.get("keyDetails") == Some(&details);
        if is_its { Ok(()) } else { Err(LogError::Other("key")) }
    }
}
