// SPDX-License-Identifier: Apache-2.0
//! Definition and lock to an image: the whole way, as one story.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hardpan_attest::signature::index_without;
use hardpan_definition::{Definition, Output, PathKind, Platform};
use hardpan_image::{
    Compression, Descriptor, GroupKind, Image, ImageIndex, ImageName, Index, Layout, LayoutWriter,
    PackageSize, PlanOptions, canonical_json, media_type, plan,
};
use hardpan_package::segment::{SEGMENT_FORMAT_VERSION, segment_key};
use hardpan_package::strip::{StripPolicy, StripRule};
use hardpan_scan::audit::exceptions::to_label;
use hardpan_scan::controls::measured_labels;
use hardpan_tree::{Digest, Origin};
use serde::Serialize;

use crate::assemble::Assembly;
use crate::built::{
    Built, BuiltDownload, BuiltPlatform, Remark, StageStatement, Substitute, count_actions,
    warning_text,
};
use crate::config::Workspace;
use crate::contents::StoreContents;
use crate::error::Error;
use crate::fetch::Prepared;
use crate::inspect::Inspected;
use crate::layers::PlannedLayer;
use crate::lock::{Lock, LockedPackage, LockedPlatform};
use crate::observer::Event;
use crate::others::Placed;
use crate::output::{replace_file, write_file_with};
use crate::project::{Project, read_text};
use crate::resolve;
use crate::sbom::{FileOrigins, package_id};
use crate::session::Session;
use crate::stage::StageInputs;
use crate::{lock, settings};

/// How often a build starts again because it met a damaged segment.
const HEALS_MAX: usize = 8;

/// The name of [`hardpan_scan::audit::exceptions::EXCEPTIONS_LABEL`] after [`settings::LABEL_PREFIX`].
const ACCEPTED_LABEL: &str = "audit.exceptions";

/// What decides an image's bytes besides definition and lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSettings {
    /// How layers are compressed.
    pub compression: Compression,
    /// What is left out of packages.
    pub strip: StripPolicy,
    /// Whether Python modules are compiled.
    pub pyc: bool,
    /// Whether indexes that packages' triggers make are made.
    pub caches: bool,
}

impl BuildSettings {
    /// Returns the settings for a definition in a workspace.
    pub fn of(definition: &Definition, workspace: &Workspace) -> Self {
        let mut strip = StripPolicy::default();
        for rule in StripRule::ALL {
            if workspace.build.keep.contains(rule.as_str()) {
                strip = strip.without(rule);
            }
        }
        let compression = resolve::compression(definition.compression, workspace.build.compression);
        let own = &definition.x_hardpan;
        let pyc = own.pyc.or(workspace.build.pyc).unwrap_or(true);
        let caches = own.caches.or(workspace.build.caches).unwrap_or(true);
        Self { compression, strip, pyc, caches }
    }

    /// Returns the names of what is switched off, sorted, for the lock.
    pub(crate) fn without(&self) -> Vec<String> {
        let switches = [("caches", self.caches), ("pyc", self.pyc)];
        let off = switches.into_iter().filter(|(_, is_on)| !is_on);
        off.map(|(name, _)| name.to_owned()).collect()
    }
}

/// What to build and where to put it.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// The platforms; none for all of the definition.
    pub platforms: Vec<Platform>,
    /// The directory of the OCI layout.
    pub layout: Option<PathBuf>,
    /// The file of the docker archive, which holds one platform.
    pub docker_archive: Option<PathBuf>,
    /// Whether an index that also has statements in it, as BuildKit writes them, is what a build made: whoever signs makes
    /// them anew.
    pub is_attested_in_index: bool,
}

/// What became of the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// It fitted.
    Fitted,
    /// It was written anew.
    Written {
        /// What differs from the one before.
        changes: Vec<lock::Change>,
        /// Whether there was one before.
        had_lock: bool,
    },
}

