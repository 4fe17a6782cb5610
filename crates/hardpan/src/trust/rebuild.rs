// SPDX-License-Identifier: Apache-2.0
//! `rebuild`: an image built again from its own provenance, and compared with what it was.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hardpan_attest::key::UtcTime;
use hardpan_attest::predicate::provenance::{FileRole, Provenance, RebuildInputs};
use hardpan_attest::predicate::uri;
use hardpan_attest::sbom::Sbom;
use hardpan_attest::verify::{Claim, Evidence, Rules};
use hardpan_image::{Descriptor, ImageConfig, Manifest, Raw};
use hardpan_tree::{Digest, Origin, Tree, TreePath};
use serde::Serialize;

use super::attest::image_name;
use super::changes::configuration;
use super::inputs::{DifferentInput, Rebuilt, add_definition, inputs_of};
use super::verify::evidence;
use super::{TrustError, in_index};
use crate::error::Error;
use crate::image_tree::{LayerInput, tree_of_layers};
use crate::sbom;
use crate::session::Session;
use crate::shelf::{ImageSet, Location, Shelf};

/// How an image is built again.
#[derive(Debug, Clone)]
pub struct RebuildPlan {
    /// What provenance says.
    pub inputs: RebuildInputs,
    /// Who signed it.
    pub key: String,
    /// Digest of what was built.
    pub digest: Digest,
}

/// What came of building an image again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Digest of the image as it is published.
    pub expected: Digest,
    /// Digest of what was built again.
    pub actual: Digest,
    /// How many manifests with statements the index of the published image has, as BuildKit writes them. A build does not
    /// make them, and they can hold times, so what is compared is the index without them, with all of its platforms.
    pub attestations_left_out: usize,
    /// What differs, platform by platform; empty if nothing does.
    pub differences: Vec<PlatformDifference>,
}

/// What differs for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformDifference {
    /// The platform.
    pub platform: String,
    /// Paths that only what was built again has.
    pub added: Vec<String>,
    /// Paths with other content, mode or owner.
    pub changed: Vec<String>,
    /// Paths that only the published image has.
    pub removed: Vec<String>,
    /// What differs beside the files: parts of the configuration, annotations, how layers are cut.
    pub documents: Vec<String>,
    /// The inputs of the build that all of this is of.
    pub inputs: Vec<DifferentInput>,
}

/// A platform of an image where it lies.
type PlatformAt<'s> = (&'s dyn Shelf, &'s Descriptor, &'s Raw<Manifest>);

