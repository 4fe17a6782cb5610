// SPDX-License-Identifier: Apache-2.0
//! Running scripts over a tree, and finding out what they changed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hardpan_package::scripts::debconf_defaults;
use hardpan_tree::{Kind, Tree, TreePath};

use super::builder::BuilderRoot;
use super::edits::{Edit, EditKind, is_ignored};
use super::shims::{DIRECTORY, LOG, REFUSED, Shim, confmodule, shims};
use super::{FILE_BYTES_MAX, Outcome, Refusal, Script};
use crate::assemble::Assembly;
use crate::contents::StoreContents;
use crate::error::Error;
use crate::materialize::materialize;
use crate::sandbox::{Change, ChangeKind, LayeredRoot, Mount, MountKind, Owner, Root, host_owner};
use crate::sandboxed::error::{SandboxedError, Work};
use crate::sandboxed::keep;
use crate::sandboxed::program::{self, Job};
use crate::sandboxed::workshop::Workshop;
use crate::store::StoreError;

/// The most paths that scripts may change.
const CHANGES_MAX: usize = 200_000;
/// How much shims may write down, in bytes.
const LOG_BYTES_MAX: u64 = 16 << 20;
/// What a script may print, in bytes.
const OUTPUT_BYTES_MAX: u64 = 16 << 20;
const CONFMODULE: &str = "usr/share/debconf/confmodule";

/// Runs scripts one after the other.
pub(super) fn run(
    workshop: Workshop<'_>,
    assembly: &Assembly,
    ground: &BuilderRoot<'_>,
    scripts: &[Script],
) -> Result<Outcome, Error> {
    let session = workshop.session;
    let scratch = session.store.scratch_directory()?;
    let place = |name: &str| -> Result<PathBuf, Error> {
        let path = scratch.path().join(name);
        fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            .map_err(|error| StoreError::io("create", &path, error))?;
        Ok(path)
    };
    let (lower, upper, tools) = (place("lower")?, place("upper")?, place("tools")?);
    let contents = StoreContents { store: session.store };
    materialize(&ground.tree, contents, &lower, host_owner(), session.threads)?;
    let root = LayeredRoot::new(&lower, &upper).with_lower_owners(owners(&ground.tree));
    let shims = shims(workshop.platform.architecture());
    let mounts = stand_ins(&shims, &tools, &lower, &ground.tree)?;

    let mut seen: BTreeMap<TreePath, (String, String)> = BTreeMap::new();
    let mut log_bytes = 0;
    let mut refusals = Vec::new();
    for script in scripts {
        let file = write(&tools, "script", script.text(), 0o755)?;
        let mut mounts = mounts.clone();
        mounts.push(bind(&file, &format!("{DIRECTORY}/script")));
        if script.text().contains("debconf/confmodule") {
            let answers = script.package.control_members.get("templates");
            let answers = debconf_defaults(answers.map_or("", String::as_str));
            let file = write(&tools, "confmodule", &confmodule(answers.iter()), 0o644)?;
            mounts.push(bind(&file, CONFMODULE));
        }
        let job = Job {
            work: Work::Scripts,
            title: script.title(),
            root: Root::Layered(&root),
            mounts,
            arguments: arguments(script),
            environment: environment(script, workshop, assembly.epoch),
            output_bytes_max: OUTPUT_BYTES_MAX,
        };
        let printed = program::run(session, job)?;
        if let Some(device) = printed.devices.first() {
            let reason = "an image has no device nodes".to_owned();
            return Err(left(&script.package.name, &device.path, reason));
        }
        let changes = changes(&root)?;
        ground.check(script, &changes)?;
        refusals.extend(refused(script, &changes, &mut log_bytes)?);
        for change in &changes {
            let state = format!("{:?}", change.kind);
            if seen.get(&change.path).is_none_or(|(_, old)| *old != state) {
                seen.insert(change.path.clone(), (script.package.name.clone(), state));
            }
        }
    }
    let packages = seen.into_iter().map(|(path, (package, _))| (path, package)).collect();
    let edits = edits(workshop, assembly, ground, changes(&root)?, &packages)?;
    Ok(Outcome { edits, refusals })
}

/// Returns whose everything in the tree is that is not root's.
fn owners(tree: &Tree) -> BTreeMap<TreePath, Owner> {
    let nodes = tree.walk();
    let owners = nodes.map(|(path, node)| {
        let (uid, gid) = (node.metadata.uid, node.metadata.gid);
        (path.clone(), Owner { uid, gid })
    });
    owners.filter(|(_, owner)| (owner.uid, owner.gid) != (0, 0)).collect()
}

