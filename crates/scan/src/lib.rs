// SPDX-License-Identifier: Apache-2.0
//! Hardening controls, measured over a finished tree, and the catalog of what is in any image.
//!
//! [`controls::inspect`] looks at the files of an image, not at the names of its packages, and says
//! which of the promises of a hardened image they break. It is a pure function: what it needs to know
//! beyond the tree comes in [`controls::Inspection`].

pub mod catalog;
pub mod controls;
pub mod drift;
