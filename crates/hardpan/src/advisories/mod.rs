// SPDX-License-Identifier: Apache-2.0
//! The advisory database of this machine: where it lies, where it comes from, and who answers for it.
//!
//! A database is one file with a signed statement about it beside it, whichever way both came: as files, by HTTP, or as
//! an artifact in a registry, where a small difference may stand in for the whole. What comes is believed only if a trusted
//! key signed it, it is whole, and none of its sources is older than it ever was here, or of the future.

mod age;
mod artifact;
mod error;
mod file;
mod gather;
mod installed;
mod receive;
mod sign;
mod source;
mod times;

pub use age::{SourceAge, source_ages};
pub use artifact::{PublishAdvisories, PublishedAdvisories};
pub use error::AdvisoriesError;
pub use gather::{Feed, FeedKind, GatheredAdvisories};
pub use installed::{AdvisoryData, AdvisoryOrigin};
pub use receive::{ReceiveOptions, Received};
pub use sign::sign_advisories;
pub use source::{AdvisorySource, bundle_path, write_bundle};

/// The longest database that is read, in bytes. One of all releases and ecosystems has some ten million.
pub const DATABASE_BYTES_MAX: u64 = 512 << 20;
