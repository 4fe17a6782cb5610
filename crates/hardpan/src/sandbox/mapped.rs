// SPDX-License-Identifier: Apache-2.0
//! Files that are read where they lie in the page cache. That has nothing to do with programs of others, and is here for
//! being `unsafe`.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::fs::{File, Metadata};
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

/// Maps a file as long as it was when it was looked at. Returns nothing for what is no file, is empty, could be changed by
/// somebody else meanwhile, or lies on a file system that can't: that is to be read.
///
/// Whoever calls this knows that processes of the user itself only ever put another file in its place.
pub(crate) fn map(file: &File, metadata: &Metadata) -> Option<Mapped> {
    let owners = [0, rustix::process::geteuid().as_raw()];
    let is_ours = owners.contains(&metadata.uid()) && metadata.mode() & WRITTEN_BY_OTHERS == 0;
    let length = usize::try_from(metadata.len()).ok()?;
    if !metadata.is_file() || length == 0 || !is_ours {
        return None;
    }
    // SAFETY: the bytes must not change while they are borrowed. Nobody but this user and root may write the file, and their
    // processes of hardpan write another one and rename it, so that this one keeps its content also when it has no name any
    // more. Whoever is this user could change the memory of this process as well.
    let mapped = unsafe { MmapOptions::new().len(length).populate().map(file) };
    mapped.ok().map(Mapped)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io;
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
            let mapped = map(&file, &file.metadata()?);
            let expected = is_mapped.then_some(content.as_bytes());
            assert_eq!(mapped.as_deref(), expected, "{mode:o} {content:?}");
        }
        let folder = File::open(folder.path())?;
        assert!(map(&folder, &folder.metadata()?).is_none());
        Ok(())
    }

    #[test]
    fn no_more_is_mapped_than_was_looked_at() -> io::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(&file, "12345")?;
        let metadata = file.as_file().metadata()?;
        fs::write(&file, "123456789")?;
        assert_eq!(map(file.as_file(), &metadata).as_deref(), Some(&b"12345"[..]));
        Ok(())
    }

    #[test]
    fn what_can_not_be_mapped_is_left_to_be_read() -> io::Result<()> {
        let path = tempfile::NamedTempFile::new()?.into_temp_path();
        fs::write(&path, "content")?;
        // What may only be written can't be mapped.
        let file = File::options().write(true).open(&path)?;
        assert!(map(&file, &file.metadata()?).is_none());
        Ok(())
    }
}
