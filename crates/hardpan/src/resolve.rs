// SPDX-License-Identifier: Apache-2.0
//! A definition to a lock: the only stage that looks at today's archives.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{FileSource, ImageReference, Platform, Spanned};
use hardpan_image::{Compression, canonical_json};
use hardpan_package::segment::{SEGMENT_FORMAT_VERSION, Unpacked, segment_key};
use hardpan_package::solve::SolveError;
use hardpan_package::strip::StripPolicy;
use hardpan_tree::{Digest, Origin, TreePath};
use serde::Deserialize;

use crate::action::NeededPackage;
use crate::artifact;
use crate::build::BuildSettings;
use crate::demand::{ArchiveDemand, Demand, PackageDemand};
use crate::error::Error;
use crate::indexes::Suite;
use crate::lock::{Lock, LockedPackage, LockedPlatform, LockedStage, VERSION, Wanted};
use crate::observer::Event;
use crate::parallel;
use crate::project::Project;
use crate::script_tools;
use crate::session::Session;
use crate::stage::{images_of, stage_definition, stage_names};

impl Session<'_> {
    /// Returns what a lock has to fit. Needs no network.
    pub fn wanted(&self, project: &Project, settings: &BuildSettings) -> Result<Wanted, Error> {
        let mut demands: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for part in self.parts(project)? {
            demands.entry(part.platform.name().to_owned()).or_default().extend(part.lines());
        }
        Ok(Wanted {
            demands,
            strip: strip_names(&settings.strip),
            without: settings.without(),
            compressor: settings.compression.identity(),
        })
    }

    /// Solves a definition against today's archives and pins the answer. The packages are in the
    /// store afterwards, since their scripts and dates are part of the lock.
    pub fn resolve(&self, project: &Project, settings: &BuildSettings) -> Result<Lock, Error> {
        let parts = self.parts(project)?;
        // Platforms and stages nearly always name the same archives, which are then loaded once.
        let mut archives: Vec<ArchiveDemand> = Vec::new();
        for archive in parts.iter().flat_map(|part| &part.demand.archives) {
            if !archives.contains(archive) {
                archives.push(archive.clone());
            }
        }
        let architectures: BTreeSet<&'static str> =
            parts.iter().map(|part| part.demand.architecture).collect();
        let architectures: Vec<&'static str> = architectures.into_iter().collect();
        let load = || self.load_suites(&archives, &architectures, &project.root);
        let mut suites = load()?;
        let mut platforms = self.choose_all(&parts, &archives, &suites);
        if let Err(Error::Solve { source, .. }) = &platforms
            && matches!(**source, SolveError::Index { .. })
        {
            // Parsed indexes are derived data: damaged ones are made again.
            for key in suites.iter().flat_map(|suite| &suite.keys) {
                self.store.remove_record("indexes", key)?;
            }
            suites = load()?;
            platforms = self.choose_all(&parts, &archives, &suites);
        }
        let mut platforms = platforms?;
        self.meet_needs(&parts, &mut platforms, &archives, &suites, settings)?;
        self.add_tools(&parts, &mut platforms, &archives, &suites, settings)?;
        // Frees the indexes, too, before packages take the memory.
        let mut locked_archives: Vec<_> = suites.into_iter().map(|suite| suite.locked).collect();
        locked_archives.sort();
        let epoch = self.pin_contents(&mut platforms, settings)?;
        self.pin_others(project, &parts, &mut platforms)?;
        Ok(Lock {
            version: VERSION,
            compressor: settings.compression.identity(),
            epoch,
            strip: strip_names(&settings.strip),
            without: settings.without(),
            archives: locked_archives,
            platforms,
        })
    }

    /// Returns what a definition asks for: the image of each platform, followed by its stages.
    fn parts(&self, project: &Project) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for (&platform, definition) in &project.definitions {
            let mut demand = Demand::of(definition, self.workspace)?;
            let tools = script_tools::wanted(definition);
            demand.others.extend(script_tools::demand_line(tools));
            let artifacts = definition.contents.artifacts.iter();
            let images = artifacts.map(|artifact| artifact.name.clone()).collect();
            let files = definition.contents.files.clone();
            let needs = BTreeSet::new();
            parts.push(Part { platform, stage: None, demand, images, files, needs, tools });
            if definition.contents.builds.is_empty() {
                continue;
            }
            let plan = self.stage_plan(project, definition)?;
            let names = stage_names(definition);
            for (stage, name) in definition.contents.builds.iter().zip(names) {
                let own = stage_definition(definition, stage);
                let mut demand = Demand::of(&own, self.workspace)?;
                let images = images_of(definition, stage);
                let line = |image| artifact::demand_line(image, self.workspace);
                demand.others.extend(images.iter().map(|image| line(&image.value)));
                let files = own.contents.files;
                let of_stage = plan.stages.iter().filter(|stage| stage.lock_name == name);
                let needs: BTreeSet<NeededPackage> =
                    of_stage.flat_map(|stage| stage.needs.iter().cloned()).collect();
                demand.others.extend(needs.iter().map(NeededPackage::demand_line));
                let stage = Some(name);
                parts.push(Part { platform, stage, demand, images, files, needs, tools: &[] });
            }
        }
        Ok(parts)
    }

    /// Solves for every platform and every stage.
    fn choose_all(
        &self,
        parts: &[Part],
        archives: &[ArchiveDemand],
        suites: &[Suite],
    ) -> Result<BTreeMap<String, LockedPlatform>, Error> {
        let mut platforms: BTreeMap<String, LockedPlatform> = BTreeMap::new();
        for part in parts {
            self.observer.event(Event::Solve { platform: part.platform.name() });
            let packages = self.choose(part.platform, &part.demand, archives, suites)?;
            let locked = platforms.entry(part.platform.name().to_owned()).or_default();
            locked.demand.extend(part.lines());
            match &part.stage {
                None => locked.packages = packages,
                Some(name) => {
                    let stage = LockedStage { packages, ..LockedStage::default() };
                    locked.stages.insert(name.clone(), stage);
                }
            }
        }
        Ok(platforms)
    }

    /// Adds the packages of programs that actions need and that stages do not have without them.
    fn meet_needs(
        &self,
        parts: &[Part],
        platforms: &mut BTreeMap<String, LockedPlatform>,
        archives: &[ArchiveDemand],
        suites: &[Suite],
        settings: &BuildSettings,
    ) -> Result<(), Error> {
        for part in parts.iter().filter(|part| !part.needs.is_empty()) {
            let Some(name) = &part.stage else { continue };
            let locked = platforms
                .get_mut(part.platform.name())
                .and_then(|platform| platform.stages.get_mut(name));
            let Some(locked) = locked else { continue };
            let mut programs = self.programs_of(&locked.packages, settings)?;
            programs.extend(self.programs_of_images(part)?);
            let missing = part.needs.iter().filter(|need| !programs.contains(&need.command));
            let wanted: BTreeSet<&String> = missing.flat_map(|need| &need.packages).collect();
            if wanted.is_empty() {
                continue;
            }
            let mut demand = part.demand.clone();
            // Where the stage itself begins to ask for something is as good a place as any.
            let span = demand.packages.first().map(|package| package.span).unwrap_or_default();
            for name in wanted {
                if demand.packages.iter().any(|package| package.name == *name) {
                    continue;
                }
                demand.exclusions.remove(name);
                let (version, operator, is_relaxed) = (None, None, false);
                demand.packages.push(PackageDemand {
                    name: name.clone(),
                    version,
                    operator,
                    is_relaxed,
                    span,
                });
            }
            locked.packages = self.choose(part.platform, &demand, archives, suites)?;
        }
        Ok(())
    }

    /// Adds what maintainer scripts run with, for images that have no shell of their own.
    fn add_tools(
        &self,
        parts: &[Part],
        platforms: &mut BTreeMap<String, LockedPlatform>,
        archives: &[ArchiveDemand],
        suites: &[Suite],
        settings: &BuildSettings,
    ) -> Result<(), Error> {
        for part in parts.iter().filter(|part| !part.tools.is_empty()) {
            let Some(locked) = platforms.get_mut(part.platform.name()) else { continue };
            let own = locked.packages.iter().map(|package| (package.sha256, package)).collect();
            let own = self.prepare(&own, &settings.strip, settings.compression)?;
            if !script_tools::are_needed(own.values().map(|package| &*package.unpacked)) {
                continue;
            }
            let choose = |demand: &Demand| self.choose(part.platform, demand, archives, suites);
            locked.tools =
                script_tools::choose(part.tools, &part.demand, &locked.packages, choose)?;
        }
        Ok(())
    }

    /// Returns the names of programs in packages. Links that scripts would make are not among them.
    fn programs_of(
        &self,
        packages: &[LockedPackage],
        settings: &BuildSettings,
    ) -> Result<BTreeSet<String>, Error> {
        let wanted = packages.iter().map(|package| (package.sha256, package)).collect();
        let prepared = self.prepare(&wanted, &settings.strip, settings.compression)?;
        let paths = prepared
            .values()
            .flat_map(|prepared| &prepared.unpacked.entries)
            .map(|entry| &entry.path);
        Ok(paths.filter_map(program_name).collect())
    }

    /// Returns the names of programs in the images that a stage begins with or takes files from.
    fn programs_of_images(&self, part: &Part) -> Result<BTreeSet<String>, Error> {
        let mut programs = BTreeSet::new();
        if part.images.is_empty() {
            return Ok(programs);
        }
        let pinned = self.pin_images(&part.images, part.platform)?;
        self.fetch_images(&pinned, part.platform)?;
        for image in &pinned {
            let tree = self.image_tree(image, Origin::Definition)?.tree;
            programs.extend(tree.walk().filter_map(|(path, _)| program_name(path)));
        }
        Ok(programs)
    }

    /// Pins downloads and images of others.
    fn pin_others(
        &self,
        project: &Project,
        parts: &[Part],
        platforms: &mut BTreeMap<String, LockedPlatform>,
    ) -> Result<(), Error> {
        for part in parts {
            let mut files = self.pin_files(&project.root, &part.files)?;
            files.sort_by(|one, other| one.url.cmp(&other.url));
            files.dedup();
            let mut images = self.pin_images(&part.images, part.platform)?;
            images.sort_by(|one, other| one.name.cmp(&other.name));
            images.dedup();
            // `choose_all` made an entry for every part.
            let Some(platform) = platforms.get_mut(part.platform.name()) else { continue };
            let (own_files, own_images) = match &part.stage {
                None => (&mut platform.files, &mut platform.images),
                Some(name) => {
                    let stage = platform.stages.entry(name.clone()).or_default();
                    (&mut stage.files, &mut stage.images)
                }
            };
            *own_files = files;
            *own_images = images;
        }
        Ok(())
    }

    /// Looks into the packages for what the lock says of them; returns the time of the newest.
    fn pin_contents(
        &self,
        platforms: &mut BTreeMap<String, LockedPlatform>,
        settings: &BuildSettings,
    ) -> Result<i64, Error> {
        let pins = {
            let packages: BTreeMap<Digest, &LockedPackage> = platforms
                .values()
                .flat_map(LockedPlatform::all_packages)
                .map(|package| (package.sha256, package))
                .collect();
            self.pins(&packages, settings)?
        };
        // There is one for every package.
        let newest = |packages: &mut dyn Iterator<Item = &LockedPackage>| {
            packages.filter_map(|package| pins.get(&package.sha256)).map(|p| p.timestamp).max()
        };
        // What only builds an image does not date it, unless there is nothing else.
        let epoch = newest(&mut platforms.values().flat_map(|platform| &platform.packages))
            .or_else(|| newest(&mut platforms.values().flat_map(LockedPlatform::all_packages)))
            .unwrap_or(0);
        for package in platforms.values_mut().flat_map(LockedPlatform::all_packages_mut) {
            let Some(pinned) = pins.get(&package.sha256) else { continue };
            package.scripts = (!pinned.script_digests.is_empty())
                .then(|| Digest::of(&canonical_json(&pinned.script_digests)));
        }
        Ok(epoch)
    }

    /// Returns what the lock says of packages' contents. Those that are segments already are not read
    /// any further than that needs.
    fn pins(
        &self,
        packages: &BTreeMap<Digest, &LockedPackage>,
        settings: &BuildSettings,
    ) -> Result<BTreeMap<Digest, Pinned>, Error> {
        let digests: Vec<Digest> = packages.keys().copied().collect();
        let known = parallel::map(self.threads, &digests, |digest| {
            let key = segment_key(digest, &settings.strip, SEGMENT_FORMAT_VERSION);
            let found = self.store.segment_with_record::<Pinned>(&key)?;
            Ok::<_, Error>(found.map(|(_, pinned)| pinned))
        })?;
        let mut pins: BTreeMap<Digest, Pinned> = digests
            .into_iter()
            .zip(known)
            .filter_map(|(digest, pinned)| Some((digest, pinned?)))
            .collect();
        let missing = packages
            .iter()
            .filter(|(digest, _)| !pins.contains_key(*digest))
            .map(|(digest, package)| (*digest, *package))
            .collect();
        let prepared = self.prepare(&missing, &settings.strip, settings.compression)?;
        pins.extend(prepared.into_iter().map(|(digest, prepared)| {
            let Unpacked { timestamp, script_digests, .. } = &*prepared.unpacked;
            let pinned = Pinned { timestamp: *timestamp, script_digests: script_digests.clone() };
            (digest, pinned)
        }));
        Ok(pins)
    }
}

