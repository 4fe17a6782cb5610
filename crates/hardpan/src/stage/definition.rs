// SPDX-License-Identifier: Apache-2.0
//! A stage seen as a definition of its own: what it asks of the archives, and what its root is.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{
    Accounts, BuildStage, Definition, Hardpan, ImageReference, PathRule, Spanned, Variant,
};

/// What `${source.dir}` of a stage is: where downloads go and steps start.
pub(crate) const SOURCE_DIRECTORY: &str = "/work/source";
/// What `${target.dir}` of a stage is: where steps put what they make.
pub(crate) const TARGET_DIRECTORY: &str = "/work/target";

/// Puts the directories of a stage into a text.
pub(crate) fn in_stage(text: &str) -> String {
    text.replace("${source.dir}", SOURCE_DIRECTORY).replace("${target.dir}", TARGET_DIRECTORY)
}

/// Puts the directories of a stage into a path; one that is not absolute begins at the stage's own
/// working directory.
pub(crate) fn path_in_stage(path: &str, stage: &BuildStage) -> String {
    let path = in_stage(path);
    if path.starts_with('/') {
        return path;
    }
    let from = stage.work_dir.as_ref().map_or(SOURCE_DIRECTORY.to_owned(), |dir| in_stage(dir));
    format!("{}/{path}", from.trim_end_matches('/'))
}

/// Returns the names of a definition's stages, in order, each only once: stages without a name, and
/// second ones of the same name, get their number.
pub(crate) fn stage_names(definition: &Definition) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for (index, stage) in definition.contents.builds.iter().enumerate() {
        let own = stage.name.as_ref().map(|name| name.value.clone());
        let mut name = own.unwrap_or_else(|| format!("stage {}", index + 1));
        if taken.contains(&name) {
            name = format!("{name} {}", index + 1);
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// Returns the number of the stage that a reference means: one with a stage's name, and neither tag nor
/// digest.
pub(crate) fn stage_of(reference: &ImageReference, names: &[String]) -> Option<usize> {
    if reference.tag.is_some() || reference.digest.is_some() {
        return None;
    }
    names.iter().position(|name| *name == reference.name)
}

/// Returns the images that a stage begins with or takes files from, each once.
pub(crate) fn images_of(
    definition: &Definition,
    stage: &BuildStage,
) -> Vec<Spanned<ImageReference>> {
    let names = stage_names(definition);
    let base = stage.uses.iter().cloned();
    let artifacts = stage.contents.artifacts.iter().map(|artifact| artifact.name.clone());
    let mut images: Vec<Spanned<ImageReference>> = Vec::new();
    for image in base.chain(artifacts).filter(|image| stage_of(image, &names).is_none()) {
        if !images.iter().any(|known| known.value == image.value) {
            images.push(image);
        }
    }
    images
}

/// Returns a stage as a definition of its own. Its root has all that an installation would have, and
/// nothing of it counts as the image's.
///
/// A stage that names no archives has those of the image.
pub(crate) fn stage_definition(definition: &Definition, stage: &BuildStage) -> Definition {
    let names = stage_names(definition);
    let mut own = definition.clone();
    own.variant = Variant::Dev;
    let mut contents = stage.contents.clone();
    if contents.repositories.is_empty() {
        contents.repositories.clone_from(&definition.contents.repositories);
        contents.keyring.clone_from(&definition.contents.keyring);
    }
    // What comes from another stage is no demand.
    contents.artifacts.retain(|artifact| stage_of(&artifact.name, &names).is_none());
    own.contents = contents;
    own.accounts = Accounts { root: true, run_as: None, ..stage.accounts.clone() };
    own.paths = stage.paths.iter().map(|rule| rule_in_stage(rule, stage)).collect();
    own.environment = BTreeMap::new();
    own.x_hardpan = Hardpan::default();
    own
}

fn rule_in_stage(rule: &Spanned<PathRule>, stage: &BuildStage) -> Spanned<PathRule> {
    let mut own = rule.clone();
    own.value.path.value = path_in_stage(&rule.path, stage);
    if rule.kind == hardpan_definition::PathKind::Symlink
        && let Some(target) = &mut own.value.source
    {
        target.value = in_stage(target);
    }
    if let Some(content) = &mut own.value.content {
        content.value = in_stage(content);
    }
    own
}
