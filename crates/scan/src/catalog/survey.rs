// SPDX-License-Identifier: Apache-2.0
//! From what a container sees to the catalog.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::TreePath;

use super::content::Content;
use super::elf::ElfFacts;
use super::os::{self, OsRelease};
use super::owners;
use super::root::{File, Root};
use super::{
    Catalog, CatalogError, FileFacts, FormatError, GoCryptography, Package, PackageId, PackageKind,
    Problem, apk, auditable, dpkg, node, python, sources, want,
};

/// The most packages of an image; all of Debian and all of Alpine together are half of it.
const PACKAGES_MAX: usize = 200_000;

/// Says what is in a root file system.
pub(super) fn survey(root: &Root, problems: Vec<Problem>) -> Result<Catalog, CatalogError> {
    let (packages, go_cryptography) = (BTreeMap::new(), BTreeMap::new());
    let mut survey = Survey { root, packages, go_cryptography, problems };
    let os = survey.os();
    survey.debian();
    survey.alpine();
    let mut files = BTreeMap::new();
    let mut documents = BTreeMap::new();
    for (path, file) in root.files() {
        survey.file(path, file);
        if let Content::Text(bytes) = &file.content
            && want::is_document(path)
        {
            documents.insert(path.clone(), bytes.clone());
        }
        if survey.packages.len() > PACKAGES_MAX {
            let maximum = PACKAGES_MAX as u64;
            return Err(CatalogError::Limit { what: "packages", maximum });
        }
        let &File { size_bytes, hashes, layer, .. } = file;
        files.insert(path.clone(), FileFacts { size_bytes, hashes, owner: None, layer });
    }
    let Survey { mut packages, go_cryptography, mut problems, .. } = survey;
    owners::place_files(&mut packages, root, &files);
    owners::give_node_files(&mut packages, &files);
    owners::give_owners(&mut packages, &mut files);
    sources::attribute_notes(&mut packages, &mut files);
    add_recognised(root, &mut packages, &mut files);
    problems.extend(owners::connect(&mut packages));
    // At the end, as all of the above follows links.
    root.check_steps()?;
    problems.sort_by(|a, b| a.path.cmp(&b.path));
    problems.dedup();
    let packages = packages.into_values().collect();
    Ok(Catalog { os, packages, files, documents, go_cryptography, problems })
}

struct Survey<'r> {
    root: &'r Root,
    packages: BTreeMap<PackageId, Package>,
    go_cryptography: BTreeMap<TreePath, GoCryptography>,
    problems: Vec<Problem>,
}

impl<'r> Survey<'r> {
    fn problem(&mut self, path: &TreePath, error: FormatError) {
        self.problems.push(Problem { path: path.clone(), error });
    }

    /// Returns the bytes of a file that is kept whole, and what it really is called.
    fn text(&mut self, path: &TreePath) -> Option<(TreePath, &'r [u8], usize)> {
        let Some((real, file)) = self.root.open(path) else {
            if self.root.has(path) {
                self.problem(path, FormatError::Link);
            }
            return None;
        };
        match &file.content {
            Content::Text(bytes) => Some((real, bytes, file.layer)),
            // Its own entry is reported when its turn comes.
            Content::Lost(_) => None,
            _ => {
                self.problem(path, FormatError::OtherName);
                None
            }
        }
    }

    fn add(&mut self, mut package: Package, layer: usize) {
        package.layer = layer;
        if let Some(other) = self.packages.get_mut(&package.id) {
            if other.version == package.version {
                other.evidence.append(&mut package.evidence);
                other.files.append(&mut package.files);
                return;
            }
            // Two databases that contradict each other are both told.
            let version = package.version.as_deref().unwrap_or_default();
            package.id = PackageId::new(format!("{}@{version}", package.id));
        }
        self.packages.insert(package.id.clone(), package);
    }

