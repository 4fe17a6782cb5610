// SPDX-License-Identifier: Apache-2.0
//! How signatures are written so that other tools read them, too.
//!
//! One statement is signed once ([`SignedStatement`]) and then written in each form that somebody reads: as a Sigstore
//! bundle that refers to the image, as cosign's older tags, as Docker's hardened images have it, or inside of the image
//! index as BuildKit has it. [`attach`] makes all of them for one image as data; somebody else pushes them.

mod artifact;
mod attach;
mod buildkit;
mod bundle;
mod dsse;
mod legacy;
mod referrer;
mod simple_signing;
#[cfg(test)]
mod tests;
mod witness;

pub use artifact::{Artifact, Placement};
pub use attach::{AttachError, AttachOptions, Format, Target, attach, sign_attestations};
pub use buildkit::{
    ATTESTATION_MANIFEST_TYPE, attestation_manifest, index_with, index_without,
    is_attestation_entry, is_attestation_of, names, within_index,
};
pub use bundle::{BUNDLE_BYTES_MAX, BUNDLE_TYPE, Bundle, BundleError, Material, is_bundle_type};
pub use dsse::{
    ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, PAYLOAD_TYPE, SignStatementError, SignedStatement,
    pre_authentication_encoding,
};
pub use legacy::{
    ENVELOPE_TYPE, attestation_tag, attestations_manifest, merged_manifest, signature_tag,
    signatures_manifest, union_manifest,
};
pub use referrer::{
    ANNOTATION_BUNDLE_CONTENT, ANNOTATION_BUNDLE_PREDICATE_TYPE, ANNOTATION_PREDICATE_TYPE,
    bundle_referrer, signature_referrer, statement_referrer,
};
pub use simple_signing::{
    ANNOTATION_SIGNATURE, SIGNATURE_ARTIFACT_TYPE, SIMPLE_SIGNING_TYPE, SignedPayload,
    SimpleSigning, SimpleSigningError,
};
pub use witness::{WITNESSES_MAX, Witness};

pub(crate) use legacy::ANNOTATION_PREDICATE as ANNOTATION_LEGACY_PREDICATE_TYPE;
pub(crate) use simple_signing::PAYLOAD_BYTES_MAX;

use crate::{Statement, Subject};

/// The predicate type of a statement that says no more than "this image is ours".
pub const SIGN_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Makes the statement that is an image's signature.
pub fn signature_statement(subjects: Vec<Subject>) -> Statement {
    let predicate = serde_json::Map::new();
    Statement::new(subjects, SIGN_TYPE, &predicate).expect("an empty object can be written as JSON")
}
