// SPDX-License-Identifier: Apache-2.0
//! Build stages: steps that a definition's author wrote, run in the sandbox, and what of their results
//! goes into the image.
//!
//! `plan` says what runs in which order, `run` runs it, `record` and `result` make what the steps changed
//! into data, and `outputs` takes of that what the image should have. What a stage does is a function of
//! its fresh root, its steps and the lock's epoch, so its result is kept in the store under their digest.

mod check;
mod definition;
mod error;
mod log;
mod outputs;
mod plan;
mod record;
mod result;
mod run;
mod summary;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hardpan_definition::Definition;
use hardpan_package::strip::StripPolicy;
use hardpan_remote::registry::Logins;
use hardpan_tree::{Digest, Kind, Metadata, Node, Origin, Tree, TreePath};

pub use check::check_stages;
pub(crate) use definition::{images_of, in_stage, stage_definition, stage_names};
pub use error::StageError;
pub(crate) use plan::PlannedStage;
pub(crate) use plan::{Base, PlannedStep, StagePlan, plan};
pub use summary::{StageSummary, StagesSummary, StepSummary, summarize_stages};

use crate::action::Actions;
use crate::artifact::{self, LockedArtifact};
use crate::built::{BuiltDownload, StageStatement, Substitute};
use crate::error::Error;
use crate::fetch::Prepared;
use crate::finish;
use crate::lock::{LockedArchive, LockedPlatform, LockedStage};
use crate::others::{Pins, Placed};
use crate::parallel;
use crate::project::Project;
use crate::session::Session;
use crate::settings;
use definition::{SOURCE_DIRECTORY, TARGET_DIRECTORY};
use outputs::{StageEnd, take_outputs};
use result::StageChanges;
use run::ReadyStage;

/// Files of a base image that a stage keeps, unless it has accounts of its own.
const ACCOUNT_FILES: [&str; 4] = ["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"];

/// What build steps, tests and containers are given of this machine.
#[derive(Debug, Clone, Default)]
pub struct StageOptions {
    /// Secrets by id. Only a step that names one gets it.
    pub secrets: BTreeMap<String, Secret>,
    /// Refuse steps with network access, whatever the definition says.
    pub refuse_network: bool,
    /// Run every stage twice, and fail where the two differ.
    pub check_reproducible: bool,
    /// Where to leave the root of a stage that failed; `None` removes it.
    pub keep_failed: Option<PathBuf>,
    /// Longest time of one step; `None` for no limit.
    pub step_time: Option<Duration>,
    /// Memory of one step; `None` for no limit.
    pub step_memory_bytes: Option<u64>,
    /// Emulators (static `qemu-user`) for programs of other machines, by ELF machine number.
    pub emulators: BTreeMap<u16, PathBuf>,
    /// OCI layouts that images of `artifacts` and `uses` are looked up in before any registry.
    pub artifact_layouts: Vec<PathBuf>,
    /// What lets hardpan in at registries.
    pub logins: Logins,
}

/// A secret's value. It is never printed, written or hashed.
#[derive(Clone)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// All stages of a platform, at their ends.
pub(crate) struct StageResults {
    plan: StagePlan,
    ends: Vec<Finished>,
    /// What can't be in an image and was left out, and what of the stages' packages nothing covers.
    pub warnings: Vec<String>,
}

/// A stage at its end.
struct Finished {
    tree: Tree,
    changes: StageChanges,
    warnings: Vec<String>,
    downloads: Vec<BuiltDownload>,
    substitutes: Vec<Substitute>,
}

/// What all stages of a platform are made of.
pub(crate) struct StageInputs<'a> {
    /// The definition on disk.
    pub project: &'a Project,
    /// The platform's inputs.
    pub locked: &'a LockedPlatform,
    /// Packages as segments.
    pub prepared: &'a BTreeMap<Digest, Prepared>,
    /// What is left out of packages.
    pub strip: &'a StripPolicy,
    /// The time of everything that hardpan makes.
    pub epoch: i64,
    /// The archives that packages are from.
    pub archives: &'a [LockedArchive],
}

