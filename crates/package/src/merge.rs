// SPDX-License-Identifier: Apache-2.0
//! Merging unpacked packages into one tree, by the rules of dpkg or apk.

use std::collections::{BTreeMap, HashMap, HashSet};

use hardpan_tree::{
    Content, Digest, File, InsertError, Kind, LINKS_MAX, Metadata, Node, Origin, Tree, TreePath,
};

use crate::apk::replaces::{self as apk_rules, Winner};
use crate::deb::relation::parse_clauses;
use crate::deb::version::VersionRef;
use crate::segment::{ByteRange, Entry, EntryKind, FileEntry, Format, Unpacked};

/// A package to merge.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The package.
    pub unpacked: &'a Unpacked,
    /// The key of its segment in the store.
    pub segment: Digest,
}

/// Packages merged into a tree.
#[derive(Debug)]
pub struct Merged {
    /// The tree. The origin of its nodes is the package's place in the list that was given.
    pub tree: Tree,
    /// Files that another package replaced, sorted by path.
    pub replaced: Vec<Replaced>,
    /// Directories that packages give different modes or owners, sorted by path.
    pub directories: Vec<DirectoryConflict>,
    /// Entries that went to another path through a link of another package, sorted by path.
    pub redirected: Vec<Redirected>,
    /// Lines of maintainer scripts that divert files; diversions are not made.
    pub diversions: Vec<Diversion>,
}

/// A file that is not in the tree because another package replaces it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replaced {
    /// The path.
    pub path: TreePath,
    /// The package whose file is in the tree.
    pub winner: String,
    /// The package whose file is not.
    pub loser: String,
}

/// A directory whose mode or owner packages disagree on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryConflict {
    /// The path.
    pub path: TreePath,
    /// The package whose mode and owner it has.
    pub winner: String,
    /// The package that wants others.
    pub loser: String,
}

/// An entry that is not where its package has it, since a directory above it is a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Redirected {
    /// The path in the package.
    pub path: TreePath,
    /// The path in the tree.
    pub to: TreePath,
    /// The package.
    pub package: String,
}

/// A use of `dpkg-divert`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diversion {
    /// The package.
    pub package: String,
    /// The script.
    pub script: String,
    /// The command, with lines that continue it joined.
    pub command: String,
}

/// Why packages can't be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Two packages have different things at one path, and neither replaces the other.
    #[error("{path} is in both {first} and {second}, and neither replaces the other")]
    Conflict {
        /// The path.
        path: TreePath,
        /// One package, with its version.
        first: String,
        /// The other.
        second: String,
    },
    /// What is a directory in one package is something else in another.
    #[error("{path} is a directory in {directory} but not in {other}")]
    NotADirectory {
        /// The path.
        path: TreePath,
        /// The package where it is a directory or has something below it.
        directory: String,
        /// The package where it is a file, or a link to no directory.
        other: String,
    },
    /// Links lead in a circle.
    #[error("{path} of {package} is reached by too many symbolic links")]
    TooManyLinks {
        /// The path.
        path: TreePath,
        /// The package.
        package: String,
    },
    /// What is stored of a package contradicts itself.
    #[error("what is known of package {package} is damaged at {path}")]
    Damaged {
        /// The package.
        package: String,
        /// The entry.
        path: TreePath,
    },
    /// A package is given twice.
    #[error("package {0} is given twice")]
    Twice(String),
}

/// What of a segment is as it was in the final tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intact {
    /// What to copy.
    pub cut: Cut,
    /// The entries that the copy has, as indexes into [`Unpacked::entries`]. Whatever else is in
    /// the tree has to be written in another way.
    pub entries: Vec<usize>,
}

/// What to copy of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// All of it.
    Whole,
    /// These bytes; neighbouring ranges are joined.
    Ranges(Vec<ByteRange>),
}

