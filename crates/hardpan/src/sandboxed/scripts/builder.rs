// SPDX-License-Identifier: Apache-2.0
//! The root that scripts run in: the image's tree, and beside it, where that has no shell, tools.
//!
//! The image's own always wins. Of the tools there are only programs and libraries, so what scripts find in
//! `/etc`, `/var` and `/usr/share` is the image's alone. No file of a tool gets into the image: a script
//! that changes or copies one ends the build.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use hardpan_definition::{BuildStage, Definition};
use hardpan_package::merge::{Member, merge};
use hardpan_tree::{Digest, Kind, Metadata, Node, Origin, Tree, TreePath};

use super::edits::is_ignored;
use super::run::{left, read};
use super::{FILE_BYTES_MAX, Script};
use crate::contents::StoreContents;
use crate::error::Error;
use crate::fetch::Prepared;
use crate::finish;
use crate::sandbox::{Change, ChangeKind, Owner};
use crate::sandboxed::NAME;
use crate::sandboxed::error::SandboxedError;
use crate::sandboxed::workshop::Workshop;
use crate::stage::stage_definition;

/// Where tools have what they need to run.
const PROGRAMS: [&str; 7] =
    ["usr/bin", "usr/lib", "usr/lib32", "usr/lib64", "usr/libexec", "usr/libx32", "usr/sbin"];
/// The package whose links into `/usr` are.
const LINKS: &str = "base-files";
/// Where scripts and tools look for the shell.
const SHELL: &str = "bin/sh";

/// A root for scripts.
#[derive(Debug)]
pub(super) struct BuilderRoot<'a> {
    /// All that is in it.
    pub(super) tree: Cow<'a, Tree>,
    /// The paths that only tools have, with their packages.
    tools: BTreeMap<TreePath, String>,
    /// The files among them that are nowhere in the image, by length.
    files: BTreeMap<u64, BTreeMap<Digest, TreePath>>,
}

impl<'a> BuilderRoot<'a> {
    /// Returns the image's tree alone if it has a shell, and else with the lock's tools; `None` if neither
    /// has one.
    pub(super) fn new(
        workshop: Workshop<'_>,
        definition: &Definition,
        image: &'a Tree,
        epoch: i64,
    ) -> Result<Option<Self>, Error> {
        if has_shell(image) {
            let (tools, files) = (BTreeMap::new(), BTreeMap::new());
            return Ok(Some(Self { tree: Cow::Borrowed(image), tools, files }));
        }
        let locked = workshop.lock.platforms.get(workshop.platform.name());
        let Some(locked) = locked.filter(|locked| !locked.tools.is_empty()) else {
            return Ok(None);
        };
        let packages = workshop.prepare(&locked.tools.iter().collect::<Vec<_>>())?;
        let tools = finished(workshop, definition, &packages, epoch)?;
        let names: Vec<&str> =
            packages.iter().map(|package| package.unpacked.name.as_str()).collect();
        let root = lay(image, &tools, &names, epoch);
        Ok(has_shell(&root.tree).then_some(root))
    }

    /// Returns whether only tools have a path.
    pub(super) fn is_tool(&self, path: &TreePath) -> bool {
        self.tools.contains_key(path)
    }

    /// Returns the paths that only tools have.
    pub(super) fn tools(&self) -> impl Iterator<Item = &TreePath> {
        self.tools.keys()
    }

    /// Checks that what a script changed is the image's.
    pub(super) fn check(&self, script: &Script, changes: &[Change]) -> Result<(), Error> {
        if self.tools.is_empty() {
            return Ok(());
        }
        for change in changes.iter().filter(|change| !is_ignored(&change.path)) {
            let hit = if let Some(hit) = self.tools.get_key_value(&change.path) {
                (!self.is_untouched(change)?).then_some(hit)
            } else {
                takes_all(&change.kind).then(|| self.first_below(&change.path)).flatten()
            };
            if let Some((path, tool)) = hit {
                return Err(SandboxedError::Tool {
                    package: script.package.name.clone(),
                    script: script.name.to_owned(),
                    path: path.to_string(),
                    tool: tool.clone(),
                }
                .into());
            }
            if let Some(original) = self.copied(change)? {
                let reason = format!("it is a copy of {original}, which is a tool's");
                return Err(left(&script.package.name, &change.path, reason));
            }
        }
        Ok(())
    }

