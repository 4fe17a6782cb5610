// SPDX-License-Identifier: Apache-2.0
//! The image that a command works with: of a layout or an archive, or of a definition, which is built first.

use std::path::{Path, PathBuf};

use hardpan::container::{ContainerImage, UnpackedArchive};
use hardpan::{BuildRequest, BuildSettings, Error, Observer, Project};

use super::build::layout;
use super::{in_definition, open, place};
use crate::args::{Common, Image};
use crate::failure::Named;
use crate::machine::{self, Machine};
use crate::near::near_path;
use crate::progress::Progress;

/// A machine, with the definition if one was named.
pub(super) struct Opened {
    pub(super) machine: Machine,
    pub(super) project: Option<Project>,
    /// The image, where an archive was named.
    pub(super) unpacked: Option<UnpackedArchive>,
}

/// Opens what was named: a definition, a layout, or an archive.
pub(super) fn open_named(common: &Common, image: &Image) -> anyhow::Result<Opened> {
    let path = &image.place;
    if path.is_dir() {
        if !path.join("oci-layout").exists() {
            let message = format!("{} is neither a definition nor an OCI layout", path.display());
            let help = Some("`hardpan build` writes layouts to ./out".to_owned());
            return Err(Named { message, help }.into());
        }
        return Ok(Opened { machine: place::machine(common)?, project: None, unpacked: None });
    }
    if !path.exists() {
        let message = format!("there is no {}", path.display());
        // Next to each definition is its lock.
        let is_wanted =
            |path: &Path| path.exists() && path.extension().is_none_or(|end| end != "lock");
        let near = near_path(path, is_wanted);
        let help = near.map(|near| format!("did you mean {}?", near.display()));
        return Err(Named { message, help }.into());
    }
    if place::is_archive(path) {
        let machine = place::machine(common)?;
        let progress = Progress::new(common);
        let unpacked = machine.session(&progress).unpack_archive(path);
        progress.clear();
        return Ok(Opened { unpacked: Some(unpacked?), machine, project: None });
    }
    let (project, machine) = open(common, path)?;
    Ok(Opened { machine, project: Some(project), unpacked: None })
}

/// Returns the layout that the image is in: the one that was named, or where a definition's goes.
pub(super) fn layout_of(opened: &Opened, image: &Image) -> PathBuf {
    if let Some(unpacked) = &opened.unpacked {
        return unpacked.layout().to_owned();
    }
    let built = opened.project.as_ref();
    let built = built.and_then(|project| layout(image.output.as_ref(), false, project));
    built.unwrap_or_else(|| image.place.clone())
}

/// Builds a definition's image as `hardpan build` would, or takes the unchanged one, and opens it; opens
/// a layout's.
pub(super) fn ready(
    opened: &Opened,
    image: &Image,
    observer: &dyn Observer,
) -> anyhow::Result<ContainerImage> {
    let session = opened.machine.session(observer);
    let machine = machine::platform();
    let Some(project) = &opened.project else {
        return Ok(session.open_image(&layout_of(opened, image), image.platform, machine)?);
    };
    let fail = in_definition(project);
    if let Some(platform) = image.platform
        && !project.definitions.contains_key(&platform)
    {
        return Err(fail(Error::NoPlatform { platform }));
    }
    let settings = BuildSettings::of(project.any_definition(), opened.machine.workspace());
    let target = layout_of(opened, image);
    // Stages of other platforms may need an emulator: who names a platform needs no other.
    let request = BuildRequest {
        layout: Some(target.clone()),
        platforms: image.platform.into_iter().collect(),
        // It is looked at, and whatever is attested of it stays.
        is_attested_in_index: true,
        ..BuildRequest::default()
    };
    session
        .fitting_lock(project, &settings, image.locked)
        .and_then(|(lock, _)| session.build(project, &lock, &settings, &request))
        .and_then(|_| session.open_image(&target, image.platform, machine))
        .map_err(fail)
}
