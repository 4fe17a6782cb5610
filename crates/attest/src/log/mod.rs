// SPDX-License-Identifier: Apache-2.0
//! Transparency logs, as Rekor version 2 has them: trees of hashes that only grow, and whose root somebody signs.
//!
//! A log holds no statement: an entry is the digest of what was signed, the signature, and who made it. [`LogRequest`] is
//! what a log is sent, [`LogEntry`] what it answers and what a bundle holds. [`LogEntry::check`] compares the answer with
//! the question, which needs no key; [`LogEntry::verify`] is for those who trust some logs and no bundle.

mod checkpoint;
mod entry;
mod merkle;
mod request;

#[cfg(test)]
mod tests;

pub use checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, CheckpointError};
pub(crate) use checkpoint::{is_called, note_key_hash};
pub use entry::{ENTRY_BYTES_MAX, LogEntry, LogError};
pub use request::{LogRequest, Signed, Verifier};