fn arguments(script: &Script) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![format!("/{DIRECTORY}/script").into()];
    arguments.extend(match script.name {
        "preinst" => vec![OsString::from("install")],
        _ => vec![OsString::from("configure"), OsString::new()],
    });
    arguments
}

fn environment(
    script: &Script,
    workshop: Workshop<'_>,
    epoch: i64,
) -> BTreeMap<OsString, OsString> {
    let mut environment = program::environment(epoch);
    let path =
        format!("/{DIRECTORY}/shims:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for (name, value) in [
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_MAINTSCRIPT_ARCH", workshop.platform.architecture()),
        ("DPKG_MAINTSCRIPT_NAME", script.name),
        ("DPKG_MAINTSCRIPT_PACKAGE", &script.package.name),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
        ("DPKG_ROOT", ""),
        // The one locale that every image has.
        ("LANG", "C"),
        ("LC_ALL", "C"),
        ("PATH", &path),
    ] {
        environment.insert(name.into(), value.into());
    }
    environment
}

/// Writes shims, and returns what is mounted for all scripts: the directory with them, and each over the
/// program that it stands in for, since scripts also call programs by their paths.
fn stand_ins(shims: &[Shim], tools: &Path, lower: &Path, tree: &Tree) -> Result<Vec<Mount>, Error> {
    let directory = tools.join("shims");
    fs::create_dir(&directory)
        .and_then(|()| fs::set_permissions(&directory, Permissions::from_mode(0o755)))
        .map_err(|error| StoreError::io("create", &directory, error))?;
    let mut mounts = Vec::new();
    let mut places: BTreeMap<&[u8], Vec<&TreePath>> = BTreeMap::new();
    for (path, node) in tree.walk() {
        let is_program = matches!(node.kind, Kind::File(_) | Kind::HardLink(_))
            && tree.file(path).is_some_and(|(node, _)| node.metadata.mode & 0o111 != 0);
        if is_program {
            places.entry(path.name()).or_default().push(path);
        }
    }
    for shim in shims {
        let real = places.get(shim.name.as_bytes()).map_or(&[][..], Vec::as_slice);
        if !shim.replaces && !real.is_empty() {
            continue;
        }
        let file = write(&directory, shim.name, &shim.text, 0o755)?;
        // A program of this name elsewhere is something else, but what refuses does so everywhere.
        let refuses = shim.text.contains(&format!("note {REFUSED}"));
        for path in real {
            let is_tool = path.starts_with(&TreePath::literal("usr/bin"))
                || path.starts_with(&TreePath::literal("usr/sbin"));
            if is_tool || refuses {
                mounts.push(Mount {
                    target: (*path).clone(),
                    kind: MountKind::Bind { source: file.clone(), is_read_only: true },
                });
            }
        }
    }
    mounts.push(bind(&directory, &format!("{DIRECTORY}/shims")));
    // The shim of this one lets some of its work be done.
    let openssl = lower.join("usr/bin/openssl");
    if openssl.is_file() {
        mounts.push(bind(&openssl, &format!("{DIRECTORY}/real/openssl")));
    }
    Ok(mounts)
}

fn bind(source: &Path, target: &str) -> Mount {
    // Only literal paths come here.
    let target = TreePath::parse(target).unwrap_or_default();
    let kind = MountKind::Bind { source: source.to_path_buf(), is_read_only: true };
    Mount { target, kind }
}

fn write(directory: &Path, name: &str, text: &str, mode: u32) -> Result<PathBuf, Error> {
    let path = directory.join(name);
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
        .map_err(|error| StoreError::io("write", &path, error))?;
    Ok(path)
}

fn changes(root: &LayeredRoot) -> Result<Vec<Change>, Error> {
    let changes =
        root.changes().map_err(|source| SandboxedError::Sandbox { work: Work::Scripts, source })?;
    Ok(changes)
}

