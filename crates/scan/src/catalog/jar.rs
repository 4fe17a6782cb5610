// SPDX-License-Identifier: Apache-2.0
//! Java archives: what Maven and the manifest say of them, and the archives inside of them.

use std::io::Read;

use hardpan_tree::{TreePath, ZipError, ZipLimits, ZipMember, zip_members};

use super::headers::paragraph;
use super::want::is_jar;
use super::{FormatError, Package, PackageKind};

/// What they are called in messages.
pub(super) const FORMAT: &str = "a Java archive";
/// How deep archives may be in archives. An EAR has WARs that have JARs, and some of these shade others.
const DEPTH_MAX: usize = 4;
/// Members of one archive.
const MEMBERS_MAX: u64 = 200_000;
/// Size of the directory of one archive, in bytes.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;
/// The largest manifest or list of properties, in bytes. A manifest with a digest of each class is long.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// How much is unpacked of one archive and all in it, in bytes.
const UNPACKED_BYTES_MAX: u64 = 512 << 20;
/// The most artifacts of one archive and all in it.
const ARTIFACTS_MAX: usize = 20_000;

/// Something that Maven or a manifest names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Artifact {
    group: Option<String>,
    /// `None` where only the archive's own name says.
    name: Option<String>,
    version: Option<String>,
    licence: Option<String>,
    /// The path of the archive inside of the file.
    inside: Option<String>,
    /// Whether only the manifest was there to say what the archive is.
    is_guess: bool,
}

impl Artifact {
    pub(super) fn kept_bytes(&self) -> u64 {
        let texts = [&self.group, &self.name, &self.version, &self.licence, &self.inside];
        texts.into_iter().flatten().map(|text| text.len() as u64).sum::<u64>() + 150
    }

    /// Returns the package that it is, in the file at a path.
    pub(super) fn package(&self, path: &TreePath) -> Package {
        let file_name = self.inside.as_deref().and_then(|inside| inside.rsplit(['/', '!']).next());
        let file_name = file_name.map_or(path.name(), str::as_bytes);
        let (mut name, mut version) = (self.name.clone(), self.version.clone());
        if self.is_guess {
            let (own_name, own_version) = named(file_name);
            // Files that have a version have Maven's name, too.
            if own_version.is_some() || name.is_none() {
                name = Some(own_name);
            }
            version = own_version.or(version);
        }
        let name = name.unwrap_or_default();
        let name = match &self.group {
            Some(group) => format!("{group}:{name}"),
            None => name,
        };
        let inside = self.inside.as_deref();
        let mut package =
            Package::found_at(PackageKind::Maven, &name, version.as_deref(), path, inside);
        package.licenses.clone_from(&self.licence);
        package
    }
}

/// What is left to be unpacked and found.
struct Budget {
    unpacked_bytes: u64,
    artifacts: Vec<Artifact>,
    problems: Vec<FormatError>,
}

/// Reads an archive.
pub(super) fn read(bytes: &[u8]) -> (Vec<Artifact>, Vec<FormatError>) {
    let mut budget =
        Budget { unpacked_bytes: UNPACKED_BYTES_MAX, artifacts: Vec::new(), problems: Vec::new() };
    if let Err(error) = read_one(bytes, None, 0, &mut budget) {
        budget.problems.push(error);
    }
    (budget.artifacts, budget.problems)
}

