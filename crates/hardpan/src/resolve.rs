// SPDX-License-Identifier: Apache-2.0
//! A definition to a lock: the only stage that looks at today's archives.

use std::collections::BTreeMap;

use hardpan_definition::Platform;
use hardpan_image::{Compression, canonical_json};
use hardpan_package::deb::segment::{SEGMENT_FORMAT_VERSION, Unpacked, segment_key};
use hardpan_package::deb::strip::StripPolicy;
use hardpan_package::solve::{
    IndexRef, Request, RequestProblem, Solution, SolveError, SolveTask, solve,
};
use hardpan_tree::Digest;
use serde::Deserialize;

use crate::build::BuildSettings;
use crate::demand::{ArchiveDemand, Demand};
use crate::error::Error;
use crate::indexes::Suite;
use crate::lock::{Lock, LockedPackage, LockedPlatform, VERSION, Wanted};
use crate::observer::Event;
use crate::parallel;
use crate::project::Project;
use crate::session::Session;

impl Session<'_> {
    /// Returns what a lock has to fit. Needs no network.
    pub fn wanted(&self, project: &Project, settings: &BuildSettings) -> Result<Wanted, Error> {
        let mut demands = BTreeMap::new();
        for (platform, definition) in &project.definitions {
            let demand = Demand::of(definition, self.workspace)?;
            demands.insert(platform.name().to_owned(), demand.lines());
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
        let mut demands: BTreeMap<Platform, Demand> = BTreeMap::new();
        for (&platform, definition) in &project.definitions {
            demands.insert(platform, Demand::of(definition, self.workspace)?);
        }
        // Platforms nearly always name the same archives, which are then loaded once.
        let mut archives: Vec<ArchiveDemand> = Vec::new();
        for archive in demands.values().flat_map(|demand| &demand.archives) {
            if !archives.contains(archive) {
                archives.push(archive.clone());
            }
        }
        let architectures: Vec<&'static str> =
            demands.values().map(|demand| demand.architecture).collect();
        let load = || self.load_suites(&archives, &architectures, &project.root);
        let mut suites = load()?;
        let mut platforms = self.choose_all(&demands, &archives, &suites);
        if let Err(Error::Solve { source, .. }) = &platforms
            && matches!(**source, SolveError::Index { .. })
        {
            // Parsed indexes are derived data: damaged ones are made again.
            for key in suites.iter().flat_map(|suite| &suite.keys) {
                self.store.remove_record("indexes", key)?;
            }
            suites = load()?;
            platforms = self.choose_all(&demands, &archives, &suites);
        }
        let mut platforms = platforms?;
        // Frees the indexes, too, before packages take the memory.
        let mut locked_archives: Vec<_> = suites.into_iter().map(|suite| suite.locked).collect();
        locked_archives.sort();
        let epoch = self.pin_contents(&mut platforms, settings)?;
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

    /// Solves for every platform.
    fn choose_all(
        &self,
        demands: &BTreeMap<Platform, Demand>,
        archives: &[ArchiveDemand],
        suites: &[Suite],
    ) -> Result<BTreeMap<String, LockedPlatform>, Error> {
        let mut platforms = BTreeMap::new();
        for (platform, demand) in demands {
            self.observer.event(Event::Solve { platform: platform.name() });
            let packages = choose(*platform, demand, archives, suites)?;
            let locked = LockedPlatform { demand: demand.lines(), packages };
            platforms.insert(platform.name().to_owned(), locked);
        }
        Ok(platforms)
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
                .flat_map(|platform| &platform.packages)
                .map(|package| (package.sha256, package))
                .collect();
            self.pins(&packages, settings)?
        };
        let mut epoch = 0;
        for package in platforms.values_mut().flat_map(|platform| &mut platform.packages) {
            // There is one for every package.
            let Some(pinned) = pins.get(&package.sha256) else { continue };
            epoch = epoch.max(pinned.timestamp);
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

fn choose(
    platform: Platform,
    demand: &Demand,
    archives: &[ArchiveDemand],
    suites: &[Suite],
) -> Result<Vec<LockedPackage>, Error> {
    // A platform may name fewer archives than the others.
    let mut indexes: Vec<IndexRef<'_>> = Vec::new();
    for (archive, suite) in archives.iter().zip(suites) {
        if demand.archives.contains(archive)
            && let Some(parsed) = suite.indexes.get(demand.architecture)
        {
            indexes.extend(parsed.iter().map(IndexRef::new));
        }
    }
    let mut task = SolveTask::new(demand.architecture);
    task.exclusions.clone_from(&demand.exclusions);
    for (number, package) in demand.packages.iter().enumerate() {
        let version = package
            .version
            .clone()
            .filter(|version| !package.is_relaxed || has_version(&indexes, &package.name, version));
        task.requests.push(Request { name: package.name.clone(), version, source: number });
    }
    let solution = solve(&indexes, &task).map_err(|source| Error::Solve {
        platform,
        spans: spans_of(&source, demand),
        source: Box::new(source),
    })?;
    Ok(locked_packages(&solution, &indexes))
}

fn has_version(indexes: &[IndexRef<'_>], name: &str, version: &str) -> bool {
    indexes.iter().any(|reference| {
        let numbers = reference.index.versions_of(name).unwrap_or(0..0);
        numbers
            .filter_map(|number| reference.index.package(number).ok())
            .any(|package| package.version == version)
    })
}

fn spans_of(error: &SolveError, demand: &Demand) -> Vec<hardpan_definition::Span> {
    let numbers: Vec<usize> = match error {
        SolveError::Requests(problems) => {
            problems.iter().map(RequestProblem::source_number).collect()
        }
        SolveError::Unsolvable { sources, .. } => sources.clone(),
        _ => Vec::new(),
    };
    numbers.iter().filter_map(|&number| demand.packages.get(number)).map(|p| p.span).collect()
}

fn locked_packages(solution: &Solution, indexes: &[IndexRef<'_>]) -> Vec<LockedPackage> {
    solution
        .packages
        .iter()
        .map(|chosen| {
            let record = &chosen.package;
            LockedPackage {
                name: record.name.clone(),
                version: record.version.clone(),
                architecture: record.architecture.clone(),
                archive: indexes[chosen.index].index.origin().archive.clone(),
                path: record.filename.clone(),
                sha256: record.sha256,
                size_bytes: record.size_bytes,
                source: (record.source_name != record.name).then(|| record.source_name.clone()),
                source_version: (record.source_version != record.version)
                    .then(|| record.source_version.clone()),
                scripts: None,
            }
        })
        .collect()
}
