// SPDX-License-Identifier: Apache-2.0
//! Checkpoints: the root of a log, signed (C2SP `tlog-checkpoint` and `signed-note`).

use hardpan_tree::Digest;

use crate::key::{KeyAlgorithm, PublicKey, base64};

/// The longest checkpoint that is read, in bytes: three lines, and a line for each signature.
pub const CHECKPOINT_BYTES_MAX: usize = 64 << 10;
/// The most signatures of one: the log's and those of witnesses.
const SIGNATURES_MAX: usize = 64;
/// The longest name of a log: a host name and a path.
const ORIGIN_BYTES_MAX: usize = 512;
/// What begins the line of a signature: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// How many bytes before a signature name its key.
const KEY_HASH_BYTES: usize = 4;
/// The number of Ed25519 among the algorithms of signed notes.
const NOTE_ED25519: u8 = 1;

/// Why a text is no checkpoint, or not that of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// More than [`CHECKPOINT_BYTES_MAX`].
    #[error("the checkpoint has {0} bytes, more than {CHECKPOINT_BYTES_MAX}")]
    TooLarge(usize),
    /// Not origin, size, root, an empty line and signatures.
    #[error("the checkpoint is malformed: {0}")]
    Malformed(&'static str),
    /// A log's own signature is not there.
    #[error("the checkpoint of {origin:?} is not signed by the log's key")]
    Unsigned {
        /// What the checkpoint says it is of.
        origin: String,
    },
    /// There is one, and the key did not make it.
    #[error(
        "the signature of the checkpoint of {origin:?} does not verify with the log's key: it was altered"
    )]
    BadSignature {
        /// What the checkpoint says it is of.
        origin: String,
    },
}

/// A log's root at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What the log is called: its host's name.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of their tree.
    pub root: [u8; 32],
    /// What is signed.
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    key_hash: [u8; KEY_HASH_BYTES],
    signature: Vec<u8>,
}

impl Checkpoint {
    /// Reads a checkpoint. Nothing is verified.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        if note.len() > CHECKPOINT_BYTES_MAX {
            return Err(CheckpointError::TooLarge(note.len()));
        }
        let (text, signatures) =
            note.rsplit_once("\n\n").ok_or(malformed("no empty line before signatures"))?;
        let signatures = parse_signatures(signatures)?;
        let mut lines = text.split('\n');
        let origin = lines.next().unwrap_or_default();
        if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX {
            return Err(malformed("no origin"));
        }
        let size = lines.next().and_then(parse_number).ok_or(malformed("no size"))?;
        let root = lines.next().and_then(base64::decode);
        let root = root.and_then(|root| root.try_into().ok()).ok_or(malformed("no root"))?;
        let (origin, text) = (origin.to_owned(), format!("{text}\n"));
        Ok(Self { origin, size, root, text, signatures })
    }

    /// Checks that a log's key signed it. Of others' signatures nothing is said.
    pub fn verify(&self, key: &PublicKey) -> Result<(), CheckpointError> {
        let hash = note_key_hash(&self.origin, key);
        let is_its = |one: &&NoteSignature| {
            one.name == self.origin && one.key_hash == hash[..KEY_HASH_BYTES]
        };
        let mut own = self.signatures.iter().filter(is_its).peekable();
        let origin = self.origin.clone();
        if own.peek().is_none() {
            return Err(CheckpointError::Unsigned { origin });
        }
        if own.any(|one| key.verify(self.text.as_bytes(), &one.signature).is_ok()) {
            return Ok(());
        }
        Err(CheckpointError::BadSignature { origin })
    }
}

/// Returns what the first bytes name a log's key by; all of it is the log's id.
pub(crate) fn note_key_hash(origin: &str, key: &PublicKey) -> [u8; 32] {
    let hashed = match key.algorithm() {
        KeyAlgorithm::Ed25519 => [origin.as_bytes(), b"\n", &[NOTE_ED25519], key.raw()].concat(),
        // What Sigstore's logs do with all other keys.
        _ => key.der().to_vec(),
    };
    *Digest::of(&hashed).as_bytes()
}

/// Returns whether what a log calls itself is the name of a host, which some logs write more behind.
pub(crate) fn is_called(origin: &str, host: &str) -> bool {
    let rest = origin.strip_prefix(host);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with(" - "))
}

/// Reads digits without a zero before them.
fn parse_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn parse_signatures(lines: &str) -> Result<Vec<NoteSignature>, CheckpointError> {
    let malformed = CheckpointError::Malformed;
    let lines = lines.strip_suffix('\n').ok_or(malformed("the last line has no end"))?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        if signatures.len() == SIGNATURES_MAX {
            return Err(malformed("too many signatures"));
        }
        let parsed = parse_signature(line);
        signatures.push(parsed.ok_or(malformed("a line after the empty one is no signature"))?);
    }
    Ok(signatures)
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    // A name may have spaces only where older logs have them; the signature has none.
    let (name, encoded) = line.strip_prefix(SIGNATURE_MARK)?.rsplit_once(' ')?;
    let bytes = base64::decode(encoded)?;
    let (key_hash, signature) = bytes.split_first_chunk::<KEY_HASH_BYTES>()?;
    if name.is_empty() || signature.is_empty() {
        return None;
    }
    Some(NoteSignature {
        name: name.to_owned(),
        key_hash: *key_hash,
        signature: signature.to_vec(),
    })
}
