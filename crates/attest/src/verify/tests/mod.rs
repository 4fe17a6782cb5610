// SPDX-License-Identifier: Apache-2.0

mod certificates;
mod cosign;
mod forms;
mod mutations;
mod refusals;
mod reuse;

use hardpan_image::Descriptor;

use super::{Evidence, Found, verify};
use crate::fixtures::*;
use crate::key::{Keyring, PrivateKey};
use crate::signature::{Artifact, AttachOptions, Format, SignedStatement, Target, attach};

pub(super) fn target(subject: &Descriptor) -> Target<'_> {
    Target { identity: IDENTITY, subject, signatures: None, attestations: None }
}

/// Signature and two attestations, in a form.
pub(super) fn artifacts(
    key: &PrivateKey,
    subject: &Descriptor,
    options: AttachOptions,
) -> Vec<Artifact> {
    let signature = image_signature(key);
    let statements = [signed(SLSA, key), signed(SPDX, key)];
    attach(&target(subject), key, Some(&signature), &statements, options).unwrap()
}

pub(super) fn options(format: Format, dhi: bool) -> AttachOptions {
    AttachOptions { format, dhi, buildkit: false }
}

pub(super) fn found(artifacts: &[Artifact]) -> Vec<Found> {
    artifacts.iter().map(Found::of).collect()
}

pub(super) fn check(found: &[Found], keys: &Keyring) -> Vec<Evidence> {
    verify(&image(), found, keys, &now())
}

/// A single bundle about the image.
pub(super) fn bundle(signed: &SignedStatement) -> Found {
    Found::of(&crate::signature::bundle_referrer(signed, &image()))
}

/// Every piece of evidence in a line.
pub(super) fn lines(evidence: &[Evidence]) -> String {
    let line = |one: &Evidence| match &one.outcome {
        Ok(accepted) => {
            let claim = match &accepted.claim {
                super::Claim::Signature { identity } => format!("signature {identity:?}"),
                super::Claim::Attestation(statement) => statement.predicate_type.clone(),
            };
            format!("{}, {}: {} by {}\n", one.source, one.form, claim, accepted.key_name)
        }
        Err(refusal) => format!("{}, {}: refused: {refusal}\n", one.source, one.form),
    };
    evidence.iter().map(line).collect()
}
