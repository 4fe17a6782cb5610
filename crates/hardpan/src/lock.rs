// SPDX-License-Identifier: Apache-2.0
//! The lock: the exact inputs of an image, for all of its platforms.
//!
//! A lock is canonical JSON with one package to a line, so that a changed package is a changed line.
//! It names archives as definitions do (`debian`, or the URI that the definition wrote), never the
//! host that they were fetched from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hardpan_image::canonical_json;
use hardpan_package::segment::Format;
use hardpan_tree::{Digest, TreePath};
use serde::{Deserialize, Serialize};

use crate::artifact::LockedArtifact;
use crate::download::LockedFile;

/// The version of the format that this program writes, and the only one that it reads.
pub const VERSION: u32 = 1;
/// The largest lock that is read, in bytes.
pub const SIZE_BYTES_MAX: u64 = 64 << 20;
/// The most packages that a platform may have.
const PACKAGES_MAX: usize = 50_000;

/// The exact inputs of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// [`VERSION`].
    pub version: u32,
    /// What writes the layers; other versions of it may give other bytes.
    pub compressor: String,
    /// The time of all that hardpan itself makes, in seconds: that of the newest package.
    pub epoch: i64,
    /// The strip rules that are on.
    pub strip: Vec<String>,
    /// Work that is switched off: `caches`, `pyc`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// The package indexes that were looked at.
    pub archives: Vec<LockedArchive>,
    /// By platform (`linux/amd64`).
    pub platforms: BTreeMap<String, LockedPlatform>,
}

/// A suite of an archive as it was when the lock was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedArchive {
    /// The archive's name: `debian`, `debian-security`, `alpine` or a URI of the definition.
    pub archive: String,
    /// The suite; of Alpine's own archives branch and repository, else empty.
    pub suite: String,
    /// `Date` of its Release file, RFC 3339; for Alpine the time of the newest package.
    pub date: String,
    /// Digest of the signed text of its Release file, or of the digests of Alpine's signed indexes.
    pub release: Digest,
    /// Keys of Alpine's kind that are not built in, by the names of their files, as text: an image with apk gets
    /// them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// Fingerprints, or names of Alpine's kind, of the keys whose signatures on it were good.
    pub signed_by: Vec<String>,
}

/// A platform's part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPlatform {
    /// What the definition asked of the archives, one canonical line each.
    pub demand: Vec<String>,
    /// The answer, sorted by name.
    pub packages: Vec<LockedPackage>,
    /// What maintainer scripts run with where they run and the image has no shell: packages that are not part
    /// of the image, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<LockedPackage>,
    /// Downloads, sorted by URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LockedFile>,
    /// Images of others that files are taken from, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<LockedArtifact>,
    /// The inputs of build stages, by the stage's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<String, LockedStage>,
}

/// The inputs of a build stage. What it asked for is in the platform's demand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedStage {
    /// Its packages, sorted by name.
    pub packages: Vec<LockedPackage>,
    /// Its downloads, sorted by URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LockedFile>,
    /// Images of others that it begins with or takes files from, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<LockedArtifact>,
}

impl LockedPlatform {
    /// Returns the packages of the image, those that its scripts run with, and those of all its stages.
    pub fn all_packages(&self) -> impl Iterator<Item = &LockedPackage> {
        self.package_lists().flatten()
    }

    /// Returns the downloads of the image and of all its stages.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = &LockedFile> {
        self.files.iter().chain(self.stages.values().flat_map(|stage| &stage.files))
    }

    /// Returns the same for change.
    pub(crate) fn all_packages_mut(&mut self) -> impl Iterator<Item = &mut LockedPackage> {
        let of_stages = self.stages.values_mut().flat_map(|stage| &mut stage.packages);
        self.packages.iter_mut().chain(&mut self.tools).chain(of_stages)
    }

    /// Returns the lists of packages, the image's first.
    fn package_lists(&self) -> impl Iterator<Item = &Vec<LockedPackage>> {
        let own = [&self.packages, &self.tools];
        own.into_iter().chain(self.stages.values().map(|stage| &stage.packages))
    }
}

/// A package, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` included.
    pub architecture: String,
    /// Name of the archive that it is in.
    pub archive: String,
    /// Its path in the archive.
    pub path: String,
    /// Digest of the file.
    pub sha256: Digest,
    /// Length of the file.
    pub size_bytes: u64,
    /// The source package, where it has another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The source package's version, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// Digest of its maintainer scripts, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Digest>,
}

