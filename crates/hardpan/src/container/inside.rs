// SPDX-License-Identifier: Apache-2.0
//! Looking into a root file system on the disk. Links are followed as a program inside would follow
//! them: none leads out. The root is shared and nobody changes it, so what was looked at stays.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hardpan_tree::{LINKS_MAX, TreePath};

/// Returns where something is on the disk, through all links; `None` where nothing is.
pub(super) fn find(root: &Path, path: &TreePath) -> Option<PathBuf> {
    let mut links = 0;
    let mut done = TreePath::root();
    let mut todo: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    todo.reverse();
    while let Some(name) = todo.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                done = done.parent().unwrap_or_default();
                continue;
            }
            _ => {}
        }
        let next = done.join(&name).ok()?;
        let place = on_disk(root, &next);
        if !fs::symlink_metadata(&place).ok()?.is_symlink() {
            done = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return None;
        }
        let target = fs::read_link(&place).ok()?;
        let target = target.as_os_str().as_bytes();
        if target.starts_with(b"/") {
            done = TreePath::root();
        }
        todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
    }
    Some(on_disk(root, &done))
}

fn on_disk(root: &Path, path: &TreePath) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes()))
}

/// Reads a text file; empty where there is none, and cut off at the limit.
pub(super) fn read_text(root: &Path, path: &TreePath, limit_bytes: u64) -> String {
    let mut bytes = Vec::new();
    if let Some(place) = find(root, path)
        && place.is_file()
        && let Ok(file) = File::open(place)
    {
        // What can't be read counts as not there.
        let _ = file.take(limit_bytes).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the mode of a directory; `None` where there is none.
pub(super) fn mode(root: &Path, path: &TreePath) -> Option<u32> {
    let metadata = fs::metadata(find(root, path)?).ok()?;
    metadata.is_dir().then(|| metadata.permissions().mode() & 0o7777)
}

/// Returns the directories below a directory, those above others first, links not followed.
pub(super) fn directories(root: &Path, path: &TreePath, limit: usize) -> Vec<TreePath> {
    let mut found = BTreeSet::new();
    let mut todo = vec![path.clone()];
    while let Some(directory) = todo.pop() {
        let Ok(entries) = fs::read_dir(on_disk(root, &directory)) else { continue };
        for entry in entries.flatten() {
            if found.len() < limit
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
                && let Ok(inner) = directory.join(entry.file_name().as_bytes())
                && found.insert(inner.clone())
            {
                todo.push(inner);
            }
        }
    }
    found.into_iter().collect()
}

/// Returns whether a program is there.
pub(super) fn is_program(root: &Path, path: &TreePath) -> bool {
    find(root, path)
        .and_then(|place| fs::metadata(place).ok())
        .is_some_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Returns the names of the programs in a directory.
pub(super) fn programs(root: &Path, directory: &TreePath) -> Vec<String> {
    let Some(place) = find(root, directory) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| directory.join(name).is_ok_and(|path| is_program(root, &path))).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for directory in ["etc", "usr/bin", "run/a/b"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("etc/passwd"), "root").unwrap();
        fs::write(at("usr/bin/tool"), "").unwrap();
        fs::set_permissions(at("usr/bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(at("usr/bin/data"), "").unwrap();
        symlink("usr/bin", at("bin")).unwrap();
        symlink("/etc/passwd", at("absolute")).unwrap();
        symlink("../../../../../etc/passwd", at("usr/climbs")).unwrap();
        symlink("/nothing", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        symlink("/run", at("run/loop")).unwrap();
        root
    }

    #[test]
    fn links_stay_inside() {
        let root = root();
        for name in ["etc/passwd", "absolute", "usr/climbs", "/./etc//passwd"] {
            assert_eq!(read_text(root.path(), &path(name), 100), "root", "{name}");
        }
        assert_eq!(read_text(root.path(), &path("absolute"), 2), "ro");
        for name in ["dangling", "circle", "nothing", "etc", "etc/passwd/x"] {
            assert_eq!(read_text(root.path(), &path(name), 100), "", "{name}");
        }
    }

    #[test]
    fn programs_and_directories() {
        let root = root();
        assert_eq!(programs(root.path(), &path("bin")), ["tool"]);
        assert_eq!(programs(root.path(), &path("etc")), [""; 0]);
        assert!(is_program(root.path(), &path("/bin/tool")));
        for name in ["bin/data", "bin", "bin/none", "circle"] {
            assert!(!is_program(root.path(), &path(name)), "{name}");
        }
        assert_eq!(directories(root.path(), &path("run"), 9), [path("run/a"), path("run/a/b")]);
        assert_eq!(directories(root.path(), &path("run"), 1).len(), 1);
        assert_eq!(directories(root.path(), &path("none"), 9), []);
        assert_eq!(mode(root.path(), &path("etc/passwd")), None);
        assert!(mode(root.path(), &path("bin")).is_some());
    }
}
