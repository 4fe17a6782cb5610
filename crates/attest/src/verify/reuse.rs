// SPDX-License-Identifier: Apache-2.0
//! Signatures that are there already, used again.
//!
//! Not every key gives the same signature for the same message twice: a token, a server and a plugin draw a random number
//! for each. What is published again would then be another thing with each time.

use std::collections::BTreeMap;
use std::fmt;

use hardpan_image::{Descriptor, Manifest, Raw};
use hardpan_tree::Digest;

use super::{Found, bundle};
use crate::certificate::Issued;
use crate::key::{PublicKey, SignError, Signer, base64};
use crate::signature::{
    ANNOTATION_SIGNATURE, Bundle, ENVELOPE_TYPE, Envelope, SIMPLE_SIGNING_TYPE,
};

/// The most signatures that are kept: each may have to be verified. One of ours that is beyond is made anew.
const SIGNATURES_MAX: usize = 10_000;

/// A signer that does not sign what its key has signed already.
pub struct Reusing<'s> {
    signer: &'s dyn Signer,
    /// By the digest of the message, what is said to be a signature over it.
    known: BTreeMap<Digest, Vec<Vec<u8>>>,
    count: usize,
}

impl fmt::Debug for Reusing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reusing({} signatures)", self.count)
    }
}

impl<'s> Reusing<'s> {
    /// Begins with nothing that is known.
    pub fn new(signer: &'s dyn Signer) -> Self {
        Self { signer, known: BTreeMap::new(), count: 0 }
    }

    /// Takes note of the signatures in something that was found, by whomever they are. Nothing of it is believed: one is
    /// used only if the key verifies it over the very message that is to be signed.
    pub fn note(&mut self, found: &Found) {
        let Ok(manifest) = Raw::<Manifest>::parse(found.manifest.clone()) else { return };
        for layer in &manifest.value().layers {
            let Some(content) = found.blobs.get(&layer.digest) else { continue };
            for (message, signature) in signatures(layer, content) {
                if self.count >= SIGNATURES_MAX {
                    return;
                }
                let known = self.known.entry(message).or_default();
                if !known.contains(&signature) {
                    known.push(signature);
                    self.count += 1;
                }
            }
        }
    }
}

/// Returns the signatures of a layer, each with the digest of what it is over.
fn signatures(layer: &Descriptor, content: &[u8]) -> Vec<(Digest, Vec<u8>)> {
    let of_envelope = |envelope: &Envelope| {
        let message = Digest::of(&envelope.message());
        envelope.signatures.iter().map(|signature| (message, signature.clone())).collect()
    };
    match layer.media_type.as_str() {
        kind if bundle::is_any_bundle_type(kind) => {
            Bundle::parse(content).map(|bundle| of_envelope(bundle.envelope())).unwrap_or_default()
        }
        ENVELOPE_TYPE => {
            Envelope::parse(content).map(|envelope| of_envelope(&envelope)).unwrap_or_default()
        }
        SIMPLE_SIGNING_TYPE => {
            let text = layer.annotations.get(ANNOTATION_SIGNATURE);
            let signature = text.and_then(|text| base64::decode(text));
            signature.map(|signature| (Digest::of(content), signature)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

impl Signer for Reusing<'_> {
    fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let known = self.known.get(&Digest::of(message)).into_iter().flatten();
        let key = self.signer.public_key();
        match known.into_iter().find(|known| key.verify(message, known).is_ok()) {
            Some(known) => Ok(known.clone()),
            None => self.signer.sign(message),
        }
    }

    fn is_deterministic(&self) -> bool {
        self.signer.is_deterministic()
    }

    fn issued(&self) -> Option<&Issued> {
        self.signer.issued()
    }
}
