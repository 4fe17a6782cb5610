// SPDX-License-Identifier: Apache-2.0
//! Layouts in one file: a tar archive, to carry across an air gap.
//!
//! It is what `skopeo copy oci-archive:…` writes, and what Docker 25 and later save: other entries than those of a layout
//! are left out.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write};
use std::path::Path;

use hardpan_image::Layout;
use hardpan_tree::{
    Digest, Metadata, TarEntryKind, TarKind, TarLimits, TarReader, TarWriter, TreePath,
};

use super::ShelfError;
use crate::error::Error;
use crate::output::write_file_with;

/// The most entries of an archive: an image has a few hundred.
pub(crate) const ENTRIES_MAX: u64 = 20_000;
/// The largest archive, in bytes.
pub(crate) const SIZE_BYTES_MAX: u64 = 64 << 30;
/// The largest of the two files beside the blobs, in bytes.
const ROOT_FILE_BYTES_MAX: u64 = 4 << 20;

/// The list of images in archives of `docker save`, beside a layout or alone.
pub(crate) const DOCKER_LIST: &str = "manifest.json";

/// Unpacks the files of a layout that an archive has.
pub(crate) fn read_archive(path: &Path, directory: &Path) -> Result<(), Error> {
    let wrap = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let bad = |reason: &str| ShelfError::NotAnArchive {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let misleading = |reason: String| ShelfError::BadArchive { path: path.to_owned(), reason };
    let file = File::open(path).map_err(wrap)?;
    if !file.metadata().map_err(wrap)?.is_file() {
        return Err(bad("it is no file").into());
    }
    let limits = TarLimits {
        entries_max: ENTRIES_MAX,
        size_bytes_max: SIZE_BYTES_MAX,
        ..TarLimits::default()
    };
    let tar = |source| ShelfError::Archive { path: path.to_owned(), source };
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|source| Error::Io {
        action: "create",
        path: blobs,
        source,
    })?;
    let mut reader = TarReader::new(BufReader::with_capacity(1 << 16, file), limits);
    let (mut found, mut is_docker) = (0, false);
    while let Some(entry) = reader.next_entry().map_err(tar)? {
        let TarEntryKind::File(size_bytes) = entry.kind else { continue };
        let Some((name, max)) = place(&entry.path) else {
            is_docker |= entry.path.as_bytes() == DOCKER_LIST.as_bytes();
            continue;
        };
        if size_bytes > max {
            return Err(misleading(format!("{name} has {size_bytes} bytes")).into());
        }
        found += usize::from(!name.contains('/'));
        let target = directory.join(&name);
        let mut write = || -> io::Result<()> {
            let mut file = File::create_new(&target)?;
            io::copy(&mut (&mut reader).take(size_bytes), &mut file).map(|_| ())
        };
        write().map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => misleading(format!("{name} is there twice")).into(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                misleading(format!("{name} is cut off: {source}")).into()
            }
            _ => Error::Io { action: "unpack", path: path.to_owned(), source },
        })?;
    }
    if found < 2 && is_docker {
        return Err(ShelfError::DockerArchive { path: path.to_owned() }.into());
    }
    if found < 2 {
        return Err(bad("it has no oci-layout and index.json").into());
    }
    Ok(())
}

/// Returns where a file of an archive belongs, if it is one of a layout, and how large it may be.
fn place(path: &TreePath) -> Option<(String, u64)> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    match text {
        "oci-layout" | "index.json" => Some((text.to_owned(), ROOT_FILE_BYTES_MAX)),
        _ => {
            let digest = Digest::from_hex(text.strip_prefix("blobs/sha256/")?).ok()?;
            Some((format!("blobs/sha256/{}", digest.to_hex()), SIZE_BYTES_MAX))
        }
    }
}

/// Writes a layout into one file: complete or not at all, and the same bytes for the same layout.
pub(crate) fn write_archive(layout: &Layout, path: &Path) -> Result<(), Error> {
    let wrap = |action| move |source| Error::Io { action, path: path.to_owned(), source };
    let mut names = vec!["index.json".to_owned(), "oci-layout".to_owned()];
    let blobs = layout.directory().join("blobs/sha256");
    for entry in fs::read_dir(&blobs).map_err(wrap("list the blobs for"))? {
        let name = entry.map_err(wrap("list the blobs for"))?.file_name();
        // What is no blob is nothing of the layout's.
        if let Some(name) = name.to_str().filter(|name| Digest::from_hex(name).is_ok()) {
            names.push(format!("blobs/sha256/{name}"));
        }
    }
    names.sort();
    write_file_with(path, |output| {
        let mut tar = TarWriter::new(output);
        for name in &names {
            write_entry(&mut tar, layout, name).map_err(wrap("write"))?;
        }
        tar.write_end_marker().map_err(wrap("write"))
    })
}

fn write_entry(tar: &mut TarWriter<&mut dyn Write>, layout: &Layout, name: &str) -> io::Result<()> {
    let mut blob = File::open(layout.directory().join(name))?;
    let size_bytes = blob.metadata()?.len();
    let place = TreePath::parse(name).map_err(io::Error::other)?;
    let metadata = Metadata::root(0o644, 0);
    tar.write_entry(&place, &metadata, TarKind::File(size_bytes), &mut blob).map(|_| ())
}
