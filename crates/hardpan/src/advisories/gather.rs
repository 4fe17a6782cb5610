// SPDX-License-Identifier: Apache-2.0
//! A database made of what sources publish.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hardpan_attest::predicate::Time;
use hardpan_scan::advisory::database::{self, Database};
use hardpan_scan::advisory::import::{
    self, ImportError, Imported, Input, ListedRelease, Lists, Parts,
};
use hardpan_scan::advisory::{Advisories as _, Collected};

use super::AdvisoriesError;
use super::age::{first_future, time_max};
use super::file::read_file;
use super::source::Gotten;
use crate::error::Error;
use crate::session::Session;

/// The longest file of a source that is read, in bytes: as it comes, packed or not.
const FEED_BYTES_MAX: u64 = 4 << 30;
/// The most files of a directory.
const FILES_MAX: usize = 1_000_000;
/// How deep directories of files are looked into: CVE records lie in `cves/2026/1xxx`.
const DEPTH_MAX: usize = 8;

/// What kind of data a file has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedKind {
    /// Debian's tracker as JSON.
    DebianTracker,
    /// A checkout of Debian's tracker.
    DebianLists {
        /// Codenames of the releases that are wanted, each with the `Sources` of a suite, if there is one.
        releases: Vec<(String, Option<String>)>,
    },
    /// Alpine's secdb.
    AlpineSecdb,
    /// Wolfi's secdb.
    Wolfi,
    /// OSV.
    Osv,
    /// CISA's known exploited vulnerabilities.
    Kev,
    /// EPSS.
    Epss,
    /// CVE records, JSON 5.
    Cve,
    /// NVD, JSON 2.0.
    Nvd,
    /// A list of Debian's packages with limited support in a release.
    SecuritySupport {
        /// The release's number.
        release: String,
    },
    /// Debian's releases.
    DistroInfo,
}

/// Data to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Its kind.
    pub kind: FeedKind,
    /// A file, a directory, or a URL.
    pub from: String,
}

/// A database that was made.
#[derive(Debug, Clone)]
pub struct GatheredAdvisories {
    /// The database.
    pub bytes: Vec<u8>,
    /// What each file gave, in the order of feeds; Debian's releases first.
    pub imported: Vec<(String, Imported)>,
    /// Codenames that nobody knows the numbers of, each with its records, which are not in the database.
    pub unplaced: BTreeMap<String, u32>,
    /// Sources of which nobody says when their data was made.
    pub untimed: BTreeSet<String>,
}

/// A file that was read, and when its data was made as far as anybody said.
struct Read {
    name: String,
    bytes: Vec<u8>,
    time: Option<i64>,
}

impl Session<'_> {
    /// Makes a database. The order of feeds changes nothing.
    ///
    /// # Errors
    /// If a feed can't be read, is not what it should be, has nothing or is of the future: then there is none.
    pub fn gather_advisories(&self, feeds: &[Feed]) -> Result<GatheredAdvisories, Error> {
        let mut collected = Collected::new();
        let mut imported = Vec::new();
        // Other feeds name releases of which Debian's own list tells.
        let (first, others): (Vec<&Feed>, Vec<&Feed>) =
            feeds.iter().partition(|feed| feed.kind == FeedKind::DistroInfo);
        for feed in first.into_iter().chain(others) {
            for (name, given) in self.import_feed(feed, &mut collected)? {
                if given.records == 0 && !may_be_empty(&feed.kind) {
                    let source = given.source;
                    return Err(AdvisoriesError::NoRecords { name, source_name: source }.into());
                }
                imported.push((name, given));
            }
        }
        let bytes = database::write(&collected).map_err(AdvisoriesError::Database)?;
        let made = Database::open(bytes.as_slice()).map_err(AdvisoriesError::Database)?;
        if let Some((name, time)) = first_future(&made, self.now_seconds()) {
            let (time, now) = (time.to_string(), Time::from_seconds(self.now_seconds()));
            return Err(AdvisoriesError::FutureFeed { name, time, now: now.to_string() }.into());
        }
        let untimed = made.sources().into_iter().filter(|source| source.time.is_none());
        let untimed = untimed.map(|source| source.name.into_owned()).collect();
        Ok(GatheredAdvisories { bytes, imported, unplaced: collected.unplaced(), untimed })
    }

    /// Imports all files of a feed. Returns what each gave; of a directory that is one source, what all did.
    fn import_feed(
        &self,
        feed: &Feed,
        collected: &mut Collected,
    ) -> Result<Vec<(String, Imported)>, Error> {
        if let FeedKind::DebianLists { releases } = &feed.kind {
            let given = self.import_lists(Path::new(&feed.from), releases, collected)?;
            return Ok(vec![(feed.from.clone(), given)]);
        }
        let files = feed_files(&feed.from)?;
        if let Some(parts) = parts(&feed.kind) {
            let parts = parts.up_to(time_max(self.now_seconds()));
            return Ok(vec![self.import_parts(feed, &files, parts, collected)?]);
        }
        let mut imported = Vec::new();
        for file in files {
            let read = self.read_feed(&file)?;
            let given = import_one(&feed.kind, &read, collected);
            let name = read.name.clone();
            let given = given.map_err(|source| AdvisoriesError::Import { name, source })?;
            imported.push((read.name, given));
        }
        Ok(imported)
    }

    fn read_feed(&self, from: &str) -> Result<Read, Error> {
        if !is_url(from) {
            let path = Path::new(from);
            let bytes = read_file(path, FEED_BYTES_MAX)?;
            return Ok(Read { name: from.to_owned(), bytes, time: changed(path) });
        }
        let Gotten { bytes, url, last_modified } = self.get_whole(from, FEED_BYTES_MAX)?;
        Ok(Read { name: url, bytes, time: last_modified.as_deref().and_then(http_time) })
    }

    /// Imports files that are one source, each read in its turn. Returns what all gave, under the name of the one if there
    /// is only one.
    fn import_parts(
        &self,
        feed: &Feed,
        files: &[String],
        mut parts: Parts,
        collected: &mut Collected,
    ) -> Result<(String, Imported), Error> {
        let mut name = feed.from.clone();
        for file in files {
            let read = self.read_feed(file)?;
            parts.add(input(&read)).map_err(|source| {
                let name = read.name.clone();
                AdvisoriesError::Import { name, source }
            })?;
            if files.len() == 1 {
                name = read.name;
            }
        }
        Ok((name, parts.finish(collected)))
    }

    fn import_lists(
        &self,
        folder: &Path,
        releases: &[(String, Option<String>)],
        collected: &mut Collected,
    ) -> Result<Imported, Error> {
        let read = |name: &str| {
            let path = folder.join(name).join("list").display().to_string();
            self.read_feed(&path)
        };
        let (cve, dsa, dla) = (read("CVE")?, read("DSA")?, read("DLA")?);
        let mut sources: BTreeMap<&str, Vec<Read>> = BTreeMap::new();
        for (codename, from) in releases {
            let of_release = sources.entry(codename).or_default();
            if let Some(from) = from {
                of_release.push(self.read_feed(from)?);
            }
        }
        let releases = sources.iter().map(|(codename, files)| ListedRelease {
            codename: (*codename).to_owned(),
            sources: files.iter().map(input).collect(),
        });
        let releases = releases.collect();
        let lists = Lists { cve: input(&cve), dsa: input(&dsa), dla: input(&dla), releases };
        let given = import::debian_lists(&lists, collected);
        let name = folder.display().to_string();
        Ok(given.map_err(|source| AdvisoriesError::Import { name, source })?)
    }
}