impl Comparison {
    /// Returns whether it is the same image, but for what is left out.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Session<'_> {
    /// Reads how an image was built out of provenance that a trusted key signed.
    pub fn rebuild_plan<'r>(
        &self,
        location: &Location,
        rules: impl Into<Rules<'r>>,
    ) -> Result<RebuildPlan, Error> {
        let rules = rules.into();
        let opened = self.open_shelf(location)?;
        let set = ImageSet::read(opened.shelf())?;
        let now = UtcTime::of_seconds(self.now_seconds());
        let root = &set.root.descriptor;
        let all = evidence(self, opened.shelf(), &set, root, rules, &now)?;
        let found = all.iter().find_map(|one| {
            let accepted = one.outcome.as_ref().ok()?;
            match &accepted.claim {
                Claim::Attestation(statement) if statement.predicate_type == uri::PROVENANCE => {
                    Some((accepted.key_name.clone(), statement.predicate.clone()))
                }
                _ => None,
            }
        });
        let Some((key, predicate)) = found else {
            let refused = all.iter().find_map(Evidence::refusal).map(ToString::to_string);
            return Err(TrustError::NoProvenance { image: root.digest, refused }.into());
        };
        let provenance = Provenance::from_value(&predicate).map_err(TrustError::from)?;
        let inputs = provenance.rebuild_inputs().map_err(TrustError::from)?;
        Ok(RebuildPlan { inputs, key, digest: root.digest })
    }

    /// Compares a published image with what was built again into a layout.
    pub fn compare_rebuilt(
        &self,
        published: &Location,
        layout: &Path,
        rebuilt: &Rebuilt<'_>,
    ) -> Result<Comparison, Error> {
        let old = self.open_shelf(published)?;
        let new = self.open_shelf(&Location::Layout(layout.to_owned()))?;
        let (old_set, new_set) = (ImageSet::read(old.shelf())?, ImageSet::read(new.shelf())?);
        let expected = old_set.root.descriptor.digest;
        let attestations_left_out = old_set.attestations.len();
        let (old_set, new_set) = (in_index::without(&old_set)?, in_index::without(&new_set)?);
        let actual = new_set.root.descriptor.digest;
        let mut differences = Vec::new();
        if old_set.root.descriptor.digest != actual {
            for (descriptor, manifest) in &old_set.platforms {
                let name = platform_name(descriptor);
                let found = new_set.platforms.iter().find(|(it, _)| platform_name(it) == name);
                let difference = match found {
                    Some((other, _)) if other.digest == descriptor.digest => continue,
                    Some((other, other_manifest)) => {
                        let old = (old.shelf(), descriptor, manifest);
                        self.difference(old, (new.shelf(), other, other_manifest), rebuilt, name)?
                    }
                    None => PlatformDifference::of(name, vec!["it was not built".to_owned()]),
                };
                differences.push(difference);
            }
            if differences.is_empty() {
                let documents = vec!["the index names its platforms in another way".to_owned()];
                differences.push(PlatformDifference::of("index".to_owned(), documents));
            }
        }
        Ok(Comparison { expected, actual, attestations_left_out, differences })
    }

    fn difference(
        &self,
        (old_shelf, old_descriptor, old): PlatformAt<'_>,
        (new_shelf, new_descriptor, new): PlatformAt<'_>,
        rebuilt: &Rebuilt<'_>,
        platform: String,
    ) -> Result<PlatformDifference, Error> {
        let (old_config, old_tree) = self.tree_of(old_shelf, old)?;
        let (new_config, new_tree) = self.tree_of(new_shelf, new)?;
        let found = new_tree.difference(&old_tree);
        let text = |paths: Vec<TreePath>| paths.iter().map(ToString::to_string).collect();
        let mut documents = Vec::new();
        let keys = different_keys(old_config.value(), new_config.value());
        if !keys.is_empty() {
            documents.push(format!("the configuration differs: {}", keys.join(", ")));
        }
        for (what, same) in [
            ("the time of the image", old_config.value().created == new_config.value().created),
            ("annotations", old.value().annotations == new.value().annotations),
        ] {
            if !same {
                documents.push(format!("{what} differs"));
            }
        }
        let is_same_tree = found.is_empty();
        if is_same_tree && old_config.value().rootfs != new_config.value().rootfs {
            documents.push("the same files are in other layers, or in another order".to_owned());
        }
        let mut inputs = Vec::new();
        if !is_same_tree {
            let old_sbom = Self::sbom_found(old_shelf, old_descriptor, old, &platform)?;
            let built = &rebuilt.built.platforms;
            let new_sbom = match built.iter().find(|it| it.manifest == new_descriptor.digest) {
                Some(built) => {
                    let (name, at) = (image_name(rebuilt.built)?, (new_descriptor, new));
                    let Rebuilt { lock, settings, .. } = rebuilt;
                    self.sbom_of_built(new_shelf, &name, at, built, lock, settings)?.0.sbom
                }
                None => Self::sbom_found(new_shelf, new_descriptor, new, &platform)?,
            };
            inputs = inputs_of(&found, &[&new_sbom, &old_sbom], &rebuilt.plan.inputs.files);
        }
        if !keys.is_empty() {
            add_definition(&mut inputs);
        }
        Ok(PlatformDifference {
            platform,
            added: text(found.added),
            changed: text(found.changed),
            removed: text(found.removed),
            documents,
            inputs,
        })
    }

    /// Returns what an image's own files say of who brought them.
    fn sbom_found(
        shelf: &dyn Shelf,
        descriptor: &Descriptor,
        manifest: &Raw<Manifest>,
        platform: &str,
    ) -> Result<Sbom, Error> {
        let catalog = sbom::catalog_of(shelf, manifest)?;
        let naming = sbom::Naming {
            name: "image",
            version: None,
            digest: Some(descriptor.digest),
            platform: Some(platform.to_owned()),
            epoch: 0,
        };
        Ok(sbom::sbom_of(&catalog, &naming, &sbom::Known::default()).sbom)
    }

    pub(super) fn tree_of(
        &self,
        shelf: &dyn Shelf,
        manifest: &Raw<Manifest>,
    ) -> Result<(Raw<ImageConfig>, Tree), Error> {
        let config = sbom::config_of(shelf, manifest)?;
        let layers = &manifest.value().layers;
        let openers: Vec<_> = (layers.iter())
            .map(|layer| {
                move || -> io::Result<Box<dyn io::Read + '_>> {
                    shelf.open(layer).map_err(io::Error::other)
                }
            })
            .collect();
        let inputs = layers.iter().zip(&config.value().rootfs.diff_ids).zip(&openers);
        let inputs = inputs.map(|((descriptor, diff_id), open)| LayerInput {
            descriptor,
            diff_id: *diff_id,
            open,
        });
        let tree = tree_of_layers(self.store, inputs, Origin::Definition)?;
        Ok((config, tree))
    }
}

