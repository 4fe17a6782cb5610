// SPDX-License-Identifier: Apache-2.0
//! Why something is not stated, not signed or not proven.

use hardpan_attest::StatementError;
use hardpan_attest::key::{KeyringError, PrivateKeyError, PublicKeyError};
use hardpan_attest::predicate::PredicateError;
use hardpan_attest::predicate::vex::VexError;
use hardpan_attest::root::RootError;
use hardpan_attest::signature::{AttachError, SignStatementError};
use hardpan_image::ImageNameError;
use hardpan_policy::MODULES_MAX;
use hardpan_tree::{Digest, PathError};

use std::path::PathBuf;

use super::{ElsewhereError, WitnessError};
use crate::error::Trouble;
use crate::signer::ServeError;

/// Why something is not stated, not signed or not proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A private key.
    #[error("the key {name} can't be used")]
    PrivateKey {
        /// What it is called.
        name: String,
        /// Why.
        #[source]
        source: PrivateKeyError,
    },
    /// A public key.
    #[error("the key {name} can't be used")]
    PublicKey {
        /// What it is called.
        name: String,
        /// Why.
        #[source]
        source: PublicKeyError,
    },
    /// A folder of keys.
    #[error("the keyring {name} can't be used")]
    Keyring {
        /// What it is called.
        name: String,
        /// Why.
        #[source]
        source: KeyringError,
    },
    /// A key that is kept elsewhere.
    #[error("the key {name} can't be used")]
    Elsewhere {
        /// What it is called.
        name: String,
        /// Why.
        #[source]
        source: ElsewhereError,
    },
    /// A signer service.
    #[error("there is no signer service")]
    Serve(#[from] ServeError),
    /// Nothing is attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A statement is not signed.
    #[error(transparent)]
    Sign(#[from] SignStatementError),
    /// What is no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// What can't be stated.
    #[error(transparent)]
    Predicate(#[from] PredicateError),
    /// Something can't be written as JSON.
    #[error("the statement of the type {predicate_type} can't be written")]
    Json {
        /// Its type.
        predicate_type: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The rules of the workspace can't be written down.
    #[error("the rules of hardpan.toml can't be written for the provenance")]
    Workspace(#[source] toml::ser::Error),
    /// An image that lies beside statements of somebody else.
    #[error("{count} of what is attached to {subject} is not by the key {key}: {reason}")]
    NotOurs {
        /// The image.
        subject: Digest,
        /// The key.
        key: String,
        /// How many.
        count: usize,
        /// What is wrong with the first of it.
        reason: String,
    },
    /// An image that has no index to put statements into.
    #[error("{digest} is no OCI index, and attestations as BuildKit has them are in one")]
    NoIndex {
        /// The image.
        digest: Digest,
    },
    /// An image of which nothing is stated that could be in its index.
    #[error(
        "nothing is stated about the platform {platform} by the key that could be put into the index"
    )]
    NothingForIndex {
        /// The platform's manifest.
        platform: Digest,
    },
    /// An index that has statements which the key did not sign.
    #[error(
        "the index {digest} has attestations already, and not all of them are by the key {key}"
    )]
    InIndex {
        /// The image.
        digest: Digest,
        /// The key.
        key: String,
    },
    /// A name that no registry would take.
    #[error("{name:?} is not an image name")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: ImageNameError,
    },
    /// Nothing says how an image was built.
    #[error("no trusted key signed how {image} was built")]
    NoProvenance {
        /// The image.
        image: Digest,
        /// Why the first of what was found does not count.
        refused: Option<String>,
    },
    /// Provenance names files and does not hold them.
    #[error("provenance names {} and does not hold what is in it", paths.join(", "))]
    NotHeld {
        /// The files.
        paths: Vec<String>,
    },
    /// Provenance names a file that can't be.
    #[error("provenance names a file {path:?}")]
    FilePath {
        /// The path.
        path: String,
        /// What is wrong with it.
        #[source]
        source: PathError,
    },
    /// No such platform.
    #[error("the image is not for {platform}")]
    Platform {
        /// The platform.
        platform: String,
    },
    /// A VEX document of somebody.
    #[error("{path} is not used", path = path.display())]
    Vex {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: VexError,
    },
    /// An image that can't be in a VEX document.
    #[error("nothing can be stated about vulnerabilities of the image")]
    Image {
        /// Why.
        #[source]
        source: VexError,
    },
    /// A file that the user names.
    #[error("can't read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that the user names, and that is endless.
    #[error("{path} has more than {max} bytes", path = path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// How many are read.
        max: usize,
    },
    /// A file that is no JSON.
    #[error("{path} is not JSON", path = path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A report of tests that is no report, or contradicts itself.
    #[error("{path} is no report of tests", path = path.display())]
    Tests {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PredicateError,
    },
    /// Tests of another image.
    #[error("the tests in {name} are of {named}, which is no platform of this image")]
    TestedOther {
        /// The file.
        name: String,
        /// Digests of what was tested.
        named: String,
    },
    /// An image without a name that a package URL could have.
    #[error("the image has no name")]
    Unnamed,
    /// A folder without Rego.
    #[error("{path} is a folder without a file that ends with .rego", path = path.display())]
    NoRego {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with more Rego than is read.
    #[error("{path} has more than {MODULES_MAX} files of Rego", path = path.display())]
    TooMuchRego {
        /// The folder.
        path: PathBuf,
    },
    /// A policy in YAML in a folder of Rego.
    #[error("{path} is YAML in a folder of Rego, where it would decide nothing", path = path.display())]
    PolicyBesideRego {
        /// Its file.
        path: PathBuf,
    },
    /// A link to a folder in a folder of Rego.
    #[error("{path} leads to another folder, whose policies would not be read", path = path.display())]
    PolicyLink {
        /// The link.
        path: PathBuf,
    },
    /// A transparency log.
    #[error("the signature is not in the log {url}")]
    Log {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        source: Box<WitnessError>,
    },
    /// A timestamp authority.
    #[error("the signature has no timestamp of {url}")]
    Timestamp {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        source: Box<WitnessError>,
    },
    /// A trusted root.
    #[error("the trusted root {name} can't be used")]
    Root {
        /// Its file.
        name: String,
        /// Why.
        #[source]
        source: RootError,
    },
    /// A signature that was just published is not there.
    #[error("{subject} was published, but its signature does not verify: {reason}")]
    NotVerified {
        /// The image.
        subject: Digest,
        /// What was found instead.
        reason: String,
    },
}

