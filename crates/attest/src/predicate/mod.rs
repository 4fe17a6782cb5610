// SPDX-License-Identifier: Apache-2.0
//! What can be said about an image: the predicates of statements.
//!
//! Each module has the URI of its predicate, types with the exact names of its fields, a writer that gives the
//! same bytes for the same arguments, and a reader that refuses what can't be true. [`TYPES`] is the table of
//! all types that are known, with the short names that commands take.
//!
//! Readers ignore fields that they don't know, as in-toto asks for, but where a predicate says otherwise. The size
//! of what they are given is limited by [`crate::STATEMENT_BYTES_MAX`]; each limits its lists as well.

pub mod audit;
pub mod audit_exceptions;
pub mod changelog;
pub mod image_sources;
pub mod provenance;
mod resource;
pub mod secrets;
pub mod sign;
pub mod test_result;
mod time;
mod types;
pub mod vex;
pub mod virus;
pub mod vsa;

#[cfg(test)]
mod test_data;

pub use resource::{DigestSet, PredicateError, ResourceDescriptor, sha256};
pub use time::{Time, TimeError};
pub use types::{PredicateType, TYPES, cosign_command, find_all, find_uri, known_aliases, uri};