impl Session<'_> {
    /// Runs the stages of a rendered definition: those that do not need each other at the same time.
    pub(crate) fn run_stages(
        &self,
        definition: &Definition,
        inputs: &StageInputs<'_>,
    ) -> Result<StageResults, Error> {
        let plan = self.stage_plan(inputs.project, definition)?;
        let mut ends: BTreeMap<usize, Finished> = BTreeMap::new();
        for wave in plan.waves() {
            let finished = parallel::map(self.threads, &wave, |&number| {
                self.finish_stage(&plan, number, &ends, inputs)
            })?;
            ends.extend(wave.into_iter().zip(finished));
        }
        let warnings = plan
            .stages
            .iter()
            .zip(ends.values())
            .flat_map(|(stage, end)| {
                let left_out = end
                    .changes
                    .left_out
                    .iter()
                    .map(|what| format!("stage {}: {what}, and is left out", stage.name));
                let named = |warning: &String| format!("stage {}: {warning}", stage.name);
                left_out.chain(end.warnings.iter().map(named)).collect::<Vec<_>>()
            })
            .collect();
        Ok(StageResults { plan, ends: ends.into_values().collect(), warnings })
    }

    /// Plans the stages of a rendered definition, with the actions of its catalog.
    pub(crate) fn stage_plan(
        &self,
        project: &Project,
        definition: &Definition,
    ) -> Result<StagePlan, Error> {
        let uses_actions = definition
            .contents
            .builds
            .iter()
            .flat_map(|stage| &stage.pipeline)
            .any(|step| step.runs.is_none());
        let actions = if uses_actions {
            Actions::load(&project.root, &self.workspace.actions.paths).map_err(Box::new)?
        } else {
            Actions::default()
        };
        plan(definition, &actions, self.stages.refuse_network)
    }

    fn finish_stage(
        &self,
        plan: &StagePlan,
        number: usize,
        ends: &BTreeMap<usize, Finished>,
        inputs: &StageInputs<'_>,
    ) -> Result<Finished, Error> {
        let stage = &plan.stages[number];
        let locked = inputs.locked.stages.get(&stage.lock_name).cloned().unwrap_or_default();
        let origin = origin(number);
        let mut environment = BTreeMap::new();
        let image;
        let base = match &stage.base {
            Some(Base::Stage(number)) => ends.get(number).map(|end| &end.tree),
            Some(Base::Image(reference)) => {
                let pin = base_pin(stage, &locked, &reference.to_string())?;
                environment = artifact::environment(&self.image_config(pin)?);
                image = self.image_tree(pin, origin)?.tree;
                Some(&image)
            }
            None => None,
        };
        let mut placed = Placed::default();
        let assembly = self.assemble(
            &stage.definition,
            &inputs.project.root,
            &locked.packages,
            inputs.prepared,
            inputs.strip,
            inputs.epoch,
            inputs.archives,
            |tree| {
                if let Some(base) = base {
                    underlay(tree, base, origin);
                    keep_accounts(tree, base, &stage.definition, origin);
                }
                make_work_directories(tree, inputs.epoch);
                keep_apt_root(tree, inputs.epoch);
                keep_apt_sources(tree, &stage.definition, inputs.epoch);
                let contents = &stage.definition.contents;
                let pins = Pins::from(&locked);
                placed = self.place_others(tree, contents, pins, inputs.epoch, origin)?;
                for (number, artifact) in &stage.taken {
                    let Some(from) = ends.get(number) else { continue };
                    let taken =
                        artifact::place_from(tree, artifact, &from.tree, inputs.epoch, origin)?;
                    placed.note_artifact(&taken);
                }
                Ok(())
            },
        )?;
        environment.extend(assembly.environment.clone());
        let mut environment = settings::environment(&stage.definition, &environment);
        self.find_artifacts(&mut environment, stage, &locked.images, &assembly.tree)?;
        for (name, value) in [("HOME", "/root"), ("LANG", "C.UTF-8"), ("TZ", "UTC")] {
            environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        let ready = ReadyStage {
            stage,
            platform: stage.definition.platform,
            root: &assembly.tree,
            environment: &environment,
            definition: &inputs.project.name_in_catalog(),
            epoch: inputs.epoch,
        };
        let changes = self.stage_changes(&ready)?;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let tree = changes.apply(&assembly.tree, number, inputs.epoch).map_err(|error| {
            Box::new(StageError::Output {
                stage: stage.name.clone(),
                path: "/".to_owned(),
                why: error.to_string(),
                span: stage.span,
            })
        })?;
        let own = assembly.warnings.iter().map(crate::built::warning_text);
        let warnings = placed.warnings.into_iter().chain(own).collect();
        let in_stage = |download| BuiltDownload { stage: Some(stage.name.clone()), ..download };
        let downloads = placed.downloads.into_iter().map(in_stage).collect();
        let of_stage = |substitute| Substitute { stage: Some(stage.name.clone()), ..substitute };
        let substitutes = placed.substitutes.into_iter().map(of_stage).collect();
        Ok(Finished { tree, changes, warnings, downloads, substitutes })
    }

    /// Lets steps find the programs of images that the stage takes files from, where these images have them: their
    /// directories come after all others.
    fn find_artifacts(
        &self,
        environment: &mut BTreeMap<String, String>,
        stage: &PlannedStage,
        pins: &[LockedArtifact],
        tree: &Tree,
    ) -> Result<(), Error> {
        for artifact in &stage.definition.contents.artifacts {
            let name = artifact.name.value.to_string();
            // `place_others` found all of them.
            let Some(pin) = pins.iter().find(|pin| pin.name == name) else { continue };
            let places = artifact::search_path(&self.image_config(pin)?);
            let path = environment.entry("PATH".to_owned()).or_default();
            extend_path(path, &places, tree);
        }
        Ok(())
    }
}

