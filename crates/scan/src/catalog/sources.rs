// SPDX-License-Identifier: Apache-2.0
//! Programs that say, or look as if, they were built from a source of which the distribution's own packages are there.
//!
//! Without lists of files nothing says which package brought them, but they are no second copy of what is counted
//! already.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::TreePath;

use super::{FileFacts, Package, PackageId, PackageKind};

/// Gives packages that only notes in ELF files speak of to the distribution's packages of the same source: such a
/// note names the source, never the package that the file came with.
pub(super) fn attribute_notes(
    packages: &mut BTreeMap<PackageId, Package>,
    files: &mut BTreeMap<TreePath, FileFacts>,
) {
    let mut by_source: BTreeMap<(PackageKind, &str), Vec<&Package>> = BTreeMap::new();
    for package in packages.values().filter(|package| package.kind.is_distribution()) {
        let source = package.source.as_ref().map_or(&package.name, |(name, _)| name);
        by_source.entry((package.kind, source)).or_default().push(package);
    }
    let mut owned = Vec::new();
    for note in packages.values().filter(|package| package.kind == PackageKind::Elf) {
        let kind = match note.noted_kind.as_deref() {
            Some("deb") => PackageKind::Deb,
            Some("apk") => PackageKind::Apk,
            _ => continue,
        };
        let is_version = |package: &&&Package| {
            let of_source = package.source.as_ref().map(|(_, version)| version);
            note.version.is_some()
                && (note.version == package.version || note.version.as_ref() == of_source)
        };
        let same = by_source.get(&(kind, &note.name)).map_or(&[][..], Vec::as_slice);
        let same: Vec<&PackageId> = same.iter().filter(is_version).map(|it| &it.id).collect();
        let Some(first) = same.first() else { continue };
        let is_only = same.len() == 1;
        owned.push((note.id.clone(), (*first).clone(), is_only, note.files.clone()));
    }
    for (note, owner, is_only, own) in owned {
        for path in &own {
            if let Some(file) = files.get_mut(path)
                && file.owner.as_ref() == Some(&note)
            {
                // Of several packages of one source any could have brought it.
                file.owner = is_only.then(|| owner.clone());
            }
        }
        if let Some(package) = packages.get_mut(&note) {
            package.owned_by = Some(owner);
        }
    }
}

/// Where distributions put files. What is elsewhere is nobody's but the image's.
const PLACES: [&[u8]; 7] =
    [b"usr/bin/", b"usr/sbin/", b"usr/lib", b"usr/libexec/", b"bin/", b"sbin/", b"lib"];

/// The sources of the distribution's packages of an image that has no lists of their files.
#[derive(Debug, Default)]
pub(super) struct Unlisted(BTreeSet<(String, String)>);

impl Unlisted {
    /// Returns nothing where there are lists: what they do not have is no package's.
    pub(super) fn of(packages: &BTreeMap<PackageId, Package>) -> Self {
        let own = || packages.values().filter(|package| package.kind.is_distribution());
        // Configuration is known without.
        let has_list = |package: &Package| {
            package.files.iter().any(|path| !path.as_bytes().starts_with(b"etc/"))
        };
        if own().any(has_list) {
            return Self::default();
        }
        let source = |package: &Package| {
            let version = package.version.clone().unwrap_or_default();
            package.source.clone().unwrap_or_else(|| (package.name.clone(), version))
        };
        Self(own().map(source).collect())
    }

    /// Returns whether a program at that place is of such a source: `python` 3.13.5 of `python3.13` 3.13.5-2.
    pub(super) fn has(&self, path: &TreePath, name: &str, version: &str) -> bool {
        let is_place = PLACES.iter().any(|place| path.as_bytes().starts_with(place));
        is_place
            && self.0.iter().any(|(source, own)| is_name(source, name) && upstream(own) == version)
    }
}

