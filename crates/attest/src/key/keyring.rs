// SPDX-License-Identifier: Apache-2.0
//! The public keys that are trusted: numbered files, of which one is the latest.
//!
//! A publisher's keyring is a folder of `1.pub`, `2.pub` and so on, and `latest.pub`, which is the same as one of
//! them. A new key gets the next number; the old ones stay, so what they signed can still be verified. An optional
//! `keyring.json` says until when a key is trusted, or that it no longer is:
//!
//! ```json
//! {"version": 1, "keys": {"1.pub": {"notAfter": "2027-01-31T00:00:00Z"}, "2.pub": {"revoked": "was stolen"}}}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::canonical_json;
use serde::{Deserialize, Serialize};

use super::{KeyId, PublicKey, PublicKeyError, UtcTime};

/// The most keys of a keyring: each can be tried on each signature.
pub const KEYS_MAX: usize = 100;
/// The name of the file with the latest key.
pub const LATEST: &str = "latest.pub";
/// The name of the file with dates and revocations.
const STANDINGS: &str = "keyring.json";
const SUFFIX: &str = ".pub";
/// The version of that file that is read and written.
const VERSION: u32 = 1;
/// The longest such file, in bytes; 100 keys take a tenth.
const STANDINGS_BYTES_MAX: usize = 256 << 10;

/// How far a key is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Standing {
    /// From when on, at the time of verification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UtcTime>,
    /// Until when, at the time of verification: a signature alone does not say when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UtcTime>,
    /// Why the key is not trusted at all, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standings {
    version: u32,
    keys: BTreeMap<String, Standing>,
}

/// A key, by what it is called and how far it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The file's name, such as `1.pub`, or whatever the user called it.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// How far it is trusted.
    pub standing: Standing,
}

impl TrustedKey {
    /// Checks whether the key is trusted at a time.
    pub fn check(&self, now: &UtcTime) -> Result<(), NotTrusted> {
        let Standing { not_before, not_after, revoked } = &self.standing;
        if let Some(reason) = revoked {
            return Err(NotTrusted::Revoked(reason.clone()));
        }
        if let Some(from) = not_before.as_ref().filter(|from| now < *from) {
            return Err(NotTrusted::NotYet(from.clone()));
        }
        match not_after.as_ref().filter(|until| now > *until) {
            Some(until) => Err(NotTrusted::NoLonger(until.clone())),
            None => Ok(()),
        }
    }
}

/// Why a key of the keyring is not trusted now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTrusted {
    /// Somebody took it back.
    #[error("it is revoked: {0}")]
    Revoked(String),
    /// Too early.
    #[error("it is trusted only from {0} on")]
    NotYet(UtcTime),
    /// Too late.
    #[error("it was trusted until {0}")]
    NoLonger(UtcTime),
}

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// More than [`KEYS_MAX`].
    #[error("{0} keys, more than {KEYS_MAX}")]
    TooMany(usize),
    /// A file that is no key.
    #[error("{name} is no public key")]
    Key {
        /// The file's name.
        name: String,
        /// Why.
        #[source]
        source: PublicKeyError,
    },
    /// A key with two names, whose standings could differ.
    #[error("{first} and {second} are the same key")]
    SameKey {
        /// The first of its names.
        first: String,
        /// Another.
        second: String,
    },
    /// Two keys with one name.
    #[error("two keys are called {0}")]
    SameName(String),
    /// The latest key is none of the numbered ones.
    #[error(
        "{LATEST} is none of the other keys; it must be a copy of the one with the highest number"
    )]
    Latest,
    /// Dates and revocations that can't be read. None is ignored: a revocation would be lost.
    #[error("{STANDINGS} can't be read")]
    Standings(#[source] serde_json::Error),
    /// A version of another time.
    #[error("{STANDINGS} has the version {0}; only {VERSION} is read")]
    Version(u32),
    /// Too long to be one.
    #[error("{STANDINGS} has {0} bytes, more than {STANDINGS_BYTES_MAX}")]
    StandingsTooLarge(usize),
    /// Dates or a revocation of a key that is not there.
    #[error("{STANDINGS} tells of {0}, which is not there")]
    NoSuchKey(String),
}

/// The keys that are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<TrustedKey>,
    latest: Option<KeyId>,
}

impl Keyring {
    /// Takes keys, each once and each with a name of its own.
    pub fn new(keys: Vec<TrustedKey>) -> Result<Self, KeyringError> {
        if keys.len() > KEYS_MAX {
            return Err(KeyringError::TooMany(keys.len()));
        }
        let (mut names, mut ids) = (BTreeSet::new(), BTreeMap::new());
        for key in &keys {
            if !names.insert(key.name.as_str()) {
                return Err(KeyringError::SameName(key.name.clone()));
            }
            if let Some(first) = ids.insert(key.key.id(), key.name.as_str()) {
                let (first, second) = (first.to_owned(), key.name.clone());
                return Err(KeyringError::SameKey { first, second });
            }
        }
        Ok(Self { keys, latest: None })
    }

