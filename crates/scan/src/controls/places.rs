// SPDX-License-Identifier: Apache-2.0
//! Who may write at a place, and what kind of place it is.

use hardpan_tree::{Metadata, Tree, TreePath};

use super::identity::Account;

const OTHER_WRITE: u32 = 0o002;
/// Directories in which everybody may make files in every container, whether the image has them or not.
const TEMPORARY: [&str; 3] = ["tmp", "var/tmp", "dev/shm"];

/// Says who besides root may write something: everybody, or the image's user.
pub(super) fn writer(account: &Account, metadata: &Metadata) -> Option<&'static str> {
    if metadata.mode & OTHER_WRITE != 0 {
        Some("everybody")
    } else if !account.is_root() && account.may(metadata, 2) {
        Some("the image's user")
    } else {
        None
    }
}

/// Says who besides root may put files into a directory, whose path may have `..` in it: also one that is not there
/// but could be made. The sticky bit keeps nobody from that.
pub(super) fn directory_writer(tree: &Tree, account: &Account, path: &str) -> Option<&'static str> {
    let place = resolved(tree, path);
    if is_below(&place, &TEMPORARY) {
        return Some("everybody");
    }
    let nearest = std::iter::once(place.clone())
        .chain(place.ancestors())
        .find_map(|directory| tree.get(&directory));
    writer(account, &nearest?.metadata)
}

/// Whether a path is one of some directories, or below one.
pub(super) fn is_below(path: &TreePath, directories: &[&str]) -> bool {
    directories.iter().any(|directory| {
        path.as_bytes()
            .strip_prefix(directory.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// Whether a file belongs to the tests, examples or libraries of something, where keys and accounts are samples.
pub(super) fn is_sample(path: &TreePath) -> bool {
    const DIRECTORIES: [&[u8]; 16] = [
        b"test",
        b"tests",
        b"testing",
        b"testdata",
        b"test_data",
        b"spec",
        b"fixtures",
        b"example",
        b"examples",
        b"samples",
        b"doc",
        b"docs",
        b"node_modules",
        b"site-packages",
        b"dist-packages",
        b"gems",
    ];
    path.components().any(|name| DIRECTORIES.contains(&name))
}

/// Returns a path as it is after `.`, `..` and doubled slashes, and links where it is there.
pub(super) fn resolved(tree: &Tree, path: &str) -> TreePath {
    let mut place = TreePath::root();
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        place = if name == ".." {
            place.parent().unwrap_or_default()
        } else {
            let Ok(next) = place.join(name) else { return place };
            tree.resolve(&next).unwrap_or(next)
        };
    }
    place
}
