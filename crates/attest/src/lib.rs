// SPDX-License-Identifier: Apache-2.0
//! What is stated about images, who signed it, and whether that is so.
//!
//! [`Statement`] is what is said (in-toto), [`predicate`] what can be said, [`sbom`] the largest of it.
//! [`key`] is who says it, [`signature`] how it is written so that other tools read it, too, [`verify`] whether it is so.
//! [`policy`] is what has to be said before an image is used.
//!
//! **Invariant**: nothing here touches a disk, a network, a clock or an environment. What is written is a
//! function of the arguments: the same statement signed twice with the same key gives the same bytes.

pub mod certificate;
#[cfg(test)]
mod fixtures;
pub mod key;
pub mod log;
pub mod policy;
pub mod predicate;
pub mod root;
pub mod sbom;
pub mod signature;
mod statement;
pub mod timestamp;
pub mod verify;
mod visible;
pub mod vulnerability;

pub use statement::{STATEMENT_BYTES_MAX, Statement, StatementError, Subject};
pub use visible::{is_obeyed, visible};