/// Why a text is not a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Not JSON of the right shape.
    #[error("not a lock: {0}")]
    Malformed(String),
    /// Written by another version.
    #[error("the lock has format version {found}, and this hardpan reads version {VERSION}")]
    Version {
        /// Its version.
        found: u64,
    },
    /// A value that can't be.
    #[error("the lock's package {package} is wrong: {reason}")]
    BadPackage {
        /// The package.
        package: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A download that can't be.
    #[error("the lock's file {url} is wrong: {reason}")]
    BadFile {
        /// Its URL.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// One way in which a lock no longer fits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stale {
    /// A platform is in the definition, not in the lock.
    PlatformMissing(String),
    /// A platform is in the lock, not in the definition.
    PlatformExtra(String),
    /// The definition asks for something new.
    Added {
        /// The platform.
        platform: String,
        /// The demand's line.
        line: String,
    },
    /// The definition no longer asks for something.
    Removed {
        /// The platform.
        platform: String,
        /// The demand's line.
        line: String,
    },
    /// Other strip rules.
    Strip,
    /// Other work is switched off.
    Without,
    /// Another compressor.
    Compressor {
        /// The lock's.
        locked: String,
        /// Today's.
        current: String,
    },
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PlatformMissing(platform) => write!(f, "{platform} is not in the lock"),
            Self::PlatformExtra(platform) => write!(f, "{platform} is only in the lock"),
            Self::Added { platform, line } => {
                write!(f, "{platform}: new in the definition: {line}")
            }
            Self::Removed { platform, line } => {
                write!(f, "{platform}: gone from the definition: {line}")
            }
            Self::Strip => write!(f, "other strip rules are on"),
            Self::Without => write!(f, "`pyc` or `caches` was switched on or off"),
            Self::Compressor { locked, current } => {
                write!(f, "layers were written by {locked}, now by {current}")
            }
        }
    }
}

/// What a lock has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The demand's lines by platform.
    pub demands: BTreeMap<String, Vec<String>>,
    /// Names of the strip rules that are on.
    pub strip: Vec<String>,
    /// Work that is switched off.
    pub without: Vec<String>,
    /// The compressor's identity.
    pub compressor: String,
}