impl Session<'_> {
    /// Reads a definition's lock; `None` where there is none.
    pub fn read_lock(&self, project: &Project) -> Result<Option<Lock>, Error> {
        let path = project.lock_path();
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path, lock::SIZE_BYTES_MAX)?;
        Lock::parse(&text).map(Some).map_err(|source| Error::Lock { path, source })
    }

    /// Writes a definition's lock: complete or not at all.
    pub fn write_lock(&self, project: &Project, lock: &Lock) -> Result<(), Error> {
        // It is named after its definition: a link in its place would lead out of the catalog.
        replace_file(&project.lock_path(), lock.to_text().as_bytes())
    }

    /// Returns a lock that fits: the one on disk if it does, else, unless `is_locked`, a new one.
    pub fn fitting_lock(
        &self,
        project: &Project,
        settings: &BuildSettings,
        is_locked: bool,
    ) -> Result<(Lock, LockState), Error> {
        let path = project.lock_path();
        let old = match self.read_lock(project) {
            // Without `is_locked` a lock of another version is as good as an old one.
            Err(Error::Lock { .. }) if !is_locked => None,
            result => result?,
        };
        let wanted = self.wanted(project, settings)?;
        if let Some(old) = &old {
            match old.satisfies(&wanted) {
                Ok(()) => return Ok((old.clone(), LockState::Fitted)),
                Err(reasons) if is_locked => return Err(Error::LockStale { path, reasons }),
                Err(_) => {}
            }
        } else if is_locked {
            return Err(Error::LockMissing { path });
        }
        let new = self.resolve(project, settings)?;
        self.write_lock(project, &new)?;
        let changes = new.changes_since(old.as_ref());
        Ok((new, LockState::Written { changes, had_lock: old.is_some() }))
    }

    /// Builds an image from its lock.
    pub fn build(
        &self,
        project: &Project,
        lock: &Lock,
        settings: &BuildSettings,
        request: &BuildRequest,
    ) -> Result<Built, Error> {
        // What can't be answered is refused before anything is written.
        check_request(project, request)?;

        // Nothing to do if these inputs gave what is already there.
        let key = self.build_key(project, lock, settings, request)?;
        let checks_stages = self.stages.check_reproducible;
        if let Some(built) = self.unchanged(&key, request).filter(|_| !checks_stages) {
            self.observer.event(Event::Done);
            return Ok(built);
        }

        let definitions = wanted_definitions(project, request);
        let packages = wanted_packages(lock, &definitions);
        let mut heals = 0;
        let built = loop {
            match self.make(project, lock, settings, request, &definitions, &packages) {
                // Segments are derived data: damaged ones are made again.
                Err(error) if heals < HEALS_MAX && self.heal(&error, &packages, settings)? => {
                    heals += 1;
                }
                result => break result?,
            }
        };
        self.store.write_record("builds", &key, &built)?;
        self.observer.event(Event::Done);
        Ok(built)
    }

    /// Removes segments whose damage made a build fail. Returns whether there was any.
    fn heal(
        &self,
        error: &Error,
        packages: &BTreeMap<Digest, &LockedPackage>,
        settings: &BuildSettings,
    ) -> Result<bool, Error> {
        let Some(suspect) = error.damaged_segment() else { return Ok(false) };
        // Where one is damaged others may be, too.
        let mut suspects = vec![suspect];
        suspects.extend(
            packages
                .keys()
                .map(|sha256| segment_key(sha256, &settings.strip, SEGMENT_FORMAT_VERSION)),
        );
        let mut was_damaged = false;
        for key in suspects {
            let is_there = self.store.segment(&key).is_some();
            if is_there && self.store.check_segment(&key).is_err() {
                self.store.remove_segment(&key)?;
                was_damaged = true;
            }
        }
        Ok(was_damaged)
    }

    /// Makes an image and writes it where it was asked for.
    fn make(
        &self,
        project: &Project,
        lock: &Lock,
        settings: &BuildSettings,
        request: &BuildRequest,
        definitions: &[&Definition],
        packages: &BTreeMap<Digest, &LockedPackage>,
    ) -> Result<Built, Error> {
        // Packages to segments, each once for all platforms.
        let prepared = self.prepare(packages, &settings.strip, settings.compression)?;
        self.fetch_others(project, definitions, &lock.platforms)?;

        // Segments to trees, trees to layers that are not written yet.
        let platforms = crate::parallel::map(self.threads, definitions, |definition| {
            self.plan_platform(project, definition, lock, &prepared, settings)
        })?;

        // Layers, configurations and manifests into the layout.
        let scratch = match &request.layout {
            Some(_) => None,
            None => Some(self.store.temporary_directory()?),
        };
        let directory = match (&request.layout, &scratch) {
            (Some(directory), _) => directory.as_path(),
            (None, Some(scratch)) => scratch.path(),
            (None, None) => {
                unreachable!("a scratch directory was made where no layout is asked for")
            }
        };
        let writer = LayoutWriter::create(directory)?;
        let (index, summaries) = self.write_images(&platforms, settings, &writer)?;
        let names = image_names(project)?;
        let layout = writer.commit(&index, &names)?;
        if let Some(path) = &request.docker_archive {
            write_archive(path, &layout, &index, &names)?;
        }
        Ok(Built {
            digest: index.raw().digest(),
            names: names.iter().map(ToString::to_string).collect(),
            platforms: summaries,
            was_unchanged: false,
        })
    }

    /// Assembles and inspects one platform, and plans its layers.
    fn plan_platform(
        &self,
        project: &Project,
        definition: &Definition,
        lock: &Lock,
        prepared: &BTreeMap<Digest, Prepared>,
        settings: &BuildSettings,
    ) -> Result<PlannedPlatform, Error> {
        let packages = locked_packages(lock, definition);
        let nothing = LockedPlatform::default();
        let locked = lock.platforms.get(definition.platform.name()).unwrap_or(&nothing);
        let stages = self.run_stages(
            definition,
            &StageInputs {
                project,
                locked,
                prepared,
                strip: &settings.strip,
                epoch: lock.epoch,
                archives: &lock.archives,
            },
        )?;
        let mut placed = Placed::default();
        let mut assembly = self.assemble(
            definition,
            &project.root,
            packages,
            prepared,
            &settings.strip,
            lock.epoch,
            &lock.archives,
            |tree| {
                let (contents, origin) = (&definition.contents, Origin::Definition);
                placed = self.place_others(tree, contents, locked.into(), lock.epoch, origin)?;
                stages.take_into(tree, lock.epoch)
            },
        )?;
        self.finish_sandboxed(&mut assembly, definition, lock, prepared, settings)?;
        let environment = settings::environment(definition, &assembly.environment);
        let Inspected { findings, accepted } =
            self.inspect(definition, &assembly, &environment, lock.epoch)?;
        let substitutes: Vec<Substitute> =
            placed.substitutes.into_iter().chain(stages.substitutes().cloned()).collect();
        let mut measured = measured_labels(&assembly.tree, &StoreContents { store: self.store });
        if !accepted.is_empty() {
            measured.insert(ACCEPTED_LABEL, to_label(&accepted));
        }
        let image_settings = settings::image_settings(
            definition,
            &project.name_in_catalog(),
            &environment,
            &measured,
            &stages.steps_with_network(),
            &substitutes,
            lock.epoch,
        );
        let is_squashed = definition.output == Output::Squashed;
        let groups = layer_groups(&assembly, is_squashed);
        let layers = self.plan_layers(&assembly, &groups, settings.compression, is_squashed)?;
        let ids: Vec<String> =
            assembly.members.iter().map(|member| package_id(&member.unpacked)).collect();
        let origins = FileOrigins::of(&assembly.tree, &ids, &stages.names(), &placed.taken);
        let file_origins = self.store.put_blob(&canonical_json(&origins))?;
        let files = assembly
            .tree
            .walk()
            .filter(|(_, node)| matches!(node.kind, hardpan_tree::Kind::File(_)))
            .count();
        Ok(PlannedPlatform {
            platform: definition.platform,
            image_settings,
            layers,
            packages: packages.len(),
            files,
            warnings: assembly.warnings.iter().map(warning_text).chain(placed.warnings).collect(),
            downloads: placed.downloads.into_iter().chain(stages.downloads().cloned()).collect(),
            aliases: (assembly.actions.iter())
                .filter(|action| action.finisher == crate::finish::paths::ALIASES)
                .flat_map(|action| action.paths.iter().map(ToString::to_string))
                .collect(),
            actions: count_actions(&assembly.actions),
            network_steps: stages.steps_with_network(),
            substitutes,
            file_origins,
            statements: stages.statements()?,
            stage_warnings: stages.warnings,
            remarks: findings.iter().map(Remark::from).collect(),
        })
    }

    fn write_images(
        &self,
        platforms: &[PlannedPlatform],
        settings: &BuildSettings,
        writer: &LayoutWriter,
    ) -> Result<(ImageIndex, Vec<BuiltPlatform>), Error> {
        let all: Vec<&PlannedLayer> =
            platforms.iter().flat_map(|platform| &platform.layers).collect();
        let mut layers = self.write_layers(&all, settings.compression, writer)?.into_iter();
        let mut images = Vec::new();
        let mut summaries = Vec::new();
        for platform in platforms {
            let own = layers.by_ref().take(platform.layers.len()).collect();
            let image = Image::new(platform.image_settings.clone(), own)?;
            summaries.push(BuiltPlatform {
                platform: platform.platform.name().to_owned(),
                manifest: image.manifest().digest(),
                image_id: image.config().digest(),
                compressed_size_bytes: image.compressed_size_bytes(),
                size_bytes: image.raw_size_bytes(),
                layers: image.layers().len(),
                packages: platform.packages,
                files: platform.files,
                warnings: platform.warnings.clone(),
                actions: platform.actions.clone(),
                aliases: platform.aliases.clone(),
                stage_warnings: platform.stage_warnings.clone(),
                network_steps: platform.network_steps.clone(),
                substitutes: platform.substitutes.clone(),
                file_origins: Some(platform.file_origins),
                statements: platform.statements.clone(),
                downloads: platform.downloads.clone(),
                remarks: platform.remarks.clone(),
            });
            images.push(image);
        }
        Ok((ImageIndex::new(images, BTreeMap::new())?, summaries))
    }

    /// Returns what all inputs of a build come to.
    fn build_key(
        &self,
        project: &Project,
        lock: &Lock,
        settings: &BuildSettings,
        request: &BuildRequest,
    ) -> Result<Digest, Error> {
        #[derive(Serialize)]
        struct Key {
            hardpan: &'static str,
            definitions: Vec<Digest>,
            files: BTreeMap<String, Digest>,
            steps: Vec<Digest>,
            lock: Digest,
            workspace: Digest,
            compressor: String,
            strip: Vec<String>,
            name: String,
        }
        let definitions = wanted_definitions(project, request);
        let mut files = BTreeMap::new();
        for source in definitions.iter().flat_map(|definition| local_sources(definition)) {
            let digest = project.root.digest(&source).map_err(|error| Error::Io {
                action: "read",
                path: project.root.path().join(&source),
                source: error,
            })?;
            files.insert(source, digest);
        }
        let steps = definitions.iter().map(|definition| {
            // What actions say is neither in the definition nor in the lock.
            Ok(self.stage_plan(project, definition)?.steps_digest())
        });
        Ok(Digest::of(&canonical_json(&Key {
            hardpan: env!("CARGO_PKG_VERSION"),
            definitions: definitions
                .iter()
                .map(|definition| Digest::of(definition.canonical_json().as_bytes()))
                .collect(),
            files,
            steps: steps.collect::<Result<_, Error>>()?,
            lock: Digest::of(lock.to_text().as_bytes()),
            workspace: self.workspace.digest(),
            compressor: settings.compression.identity(),
            strip: resolve::strip_names(&settings.strip),
            name: project.name_in_catalog(),
        })))
    }

    /// Returns the result of an earlier build with the same inputs, if its layout is still whole.
    ///
    /// Layers count as whole by their lengths here: a layout is the user's to guard, and everything that
    /// reads it checks digests. A record that can't be read is as good as none.
    fn unchanged(&self, key: &Digest, request: &BuildRequest) -> Option<Built> {
        let (Some(directory), None) = (&request.layout, &request.docker_archive) else {
            return None;
        };
        let built = self.store.read_record::<Built>("builds", key).ok()??;
        let layout = Layout::open(directory).ok()?;
        let is_built = |named: &Descriptor| {
            if named.digest == built.digest {
                return true;
            }
            if !request.is_attested_in_index || !media_type::is_index(&named.media_type) {
                return false;
            }
            let index = layout.document::<Index>(named).ok();
            let without = index.and_then(|index| index_without(&index).ok());
            without.is_some_and(|index| index.digest() == built.digest)
        };
        if !layout.index().value().manifests.iter().any(is_built) {
            return None;
        }
        let images = layout.images().ok()?;
        let is_whole = images
            .iter()
            .flat_map(|image| &image.manifest.value().layers)
            .all(|layer| layout.open_blob(layer).is_ok());
        is_whole.then_some(Built { was_unchanged: true, ..built })
    }
}

