// SPDX-License-Identifier: Apache-2.0
//! VEX: which vulnerabilities matter for an image and which don't, as OpenVEX 0.2.0.
//!
//! A [`VexDocument`] is what is written, and can't be wrong: a status has what the format wants with it and nothing
//! else, every statement has a time and an id, and a risk that somebody accepts is never "not affected". Documents of others are
//! [read](read) with warnings, since many are wrong. [`merge`] makes one set of statements of several documents;
//! scanners read only the first that is attached to an image.
//!
//! # Names of packages
//!
//! Scanners compare package URLs, and add different things to them: Syft and Grype `distro=debian-13` and
//! `upstream=…`, Trivy `distro=debian-13.7`. A URL in a statement fits when all that it has is in the scanner's, too. So a
//! [`PackagePurl`] is the binary package with its exact version and at most `arch`. Without a version it would
//! hold for all time; with more it would hold for one scanner.

mod csaf;
mod cyclonedx;
mod document;
mod image;
mod iri;
mod merge;
mod model;
mod product;
mod read;
mod repository;
mod warning;

#[cfg(test)]
mod foreign_tests;
#[cfg(test)]
mod tests;

pub use document::{VexDocument, VexHeader};
pub use image::{InstalledImage, InstalledPackage, InstalledPlatform, VexOfImage, for_image};
pub use iri::{Iri, IriError};
pub use merge::{Parts, Trust, merge, merge_of_image};
pub use model::{
    Component, Justification, Product, Reason, Status, Text, VexError, VexStatement, Vulnerability,
};
pub use product::{Assessment, ID_BASE, ImageProducts, PackagePurl, Scope, assess, document_id};
pub use read::{VexRead, duplicated_ids, from_value, read, read_any};
pub use repository::{VexRepository, repository};
pub use warning::VexWarning;

/// Its type.
pub const URI: &str = "https://openvex.dev/ns/v0.2.0";
/// The largest document that is read, in bytes: what scanners read of an attestation.
pub const VEX_BYTES_MAX: usize = 20 << 20;
/// The most statements that are read. The whole of DHI's advisories has 7,000.
pub const STATEMENTS_MAX: usize = 100_000;
/// The most products and subcomponents that are read, of all statements together.
pub const COMPONENTS_MAX: usize = 1_000_000;
/// The longest text of a statement, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
