// SPDX-License-Identifier: Apache-2.0
//! Our tree against a real installation: dpkg itself, by way of mmdebstrap.
//!
//! The real one is made once and kept below the build directory. The same packages, version by version, are
//! unpacked, merged and finished by us, with nothing stripped. Both must be the same but for
//! [`INTENDED`], each with its reason.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

#[path = "../../package/tests/scripts_support/mod.rs"]
mod scripts_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use hardpan::definition::{NoIncludes, Platform, Source, parse};
use hardpan::finish::{ArchiveSettings, Finished, Inputs, run_all};
use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Member, merge};
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_tree::{
    Content, Contents, Digest, InlineContents, Kind, TarEntryKind, TarLimits, TarReader, Tree,
    TreePath,
};
use scripts_support::Apt;

/// What is installed beside the essential packages.
const INCLUDED: &str = "ca-certificates,tzdata,netbase,openssl,python3.13-minimal";
const EPOCH: i64 = 1_750_000_000;

/// Where the trees differ on purpose: paths (`*` stands for anything) and why.
const INTENDED: &[(&str, &str)] = &[
    ("/dev/*", "an image has no device nodes; runtimes bring them"),
    ("/etc/apt/*", "made by mmdebstrap's own apt, which is not installed"),
    ("/etc/fstab", "made by mmdebstrap; an image mounts nothing"),
    ("/etc/hostname", "copied by mmdebstrap from the machine that it runs on"),
    ("/etc/resolv.conf", "copied by mmdebstrap from the machine that it runs on"),
    ("/etc/systemd/system/timers.target.wants*", "an image has no init system"),
    ("*/__pycache__*", ".pyc files are made in the sandbox, after the finishers"),
    ("/var/cache/apt*", "made by mmdebstrap's own apt, which is not installed"),
    ("/var/cache/debconf/*", "debconf's answers are its defaults"),
    ("/var/lib/apt*", "made by mmdebstrap's own apt, which is not installed"),
    ("/var/lib/dpkg/available", "dpkg makes it when it runs"),
    ("/var/lib/dpkg/diversions*", "protect files while /usr is merged, which is done"),
    ("/var/lib/dpkg/info/*.shlibs", "only for building packages"),
    ("/var/lib/dpkg/info/*.symbols", "only for building packages"),
    ("/var/lib/dpkg/lock*", "dpkg makes them when it runs"),
    ("/var/lib/dpkg/statoverride", "empty; dpkg makes it when it needs it"),
    ("/var/lib/dpkg/status-old", "a backup"),
    ("/var/lib/dpkg/triggers/Lock", "dpkg makes it when it runs"),
    ("/var/lib/python*", "a note that python3.13 is being installed, left behind"),
    ("/var/lib/systemd/deb-systemd-helper-enabled*", "an image has no init system"),
    ("/var/log/apt", "made by mmdebstrap's own apt, which is not installed"),
];

/// What stands at a path, in words that can be compared.
type Dump = BTreeMap<String, String>;

fn describe(mode: u32, uid: u32, gid: u32, kind: &str) -> String {
    format!("{mode:04o} {uid}:{gid} {kind}")
}

/// Reads the real installation.
fn read_real(path: &Path) -> Dump {
    let limits = TarLimits { refuse_special: false, ..TarLimits::default() };
    let mut tar = TarReader::new(BufReader::new(File::open(path).unwrap()), limits);
    let mut dump = Dump::new();
    while let Some(entry) = tar.next_entry().unwrap() {
        let kind = match entry.kind {
            TarEntryKind::Directory => "directory".to_owned(),
            TarEntryKind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(&target)),
            TarEntryKind::HardLink(target) => dump[&target.to_string()].clone(),
            TarEntryKind::File(_) => {
                let (digest, size) = Digest::of_reader(&mut tar).unwrap();
                format!("{digest} {size}")
            }
            other => format!("{other:?}"),
        };
        let text = match kind.split_once(' ') {
            // A hard link is the same as its file.
            Some((mode, _)) if mode.len() == 4 && mode.starts_with('0') => kind,
            _ => {
                let metadata = &entry.metadata;
                let mode = if kind.starts_with("->") { 0o777 } else { metadata.mode };
                describe(mode, metadata.uid, metadata.gid, &kind)
            }
        };
        dump.insert(entry.path.to_string(), text);
    }
    dump
}

fn dump(tree: &Tree) -> Dump {
    let one = |path: &TreePath, node: &hardpan_tree::Node| {
        let (node, kind) = match (&node.kind, tree.file(path)) {
            (_, Some((node, file))) => (node, format!("{} {}", file.digest, file.size_bytes)),
            (Kind::Symlink(target), _) => (node, format!("-> {}", String::from_utf8_lossy(target))),
            _ => (node, "directory".to_owned()),
        };
        let metadata = &node.metadata;
        describe(metadata.mode, metadata.uid, metadata.gid, &kind)
    };
    tree.walk().map(|(path, node)| (path.to_string(), one(path, node))).collect()
}

