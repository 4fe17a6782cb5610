// SPDX-License-Identifier: Apache-2.0
//! What a build knows of itself, for its provenance.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::predicate::provenance::{
    BuildOptions, BuildRecord, Builder, Byproduct, DownloadInput, FileRole, ImageInput, IndexInput,
    PackageInput, PackageUse, Run, Source, SourceFile, StageRecord, StepRecord, Substitution,
};
use hardpan_attest::sbom::purl::{DistroPackage, PackageUrl};
use hardpan_definition::Definition;
use hardpan_package::segment::Format;
use hardpan_tree::Digest;

use super::rules;
use crate::build::{BuildSettings, local_sources};
use crate::built::Built;
use crate::config;
use crate::error::Error;
use crate::finish::CatalogSource;
use crate::lock::{Lock, LockedPackage};
use crate::project::Project;
use crate::sbom::Release;
use crate::session::Session;
use crate::stage::StagePlan;

/// The largest single file that provenance holds, in bytes; larger ones are only named.
const HELD_FILE_BYTES_MAX: usize = 1 << 20;
/// The deepest directory of local files.
const DIRECTORY_DEPTH_MAX: usize = 64;

/// Who built, and where the files are from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuiltBy {
    /// A URI for everything that has to be trusted.
    pub builder: Option<String>,
    /// Where the files of the definition are from.
    pub source: Option<Source>,
    /// What the run had of its own.
    pub run: Option<Run>,
}

/// What a builder is called that nobody gave a name.
const UNNAMED_BUILDER: &str = "https://hardpan.dev/builder/unnamed";

impl Session<'_> {
    /// Collects what a build knows of itself.
    pub(crate) fn build_record(
        &self,
        project: &Project,
        lock: &Lock,
        settings: &BuildSettings,
        built: &Built,
        by: &BuiltBy,
        release: &Release,
    ) -> Result<BuildRecord, Error> {
        let definitions: Vec<&Definition> = (project.definitions.iter())
            .filter(|(platform, _)| built.platforms.iter().any(|it| it.platform == platform.name()))
            .map(|(_, definition)| &**definition)
            .collect();
        let mut stages = Vec::new();
        let mut with_stages: Vec<Definition> = Vec::new();
        for definition in &definitions {
            let plan = self.stage_plan(project, definition)?;
            stages.extend(stages_of(&plan, definition));
            with_stages.push((*definition).clone());
            with_stages.extend(plan.stages.iter().map(|stage| stage.definition.clone()));
        }
        Ok(BuildRecord {
            builder: Builder {
                id: by.builder.clone().unwrap_or_else(|| UNNAMED_BUILDER.to_owned()),
                version: BTreeMap::from([(
                    "hardpan".to_owned(),
                    env!("CARGO_PKG_VERSION").to_owned(),
                )]),
            },
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            source: by.source.clone(),
            files: self.source_files(project, lock, &definitions)?,
            platforms: built.platforms.iter().map(|it| it.platform.clone()).collect(),
            options: BuildOptions {
                compression: compression(settings),
                keep: self.workspace.build.keep.iter().cloned().collect(),
                without: settings.without().into_iter().collect(),
                other: BTreeMap::new(),
            },
            rules: rules::rules(self.workspace, &with_stages, lock, built)?,
            substitutions: substitutions(built),
            compressor: lock.compressor.clone(),
            strip: lock.strip.iter().cloned().collect(),
            epoch: lock.epoch,
            indexes: indexes(lock),
            packages: packages(lock, release),
            downloads: downloads(lock),
            images: images(lock),
            stages,
            byproducts: byproducts(built)?,
            run: by.run.clone(),
        })
    }

    /// Returns the definition, its includes, its lock, the workspace file, and what goes into the image from the catalog.
    fn source_files(
        &self,
        project: &Project,
        lock: &Lock,
        definitions: &[&Definition],
    ) -> Result<Vec<SourceFile>, Error> {
        let mut files: BTreeMap<String, SourceFile> = BTreeMap::new();
        let mut add = |file: SourceFile| {
            files.entry(file.path.clone()).or_insert(file);
        };
        let path = path_in_catalog(project);
        for (number, source) in project.parsed.sources().iter().enumerate() {
            let bytes = source.text.as_bytes();
            add(match number {
                0 => SourceFile::held(FileRole::Definition, &path, bytes),
                _ => SourceFile::held(FileRole::Include, &source.name, bytes),
            });
        }
        let lock_path = format!("{path}.lock");
        add(SourceFile::held(FileRole::Lock, &lock_path, lock.to_text().as_bytes()));
        let wrap = |name: &str| {
            let path = project.root.path().join(name);
            move |source| Error::Io { action: "read", path, source }
        };
        // Not the file itself: that also says where mirrors are.
        let workspace = self.workspace.portable_text().map_err(super::TrustError::Workspace)?;
        if let Some(text) = workspace {
            add(SourceFile::held(FileRole::Workspace, config::FILE_NAME, text.as_bytes()));
        }
        let actions = self.workspace.actions.paths.iter().cloned();
        let local = definitions.iter().flat_map(|definition| local_sources(definition));
        for path in local.chain(actions) {
            add_local(project, &path, 0, &mut add).map_err(wrap(&path))?;
        }
        Ok(files.into_values().collect())
    }
}

