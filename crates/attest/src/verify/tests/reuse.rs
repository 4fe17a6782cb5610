// SPDX-License-Identifier: Apache-2.0
//! Keys that give another signature each time.

use std::cell::Cell;

use super::super::Reusing;
use super::*;
use crate::key::{PublicKey, SignError, Signer, sign_and_check};
use crate::signature::signature_statement;

/// Gives one of two signatures in turn: of each, `s` and `n - s` are both good (SEC 1, 4.1.4).
struct Unsteady {
    key: PrivateKey,
    count: Cell<usize>,
}

impl Unsteady {
    fn new(seed: u8) -> Self {
        Self { key: key(seed), count: Cell::new(0) }
    }
}

impl Signer for Unsteady {
    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let count = self.count.replace(self.count.get() + 1);
        let signature = self.key.sign(message)?;
        if count.is_multiple_of(2) {
            return Ok(signature);
        }
        let signature = p256::ecdsa::Signature::from_der(&signature).unwrap();
        let (r, s) = signature.split_scalars();
        let other = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
        Ok(other.to_der().as_bytes().to_vec())
    }
}

const FORMATS: [(Format, bool); 4] =
    [(Format::Both, true), (Format::Both, false), (Format::Bundle, true), (Format::Legacy, true)];

fn made(signer: &dyn Signer, (format, dhi): (Format, bool)) -> Vec<Artifact> {
    let statement = |kind| SignedStatement::new(statement(kind), signer).unwrap();
    let signature = SignedStatement::new(signature_statement(subjects()), signer).unwrap();
    let statements = [statement(SLSA), statement(SPDX)];
    let options = options(format, dhi);
    attach(&target(&image()), signer, Some(&signature), &statements, options).unwrap()
}

#[test]
fn what_is_signed_is_not_signed_again() {
    for format in FORMATS {
        let signer = Unsteady::new(1);
        assert!(!signer.is_deterministic());
        let first = made(&signer, format);
        // So that what is signed next differs from it.
        signer.count.set(1);
        let other = made(&signer, format);
        assert_ne!(other, first, "{format:?}");
        let mut reusing = Reusing::new(&signer);
        for found in found(&first) {
            reusing.note(&found);
        }
        let before = signer.count.get();
        assert_eq!(made(&reusing, format), first, "{format:?}");
        // Cosign's older tags have no place for the statement that the image is signed.
        let unseen = usize::from(format.0 == Format::Legacy);
        let count = signer.count.replace(before);
        assert_eq!(count, before + unseen, "{format:?}: nothing is left to sign");
        let evidence = check(&found(&first), &keyring(&signer.key));
        assert!(evidence.iter().all(|one| one.outcome.is_ok()), "{}", lines(&evidence));
        // What is new is signed.
        sign_and_check(&reusing, b"new").unwrap();
        assert_eq!(signer.count.get(), before + 1);
    }
}

#[test]
fn no_signature_is_believed() {
    let (signer, stranger) = (Unsteady::new(1), key(2));
    let good = found(&made(&signer, FORMATS[0]));
    let of_stranger = found(&artifacts(&stranger, &image(), options(Format::Both, true)));
    let without_contents = good.iter().cloned().map(|mut one| {
        one.blobs.clear();
        one
    });
    let no_manifest = good.iter().cloned().map(|mut one| {
        one.manifest = b"{}".to_vec();
        one
    });
    // Each content is another's: of a bundle, an envelope, a payload.
    let garbled = good.iter().cloned().map(|mut one| {
        for content in one.blobs.values_mut() {
            content.retain(|byte| *byte != b'a');
        }
        one
    });
    for (what, places) in [
        ("another key", of_stranger),
        ("no contents", without_contents.collect()),
        ("no manifest", no_manifest.collect()),
        ("other contents", garbled.collect()),
    ] {
        let mut reusing = Reusing::new(&signer);
        for found in &places {
            reusing.note(found);
        }
        let before = signer.count.get();
        let artifacts = made(&reusing, FORMATS[0]);
        assert!(signer.count.get() > before, "{what}");
        let evidence = check(&found(&artifacts), &keyring(&signer.key));
        assert!(evidence.iter().all(|one| one.outcome.is_ok()), "{what}: {}", lines(&evidence));
    }
}
