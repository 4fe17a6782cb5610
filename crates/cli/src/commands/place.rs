// SPDX-License-Identifier: Apache-2.0
//! Where images are that the command line names: registries, layouts, archives.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hardpan::{CatalogRoot, Error, Location, SbomChoice, SbomSource, read_workspace};

use crate::args::Common;
use crate::args::trust::Chosen;
use crate::failure::Named;
use crate::machine::Machine;
use crate::near;

/// Directories of which a root file system has one at least (Filesystem Hierarchy Standard, chapter 3).
const ROOT_DIRECTORIES: [&str; 16] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "root", "run", "sbin",
    "srv", "sys", "usr", "var",
];
/// How compressed files begin, what they are called, and what decompresses them.
const COMPRESSED: [(&[u8], &str, &str); 4] = [
    (b"\x1f\x8b", "gzip", "gunzip"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    (b"\xfd7zXZ\0", "xz", "unxz"),
    (b"BZh", "bzip2", "bunzip2"),
];

/// Returns an image, or a directory that is a root file system.
pub(super) fn source(text: &str) -> anyhow::Result<SbomSource> {
    let source = files(text)?;
    if let SbomSource::Rootfs(path) = &source {
        check_root(path)?;
    }
    Ok(source)
}

/// Returns an image, or any directory with files to look into.
pub(super) fn files(text: &str) -> anyhow::Result<SbomSource> {
    let path = Path::new(text);
    if path.is_dir() && !path.join("oci-layout").exists() {
        check_form(path)?;
        return Ok(SbomSource::Rootfs(path.to_owned()));
    }
    Ok(SbomSource::Image(existing(text)?))
}

/// Refuses directories that hold an image in a form which is not read: as a root file system they would be empty.
fn check_form(path: &Path) -> Result<(), Named> {
    let has = |name: &str| path.join(name).is_file();
    let (form, help) = if !has("manifest.json") || path.join("etc").exists() {
        return Ok(());
    } else if has("version") {
        ("skopeo's form `dir`", "copy it: `skopeo copy dir:IMAGE oci:LAYOUT`")
    } else {
        ("an unpacked archive", "name the archive itself")
    };
    let message = format!("{} is no root file system: it holds an image in {form}", path.display());
    Err(Named { message, help: Some(help.to_owned()) })
}

/// Refuses a directory that is no root file system: what is said of it would look like what is said of an image.
fn check_root(path: &Path) -> Result<(), Named> {
    let has = |name: &&str| path.join(name).symlink_metadata().is_ok();
    if ROOT_DIRECTORIES.iter().any(has) {
        return Ok(());
    }
    let below = layout_below(path).map(|below| format!("did you mean {}?", below.display()));
    let message = format!(
        "{} is neither an OCI layout nor a root file system: it has no /etc, no /usr, and nothing else that one has",
        path.display()
    );
    Err(Named { message, help: below })
}

/// Returns the first directory in another one that holds a layout.
fn layout_below(path: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(path).ok()?.filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.join("oci-layout").is_file()).min()
}

/// Refuses a file that has to be decompressed first.
fn check_archive(path: &Path) -> Result<(), Named> {
    let mut begin = [0; 6];
    let read = File::open(path).and_then(|mut file| file.read(&mut begin)).unwrap_or(0);
    let kind = COMPRESSED.iter().find(|(magic, ..)| begin[..read].starts_with(magic));
    let Some((_, name, program)) = kind else { return Ok(()) };
    let message = format!("{} is compressed ({name})", path.display());
    Err(Named { message, help: Some(format!("decompress it first, with `{program}`")) })
}

/// Returns where an image is that is there: a directory, a file, or else a name in a registry.
pub(super) fn existing(text: &str) -> anyhow::Result<Location> {
    let path = Path::new(text);
    if path.is_dir() {
        if path.join("oci-layout").exists() {
            return Ok(Location::Layout(path.to_owned()));
        }
        let message = format!("{text} is no OCI layout");
        let help = Some("`hardpan build` writes layouts to ./out".to_owned());
        return Err(Named { message, help }.into());
    }
    if path.is_file() {
        check_archive(path)?;
        return Ok(Location::Archive(path.to_owned()));
    }
    if is_path(text) || is_archive(text) {
        let near = near::near_path(path, near::is_image);
        let help = near.map(|near| format!("did you mean {}?", near.display()));
        return Err(Named { message: format!("there is no {text}"), help }.into());
    }
    registry(text)
}

/// Returns where an image goes: a directory if it looks like one, or else a name in a registry.
pub(super) fn target(text: &str) -> anyhow::Result<Location> {
    if is_path(text) || Path::new(text).is_dir() {
        return Ok(Location::Layout(PathBuf::from(text)));
    }
    registry(text)
}

fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.']) || text.is_empty()
}

/// Returns whether nobody would call an image so.
pub(super) fn is_archive(path: impl AsRef<Path>) -> bool {
    path.as_ref().extension().is_some_and(|end| end == "tar")
}

fn registry(text: &str) -> anyhow::Result<Location> {
    let name = text.parse().map_err(|source| Error::ImageName { name: text.to_owned(), source })?;
    Ok(Location::Registry(name))
}

/// Returns the layout that an image is in, if it is in one.
pub(super) fn layout(location: &Location) -> Option<&Path> {
    match location {
        Location::Layout(path) => Some(path),
        _ => None,
    }
}

/// Returns which of several images and platforms is meant.
pub(super) fn choice(chosen: &Chosen) -> SbomChoice<'_> {
    SbomChoice {
        image: chosen.image_name.as_deref(),
        platform: chosen.platform.as_deref(),
        manifest: None,
    }
}

/// Opens the machine with the workspace of the working directory.
pub(super) fn machine(common: &Common) -> anyhow::Result<Machine> {
    let catalog = CatalogRoot::of("hardpan.toml".as_ref());
    let (workspace, _) = read_workspace(&catalog).map_err(Error::from)?;
    Machine::new(common, workspace, catalog.path())
}