/// Merges packages into one tree, as dpkg would install them one after another into an empty
/// directory. The order in which they are given does not matter, but for the numbers in the origins.
///
/// Two packages may not have the same path, unless it is a directory in both, or one has a
/// `Replaces` for the other, or they are one `Multi-Arch: same` package for two architectures and
/// the files are the same. What a package has below a path that is a link to a directory in
/// another goes where the link leads. base-files is installed first, then the rest by name; the
/// first package that has a directory says what mode and owner it has.
///
/// Alpine's packages are merged as apk would, beginning with alpine-baselayout: what two packages have is that one's which
/// `replaces` the other, by `replaces_priority` if both do, and the later one's if both are from
/// one source. A directory has the mode and owner of the package with the highest `replaces_priority`, else of the
/// one that is named like the source of both, else of the first.
pub fn merge(packages: &[Member<'_>]) -> Result<Merged, MergeError> {
    let order = installation_order(packages)?;
    let links = Links::of(packages, &order)?;
    let mut claims = Claims::default();
    for &package in &order {
        for (entry, item) in packages[package].unpacked.entries.iter().enumerate() {
            let owner = Owner { package, entry };
            let path = links.place(owner, item, packages)?;
            claims.add(path, owner, packages)?;
        }
    }
    let mut redirected: Vec<Redirected> = Vec::new();
    for (path, owner) in &claims.owners {
        let entry = owner.entry(packages);
        if entry.path != *path {
            let package = owner.unpacked(packages).name.clone();
            redirected.push(Redirected { path: entry.path.clone(), to: path.clone(), package });
        }
    }
    redirected.sort();
    claims.replaced.sort();
    claims.directories.sort();
    Ok(Merged {
        tree: build(&claims.owners, &links, packages)?,
        replaced: claims.replaced,
        directories: claims.directories,
        redirected,
        diversions: order
            .iter()
            .flat_map(|&package| diversions(packages[package].unpacked))
            .collect(),
    })
}

/// The packages with the directories that all others use.
const BASES: [&str; 2] = ["base-files", "alpine-baselayout"];

fn installation_order(packages: &[Member<'_>]) -> Result<Vec<usize>, MergeError> {
    let key = |package: usize| {
        let unpacked = packages[package].unpacked;
        (!BASES.contains(&unpacked.name.as_str()), &unpacked.name, &unpacked.architecture)
    };
    let mut order: Vec<usize> = (0..packages.len()).collect();
    order.sort_by_key(|&package| key(package));
    if let Some(pair) = order.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
        return Err(MergeError::Twice(packages[pair[0]].unpacked.name.clone()));
    }
    Ok(order)
}

/// An entry, by the numbers of its package and of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    package: usize,
    entry: usize,
}

impl Owner {
    fn unpacked<'a>(self, packages: &[Member<'a>]) -> &'a Unpacked {
        packages[self.package].unpacked
    }

    fn entry<'a>(self, packages: &[Member<'a>]) -> &'a Entry {
        &self.unpacked(packages).entries[self.entry]
    }

    fn origin(self) -> Origin {
        Origin::Package(u32::try_from(self.package).expect("packages are counted in 32 bits"))
    }

    /// Names the package in an error.
    fn label(self, packages: &[Member<'_>]) -> String {
        let unpacked = self.unpacked(packages);
        format!("{} {}", unpacked.name, unpacked.version)
    }
}

/// The links that stand where other packages have directories. There are hardly ever any.
#[derive(Debug, Default)]
struct Links {
    targets: BTreeMap<TreePath, Vec<u8>>,
}

