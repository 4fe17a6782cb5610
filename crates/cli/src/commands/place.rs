// SPDX-License-Identifier: Apache-2.0
//! Where images are that the command line names: registries, layouts, archives.

use std::path::{Path, PathBuf};

use hardpan::{CatalogRoot, Error, Location, SbomChoice, read_workspace};

use crate::args::Common;
use crate::args::trust::Chosen;
use crate::failure::Named;
use crate::machine::Machine;
use crate::near;

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