/// Returns the stages of a platform in the order in which they run.
fn stages_of(plan: &StagePlan, definition: &Definition) -> Vec<StageRecord> {
    let order: Vec<usize> = plan.waves().into_iter().flatten().collect();
    let stages = order.iter().map(|&number| &plan.stages[number]);
    let step = |step: &crate::stage::PlannedStep| StepRecord {
        name: step.label.clone(),
        action: step.action.as_ref().map(|(name, _)| name.clone()),
        script: Digest::of(step.script.as_bytes()),
        network: step.network,
        secrets: step.secrets.iter().map(|secret| secret.value.id.value.clone()).collect(),
    };
    let record = |stage: &crate::stage::PlannedStage| StageRecord {
        platform: definition.platform.name().to_owned(),
        stage: stage.name.clone(),
        steps: stage.steps.iter().map(step).collect(),
    };
    stages.map(record).collect()
}

/// Adds a file of the catalog, or all of a directory.
fn add_local(
    project: &Project,
    path: &str,
    depth: usize,
    add: &mut dyn FnMut(SourceFile),
) -> std::io::Result<()> {
    if depth > DIRECTORY_DEPTH_MAX {
        return Err(std::io::Error::other("its directories are nested too deep"));
    }
    match project.root.read(path)? {
        CatalogSource::File { bytes, is_executable } => {
            let file = SourceFile::held(FileRole::Local, path, &bytes);
            let text = file.text.filter(|text| text.len() <= HELD_FILE_BYTES_MAX);
            add(SourceFile { is_executable, text, ..file });
        }
        CatalogSource::Directory(names) => {
            for name in names {
                let below = format!("{}/{name}", path.trim_end_matches('/'));
                add_local(project, &below, depth + 1, add)?;
            }
        }
    }
    Ok(())
}

/// Returns the name of the compression, as `hardpan.toml` has it.
fn compression(settings: &BuildSettings) -> String {
    let media_type = settings.compression.layer_media_type();
    media_type.rsplit_once('+').map_or("none", |(_, name)| name).to_owned()
}

/// Returns the definition's path in its catalog.
fn path_in_catalog(project: &Project) -> String {
    let name = project.name_in_catalog();
    let extension = project.path.extension().and_then(|text| text.to_str()).unwrap_or("yaml");
    format!("{}.{extension}", name.trim_start_matches('/'))
}

fn substitutions(built: &Built) -> Vec<Substitution> {
    let all = built.platforms.iter().flat_map(|platform| &platform.substitutes);
    let unique: BTreeSet<Substitution> = all
        .map(|one| Substitution {
            stage: one.stage.clone(),
            wanted: one.wanted.clone(),
            used: one.used.clone(),
        })
        .collect();
    unique.into_iter().collect()
}

fn indexes(lock: &Lock) -> Vec<IndexInput> {
    (lock.archives.iter())
        .map(|archive| IndexInput {
            archive: archive.archive.clone(),
            suite: archive.suite.clone(),
            release: archive.release,
            date: archive.date.clone(),
            signed_by: archive.signed_by.iter().cloned().collect(),
        })
        .collect()
}

