// SPDX-License-Identifier: Apache-2.0
//! Whether what was found beside an image is so.
//!
//! [`verify`] takes what somebody discovered (in a registry, in a layout) and the trusted keys, and says of every piece
//! what it proves or why it proves nothing. It believes nothing but signatures: not the artifact type, not annotations,
//! not names of keys, not where something was found.

mod bundle;
mod evidence;
mod file;
mod found;
mod legacy;
mod plain;
mod refusal;
mod reuse;
mod trust;
mod witness;

#[cfg(test)]
mod tests;

use std::cell::Cell;

use hardpan_image::{Descriptor, Manifest, Raw};

pub use evidence::{Accepted, Claim, Evidence, Form, attestations, is_signed};
pub use file::verify_file;
pub use found::{Found, Source};
pub use refusal::Refusal;
pub use reuse::Reusing;
pub use trust::Rules;
pub use witness::{LogPlace, SeenAt, Witnessed};

use crate::key::UtcTime;
use crate::signature::{ENVELOPE_TYPE, PAYLOAD_TYPE, SIMPLE_SIGNING_TYPE, SignedStatement};
use found::Parsed;
use trust::Trust;

/// The most manifests that are looked at for one image; Trivy looks at 100. Each costs a signature per key.
pub const FOUND_MAX: usize = 1_000;
/// The most bytes of contents that are looked at for one image. One manifest can name one large blob a hundred times.
pub const FOUND_BYTES_MAX: usize = 2 << 30;

/// Returns whether the content of a layer of this type is looked at: what is anything else need not be fetched.
pub fn is_looked_at(media_type: &str) -> bool {
    bundle::is_any_bundle_type(media_type)
        || [SIMPLE_SIGNING_TYPE, ENVELOPE_TYPE, PAYLOAD_TYPE].contains(&media_type)
}

/// Says what everything that was found proves about an image, which is an index or the manifest of a platform. `now` is
/// what keys' dates are compared with.
///
/// Where statements are not signed themselves but by something that refers to them, put both into `found`.
pub fn verify<'r>(
    image: &Descriptor,
    found: &[Found],
    rules: impl Into<Rules<'r>>,
    now: &UtcTime,
) -> Vec<Evidence> {
    verify_within(FOUND_BYTES_MAX, image, found, rules, now)
}

/// Returns the bundles about an image that a trusted key signed, as they were signed: what they say need not be signed
/// again. Of logs and timestamps in them nothing is verified.
pub fn signed_by<'r>(
    image: &Descriptor,
    found: &[Found],
    rules: impl Into<Rules<'r>>,
    now: &UtcTime,
) -> Vec<SignedStatement> {
    let budget = Cell::new(FOUND_BYTES_MAX);
    let trust = Trust { rules: rules.into(), now, budget: &budget };
    let parsed = found.iter().take(FOUND_MAX).filter_map(|found| found.parse().ok());
    parsed
        .filter(|one| one.form == Form::Bundle && found::check_place(one, image).is_ok())
        .filter_map(|one| bundle::signed_by(image, &one, trust).ok())
        .collect()
}

fn verify_within<'r>(
    bytes_max: usize,
    image: &Descriptor,
    found: &[Found],
    rules: impl Into<Rules<'r>>,
    now: &UtcTime,
) -> Vec<Evidence> {
    let budget = Cell::new(bytes_max);
    let trust = Trust { rules: rules.into(), now, budget: &budget };
    let (found, rest) = found.split_at(found.len().min(FOUND_MAX));
    let mut evidence = Vec::new();
    let mut parsed = Vec::new();
    for found in found {
        match found.parse() {
            Ok(good) => parsed.push(good),
            Err(refusal) => evidence.push(Evidence::refused(found, Form::Unknown, refusal)),
        }
    }
    for one in &parsed {
        if plain::is_signature_of_another(one, &parsed, image) {
            continue;
        }
        evidence.extend(examine(image, one, &parsed, trust));
    }
    let too_many = |found| Evidence::refused(found, Form::Unknown, Refusal::TooMany);
    evidence.extend(rest.iter().map(too_many));
    evidence
}

/// Says what one manifest proves: one piece of evidence for each layer.
fn examine(
    image: &Descriptor,
    one: &Parsed<'_>,
    all: &[Parsed<'_>],
    trust: Trust<'_>,
) -> Vec<Evidence> {
    let form = one.form;
    if let Err(refusal) = found::check_place(one, image) {
        return vec![Evidence::refused(one.found, form, refusal)];
    }
    let outcomes = match form {
        Form::Bundle => vec![bundle::check(image, one, trust)],
        Form::SignatureTag | Form::SignatureReferrer => legacy::check_signatures(image, one, trust),
        Form::AttestationTag | Form::EnvelopeReferrer => {
            legacy::check_attestations(image, one, trust)
        }
        Form::SignedManifest => plain::check(image, one, all, trust),
        Form::Unknown => vec![Err(Refusal::unknown(one.manifest.value()))],
    };
    outcomes.into_iter().map(|outcome| Evidence::new(one.found, form, outcome)).collect()
}

/// Returns the form, by what the layers are. What the manifest calls itself is compared with that.
fn form(manifest: &Manifest) -> Form {
    let refers = manifest.subject.is_some();
    let is = |wanted: &str| manifest.layers.iter().any(|layer| layer.media_type == wanted);
    if manifest.layers.iter().any(|layer| bundle::is_any_bundle_type(&layer.media_type)) {
        Form::Bundle
    } else if is(SIMPLE_SIGNING_TYPE) {
        if refers { Form::SignatureReferrer } else { Form::SignatureTag }
    } else if is(ENVELOPE_TYPE) {
        if refers { Form::EnvelopeReferrer } else { Form::AttestationTag }
    } else if is(PAYLOAD_TYPE) {
        Form::SignedManifest
    } else {
        Form::Unknown
    }
}

/// Returns the descriptor of a manifest that was found.
fn descriptor(manifest: &Raw<Manifest>) -> Descriptor {
    let media_type = hardpan_image::media_type::MANIFEST;
    Descriptor::new(media_type, manifest.digest(), manifest.size_bytes())
}