/// A platform with everything but written layers.
struct PlannedPlatform {
    platform: Platform,
    image_settings: hardpan_image::ImageSettings,
    layers: Vec<PlannedLayer>,
    packages: usize,
    files: usize,
    warnings: Vec<String>,
    actions: BTreeMap<String, usize>,
    aliases: Vec<String>,
    stage_warnings: Vec<String>,
    network_steps: Vec<String>,
    substitutes: Vec<Substitute>,
    file_origins: Digest,
    statements: Vec<StageStatement>,
    downloads: Vec<BuiltDownload>,
    remarks: Vec<Remark>,
}

fn check_request(project: &Project, request: &BuildRequest) -> Result<(), Error> {
    let known = |platform: &Platform| project.definitions.contains_key(platform);
    if let Some(&platform) = request.platforms.iter().find(|platform| !known(platform)) {
        return Err(Error::NoPlatform { platform });
    }
    let definitions = wanted_definitions(project, request);
    if request.docker_archive.is_some() && definitions.len() != 1 {
        let name = |definition: &&Definition| definition.platform.name().to_owned();
        let platforms = definitions.iter().map(name).collect();
        return Err(Error::ArchivePlatforms { platforms });
    }
    Ok(())
}

fn wanted_definitions<'p>(project: &'p Project, request: &BuildRequest) -> Vec<&'p Definition> {
    project
        .definitions
        .iter()
        .filter(|(platform, _)| {
            request.platforms.is_empty() || request.platforms.contains(platform)
        })
        .map(|(_, definition)| definition.as_ref())
        .collect()
}

