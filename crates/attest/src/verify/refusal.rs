// SPDX-License-Identifier: Apache-2.0
//! Why something proves nothing.

use hardpan_image::{DocumentError, Manifest};
use hardpan_tree::Digest;

use super::Evidence;
use super::found::artifact_type;
use crate::StatementError;
use crate::certificate::CertificateError;
use crate::key::{KeyId, NotTrusted};
use crate::log::LogError;
use crate::signature::{BundleError, EnvelopeError, SimpleSigningError};
use crate::timestamp::TimestampError;

/// Why something that was found proves nothing about the image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// More than [`super::FOUND_MAX`] were found.
    #[error(
        "more than {} manifests refer to the image; the rest is not looked at",
        super::FOUND_MAX
    )]
    TooMany,
    /// The manifest.
    #[error("its manifest can't be read")]
    Manifest(#[source] DocumentError),
    /// What listed it named other bytes.
    #[error("the list of referrers named {listed}, but this is {found}")]
    Listed {
        /// What the list said.
        listed: Digest,
        /// What came.
        found: Digest,
    },
    /// Neither signature nor attestation.
    #[error(
        "it is neither a signature nor an attestation of a known form (its artifact type is {0:?})"
    )]
    Unknown(String),
    /// It refers to something else.
    #[error("it refers to {found}, not to {image}")]
    Subject {
        /// What was asked for.
        image: Digest,
        /// What it refers to.
        found: Digest,
    },
    /// It refers to the right digest with another length.
    #[error("it says that the image's manifest has {found} bytes; it has {image}")]
    SubjectSize {
        /// The length of the image's manifest.
        image: u64,
        /// What it says.
        found: u64,
    },
    /// It refers to nothing, and so could lie beside any image.
    #[error("it refers to nothing (its manifest has no subject)")]
    NoSubject,
    /// It calls itself something that it is not.
    #[error("it calls itself {said:?}, but holds {holds:?}")]
    ArtifactType {
        /// What manifest or list say.
        said: String,
        /// What the layer is.
        holds: String,
    },
    /// Other than one layer.
    #[error("its manifest has {0} layers; there must be one")]
    Layers(usize),
    /// Layers of two kinds.
    #[error("a layer is {found:?} among those of the kind {expected:?}")]
    MixedLayers {
        /// The kind.
        expected: String,
        /// The layer.
        found: String,
    },
    /// Its content was not found.
    #[error("its content {0} is missing")]
    Missing(Digest),
    /// Its content is not what the manifest names.
    #[error("its content is not {0}, which its manifest names")]
    Altered(Digest),
    /// Its content has another length than its manifest says.
    #[error("its content has {found} bytes; its manifest says {said}")]
    Size {
        /// What the manifest says.
        said: u64,
        /// What it has.
        found: u64,
    },
    /// It is in a list, and is not there or is no manifest.
    #[error("it is in the list of what refers to the image, but is not there, or is no manifest")]
    NotThere,
    /// Its content is longer than what is read.
    #[error("its content has {found} bytes, more than {max}")]
    TooLarge {
        /// What it has.
        found: u64,
        /// What is read.
        max: usize,
    },
    /// Everything together is longer than what is read.
    #[error(
        "all that was found has more than {} bytes; the rest is not looked at",
        super::FOUND_BYTES_MAX
    )]
    TooMuch,
    /// A bundle that can't be read.
    #[error("its bundle can't be verified")]
    Bundle(#[source] BundleError),
    /// An envelope that can't be read.
    #[error("its envelope can't be read")]
    Envelope(#[source] EnvelopeError),
    /// A payload that can't be read.
    #[error("its payload can't be read")]
    Payload(#[source] SimpleSigningError),
    /// A signature that is not base64, or none.
    #[error("it has no signature in base64")]
    SignatureText,
    /// Verified by a certificate, which is not a key.
    #[error("it is signed with a certificate (keyless), not with a key")]
    Certificate,
    /// A certificate that is none, or that nobody who is trusted issued.
    #[error("its certificate proves nothing")]
    BadCertificate(#[source] CertificateError),
    /// A signature that the certificate's key did not make.
    #[error("the signature is not by the key of its certificate: it was altered")]
    NotCertificates,
    /// Somebody else's certificate.
    #[error("it is signed by {found:?}, who is somebody else than the identity that is trusted")]
    OtherIdentity {
        /// Whose it is, if its authority is to be believed.
        found: String,
    },
    /// A certificate for which somebody else proved the identity.
    #[error("{found:?} proved the identity, which is not the issuer that is trusted")]
    OtherIssuer {
        /// Who did.
        found: String,
    },
    /// A certificate without a time at which it was used.
    #[error(
        "it is signed with a certificate, and no timestamp proves that this was while that was valid"
    )]
    NoTime,
    /// An entry of a log.
    #[error("its entry in a transparency log proves nothing")]
    Log(#[source] LogError),
    /// A timestamp.
    #[error("its timestamp proves nothing")]
    Timestamp(#[source] TimestampError),
    /// No entry of a log.
    #[error("it has no entry in a transparency log, which is required")]
    NotLogged,
    /// No timestamp.
    #[error("it has no timestamp, which is required")]
    NotTimestamped,
    /// No key to verify with.
    #[error("there is no trusted key")]
    NoKeys,
    /// Made by somebody else, or altered.
    #[error("no trusted key verifies it{}; either another key signed it, or it was altered", named(.hint.as_deref()))]
    UntrustedKey {
        /// What it says about the key.
        hint: Option<String>,
    },
    /// It names a trusted key, which did not sign this.
    #[error("the signature is not by the key {name} ({key}), which it names: it was altered")]
    BadSignature {
        /// The key.
        key: KeyId,
        /// What the keyring calls it.
        name: String,
    },
    /// A key that is in the keyring, but not trusted now.
    #[error("the key {name} ({key}) is not trusted")]
    NotTrusted {
        /// The key.
        key: KeyId,
        /// What the keyring calls it.
        name: String,
        /// Why.
        #[source]
        source: NotTrusted,
    },
    /// What is signed is no statement.
    #[error("what is signed is no statement")]
    Statement(#[source] StatementError),
    /// A good signature over something else.
    #[error("what is signed is about other images, not about {0}")]
    OtherImage(Digest),
    /// An annotation that contradicts the statement.
    #[error("it announces a statement of the type {said:?}, but holds one of {is:?}")]
    PredicateType {
        /// What annotations say.
        said: String,
        /// What the statement is.
        is: String,
    },
    /// Plain statements in a manifest that nobody trusted signed.
    #[error("nobody who is trusted signed the manifest with the statement ({} signatures were tried)", .tried.len())]
    Unsigned {
        /// What refers to that manifest, and what is wrong with it.
        tried: Vec<Evidence>,
    },
}

fn named(hint: Option<&str>) -> String {
    hint.map(|hint| format!(" (it names {hint:?})")).unwrap_or_default()
}

impl Refusal {
    pub(super) fn unknown(manifest: &Manifest) -> Self {
        Self::Unknown(short(artifact_type(manifest)))
    }
}

/// What others wrote may be long.
pub(super) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