    fn os(&mut self) -> Option<OsRelease> {
        let mut found = None;
        for path in ["etc/os-release", "usr/lib/os-release"].map(TreePath::literal) {
            let Some((real, bytes, _)) = self.text(&path) else { continue };
            match os::read(bytes) {
                Ok(os) => {
                    found = Some(OsRelease { evidence: vec![real], ..os });
                    break;
                }
                Err(error) => self.problem(&real, error),
            }
        }
        let debian = self.text(&TreePath::literal("etc/debian_version"));
        let alpine = self.text(&TreePath::literal("etc/alpine-release"));
        let debian = debian.and_then(|(path, bytes, _)| Some((path, os::first_word(bytes)?)));
        let alpine = alpine.and_then(|(path, bytes, _)| Some((path, os::first_word(bytes)?)));
        let mut os = match (found, &debian, &alpine) {
            (Some(os), _, _) => os,
            (None, Some(_), _) => OsRelease { id: "debian".to_owned(), ..OsRelease::default() },
            (None, None, Some(_)) => OsRelease { id: "alpine".to_owned(), ..OsRelease::default() },
            (None, None, None) => return None,
        };
        if let Some((path, version)) = debian {
            os.debian_version = Some(version);
            os.evidence.push(path);
        }
        if let Some((path, version)) = alpine {
            os.alpine_release = Some(version);
            os.evidence.push(path);
        }
        Some(os)
    }

    /// Reads dpkg's database and what images without dpkg have in its place.
    fn debian(&mut self) {
        let status = TreePath::literal("var/lib/dpkg/status");
        if let Some((path, bytes, layer)) = self.text(&status) {
            self.debian_database(bytes, &path, layer, |survey, package| {
                let architecture = package.architecture.as_deref().unwrap_or_default();
                let names = [package.name.clone(), format!("{}:{architecture}", package.name)];
                for name in names {
                    survey.listed(package, &format!("var/lib/dpkg/info/{name}.list"), dpkg::list);
                    survey.listed(
                        package,
                        &format!("var/lib/dpkg/info/{name}.md5sums"),
                        dpkg::md5sums,
                    );
                }
            });
        }
        let directory = TreePath::literal("var/lib/dpkg/status.d");
        for (path, _) in self.root.files_in(&directory) {
            if path.name().ends_with(b".md5sums") {
                continue;
            }
            let Some((path, bytes, layer)) = self.text(&path) else { continue };
            let sums = format!("{path}.md5sums");
            self.debian_database(bytes, &path, layer, |survey, package| {
                survey.listed(package, &sums, dpkg::md5sums);
            });
        }
    }

    fn debian_database(
        &mut self,
        bytes: &[u8],
        path: &TreePath,
        layer: usize,
        complete: impl Fn(&mut Self, &mut Package),
    ) {
        let (packages, problem) = match dpkg::read(bytes, path) {
            Ok(found) => found,
            Err(error) => return self.problem(path, error),
        };
        if let Some(error) = problem {
            self.problem(path, error);
        }
        for mut package in packages {
            complete(self, &mut package);
            let copyright = TreePath::parse(format!("usr/share/doc/{}/copyright", package.name));
            package.copyright = copyright.ok().and_then(|path| {
                let (_, file) = self.root.open(&path)?;
                match &file.content {
                    Content::Text(bytes) => Some(bytes.clone()),
                    _ => None,
                }
            });
            self.add(package, layer);
        }
    }

    /// Gives a package the files of a list, if there is such a list.
    fn listed(
        &mut self,
        package: &mut Package,
        list: &str,
        read: fn(&[u8]) -> Result<Vec<TreePath>, FormatError>,
    ) {
        // A name that is no part of a path has no list.
        let Ok(list) = TreePath::parse(list) else { return };
        let Some((path, bytes, _)) = self.text(&list) else { return };
        match read(bytes) {
            Ok(files) => package.files.extend(files),
            Err(error) => self.problem(&path, error),
        }
    }

    /// Reads apk's database, which moved below `/usr`.
    fn alpine(&mut self) {
        let mut seen = BTreeSet::new();
        for place in ["usr/lib/apk/db/installed", "lib/apk/db/installed"].map(TreePath::literal) {
            let Some((path, bytes, layer)) = self.text(&place) else { continue };
            if !seen.insert(path.clone()) {
                continue;
            }
            match apk::read(bytes, &path) {
                Ok((packages, problem)) => {
                    if let Some(error) = problem {
                        self.problem(&path, error);
                    }
                    for package in packages {
                        self.add(package, layer);
                    }
                }
                Err(error) => self.problem(&path, error),
            }
        }
    }