/// Returns what shims refused since the last look at their log, whose end moves.
fn refused(
    script: &Script,
    changes: &[Change],
    log_bytes: &mut usize,
) -> Result<Vec<Refusal>, Error> {
    let log = changes.iter().find(|change| change.path == TreePath::literal(LOG));
    let Some(ChangeKind::File { content, .. }) = log.map(|change| &change.kind) else {
        return Ok(Vec::new());
    };
    let Some(text) = read(content, LOG_BYTES_MAX)? else {
        return Err(SandboxedError::Output {
            work: Work::Scripts,
            program: script.title(),
            reason: format!("a file of more than {LOG_BYTES_MAX} bytes"),
        }
        .into());
    };
    let new = String::from_utf8_lossy(text.get(*log_bytes..).unwrap_or_default()).into_owned();
    *log_bytes = text.len();
    let commands = new.lines().filter_map(|line| line.strip_prefix(REFUSED));
    Ok(commands
        .map(|command| Refusal {
            package: script.package.name.clone(),
            script: script.name.to_owned(),
            command: command.trim().chars().filter(|c| !c.is_control()).take(200).collect(),
        })
        .collect())
}

/// Reads a file; `None` if it is larger than that.
pub(super) fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    let count = fs::File::open(path)
        .and_then(|file| file.take(max + 1).read_to_end(&mut bytes))
        .map_err(|error| StoreError::io("read", path, error))?;
    Ok((count as u64 <= max).then_some(bytes))
}

/// Turns changes into what is kept: files go into the store.
fn edits(
    workshop: Workshop<'_>,
    assembly: &Assembly,
    ground: &BuilderRoot<'_>,
    mut changes: Vec<Change>,
    packages: &BTreeMap<TreePath, String>,
) -> Result<Vec<Edit>, Error> {
    changes.retain(|change| {
        let is_stub =
            change.path == TreePath::literal(CONFMODULE) && !assembly.tree.contains(&change.path);
        // What is left of tools in here is as it was.
        !is_ignored(&change.path) && !is_stub && !ground.is_tool(&change.path)
    });
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    if changes.len() > CHANGES_MAX {
        let reason = format!("more than {CHANGES_MAX} changed paths");
        return Err(SandboxedError::Output {
            work: Work::Scripts,
            program: "scripts".to_owned(),
            reason,
        }
        .into());
    }
    let mut names: BTreeMap<u64, TreePath> = BTreeMap::new();
    let mut files = Vec::new();
    let mut edits: Vec<(Edit, bool)> = Vec::new();
    for change in changes {
        let package = packages.get(&change.path).cloned().unwrap_or_default();
        let numbers = |owner: Option<Owner>| owner.map(|owner| (owner.uid, owner.gid));
        let mut is_file = false;
        let kind = match change.kind {
            ChangeKind::Removed => EditKind::Removed,
            ChangeKind::Directory { mode, owner, is_opaque, .. } => {
                EditKind::Directory { mode, owner: numbers(owner), is_opaque }
            }
            ChangeKind::Symlink { target, owner, .. } => {
                EditKind::Symlink { target, owner: numbers(owner) }
            }
            ChangeKind::File { mode, owner, content, identity, size_bytes, .. } => {
                if let Some(first) = names.get(&identity) {
                    EditKind::Link(first.as_bytes().to_vec())
                } else {
                    names.insert(identity, change.path.clone());
                    is_file = true;
                    files.push(content_of(&package, &change.path, &content, size_bytes)?);
                    let kept = keep::Kept::nothing();
                    EditKind::File { mode, owner: numbers(owner), kept }
                }
            }
            ChangeKind::Special => {
                let reason = "an image can't hold sockets, pipes and devices".to_owned();
                return Err(left(&package, &change.path, reason));
            }
        };
        edits.push((Edit { path: change.path.as_bytes().to_vec(), package, kind }, is_file));
    }
    let mut kept = keep::keep(workshop.session.store, &files)?.into_iter();
    for (edit, _) in edits.iter_mut().filter(|(_, is_file)| *is_file) {
        if let (EditKind::File { kept: place, .. }, Some(kept)) = (&mut edit.kind, kept.next()) {
            *place = kept;
        }
    }
    Ok(edits.into_iter().map(|(edit, _)| edit).collect())
}

fn content_of(
    package: &str,
    path: &TreePath,
    content: &Path,
    size_bytes: u64,
) -> Result<Vec<u8>, Error> {
    if size_bytes > FILE_BYTES_MAX {
        return Err(left(package, path, format!("a file of {size_bytes} bytes")));
    }
    Ok(fs::read(content).map_err(|error| StoreError::io("read", content, error))?)
}

pub(super) fn left(package: &str, path: &TreePath, reason: String) -> Error {
    SandboxedError::Left { package: package.to_owned(), path: path.to_string(), reason }.into()
}