pub(crate) fn locked_packages<'l>(lock: &'l Lock, definition: &Definition) -> &'l [LockedPackage] {
    lock.platforms.get(definition.platform.name()).map_or(&[], |platform| &platform.packages)
}

pub(crate) fn wanted_packages<'l>(
    lock: &'l Lock,
    definitions: &[&Definition],
) -> BTreeMap<Digest, &'l LockedPackage> {
    definitions
        .iter()
        .filter_map(|definition| lock.platforms.get(definition.platform.name()))
        .flat_map(LockedPlatform::all_packages)
        .map(|package| (package.sha256, package))
        .collect()
}

/// Returns the paths of the catalog that a definition puts into its image.
pub(crate) fn local_sources(definition: &Definition) -> Vec<String> {
    let of_stages = definition.contents.builds.iter().flat_map(|stage| &stage.paths);
    definition
        .paths
        .iter()
        .chain(of_stages)
        .filter(|rule| matches!(rule.kind, PathKind::File | PathKind::Directory))
        .filter_map(|rule| rule.source.as_ref().map(|source| source.value.clone()))
        .collect()
}

/// Groups packages into layers: the packages of each with the layer's title.
fn layer_groups(assembly: &Assembly, is_squashed: bool) -> Vec<(String, Vec<usize>)> {
    let sizes: Vec<PackageSize> = assembly
        .members
        .iter()
        .map(|member| PackageSize {
            name: member.unpacked.name.clone(),
            source: member.unpacked.source(),
            size_bytes: member.unpacked.segment_size_bytes,
        })
        .collect();
    let options = if is_squashed { PlanOptions::squashed() } else { PlanOptions::default() };
    plan(&sizes, &options)
        .into_iter()
        .map(|group| {
            let title = match &group.kind {
                GroupKind::Base => "base packages".to_owned(),
                GroupKind::Source(source) => format!("packages of {source}"),
                GroupKind::Rest => "other packages".to_owned(),
            };
            (title, group.packages)
        })
        .collect()
}

/// Returns the image's name with each of its tags.
fn image_names(project: &Project) -> Result<Vec<ImageName>, Error> {
    let definition = project.any_definition();
    let suffix = definition.suffix.as_ref().map_or("", |suffix| suffix.value.as_str());
    let tags: Vec<String> =
        definition.tags.iter().map(|tag| format!("{}{suffix}", tag.value)).collect();
    let parse = |text: String| {
        text.parse::<ImageName>().map_err(|source| Error::ImageName { name: text.clone(), source })
    };
    let image = &definition.image.value;
    if tags.is_empty() {
        return Ok(vec![parse(format!("{image}:latest"))?]);
    }
    tags.into_iter().map(|tag| parse(format!("{image}:{tag}"))).collect()
}

fn write_archive(
    path: &Path,
    layout: &Layout,
    index: &ImageIndex,
    names: &[ImageName],
) -> Result<(), Error> {
    let [image] = index.images() else {
        let platforms = index.images().iter().map(|image| image.platform().to_string()).collect();
        return Err(Error::ArchivePlatforms { platforms });
    };
    write_file_with(path, |output| {
        hardpan_image::write_docker_archive(image.manifest(), image.config(), names, layout, output)
            .map(|_| ())
            .map_err(Error::from)
    })
}