impl Lock {
    /// Parses and checks a lock.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        struct OnlyVersion {
            version: u64,
        }
        let malformed = |error: serde_json::Error| LockError::Malformed(error.to_string());
        let OnlyVersion { version } = serde_json::from_str(text).map_err(malformed)?;
        if version != u64::from(VERSION) {
            return Err(LockError::Version { found: version });
        }
        let lock: Self = serde_json::from_str(text).map_err(malformed)?;
        for packages in lock.platforms.values().flat_map(LockedPlatform::package_lists) {
            if packages.len() > PACKAGES_MAX {
                return Err(LockError::Malformed(format!("more than {PACKAGES_MAX} packages")));
            }
            for package in packages {
                package.check()?;
            }
            if let Some(pair) = packages.windows(2).find(|pair| pair[0].name >= pair[1].name) {
                return Err(LockError::BadPackage {
                    package: pair[1].name.clone(),
                    reason: "it is out of order or stands twice",
                });
            }
        }
        for file in lock.platforms.values().flat_map(LockedPlatform::all_files) {
            file.check().map_err(|reason| LockError::BadFile { url: file.url.clone(), reason })?;
        }
        Ok(lock)
    }

    /// Writes the lock. The same lock always gives the same bytes.
    pub fn to_text(&self) -> String {
        let mut text = String::from("{\n");
        let _ = writeln!(text, "  \"version\": {},", self.version);
        let _ = writeln!(text, "  \"compressor\": {},", line(&self.compressor));
        let _ = writeln!(text, "  \"epoch\": {},", self.epoch);
        let _ = writeln!(text, "  \"strip\": {},", line(&self.strip));
        if !self.without.is_empty() {
            let _ = writeln!(text, "  \"without\": {},", line(&self.without));
        }
        let _ = writeln!(text, "  \"archives\": {},", lines(&self.archives, "  "));
        text.push_str("  \"platforms\": {");
        for (index, (name, platform)) in self.platforms.iter().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            let _ = writeln!(text, "    {}: {{", line(name));
            let _ = writeln!(text, "      \"demand\": {},", lines(&platform.demand, "      "));
            let _ = write!(text, "      \"packages\": {}", lines(&platform.packages, "      "));
            if !platform.tools.is_empty() {
                let _ = write!(text, ",\n      \"tools\": {}", lines(&platform.tools, "      "));
            }
            write_others(&platform.files, &platform.images, "      ", &mut text);
            write_stages(&platform.stages, &mut text);
            text.push_str("\n    }");
        }
        text.push_str("\n  }\n}\n");
        text
    }

    /// Returns whether the lock still answers what is wanted, and otherwise why not. Needs no network.
    pub fn satisfies(&self, wanted: &Wanted) -> Result<(), Vec<Stale>> {
        let mut stale = Vec::new();
        for (platform, demand) in &wanted.demands {
            let Some(locked) = self.platforms.get(platform) else {
                stale.push(Stale::PlatformMissing(platform.clone()));
                continue;
            };
            for line in demand.iter().filter(|line| !locked.demand.contains(line)) {
                stale.push(Stale::Added { platform: platform.clone(), line: line.clone() });
            }
            for line in locked.demand.iter().filter(|line| !demand.contains(line)) {
                stale.push(Stale::Removed { platform: platform.clone(), line: line.clone() });
            }
        }
        for platform in self.platforms.keys().filter(|name| !wanted.demands.contains_key(*name)) {
            stale.push(Stale::PlatformExtra(platform.clone()));
        }
        if self.strip != wanted.strip {
            stale.push(Stale::Strip);
        }
        if self.without != wanted.without {
            stale.push(Stale::Without);
        }
        if self.compressor != wanted.compressor {
            stale.push(Stale::Compressor {
                locked: self.compressor.clone(),
                current: wanted.compressor.clone(),
            });
        }
        if stale.is_empty() { Ok(()) } else { Err(stale) }
    }

    /// Compares with an older lock.
    pub fn changes_since(&self, old: Option<&Self>) -> Vec<Change> {
        let mut changes = Vec::new();
        let empty = BTreeMap::new();
        let old_platforms = old.map_or(&empty, |old| &old.platforms);
        for (platform, new) in &self.platforms {
            let new = versions(new);
            let old = old_platforms.get(platform).map(versions);
            let old = old.unwrap_or_default();
            for (package, version) in &new {
                let old_version = old.get(package);
                if old_version != Some(version) {
                    changes.push(Change {
                        platform: platform.clone(),
                        package: package.clone(),
                        old: old_version.cloned(),
                        new: Some(version.clone()),
                    });
                }
            }
            for (package, version) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
                changes.push(Change {
                    platform: platform.clone(),
                    package: package.clone(),
                    old: Some(version.clone()),
                    new: None,
                });
            }
        }
        changes.sort();
        changes
    }
}

/// A package that differs between two locks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The platform.
    pub platform: String,
    /// The package.
    pub package: String,
    /// Its version before; `None` where it was added.
    pub old: Option<String>,
    /// Its version now; `None` where it was removed.
    pub new: Option<String>,
}

impl LockedPackage {
    fn check(&self) -> Result<(), LockError> {
        let bad = |reason| Err(LockError::BadPackage { package: self.name.clone(), reason });
        let is_plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
        };
        if !is_plain(&self.name) || !is_plain(&self.architecture) {
            return bad("its name or architecture is not one");
        }
        if !is_plain(&self.version) {
            return bad("its version is not one");
        }
        let path = TreePath::parse(&self.path);
        if self.path.starts_with('/') || path.is_err() {
            return bad("its path leads out of the archive");
        }
        if Format::of_path(&self.path).is_none() {
            return bad("its path ends with neither .deb nor .apk");
        }
        Ok(())
    }

    /// Returns the package's format, which its file's name tells.
    pub fn format(&self) -> Format {
        // Locks are checked when they are read, and archives when they are solved with.
        Format::of_path(&self.path).unwrap_or_default()
    }
}

