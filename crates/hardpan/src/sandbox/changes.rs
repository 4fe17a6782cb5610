// SPDX-License-Identifier: Apache-2.0
//! What programs changed in a root, read from the directory that the overlay wrote to.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hardpan_tree::TreePath;

use super::owners::{self, Key};
use super::root::State;
use super::{Change, ChangeKind, LayeredRoot, Owner, SandboxError};

/// Most files that programs may change.
const ENTRIES_MAX: usize = 5_000_000;
/// How the kernel marks a directory that hides the one below, and a file that hides what is below.
const OPAQUE: &str = "user.overlay.opaque";
const WHITEOUT: &str = "user.overlay.whiteout";
/// What a file has that was copied from below before it was changed.
const ORIGIN: &str = "user.overlay.origin";

/// Something in the directory of changes.
#[derive(Debug)]
pub(super) struct Entry {
    /// From the root.
    path: TreePath,
    /// On the disk.
    place: PathBuf,
    metadata: Metadata,
    /// The mode that programs see.
    mode: u32,
    key: Key,
    /// Where it is below, if that can be seen through the directories above.
    below: Option<PathBuf>,
    is_opaque: bool,
    is_whiteout: bool,
}

/// Returns all changes, sorted by path.
pub(super) fn changes(root: &LayeredRoot, state: &mut State) -> Result<Vec<Change>, SandboxError> {
    let entries = walk(root, state).map_err(fail("read what programs changed"))?;
    let mut changes = Vec::new();
    let (mut seen, mut hidden) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        // Who replaces a file of somebody else's has one of its own. What belongs to other users
        // than root was recorded by now.
        let is_new = entry.below_metadata().is_some() && !entry.is_from_below(state);
        let owner = state.owners.get(&entry.key).or(is_new.then_some(Owner { uid: 0, gid: 0 }));
        if state.is_copied {
            seen.insert(entry.path.clone());
            if entry.is_opaque || !entry.metadata.is_dir() {
                hidden.insert(entry.path.clone());
            }
        }
        let path = entry.path.clone();
        if let Some(kind) = change(entry, owner).map_err(fail("compare what programs changed"))? {
            changes.push(Change { path, kind });
        }
    }
    if state.is_copied {
        let removed =
            removed(root.lower(), &seen, &hidden).map_err(fail("look for what is gone"))?;
        changes.extend(removed.into_iter().map(|path| Change { path, kind: ChangeKind::Removed }));
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn fail(what: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
    move |source| SandboxError::Setup { what: what.to_owned(), source }
}

/// Returns what names each file that was made, and not copied from below.
pub(super) fn new_files(root: &LayeredRoot, state: &mut State) -> io::Result<BTreeSet<Key>> {
    let entries = walk(root, state)?;
    Ok(entries
        .into_iter()
        .filter(|entry| !entry.path.is_root() && !entry.is_from_below(state))
        .map(|entry| entry.key)
        .collect())
}

/// Returns what names each file.
pub(super) fn keys(root: &LayeredRoot, state: &mut State) -> io::Result<BTreeSet<Key>> {
    Ok(walk(root, state)?.into_iter().map(|entry| entry.key).collect())
}

impl Entry {
    /// Returns whether it was below and only changed.
    fn is_from_below(&self, state: &State) -> bool {
        if state.is_copied {
            return state.copied.contains(&self.key);
        }
        if self.is_opaque {
            return false;
        }
        if xattr(&self.place, ORIGIN).is_some() {
            return true;
        }
        // Links and the like can't have the mark. Neither has what is made where nothing was.
        self.below_metadata().is_some_and(|below| {
            below.file_type() == self.metadata.file_type() && !self.metadata.is_file()
        })
    }

    /// Looks at what is at this path below.
    fn below_metadata(&self) -> Option<Metadata> {
        self.below.as_ref()?.symlink_metadata().ok()
    }
}

/// Returns whether a file of an overlay means that there is none.
fn is_whiteout(place: &Path, metadata: &Metadata) -> bool {
    let file_type = metadata.file_type();
    file_type.is_char_device() && metadata.rdev() == 0
        || file_type.is_file() && metadata.len() == 0 && xattr(place, WHITEOUT).is_some()
}

/// Reads all of the directory of changes, directories before what is in them.
fn walk(root: &LayeredRoot, state: &mut State) -> io::Result<Vec<Entry>> {
    let upper = root.upper(state);
    let mut left = vec![entry(state, TreePath::root(), upper, Some(root.lower().to_path_buf()))?];
    let mut entries = Vec::new();
    while let Some(directory) = left.pop() {
        if entries.len() + left.len() > ENTRIES_MAX {
            return Err(io::Error::other(format!("more than {ENTRIES_MAX} files")));
        }
        if directory.metadata.is_dir() {
            let is_seen = |below: &PathBuf| {
                let is_directory = match below.symlink_metadata() {
                    Ok(below) => below.is_dir(),
                    Err(error) => is_shut(&error),
                };
                !directory.is_opaque && is_directory
            };
            let below = directory.below.clone().filter(is_seen);
            for child in fs::read_dir(&directory.place)? {
                let child = child?;
                let name = child.file_name();
                let path = directory.path.join(name.as_bytes()).map_err(io::Error::other)?;
                let below = below.as_ref().map(|below| below.join(&name));
                left.push(entry(state, path, child.path(), below)?);
            }
        }
        entries.push(directory);
    }
    Ok(entries)
}

/// Looks at one entry, and makes sure that it can be read.
fn entry(
    state: &mut State,
    path: TreePath,
    place: PathBuf,
    below: Option<PathBuf>,
) -> io::Result<Entry> {
    let metadata = place.symlink_metadata()?;
    let now = metadata.mode() & 0o7777;
    let mode = state.widened.get(&place).copied().unwrap_or(now);
    let wanted = if metadata.is_dir() {
        now | 0o500
    } else if metadata.is_file() {
        now | 0o400
    } else {
        now
    };
    if wanted != now && !rustix::process::geteuid().is_root() {
        fs::set_permissions(&place, Permissions::from_mode(wanted))?;
        state.widened.insert(place.clone(), mode);
    }
    let key = owners::key(&place)?;
    let is_opaque = metadata.is_dir()
        && if state.is_copied {
            // Nobody marks a directory there that was made in the place of another.
            !state.copied.is_empty() && !state.copied.contains(&key)
        } else {
            xattr(&place, OPAQUE).is_some_and(|value| value == b"y")
        };
    let is_whiteout = !state.is_copied && is_whiteout(&place, &metadata);
    Ok(Entry { path, place, metadata, mode, key, below, is_opaque, is_whiteout })
}

fn xattr(place: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0u8; 256];
    let length = rustix::fs::lgetxattr(place, name, &mut value).ok()?;
    Some(value[..length].to_vec())
}