impl Links {
    fn of(packages: &[Member<'_>], order: &[usize]) -> Result<Self, MergeError> {
        // All directories, with the first package that has them.
        let mut directories: HashMap<TreePath, Owner> = HashMap::new();
        for &package in order {
            for (entry, item) in packages[package].unpacked.entries.iter().enumerate() {
                let itself = (item.kind == EntryKind::Directory).then(|| item.path.clone());
                for path in itself.into_iter().chain(item.path.ancestors()) {
                    if directories.contains_key(&path) {
                        break;
                    }
                    directories.insert(path, Owner { package, entry });
                }
            }
        }
        let mut links = Self::default();
        let mut owners = Vec::new();
        for &package in order {
            for (entry, item) in packages[package].unpacked.entries.iter().enumerate() {
                if let EntryKind::Symlink(target) = &item.kind
                    && directories.contains_key(&item.path)
                {
                    links.targets.entry(item.path.clone()).or_insert_with(|| target.clone());
                    owners.push(Owner { package, entry });
                }
            }
        }
        for owner in owners {
            let path = &owner.entry(packages).path;
            let place = links.follow(path, true).ok_or_else(|| MergeError::TooManyLinks {
                path: path.clone(),
                package: owner.unpacked(packages).name.clone(),
            })?;
            if !directories.contains_key(&place) {
                return Err(MergeError::NotADirectory {
                    path: path.clone(),
                    directory: directories[path].label(packages),
                    other: owner.label(packages),
                });
            }
        }
        Ok(links)
    }

    /// Returns where an entry goes.
    fn place(
        &self,
        owner: Owner,
        entry: &Entry,
        packages: &[Member<'_>],
    ) -> Result<TreePath, MergeError> {
        let is_directory = entry.kind == EntryKind::Directory;
        self.follow(&entry.path, is_directory).ok_or_else(|| MergeError::TooManyLinks {
            path: entry.path.clone(),
            package: owner.unpacked(packages).name.clone(),
        })
    }

    /// Follows links above a path, and on request at the path; nothing if there are too many.
    fn follow(&self, path: &TreePath, also_last: bool) -> Option<TreePath> {
        if self.targets.is_empty() {
            return Some(path.clone());
        }
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
            match self.targets.get(&next) {
                Some(target) if also_last || !todo.is_empty() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                _ => done = next,
            }
        }
        Some(done)
    }
}

/// Who has which path.
#[derive(Debug, Default)]
struct Claims {
    owners: BTreeMap<TreePath, Owner>,
    replaced: Vec<Replaced>,
    directories: Vec<DirectoryConflict>,
}

impl Claims {
    fn add(
        &mut self,
        path: TreePath,
        new: Owner,
        packages: &[Member<'_>],
    ) -> Result<(), MergeError> {
        let Some(&old) = self.owners.get(&path) else {
            self.owners.insert(path, new);
            return Ok(());
        };
        let (old_entry, new_entry) = (old.entry(packages), new.entry(packages));
        let (old_name, new_name) = (&old.unpacked(packages).name, &new.unpacked(packages).name);
        match (&old_entry.kind, &new_entry.kind) {
            (EntryKind::Directory, EntryKind::Directory) => {
                let (a, b) = (&old_entry.metadata, &new_entry.metadata);
                let is_same =
                    (a.mode, a.uid, a.gid, &a.xattrs) == (b.mode, b.uid, b.gid, &b.xattrs);
                let (mut winner, mut loser) = (old_name.clone(), new_name.clone());
                if directory_goes_to_the_second(old, new, packages) {
                    (winner, loser) = (loser, winner);
                    self.owners.insert(path.clone(), new);
                }
                if is_same {
                    return Ok(());
                }
                self.directories.push(DirectoryConflict { path, winner, loser });
                return Ok(());
            }
            (EntryKind::Directory, _) => return Err(not_a_directory(path, old, new, packages)),
            (_, EntryKind::Directory) => return Err(not_a_directory(path, new, old, packages)),
            _ => {}
        }
        if is_same_for_two_architectures(old, new, packages) {
            return Ok(());
        }
        let (winner, loser) = match replacing(old.unpacked(packages), new.unpacked(packages)) {
            Some(Winner::First) => (old, new),
            Some(Winner::Second) => (new, old),
            None => {
                let (first, second) = (old.label(packages), new.label(packages));
                return Err(MergeError::Conflict { path, first, second });
            }
        };
        self.replaced.push(Replaced {
            path: path.clone(),
            winner: winner.unpacked(packages).name.clone(),
            loser: loser.unpacked(packages).name.clone(),
        });
        self.owners.insert(path, winner);
        Ok(())
    }
}

fn not_a_directory(
    path: TreePath,
    directory: Owner,
    other: Owner,
    packages: &[Member<'_>],
) -> MergeError {
    let (directory, other) = (directory.label(packages), other.label(packages));
    MergeError::NotADirectory { path, directory, other }
}

fn is_same_for_two_architectures(old: Owner, new: Owner, packages: &[Member<'_>]) -> bool {
    let (old_package, new_package) = (old.unpacked(packages), new.unpacked(packages));
    let (old, new) = (old.entry(packages), new.entry(packages));
    let is_same_kind = match (&old.kind, &new.kind) {
        (EntryKind::File(old), EntryKind::File(new)) => old.digest == new.digest,
        (old, new) => old == new,
    };
    // dpkg looks at the contents only.
    is_same_kind
        && old_package.name == new_package.name
        && old_package.multi_arch().as_deref() == Some("same")
        && new_package.multi_arch().as_deref() == Some("same")
}

/// Returns which of two packages has a file that both have; none if nothing says so.
fn replacing(first: &Unpacked, second: &Unpacked) -> Option<Winner> {
    if are_apks(first, second) {
        return apk_rules::file(first, second);
    }
    if replaces(first, second) {
        Some(Winner::First)
    } else {
        replaces(second, first).then_some(Winner::Second)
    }
}

/// Returns whether a directory is the second package's, though the first has it already.
fn directory_goes_to_the_second(first: Owner, second: Owner, packages: &[Member<'_>]) -> bool {
    let (first, second) = (first.unpacked(packages), second.unpacked(packages));
    are_apks(first, second) && apk_rules::directory(first, second) == Winner::Second
}

fn are_apks(first: &Unpacked, second: &Unpacked) -> bool {
    first.format == Format::Apk && second.format == Format::Apk
}

/// Returns whether one package's `Replaces` lets it take over files of another. Unlike for
/// dependencies, virtual packages don't count (deb-control(5)).
fn replaces(package: &Unpacked, other: &Unpacked) -> bool {
    let Some(text) = package.field("Replaces") else { return false };
    // Both were read by the same parsers before; what they don't understand replaces nothing.
    let Ok(clauses) = parse_clauses(&text) else { return false };
    let Ok(version) = VersionRef::parse(&other.version) else { return false };
    clauses.iter().flat_map(|clause| &clause.alternatives).any(|relation| {
        relation.name == other.name
            && relation.applies(&package.architecture)
            && relation.meets_architecture(&other.architecture)
            && relation.admits(&version)
    })
}

/// Makes the tree.
fn build(
    owners: &BTreeMap<TreePath, Owner>,
    links: &Links,
    packages: &[Member<'_>],
) -> Result<Tree, MergeError> {
    let mut tree = Tree::new();
    let mut hard_links = Vec::new();
    for (path, &owner) in owners {
        let entry = owner.entry(packages);
        let segment = packages[owner.package].segment;
        let kind = match &entry.kind {
            EntryKind::Directory => Kind::Directory,
            EntryKind::Symlink(target) => Kind::Symlink(target.clone()),
            EntryKind::File(file) => Kind::File(tree_file(file, segment)),
            EntryKind::HardLink(target) => {
                hard_links.push((path, owner, target));
                continue;
            }
        };
        insert(&mut tree, path, kind, owner, owners, packages)?;
    }
    // Files whose first name another package has taken: their content is at one of their links.
    let mut moved: BTreeMap<(usize, &TreePath), TreePath> = BTreeMap::new();
    for (path, owner, target) in hard_links {
        let segment = packages[owner.package].segment;
        let place = links.follow(target, false).unwrap_or_else(|| target.clone());
        let is_own = owners.get(&place).is_some_and(|found| {
            found.package == owner.package && found.entry(packages).path == *target
        });
        let kind = if is_own {
            Kind::HardLink(place)
        } else if let Some(path) = moved.get(&(owner.package, target)) {
            Kind::HardLink(path.clone())
        } else {
            let found = owner.unpacked(packages).entry(target).map(|entry| &entry.kind);
            let Some(EntryKind::File(file)) = found else {
                // Unpacking has checked this, but the store may have been changed since.
                return Err(damaged(path, owner, packages));
            };
            moved.insert((owner.package, target), path.clone());
            Kind::File(tree_file(file, segment))
        };
        insert(&mut tree, path, kind, owner, owners, packages)?;
    }
    Ok(tree)
}

fn tree_file(file: &FileEntry, segment: Digest) -> File {
    File {
        size_bytes: file.size_bytes,
        digest: file.digest,
        content: Content::Segment { segment, offset_bytes: file.offset_bytes },
        facts: file.facts.clone(),
    }
}

/// Puts an entry into the tree; directories above it that no package has are root's.
fn insert(
    tree: &mut Tree,
    path: &TreePath,
    kind: Kind,
    owner: Owner,
    owners: &BTreeMap<TreePath, Owner>,
    packages: &[Member<'_>],
) -> Result<(), MergeError> {
    let metadata = owner.entry(packages).metadata.clone();
    let parents = Metadata::root(0o755, owner.unpacked(packages).timestamp);
    let parent = path.parent().unwrap_or_default();
    let origin = owner.origin();
    let result = tree
        .make_directories(&parent, &parents, origin)
        .and_then(|()| tree.insert(path.clone(), Node { metadata, kind, origin }));
    match result {
        Ok(_) => Ok(()),
        Err(InsertError::NotADirectory { parent, .. }) => {
            let other = owners.get(&parent).copied().unwrap_or(owner);
            Err(not_a_directory(parent, owner, other, packages))
        }
        // Hard links come last, so something may be below their path already.
        Err(InsertError::DirectoryNotEmpty { path }) => {
            let below =
                owners.iter().find(|(below, _)| **below != path && below.starts_with(&path));
            let directory = below.map_or(owner, |(_, below)| *below);
            Err(not_a_directory(path, directory, owner, packages))
        }
        Err(_) => Err(damaged(path, owner, packages)),
    }
}

fn damaged(path: &TreePath, owner: Owner, packages: &[Member<'_>]) -> MergeError {
    MergeError::Damaged { package: owner.unpacked(packages).name.clone(), path: path.clone() }
}

/// Returns the commands of a package's scripts that divert other packages' files.
fn diversions(unpacked: &Unpacked) -> Vec<Diversion> {
    let mut diversions = Vec::new();
    for (script, text) in &unpacked.scripts {
        if !matches!(script.as_str(), "preinst" | "postinst") {
            continue;
        }
        for command in text.replace("\\\n", " ").lines().map(str::trim) {
            let is_other = ["--remove", "--list", "--truename"];
            if command.starts_with('#')
                || !command.contains("dpkg-divert")
                || is_other.iter().any(|option| command.contains(option))
            {
                continue;
            }
            let command = command.split_whitespace().collect::<Vec<_>>().join(" ");
            let (package, script) = (unpacked.name.clone(), script.clone());
            diversions.push(Diversion { package, script, command });
        }
    }
    diversions
}

/// Returns which entries of a package's segment are in the tree as they are in the segment. The
/// number is the package's place in the list that the tree was merged from.
pub fn intact(tree: &Tree, number: u32, member: &Member<'_>) -> Intact {
    let entries = &member.unpacked.entries;
    let origin = Origin::Package(number);
    let is_intact_file = |path: &TreePath| match tree.get(path) {
        Some(Node { kind: Kind::File(file), metadata, origin: from }) if *from == origin => {
            match file.content {
                Content::Segment { segment, offset_bytes } if segment == member.segment => {
                    Some((offset_bytes, metadata))
                }
                _ => None,
            }
        }
        _ => None,
    };
    let mut kept_files: HashSet<&TreePath> = HashSet::new();
    let mut kept = Vec::new();
    let mut ranges: Vec<ByteRange> = Vec::new();
    let mut is_whole = true;
    for (index, entry) in entries.iter().enumerate() {
        let node = tree.get(&entry.path).filter(|node| node.origin == origin);
        let is_intact = match &entry.kind {
            EntryKind::Directory => continue,
            EntryKind::File(file) => {
                is_intact_file(&entry.path) == Some((file.offset_bytes, &entry.metadata))
                    && kept_files.insert(&entry.path)
            }
            EntryKind::Symlink(target) => node.is_some_and(|node| {
                node.kind == Kind::Symlink(target.clone()) && node.metadata == entry.metadata
            }),
            EntryKind::HardLink(target) => {
                kept_files.contains(target)
                    && node.is_some_and(|node| node.kind == Kind::HardLink(target.clone()))
            }
        };
        if !is_intact {
            is_whole = false;
            continue;
        }
        kept.push(index);
        match ranges.last_mut() {
            Some(last) if last.end_bytes() == entry.record.offset_bytes => {
                last.size_bytes += entry.record.size_bytes;
            }
            _ => ranges.push(entry.record),
        }
    }
    Intact { cut: if is_whole { Cut::Whole } else { Cut::Ranges(ranges) }, entries: kept }
}
