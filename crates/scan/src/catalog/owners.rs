// SPDX-License-Identifier: Apache-2.0
//! Whose files are whose, and which package of the image fulfils what another needs.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::TreePath;

use super::root::Root;
use super::{FileFacts, FormatError, Package, PackageId, PackageKind, Problem, node, python};

/// Replaces paths as databases have them by real ones, and leaves only regular files that are there:
/// databases have `/lib/x` where `/lib` is a link.
pub(super) fn place_files(
    packages: &mut BTreeMap<PackageId, Package>,
    root: &Root,
    files: &BTreeMap<TreePath, FileFacts>,
) {
    for package in packages.values_mut() {
        let listed = std::mem::take(&mut package.files);
        let real = listed.into_iter().filter_map(|path| {
            if files.contains_key(&path) { Some(path) } else { root.place(&path) }
        });
        package.files = real.filter(|path| files.contains_key(path)).collect();
    }
}

/// Gives the files below each package of Node to it, but for those of packages below it.
pub(super) fn give_node_files(
    packages: &mut BTreeMap<PackageId, Package>,
    files: &BTreeMap<TreePath, FileFacts>,
) {
    let directories: BTreeMap<TreePath, PackageId> = packages
        .values()
        .filter(|package| package.kind == PackageKind::Npm)
        .filter_map(|package| {
            Some((node::package_directory(package.evidence.first()?)?, package.id.clone()))
        })
        .collect();
    if directories.is_empty() {
        return;
    }
    for path in files.keys() {
        let owner = path.ancestors().find_map(|directory| directories.get(&directory));
        if let Some(package) = owner.and_then(|id| packages.get_mut(id)) {
            package.files.insert(path.clone());
        }
    }
}

/// Says of each file whose it is, and of each package of a language which package of the distribution
/// brought it.
pub(super) fn give_owners(
    packages: &mut BTreeMap<PackageId, Package>,
    files: &mut BTreeMap<TreePath, FileFacts>,
) {
    let (distribution, others): (Vec<_>, Vec<_>) =
        packages.values().partition(|package| package.kind.is_distribution());
    // Of two that have a file the first has it: packages may share one.
    for package in distribution {
        own(package, files);
    }
    let owned_by: Vec<(PackageId, PackageId)> = others
        .iter()
        .filter_map(|package| {
            let owner = files.get(package.evidence.first()?)?.owner.clone()?;
            Some((package.id.clone(), owner))
        })
        .collect();
    for package in others {
        own(package, files);
    }
    for (id, owner) in owned_by {
        if let Some(package) = packages.get_mut(&id) {
            package.owned_by = Some(owner);
        }
    }
}

fn own(package: &Package, files: &mut BTreeMap<TreePath, FileFacts>) {
    for path in &package.files {
        if let Some(file) = files.get_mut(path)
            && file.owner.is_none()
        {
            file.owner = Some(package.id.clone());
        }
    }
}

/// The most requirements of all packages of an image; one with 2,000 packages has 10,000. For each, directories
/// up to the root may have to be looked into.
const REQUIREMENTS_MAX: usize = 500_000;

/// Finds the packages that fulfil what others need. Tells if there is too much of it to try.
pub(super) fn connect(packages: &mut BTreeMap<PackageId, Package>) -> Option<Problem> {
    let requirements: usize = packages.values().map(|package| package.requires.len()).sum();
    if requirements > REQUIREMENTS_MAX {
        let error = FormatError::limit("an image", "requirements of packages", REQUIREMENTS_MAX);
        return Some(Problem { path: TreePath::root(), error });
    }
    let index = Index::of(packages);
    let found: Vec<(PackageId, BTreeSet<PackageId>)> = packages
        .values()
        .filter(|package| !package.requires.is_empty())
        .map(|package| {
            let needs =
                package.requires.iter().filter_map(|need| index.find(package, need, packages));
            let needs = needs.filter(|id| *id != package.id).collect();
            (package.id.clone(), needs)
        })
        .collect();
    for (id, needs) in found {
        if let Some(package) = packages.get_mut(&id) {
            package.depends.extend(needs);
        }
    }
    None
}

