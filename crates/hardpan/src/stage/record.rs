// SPDX-License-Identifier: Apache-2.0
//! From files that steps left on a disk to data in the store.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use hardpan_package::elf::Probe;
use hardpan_tree::{Facts, TreePath};

use super::log::SECRET_BYTES_MIN;
use super::result::{RecordedChange, RecordedKind, StageChanges};
use crate::sandbox::{Change, ChangeKind, Owner};
use crate::store::{Store, StoreError};

/// The most paths that a stage may change.
const CHANGES_MAX: usize = 2_000_000;

/// A secret that a stage was given.
#[derive(Clone, Copy)]
pub(super) struct GivenSecret<'s> {
    /// Its name.
    pub id: &'s str,
    /// Its value.
    pub value: &'s [u8],
}

/// Why changes can't be taken.
#[derive(Debug)]
pub(super) enum RecordError {
    /// A file has a secret in it.
    Secret { id: String, path: TreePath },
    /// More than any stage should change.
    TooMany,
    /// The store or the disk.
    Store(StoreError),
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Takes the files of changes into the store, and what is known of them.
pub(super) fn record(
    store: &Store,
    changes: &[Change],
    secrets: &[GivenSecret<'_>],
    epoch: i64,
) -> Result<StageChanges, RecordError> {
    if changes.len() > CHANGES_MAX {
        return Err(RecordError::TooMany);
    }
    let mut recorded = StageChanges::default();
    let mut names: std::collections::BTreeMap<u64, TreePath> = std::collections::BTreeMap::new();
    for change in changes {
        if let Some((id, path)) = secret_in_name(change, secrets) {
            return Err(RecordError::Secret { id, path });
        }
        let kind = match &change.kind {
            ChangeKind::Removed => RecordedKind::Removed,
            ChangeKind::Directory { mode, owner, is_opaque, .. } => RecordedKind::Directory {
                mode: *mode,
                owner: numbers(*owner),
                is_opaque: *is_opaque,
            },
            ChangeKind::Symlink { target, owner, mtime } => RecordedKind::Symlink {
                target: target.clone(),
                owner: numbers(*owner),
                mtime: (*mtime).min(epoch),
            },
            ChangeKind::Special => {
                recorded.left_out.push(format!("{} is a socket or a pipe", change.path));
                continue;
            }
            ChangeKind::File { identity, .. } if names.contains_key(identity) => {
                RecordedKind::HardLink { file: names[identity].clone() }
            }
            ChangeKind::File { mode, owner, mtime, content, identity, .. } => {
                if is_dated_bytecode(&change.path, content) {
                    // It has the time of its source in it, which is the time of the build.
                    continue;
                }
                names.insert(*identity, change.path.clone());
                let (digest, size_bytes, facts) = store_file(store, change, content, secrets)?;
                RecordedKind::File {
                    mode: *mode,
                    owner: numbers(*owner),
                    mtime: (*mtime).min(epoch),
                    size_bytes,
                    digest,
                    facts,
                }
            }
        };
        recorded.changes.push(RecordedChange { path: change.path.clone(), kind });
    }
    Ok(recorded)
}

fn numbers(owner: Option<Owner>) -> Option<(u32, u32)> {
    owner.map(|owner| (owner.uid, owner.gid))
}

/// Returns whether a file is Python's bytecode that is valid only for a source of one time.
fn is_dated_bytecode(path: &TreePath, content: &Path) -> bool {
    let is_cached = path.parent().is_some_and(|parent| parent.name() == b"__pycache__");
    if !is_cached || !path.name().ends_with(b".pyc") {
        return false;
    }
    // Magic number, then flags (PEP 552): 0 means that a time and a length follow.
    let mut header = [0; 8];
    let read = open(content).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[4..] == [0; 4]
}

fn store_file(
    store: &Store,
    change: &Change,
    content: &Path,
    secrets: &[GivenSecret<'_>],
) -> Result<(hardpan_tree::Digest, u64, Option<Arc<Facts>>), RecordError> {
    let fail = |error| StoreError::of("read", content, error);
    let mut file = open(content).map_err(fail)?;
    let size_bytes = file.metadata().map_err(fail)?.len();
    let mut probe = Probe::new(size_bytes);
    let mut found: Option<String> = None;
    let mut window: Vec<u8> = Vec::new();
    let stored = store.put_unsynced_blob(&mut |buffer: &mut [u8]| {
        let count = file.read(buffer)?;
        probe.feed(&buffer[..count]);
        if !secrets.is_empty() && found.is_none() {
            window.extend_from_slice(&buffer[..count]);
            found = find_secret(&window, secrets).map(|(id, _)| id);
            // A secret may lie across two pieces.
            let longest = secrets.iter().map(|secret| secret.value.len()).max().unwrap_or(0);
            let keep = window.len().min(longest);
            window.drain(..window.len() - keep);
        }
        match &found {
            // What has a secret in it is not kept by the store, either.
            Some(_) => Err(io::Error::other("it has a secret in it")),
            None => Ok(count),
        }
    });
    if let Some(id) = found {
        return Err(RecordError::Secret { id, path: change.path.clone() });
    }
    let digest = stored?;
    Ok((digest, size_bytes, probe.finish().map(Arc::new)))
}

/// Finds a secret in what a change says beside the bytes of a file. Returns the secret's name, and a path
/// that can be told: of one that has the secret in it, the directory before that.
fn secret_in_name(change: &Change, secrets: &[GivenSecret<'_>]) -> Option<(String, TreePath)> {
    let path = &change.path;
    if let Some((id, at)) = find_secret(path.as_bytes(), secrets) {
        let before = path.as_bytes().get(..at).unwrap_or_default();
        let end = before.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        let directory = TreePath::parse(before.get(..end).unwrap_or_default());
        return Some((id, directory.unwrap_or_default()));
    }
    let ChangeKind::Symlink { target, .. } = &change.kind else { return None };
    find_secret(target, secrets).map(|(id, _)| (id, path.clone()))
}

/// Returns the name of a secret that is in some bytes, and where.
fn find_secret(bytes: &[u8], secrets: &[GivenSecret<'_>]) -> Option<(String, usize)> {
    secrets.iter().filter(|secret| secret.value.len() >= SECRET_BYTES_MIN).find_map(|secret| {
        let at = memchr::memmem::find(bytes, secret.value)?;
        Some((secret.id.to_owned(), at))
    })
}

/// Opens a file that a step made, also where it took the permission away from itself.
fn open(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let mode = fs::symlink_metadata(path)?.permissions().mode();
            fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o400))?;
            let opened = File::open(path);
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            opened
        }
        opened => opened,
    }
}
