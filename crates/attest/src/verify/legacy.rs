// SPDX-License-Identifier: Apache-2.0
//! Signatures and attestations as cosign 2 writes them; one for each layer.

use hardpan_image::Descriptor;

use super::found::Parsed;
use super::trust::Trust;
use super::{Accepted, Claim, Refusal, bundle};
use crate::key::base64;
use crate::signature::{
    ANNOTATION_SIGNATURE, ENVELOPE_BYTES_MAX, ENVELOPE_TYPE, Envelope, PAYLOAD_BYTES_MAX,
    SIMPLE_SIGNING_TYPE, SimpleSigning,
};

/// The annotation with the certificate of a keyless signature.
const ANNOTATION_CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

type Outcomes = Vec<Result<Accepted, Refusal>>;

pub(super) fn check_signatures(image: &Descriptor, one: &Parsed<'_>, trust: Trust<'_>) -> Outcomes {
    let layers = one.manifest.value().layers.iter();
    layers.map(|layer| signature(image, one, layer, trust)).collect()
}

fn signature(
    image: &Descriptor,
    one: &Parsed<'_>,
    layer: &Descriptor,
    trust: Trust<'_>,
) -> Result<Accepted, Refusal> {
    check_type(layer, SIMPLE_SIGNING_TYPE)?;
    let payload = one.content(layer, PAYLOAD_BYTES_MAX, trust)?;
    let signature =
        layer.annotations.get(ANNOTATION_SIGNATURE).and_then(|text| base64::decode(text));
    let signature = signature.ok_or(Refusal::SignatureText)?;
    let key =
        trust.signer(payload, &[signature], None).map_err(|refusal| keyless(refusal, layer))?;
    let payload = SimpleSigning::parse(payload).map_err(Refusal::Payload)?;
    if payload.digest != image.digest {
        return Err(Refusal::OtherImage(image.digest));
    }
    trust.accept_bare(key, Claim::Signature { identity: Some(payload.identity) })
}

pub(super) fn check_attestations(
    image: &Descriptor,
    one: &Parsed<'_>,
    trust: Trust<'_>,
) -> Outcomes {
    let layers = one.manifest.value().layers.iter();
    layers.map(|layer| attestation(image, one, layer, trust)).collect()
}

fn attestation(
    image: &Descriptor,
    one: &Parsed<'_>,
    layer: &Descriptor,
    trust: Trust<'_>,
) -> Result<Accepted, Refusal> {
    check_type(layer, ENVELOPE_TYPE)?;
    let bytes = one.content(layer, ENVELOPE_BYTES_MAX, trust)?;
    let envelope = Envelope::parse(bytes).map_err(Refusal::Envelope)?;
    let key = trust
        .signer(&envelope.message(), &envelope.signatures, None)
        .map_err(|refusal| keyless(refusal, layer))?;
    let statement = bundle::statement(&envelope.payload, &image.digest)?;
    one.check_predicate_type(layer, &statement.predicate_type)?;
    trust.accept_bare(key, Claim::Attestation(statement))
}

fn check_type(layer: &Descriptor, expected: &str) -> Result<(), Refusal> {
    if layer.media_type == expected {
        return Ok(());
    }
    let found = super::refusal::short(&layer.media_type);
    Err(Refusal::MixedLayers { expected: expected.to_owned(), found })
}

/// What no key verifies may have a certificate.
fn keyless(refusal: Refusal, layer: &Descriptor) -> Refusal {
    match refusal {
        Refusal::UntrustedKey { .. } if layer.annotations.contains_key(ANNOTATION_CERTIFICATE) => {
            Refusal::Certificate
        }
        other => other,
    }
}