impl StageResults {
    /// Puts what the stages made for the image into its tree, in the definition's order.
    pub(crate) fn take_into(&self, image: &mut Tree, epoch: i64) -> Result<(), Error> {
        for (number, (stage, end)) in self.plan.stages.iter().zip(&self.ends).enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let end = StageEnd { stage, tree: &end.tree, changes: &end.changes, number };
            take_outputs(&end, image, epoch)?;
        }
        Ok(())
    }

    /// Returns what the stages state about the image.
    pub(crate) fn statements(&self) -> Result<Vec<StageStatement>, Error> {
        let mut statements = Vec::new();
        for (stage, end) in self.plan.stages.iter().zip(&self.ends) {
            for statement in &stage.statements {
                let path = TreePath::parse(&statement.source).unwrap_or_default();
                let place = end.tree.resolve(&path).unwrap_or(path);
                let Some((_, file)) = end.tree.file(&place) else {
                    return Err(Box::new(StageError::OutputMissing {
                        stage: stage.name.clone(),
                        path: statement.source.clone(),
                        near: Vec::new(),
                        span: statement.span,
                    })
                    .into());
                };
                statements.push(StageStatement {
                    stage: stage.name.clone(),
                    predicate_type: statement.predicate_type.clone(),
                    digest: file.digest,
                    size_bytes: file.size_bytes,
                });
            }
        }
        Ok(statements)
    }

    /// Returns the names of all stages, in the order that origins count in.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.plan.stages.iter().map(|stage| stage.name.as_str()).collect()
    }

    /// Returns the downloads of all stages.
    pub(crate) fn downloads(&self) -> impl Iterator<Item = &BuiltDownload> {
        self.ends.iter().flat_map(|end| &end.downloads)
    }

    /// Returns what all stages have in the place of what the definition names.
    pub(crate) fn substitutes(&self) -> impl Iterator<Item = &Substitute> {
        self.ends.iter().flat_map(|end| &end.substitutes)
    }

    /// Returns `stage/step` of every step that had the network.
    pub(crate) fn steps_with_network(&self) -> Vec<String> {
        self.plan.steps_with_network()
    }
}

fn origin(number: usize) -> Origin {
    Origin::Stage(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Puts a tree under another: what that has stays as it is.
fn underlay(tree: &mut Tree, base: &Tree, origin: Origin) {
    for (path, node) in base.walk() {
        let Ok(place) = tree.resolve_parent(path) else { continue };
        if tree.contains(&place) {
            continue;
        }
        let kind = match &node.kind {
            // Where the file of a link is the packages' own, the link becomes a file.
            Kind::HardLink(_) => match base.file(path) {
                Some((_, file)) => Kind::File(file.clone()),
                None => continue,
            },
            kind => kind.clone(),
        };
        let metadata = base.file(path).map_or(node, |(node, _)| node).metadata.clone();
        // What a package put in the way stays: that is the meaning of "under".
        let _ = tree.insert(place, Node { metadata, kind, origin });
    }
}

/// Keeps who exists in a base, unless the stage says who should.
fn keep_accounts(tree: &mut Tree, base: &Tree, definition: &Definition, origin: Origin) {
    if !definition.accounts.users.is_empty() || !definition.accounts.groups.is_empty() {
        return;
    }
    for path in ACCOUNT_FILES.map(TreePath::literal) {
        if let Some(node) = base.get(&path) {
            let _ = tree.insert(path, Node { origin, ..node.clone() });
        }
    }
}

/// Returns what the lock says of the image that a stage begins with.
fn base_pin<'l>(
    stage: &PlannedStage,
    locked: &'l LockedStage,
    image: &str,
) -> Result<&'l LockedArtifact, Error> {
    let pin = locked.images.iter().find(|pin| pin.name == image);
    pin.ok_or_else(|| {
        let (stage, image, span) = (stage.name.clone(), image.to_owned(), stage.span);
        Box::new(StageError::NotLocked { stage, image, span }).into()
    })
}

