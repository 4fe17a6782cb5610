// SPDX-License-Identifier: Apache-2.0
//! Sets of public keys.

use pgp::armor::BlockType;
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::errors::Error as PgpError;
use pgp::packet::{Packet, PacketParser};

use super::Fingerprint;
use super::cleartext::{dearmour, is_armoured};

/// Longest keyring that is read, in bytes. Debian's has about 60 KB.
pub const KEYRING_BYTES_MAX: usize = 4 << 20;
/// Most keys in one keyring.
pub const KEYS_MAX: usize = 512;
/// Most packets in one keyring: keys, names and signatures together.
pub const PACKETS_MAX: usize = 20_000;

const BEGIN_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END_KEY: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The public keys whose signatures count.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// Why bytes are not a [`Keyring`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The keyring is longer than [`KEYRING_BYTES_MAX`].
    #[error("the keyring is larger than {KEYRING_BYTES_MAX} bytes")]
    TooLarge,
    /// The keyring has more than [`KEYS_MAX`] keys or [`PACKETS_MAX`] packets.
    #[error("the keyring has more than {KEYS_MAX} keys or {PACKETS_MAX} packets")]
    TooMany,
    /// There is no public key in it.
    #[error("the keyring has no public key")]
    Empty,
    /// It holds a secret key, which must never be handed to a build.
    #[error("the keyring holds a secret key; export the public key alone")]
    SecretKey,
    /// It is a keybox, GnuPG's private format.
    #[error("the keyring is a GnuPG keybox; convert it with \"gpg --export\"")]
    Keybox,
    /// It can't be read.
    #[error("the keyring is malformed: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: String,
    },
}

impl Keyring {
    /// Parses public keys: binary, or one or more armoured blocks.
    ///
    /// Keys of an unknown version are left out. Nothing is verified yet: a key that is expired,
    /// revoked or has no valid self-signature is reported when a signature asks for it.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        if bytes.len() > KEYRING_BYTES_MAX {
            return Err(KeyringError::TooLarge);
        }
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(KeyringError::Keybox);
        }
        let mut keyring = Self::default();
        if is_armoured(bytes) {
            for block in blocks(bytes)? {
                let packets = dearmour(block.as_bytes(), &BlockType::PublicKey)
                    .map_err(|problem| KeyringError::Malformed { problem })?;
                keyring.add_packets(&packets)?;
            }
        } else {
            keyring.add_packets(bytes)?;
        }
        if keyring.keys.is_empty() { Err(KeyringError::Empty) } else { Ok(keyring) }
    }

    /// Adds the keys of another keyring.
    pub fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
    }

    /// Returns the fingerprints of the primary keys, sorted.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let mut fingerprints: Vec<_> = self.keys.iter().map(Fingerprint::of).collect();
        fingerprints.sort();
        fingerprints.dedup();
        fingerprints
    }

    /// Keeps only keys whose primary key, or one of whose subkeys, has one of these fingerprints
    /// (apt's `Signed-By` with fingerprints).
    pub fn retain(&mut self, fingerprints: &[Fingerprint]) {
        self.keys.retain(|key| {
            fingerprints.contains(&Fingerprint::of(key))
                || key
                    .public_subkeys
                    .iter()
                    .any(|s| fingerprints.contains(&Fingerprint::of(&s.key)))
        });
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn keys(&self) -> &[SignedPublicKey] {
        &self.keys
    }

    fn add_packets(&mut self, bytes: &[u8]) -> Result<(), KeyringError> {
        let malformed = |error: PgpError| KeyringError::Malformed { problem: error.to_string() };
        let mut packets = Vec::new();
        for packet in PacketParser::new(bytes) {
            if packets.len() == PACKETS_MAX {
                return Err(KeyringError::TooMany);
            }
            match packet {
                Ok(Packet::SecretKey(_) | Packet::SecretSubkey(_)) => {
                    return Err(KeyringError::SecretKey);
                }
                // GnuPG writes trust packets into keyrings; they mean nothing elsewhere.
                Ok(Packet::Marker(_) | Packet::Padding(_) | Packet::Trust(_)) => {}
                Ok(packet) => packets.push(Ok(packet)),
                // An old or new kind of key does not spoil the others. Anything else does: a
                // revocation that can't be read must not go unnoticed.
                Err(error) if is_unsupported(&error) => {}
                Err(error) => return Err(malformed(error)),
            }
        }
        for key in SignedPublicKey::from_packets(packets.into_iter().peekable()) {
            if self.keys.len() == KEYS_MAX {
                return Err(KeyringError::TooMany);
            }
            self.keys.push(key.map_err(malformed)?);
        }
        Ok(())
    }
}

/// Whether a packet was skipped for being of a kind that is not known, rather than for being broken.
fn is_unsupported(error: &PgpError) -> bool {
    match error {
        PgpError::Unsupported { .. } => true,
        PgpError::InvalidPacketContent { source } => {
            matches!(**source, PgpError::Unsupported { .. })
        }
        _ => false,
    }
}

/// Splits armoured text into its blocks. Comments around the blocks are allowed, as people write
/// them there; only what is inside counts.
fn blocks(bytes: &[u8]) -> Result<Vec<String>, KeyringError> {
    let malformed = |problem: &str| KeyringError::Malformed { problem: problem.to_owned() };
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("-----BEGIN") && line != BEGIN_KEY {
            return Err(if line.contains("PRIVATE KEY") {
                KeyringError::SecretKey
            } else {
                malformed("it holds something else than public keys")
            });
        }
        if line == BEGIN_KEY && block.replace(String::new()).is_some() {
            return Err(malformed("a block begins inside of a block"));
        }
        if let Some(content) = &mut block {
            content.push_str(line);
            content.push('\n');
        }
        if line == END_KEY {
            blocks.push(block.take().ok_or_else(|| malformed("a block ends before it begins"))?);
        }
    }
    if block.is_some() {
        return Err(malformed("an armoured block ends early"));
    }
    Ok(blocks)
}