    /// Takes a single key.
    pub fn of(name: &str, key: PublicKey) -> Self {
        let standing = Standing::default();
        Self { keys: vec![TrustedKey { name: name.to_owned(), key, standing }], latest: None }
    }

    /// Reads the files of a folder; those that are neither keys (`*.pub`) nor `keyring.json` are ignored.
    pub fn parse<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, KeyringError> {
        let (mut keys, mut latest, mut standings) = (Vec::new(), None, BTreeMap::new());
        for (name, bytes) in files {
            if name == STANDINGS {
                standings = parse_standings(bytes)?;
            } else if name.ends_with(SUFFIX) {
                if keys.len() > KEYS_MAX {
                    return Err(KeyringError::TooMany(keys.len()));
                }
                let key = PublicKey::parse_pem(bytes)
                    .map_err(|source| KeyringError::Key { name: name.to_owned(), source })?;
                if name == LATEST {
                    latest = Some(key.id());
                } else {
                    keys.push((name, key));
                }
            }
        }
        keys.sort_by_key(|(name, _)| (number(name), *name));
        let keys = keys.into_iter().map(|(name, key)| {
            let standing = standings.remove(name).unwrap_or_default();
            TrustedKey { name: name.to_owned(), key, standing }
        });
        let mut ring = Self::new(keys.collect())?;
        if let Some(name) = standings.into_keys().next() {
            return Err(KeyringError::NoSuchKey(name));
        }
        if latest.is_some_and(|id| ring.get(id).is_none()) {
            return Err(KeyringError::Latest);
        }
        ring.latest = latest;
        Ok(ring)
    }

    /// Returns the keys in the order of their numbers.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// Returns the key of that id.
    pub fn get(&self, id: KeyId) -> Option<&TrustedKey> {
        self.keys.iter().find(|key| key.key.id() == id)
    }

    /// Returns the latest key: the one that `latest.pub` names, or else the last.
    pub fn latest(&self) -> Option<&TrustedKey> {
        match self.latest {
            Some(id) => self.get(id),
            None => self.keys.last(),
        }
    }

    /// Adds a key under the next number and makes it the latest. Nothing else changes, so what the others signed stays
    /// verifiable.
    pub fn rotate(&mut self, key: PublicKey) -> Result<(), KeyringError> {
        let next = self.keys.iter().filter_map(|key| number(&key.name)).max().unwrap_or(0) + 1;
        let id = key.id();
        let mut keys = self.keys.clone();
        keys.push(TrustedKey {
            name: format!("{next}{SUFFIX}"),
            key,
            standing: Standing::default(),
        });
        *self = Self { latest: Some(id), ..Self::new(keys)? };
        Ok(())
    }

    /// Changes how far a key is trusted; returns whether it is there.
    pub fn set_standing(&mut self, id: KeyId, standing: Standing) -> bool {
        let key = self.keys.iter_mut().find(|key| key.key.id() == id);
        key.map(|key| key.standing = standing).is_some()
    }

    /// Returns the files of the keyring by name.
    pub fn to_files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files: BTreeMap<String, Vec<u8>> = (self.keys.iter())
            .map(|key| (key.name.clone(), key.key.to_pem().into_bytes()))
            .collect();
        if let Some(latest) = self.latest() {
            files.insert(LATEST.to_owned(), latest.key.to_pem().into_bytes());
        }
        let standings = self.keys.iter().filter(|key| key.standing != Standing::default());
        let keys: BTreeMap<String, Standing> =
            standings.map(|key| (key.name.clone(), key.standing.clone())).collect();
        if !keys.is_empty() {
            let standings = Standings { version: VERSION, keys };
            files.insert(STANDINGS.to_owned(), canonical_json(&standings));
        }
        files
    }
}

/// Returns the number in `12.pub`, written as [`Keyring::rotate`] does.
fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    digits.parse().ok().filter(|number: &u32| number.to_string() == digits && *number < u32::MAX)
}

fn parse_standings(bytes: &[u8]) -> Result<BTreeMap<String, Standing>, KeyringError> {
    if bytes.len() > STANDINGS_BYTES_MAX {
        return Err(KeyringError::StandingsTooLarge(bytes.len()));
    }
    let standings: Standings = serde_json::from_slice(bytes).map_err(KeyringError::Standings)?;
    if standings.version != VERSION {
        return Err(KeyringError::Version(standings.version));
    }
    Ok(standings.keys)
}
