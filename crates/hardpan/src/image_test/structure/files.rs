// SPDX-License-Identifier: Apache-2.0
//! What an image's layers have in them: files that are there or not, their content, licences.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use hardpan_definition::{ExecutableBy, FileExistenceTest, LicenseTest};
use hardpan_tree::{Kind, Metadata, Node, Special, TreePath};

use super::expand::expand;
use super::{Patterns, lossy};
use crate::contents::StoreContents;
use crate::image_test::Stop;
use crate::image_tree::ImageFiles;

/// The largest file that is searched, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Where Debian has what packages say of themselves.
const DEBIAN_DOC: &str = "/usr/share/doc";
/// Packages whose copyright file has a word that is forbidden, in a sentence on what does not apply. The original skips
/// it in files of version 2.
const DEBIAN_SKIPPED: &str = "libgnutls30";
/// What no licence may have in it, in capitals.
const FORBIDDEN: [&str; 2] = ["AGPL", "WTFPL"];

/// The files of an image.
#[derive(Clone, Copy)]
pub(super) struct Files<'f> {
    pub(super) image: &'f ImageFiles,
    pub(super) contents: StoreContents<'f>,
    pub(super) environment: &'f BTreeMap<String, String>,
    /// Whether the tests' file is of version 2.
    pub(super) is_new: bool,
}

impl Files<'_> {
    /// Looks whether a file is there as it should be. A link at the path itself is not followed.
    pub(super) fn existence(&self, test: &FileExistenceTest) -> Result<Vec<String>, Stop> {
        // Version 1 takes paths as they are written.
        let path = if self.is_new {
            Cow::Owned(expand(&test.path, self.environment))
        } else {
            Cow::Borrowed(test.path.as_str())
        };
        let inside = parse(&path)?;
        let found = self.image.tree.resolve_parent(&inside).ok();
        let Some(found) = found.and_then(|place| self.found(&place)) else {
            let missing = test.should_exist.then(|| format!("{path} is not there"));
            return Ok(missing.into_iter().collect());
        };
        if !test.should_exist {
            return Ok(vec![format!("{path} is there")]);
        }
        let mut wrong = Vec::new();
        if let Some(expected) = &test.permissions {
            let forms = [found.of_go(), found.of_ls()];
            if !forms.contains(expected) {
                wrong.push(format!("{path} is {}, not {expected}", forms[0]));
            }
        }
        let mode = found.metadata.mode;
        let (bits, who) = match test.executable_by {
            None => (0o111, None),
            Some(ExecutableBy::Any) => (0o111, Some("anybody")),
            Some(ExecutableBy::Owner) => (0o100, Some("its owner")),
            Some(ExecutableBy::Group) => (0o010, Some("its group")),
            Some(ExecutableBy::Other) => (0o001, Some("others")),
        };
        if let Some(who) = who
            && mode & bits == 0
        {
            wrong.push(format!("{path} is {}: {who} can't execute it", found.of_go()));
        }
        let Metadata { uid, gid, .. } = *found.metadata;
        let owner = [("user", test.uid, uid), ("group", test.gid, gid)];
        for (what, expected, actual) in owner {
            if let Some(expected) = expected.filter(|&expected| expected != actual) {
                wrong.push(format!("{path} belongs to the {what} {actual}, not {expected}"));
            }
        }
        Ok(wrong)
    }

    /// Looks what a file has in it. Links are followed.
    pub(super) fn contents(&self, path: &str, patterns: &Patterns) -> Vec<String> {
        match self.read(path) {
            Ok(bytes) => patterns.check(path, &lossy(&bytes)),
            Err(reason) => vec![reason],
        }
    }

    /// Looks for licences that are forbidden.
    pub(super) fn licenses(&self, test: &LicenseTest) -> Result<Vec<String>, Stop> {
        let mut wrong = Vec::new();
        if test.debian {
            let tree = &self.image.tree;
            let root = tree.resolve(&parse(DEBIAN_DOC)?);
            let Ok(root) = root else { return Ok(vec![format!("{DEBIAN_DOC} is not there")]) };
            let is_directory = |node: &Node| matches!(node.kind, Kind::Directory);
            let mut packages =
                tree.children(&root).filter(|(_, node)| is_directory(node)).peekable();
            if packages.peek().is_none() {
                wrong.push(format!("{DEBIAN_DOC} has no folder of a package: no licence is there"));
            }
            for (place, _) in packages {
                let package = String::from_utf8_lossy(place.name());
                if !(self.is_new && package == DEBIAN_SKIPPED) {
                    wrong.extend(self.license(&format!("{place}/copyright")));
                }
            }
        }
        wrong.extend(test.files.iter().filter_map(|path| self.license(path)));
        Ok(wrong)
    }

    fn license(&self, path: &str) -> Option<String> {
        let bytes = match self.read(path) {
            Ok(bytes) => bytes,
            Err(reason) => return Some(reason),
        };
        let text = String::from_utf8_lossy(&bytes).to_uppercase();
        let word = FORBIDDEN.iter().find(|word| text.contains(**word))?;
        Some(format!("{path} names a licence that is forbidden: {word}"))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let fail = |why: &str| Err(format!("{path} can't be read: {why}"));
        let Ok(inside) = TreePath::parse(clean(path)) else { return fail("it is no path") };
        let tree = &self.image.tree;
        let is_special = |place: TreePath| self.image.specials.contains_key(&place);
        if tree.resolve_parent(&inside).is_ok_and(is_special) {
            return fail("it is no file");
        }
        let Ok(place) = tree.resolve(&inside) else { return fail("it is not there") };
        let Some((_, file)) = tree.file(&place) else { return fail("it is no file") };
        if file.size_bytes > FILE_BYTES_MAX {
            return fail(&format!("it has more than {FILE_BYTES_MAX} bytes"));
        }
        let mut bytes = Vec::new();
        let opened = self.contents.open(file);
        match opened.and_then(|mut reader| reader.read_to_end(&mut bytes)) {
            Ok(_) => Ok(bytes),
            Err(error) => fail(&error.to_string()),
        }
    }

    /// Returns what is at a path, of a hard link the file.
    fn found(&self, path: &TreePath) -> Option<Found<'_>> {
        if let Some(special) = self.image.specials.get(path) {
            let kind = FoundKind::Special(special.kind);
            return Some(Found { metadata: &special.metadata, kind });
        }
        let mut node = self.image.tree.get(path)?;
        if let Kind::HardLink(target) = &node.kind {
            node = self.image.tree.get(target)?;
        }
        let kind = match node.kind {
            Kind::Directory => FoundKind::Directory,
            Kind::Symlink(_) => FoundKind::Symlink,
            Kind::File(_) | Kind::HardLink(_) => FoundKind::File,
        };
        Some(Found { metadata: &node.metadata, kind })
    }
}

