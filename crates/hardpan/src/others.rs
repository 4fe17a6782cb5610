// SPDX-License-Identifier: Apache-2.0
//! What of contents is neither package nor stage: files of other images, and downloads.

use std::collections::BTreeMap;

use hardpan_definition::{Contents, Definition, Platform};
use hardpan_tree::{Origin, PathError, Tree, TreePath};

use crate::artifact::{LockedArtifact, PlacedArtifact};
use crate::built::{BuiltDownload, Substitute};
use crate::download::{LockedFile, PlacedFile};
use crate::error::Error;
use crate::lock::{LockedPlatform, LockedStage};
use crate::project::Project;
use crate::session::Session;
use crate::stage::{in_stage, stage_definition, stage_names};

/// The pins of an image's, or of a stage's, downloads and images.
#[derive(Clone, Copy)]
pub(crate) struct Pins<'l> {
    /// Downloads.
    pub files: &'l [LockedFile],
    /// Images of others.
    pub images: &'l [LockedArtifact],
}

impl<'l> From<&'l LockedPlatform> for Pins<'l> {
    fn from(locked: &'l LockedPlatform) -> Self {
        Self { files: &locked.files, images: &locked.images }
    }
}

impl<'l> From<&'l LockedStage> for Pins<'l> {
    fn from(locked: &'l LockedStage) -> Self {
        Self { files: &locked.files, images: &locked.images }
    }
}

/// What was put into a tree, for the record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placed {
    /// Downloads.
    pub downloads: Vec<BuiltDownload>,
    /// Paths that came from images, by the image's name as the definition has it. A later one has taken an earlier one's place.
    pub taken: BTreeMap<TreePath, String>,
    /// What the workspace file put in the place of others.
    pub substitutes: Vec<Substitute>,
    /// What deserves a word.
    pub warnings: Vec<String>,
}

impl Placed {
    /// Notes what files of another image came to.
    pub(crate) fn note_artifact(&mut self, placed: &PlacedArtifact) {
        let name = &placed.name;
        self.taken.extend(placed.paths.iter().map(|path| (path.clone(), name.clone())));
        self.warnings.extend(
            placed.unmatched.iter().map(|glob| format!("{name} has nothing that {glob} fits")),
        );
        let dropped = placed.dropped.iter();
        self.warnings
            .extend(dropped.map(|path| format!("{path} of {name} is no file, and is left out")));
    }

    fn note_file(&mut self, placed: PlacedFile) {
        let submodules = placed.submodules.iter();
        self.warnings.extend(submodules.map(|path| {
            format!("{path} of {} is another repository, and stays empty", placed.url)
        }));
        self.downloads.push(placed.into());
    }
}

impl Session<'_> {
    /// Makes sure that the downloads and images of definitions, and of their stages, are in the store.
    pub(crate) fn fetch_others(
        &self,
        project: &Project,
        definitions: &[&Definition],
        platforms: &BTreeMap<String, LockedPlatform>,
    ) -> Result<(), Error> {
        for definition in definitions {
            let Some(locked) = platforms.get(definition.platform.name()) else { continue };
            let platform = definition.platform;
            self.fetch_part(project, &definition.contents, locked.into(), platform)?;
            let stages = definition.contents.builds.iter().zip(stage_names(definition));
            for (stage, name) in stages {
                let Some(locked) = locked.stages.get(&name) else { continue };
                let contents = stage_definition(definition, stage).contents;
                self.fetch_part(project, &contents, locked.into(), platform)?;
            }
        }
        Ok(())
    }

    fn fetch_part(
        &self,
        project: &Project,
        contents: &Contents,
        pins: Pins<'_>,
        platform: Platform,
    ) -> Result<(), Error> {
        if !pins.images.is_empty() {
            self.fetch_images(pins.images, platform)?;
        }
        if !contents.files.is_empty() {
            self.fetch_files(&project.root, &contents.files, pins.files)?;
        }
        Ok(())
    }

    /// Returns what is not what the definition names. Another place for the same download is not among it.
    fn substitutes(&self, contents: &Contents, pins: Pins<'_>) -> Vec<Substitute> {
        let substitute = |wanted: &str, used| {
            let (stage, wanted) = (None, wanted.to_owned());
            Substitute { stage, wanted, used }
        };
        let images = pins
            .images
            .iter()
            .filter_map(|image| image.substitute.clone().map(|used| substitute(&image.name, used)));
        let files = contents.files.iter().filter_map(|file| {
            let (_, rule) = self.workspace.download_override(&file.url)?;
            Some(substitute(&file.url, rule.checksum?.to_string()))
        });
        images.chain(files).collect()
    }

    /// Puts files of other images, and then downloads, into a tree.
    pub(crate) fn place_others(
        &self,
        tree: &mut Tree,
        contents: &Contents,
        pins: Pins<'_>,
        epoch: i64,
        origin: Origin,
    ) -> Result<Placed, Error> {
        let substitutes = self.substitutes(contents, pins);
        let mut placed = Placed { substitutes, ..Placed::default() };
        for artifact in
            self.place_artifacts(tree, &contents.artifacts, pins.images, epoch, origin)?
        {
            placed.note_artifact(&artifact);
        }
        let directories =
            |path: &str| -> Result<TreePath, PathError> { TreePath::parse(in_stage(path)) };
        let files = &contents.files;
        for file in self.place_files(tree, files, pins.files, &directories, epoch, origin)? {
            placed.note_file(file);
        }
        Ok(placed)
    }
}
