// SPDX-License-Identifier: Apache-2.0
//! Which trusted key made a signature.

use std::cell::Cell;

use super::{Accepted, Claim, Refusal, Witnessed};
use crate::certificate::Identity;
use crate::key::{Keyring, Signer, TrustedKey, UtcTime};
use crate::root::TrustedRoot;

/// Who is trusted, and what must be proven.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Keys.
    pub keys: &'a Keyring,
    /// Logs, timestamp authorities and certificate authorities. Where there is none, what these say is not verified.
    pub root: Option<&'a TrustedRoot>,
    /// Who may sign without a key of their own, with a certificate that an authority of the root issued.
    pub identity: Option<&'a Identity>,
    /// Whether certificates count without logs and timestamps, as if used at once: for those who look at what they signed
    /// themselves.
    pub certificates_alone: bool,
    /// Whether a signature counts only with an entry of a log of the root.
    pub require_log: bool,
    /// Whether a signature counts only with a timestamp of an authority of the root.
    pub require_timestamp: bool,
}

impl<'a> From<&'a Keyring> for Rules<'a> {
    fn from(keys: &'a Keyring) -> Self {
        Self {
            keys,
            root: None,
            identity: None,
            certificates_alone: false,
            require_log: false,
            require_timestamp: false,
        }
    }
}

impl<'a> Rules<'a> {
    /// Trusts what a signer signed: its key, or the identity of its certificate with any other key.
    pub fn of_signer(signer: &'a dyn Signer, keys: &'a Keyring) -> Self {
        let issued = signer.issued();
        Self {
            root: issued.map(|issued| &issued.root),
            identity: issued.map(|issued| issued.certificate.identity()),
            certificates_alone: true,
            ..Self::from(keys)
        }
    }
}

/// Who is trusted, and when it is.
#[derive(Clone, Copy)]
pub(super) struct Trust<'a> {
    pub(super) rules: Rules<'a>,
    pub(super) now: &'a UtcTime,
    /// How many bytes may still be looked at.
    pub(super) budget: &'a Cell<usize>,
}

impl<'a> Trust<'a> {
    /// Counts bytes that are about to be hashed, once for each key at worst.
    pub(super) fn spend(self, bytes: usize) -> Result<(), Refusal> {
        let left = self.budget.get().checked_sub(bytes).ok_or(Refusal::TooMuch)?;
        self.budget.set(left);
        Ok(())
    }

    /// Checks that others say as much of a signature as they must.
    pub(super) fn check_witnesses(self, witnessed: &Witnessed) -> Result<(), Refusal> {
        if self.rules.require_log && witnessed.entries.is_empty() {
            return Err(Refusal::NotLogged);
        }
        if self.rules.require_timestamp && witnessed.timestamps.is_empty() {
            return Err(Refusal::NotTimestamped);
        }
        Ok(())
    }

    /// Says what a key signed in a form that has room for nobody else's word.
    pub(super) fn accept_bare(self, key: &TrustedKey, claim: Claim) -> Result<Accepted, Refusal> {
        self.check_witnesses(&Witnessed::default())?;
        Ok(accepted(key, claim))
    }

    /// Returns the trusted key that made one of the signatures over a message. `hint` is what was said about the key; it
    /// only decides what is wrong if none did.
    pub(super) fn signer(
        self,
        message: &[u8],
        signatures: &[Vec<u8>],
        hint: Option<&str>,
    ) -> Result<&'a TrustedKey, Refusal> {
        let keys = self.rules.keys.keys();
        if keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        let mut refusal = None;
        for key in keys {
            let made = |signature: &Vec<u8>| key.key.verify(message, signature).is_ok();
            if !signatures.iter().any(made) {
                continue;
            }
            match key.check(self.now) {
                Ok(()) => return Ok(key),
                Err(source) => {
                    let (key, name) = (key.key.id(), key.name.clone());
                    refusal = Some(Refusal::NotTrusted { key, name, source });
                }
            }
        }
        Err(refusal.unwrap_or_else(|| {
            match keys.iter().find(|key| Some(key.key.id().to_hint().as_str()) == hint) {
                Some(key) => Refusal::BadSignature { key: key.key.id(), name: key.name.clone() },
                None => Refusal::UntrustedKey { hint: hint.map(super::refusal::short) },
            }
        }))
    }
}

/// What a key signed.
pub(super) fn accepted(key: &TrustedKey, claim: Claim) -> Accepted {
    let (id, key_name) = (key.key.id(), key.name.clone());
    Accepted { key: id, key_name, claim, witnessed: Witnessed::default() }
}