fn input(read: &Read) -> Input<'_> {
    Input { bytes: &read.bytes, time: read.time }
}

fn import_one(
    kind: &FeedKind,
    read: &Read,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input(read);
    match kind {
        FeedKind::DebianTracker => import::debian_tracker(input, collected),
        FeedKind::AlpineSecdb => import::alpine_secdb(input, collected),
        FeedKind::Wolfi => import::wolfi(input, collected),
        FeedKind::Kev => import::kev(input, collected),
        FeedKind::Epss => import::epss(input, collected),
        FeedKind::Nvd => import::nvd(input, collected),
        FeedKind::SecuritySupport { release } => {
            import::security_support(input, release, collected)
        }
        FeedKind::DistroInfo => import::distro_info(input, collected),
        // Read by `import_lists`, which takes a directory, and by `import_parts`.
        FeedKind::DebianLists { .. } | FeedKind::Osv | FeedKind::Cve => Ok(Imported::default()),
    }
}

/// Returns what takes the records of a source one by one.
fn parts(kind: &FeedKind) -> Option<Parts> {
    match kind {
        FeedKind::Osv => Some(Parts::osv()),
        FeedKind::Cve => Some(Parts::cve5()),
        _ => None,
    }
}

/// Returns whether a file may have no record: a release or a year has just begun. Of others it is not what was meant.
fn may_be_empty(kind: &FeedKind) -> bool {
    matches!(kind, FeedKind::AlpineSecdb | FeedKind::SecuritySupport { .. } | FeedKind::Nvd)
}

fn is_url(from: &str) -> bool {
    from.starts_with("http://") || from.starts_with("https://")
}

/// Returns the files that a feed has: itself, or those of its directory in the order of their names.
fn feed_files(from: &str) -> Result<Vec<String>, Error> {
    let path = Path::new(from);
    if is_url(from) || !path.is_dir() {
        return Ok(vec![from.to_owned()]);
    }
    let mut files = BTreeSet::new();
    list(path, DEPTH_MAX, &mut files)?;
    if files.is_empty() {
        return Err(AdvisoriesError::NoFiles { path: path.to_owned() }.into());
    }
    Ok(files.into_iter().map(|path| path.display().to_string()).collect())
}

fn list(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    let wrap = |source| Error::Io { action: "list", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(wrap)? {
        let entry = entry.map_err(wrap)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(wrap)?);
        let is_data = |end: &std::ffi::OsStr| {
            ["json", "gz", "xz", "zip", "csv"].iter().any(|known| end == *known)
        };
        if kind.is_dir() && depth > 0 {
            list(&path, depth - 1, files)?;
        } else if kind.is_file() && path.extension().is_some_and(is_data) {
            files.insert(path);
        }
        if files.len() > FILES_MAX {
            return Err(wrap(std::io::Error::other(format!("more than {FILES_MAX} files"))));
        }
    }
    Ok(())
}

/// Returns when a file was changed: whoever fetched it kept the server's word, or it is when it was fetched.
fn changed(path: &Path) -> Option<i64> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Reads the time of a header.
fn http_time(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_headers() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(http_time(text), expected, "{text}");
        }
    }

    #[test]
    fn directories_are_listed_in_order() {
        let folder = tempfile::tempdir().expect("a directory");
        for name in ["b.json", "a/c.json.gz", "a/README.md", "d.json.xz", "z.zip"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, b"x").expect("written");
        }
        let all = feed_files(folder.path().to_str().expect("UTF-8")).expect("listed");
        let prefix = format!("{}/", folder.path().display());
        let all: Vec<&str> = all.iter().filter_map(|path| path.strip_prefix(&prefix)).collect();
        assert_eq!(all, ["a/c.json.gz", "b.json", "d.json.xz", "z.zip"]);
        let empty = tempfile::tempdir().expect("a directory");
        assert!(feed_files(empty.path().to_str().expect("UTF-8")).is_err());
    }
}
