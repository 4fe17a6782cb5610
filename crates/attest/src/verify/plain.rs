// SPDX-License-Identifier: Apache-2.0
//! Plain statements in a manifest that is itself signed: Docker's hardened images, and BuildKit.

use hardpan_image::Descriptor;

use super::found::Parsed;
use super::trust::Trust;
use super::{Accepted, Claim, Evidence, Form, Refusal, bundle, descriptor, examine};
use crate::STATEMENT_BYTES_MAX;
use crate::signature::PAYLOAD_TYPE;

/// The most signatures of one manifest that are tried: else a list of manifests and signatures, each a thousand times,
/// would take hours.
const SIGNATURES_MAX: usize = 16;

/// Whether something refers to another manifest that was found, and not to the image.
pub(super) fn is_signature_of_another(
    one: &Parsed<'_>,
    all: &[Parsed<'_>],
    image: &Descriptor,
) -> bool {
    let Some(subject) = &one.manifest.value().subject else { return false };
    subject.digest != image.digest
        && all.iter().any(|other| {
            other.manifest.digest() == subject.digest && other.form == Form::SignedManifest
        })
}

pub(super) fn check(
    image: &Descriptor,
    one: &Parsed<'_>,
    all: &[Parsed<'_>],
    trust: Trust<'_>,
) -> Vec<Result<Accepted, Refusal>> {
    let layers = &one.manifest.value().layers;
    let signer = match signer(one, all, trust) {
        Ok(signer) => signer,
        Err(tried) => return vec![Err(Refusal::Unsigned { tried })],
    };
    (layers.iter())
        .map(|layer| {
            let statement = statement(image, one, layer, trust)?;
            Ok(Accepted { claim: Claim::Attestation(statement), ..signer.clone() })
        })
        .collect()
}

/// Returns who signed the manifest, which names its layers by their digests.
fn signer(
    one: &Parsed<'_>,
    all: &[Parsed<'_>],
    trust: Trust<'_>,
) -> Result<Accepted, Vec<Evidence>> {
    let manifest = descriptor(&one.manifest);
    let refers = |other: &&Parsed<'_>| {
        let subject = other.manifest.value().subject.as_ref();
        subject.is_some_and(|subject| subject.digest == manifest.digest)
            // A manifest with statements about this one does not sign it, and could go round in circles.
            && other.form != Form::SignedManifest
    };
    let mut tried = Vec::new();
    for other in all.iter().filter(refers).take(SIGNATURES_MAX) {
        for evidence in examine(&manifest, other, &[], trust) {
            match evidence.outcome {
                Ok(accepted) if matches!(accepted.claim, Claim::Signature { .. }) => {
                    return Ok(accepted);
                }
                _ => tried.push(evidence),
            }
        }
    }
    Err(tried)
}

fn statement(
    image: &Descriptor,
    one: &Parsed<'_>,
    layer: &Descriptor,
    trust: Trust<'_>,
) -> Result<crate::Statement, Refusal> {
    if layer.media_type != PAYLOAD_TYPE {
        let found = super::refusal::short(&layer.media_type);
        return Err(Refusal::MixedLayers { expected: PAYLOAD_TYPE.to_owned(), found });
    }
    let statement =
        bundle::statement(one.content(layer, STATEMENT_BYTES_MAX, trust)?, &image.digest)?;
    one.check_predicate_type(layer, &statement.predicate_type)?;
    Ok(statement)
}