/// Returns whether a source is of that name, but for a version at its end.
fn is_name(source: &str, name: &str) -> bool {
    source.strip_prefix(name).is_some_and(|rest| {
        rest.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// Returns the version without epoch, revision, and what Debian adds to it.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    let version = version.rsplit_once('-').map_or(version, |(version, _)| version);
    version.split(['+', '~']).next().unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deb(name: &str, version: &str, source: (&str, &str)) -> Package {
        let id = PackageId::new(format!("deb/{name}/amd64"));
        let path = TreePath::literal("var/lib/dpkg/status");
        let mut package = Package::bare(id, PackageKind::Deb, name, &path);
        package.version = Some(version.to_owned());
        package.source = Some((source.0.to_owned(), source.1.to_owned()));
        package
    }

    fn installed() -> BTreeMap<PackageId, Package> {
        let packages = [
            deb("libc6", "2.41-12+deb13u5", ("glibc", "2.41-12+deb13u5")),
            deb("python3.13-minimal", "3.13.5-2+b1", ("python3.13", "3.13.5-2")),
            deb("gcc-14-base", "14.2.0-19", ("gcc-14", "14.2.0-19")),
            deb("libgcc-s1", "14.2.0-19", ("gcc-14", "14.2.0-19")),
            deb("libssl3t64", "3.5.9-1~deb13u1", ("openssl", "3.5.9-1~deb13u1")),
            deb("zlib1g", "1:1.3.dfsg+really1.3.1-1+b1", ("zlib", "1:1.3.dfsg+really1.3.1-1")),
        ];
        packages.into_iter().map(|package| (package.id.clone(), package)).collect()
    }

    #[test]
    fn recognised_programs_of_installed_sources() {
        let unlisted = Unlisted::of(&installed());
        for (path, name, version, expected) in [
            ("usr/lib/x86_64-linux-gnu/libc.so.6", "glibc", "2.41", true),
            ("lib64/libc.so.6", "glibc", "2.41", true),
            ("usr/bin/python3.13", "python", "3.13.5", true),
            ("usr/lib/x86_64-linux-gnu/libssl.so.3", "openssl", "3.5.9", true),
            // Another version, another place, another source.
            ("usr/bin/python3.13", "python", "3.13.6", false),
            ("usr/bin/python3.13", "python", "3.13", false),
            ("usr/local/bin/python3.13", "python", "3.13.5", false),
            ("opt/python/bin/python3.13", "python", "3.13.5", false),
            ("usr/bin/pytho", "pytho", "3.13.5", false),
            ("usr/bin/curl", "curl", "8.1", false),
        ] {
            assert_eq!(unlisted.has(&TreePath::literal(path), name, version), expected, "{path}");
        }
        // With lists, what is in none is nobody's.
        let mut listed = installed();
        let id = PackageId::new("deb/libc6/amd64".to_owned());
        listed.get_mut(&id).unwrap().files.insert(TreePath::literal("etc/ld.so.conf"));
        let path = TreePath::literal("usr/bin/python3.13");
        assert!(Unlisted::of(&listed).has(&path, "python", "3.13.5"));
        listed.get_mut(&id).unwrap().files.insert(TreePath::literal("usr/lib/libc.so.6"));
        assert!(!Unlisted::of(&listed).has(&path, "python", "3.13.5"));
    }

    #[test]
    fn notes_name_sources() {
        for (kind, name, version, owner, file_owner) in [
            ("deb", "zlib", "1:1.3.dfsg+really1.3.1-1", Some("deb/zlib1g/amd64"), true),
            ("deb", "gcc-14", "14.2.0-19", Some("deb/gcc-14-base/amd64"), false),
            ("deb", "gcc-14", "14.2.0-18", None, true),
            ("rpm", "gcc-14", "14.2.0-19", None, true),
            ("apk", "gcc-14", "14.2.0-19", None, true),
            ("deb", "libgcc-s1", "14.2.0-19", None, true),
        ] {
            let mut packages = installed();
            let path = TreePath::literal("usr/lib/x.so");
            let id = PackageId::new(format!("elf/{name}@{version}"));
            let mut note = Package::bare(id.clone(), PackageKind::Elf, name, &path);
            note.version = Some(version.to_owned());
            note.noted_kind = Some(kind.to_owned());
            note.files.insert(path.clone());
            packages.insert(id.clone(), note);
            let facts =
                FileFacts { size_bytes: 1, hashes: None, owner: Some(id.clone()), layer: 0 };
            let mut files = BTreeMap::from([(path.clone(), facts)]);
            attribute_notes(&mut packages, &mut files);
            assert_eq!(
                packages[&id].owned_by.as_ref().map(PackageId::as_str),
                owner,
                "{kind} {name}"
            );
            let expected = file_owner.then(|| owner.unwrap_or(id.as_str()));
            assert_eq!(files[&path].owner.as_ref().map(PackageId::as_str), expected, "{name}");
        }
    }
}
