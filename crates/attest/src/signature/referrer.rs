// SPDX-License-Identifier: Apache-2.0
//! Manifests that refer to what they are about (OCI image specification 1.1, `subject`).

use std::collections::BTreeMap;

use hardpan_image::{Descriptor, Manifest, Raw};

use super::artifact::{blob, cosign_config, empty_config, manifest, plain};
use super::bundle::BUNDLE_TYPE;
use super::dsse::PAYLOAD_TYPE;
use super::simple_signing::{SIGNATURE_ARTIFACT_TYPE, SignedPayload};
use super::{Artifact, Placement, SignedStatement};
use crate::Statement;

/// The annotation with what kind of content a bundle has.
pub const ANNOTATION_BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
/// The annotation with what the statement of a bundle states.
pub const ANNOTATION_BUNDLE_PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
/// The annotation with what a statement states, in whatever it is wrapped; Trivy and BuildKit choose by it.
pub const ANNOTATION_PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// Makes the referrer with a statement as a Sigstore bundle.
pub fn bundle_referrer(signed: &SignedStatement, subject: &Descriptor) -> Artifact {
    let predicate_type = signed.statement().predicate_type.clone();
    let layer = blob(BUNDLE_TYPE, signed.to_bundle());
    let annotations = BTreeMap::from([
        (ANNOTATION_BUNDLE_CONTENT.to_owned(), "dsse-envelope".to_owned()),
        (ANNOTATION_BUNDLE_PREDICATE_TYPE.to_owned(), predicate_type.clone()),
        (ANNOTATION_PREDICATE_TYPE.to_owned(), predicate_type),
    ]);
    referrer(BUNDLE_TYPE, empty_config(), layer, subject, annotations)
}

/// Makes the referrer with a statement that nobody signed, as Docker's hardened images have it: the signature refers
/// to this manifest ([`signature_referrer`]).
pub fn statement_referrer(statement: &Statement, subject: &Descriptor) -> Artifact {
    let mut layer = blob(PAYLOAD_TYPE, statement.to_bytes());
    let annotations = predicate_type_annotation(statement);
    layer.0.annotations.clone_from(&annotations);
    referrer(PAYLOAD_TYPE, empty_config(), layer, subject, annotations)
}

/// Makes the referrer with a signature over what it refers to (cosign's `--experimental-oci11`).
pub fn signature_referrer(signature: &SignedPayload, subject: &Descriptor) -> Artifact {
    let layer = signature.layer();
    let config = cosign_config(SIGNATURE_ARTIFACT_TYPE, std::slice::from_ref(&layer.0));
    referrer(SIGNATURE_ARTIFACT_TYPE, config, layer, subject, BTreeMap::new())
}

pub(super) fn predicate_type_annotation(statement: &Statement) -> BTreeMap<String, String> {
    BTreeMap::from([(ANNOTATION_PREDICATE_TYPE.to_owned(), statement.predicate_type.clone())])
}

fn referrer(
    artifact_type: &str,
    config: (Descriptor, Vec<u8>),
    layer: (Descriptor, Vec<u8>),
    subject: &Descriptor,
    annotations: BTreeMap<String, String>,
) -> Artifact {
    let manifest = Manifest {
        artifact_type: Some(artifact_type.to_owned()),
        subject: Some(plain(subject)),
        annotations,
        ..manifest(config.0.clone(), vec![layer.0.clone()])
    };
    Artifact {
        manifest: Raw::new(manifest),
        blobs: vec![config, layer],
        place: Placement::Referrer,
    }
}
