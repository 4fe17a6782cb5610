// SPDX-License-Identifier: Apache-2.0
//! Real packages, unpacked by us and by dpkg-deb.
//!
//! They come from this machine's own archive by `apt-get download`, or from the directory that
//! `HARDPAN_TEST_DEBS` names.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Cut, Member, intact, merge};
use hardpan_package::segment::{EntryKind, Unpacked};
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_tree::{Digest, Facts};

/// What matters of an entry: type, mode, owner, group, size, content or target.
type View = (char, u32, u64, u64, u64, String);

/// Small packages with setuid files, other owners, hard links, long names, symlinks and ELF files.
const PACKAGES: [&str; 7] =
    ["base-files", "libc-bin", "libpam-modules-bin", "login", "passwd", "perl-base", "tzdata"];

fn packages(directory: &Path) -> Option<Vec<PathBuf>> {
    let given = std::env::var_os("HARDPAN_TEST_DEBS").map(PathBuf::from);
    if given.is_none() {
        let status = Command::new("apt-get")
            .args(["download", "-qq", "-o", "Acquire::Retries=3"])
            .args(PACKAGES)
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("skipped: real packages because apt-get can't download them");
            return None;
        }
    }
    let directory = given.unwrap_or_else(|| directory.to_owned());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    paths.sort();
    Some(paths)
}

fn dpkg_view(package: &Path) -> Option<BTreeMap<Vec<u8>, View>> {
    let mut child = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut view = BTreeMap::new();
    let mut archive = tar::Archive::new(child.stdout.take().unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        let kind = char::from(header.entry_type().as_byte());
        let path = usr_merged(&entry.path_bytes(), kind);
        let (size, text) = match kind {
            '0' => {
                let mut data = Vec::new();
                entry.read_to_end(&mut data).unwrap();
                (data.len() as u64, Digest::of(&data).to_string())
            }
            '1' => (0, lossy(&usr_merged(&entry.link_name_bytes().unwrap(), '1'))),
            '2' => (0, lossy(&entry.link_name_bytes().unwrap())),
            _ => (0, String::new()),
        };
        // A hard link has no metadata of its own.
        let (mode, uid, gid) = match kind {
            '1' => (0, 0, 0),
            _ => (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()),
        };
        view.insert(path, (kind, mode & 0o7777, uid, gid, size, text));
    }
    assert!(child.wait().unwrap().success());
    Some(view)
}

fn our_view(unpacked: &Unpacked) -> BTreeMap<Vec<u8>, View> {
    let view = unpacked.entries.iter().map(|entry| {
        let (kind, size, text) = match &entry.kind {
            EntryKind::Directory => ('5', 0, String::new()),
            EntryKind::File(file) => ('0', file.size_bytes, file.digest.to_string()),
            EntryKind::Symlink(target) => ('2', 0, lossy(target)),
            EntryKind::HardLink(target) => ('1', 0, lossy(target.as_bytes())),
        };
        let metadata = &entry.metadata;
        let (mode, uid, gid) = match kind {
            '1' => (0, 0, 0),
            _ => (metadata.mode, u64::from(metadata.uid), u64::from(metadata.gid)),
        };
        (entry.path.as_bytes().to_vec(), (kind, mode, uid, gid, size, text))
    });
    view.collect()
}

fn usr_merged(path: &[u8], kind: char) -> Vec<u8> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let is_it = path == name.as_bytes() && kind == '5';
        if is_it || path.starts_with(format!("{name}/").as_bytes()) {
            return [b"usr/", path].concat();
        }
    }
    path.to_vec()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn real_packages_are_as_dpkg_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let Some(paths) = packages(directory.path()) else { return };
    assert!(!paths.is_empty());
    let mut all = Vec::new();
    for path in &paths {
        let package = std::fs::read(path).unwrap();
        let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
        let mut segment = Vec::new();
        let unpacked = unpack(&mut &package[..], &options, &mut segment)
            .unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        let Some(expected) = dpkg_view(path) else {
            eprintln!("skipped: real packages because dpkg-deb is not installed");
            return;
        };
        let actual = our_view(&unpacked);
        let names: BTreeSet<&Vec<u8>> = expected.keys().chain(actual.keys()).collect();
        for name in names {
            assert_eq!(
                actual.get(name),
                expected.get(name),
                "{} in {}",
                lossy(name),
                path.display()
            );
        }
        // Our own files have to be stripped to be smaller.
        let mut stripped = Vec::new();
        let again = unpack(&mut &package[..], &UnpackOptions::default(), &mut stripped).unwrap();
        assert!(stripped.len() <= segment.len() && again.entries.len() <= unpacked.entries.len());
        let setuid = again.entries.iter().filter(|entry| {
            entry.kind != EntryKind::Directory && entry.metadata.mode & 0o6000 != 0
        });
        assert_eq!(setuid.count(), 0);
        all.push(again);
    }
    let members: Vec<Member<'_>> = all
        .iter()
        .map(|unpacked| Member { unpacked, segment: Digest::of(unpacked.name.as_bytes()) })
        .collect();
    let merged = merge(&members).unwrap();
    assert!(merged.replaced.is_empty() && merged.redirected.is_empty());
    for (number, member) in members.iter().enumerate() {
        let intact = intact(&merged.tree, u32::try_from(number).unwrap(), member);
        assert_eq!(intact.cut, Cut::Whole, "{}", member.unpacked.name);
    }
    let elf = merged.tree.walk().filter_map(|(_, node)| match &node.kind {
        hardpan_tree::Kind::File(file) => match file.facts.as_deref() {
            Some(Facts::Elf(elf)) => Some(elf),
            _ => None,
        },
        _ => None,
    });
    let elf: Vec<_> = elf.collect();
    let names: Vec<_> = elf.iter().filter_map(|elf| elf.soname.as_deref()).collect();
    assert!(
        names.contains(&"libc.so.6")
            || !members.iter().any(|member| member.unpacked.name == "libc6")
    );
    let programs: Vec<_> = elf.iter().filter(|elf| elf.interpreter.is_some()).collect();
    assert!(programs.iter().all(|elf| elf.is_dynamic && !elf.needed.is_empty()));
    eprintln!("{} packages, {} nodes, {} programs", all.len(), merged.tree.len(), programs.len());
}