impl PlatformDifference {
    fn of(platform: String, documents: Vec<String>) -> Self {
        Self {
            platform,
            added: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            documents,
            inputs: Vec::new(),
        }
    }
}

/// Returns the keys of configurations that differ: `Entrypoint`, `Env.PATH`.
fn different_keys(old: &ImageConfig, new: &ImageConfig) -> Vec<String> {
    let (old_keys, new_keys) = (configuration(old), configuration(new));
    let all: BTreeSet<&String> = old_keys.keys().chain(new_keys.keys()).collect();
    let differs = |key: &&String| old_keys.get(*key) != new_keys.get(*key);
    let mut keys: Vec<String> = all.into_iter().filter(differs).cloned().collect();
    // What stands in no key that is compared is still a difference.
    if keys.is_empty() && old.config != new.config {
        keys.push("something else than its usual keys".to_owned());
    }
    keys
}

fn platform_name(descriptor: &Descriptor) -> String {
    let name = descriptor.platform.as_ref().map(ToString::to_string);
    name.unwrap_or_else(|| "the image".to_owned())
}

impl RebuildPlan {
    /// Writes the files of the definition below a directory, and returns where the definition is.
    ///
    /// # Errors
    /// If provenance does not hold all of them.
    pub fn write(&self, directory: &Path) -> Result<PathBuf, Error> {
        let missing = self.inputs.missing();
        if !missing.is_empty() {
            let paths = missing.iter().map(|path| (*path).to_owned()).collect();
            return Err(TrustError::NotHeld { paths }.into());
        }
        let mut definition = None;
        for (path, file) in &self.inputs.files {
            let inside = TreePath::parse(path)
                .map_err(|source| TrustError::FilePath { path: path.clone(), source })?;
            let target = directory.join(String::from_utf8_lossy(inside.as_bytes()).as_ref());
            let wrap = |source| Error::Io { action: "write", path: target.clone(), source };
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(wrap)?;
            }
            let text = file.text.as_deref().unwrap_or_default();
            fs::write(&target, text).map_err(wrap)?;
            let mode = if file.is_executable { 0o755 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).map_err(wrap)?;
            if file.role == FileRole::Definition {
                definition = Some(target);
            }
        }
        // The catalog's root is where the workspace file is.
        let workspace = directory.join(crate::config::FILE_NAME);
        if !workspace.exists() {
            let wrap = |source| Error::Io { action: "write", path: workspace.clone(), source };
            fs::write(&workspace, "").map_err(wrap)?;
        }
        let nothing = || TrustError::NotHeld { paths: vec![self.inputs.definition.clone()] };
        Ok(definition.ok_or_else(nothing)?)
    }
}
