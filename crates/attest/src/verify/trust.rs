// SPDX-License-Identifier: Apache-2.0
//! Which trusted key made a signature.

use std::cell::Cell;

use super::{Accepted, Claim, Refusal};
use crate::key::{Keyring, TrustedKey, UtcTime};

/// Who is trusted, and when it is.
#[derive(Clone, Copy)]
pub(super) struct Trust<'a> {
    pub(super) keys: &'a Keyring,
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

    /// Returns the trusted key that made one of the signatures over a message. `hint` is what was said about the key; it
    /// only decides what is wrong if none did.
    pub(super) fn signer(
        self,
        message: &[u8],
        signatures: &[Vec<u8>],
        hint: Option<&str>,
    ) -> Result<&'a TrustedKey, Refusal> {
        let keys = self.keys.keys();
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
    Accepted { key: key.key.id(), key_name: key.name.clone(), claim }
}
