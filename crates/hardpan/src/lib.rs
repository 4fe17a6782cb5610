// SPDX-License-Identifier: Apache-2.0
//! Builds hardened container images from declarative definitions.
//!
//! The flow is `definition → lock → segments → tree → layers → image`. A [`Session`] has a verb for each
//! step that a user may ask for: [`Session::resolve`], [`Session::build`], [`Session::explain`].
//! Everything after `resolve` is a pure function of definition, lock and the definition's local files.

pub use hardpan_attest::visible;
pub use hardpan_definition as definition;
pub use hardpan_package::deb::sources::mirror_of;
pub use hardpan_package::scripts::{ScriptAction, Treatment};
pub use hardpan_remote::registry::{HelperReply, Logins};
pub use hardpan_remote::{Client, Options as ClientOptions, RootCertificates};

pub mod action;
pub mod advisories;
mod artifact;
mod assemble;
pub mod audit;
mod build;
mod built;
mod choose;
pub mod compare;
pub mod config;
pub mod container;
mod contents;
mod demand;
mod distribution;
mod download;
mod error;
mod explain;
mod fetch;
pub mod finish;
mod graph;
pub mod image_test;
mod image_tree;
mod indexes;
mod inspect;
mod layers;
pub mod lock;
pub mod malware;
mod materialize;
mod observer;
mod others;
mod output;
mod parallel;
mod project;
mod resolve;
pub mod sandbox;
mod sandboxed;
mod sbom;
pub mod scan;
mod script_tools;
pub mod secrets;
mod session;
mod settings;
mod shelf;
pub mod signer;
mod stage;
pub mod store;
pub mod trust;

pub use artifact::{ArtifactError, ArtifactProblem, LockedArtifact};
pub use build::{BuildRequest, BuildSettings, LockState};
pub use built::{
    Built, BuiltDownload, BuiltPlatform, DownloadSpdx, Remark, StageStatement, Substitute,
};
pub use demand::DemandError;
pub use download::{ArchiveError, ChecksumFileError, DownloadError, DownloadProblem, LockedFile};
pub use error::{Error, Trouble};
pub use explain::{Explanation, PathStep};
pub use fetch::default_threads;
pub use graph::{Edge, GraphError};
pub use image_tree::ImageTreeError;
pub use indexes::ApkIndexError;
pub use observer::{Event, Observer, Silent};
pub use output::{
    create_file, create_private_file, replace_file, replace_private_file, replaces_file, write_file,
};
pub use project::{CatalogRoot, Project, ProjectError, read_text, read_workspace};
pub use sandboxed::{SandboxedError, Work};
pub use sbom::{
    AttachedSbom, AttachedSboms, CheckedSbom, SbomChoice, SbomError, SbomReport, SbomSource,
    ScannedImage,
};
pub use session::{Mirrors, Session};
pub use settings::LABEL_PREFIX;
pub use shelf::{Copied, Location, ShelfError};
pub use stage::{
    Secret, StageError, StageOptions, StageSummary, StagesSummary, StepSummary, check_stages,
    summarize_stages,
};