/// Installs the packages for real, unless that was done before; returns the archive.
fn install(apt: &Apt) -> Result<PathBuf, String> {
    let tar = apt.root.join("real.tar");
    if tar.exists() {
        return Ok(tar);
    }
    if Command::new("mmdebstrap").arg("--version").output().is_err() {
        return Err("there is no mmdebstrap".to_owned());
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let made = apt.root.join("real.new.tar");
    let output = Command::new("mmdebstrap")
        .arg(if is_root { "--mode=root" } else { "--mode=unshare" })
        .args(["--variant=essential", "--architectures=amd64"])
        .arg(format!("--include={INCLUDED}"))
        .arg("trixie")
        .arg(&made)
        .arg(&apt.sources)
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .env_remove("TMPDIR")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("mmdebstrap: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::rename(&made, &tar).map_err(|error| error.to_string())?;
    Ok(tar)
}

/// Reads which packages, in which versions, the real installation has.
fn installed(tar: &Path) -> BTreeMap<String, String> {
    let output =
        Command::new("tar").args(["-xOf"]).arg(tar).arg("./var/lib/dpkg/status").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let stanzas = text.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
    stanzas
        .map(|stanza| {
            let field = |name: &str| {
                let line = stanza.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap().trim().to_owned()
            };
            (field("Package:"), field("Version:"))
        })
        .collect()
}

struct Segments(BTreeMap<Digest, Vec<u8>>);

impl Contents for Segments {
    fn read(&self, file: &hardpan_tree::File) -> io::Result<Arc<[u8]>> {
        let Content::Segment { segment, offset_bytes } = &file.content else {
            return InlineContents.read(file);
        };
        let start = usize::try_from(*offset_bytes).unwrap();
        let end = start + usize::try_from(file.size_bytes).unwrap();
        Ok(self.0[segment][start..end].into())
    }
}

/// Builds the same with our own means.
fn build(debs: &BTreeMap<String, PathBuf>) -> (Tree, Finished, Segments) {
    let mut segments = Segments(BTreeMap::new());
    let mut packages = Vec::new();
    let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
    for deb in debs.values() {
        let mut segment = Vec::new();
        let mut reader: Box<dyn Read> = Box::new(BufReader::new(File::open(deb).unwrap()));
        let unpacked: Unpacked = unpack(&mut reader, &options, &mut segment).unwrap();
        segments.0.insert(unpacked.segment_digest, segment);
        packages.push(Arc::new(unpacked));
    }
    let members: Vec<Member<'_>> = packages
        .iter()
        .map(|unpacked| Member { unpacked, segment: unpacked.segment_digest })
        .collect();
    let mut tree = merge(&members).unwrap().tree;
    let text = "# syntax=dhi.io/build:2-debian13\nimage: example.org/real\nvariant: dev\n";
    let definition =
        parse(&Source::new("real.yaml", text), &NoIncludes).render(Platform::LinuxAmd64).unwrap();
    let inputs = Inputs {
        definition: &definition,
        packages: &packages,
        contents: &segments,
        epoch: EPOCH,
        catalog: &|path| Err(io::Error::new(io::ErrorKind::NotFound, path)),
        aliases: &[],
        strip: &options.strip,
        archives: &ArchiveSettings::default(),
        exact: true,
    };
    let finished = run_all(&mut tree, &inputs).unwrap();
    (tree, finished, segments)
}

fn matches(pattern: &str, path: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else { return path == pattern };
    let Some(rest) = path.strip_prefix(start) else { return false };
    (0..=rest.len()).any(|skipped| rest.get(skipped..).is_some_and(|rest| matches(end, rest)))
}

/// Lists all differences, sorted.
fn compare(real: &Dump, ours: &Dump) -> Vec<(String, String)> {
    let paths: BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
    let differs = paths.into_iter().filter(|path| real.get(*path) != ours.get(*path));
    differs
        .map(|path| {
            let side =
                |dump: &Dump| dump.get(path).cloned().unwrap_or_else(|| "nothing".to_owned());
            (path.clone(), format!("real {}, ours {}", side(real), side(ours)))
        })
        .collect()
}

#[test]
fn the_tree_is_that_of_a_real_installation() {
    let result = Apt::new("finish-mmdebstrap").and_then(|apt| {
        let tar = install(&apt)?;
        let debs = apt.fetch_versions(&installed(&tar))?;
        Ok((tar, debs))
    });
    let (tar, debs) = match result {
        Ok(found) => found,
        Err(reason) => {
            eprintln!("skipped: comparison with a real installation, because {reason}");
            return;
        }
    };
    let real = read_real(&tar);
    let (tree, finished, _segments) = build(&debs);
    let differences = compare(&real, &dump(&tree));

    let mut unexplained = Vec::new();
    let mut used = BTreeSet::new();
    for (path, difference) in &differences {
        match INTENDED.iter().position(|(pattern, _)| matches(pattern, path)) {
            Some(index) => {
                used.insert(index);
            }
            None => unexplained.push(format!("{path}: {difference}")),
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    let unused: Vec<&str> = (0..INTENDED.len())
        .filter(|index| !used.contains(index))
        .map(|index| INTENDED[index].0)
        .collect();
    assert!(unused.is_empty(), "these do not differ any more: {unused:?}");
    assert!(finished.warnings.is_empty(), "{:#?}", finished.warnings);
    assert!(!finished.scripts.is_empty());
}