    /// Reads what a file says, wherever it is.
    fn file(&mut self, path: &TreePath, file: &File) {
        match &file.content {
            Content::Nothing => {}
            Content::Lost(error) => self.problem(path, error.clone()),
            Content::Jar { artifacts, problems } => {
                for error in problems {
                    self.problem(path, error.clone());
                }
                for (number, artifact) in artifacts.iter().enumerate() {
                    let mut package = artifact.package(path);
                    if number == 0 {
                        package.files.insert(path.clone());
                    }
                    self.add(package, file.layer);
                }
            }
            Content::Program { elf, .. } => {
                if let Some(elf) = elf {
                    self.program(path, elf, file.layer);
                }
            }
            Content::Text(bytes) => self.described(path, bytes, file.layer),
        }
    }

    fn program(&mut self, path: &TreePath, elf: &ElfFacts, layer: usize) {
        for error in &elf.problems {
            self.problem(path, error.clone());
        }
        let mut found = Vec::new();
        if let Some(go) = &elf.go {
            found.extend(go.packages(path));
            let (packages, settings) = (elf.go_packages.clone(), go.settings.clone());
            if !packages.is_empty() || !settings.is_empty() {
                let go_version = go.go_version.clone();
                let found = GoCryptography { go_version, packages, settings };
                self.go_cryptography.insert(path.clone(), found);
            }
        }
        if let Some(crates) = &elf.crates {
            found.extend(auditable::packages(crates, path));
        }
        if let Some(note) = &elf.note {
            // One package has many such files.
            let id = format!("elf/{}@{}", note.name, note.version);
            let mut package = Package::bare(PackageId::new(id), PackageKind::Elf, &note.name, path);
            package.version = Some(note.version.clone());
            package.architecture.clone_from(&note.architecture);
            package.noted_kind.clone_from(&note.kind);
            package.files.insert(path.clone());
            found.push(package);
        }
        for package in found {
            self.add(package, layer);
        }
    }

    /// Reads a description of a package.
    fn described(&mut self, path: &TreePath, bytes: &[u8], layer: usize) {
        let package = if python::is_metadata(path) {
            python::read(bytes, path).map(Some)
        } else if node::package_directory(path).is_some() {
            node::read(bytes, path)
        } else {
            Ok(None)
        };
        match package {
            Ok(Some(mut package)) => {
                if package.kind == PackageKind::Pypi {
                    package.files.insert(path.clone());
                    self.python_files(&mut package, path);
                }
                self.add(package, layer);
            }
            Ok(None) => {}
            Err(error) => self.problem(path, error),
        }
    }

    fn python_files(&mut self, package: &mut Package, metadata: &TreePath) {
        let Some((record, base)) = python::record(metadata) else { return };
        // Debian removes it, and its own list has the files.
        let Some((path, bytes, _)) = self.text(&record) else { return };
        match python::files(bytes, &base) {
            Ok(files) => package.files.extend(files),
            Err(error) => self.problem(&path, error),
        }
    }
}

/// Adds programs that were only recognised by their bytes, where no package has them.
fn add_recognised(
    root: &Root,
    packages: &mut BTreeMap<PackageId, Package>,
    files: &mut BTreeMap<TreePath, FileFacts>,
) {
    let installed = sources::Unlisted::of(packages);
    for (path, file) in root.files() {
        let Some(facts) = files.get_mut(path).filter(|facts| facts.owner.is_none()) else {
            continue;
        };
        let (name, version) = match &file.content {
            Content::Program { found: Some(found), .. } => (found.package, found.version.clone()),
            Content::Text(bytes) if path.name() == b"release" => {
                let Some(version) = os::java_version(bytes) else { continue };
                ("openjdk", version)
            }
            _ => continue,
        };
        if installed.has(path, name, &version) {
            continue;
        }
        let mut package = Package::found_at(PackageKind::Generic, name, Some(&version), path, None);
        package.files.insert(path.clone());
        package.layer = file.layer;
        facts.owner = Some(package.id.clone());
        packages.insert(package.id.clone(), package);
    }
}
