// SPDX-License-Identifier: Apache-2.0
//! Files that are read where they lie in the page cache. That has nothing to do with programs of others, and is here for
//! being `unsafe`.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;

use memmap2::{Mmap, MmapOptions};

/// Permission to write for others than the owner.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// The bytes of a file.
#[derive(Debug)]
pub(crate) struct Mapped(Mmap);

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Maps a file, whole. Returns nothing for what is no file, is empty, or could be changed by somebody else meanwhile: that is to
/// be read.
///
/// Whoever calls this knows that processes of the user itself only ever put another file in its place.
///
/// # Errors
/// If the system has no room for it.
pub(crate) fn map(file: &File) -> io::Result<Option<Mapped>> {
    let metadata = file.metadata()?;
    let owners = [0, rustix::process::geteuid().as_raw()];
    let is_ours = owners.contains(&metadata.uid()) && metadata.mode() & WRITTEN_BY_OTHERS == 0;
    if !metadata.is_file() || metadata.len() == 0 || !is_ours {
        return Ok(None);
    }
    // SAFETY: the bytes must not change while they are borrowed. Nobody but this user and root may write the file, and their
    // processes of hardpan write another one and rename it, so that this one keeps its content also when it has no name any
    // more. Whoever is this user could change the memory of this process as well.
    let mapped = unsafe { MmapOptions::new().populate().map(file)? };
    Ok(Some(Mapped(mapped)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_what_nobody_else_can_change_is_mapped() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        for (mode, content, is_mapped) in [
            (0o644, "content", true),
            (0o400, "content", true),
            (0o664, "content", false),
            (0o646, "content", false),
            (0o644, "", false),
        ] {
            fs::write(&path, content)?;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
            let file = File::open(&path)?;
            fs::remove_file(&path)?;
            let mapped = map(&file)?;
            let expected = is_mapped.then_some(content.as_bytes());
            assert_eq!(mapped.as_deref(), expected, "{mode:o} {content:?}");
        }
        assert!(map(&File::open(folder.path())?)?.is_none());
        Ok(())
    }
}
