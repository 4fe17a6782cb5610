// SPDX-License-Identifier: Apache-2.0
//! Who brought which file of a finished image: what only the build's own tree knows.

use std::collections::BTreeMap;

use hardpan_package::segment::{EntryKind, Format, Unpacked};
use hardpan_tree::{Kind, Origin, Tree, TreePath};
use serde::{Deserialize, Serialize};

use super::component::text;

/// How the ids of what the build itself made begin.
const MADE: &str = "build/";
/// What hardpan made in the place of package managers and maintainer scripts.
const FINISHERS: &str = "build/finishers";
/// What the definition puts in.
const DEFINITION: &str = "build/definition";
/// What a stage put in, before its name.
const STAGE: &str = "build/stage/";

/// The files of an image, by the ids of the components that brought them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileOrigins(BTreeMap<String, Vec<String>>);

impl FileOrigins {
    /// Reads them from a finished tree. `taken` are the files of other images.
    /// Packages are by their ids, in the order that the tree counts in, and so are stages by their names.
    pub(crate) fn of(
        tree: &Tree,
        packages: &[String],
        stages: &[&str],
        taken: &BTreeMap<TreePath, String>,
    ) -> Self {
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, node) in tree.walk() {
            if !matches!(node.kind, Kind::File(_) | Kind::HardLink(_)) {
                continue;
            }
            let id = match node.origin {
                Origin::Package(number) => packages.get(number as usize).cloned(),
                Origin::Stage(number) => {
                    stages.get(number as usize).map(|name| format!("{STAGE}{name}"))
                }
                Origin::Finisher(_) => Some(FINISHERS.to_owned()),
                Origin::Definition => Some(match taken.get(path) {
                    Some(image) => format!("oci/{image}"),
                    None => DEFINITION.to_owned(),
                }),
                // A tree that is built has none.
                Origin::Layer(_) => None,
            };
            if let Some(id) = id {
                files.entry(id).or_default().push(text(path));
            }
        }
        Self(files)
    }

    /// Adds a package's files, where nothing else is known than what it had.
    pub(crate) fn add_package(&mut self, package: &Unpacked) {
        let is_file =
            |kind: &EntryKind| matches!(kind, EntryKind::File(_) | EntryKind::HardLink(_));
        let files = package.entries.iter().filter(|entry| is_file(&entry.kind));
        let files = files.map(|entry| text(&entry.path));
        self.0.entry(package_id(package)).or_default().extend(files);
    }

    /// Returns the component of each file.
    pub(crate) fn by_path(&self) -> BTreeMap<&str, &str> {
        let all = self.0.iter();
        all.flat_map(|(id, paths)| paths.iter().map(|path| (path.as_str(), id.as_str()))).collect()
    }
}

/// Returns the id that a package's component has, as the catalog of an image gives it.
pub(crate) fn package_id(package: &Unpacked) -> String {
    let word = match package.format {
        Format::Deb => "deb",
        Format::Apk => "apk",
    };
    format!("{word}/{}/{}", package.name, package.architecture)
}

/// Returns whether a component is a package of the distribution.
pub(super) fn is_package(id: &str) -> bool {
    id.starts_with("deb/") || id.starts_with("apk/")
}

/// Returns whether a component is something that the build itself made.
pub(super) fn is_made(id: &str) -> bool {
    made(id).is_some()
}

/// Returns name and summary of what the build itself made, if an id is that of such a component.
pub(super) fn made(id: &str) -> Option<(&str, String)> {
    let summary = match id {
        FINISHERS => "what hardpan made in the place of package managers and maintainer scripts",
        DEFINITION => "what the definition of the image puts in",
        _ => "",
    };
    if let Some(stage) = id.strip_prefix(STAGE) {
        return Some((stage, "what the build stage of this name made".to_owned()));
    }
    Some((id.strip_prefix(MADE)?, summary.to_owned()))
}

#[cfg(test)]
mod tests {
    use hardpan_tree::{File, Metadata, Node};

    use super::*;

    #[test]
    fn files_are_of_who_brought_them() {
        let mut tree = Tree::new();
        let mut insert = |path: &str, kind: Kind, origin: Origin| {
            let path = TreePath::parse(path).unwrap();
            let directory = Metadata::root(0o755, 0);
            tree.make_directories(&path.parent().unwrap(), &directory, origin).unwrap();
            tree.insert(path, Node { metadata: Metadata::root(0o644, 0), kind, origin }).unwrap();
        };
        let file = || Kind::File(File::inline(b"x".as_slice()));
        insert("usr/bin/a", file(), Origin::Package(0));
        insert("usr/bin/b", Kind::HardLink(TreePath::literal("usr/bin/a")), Origin::Package(0));
        insert("usr/bin/link", Kind::Symlink(b"a".to_vec()), Origin::Package(0));
        insert("etc/ld.so.cache", file(), Origin::Finisher("ldconfig"));
        insert("etc/motd", file(), Origin::Definition);
        insert("opt/taken", file(), Origin::Definition);
        // What a stage put where an image's file was is the stage's.
        insert("opt/made", file(), Origin::Stage(1));
        insert("opt/nobody", file(), Origin::Stage(2));
        let taken =
            ["opt/taken", "opt/made"].map(|path| (TreePath::literal(path), "x/y:1".to_owned()));
        let packages = ["deb/a/amd64".to_owned()];
        let origins = FileOrigins::of(&tree, &packages, &["one", "two"], &BTreeMap::from(taken));
        let found: Vec<String> =
            origins.by_path().into_iter().map(|(path, id)| format!("{path} {id}")).collect();
        assert_eq!(
            found,
            [
                "etc/ld.so.cache build/finishers",
                "etc/motd build/definition",
                "opt/made build/stage/two",
                "opt/taken oci/x/y:1",
                "usr/bin/a deb/a/amd64",
                "usr/bin/b deb/a/amd64",
            ]
        );
    }

    #[test]
    fn what_a_build_made_has_a_name() {
        for (id, name) in [
            ("build/finishers", Some("finishers")),
            ("build/definition", Some("definition")),
            ("build/stage/compile", Some("compile")),
            ("deb/a/amd64", None),
            ("building/a", None),
        ] {
            assert_eq!(made(id).map(|(name, _)| name), name, "{id}");
        }
        assert!(is_package("deb/a/amd64") && is_package("apk/a/x86_64") && !is_package("pypi/a"));
    }
}
