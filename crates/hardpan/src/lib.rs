// SPDX-License-Identifier: Apache-2.0
//! Builds hardened container images from declarative definitions.
//!
//! The flow is `definition → lock → segments → tree → layers → image`. A [`Session`] has a verb for each
//! step that a user may ask for: [`Session::resolve`], [`Session::build`], [`Session::explain`].
//! Everything after `resolve` is a pure function of definition, lock and the definition's local files.

pub use hardpan_definition as definition;
pub use hardpan_package::deb::scripts::{ScriptAction, Treatment};
pub use hardpan_package::deb::sources::mirror_of;
pub use hardpan_remote::{Client, Options as ClientOptions};

mod assemble;
mod build;
pub mod config;
mod contents;
mod demand;
mod error;
mod explain;
mod fetch;
pub mod finish;
mod graph;
mod indexes;
mod inspect;
mod layers;
pub mod lock;
mod materialize;
mod observer;
mod parallel;
mod project;
mod resolve;
pub mod sandbox;
mod sandboxed;
mod session;
mod settings;
mod stage;
pub mod store;

pub use build::{BuildRequest, BuildSettings, Built, BuiltPlatform, LockState, Remark};
pub use demand::DemandError;
pub use error::{Error, Trouble};
pub use explain::{Explanation, PathStep};
pub use fetch::default_threads;
pub use graph::{Edge, GraphError};
pub use observer::{Event, Observer, Silent};
pub use project::{CatalogRoot, Project, ProjectError, read_text, read_workspace};
pub use sandboxed::{SandboxedError, Work};
pub use session::{Mirrors, Session};
pub use settings::LABEL_PREFIX;
pub use stage::{Secret, StageError, StageOptions};
