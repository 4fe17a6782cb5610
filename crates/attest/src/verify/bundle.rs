// SPDX-License-Identifier: Apache-2.0
//! Sigstore bundles.

use hardpan_image::Descriptor;

use super::found::Parsed;
use super::trust::{Trust, accepted};
use super::{Accepted, Claim, Refusal};
use crate::Statement;
use crate::signature::{BUNDLE_BYTES_MAX, Bundle, Material, SIGN_TYPE};

/// Whether this is a bundle of any version; those that can't be read say so.
pub(super) fn is_any_bundle_type(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.dev.sigstore.bundle")
}

pub(super) fn check(
    image: &Descriptor,
    one: &Parsed<'_>,
    trust: Trust<'_>,
) -> Result<Accepted, Refusal> {
    let [layer] = &one.manifest.value().layers[..] else {
        return Err(Refusal::Layers(one.manifest.value().layers.len()));
    };
    let bytes = one.content(layer, BUNDLE_BYTES_MAX, trust)?;
    let bundle = Bundle::parse(bytes).map_err(Refusal::Bundle)?;
    let Material::PublicKey(hint) = bundle.material() else { return Err(Refusal::Certificate) };
    let envelope = bundle.envelope();
    let key = trust.signer(&envelope.message(), &envelope.signatures, Some(hint))?;
    let statement = statement(&envelope.payload, image)?;
    one.check_predicate_type(layer, &statement.predicate_type)?;
    // A bundle of any other type, by whatever key, is no signature of the image.
    let claim = if statement.predicate_type == SIGN_TYPE {
        Claim::Signature { identity: None }
    } else {
        Claim::Attestation(statement)
    };
    Ok(accepted(key, claim))
}

/// Reads what was signed, and checks that it is about the image.
pub(super) fn statement(payload: &[u8], image: &Descriptor) -> Result<Statement, Refusal> {
    let statement = Statement::parse(payload).map_err(Refusal::Statement)?;
    if statement.is_about(&image.digest) {
        Ok(statement)
    } else {
        Err(Refusal::OtherImage(image.digest))
    }
}