    fn first_below(&self, directory: &TreePath) -> Option<(&TreePath, &String)> {
        let after = (Bound::Excluded(directory.clone()), Bound::Unbounded);
        // Names such as "lib-x" sort between "lib" and "lib/y".
        let near = |path: &TreePath| path.as_bytes().starts_with(directory.as_bytes());
        let mut paths = self.tools.range(after).take_while(|(path, _)| near(path));
        paths.find(|(path, _)| path.starts_with(directory))
    }

    /// Returns whether a path of a tool is as it was, but for its time.
    fn is_untouched(&self, change: &Change) -> Result<bool, Error> {
        let Some(node) = self.tree.get(&change.path) else { return Ok(false) };
        let metadata = &node.metadata;
        let is_owner = |owner: &Option<Owner>| {
            owner.is_none_or(|owner| (owner.uid, owner.gid) == (metadata.uid, metadata.gid))
        };
        Ok(match (&change.kind, &node.kind) {
            (ChangeKind::Directory { mode, owner, is_opaque, .. }, Kind::Directory) => {
                !is_opaque && *mode == metadata.mode && is_owner(owner)
            }
            (ChangeKind::Symlink { target, owner, .. }, Kind::Symlink(old)) => {
                target == old && is_owner(owner)
            }
            (ChangeKind::File { mode, owner, content, size_bytes, .. }, Kind::File(file)) => {
                *mode == metadata.mode
                    && is_owner(owner)
                    && *size_bytes == file.size_bytes
                    && read(content, FILE_BYTES_MAX)?
                        .is_some_and(|bytes| Digest::of(&bytes) == file.digest)
            }
            _ => false,
        })
    }

    /// Returns the file of a tool that a new file has the bytes of.
    fn copied(&self, change: &Change) -> Result<Option<&TreePath>, Error> {
        let ChangeKind::File { content, size_bytes, .. } = &change.kind else { return Ok(None) };
        let Some(files) = self.files.get(size_bytes) else { return Ok(None) };
        if self.is_tool(&change.path) {
            return Ok(None);
        }
        let bytes = read(content, FILE_BYTES_MAX)?;
        Ok(bytes.and_then(|bytes| files.get(&Digest::of(&bytes))))
    }
}

fn has_shell(tree: &Tree) -> bool {
    let shell = tree.resolve(&TreePath::literal(SHELL));
    shell.is_ok_and(|path| tree.file(&path).is_some())
}

/// Returns whether nothing is left of what was below a path.
fn takes_all(kind: &ChangeKind) -> bool {
    !matches!(kind, ChangeKind::Directory { is_opaque: false, .. })
}

/// Returns tools as if they were installed: programs such as `awk` are links that only finishers make.
fn finished(
    workshop: Workshop<'_>,
    definition: &Definition,
    packages: &[Prepared],
    epoch: i64,
) -> Result<Tree, Error> {
    let members: Vec<Member<'_>> = packages
        .iter()
        .map(|package| Member { unpacked: &package.unpacked, segment: package.segment.key() })
        .collect();
    let mut tree = merge(&members)?.tree;
    let unpacked: Vec<_> = packages.iter().map(|package| package.unpacked.clone()).collect();
    let inputs = finish::Inputs {
        definition: &stage_definition(definition, &BuildStage::default()),
        packages: &unpacked,
        contents: &StoreContents { store: workshop.session.store },
        epoch,
        // A stage without rules for paths asks for none.
        catalog: &|_| Err(io::ErrorKind::NotFound.into()),
        aliases: &[],
        strip: &workshop.settings.strip,
        archives: &finish::ArchiveSettings::default(),
        exact: false,
    };
    finish::run_all(&mut tree, &inputs)?;
    Ok(tree)
}

