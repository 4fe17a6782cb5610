// SPDX-License-Identifier: Apache-2.0
//! Provenance: how an image was built, and from what (SLSA 1.2, "Build: Provenance").
//!
//! A [`BuildRecord`] is all that a build knows of itself, as plain data. [`Provenance::of`] writes it in the form of
//! SLSA v1, [`v0_2::Provenance::of`] in the older one for tools that know no other. The fields are documented in
//! `docs/reference/provenance.md`.
//!
//! # Where the texts are
//!
//! Who wants to build an image again needs the definition, its includes and the lock, as text. They are in
//! `runDetails.byproducts`, each with its content and digest, and not
//!
//! - in `externalParameters`: policies read those and compare them with what they expect, and a text of a
//!   megabyte is nothing to expect. They have the digest, which is;
//! - in `internalParameters`: nothing there has a place for a digest, so a text could differ from the one that
//!   `resolvedDependencies` names, and both be signed;
//! - in `resolvedDependencies`: tools that draw graphs of dependencies keep all of it.
//!
//! SLSA names "the fully evaluated build configuration" as an example of a byproduct, and its descriptors have
//! `content` for this very purpose. [`Provenance::rebuild_inputs`] believes a text only if it has the digest that
//! `resolvedDependencies` gives for its path. Together they have at most [`TEXT_BYTES_MAX`] bytes; what is over that
//! is named but not held, and has to be had from its source.
//!
//! # What differs from build to build
//!
//! `runDetails.metadata` alone. Without it, two builds that gave the same image give the same provenance.

mod dependencies;
mod read;
mod record;
pub mod v0_2;
mod v1;

#[cfg(test)]
pub(crate) mod tests;

pub use read::{RebuildFile, RebuildInputs};
pub use record::{
    BuildOptions, BuildRecord, Builder, Byproduct, DownloadInput, FileRole, ImageInput, IndexInput,
    PackageInput, PackageUse, Run, Source, SourceFile, StageRecord, StepRecord, Substitution,
    WorkspaceRule,
};
pub use v1::{BuildDefinition, BuilderDetails, Metadata, Provenance, RunDetails};

/// The type of what is written.
pub const URI: &str = "https://slsa.dev/provenance/v1";
/// The older type.
pub const URI_V0_2: &str = "https://slsa.dev/provenance/v0.2";
/// What kind of build hardpan's is: says what the parameters mean.
pub const BUILD_TYPE: &str = "https://hardpan.dev/build/v1";
/// The most text that is held, in bytes. It is in base64 twice, in the predicate and in the envelope, and has to stay
/// below the 20 MiB that scanners read of an attestation.
pub const TEXT_BYTES_MAX: usize = 8 << 20;
/// The most dependencies that are read: a lock has at most 50,000 packages per platform, and few images more
/// than two.
pub const DEPENDENCIES_MAX: usize = 250_000;
/// The most byproducts that are read: texts, and a few for each platform.
pub const BYPRODUCTS_MAX: usize = 10_000;

pub(crate) const KIND: &str = "provenance";
