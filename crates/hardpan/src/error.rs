// SPDX-License-Identifier: Apache-2.0
//! The errors of all verbs, and what kind of trouble each is.

use std::io;
use std::path::PathBuf;

use hardpan_definition::{Platform, Span};
use hardpan_image::{
    ArchiveError, DirectoryError, ImageError, ImageNameError, LayerError, LayoutError,
};
use hardpan_package::apk::key::KeyError;
use hardpan_package::deb::archive::{ArchiveError as IndexError, FetchError};
use hardpan_package::merge::MergeError;
use hardpan_package::openpgp::KeyringError;
use hardpan_package::solve::SolveError;
use hardpan_package::unpack::UnpackError;
use hardpan_remote::RemoteError;
use hardpan_scan::controls::Finding;
use hardpan_tree::{Digest, PathError};

use crate::action::ActionError;
use crate::advisories::AdvisoriesError;
use crate::artifact::{ArtifactError, ArtifactProblem};
use crate::audit::AuditError;
use crate::container::ContainerError;
use crate::demand::DemandError;
use crate::download::DownloadError;
use crate::finish::FinishError;
use crate::graph::GraphError;
use crate::image_test::TestError;
use crate::image_tree::ImageTreeError;
use crate::indexes::ApkIndexError;
use crate::lock::{LockError, Stale};
use crate::malware::MalwareError;
use crate::project::ProjectError;
use crate::sandbox::SandboxError;
use crate::sandboxed::{SandboxedError, Work};
use crate::sbom::SbomError;
use crate::scan::ScanError;
use crate::secrets::SecretsError;
use crate::shelf::ShelfError;
use crate::stage::StageError;
use crate::store::StoreError;
use crate::trust::TrustError;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The definition or workspace file.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The definition asks for something that can't be given.
    #[error(transparent)]
    Demand(#[from] DemandError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A package index could not be had, or can't be trusted.
    #[error("archive {archive}, suite {suite}")]
    Index {
        /// The archive's name.
        archive: String,
        /// The suite.
        suite: String,
        /// Why.
        source: Box<IndexError>,
    },
    /// There is nothing at an index's or a key's place.
    #[error("there is nothing at {url}")]
    NoIndex {
        /// The place.
        url: String,
    },
    /// A package index of Alpine can't be trusted, or not be read.
    #[error("archive {archive}{}, {architecture}", if suite.is_empty() { String::new() } else { format!(" {suite}") })]
    ApkIndex {
        /// The archive's name.
        archive: String,
        /// Branch and repository; empty where the archive's name says it.
        suite: String,
        /// The architecture.
        architecture: String,
        /// Why.
        source: Box<ApkIndexError>,
    },
    /// A key of Alpine's kind can't be used.
    #[error("key {name}")]
    ApkKey {
        /// Its file's name or URL.
        name: String,
        /// Why.
        source: KeyError,
    },
    /// A package index can't be read.
    #[error("package index of {archive} {suite} can't be read: {reason}")]
    IndexText {
        /// The archive's name.
        archive: String,
        /// The suite.
        suite: String,
        /// The parser's words.
        reason: String,
    },
    /// The network.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Nobody said where Alpine's archive is.
    #[error("no mirror of Alpine's archive is known")]
    NoAlpineMirror,
    /// A keyring can't be read.
    #[error("keyring {name}")]
    Keyring {
        /// Its URL, file or distribution.
        name: String,
        /// Why.
        source: KeyringError,
    },
    /// No set of packages answers the definition.
    #[error("no packages for {platform}")]
    Solve {
        /// The platform.
        platform: Platform,
        /// The places in the definition that take part.
        spans: Vec<Span>,
        /// The explanation.
        source: Box<SolveError>,
    },
    /// The archives have not what maintainer scripts run with.
    #[error("no tools for the maintainer scripts of {platform}, whose image has no shell")]
    ScriptTools {
        /// The platform.
        platform: Platform,
        /// The explanation.
        source: Box<SolveError>,
    },
    /// A package is not what its archive said, or is hostile.
    #[error("package {package} {version}")]
    Package {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
        /// Why.
        source: Box<UnpackError>,
    },
    /// A package has another length than its index says.
    #[error("package {package} {version} has {actual} bytes, and its index says {expected}")]
    PackageSize {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
        /// What the index says.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// Packages do not fit together.
    #[error("packages do not fit together")]
    Merge(#[from] MergeError),
    /// The dependencies of a package can't be read.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A finisher failed.
    #[error(transparent)]
    Finish(#[from] FinishError),
    /// The image breaks a hardening control.
    #[error("{platform}: the image breaks {count} hardening {noun}", count = findings.len(), noun = if findings.len() == 1 { "control" } else { "controls" })]
    Hardening {
        /// The platform.
        platform: Platform,
        /// The controls and where they are broken.
        findings: Vec<Finding>,
    },
    /// A layer's directories.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A layer can't be written.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// An image can't be put together.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The output can't be written.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The docker archive can't be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The lock can't be read.
    #[error("{path}", path = path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: LockError,
    },
    /// There is no lock where one is required.
    #[error("there is no lock at {path}", path = path.display())]
    LockMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The lock no longer fits where it must.
    #[error("the lock {path} no longer fits the definition", path = path.display())]
    LockStale {
        /// The lock.
        path: PathBuf,
        /// Why.
        reasons: Vec<Stale>,
    },
    /// Something would have to be fetched.
    #[error("{what} is not in the store, and the network is off")]
    Offline {
        /// What is missing.
        what: String,
    },
    /// Asked about a package that is not in the image.
    #[error("package {package} is not in the image")]
    NotInImage {
        /// The package.
        package: String,
        /// Names that may have been meant.
        near: Vec<String>,
    },
    /// The definition is not for a platform.
    #[error("the definition is not for {platform}")]
    NoPlatform {
        /// The platform.
        platform: Platform,
    },
    /// An image name that registries would not take.
    #[error("{name:?} is not an image name")]
    ImageName {
        /// The name.
        name: String,
        /// Why.
        source: ImageNameError,
    },
    /// A path alias of the workspace that is no path.
    #[error("path alias {path:?} of the workspace")]
    Alias {
        /// The path.
        path: String,
        /// Why.
        source: PathError,
    },
    /// A docker archive of several platforms.
    #[error("a docker archive holds one platform, and this build has {}", platforms.join(" and "))]
    ArchivePlatforms {
        /// The platforms.
        platforms: Vec<String>,
    },
    /// The layers of an image do not make a root file system.
    #[error(transparent)]
    ImageTree(#[from] ImageTreeError),
    /// There is no container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The tests that were asked for are not there.
    #[error(transparent)]
    Test(#[from] TestError),
    /// A program could not be run.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A download could not be had or used.
    #[error(transparent)]
    Download(#[from] Box<DownloadError>),
    /// Something that needs a program could not be done.
    #[error(transparent)]
    Sandboxed(#[from] SandboxedError),
    /// A build stage failed.
    #[error(transparent)]
    Stage(#[from] Box<StageError>),
    /// An image that the definition names can't be used.
    #[error(transparent)]
    Artifact(Box<ArtifactError>),
    /// An image can't be read from where it is, or be brought elsewhere.
    #[error(transparent)]
    Shelf(Box<ShelfError>),
    /// What an image is made of can't be told.
    #[error(transparent)]
    Sbom(Box<SbomError>),
    /// There is no advisory database, or it is not believed.
    #[error(transparent)]
    Advisories(Box<AdvisoriesError>),
    /// Of a scan for vulnerabilities.
    #[error(transparent)]
    Scan(Box<ScanError>),
    /// Which secrets are in an image can't be told.
    #[error(transparent)]
    Secrets(Box<SecretsError>),
    /// An image can't be audited.
    #[error(transparent)]
    Audit(Box<AuditError>),
    /// Whether malware is in an image can't be told.
    #[error(transparent)]
    Malware(Box<MalwareError>),
    /// Something is not stated, not signed or not proven.
    #[error(transparent)]
    Trust(Box<TrustError>),
    /// An action.
    #[error(transparent)]
    Action(#[from] Box<ActionError>),
    /// A file can't be read or written.
    #[error("can't {action} {path}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// What kind of trouble an error is; a command line has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Trouble {
    /// The answer is no.
    No,
    /// The usage or the definition is wrong.
    Usage,
    /// Network, archive, registry, disk.
    Network,
    /// A signature or digest is wrong.
    Trust,
    /// A build step failed.
    Step,
    /// Something that should not happen.
    Internal,
}

impl From<ArtifactProblem> for Error {
    fn from(problem: ArtifactProblem) -> Self {
        Self::Artifact(Box::new(problem.into()))
    }
}

impl From<ShelfError> for Error {
    fn from(error: ShelfError) -> Self {
        Self::Shelf(Box::new(error))
    }
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        Self::Scan(Box::new(error))
    }
}

impl From<AdvisoriesError> for Error {
    fn from(error: AdvisoriesError) -> Self {
        Self::Advisories(Box::new(error))
    }
}

impl From<SbomError> for Error {
    fn from(error: SbomError) -> Self {
        Self::Sbom(Box::new(error))
    }
}

impl From<AuditError> for Error {
    fn from(error: AuditError) -> Self {
        Self::Audit(Box::new(error))
    }
}

impl From<SecretsError> for Error {
    fn from(error: SecretsError) -> Self {
        Self::Secrets(Box::new(error))
    }
}

impl From<MalwareError> for Error {
    fn from(error: MalwareError) -> Self {
        Self::Malware(Box::new(error))
    }
}

impl From<TrustError> for Error {
    fn from(error: TrustError) -> Self {
        Self::Trust(Box::new(error))
    }
}

impl Error {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Hardening { .. } => Trouble::No,
            Self::Stage(error) => error.trouble(),
            Self::Download(error) => error.trouble(),
            Self::Artifact(error) => error.problem.trouble(),
            Self::Action(error) => error.trouble(),
            Self::Shelf(error) => error.trouble(),
            Self::Trust(error) => error.trouble(),
            Self::Advisories(error) => error.trouble(),
            Self::Scan(error) => error.trouble(),
            Self::Sbom(error) => error.trouble(),
            Self::Secrets(error) => error.trouble(),
            Self::Audit(error) => error.trouble(),
            Self::Malware(error) => error.trouble(),
            Self::ImageTree(error) => error.trouble(),
            Self::Container(error) => error.trouble(),
            Self::Test(error) => error.trouble(),
            Self::Sandboxed(error) => error.trouble(),
            Self::Sandbox(_) => Trouble::Step,
            Self::Project(_)
            | Self::NoAlpineMirror
            | Self::Demand(_)
            | Self::Solve { .. }
            | Self::ScriptTools { .. }
            | Self::Merge(_)
            | Self::Finish(_)
            | Self::Lock { .. }
            | Self::LockMissing { .. }
            | Self::LockStale { .. }
            | Self::NotInImage { .. }
            | Self::NoPlatform { .. }
            | Self::ImageName { .. }
            | Self::Alias { .. }
            | Self::ArchivePlatforms { .. } => Trouble::Usage,
            Self::Store(
                StoreError::Damaged { .. }
                | StoreError::DamagedSegment { .. }
                | StoreError::Mismatch { .. },
            )
            | Self::Keyring { .. }
            | Self::ApkKey { .. }
            | Self::Package { .. }
            | Self::PackageSize { .. }
            | Self::Graph(_)
            | Self::IndexText { .. } => Trouble::Trust,
            // What somebody named and is not there: to try again helps nobody.
            Self::Io { action: "read", source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Trouble::Usage
            }
            Self::Remote(error) if error.is_mismatch() => Trouble::Trust,
            Self::Layout(error) if error.is_mismatch() => Trouble::Trust,
            Self::Index { source, .. } => index_trouble(source),
            Self::ApkIndex { source, .. } if source.is_trust() => Trouble::Trust,
            Self::Image(_) | Self::Directory(_) => Trouble::Internal,
            Self::Store(_)
            | Self::ApkIndex { .. }
            | Self::NoIndex { .. }
            | Self::Remote(_)
            | Self::Offline { .. }
            | Self::Layer(_)
            | Self::Layout(_)
            | Self::Archive(_)
            | Self::Io { .. } => Trouble::Network,
        }
    }

    /// Returns what the user can do, where there is something.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Store(error) | Self::ImageTree(ImageTreeError::Store(error)) => error.hints(),
            Self::NoAlpineMirror => vec![
                "name one in hardpan.toml (`[archives.alpine]` and `mirror = \"https://…/alpine\"`), or in HARDPAN_ALPINE_MIRROR".to_owned(),
            ],
            Self::LockMissing { .. } => vec!["run `hardpan resolve` to write it".to_owned()],
            Self::LockStale { reasons, .. } => {
                let mut hints: Vec<String> = reasons.iter().take(10).map(ToString::to_string).collect();
                hints.push("run `hardpan resolve` to refresh it".to_owned());
                hints
            }
            Self::Lock { source: LockError::Version { .. }, .. } => {
                vec!["run `hardpan resolve` to write it anew".to_owned()]
            }
            Self::Offline { .. } => {
                vec!["run the same command once without `--offline` to fill the store".to_owned()]
            }
            Self::ArchivePlatforms { .. } => {
                vec!["choose one with `--platform linux/amd64`".to_owned()]
            }
            Self::ScriptTools { .. } => vec![
                "the packages of a shell and its tools come from the definition's own archives; add one that \
                 has them, such as Debian's"
                    .to_owned(),
                Work::Scripts.switch().to_owned(),
            ],
            Self::NotInImage { near, .. } if !near.is_empty() => {
                vec![format!("did you mean {}?", near.join(", "))]
            }
            Self::Sandbox(SandboxError::Forbidden { help, .. }) => vec![help.clone()],
            Self::Stage(error) => error.hints(),
            Self::Download(error) => error.hints(),
            Self::Artifact(error) => error.problem.hints(),
            Self::Action(error) => error.hints(),
            Self::Shelf(error) => error.hints(),
            Self::Advisories(error) => error.hints(),
            Self::Scan(error) => error.hints(),
            Self::Sbom(error) => error.hints(),
            Self::Audit(error) => error.hints(),
            Self::Malware(error) => error.hints(),
            Self::Trust(error) => error.hints(),
            Self::Container(error) => error.hints(),
            Self::Test(error) => error.hints(),
            Self::Sandboxed(error) => error.hints(),
            Self::Hardening { findings, .. } => {
                findings.iter().map(|finding| finding.help.clone()).filter(|help| !help.is_empty()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the segment of the store whose damage is, or may be, the cause.
    pub(crate) fn damaged_segment(&self) -> Option<Digest> {
        if let Self::Store(StoreError::DamagedSegment { key, .. }) = self {
            return Some(*key);
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            // An I/O error hides the error that it carries from the chain.
            let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let own = match carried {
                Some(carried) => carried.downcast_ref::<StoreError>(),
                None => error.downcast_ref::<StoreError>(),
            };
            if let Some(StoreError::DamagedSegment { key, .. }) = own {
                return Some(*key);
            }
            // Damaged tar bytes may be found to be none before their end is met.
            if let Some(LayerError::Tar { key, .. }) = error.downcast_ref::<LayerError>() {
                return Some(*key);
            }
            cause = error.source();
        }
        None
    }

    /// Returns this error with its place in the definition, if it is one about an image.
    pub(crate) fn at(self, span: Span) -> Self {
        match self {
            Self::Artifact(mut error) => {
                error.span.get_or_insert(span);
                Self::Artifact(error)
            }
            other => other,
        }
    }

    /// Whether this is only the consequence of another error, which called the transfer off.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Remote(error) => error.is_cancelled(),
            Self::Artifact(error) => error.problem.is_cancelled(),
            _ => false,
        }
    }

    /// Returns the places in the definition that the error is about.
    pub fn spans(&self) -> Vec<Span> {
        match self {
            Self::Demand(error) => error.span().into_iter().collect(),
            Self::Stage(error) => error.span().into_iter().collect(),
            Self::Download(error) => vec![error.span],
            Self::Artifact(error) => error.span.into_iter().collect(),
            Self::Action(error) => error.spans(),
            Self::Solve { spans, .. } => spans.clone(),
            _ => Vec::new(),
        }
    }
}

fn index_trouble(error: &IndexError) -> Trouble {
    // Bytes that are not those that the signed file announces come as a failed transfer.
    if let IndexError::Fetch { source: FetchError::Failed(inner), .. } = error
        && let Some(own) = inner.downcast_ref::<Error>()
    {
        return own.trouble();
    }
    if error.is_trust() { Trouble::Trust } else { Trouble::Network }
}