/// Packages by the names that they can be asked for.
#[derive(Default)]
struct Index {
    /// Of a distribution, by kind and name. Packages themselves stand before those that provide the name.
    names: BTreeMap<(PackageKind, String), Vec<PackageId>>,
    /// Of Python, by place and normal name.
    python: BTreeMap<(TreePath, String), PackageId>,
    /// Of Python, by normal name.
    python_anywhere: BTreeMap<String, PackageId>,
    /// Of Node, by directory.
    node: BTreeMap<TreePath, PackageId>,
}

impl Index {
    fn of(packages: &BTreeMap<PackageId, Package>) -> Self {
        let mut index = Self::default();
        for package in packages.values() {
            let id = || package.id.clone();
            let Some(evidence) = package.evidence.first() else { continue };
            match package.kind {
                PackageKind::Deb | PackageKind::Apk => {
                    let key = (package.kind, package.name.clone());
                    index.names.entry(key).or_default().push(id());
                }
                PackageKind::Pypi => {
                    let name = python::normal(&package.name);
                    index.python_anywhere.entry(name.clone()).or_insert_with(id);
                    index.python.entry((python::site(evidence), name)).or_insert_with(id);
                }
                PackageKind::Npm => {
                    index.node.extend(node::package_directory(evidence).map(|path| (path, id())));
                }
                _ => {}
            }
        }
        for package in packages.values() {
            for provided in &package.provides {
                let key = (package.kind, name_of(provided).to_owned());
                index.names.entry(key).or_default().push(package.id.clone());
            }
        }
        index
    }

    fn find(
        &self,
        package: &Package,
        need: &str,
        packages: &BTreeMap<PackageId, Package>,
    ) -> Option<PackageId> {
        match package.kind {
            PackageKind::Deb => need.split('|').find_map(|alternative| {
                let all = self.names.get(&(package.kind, name_of(alternative).to_owned()))?;
                let fits = |id: &&PackageId| {
                    let other = packages.get(*id).and_then(|other| other.architecture.as_deref());
                    other == package.architecture.as_deref() || other == Some("all")
                };
                all.iter().find(fits).or_else(|| all.first()).cloned()
            }),
            // What must not be there is nothing that is needed.
            PackageKind::Apk if need.starts_with('!') => None,
            PackageKind::Apk => {
                self.names.get(&(package.kind, name_of(need).to_owned()))?.first().cloned()
            }
            PackageKind::Pypi => {
                let name = python::required(need)?;
                let site = python::site(package.evidence.first()?);
                let here = self.python.get(&(site, name.clone()));
                here.or_else(|| self.python_anywhere.get(&name)).cloned()
            }
            PackageKind::Npm => {
                // As `require` looks for it: in the directory itself, then further and further up.
                let start = node::package_directory(package.evidence.first()?)?;
                let own = std::iter::once(start.clone());
                own.chain(start.ancestors()).find_map(|directory| {
                    let below = directory.join("node_modules").ok()?.join(need).ok()?;
                    let beside = directory.join(need).ok()?;
                    self.node.get(&below).or_else(|| self.node.get(&beside)).cloned()
                })
            }
            _ => None,
        }
    }
}

/// Returns the name in `libc6 (>= 2.38)`, `python3:any`, `so:libc.musl-x86_64.so.1` or `busybox>=1.36`.
fn name_of(relation: &str) -> &str {
    let text = relation.trim();
    let start = usize::from(text.starts_with("so:") || text.starts_with("pc:")) * 3
        + usize::from(text.starts_with("cmd:")) * 4;
    let end = text[start..]
        .find(|c: char| c.is_whitespace() || "([<>=~:@".contains(c))
        .map_or(text.len(), |end| start + end);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_relations() {
        for (text, expected) in [
            ("libc6 (>= 2.38)", "libc6"),
            ("python3:any (>= 3)", "python3"),
            (" a", "a"),
            ("a[amd64]", "a"),
            ("so:libc.musl-x86_64.so.1", "so:libc.musl-x86_64.so.1"),
            ("so:libz.so.1=1.3", "so:libz.so.1"),
            ("cmd:busybox=1", "cmd:busybox"),
            ("busybox>=1.36~r0", "busybox"),
            ("/bin/sh", "/bin/sh"),
            ("", ""),
            ("so:", "so:"),
            ("(", ""),
        ] {
            assert_eq!(name_of(text), expected, "{text}");
        }
    }
}