/// apt gives up root's rights for downloads, which in a sandbox of one user it can't, and then refuses to go on.
fn keep_apt_root(tree: &mut Tree, epoch: i64) {
    if tree.resolve(&TreePath::literal("usr/bin/apt-get")).is_err() {
        return;
    }
    let path = TreePath::literal("etc/apt/apt.conf.d/00hardpan-sandbox");
    let kind = Kind::File(hardpan_tree::File::inline(&b"APT::Sandbox::User \"root\";\n"[..]));
    let metadata = Metadata::root(0o644, epoch);
    let parent = path.parent().unwrap_or_default();
    let directory = Metadata::root(0o755, epoch);
    // A tree with something else in the way has no apt that works, either.
    if tree.make_directories(&parent, &directory, Origin::Finisher("sandbox")).is_ok() {
        let _ = tree.insert(path, Node { metadata, kind, origin: Origin::Finisher("sandbox") });
    }
}

/// A stage's root has the sources that an installation has, also without apt: steps may make an image's sources of
/// them. Where apt is, what it has is decided.
fn keep_apt_sources(tree: &mut Tree, definition: &Definition, epoch: i64) {
    let path = TreePath::literal(finish::apt::SOURCES);
    let Some(text) = finish::apt::default_sources(definition) else { return };
    if tree.contains(&path) || tree.resolve(&TreePath::literal("usr/bin/apt-get")).is_ok() {
        return;
    }
    let kind = Kind::File(hardpan_tree::File::inline(text.into_bytes()));
    let parent = path.parent().unwrap_or_default();
    let origin = Origin::Finisher(finish::apt::NAME);
    // A tree with something else in the way is no installation.
    if tree.make_directories(&parent, &Metadata::root(0o755, epoch), origin).is_ok() {
        let _ = tree.insert(path, Node { metadata: Metadata::root(0o644, epoch), kind, origin });
    }
}

/// Appends directories of a tree to a search path, each once.
fn extend_path(path: &mut String, places: &[TreePath], tree: &Tree) {
    for place in places {
        let known = path.split(':').filter_map(|known| TreePath::parse(known).ok());
        if known.into_iter().any(|known| known == *place) {
            continue;
        }
        let real = tree.resolve(place).ok();
        if real.and_then(|real| tree.get(&real)).is_none_or(|node| node.kind != Kind::Directory) {
            continue;
        }
        if !path.is_empty() {
            path.push(':');
        }
        path.push_str(&place.to_string());
    }
}

fn make_work_directories(tree: &mut Tree, epoch: i64) {
    for path in [SOURCE_DIRECTORY, TARGET_DIRECTORY] {
        let path = TreePath::literal(path);
        // A stage whose packages put something else there fails when its first step starts.
        let _ = tree.make_directories(&path, &Metadata::root(0o755, epoch), Origin::Definition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{EPOCH, definition, tree};

    #[test]
    fn search_paths_grow_by_directories_that_are_there() {
        let mut root = tree(&["usr/local/go/bin/go", "usr/bin/x", "opt/file"]);
        let link = Node {
            kind: Kind::Symlink(b"usr/local/go".to_vec()),
            ..root.get(&TreePath::literal("opt/file")).unwrap().clone()
        };
        root.insert(TreePath::literal("go"), link).unwrap();
        for (summary, path, places, expected) in [
            ("new", "/usr/bin:/bin", vec!["/usr/local/go/bin"], "/usr/bin:/bin:/usr/local/go/bin"),
            ("not there", "/usr/bin", vec!["/none/bin"], "/usr/bin"),
            ("a file", "/usr/bin", vec!["/opt/file"], "/usr/bin"),
            ("known", "/usr/bin/:/x", vec!["/usr/bin"], "/usr/bin/:/x"),
            ("twice", "/x", vec!["/usr/bin", "/usr/bin"], "/x:/usr/bin"),
            ("through a link", "/x", vec!["/go/bin"], "/x:/go/bin"),
            ("first", "", vec!["/usr/bin"], "/usr/bin"),
        ] {
            let mut path = path.to_owned();
            let places: Vec<TreePath> = places.into_iter().map(TreePath::literal).collect();
            extend_path(&mut path, &places, &root);
            assert_eq!(path, expected, "{summary}");
        }
    }

    #[test]
    fn a_stage_has_sources_also_without_apt() {
        let definition = definition("");
        for (summary, paths, expected) in [
            ("no apt", vec!["usr/bin/sed"], Some(true)),
            ("with apt the finisher decides", vec!["usr/bin/apt-get"], None),
            ("own", vec![finish::apt::SOURCES], Some(false)),
            ("in the way", vec!["etc/apt"], None),
        ] {
            let mut tree = tree(&paths);
            keep_apt_sources(&mut tree, &definition, EPOCH);
            let file = tree.file(&TreePath::literal(finish::apt::SOURCES));
            let origin = file.map(|(node, _)| node.origin == Origin::Finisher(finish::apt::NAME));
            assert_eq!(origin, expected, "{summary}");
        }
    }
}
