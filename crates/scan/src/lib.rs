// SPDX-License-Identifier: Apache-2.0
//! Hardening controls, measured over a finished tree; the catalog of what is in any image; vulnerabilities of it; and
//! secrets in it.
//!
//! [`controls::inspect`] looks at the files of an image, not at the names of its packages, and says
//! which of the promises of a hardened image they break. It is a pure function: what it needs to know
//! beyond the tree comes in [`controls::Inspection`].
//!
//! [`matching::match_all`] finds the known vulnerabilities of an [`inventory::Inventory`], which is made of a
//! [`catalog::Catalog`] or an SBOM, and [`vex::apply`] says which of them somebody has an answer to.

pub mod advisory;
pub mod audit;
pub mod catalog;
pub mod controls;
pub mod cvss;
pub mod drift;
pub mod inventory;
mod layer;
pub mod matching;
pub mod re2;
pub mod report;
pub mod secrets;
#[cfg(test)]
mod shared;
pub mod version;
pub mod vex;