/// Returns the package URL of a locked package.
pub(crate) fn purl_of(package: &LockedPackage, release: &Release) -> Option<PackageUrl> {
    let source = package.source.as_deref().unwrap_or(&package.name);
    let source_version = package.source_version.as_deref().unwrap_or(&package.version);
    let distro_package = DistroPackage {
        distro: &release.id,
        distro_version: &release.version,
        name: &package.name,
        version: &package.version,
        arch: &package.architecture,
        source: Some((source, source_version)),
    };
    let purl = match Format::of_path(&package.path) {
        Some(Format::Apk) => PackageUrl::apk(&distro_package),
        _ => PackageUrl::deb(&distro_package),
    };
    purl.ok()
}

fn packages(lock: &Lock, release: &Release) -> Vec<PackageInput> {
    let mut inputs: BTreeMap<Digest, PackageInput> = BTreeMap::new();
    for (platform, locked) in &lock.platforms {
        let of = |list: &[LockedPackage], usage: PackageUse| -> Vec<(LockedPackage, PackageUse)> {
            list.iter().map(|package| (package.clone(), usage.clone())).collect()
        };
        let mut all = of(&locked.packages, PackageUse::Image);
        all.extend(of(&locked.tools, PackageUse::ScriptTool));
        for (name, stage) in &locked.stages {
            all.extend(of(&stage.packages, PackageUse::Stage(name.clone())));
        }
        for (package, usage) in all {
            let Some(purl) = purl_of(&package, release) else { continue };
            let input = inputs.entry(package.sha256).or_insert_with(|| PackageInput {
                purl: purl.to_string(),
                name: package.name.clone(),
                sha256: package.sha256,
                archive: package.archive.clone(),
                path: package.path.clone(),
                uses: BTreeSet::new(),
            });
            input.uses.insert((platform.clone(), usage));
        }
    }
    inputs.into_values().collect()
}

fn downloads(lock: &Lock) -> Vec<DownloadInput> {
    let mut inputs: BTreeMap<(String, Digest), DownloadInput> = BTreeMap::new();
    for (platform, locked) in &lock.platforms {
        let own = locked.files.iter().map(|file| (file, None));
        let of_stages = (locked.stages.iter())
            .flat_map(|(name, stage)| stage.files.iter().map(move |file| (file, Some(name))));
        for (file, stage) in own.chain(of_stages) {
            let input = inputs.entry((file.url.clone(), file.sha256)).or_insert_with(|| {
                let (url, sha256, commit) = (file.url.clone(), file.sha256, file.commit.clone());
                DownloadInput { url, sha256, commit, uses: BTreeSet::new() }
            });
            input.uses.insert((platform.clone(), stage.cloned()));
        }
    }
    inputs.into_values().collect()
}

fn images(lock: &Lock) -> Vec<ImageInput> {
    let mut inputs: BTreeMap<(String, Digest), ImageInput> = BTreeMap::new();
    for (platform, locked) in &lock.platforms {
        let own = locked.images.iter().map(|image| (image, None));
        let of_stages = (locked.stages.iter())
            .flat_map(|(name, stage)| stage.images.iter().map(move |image| (image, Some(name))));
        for (image, stage) in own.chain(of_stages) {
            let input =
                inputs.entry((image.name.clone(), image.manifest)).or_insert_with(|| ImageInput {
                    name: image.name.clone(),
                    substitute: image.substitute.clone(),
                    manifest: image.manifest,
                    index: image.index,
                    uses: BTreeSet::new(),
                });
            input.uses.insert((platform.clone(), stage.cloned()));
        }
    }
    inputs.into_values().collect()
}

fn byproducts(built: &Built) -> Result<Vec<Byproduct>, Error> {
    let mut byproducts = Vec::new();
    let wrap = |source| super::TrustError::Json {
        predicate_type: hardpan_attest::predicate::uri::PROVENANCE.to_owned(),
        source,
    };
    for platform in &built.platforms {
        let warnings: Vec<&String> =
            platform.warnings.iter().chain(&platform.stage_warnings).collect();
        let values = [
            ("warnings", serde_json::to_value(&warnings).map_err(wrap)?),
            ("finishers", serde_json::to_value(&platform.actions).map_err(wrap)?),
        ];
        for (name, value) in values {
            let name = name.to_owned();
            byproducts.push(Byproduct { name, platform: Some(platform.platform.clone()), value });
        }
    }
    Ok(byproducts)
}
