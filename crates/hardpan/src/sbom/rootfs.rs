// SPDX-License-Identifier: Apache-2.0
//! A root file system on disk, as a layer.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogOptions};
use hardpan_tree::{Metadata, Special, TarEntry, TarEntryKind, TreePath};

use super::SbomError;
use crate::error::Error;

/// Says what is in a directory.
pub(super) fn catalog(root: &Path, options: CatalogOptions) -> Result<Catalog, Error> {
    let mut builder = CatalogBuilder::new(options);
    let fail = |source| SbomError::Catalog { layer: None, source };
    walk(root, &mut |entry, data| Ok(builder.entry(entry, data).map_err(fail)?))?;
    Ok(builder.finish().map_err(fail)?)
}

/// Walks a directory, without following links, and shows what is in it. Files that nobody may read make it fail:
/// a list with holes is none.
pub(super) fn walk(
    root: &Path,
    show: &mut dyn FnMut(TarEntry, &mut dyn io::Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut pending = vec![TreePath::root()];
    while let Some(directory) = pending.pop() {
        let on_disk = below(root, &directory);
        let wrap = |path: &Path| {
            let path = path.to_owned();
            move |source| SbomError::Walk { path, source }
        };
        let listed = fs::read_dir(&on_disk).map_err(wrap(&on_disk))?;
        let mut names = Vec::new();
        for entry in listed {
            names.push(entry.map_err(wrap(&on_disk))?.file_name());
        }
        names.sort();
        for name in names {
            let on_disk = on_disk.join(&name);
            let path = directory.join(name.as_bytes()).map_err(|error| {
                wrap(&on_disk)(io::Error::new(io::ErrorKind::InvalidInput, error))
            })?;
            let metadata = fs::symlink_metadata(&on_disk).map_err(wrap(&on_disk))?;
            let kind = if metadata.is_dir() {
                pending.push(path.clone());
                TarEntryKind::Directory
            } else if metadata.is_symlink() {
                let target = fs::read_link(&on_disk).map_err(wrap(&on_disk))?;
                TarEntryKind::Symlink(target.as_os_str().as_bytes().to_vec())
            } else if metadata.is_file() {
                TarEntryKind::File(metadata.len())
            } else {
                TarEntryKind::Special(Special::Fifo)
            };
            let mut data: Box<dyn io::Read> = match kind {
                TarEntryKind::File(_) => Box::new(File::open(&on_disk).map_err(wrap(&on_disk))?),
                _ => Box::new(io::empty()),
            };
            let entry = TarEntry { path, metadata: Metadata::root(0o644, 0), kind };
            show(entry, &mut *data)?;
        }
    }
    Ok(())
}

fn below(root: &Path, path: &TreePath) -> std::path::PathBuf {
    root.join(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())))
}
