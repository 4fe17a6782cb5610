// SPDX-License-Identifier: Apache-2.0
//! Programs of the lock's packages, for work on an image.
//!
//! The image's own programs can't always run here: they may be for another machine. What a program
//! writes often does not depend on that, so the same package of another platform of the lock will do.
//! Which one runs is the only thing that may differ between two machines, and the result must not
//! depend on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hardpan_definition::Platform;
use hardpan_package::merge::{Member, merge};
use hardpan_package::segment::{Format, Unpacked};
use hardpan_tree::{Digest, Hasher, Kind, Metadata, Node, Origin, Tree, TreePath};

use crate::build::BuildSettings;
use crate::contents::StoreContents;
use crate::error::Error;
use crate::fetch::Prepared;
use crate::lock::{Lock, LockedPackage};
use crate::materialize::materialize;
use crate::sandbox::host_owner;
use crate::session::Session;

/// Changes with every change of how roots of tools are made.
const ROOT_VERSION: u32 = 1;
/// Directories that the sandbox mounts something on, or that programs expect.
const DIRECTORIES: [&str; 6] = ["dev", "proc", "run", "sys", "tmp", "work"];
/// What may be a link into `/usr`.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];
/// Where work is mounted.
pub(super) const WORK: &str = "work";

/// The packages of a lock, as far as they are tools.
#[derive(Clone, Copy)]
pub(super) struct Workshop<'w> {
    pub(super) session: &'w Session<'w>,
    pub(super) lock: &'w Lock,
    /// Packages that are known to be in the store.
    pub(super) prepared: &'w BTreeMap<Digest, Prepared>,
    pub(super) settings: &'w BuildSettings,
    /// The image's platform.
    pub(super) platform: Platform,
}

/// A program's package and all that it depends on.
#[derive(Debug)]
pub(super) struct Tools {
    /// What they run on.
    pub(super) platform: Platform,
    packages: Vec<Prepared>,
}

/// Returns the number that ELF files of a platform have for their machine.
fn machine(platform: Platform) -> u16 {
    match platform.architecture() {
        "arm64" => 183,
        _ => 62,
    }
}

/// Returns the platform of programs that run here as they are: the one that this program was built for.
pub(crate) fn native() -> Option<Platform> {
    if cfg!(target_arch = "x86_64") {
        Some(Platform::LinuxAmd64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Platform::LinuxArm64)
    } else {
        None
    }
}

impl Workshop<'_> {
    /// Returns whether programs of a platform run here.
    pub(super) fn can_run(&self, platform: Platform) -> bool {
        native() == Some(platform) || self.session.stages.emulators.contains_key(&machine(platform))
    }

    /// Returns the platforms of the lock whose programs run here, the fastest first.
    fn platforms(&self) -> Vec<Platform> {
        let mut platforms: Vec<Platform> = Platform::ALL
            .into_iter()
            .filter(|platform| self.lock.platforms.contains_key(platform.name()))
            .filter(|platform| self.can_run(*platform))
            .collect();
        platforms.sort_by_key(|platform| {
            (native() != Some(*platform), self.platform != *platform, *platform)
        });
        platforms
    }

    /// Returns packages that run here, with all that they depend on; `None` if the lock has none whose
    /// sources are these: the source package and its version, by package.
    pub(super) fn tools(&self, wanted: &BTreeMap<String, String>) -> Result<Option<Tools>, Error> {
        for platform in self.platforms() {
            let Some(locked) = self.lock.platforms.get(platform.name()) else { continue };
            let known: BTreeMap<&str, &LockedPackage> =
                locked.packages.iter().map(|package| (package.name.as_str(), package)).collect();
            let is_same = wanted.iter().all(|(name, source)| {
                known.get(name.as_str()).is_some_and(|package| locked_identity(package) == *source)
            });
            if is_same {
                let packages = self.closure(&known, wanted.keys().map(String::as_str).collect())?;
                return Ok(Some(Tools { platform, packages }));
            }
        }
        Ok(None)
    }

    /// Returns packages and all that they depend on, as far as the lock has it.
    fn closure<'l>(
        &self,
        known: &BTreeMap<&'l str, &'l LockedPackage>,
        wanted: BTreeSet<&str>,
    ) -> Result<Vec<Prepared>, Error> {
        let find = |name: &str| known.get_key_value(name).map(|(name, _)| *name);
        let mut wanted: BTreeSet<&'l str> = wanted.into_iter().filter_map(find).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut packages = Vec::new();
        while !wanted.is_empty() {
            seen.extend(&wanted);
            // The whole round at once, so that what has to be fetched is fetched together.
            let round: Vec<&LockedPackage> = wanted.iter().map(|name| known[name]).collect();
            let round = self.prepare(&round)?;
            let is_apk = round.iter().any(|package| package.unpacked.format == Format::Apk);
            let names = round.iter().flat_map(|package| dependencies(&package.unpacked));
            wanted = if is_apk {
                // Its packages depend on names that the lock does not have, so all of them come along.
                known.keys().copied().collect()
            } else {
                names.filter_map(|name| find(&name)).collect()
            };
            wanted.retain(|name| !seen.contains(name));
            packages.extend(round);
        }
        // Of one set of packages there is one root, whatever led to it.
        packages.sort_by(|one, other| one.unpacked.name.cmp(&other.unpacked.name));
        Ok(packages)
    }

    /// Returns packages out of the store, fetching those of platforms that are not built.
    pub(super) fn prepare(&self, packages: &[&LockedPackage]) -> Result<Vec<Prepared>, Error> {
        let missing: BTreeMap<Digest, &LockedPackage> = packages
            .iter()
            .filter(|package| !self.prepared.contains_key(&package.sha256))
            .map(|package| (package.sha256, *package))
            .collect();
        let fetched = if missing.is_empty() {
            BTreeMap::new()
        } else {
            self.session.prepare(&missing, &self.settings.strip, self.settings.compression)?
        };
        let find = |digest| self.prepared.get(digest).or_else(|| fetched.get(digest)).cloned();
        Ok(packages.iter().filter_map(|package| find(&package.sha256)).collect())
    }

    /// Returns a root directory on the disk with these tools. It may not be changed.
    pub(super) fn root(&self, tools: &Tools) -> Result<PathBuf, Error> {
        let key = tools.key();
        let store = self.session.store;
        let tree = tools.tree()?;
        let make = |directory: &std::path::Path| {
            let contents = StoreContents { store };
            materialize(&tree, contents, directory, host_owner(), self.session.threads)
        };
        Ok(store.root_file_system(&key, self.session.now, make)?)
    }
}

