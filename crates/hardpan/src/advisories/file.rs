// SPDX-License-Identifier: Apache-2.0
//! Reads files of the database up to a length.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::ops::Deref;
use std::path::Path;

use super::AdvisoriesError;
use crate::sandbox::mapped::{self, Mapped};

/// Reads a regular file up to a length.
pub(super) fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, AdvisoriesError> {
    let wrap = |source| AdvisoriesError::Read { path: path.to_owned(), source };
    let (opened, metadata) = open(path).map_err(wrap)?;
    read(opened, metadata.len(), max, path)
}

/// The bytes of a file, in memory or where they lie in the page cache.
#[derive(Debug)]
pub(super) enum Held {
    Read(Vec<u8>),
    Mapped(Mapped),
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

/// Takes a regular file of the store up to a length. Those are never written again, so that nothing has to be copied.
pub(super) fn hold(path: &Path, max: u64) -> Result<Held, AdvisoriesError> {
    let wrap = |source| AdvisoriesError::Read { path: path.to_owned(), source };
    let (opened, metadata) = open(path).map_err(wrap)?;
    if metadata.len() > max {
        return Err(AdvisoriesError::TooLarge { max });
    }
    match mapped::map(&opened, &metadata) {
        Some(mapped) => Ok(Held::Mapped(mapped)),
        None => read(opened, metadata.len(), max, path).map(Held::Read),
    }
}

fn read(opened: File, length: u64, max: u64, path: &Path) -> Result<Vec<u8>, AdvisoriesError> {
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(max)).unwrap_or(0));
    let wrap = |source| AdvisoriesError::Read { path: path.to_owned(), source };
    opened.take(max + 1).read_to_end(&mut bytes).map_err(wrap)?;
    if bytes.len() as u64 > max {
        return Err(AdvisoriesError::TooLarge { max });
    }
    Ok(bytes)
}

/// Opens a regular file.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let opened = File::open(path)?;
    let metadata = opened.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a file"));
    }
    Ok((opened, metadata))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_held_up_to_a_length() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        for (mode, is_mapped) in [(0o644, true), (0o666, false)] {
            std::fs::write(&path, b"12345")?;
            std::fs::set_permissions(&path, Permissions::from_mode(mode))?;
            let held = hold(&path, 5)?;
            assert_eq!((&held[..], matches!(held, Held::Mapped(_))), (&b"12345"[..], is_mapped));
            assert_eq!(read_file(&path, 5)?, b"12345");
            for error in [hold(&path, 4).unwrap_err(), read_file(&path, 4).unwrap_err()] {
                assert!(matches!(error, AdvisoriesError::TooLarge { max: 4 }), "{error}");
            }
            // Whoever has it keeps it.
            std::fs::remove_file(&path)?;
            assert_eq!(&held[..], b"12345");
        }
        std::fs::write(&path, b"")?;
        assert!(hold(&path, 0)?.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_no_file_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        for place in [folder.path(), &folder.path().join("absent")] {
            for error in [hold(place, 9).unwrap_err(), read_file(place, 9).unwrap_err()] {
                assert!(matches!(error, AdvisoriesError::Read { .. }), "{error}");
            }
        }
        Ok(())
    }
}
