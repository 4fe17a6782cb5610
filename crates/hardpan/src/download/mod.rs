// SPDX-License-Identifier: Apache-2.0
//! Downloads: `contents.files` of images and of build stages.
//!
//! [`Session::pin_files`] looks at the network and says what every file is today; that goes into the
//! lock. [`Session::fetch_files`] brings exactly these bytes into the store, and
//! [`Session::place_files`] puts them into a tree: as files, or unpacked.
//!
//! A git repository becomes a tar archive of our own making: the files of one commit and a small
//! `.git`. The id of the commit proves the files, and the archive's digest, which is in the lock, says
//! that the making has not changed either.

mod archive;
mod checksum_file;
mod decompress;
mod error;
mod fetch;
mod git;
mod members;
mod pin;
mod place;
mod source;
mod spdx;
mod unpack;
mod zip;

#[cfg(test)]
mod tests;

use hardpan_definition::FileSource;
use hardpan_remote::git::ObjectId;
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

use crate::config::Workspace;

pub use checksum_file::ChecksumFileError;
pub use error::{ArchiveError, DownloadError, DownloadProblem};
pub(crate) use place::PlacedFile;

/// The largest download, in bytes. The largest that published definitions have are toolchains of
/// about 4 GB.
const DOWNLOAD_BYTES_MAX: u64 = 8 << 30;
/// The largest file of a lock, in bytes: our archive of a commit has headers as well.
const LOCKED_BYTES_MAX: u64 = DOWNLOAD_BYTES_MAX + (2 << 30);
/// The most submodules that are named in a lock.
const SUBMODULES_MAX: usize = 1_000;

/// What a download was when the lock was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedFile {
    /// Its URL as the definition has it, variables filled in.
    pub url: String,
    /// Digest of the bytes; for a git repository of our archive of the commit.
    pub sha256: Digest,
    /// Length of the same.
    pub size_bytes: u64,
    /// The commit, for a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Paths of other repositories in this one, which are left empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submodules: Vec<String>,
}

impl LockedFile {
    /// Checks what the types do not say. Returns what is wrong.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.url.is_empty() || self.url.chars().any(char::is_control) {
            return Err("its URL is not one");
        }
        if self.size_bytes > LOCKED_BYTES_MAX {
            return Err("it is too large");
        }
        let is_git = self.url.starts_with("git+");
        match &self.commit {
            Some(commit) if is_git && commit.parse::<ObjectId>().is_ok() => {}
            None if !is_git => {}
            _ => return Err("its commit is missing or not one"),
        }
        if self.submodules.len() > SUBMODULES_MAX {
            return Err("it has too many submodules");
        }
        Ok(())
    }
}

/// Returns a download's line in the lock's demand: what decides which bytes are pinned, and no more.
/// Where the file goes is not in it, since that needs no new lock.
pub(crate) fn demand_line(file: &FileSource, workspace: &Workspace) -> String {
    let url = &file.url.value;
    let overridden = workspace.download_override(url).and_then(|(_, rule)| rule.checksum);
    match (overridden, &file.checksum) {
        (Some(checksum), _) => format!("file {url} as {checksum}"),
        (None, Some(checksum)) => format!("file {url} {}", checksum.value),
        (None, None) => format!("file {url}"),
    }
}