/// Puts tools beside an image. `names` are those of the packages that origins in their tree count in.
fn lay<'a>(image: &Tree, tools: &Tree, names: &[&str], epoch: i64) -> BuilderRoot<'a> {
    let mut tree = image.clone();
    let mut owners: BTreeMap<TreePath, String> = BTreeMap::new();
    let mut files: BTreeMap<u64, BTreeMap<Digest, TreePath>> = BTreeMap::new();
    let origin = Origin::Finisher(NAME);
    for (path, _) in tools.walk().filter(|(path, _)| !image.contains(path)) {
        let Some((node, package)) = tool(tools, path, names, epoch) else { continue };
        let parent = path.parent().unwrap_or_default();
        // The image may have something else than a directory there, and it wins.
        if tree.make_directories(&parent, &Metadata::root(0o755, epoch), origin).is_err() {
            continue;
        }
        if let Kind::File(file) = &node.kind
            && file.size_bytes > 0
        {
            files.entry(file.size_bytes).or_default().insert(file.digest, path.clone());
        }
        let own = std::iter::once(path.clone()).chain(path.ancestors());
        for path in own.take_while(|path| !image.contains(path)) {
            owners.entry(path).or_insert_with(|| package.to_owned());
        }
        // Its parent is a directory, and nothing stands there.
        let _ = tree.insert(path.clone(), node);
    }
    for (_, node) in image.walk() {
        if let Kind::File(file) = &node.kind
            && let Some(known) = files.get_mut(&file.size_bytes)
        {
            known.remove(&file.digest);
        }
    }
    BuilderRoot { tree: Cow::Owned(tree), tools: owners, files }
}

