// SPDX-License-Identifier: Apache-2.0
//! All that is attached to one image.

use hardpan_image::{Descriptor, DocumentError, LAYERS_MAX, Manifest};
use hardpan_tree::Digest;

use super::simple_signing::SimpleSigning;
use super::{
    Artifact, SIGN_TYPE, SignedStatement, attestations_manifest, bundle_referrer,
    signature_referrer, signatures_manifest, statement_referrer,
};
use crate::Statement;
use crate::key::{SignError, Signer};

/// In which form signatures and attestations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Both. Cosign 3 looks at no tag where it finds one bundle, and podman, cosign 2 and others look at nothing but
    /// tags, so half of both is worse than either: push all of it or nothing.
    #[default]
    Both,
    /// Sigstore bundles that refer to the image.
    Bundle,
    /// Cosign's tags.
    Legacy,
}

/// How it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachOptions {
    /// In which form.
    pub format: Format,
    /// Also as Docker's hardened images have it: plain statements that refer to the image, and signatures that refer
    /// to them.
    pub dhi: bool,
    /// Also inside of the image index, as BuildKit has it. The index is another one then: it has to be made
    /// ([`super::attestation_manifest`], [`super::index_with`]) before anything is signed.
    pub buildkit: bool,
}

/// What is attached to.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Registry and repository, without a tag: what podman compares with the name that is pulled.
    pub identity: &'a str,
    /// The index or the manifest of a platform. Sign both: podman looks at the manifest, cosign at the index.
    pub subject: &'a Descriptor,
    /// What [`super::signature_tag`] names now.
    pub signatures: Option<&'a Manifest>,
    /// What [`super::attestation_tag`] names now.
    pub attestations: Option<&'a Manifest>,
}

/// Why nothing is attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The key.
    #[error("the image {image} is not signed")]
    Sign {
        /// Which image.
        image: Digest,
        /// Why.
        #[source]
        source: SignError,
    },
    /// A statement about something else.
    #[error("the statement of the type {predicate_type} is not about {subject}")]
    OtherSubject {
        /// What it states.
        predicate_type: String,
        /// What it should be attached to.
        subject: Digest,
    },
    /// A signature that is something else.
    #[error("an image's signature is a statement of the type {SIGN_TYPE}, not {0}")]
    NoSignature(String),
    /// A tag that is used for something else.
    #[error(
        "the tag {tag} has a layer of the type {found:?}, expected {expected:?}; it is not overwritten"
    )]
    Foreign {
        /// The tag.
        tag: String,
        /// What every layer should be.
        expected: String,
        /// What is there.
        found: String,
    },
    /// More than clients take.
    #[error("{tag} would have {count} layers, more than {LAYERS_MAX}")]
    TooMany {
        /// The tag.
        tag: String,
        /// How many.
        count: usize,
    },
    /// A manifest that no registry takes.
    #[error("the manifest is too large")]
    TooLarge(#[source] DocumentError),
}

/// Makes all that is attached to one image: its signature, if it gets one, and attestations. `signature` is the signed
/// [`super::signature_statement`]; it and `statements` are signed once, about all images of an index, and attached to
/// each. `signer` signs what can only be about one image: the older payloads.
///
/// The same arguments give the same bytes. Push a referrer after the manifest that it refers to: the order is right.
pub fn attach(
    target: &Target<'_>,
    signer: &dyn Signer,
    signature: Option<&SignedStatement>,
    statements: &[SignedStatement],
    options: AttachOptions,
) -> Result<Vec<Artifact>, AttachError> {
    let subject = target.subject;
    if let Some(other) = signature.filter(|signed| signed.statement().predicate_type != SIGN_TYPE) {
        return Err(AttachError::NoSignature(other.statement().predicate_type.clone()));
    }
    for signed in signature.into_iter().chain(statements) {
        check_subject(signed.statement(), subject)?;
    }
    let payload = signature.map(|_| sign(target.identity, subject, signer)).transpose()?;
    let mut artifacts = Vec::new();
    if options.format != Format::Legacy {
        let all = signature.into_iter().chain(statements);
        artifacts.extend(all.map(|signed| bundle_referrer(signed, subject)));
    }
    if options.format != Format::Bundle {
        if let Some(payload) = &payload {
            let payloads = std::slice::from_ref(payload);
            artifacts.push(signatures_manifest(&subject.digest, payloads, target.signatures)?);
        }
        if !statements.is_empty() {
            let existing = target.attestations;
            artifacts.push(attestations_manifest(&subject.digest, statements, existing)?);
        }
    }
    if options.dhi {
        artifacts.extend(payload.iter().map(|payload| signature_referrer(payload, subject)));
        for signed in statements {
            let statement = statement_referrer(signed.statement(), subject);
            let manifest = statement.descriptor();
            let payload = sign(target.identity, &manifest, signer)?;
            artifacts.extend([statement, signature_referrer(&payload, &manifest)]);
        }
    }
    Ok(artifacts)
}

/// Makes the signatures of a manifest with plain statements that an image index names. `signature` is the one of the index:
/// it must be about this manifest, too. There is no tag for it: a signature that counts here refers to the manifest.
pub fn sign_attestations(
    identity: &str,
    manifest: &Descriptor,
    signer: &dyn Signer,
    signature: &SignedStatement,
    options: AttachOptions,
) -> Result<Vec<Artifact>, AttachError> {
    check_subject(signature.statement(), manifest)?;
    let mut artifacts = Vec::new();
    if options.format != Format::Legacy {
        artifacts.push(bundle_referrer(signature, manifest));
    }
    if options.format != Format::Bundle {
        artifacts.push(signature_referrer(&sign(identity, manifest, signer)?, manifest));
    }
    Ok(artifacts)
}

fn check_subject(statement: &Statement, subject: &Descriptor) -> Result<(), AttachError> {
    if statement.is_about(&subject.digest) {
        return Ok(());
    }
    let predicate_type = statement.predicate_type.clone();
    Err(AttachError::OtherSubject { predicate_type, subject: subject.digest })
}

fn sign(
    identity: &str,
    image: &Descriptor,
    signer: &dyn Signer,
) -> Result<super::SignedPayload, AttachError> {
    let payload = SimpleSigning { identity: identity.to_owned(), digest: image.digest };
    payload.sign(signer).map_err(|source| AttachError::Sign { image: image.digest, source })
}
