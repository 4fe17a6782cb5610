// SPDX-License-Identifier: Apache-2.0
//! A package in `installed`: lines of a letter, a colon and a value, and an empty line at the end.
//!
//! First what the archive's index has of the package, then its directories (`F:`) and the files in each (`R:`), both in
//! order. Owner and mode (`M:` of a directory, `a:` of a file) are only written where they are not the usual ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardpan_package::segment::{EntryKind, Unpacked};
use hardpan_tree::{Kind, Metadata, Node, Origin, Tree, TreePath};

/// Mode of a directory that goes without saying.
const DIRECTORY_MODE: u32 = 0o755;
/// Mode of a file that goes without saying.
const FILE_MODE: u32 = 0o644;

/// A directory and what a package has in it, by name.
#[derive(Default)]
struct Directory {
    metadata: Option<Metadata>,
    files: BTreeMap<Vec<u8>, (Metadata, Option<String>)>,
}

/// Returns all lines about a package.
pub(super) fn entry(tree: &Tree, number: u32, package: &Unpacked) -> Vec<u8> {
    let mut text = header(package).into_bytes();
    for (path, directory) in directories(tree, number, package) {
        line(&mut text, b"F:", &path);
        if let Some(metadata) = &directory.metadata {
            owner(&mut text, 'M', metadata, DIRECTORY_MODE);
        }
        for (name, (metadata, checksum)) in &directory.files {
            line(&mut text, b"R:", name);
            owner(&mut text, 'a', metadata, FILE_MODE);
            if let Some(checksum) = checksum {
                line(&mut text, b"Z:", checksum.as_bytes());
            }
        }
    }
    text.push(b'\n');
    text
}

fn line(text: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    text.extend([field, value, b"\n"].concat());
}

fn owner(text: &mut Vec<u8>, field: char, metadata: &Metadata, usual: u32) {
    let Metadata { uid, gid, mode, .. } = metadata;
    if (*uid, *gid, *mode) != (0, 0, usual) {
        text.extend(format!("{field}:{uid}:{gid}:{mode:o}\n").into_bytes());
    }
}

/// Returns what the archive's index has of a package, and whose files it may replace, in apk's order.
fn header(package: &Unpacked) -> String {
    let field = |name: &str| package.field(name).unwrap_or_default();
    // A field that stands more than once is a list, or the last one counts.
    let list = |name: &str| field(name).split_whitespace().collect::<Vec<_>>().join(" ");
    let one = |name: &str| field(name).lines().last().unwrap_or_default().to_owned();
    let number = |name: &str| one(name).parse::<u64>().unwrap_or(0);
    let mut text = String::new();
    let mut put = |letter: char, value: &str, is_optional: bool| {
        if !value.is_empty() || !is_optional {
            let _ = writeln!(text, "{letter}:{value}");
        }
    };
    let positive = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    put('C', &package.identity, true);
    put('P', &package.name, false);
    put('V', &package.version, false);
    put('A', &package.architecture, true);
    put('S', &package.file_size_bytes.to_string(), false);
    put('I', &number("size").to_string(), false);
    put('T', &one("pkgdesc"), false);
    put('U', &one("url"), false);
    put('L', &one("license"), false);
    put('o', &one("origin"), true);
    put('m', &one("maintainer"), true);
    put('t', &positive(number("builddate")), true);
    put('c', &one("commit"), true);
    put('k', &positive(number("provider_priority")), true);
    put('D', &list("depend"), true);
    put('p', &list("provides"), true);
    put('i', &list("install_if"), true);
    put('r', &list("replaces"), true);
    put('q', &positive(number("replaces_priority")), true);
    text
}

/// Sorts what a package has in the tree into directories.
fn directories(tree: &Tree, number: u32, package: &Unpacked) -> BTreeMap<Vec<u8>, Directory> {
    let checksums = checksums(&package.sha1sums);
    let mut directories: BTreeMap<Vec<u8>, Directory> = BTreeMap::new();
    for entry in package.entries.iter().filter(|entry| !entry.path.is_root()) {
        // A line break in a name would be a line of its own.
        let Some(node) = node(tree, &entry.path) else { continue };
        if entry.path.as_bytes().contains(&b'\n') {
            continue;
        }
        let metadata = node.metadata.clone();
        if entry.kind == EntryKind::Directory {
            let directory = directories.entry(entry.path.as_bytes().to_vec()).or_default();
            directory.metadata = Some(metadata);
        } else if is_own(node, number) {
            let parent = entry.path.parent().unwrap_or_else(TreePath::root);
            let directory = directories.entry(parent.as_bytes().to_vec()).or_default();
            if directory.metadata.is_none() && !parent.is_root() {
                directory.metadata = self::node(tree, &parent).map(|node| node.metadata.clone());
            }
            let first = match &entry.kind {
                EntryKind::HardLink(first) => first,
                _ => &entry.path,
            };
            let checksum = checksums.get(first.as_bytes()).cloned();
            directory.files.insert(entry.path.name().to_vec(), (metadata, checksum));
        }
    }
    directories
}

/// Returns what stands at a package's path, with a hard link's file for the link.
fn node<'t>(tree: &'t Tree, path: &TreePath) -> Option<&'t Node> {
    let place = tree.resolve_parent(path).ok()?;
    let node = tree.get(&place)?;
    match &node.kind {
        Kind::HardLink(target) => tree.get(target),
        _ => Some(node),
    }
}

/// Whether a file is still the package's: another package may have replaced it. What the definition changed stays the
/// package's, as a file that was edited.
fn is_own(node: &Node, number: u32) -> bool {
    match node.origin {
        Origin::Package(of) => of == number,
        _ => true,
    }
}

/// Reads checksums as `sha1sum` writes them, to apk's form by path.
fn checksums(text: &str) -> BTreeMap<&[u8], String> {
    let read = |line| -> Option<(&[u8], String)> {
        let (sum, path) = str::split_once(line, "  ")?;
        let bytes: Option<Vec<u8>> = (0..sum.len().min(40))
            .step_by(2)
            .map(|at| u8::from_str_radix(sum.get(at..at + 2)?, 16).ok())
            .collect();
        let bytes = bytes.filter(|bytes| bytes.len() == 20 && sum.len() == 40)?;
        Some((path.trim_start_matches('/').as_bytes(), format!("Q1{}", STANDARD.encode(bytes))))
    };
    text.lines().filter_map(read).collect()
}