/// Returns what a path of the tools is in the root, and whose; `None` for what has no place there.
fn tool<'n>(
    tools: &Tree,
    path: &TreePath,
    names: &[&'n str],
    epoch: i64,
) -> Option<(Node, &'n str)> {
    let is_in = |path: &TreePath| {
        PROGRAMS.iter().any(|directory| path.starts_with(&TreePath::literal(directory)))
    };
    // A link leads to its end, since stations in `/etc/alternatives` are not there.
    let end = tools.resolve(path).ok()?;
    let is_link = matches!(tools.get(path)?.kind, Kind::Symlink(_));
    let is_merged = is_link && path.parent().is_some_and(|parent| parent.is_root());
    if !is_in(&end) || !(is_in(path) || is_merged) {
        return None;
    }
    let file = tools.file(&end);
    let (metadata, kind) = match file {
        _ if is_link => (Metadata::root(0o777, epoch), Kind::Symlink(end.to_string().into_bytes())),
        // Names of one file are files of their own here: the image may have one of them.
        Some((node, file)) => (node.metadata.clone(), Kind::File(file.clone())),
        // Directories come with what is in them.
        None => return None,
    };
    let package = match file.map(|(node, _)| node.origin) {
        Some(Origin::Package(number)) => names.get(number as usize).copied(),
        _ => None,
    };
    let node = Node { metadata, kind, origin: Origin::Finisher(NAME) };
    Some((node, package.unwrap_or(LINKS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::tree;

    fn paths(root: &BuilderRoot<'_>) -> Vec<String> {
        root.tools().map(ToString::to_string).collect()
    }

    fn link(root: &BuilderRoot<'_>, path: &str) -> String {
        match &root.tree.get(&TreePath::parse(path).unwrap()).unwrap().kind {
            Kind::Symlink(target) => String::from_utf8_lossy(target).into_owned(),
            kind => panic!("{path} is {kind:?}"),
        }
    }

    #[test]
    fn of_tools_there_are_programs_and_libraries_alone() {
        let tools = tree(&[
            "usr/bin/dash",
            "usr/bin/sh->dash",
            "usr/bin/mawk",
            "usr/bin/awk->/etc/alternatives/awk",
            "etc/alternatives/awk->/usr/bin/mawk",
            "usr/bin/gone->/etc/alternatives/gone",
            "usr/bin/text->/usr/share/doc/text",
            "usr/share/doc/text",
            "usr/lib/empty/",
            "usr/lib/x/libx.so.1",
            "usr/library/y",
            "usr/local/bin/z",
            "var/lib/dpkg/status",
            "bin->usr/bin",
            "srv->usr/share",
            "etc/passwd",
        ]);
        let image = tree(&["usr/bin/app", "etc/hosts"]);
        let root = lay(&image, &tools, &["dash"], 7);
        assert_eq!(
            paths(&root),
            [
                "/bin",
                "/usr/bin/awk",
                "/usr/bin/dash",
                "/usr/bin/mawk",
                "/usr/bin/sh",
                "/usr/lib",
                "/usr/lib/x",
                "/usr/lib/x/libx.so.1",
            ]
        );
        assert_eq!(link(&root, "bin"), "/usr/bin");
        assert_eq!(link(&root, "usr/bin/awk"), "/usr/bin/mawk");
        assert_eq!(root.tree.len(), image.len() + 8);
        assert!(has_shell(&root.tree) && !has_shell(&image));
    }

    #[test]
    fn what_the_image_has_wins() {
        let mut tools =
            tree(&["usr/bin/a", "usr/bin/b", "usr/lib/d/x", "usr/sbin/e", "usr/lib64/l"]);
        let first = TreePath::literal("usr/bin/a");
        let node =
            Node { kind: Kind::HardLink(first), ..tools.get(&TreePath::root()).unwrap().clone() };
        tools.insert(TreePath::literal("usr/bin/c"), node).unwrap();
        let mut image = tree(&["usr/lib/d", "usr/sbin->bin", "usr/bin/b/", "usr/lib64->lib"]);
        crate::finish::testing::add(&mut image, "usr/bin/a", "the image's");
        let root = lay(&image, &tools, &["t"], 7);
        // A second name of a file that the image replaces is still the tool's file.
        assert_eq!(paths(&root), ["/usr/bin/c"]);
        let file = |path| root.tree.file(&TreePath::literal(path)).unwrap().1.digest;
        assert_eq!(file("usr/bin/a"), Digest::of(b"the image's"));
        assert_eq!(file("usr/bin/c"), Digest::of(b"usr/bin/a"));
        assert_eq!(root.tools[&TreePath::literal("usr/bin/c")], "t");
    }

    #[test]
    fn a_file_that_image_and_tools_have_may_be_copied() {
        let tools = tree(&["usr/bin/a", "usr/bin/b"]);
        let mut image = tree(&[]);
        crate::finish::testing::add(&mut image, "usr/share/b", "usr/bin/b");
        let root = lay(&image, &tools, &["t"], 7);
        let files: Vec<&TreePath> = root.files.values().flat_map(BTreeMap::values).collect();
        assert_eq!(files, [&TreePath::literal("usr/bin/a")]);
    }

    #[test]
    fn what_takes_all_of_a_directory_takes_tools_in_it() {
        let image = tree(&["usr/lib/both/mine", "usr/lib/both-x/mine"]);
        let tools = tree(&["usr/lib/both/tool", "usr/lib/bot"]);
        let root = lay(&image, &tools, &["t"], 7);
        for (path, expected) in [
            ("usr/lib/both", Some("/usr/lib/both/tool")),
            ("usr/lib", Some("/usr/lib/bot")),
            ("usr/lib/both-x", None),
            ("usr/lib/bo", None),
            ("usr/lib/both/tool", None),
        ] {
            let found = root.first_below(&TreePath::parse(path).unwrap());
            assert_eq!(found.map(|(path, _)| path.to_string()).as_deref(), expected, "{path}");
        }
        let directory =
            |is_opaque| ChangeKind::Directory { mode: 0o755, owner: None, mtime: 0, is_opaque };
        assert!(takes_all(&ChangeKind::Removed) && takes_all(&directory(true)));
        assert!(!takes_all(&directory(false)));
    }
}