/// Returns the name of a path that is in a directory of programs.
fn program_name(path: &TreePath) -> Option<String> {
    let directory = path.parent()?;
    let is_bin = matches!(directory.name(), b"bin" | b"sbin");
    is_bin.then(|| String::from_utf8_lossy(path.name()).into_owned())
}

/// What an image, or a stage of it, asks for on one platform.
struct Part {
    platform: Platform,
    /// The stage; `None` for the image itself.
    stage: Option<String>,
    demand: Demand,
    images: Vec<Spanned<ImageReference>>,
    files: Vec<Spanned<FileSource>>,
    /// Programs that actions of the stage need.
    needs: BTreeSet<NeededPackage>,
    /// Packages that the image's maintainer scripts run with, if it has no shell.
    tools: &'static [&'static str],
}

impl Part {
    /// Returns the demand's lines for the lock; those of a stage say so.
    fn lines(&self) -> Vec<String> {
        let lines = self.demand.lines();
        match &self.stage {
            None => lines,
            Some(name) => lines.into_iter().map(|line| format!("stage {name}: {line}")).collect(),
        }
    }
}

/// What of [`Unpacked`] is part of a lock.
#[derive(Debug, Deserialize)]
struct Pinned {
    timestamp: i64,
    #[serde(default)]
    script_digests: BTreeMap<String, Digest>,
}

/// The settings that decide an image's bytes beside definition and lock.
pub(crate) fn strip_names(strip: &StripPolicy) -> Vec<String> {
    let mut names: Vec<String> = strip.rules().map(|rule| rule.as_str().to_owned()).collect();
    names.sort();
    names
}

/// Returns the compression for a definition: its own, or else the workspace's, or else gzip, which
/// every runtime can load.
pub(crate) fn compression(
    definition: Option<hardpan_definition::Compression>,
    workspace: Option<crate::config::CompressionName>,
) -> Compression {
    use crate::config::CompressionName;
    match (definition, workspace) {
        (Some(hardpan_definition::Compression::Zstd), _) | (None, Some(CompressionName::Zstd)) => {
            Compression::Zstd
        }
        _ => Compression::Gzip,
    }
}