impl TrustError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::PrivateKey { .. }
            | Self::PublicKey { .. }
            | Self::Keyring { .. }
            | Self::NoRego { .. }
            | Self::TooMuchRego { .. }
            | Self::PolicyBesideRego { .. }
            | Self::PolicyLink { .. }
            | Self::Platform { .. }
            | Self::Vex { .. }
            | Self::Image { .. }
            | Self::Read { .. }
            | Self::FileTooLarge { .. }
            | Self::NotJson { .. }
            | Self::Tests { .. }
            | Self::TestedOther { .. }
            | Self::Unnamed
            | Self::Root { .. }
            | Self::Name { .. }
            | Self::NoIndex { .. }
            | Self::NothingForIndex { .. }
            | Self::Serve(ServeError::InUse(_) | ServeError::NotASocket(_)) => Trouble::Usage,
            Self::Elsewhere { .. } | Self::Serve(_) | Self::NotHeld { .. } => Trouble::Network,
            Self::Log { source, .. } | Self::Timestamp { source, .. } if source.is_of_network() => {
                Trouble::Network
            }
            Self::Attach(AttachError::Foreign { .. } | AttachError::TooMany { .. }) => Trouble::No,
            Self::Attach(_)
            | Self::Sign(_)
            | Self::Statement(_)
            | Self::Predicate(_)
            | Self::NotOurs { .. }
            | Self::InIndex { .. }
            | Self::Log { .. }
            | Self::Timestamp { .. }
            | Self::NoProvenance { .. }
            | Self::FilePath { .. }
            | Self::NotVerified { .. } => Trouble::Trust,
            Self::Json { .. } | Self::Workspace(_) => Trouble::Internal,
        }
    }

    /// Returns what the user can do, where there is something.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::PrivateKey { source: PrivateKeyError::PasswordNeeded, .. } => vec![
                "give the password in HARDPAN_PASSWORD or COSIGN_PASSWORD (it may be empty)".to_owned(),
            ],
            Self::Elsewhere { source, .. } => source.hints(),
            Self::Log { source, .. } | Self::Timestamp { source, .. } => source.hints(),
            Self::PolicyBesideRego { .. } => vec!["a policy in YAML has to be named itself (`--policy FILE`); what is none belongs outside of the folder".to_owned()],
            Self::PolicyLink { .. } => vec!["name that folder as well (`--policy DIR`), and take the link out of this one".to_owned()],
            Self::NoProvenance { refused: Some(reason), .. } => vec![format!("of what was found, the first does not count: {reason}")],
            Self::TestedOther { .. } => vec!["a build that changed anything has another digest: test it again".to_owned()],
            Self::NoProvenance { .. } => vec!["images that were built with `hardpan build --sign` have it".to_owned()],
            Self::NoIndex { .. } => vec!["attach without `buildkit`, or build the image with hardpan, which makes an index".to_owned()],
            Self::NothingForIndex { .. } => vec!["`hardpan build --sign --attach referrers,buildkit` states and attaches it".to_owned()],
            Self::InIndex { .. } => vec!["publish it without `--attach buildkit`: the index is published as it is".to_owned()],
            Self::NotOurs { .. } => vec![
                "sign the image again where it was built (`hardpan build --sign`), or publish it without a key to \
                 keep what is attached as it is"
                    .to_owned(),
            ],
            _ => Vec::new(),
        }
    }
}