/// Returns what changed at an entry; `None` if it is as it was below.
fn change(entry: Entry, owner: Option<Owner>) -> io::Result<Option<ChangeKind>> {
    let below = match &entry.below {
        Some(path) => match path.symlink_metadata() {
            Ok(metadata) => Some((path.clone(), metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // What can't be compared counts as changed.
            Err(error) if is_shut(&error) && entry.is_whiteout => {
                return Ok(Some(ChangeKind::Removed));
            }
            Err(error) if is_shut(&error) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    if entry.is_whiteout {
        return Ok(below.is_some().then_some(ChangeKind::Removed));
    }
    let file_type = entry.metadata.file_type();
    let mtime = entry.metadata.mtime();
    let is_same_kind = below.as_ref().is_some_and(|(_, below)| below.file_type() == file_type);
    let is_same_mode = below.as_ref().is_some_and(|(_, below)| below.mode() & 0o7777 == entry.mode);
    if file_type.is_dir() {
        let is_opaque = entry.is_opaque && is_same_kind;
        if is_same_kind && is_same_mode && !is_opaque && owner.is_none() {
            return Ok(None);
        }
        return Ok(Some(ChangeKind::Directory { mode: entry.mode, owner, mtime, is_opaque }));
    }
    let is_same_time = below.as_ref().is_some_and(|(_, below)| {
        (below.mtime(), below.mtime_nsec()) == (mtime, entry.metadata.mtime_nsec())
    });
    let may_be_same = is_same_kind && is_same_time && owner.is_none();
    if file_type.is_symlink() {
        let target = fs::read_link(&entry.place)?;
        let same = below.filter(|_| may_be_same);
        if same.is_some_and(|(path, _)| fs::read_link(path).is_ok_and(|link| link == target)) {
            return Ok(None);
        }
        let target = target.into_os_string().into_vec();
        return Ok(Some(ChangeKind::Symlink { target, owner, mtime }));
    }
    if !file_type.is_file() {
        return Ok(Some(ChangeKind::Special));
    }
    let same = below
        .filter(|(_, below)| may_be_same && is_same_mode && below.len() == entry.metadata.len());
    if same.is_some_and(|(path, _)| is_same_content(&path, &entry.place)) {
        return Ok(None);
    }
    Ok(Some(ChangeKind::File {
        mode: entry.mode,
        owner,
        mtime,
        size_bytes: entry.metadata.len(),
        content: entry.place,
        identity: entry.metadata.ino(),
    }))
}

/// Returns whether something is in a directory below that its own mode keeps its owner from, who is the
/// caller then. Programs are root in there and go in all the same.
fn is_shut(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Compares two files; what can't be read is not the same.
fn is_same_content(a: &Path, b: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let (mut a, mut b) = (File::open(a)?, File::open(b)?);
        let (mut a_bytes, mut b_bytes) = (Vec::new(), Vec::new());
        loop {
            a_bytes.clear();
            b_bytes.clear();
            (&mut a).take(1 << 16).read_to_end(&mut a_bytes)?;
            (&mut b).take(1 << 16).read_to_end(&mut b_bytes)?;
            if a_bytes != b_bytes {
                return Ok(false);
            }
            if a_bytes.is_empty() {
                return Ok(true);
            }
        }
    };
    compare().unwrap_or(false)
}

/// Returns what is below and not in a copy of it any more. `seen` is what is there, `hidden` what took
/// the place of a directory with all below it.
fn removed(
    lower: &Path,
    seen: &BTreeSet<TreePath>,
    hidden: &BTreeSet<TreePath>,
) -> io::Result<Vec<TreePath>> {
    let mut removed = Vec::new();
    let mut left = vec![(TreePath::root(), lower.to_path_buf())];
    while let Some((path, place)) = left.pop() {
        for child in fs::read_dir(&place)? {
            let child = child?;
            let path = path.join(child.file_name().as_bytes()).map_err(io::Error::other)?;
            if !seen.contains(&path) {
                removed.push(path);
            } else if child.file_type()?.is_dir() && !hidden.contains(&path) {
                left.push((path, child.path()));
            }
        }
    }
    Ok(removed)
}
