// SPDX-License-Identifier: Apache-2.0
//! What a download must be that stands in for another.

use std::fmt;

use hardpan_remote::git::ObjectId;
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

/// What a `[[downloads.override]]` says that its download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OverrideChecksum {
    /// A file's digest.
    Sha256(Digest),
    /// The commit of a git repository.
    Commit(ObjectId),
}

impl fmt::Display for OverrideChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Commit(commit) => commit.fmt(f),
        }
    }
}

impl From<OverrideChecksum> for String {
    fn from(checksum: OverrideChecksum) -> Self {
        checksum.to_string()
    }
}

impl TryFrom<String> for OverrideChecksum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Ok(commit) = text.parse() {
            return Ok(Self::Commit(commit));
        }
        text.parse().map(Self::Sha256).map_err(|error| format!("{error}, nor the id of a commit"))
    }
}