/// Returns the versions of all that is pinned; what belongs to a stage is named `package (stage NAME)`, and
/// what only scripts run with `package (tool)`.
fn versions(platform: &LockedPlatform) -> BTreeMap<String, String> {
    let own = (None, &platform.packages, &platform.files, &platform.images);
    let of_stages = platform
        .stages
        .iter()
        .map(|(name, stage)| (Some(name), &stage.packages, &stage.files, &stage.images));
    let mut versions = BTreeMap::new();
    for (stage, packages, files, images) in std::iter::once(own).chain(of_stages) {
        let named = |what: &str| match stage {
            None => what.to_owned(),
            Some(stage) => format!("{what} (stage {stage})"),
        };
        versions.extend(packages.iter().map(|p| (named(&p.name), p.version.clone())));
        versions.extend(files.iter().map(|file| (named(&file.url), file.sha256.to_string())));
        versions.extend(images.iter().map(|i| (named(&i.name), i.manifest.to_string())));
    }
    let tools = platform.tools.iter();
    versions.extend(tools.map(|p| (format!("{} (tool)", p.name), p.version.clone())));
    versions
}

/// Writes downloads and images, where there are any.
fn write_others(files: &[LockedFile], images: &[LockedArtifact], indent: &str, text: &mut String) {
    if !files.is_empty() {
        let _ = write!(text, ",\n{indent}\"files\": {}", lines(files, indent));
    }
    if !images.is_empty() {
        let _ = write!(text, ",\n{indent}\"images\": {}", lines(images, indent));
    }
}

/// Writes the stages of a platform, if it has any.
fn write_stages(stages: &BTreeMap<String, LockedStage>, text: &mut String) {
    if stages.is_empty() {
        return;
    }
    text.push_str(",\n      \"stages\": {");
    for (index, (name, stage)) in stages.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        let _ = writeln!(text, "        {}: {{", line(name));
        let _ = write!(text, "          \"packages\": {}", lines(&stage.packages, "          "));
        write_others(&stage.files, &stage.images, "          ", text);
        text.push_str("\n        }");
    }
    text.push_str("\n      }");
}

/// Writes a list with one element to a line.
fn lines<T: Serialize>(items: &[T], indent: &str) -> String {
    if items.is_empty() {
        return "[]".to_owned();
    }
    let items: Vec<String> = items.iter().map(|item| format!("{indent}  {}", line(item))).collect();
    format!("[\n{}\n{indent}]", items.join(",\n"))
}