impl Tools {
    fn key(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(b"hardpan tools\n");
        hasher.update(&ROOT_VERSION.to_be_bytes());
        for package in &self.packages {
            hasher.update(package.segment.key().as_bytes());
        }
        hasher.finish()
    }

    /// Puts the packages together, with the links of the merged `/usr`.
    pub(super) fn tree(&self) -> Result<Tree, Error> {
        let members: Vec<Member<'_>> = self
            .packages
            .iter()
            .map(|package| Member { unpacked: &package.unpacked, segment: package.segment.key() })
            .collect();
        let mut tree = merge(&members)?.tree;
        let origin = Origin::Finisher(super::NAME);
        for name in MERGED {
            let link = TreePath::literal(name);
            let target = TreePath::parse(format!("usr/{name}")).expect("a literal path is valid");
            if !tree.contains(&link) && tree.contains(&target) {
                let kind = Kind::Symlink(format!("usr/{name}").into_bytes());
                let node = Node { metadata: Metadata::root(0o777, 0), kind, origin };
                // The root is a directory, and nothing stands there.
                let _ = tree.insert(link, node);
            }
        }
        for name in DIRECTORIES {
            let path = TreePath::literal(name);
            if !tree.contains(&path) {
                let node =
                    Node { metadata: Metadata::root(0o755, 0), kind: Kind::Directory, origin };
                let _ = tree.insert(path, node);
            }
        }
        Ok(tree)
    }
}

/// Returns the source package and its version, as `python3.13 3.13.5-2`. A build without changes of the
/// source (`+b1`) has the same.
pub(super) fn source_identity(package: &Unpacked) -> String {
    format!("{} {}", package.source(), package.source_version())
}

/// Returns the same of a package of the lock.
fn locked_identity(package: &LockedPackage) -> String {
    let name = package.source.as_ref().unwrap_or(&package.name);
    let version = package.source_version.as_ref().unwrap_or(&package.version);
    format!("{name} {version}")
}

/// Returns the names that a package depends on, alternatives included.
fn dependencies(package: &Unpacked) -> BTreeSet<String> {
    let fields = ["Pre-Depends", "Depends"].map(|name| package.field(name).unwrap_or_default());
    let relations = fields.iter().flat_map(|text| text.split([',', '|']));
    relations
        .filter_map(|relation| relation.trim().split([' ', '(', ':', '[', '\n']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::Fixture;
    use hardpan_testkit::deb::{Deb, deb};

    fn unpacked(package: Deb) -> std::sync::Arc<Unpacked> {
        let mut fixture = Fixture::default();
        fixture.install(&[package]);
        fixture.packages.remove(0)
    }

    fn locked(source: Option<&str>, source_version: Option<&str>) -> LockedPackage {
        LockedPackage {
            name: "tool".to_owned(),
            version: "1.0-1+b1".to_owned(),
            architecture: "arm64".to_owned(),
            archive: "debian".to_owned(),
            path: "pool/tool.deb".to_owned(),
            sha256: Digest::of(b"tool"),
            size_bytes: 4,
            source: source.map(str::to_owned),
            source_version: source_version.map(str::to_owned),
            scripts: None,
        }
    }

    #[test]
    fn a_package_and_its_line_in_the_lock_have_one_identity() {
        for (field, source, source_version, expected) in [
            (None, None, None, "tool 1.0-1+b1"),
            (Some("tools"), Some("tools"), None, "tools 1.0-1+b1"),
            (Some("tool (1.0-1)"), None, Some("1.0-1"), "tool 1.0-1"),
            (Some("tools (1.0-1)"), Some("tools"), Some("1.0-1"), "tools 1.0-1"),
        ] {
            let package = deb("tool", "1.0-1+b1");
            let package = match field {
                Some(field) => package.field("Source", field),
                None => package,
            };
            assert_eq!(source_identity(&unpacked(package)), expected);
            assert_eq!(locked_identity(&locked(source, source_version)), expected);
        }
    }

    #[test]
    fn dependencies_are_names_without_versions() {
        let package = deb("tool", "1")
            .field("Pre-Depends", "dpkg (>= 1.17)")
            .depends("libc6 (>= 2.36), perl:any, a | b (= 1), c [amd64]");
        let names = dependencies(&unpacked(package));
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "dpkg", "libc6", "perl"]);
        assert!(dependencies(&unpacked(deb("tool", "1"))).is_empty());
    }
}