fn read_one(
    bytes: &[u8],
    inside: Option<&str>,
    depth: usize,
    budget: &mut Budget,
) -> Result<(), FormatError> {
    let limits = ZipLimits {
        members_max: MEMBERS_MAX,
        directory_bytes_max: DIRECTORY_BYTES_MAX,
        // Archives that start themselves have a script in front.
        prefix_allowed: true,
    };
    let members = zip_members(bytes, limits).map_err(of_zip)?;
    let file_name = inside.and_then(|inside| inside.rsplit(['/', '!']).next());
    let own_name = file_name.map(|name| named(name.as_bytes()).0);
    let mut found = Vec::new();
    let mut manifest = None;
    let mut nested = Vec::new();
    for member in &members {
        let name = member.name.as_slice();
        if name.eq_ignore_ascii_case(b"META-INF/MANIFEST.MF") {
            manifest = Some(text(member, bytes, TEXT_BYTES_MAX, budget)?);
        } else if name.starts_with(b"META-INF/maven/") && name.ends_with(b"/pom.properties") {
            let properties = text(member, bytes, TEXT_BYTES_MAX, budget)?;
            found.extend(maven(&properties));
        } else if is_jar(name) && !name.ends_with(b"/") {
            nested.push(member);
        }
    }
    // With several, one is the archive's own and the others were put into it; with none of its name, the
    // manifest says what it is.
    let is_own = |artifact: &Artifact| match &own_name {
        Some(name) => artifact.name.as_deref() == Some(name.as_str()),
        None => found.len() == 1,
    };
    if found.is_empty() || (found.len() > 1 && !found.iter().any(is_own)) {
        let own = manifest.as_deref().map(of_manifest).unwrap_or_default();
        found.insert(0, Artifact { is_guess: true, ..own });
    }
    for mut artifact in found {
        if budget.artifacts.len() >= ARTIFACTS_MAX {
            return Err(FormatError::limit(FORMAT, "artifacts", ARTIFACTS_MAX));
        }
        artifact.inside = inside.map(str::to_owned);
        budget.artifacts.push(artifact);
    }
    for member in nested {
        if depth >= DEPTH_MAX {
            return Err(FormatError::limit(FORMAT, "archives in each other", DEPTH_MAX));
        }
        let data = text(member, bytes, UNPACKED_BYTES_MAX, budget)?;
        let name = String::from_utf8_lossy(&member.name);
        let place = inside.map_or_else(|| name.to_string(), |inside| format!("{inside}!{name}"));
        // A broken one does not hide those after it.
        match read_one(&data, Some(&place), depth + 1, budget) {
            Err(error @ FormatError::Limit { .. }) => return Err(error),
            Err(error) => budget.problems.push(error),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn of_zip(error: ZipError) -> FormatError {
    match error {
        ZipError::Limit { what, maximum } => FormatError::Limit { format: FORMAT, what, maximum },
        ZipError::Malformed(problem) => FormatError::malformed(FORMAT, problem),
        _ => FormatError::malformed(FORMAT, "it can't be read"),
    }
}

/// Unpacks a member.
fn text(
    member: &ZipMember,
    bytes: &[u8],
    bytes_max: u64,
    budget: &mut Budget,
) -> Result<Vec<u8>, FormatError> {
    let limit = |maximum| FormatError::Limit { format: FORMAT, what: "bytes in a member", maximum };
    if member.size_bytes > bytes_max {
        return Err(limit(bytes_max));
    }
    let left_bytes = budget.unpacked_bytes.checked_sub(member.size_bytes);
    budget.unpacked_bytes = left_bytes.ok_or(limit(UNPACKED_BYTES_MAX))?;
    let mut data = Vec::new();
    // The reader ends where the member says it does, or with an error.
    let read = member.open(bytes).read_to_end(&mut data);
    read.map_err(|_| FormatError::malformed(FORMAT, "a member is broken"))?;
    Ok(data)
}

/// Reads `pom.properties`.
fn maven(bytes: &[u8]) -> Option<Artifact> {
    let text = String::from_utf8_lossy(bytes);
    let get = |name: &str| {
        let value =
            text.lines().filter(|line| !line.trim_start().starts_with('#')).find_map(|line| {
                let (own, value) = line.split_once(['=', ':'])?;
                (own.trim() == name).then(|| value.trim().to_owned())
            });
        // What Maven was to put in, and didn't.
        value.filter(|value| !value.is_empty() && !value.contains("${"))
    };
    let name = get("artifactId")?;
    let (group, version) = (get("groupId"), get("version"));
    Some(Artifact { group, name: Some(name), version, ..Artifact::default() })
}

/// Reads the first section of a manifest, whose long lines go on after a line break and a space.
fn of_manifest(bytes: &[u8]) -> Artifact {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace("\n ", "");
    let (fields, _) = paragraph(&text);
    let get =
        |name| fields.first_line(name).filter(|value| !value.is_empty() && !value.contains("${"));
    let is_word = |value: &&str| !value.contains(char::is_whitespace);
    let bundle = get("Bundle-SymbolicName").and_then(|name| name.split(';').next());
    let title = ["Implementation-Title", "Specification-Title"].into_iter().find_map(get);
    let name = title.filter(is_word).or(bundle).or(get("Automatic-Module-Name"));
    // A group is written like a host.
    let group = get("Implementation-Vendor-Id").filter(is_word).filter(|group| group.contains('.'));
    let version = ["Implementation-Version", "Bundle-Version", "Specification-Version"]
        .into_iter()
        .find_map(get);
    Artifact {
        group: group.map(str::to_owned),
        name: name.map(str::to_owned),
        version: version.map(str::to_owned),
        licence: get("Bundle-License").map(str::to_owned),
        ..Artifact::default()
    }
}

/// Takes `artifact-1.2.3.jar` apart.
fn named(file_name: &[u8]) -> (String, Option<String>) {
    let text = String::from_utf8_lossy(file_name);
    let stem = text.rsplit_once('.').map_or(&*text, |(stem, _)| stem);
    let is_version =
        |at: &usize| stem[*at + 1..].starts_with(|c: char| c.is_ascii_digit()) && *at > 0;
    match stem.match_indices('-').map(|(at, _)| at).find(is_version) {
        Some(at) => (stem[..at].to_owned(), Some(stem[at + 1..].to_owned())),
        None => (stem.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use hardpan_testkit::zip::zip;

    use super::*;

    fn packages(file: &str, bytes: &[u8]) -> (Vec<String>, Vec<FormatError>) {
        let (artifacts, problems) = read(bytes);
        let path = TreePath::parse(format!("opt/{file}")).unwrap();
        let text = |artifact: &Artifact| artifact.package(&path).id.to_string();
        (artifacts.iter().map(text).collect(), problems)
    }

    const POM: &str = "META-INF/maven/g/a/pom.properties";
    const MANIFEST: &str = "META-INF/MANIFEST.MF";

    #[test]
    fn what_archives_say() {
        let pom = b"#x\nversion=1.2\ngroupId=org.g\nartifactId=a\n";
        let manifest = b"Manifest-Version: 1.0\r\nImplementation-Title: tit\r\n le\r\n\
            Implementation-Version: 3.0\r\n\r\nName: x\r\nImplementation-Version: 9\r\n";
        let spaced =
            b"Implementation-Title: A Title\nBundle-SymbolicName: b.c;x=y\nBundle-Version: 2\n";
        for (file, members, expected) in [
            ("a-1.2.jar", vec![(POM, &pom[..])], "maven/org.g:a@1.2:opt/a-1.2.jar"),
            ("x.jar", vec![(POM, pom), (MANIFEST, manifest)], "maven/org.g:a@1.2:opt/x.jar"),
            ("x.jar", vec![(MANIFEST, manifest)], "maven/title@3.0:opt/x.jar"),
            ("x-2.jar", vec![(MANIFEST, manifest)], "maven/x@2:opt/x-2.jar"),
            ("x.jar", vec![(MANIFEST, spaced)], "maven/b.c@2:opt/x.jar"),
            ("x-y.jar", vec![("a", b"")], "maven/x-y:opt/x-y.jar"),
            ("x-y-1.0-SNAPSHOT.jar", vec![], "maven/x-y@1.0-SNAPSHOT:opt/x-y-1.0-SNAPSHOT.jar"),
            ("x.jar", vec![(POM, b"artifactId=${a}\nversion=1\n")], "maven/x:opt/x.jar"),
            ("x.jar", vec![(POM, b"artifactId=a\nversion=${v}\n")], "maven/a:opt/x.jar"),
            ("x.jar", vec![(MANIFEST, b"\xff\0")], "maven/x:opt/x.jar"),
        ] {
            let members: Vec<_> = members.iter().map(|(name, data)| (*name, *data, true)).collect();
            let (ids, problems) = packages(file, &zip(&members));
            assert_eq!(ids, [expected], "{file}");
            assert_eq!(problems, []);
        }
    }

    #[test]
    fn archives_in_archives() {
        let pom = |name: &str| format!("artifactId={name}\ngroupId=g\nversion=1\n").into_bytes();
        let inner = zip(&[(POM, &pom("inner"), true)]);
        let shaded = "META-INF/maven/g/b/pom.properties";
        let bare = zip(&[("x", b"y", false)]);
        let outer = zip(&[
            (POM, &pom("app"), true),
            (shaded, &pom("b"), true),
            ("BOOT-INF/lib/inner-1.jar", &inner, false),
            ("BOOT-INF/lib/bare-2.jar", &bare, true),
            ("BOOT-INF/lib/broken.jar", b"none", false),
            ("BOOT-INF/lib/last.jar", &inner, true),
        ]);
        // A script in front, as Spring Boot has it.
        for bytes in [outer.clone(), [b"#!/bin/sh\n", outer.as_slice()].concat()] {
            let (ids, problems) = packages("app.jar", &bytes);
            let expected = [
                "maven/app:opt/app.jar",
                "maven/g:app@1:opt/app.jar",
                "maven/g:b@1:opt/app.jar",
                "maven/g:inner@1:opt/app.jar!BOOT-INF/lib/inner-1.jar",
                "maven/bare@2:opt/app.jar!BOOT-INF/lib/bare-2.jar",
                "maven/g:inner@1:opt/app.jar!BOOT-INF/lib/last.jar",
            ];
            assert_eq!(ids, expected);
            assert_eq!(problems.len(), 1);
        }
        let mut deep = inner;
        for _ in 0..=DEPTH_MAX {
            deep = zip(&[("x.jar", &deep, true)]);
        }
        let (_, problems) = packages("x.jar", &deep);
        assert!(matches!(problems[..], [FormatError::Limit { .. }]), "{problems:?}");
    }

    #[test]
    fn hostile_archives() {
        let bomb = vec![0; 5 << 20];
        let (_, problems) = packages("x.jar", &zip(&[(MANIFEST, &bomb, true)]));
        assert!(matches!(problems[..], [FormatError::Limit { .. }]), "{problems:?}");
        // Each a little, all together too much.
        let part = vec![0; 200 << 20];
        let parts: Vec<_> = ["a.jar", "b.jar", "c.jar"]
            .into_iter()
            .map(|name| (name, part.as_slice(), true))
            .collect();
        let (_, problems) = packages("x.jar", &zip(&parts));
        assert!(problems.iter().any(|error| matches!(error, FormatError::Limit { .. })));
        let good = zip(&[(POM, b"artifactId=a\n", true), (MANIFEST, b"x: y", false)]);
        for length in 0..good.len() {
            assert!(!read(&good[..length]).1.is_empty(), "{length}");
        }
        for at in 0..good.len() {
            for byte in [0, 0xff, good[at] ^ 1] {
                let mut bytes = good.clone();
                bytes[at] = byte;
                read(&bytes);
            }
        }
    }
}