/// Writes a value on one line of canonical JSON.
fn line<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8_lossy(&canonical_json(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> LockedPackage {
        LockedPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            archive: "debian".to_owned(),
            path: format!("pool/main/{name}_{version}_amd64.deb"),
            sha256: Digest::of(name.as_bytes()),
            size_bytes: 10,
            source: None,
            source_version: None,
            scripts: None,
        }
    }

    fn lock(packages: Vec<LockedPackage>) -> Lock {
        let stages = BTreeMap::new();
        let demand = vec!["package a".to_owned()];
        let platform = LockedPlatform { demand, packages, stages, ..LockedPlatform::default() };
        Lock {
            version: VERSION,
            compressor: "test".to_owned(),
            epoch: 7,
            strip: vec!["docs".to_owned()],
            without: Vec::new(),
            archives: vec![LockedArchive {
                archive: "debian".to_owned(),
                suite: "trixie".to_owned(),
                date: "2026-09-12T00:00:00Z".to_owned(),
                release: Digest::of(b"release"),
                keys: BTreeMap::new(),
                signed_by: vec!["ABCD".to_owned()],
            }],
            platforms: BTreeMap::from([("linux/amd64".to_owned(), platform)]),
        }
    }

    fn wanted(line: &str) -> Wanted {
        Wanted {
            demands: BTreeMap::from([("linux/amd64".to_owned(), vec![line.to_owned()])]),
            strip: vec!["docs".to_owned()],
            without: Vec::new(),
            compressor: "test".to_owned(),
        }
    }

    #[test]
    fn text_round_trips_with_a_line_for_each_package() {
        let lock = lock(vec![package("a", "1"), package("b", "2")]);
        let text = lock.to_text();
        assert_eq!(Lock::parse(&text).as_ref(), Ok(&lock));
        assert_eq!(text.lines().filter(|line| line.contains("pool/main")).count(), 2);
        assert_eq!(Lock::parse(&text).unwrap().to_text(), text);
    }

    #[test]
    fn wrong_locks_are_refused() {
        let good = lock(vec![package("a", "1"), package("b", "2")]).to_text();
        for (from, to, message) in [
            ("\"version\": 1,", "\"version\": 2,", "format version 2"),
            ("\"version\": 1,", "", "not a lock: missing field"),
            ("\"epoch\"", "\"epocs\"", "unknown field `epocs`"),
            ("pool/main/a_", "../../a_", "leads out of the archive"),
            ("pool/main/a_", "/etc/a_", "leads out of the archive"),
            ("\"name\":\"b\"", "\"name\":\"a\"", "out of order or stands twice"),
            ("\"version\":\"2\"", "\"version\":\"2 \\n\"", "its version is not one"),
            ("sha256:", "sha512:", "not a sha256 digest"),
            ("}\n}\n", "", "not a lock: EOF"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = Lock::parse(&text).unwrap_err().to_string();
            assert!(error.contains(message), "{from}: {error}");
        }
    }

    #[test]
    fn staleness_is_explained() {
        let lock = lock(vec![package("a", "1")]);
        assert_eq!(lock.satisfies(&wanted("package a")), Ok(()));
        let stale = lock.satisfies(&wanted("package b")).unwrap_err();
        let texts: Vec<String> = stale.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "linux/amd64: new in the definition: package b",
                "linux/amd64: gone from the definition: package a",
            ]
        );
        let mut other = wanted("package a");
        other.demands.insert("linux/arm64".to_owned(), Vec::new());
        other.strip.clear();
        "new".clone_into(&mut other.compressor);
        assert_eq!(lock.satisfies(&other).unwrap_err().len(), 3);
        let mut off = wanted("package a");
        off.without = vec!["pyc".to_owned()];
        let stale = lock.satisfies(&off).unwrap_err();
        assert_eq!(stale[0].to_string(), "`pyc` or `caches` was switched on or off");
    }

    #[test]
    fn what_is_off_is_in_the_text_and_what_is_on_is_not() {
        let mut lock = lock(vec![package("a", "1")]);
        assert!(!lock.to_text().contains("without"));
        lock.without = vec!["caches".to_owned(), "pyc".to_owned()];
        let text = lock.to_text();
        assert!(text.contains("  \"without\": [\"caches\",\"pyc\"],\n"), "{text}");
        assert_eq!(Lock::parse(&text).as_ref(), Ok(&lock));
    }

    #[test]
    fn tools_are_apart_from_packages_and_checked_as_they_are() {
        let plain = lock(vec![package("a", "1")]);
        assert!(!plain.to_text().contains("tools"));
        let mut lock = plain.clone();
        let platform = lock.platforms.get_mut("linux/amd64").unwrap();
        platform.tools = vec![package("a", "1"), package("dash", "2")];
        let names: Vec<&str> = platform.all_packages().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "a", "dash"]);
        let text = lock.to_text();
        assert_eq!(Lock::parse(&text).as_ref(), Ok(&lock));
        assert_eq!(Lock::parse(&text).unwrap().to_text(), text);
        let changes = lock.changes_since(Some(&plain));
        let changed: Vec<&str> = changes.iter().map(|change| change.package.as_str()).collect();
        assert_eq!(changed, ["a (tool)", "dash (tool)"]);
        for (from, to, message) in [
            ("pool/main/dash", "../../dash", "leads out of the archive"),
            ("\"name\":\"dash\"", "\"name\":\"a\"", "out of order or stands twice"),
            ("\"tools\"", "\"tool\"", "unknown field `tool`"),
        ] {
            let error = Lock::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(message), "{from}: {error}");
        }
    }

    #[test]
    fn changes_name_what_came_went_and_moved() {
        let old = lock(vec![package("a", "1"), package("b", "1")]);
        let new = lock(vec![package("b", "2"), package("c", "1")]);
        let changes: Vec<(String, Option<String>, Option<String>)> = new
            .changes_since(Some(&old))
            .into_iter()
            .map(|change| (change.package, change.old, change.new))
            .collect();
        let version = |text: &str| Some(text.to_owned());
        assert_eq!(
            changes,
            [
                ("a".to_owned(), version("1"), None),
                ("b".to_owned(), version("1"), version("2")),
                ("c".to_owned(), None, version("1")),
            ]
        );
        assert_eq!(new.changes_since(None).len(), 2);
        assert_eq!(new.changes_since(Some(&new)), []);
    }
}
