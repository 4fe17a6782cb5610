// SPDX-License-Identifier: Apache-2.0
//! What something that was found proves.

use std::fmt;

use hardpan_tree::Digest;

use super::{Found, Refusal, Source, Witnessed};
use crate::Statement;
use crate::key::KeyId;

/// In which form something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A Sigstore bundle that refers to the image.
    Bundle,
    /// Cosign's tag `sha256-….sig`.
    SignatureTag,
    /// Cosign's tag `sha256-….att`.
    AttestationTag,
    /// The payload of `sha256-….sig`, in a manifest that refers to the image.
    SignatureReferrer,
    /// An envelope in a manifest that refers to the image.
    EnvelopeReferrer,
    /// Plain statements in a manifest that is itself signed: Docker's hardened images, BuildKit.
    SignedManifest,
    /// None of these.
    Unknown,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundle => "Sigstore bundle",
            Self::SignatureTag => "signature of cosign 2",
            Self::AttestationTag => "attestation of cosign 2",
            Self::SignatureReferrer => "signature as a referrer",
            Self::EnvelopeReferrer => "envelope as a referrer",
            Self::SignedManifest => "signed manifest with statements",
            Self::Unknown => "unknown form",
        })
    }
}

/// What is proven.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The signer says: this image is mine.
    Signature {
        /// Under which name, where the form has one (registry and repository). Whether it is the right one depends on
        /// where the image was pulled from, and is the caller's to decide.
        identity: Option<String>,
    },
    /// The signer states something about this image. That alone does not make the image a signed one.
    Attestation(Statement),
}

/// What is proven, and by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The key.
    pub key: KeyId,
    /// What the keyring calls it; of a certificate's key, whose certificate it is.
    pub key_name: String,
    /// What it signed.
    pub claim: Claim,
    /// What others say of the signature.
    pub witnessed: Witnessed,
}

/// Something that was found, and what it proves or why it does not.
#[derive(Debug)]
pub struct Evidence {
    /// Where it was found.
    pub source: Source,
    /// Its manifest.
    pub manifest: Digest,
    /// How it is written.
    pub form: Form,
    /// The predicate type that its manifest announces; nothing proves that.
    pub announced: Option<String>,
    /// What it proves.
    pub outcome: Result<Accepted, Refusal>,
}

impl Evidence {
    pub(super) fn new(found: &Found, form: Form, outcome: Result<Accepted, Refusal>) -> Self {
        let announced = found.announced();
        let manifest = Digest::of(&found.manifest);
        Self { source: found.source, manifest, form, announced, outcome }
    }

    /// Says of something that a list names that it is not there, or is no manifest.
    pub fn not_there(source: Source, manifest: Digest) -> Self {
        let (form, announced) = (Form::Unknown, None);
        Self { source, manifest, form, announced, outcome: Err(Refusal::NotThere) }
    }

    pub(super) fn refused(found: &Found, form: Form, refusal: Refusal) -> Self {
        Self::new(found, form, Err(refusal))
    }

    /// Returns whether it proves that a trusted key signed the image itself.
    pub fn is_signature(&self) -> bool {
        matches!(&self.outcome, Ok(Accepted { claim: Claim::Signature { .. }, .. }))
    }

    /// Returns why it proves nothing, if it does not.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.outcome.as_ref().err()
    }

    /// Returns the statement about the image, if it proves one.
    pub fn statement(&self) -> Option<&Statement> {
        match &self.outcome {
            Ok(Accepted { claim: Claim::Attestation(statement), .. }) => Some(statement),
            _ => None,
        }
    }
}

/// Returns whether a trusted key signed the image itself: an attestation, even a good one, is no signature.
pub fn is_signed(evidence: &[Evidence]) -> bool {
    evidence.iter().any(Evidence::is_signature)
}

/// Returns the proven statements of a predicate type. The same one, found twice, comes twice.
pub fn attestations<'a>(
    evidence: &'a [Evidence],
    predicate_type: &'a str,
) -> impl Iterator<Item = &'a Statement> {
    evidence
        .iter()
        .filter_map(Evidence::statement)
        .filter(move |statement| statement.predicate_type == predicate_type)
}