fn parse(path: &str) -> Result<TreePath, Stop> {
    TreePath::parse(clean(path))
        .map_err(|error| Stop::Failed(format!("the path {path:?}: {error}")))
}

/// Takes `.` and `..` out of a path as it is written, as Go's `path.Clean` does. None leads above the root.
fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const STICKY: u32 = 0o1000;

/// What is at a path.
struct Found<'f> {
    metadata: &'f Metadata,
    kind: FoundKind,
}

#[derive(Clone, Copy)]
enum FoundKind {
    Directory,
    File,
    Symlink,
    Special(Special),
}

impl Found<'_> {
    /// Kind and mode as Go writes them: `dtrwxrwxrwx`, `urwxr-xr-x`, `Lrwxrwxrwx`, `Dcrw-rw-rw-`.
    fn of_go(&self) -> String {
        let mode = self.metadata.mode;
        let (kind, is_character) = match self.kind {
            // What a link allows is up to what it leads to.
            FoundKind::Symlink => return "Lrwxrwxrwx".to_owned(),
            FoundKind::File => ("", false),
            FoundKind::Directory => ("d", false),
            FoundKind::Special(Special::CharacterDevice) => ("D", true),
            FoundKind::Special(Special::BlockDevice) => ("D", false),
            FoundKind::Special(Special::Fifo) => ("p", false),
        };
        let mut out = kind.to_owned();
        let bits = [
            (mode & SETUID != 0, 'u'),
            (mode & SETGID != 0, 'g'),
            (is_character, 'c'),
            (mode & STICKY != 0, 't'),
        ];
        out.extend(bits.iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| letter));
        if out.is_empty() {
            out.push('-');
        }
        out.extend(permissions(mode));
        out
    }

    /// Kind and mode as `ls` writes them: `drwxrwxrwt`, `-rwsr-xr-x`, `lrwxrwxrwx`, `crw-rw-rw-`.
    fn of_ls(&self) -> String {
        let mode = self.metadata.mode;
        let kind = match self.kind {
            FoundKind::Symlink => return "lrwxrwxrwx".to_owned(),
            FoundKind::File => '-',
            FoundKind::Directory => 'd',
            FoundKind::Special(Special::CharacterDevice) => 'c',
            FoundKind::Special(Special::BlockDevice) => 'b',
            FoundKind::Special(Special::Fifo) => 'p',
        };
        let mut letters: Vec<char> = permissions(mode).collect();
        for (bit, at, with, without) in
            [(SETUID, 2, 's', 'S'), (SETGID, 5, 's', 'S'), (STICKY, 8, 't', 'T')]
        {
            if mode & bit != 0 {
                letters[at] = if letters[at] == 'x' { with } else { without };
            }
        }
        std::iter::once(kind).chain(letters).collect()
    }
}

fn permissions(mode: u32) -> impl Iterator<Item = char> {
    "rwxrwxrwx".chars().enumerate().map(
        move |(at, letter)| {
            if mode & (0o400 >> at) == 0 { '-' } else { letter }
        },
    )
}
