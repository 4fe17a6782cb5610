// SPDX-License-Identifier: Apache-2.0
//! What scripts do to files, done to a tree.

use hardpan_package::scripts::{Operation, OwnerChange};
use hardpan_tree::{Contents, Kind, Metadata, Node, TreePath};

use super::scripts::Owners;
use super::{Editor, FinishError};

/// Parses a path, or ends the operation with what is wrong with it.
macro_rules! parse {
    ($text:expr) => {
        match TreePath::parse($text) {
            Ok(path) => path,
            Err(error) => return Ok(Some(error.to_string())),
        }
    };
}
/// How many nodes one recursive copy may make.
const COPY_NODES_MAX: usize = 100_000;

/// Does one operation on files; returns what is wrong if it can't be done. The tree is unchanged then.
pub fn apply(
    editor: &mut Editor<'_>,
    owners: &mut dyn Owners,
    contents: &dyn Contents,
    operation: &Operation,
) -> Result<Option<String>, FinishError> {
    match operation {
        Operation::MakeDirectory { path, mode, owner, with_parents } => {
            make_directory(editor, owners, path, *mode, owner, *with_parents)
        }
        Operation::Symlink { target, path, replaces, no_dereference } => {
            symlink(editor, target, path, *replaces, *no_dereference)
        }
        Operation::Copy { from, to, mode, owner, keeps_time, keeps_existing, recursive } => {
            let how = How {
                mode: *mode,
                owner: match resolve(owners, owner) {
                    Ok(owner) => owner,
                    Err(name) => return Ok(Some(nobody(&name))),
                },
                keeps_time: *keeps_time,
                keeps_existing: *keeps_existing,
                recursive: *recursive,
            };
            copy(editor, from, to, &how)
        }
        Operation::Move { from, to } => rename(editor, from, to),
        Operation::Write { path, content, appends, mode } => {
            let old = if *appends { read(editor, contents, path)? } else { Vec::new() };
            write(editor, path, &[&old, content.as_bytes()].concat(), *mode)
        }
        Operation::Touch { path, mode } => touch(editor, path, *mode),
        Operation::Remove { path, recursive } => remove(editor, path, *recursive),
        Operation::RemoveDirectory { path } => {
            let path = editor.place(&parse!(path))?;
            let is_directory =
                editor.tree().get(&path).is_some_and(|node| node.kind == Kind::Directory);
            if is_directory && editor.tree().children(&path).next().is_none() {
                editor.remove(&path)?;
            }
            Ok(None)
        }
        Operation::Mode { path, mode, recursive } => change_mode(editor, path, mode, *recursive),
        Operation::Owner { path, owner, recursive, no_dereference } => {
            change_owner(editor, owners, path, owner, *recursive, *no_dereference)
        }
        _ => Ok(Some("not an operation on files".to_owned())),
    }
}

/// Returns where a path leads, if something is there.
fn target(editor: &Editor<'_>, path: &TreePath) -> Option<TreePath> {
    editor.resolve(path).ok()
}

fn leads(editor: &Editor<'_>, path: &TreePath) -> bool {
    target(editor, path).is_some()
}

fn change(editor: &mut Editor<'_>, path: &TreePath, change: impl FnOnce(&mut Metadata)) {
    let tree = editor.tree();
    let Some(node) = tree.get(path) else { return };
    let node = match &node.kind {
        Kind::HardLink(first) => tree.get(first).unwrap_or(node),
        _ => node,
    };
    let mut metadata = node.metadata.clone();
    change(&mut metadata);
    editor.set_metadata(path, metadata);
}

/// Resolves an owner; `Err` has the name that nobody has.
fn resolve(
    owners: &mut dyn Owners,
    owner: &OwnerChange,
) -> Result<(Option<u32>, Option<u32>), String> {
    let uid = match &owner.user {
        Some(user) => Some(owners.uid(user).ok_or_else(|| user.clone())?),
        None => None,
    };
    let gid = match &owner.group {
        Some(group) => Some(owners.gid(group).ok_or_else(|| group.clone())?),
        None => None,
    };
    Ok((uid, gid))
}

fn nobody(name: &str) -> String {
    format!("no account is named {name}: the definition's accounts can add it")
}

fn make_directory(
    editor: &mut Editor<'_>,
    owners: &mut dyn Owners,
    path: &str,
    mode: Option<u32>,
    owner: &OwnerChange,
    with_parents: bool,
) -> Result<Option<String>, FinishError> {
    let path = parse!(path);
    let (uid, gid) = match resolve(owners, owner) {
        Ok(owner) => owner,
        Err(name) => return Ok(Some(nobody(&name))),
    };
    if leads(editor, &path) {
        if !editor.is_directory(&path) {
            return Ok(Some(format!("{path} is not a directory")));
        }
        // `install -d` sets mode and owner of an existing directory too; `mkdir -p` leaves it.
        if with_parents && (mode.is_some() || uid.is_some() || gid.is_some()) {
            let target = target(editor, &path).unwrap_or(path);
            change(editor, &target, |metadata| set(metadata, mode, uid, gid));
        }
        return Ok(None);
    }
    let mut metadata = editor.metadata(0o755);
    set(&mut metadata, mode, uid, gid);
    editor.node(&path, Kind::Directory, metadata)?;
    Ok(None)
}

fn set(metadata: &mut Metadata, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) {
    metadata.mode = mode.unwrap_or(metadata.mode);
    metadata.uid = uid.unwrap_or(metadata.uid);
    metadata.gid = gid.unwrap_or(metadata.gid);
}

fn symlink(
    editor: &mut Editor<'_>,
    target: &str,
    path: &str,
    replaces: bool,
    no_dereference: bool,
) -> Result<Option<String>, FinishError> {
    let mut path = parse!(path);
    let here = editor.place(&path)?;
    let is_own_directory =
        editor.tree().get(&here).is_some_and(|node| node.kind == Kind::Directory);
    if is_own_directory || (!no_dereference && editor.is_directory(&path)) {
        let name = target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        path = parse!(format!("{path}/{name}"));
    }
    let here = editor.place(&path)?;
    match editor.tree().get(&here).map(|node| &node.kind) {
        Some(Kind::Directory) => return Ok(Some(format!("{here} is a directory"))),
        Some(_) if !replaces => return Ok(Some(format!("{here} exists"))),
        _ => {}
    }
    editor.symlink(&here, target)?;
    Ok(None)
}

struct How {
    mode: Option<u32>,
    owner: (Option<u32>, Option<u32>),
    keeps_time: bool,
    keeps_existing: bool,
    recursive: bool,
}

fn copy(
    editor: &mut Editor<'_>,
    from: &str,
    to: &str,
    how: &How,
) -> Result<Option<String>, FinishError> {
    let source = parse!(from);
    let mut destination = parse!(to);
    if editor.is_directory(&destination) {
        let name = String::from_utf8_lossy(source.name()).into_owned();
        destination = parse!(format!("{destination}/{name}"));
    }
    let Some(real) = target(editor, &source) else {
        return Ok(Some(format!("{source} does not exist")));
    };
    if let Some((node, file)) = editor.tree().file(&real) {
        let (metadata, file) = (node.metadata.clone(), file.clone());
        if how.keeps_existing && leads(editor, &destination) {
            return Ok(None);
        }
        put_copy(editor, &destination, metadata, Kind::File(file), how)?;
        return Ok(None);
    }
    if !how.recursive {
        return Ok(Some(format!("{source} is a directory")));
    }
    let below: Vec<(TreePath, Node)> = editor
        .tree()
        .walk_below(&real)
        .map(|(path, node)| (path.clone(), node.clone()))
        .take(COPY_NODES_MAX)
        .collect();
    for (path, node) in below {
        let rest = path.strip_prefix(&real).unwrap_or_default();
        let target = parse!([destination.as_bytes(), b"/", rest].concat());
        let (metadata, kind) = match node.kind {
            Kind::HardLink(first) => match editor.tree().file(&first) {
                Some((node, file)) => (node.metadata.clone(), Kind::File(file.clone())),
                None => continue,
            },
            kind => (node.metadata, kind),
        };
        put_copy(editor, &target, metadata, kind, how)?;
    }
    Ok(None)
}

fn put_copy(
    editor: &mut Editor<'_>,
    path: &TreePath,
    mut metadata: Metadata,
    kind: Kind,
    how: &How,
) -> Result<(), FinishError> {
    if !how.keeps_time {
        metadata.mtime = editor.metadata(0).mtime;
        // Only copies that keep everything keep owners and special bits.
        (metadata.uid, metadata.gid) = (0, 0);
        metadata.mode &= 0o777;
    }
    set(&mut metadata, how.mode, how.owner.0, how.owner.1);
    editor.node(path, kind, metadata)?;
    Ok(())
}

fn rename(editor: &mut Editor<'_>, from: &str, to: &str) -> Result<Option<String>, FinishError> {
    let source = editor.place(&parse!(from))?;
    let mut destination = parse!(to);
    let Some(node) = editor.tree().get(&source).cloned() else {
        return Ok(Some(format!("{source} does not exist")));
    };
    if node.kind == Kind::Directory {
        return Ok(Some(format!("{source} is a directory, and only files are moved")));
    }
    if editor.is_directory(&destination) {
        let name = String::from_utf8_lossy(source.name()).into_owned();
        destination = parse!(format!("{destination}/{name}"));
    }
    let kind = match &node.kind {
        Kind::HardLink(target) if editor.place(&destination)? == *target => {
            editor.remove(&source)?;
            return Ok(None);
        }
        kind => kind.clone(),
    };
    editor.remove(&source)?;
    editor.node(&destination, kind, node.metadata)?;
    Ok(None)
}

/// Reads what is in a file; nothing if there is none.
fn read(editor: &Editor<'_>, contents: &dyn Contents, path: &str) -> Result<Vec<u8>, FinishError> {
    let Ok(path) = TreePath::parse(path) else { return Ok(Vec::new()) };
    Ok(editor.read(&path, contents)?.map(|bytes| bytes.to_vec()).unwrap_or_default())
}

fn write(
    editor: &mut Editor<'_>,
    path: &str,
    bytes: &[u8],
    mode: u32,
) -> Result<Option<String>, FinishError> {
    let path = parse!(path);
    if editor.is_directory(&path) {
        return Ok(Some(format!("{path} is a directory")));
    }
    // A shell writes through links and keeps the mode of what is there.
    let place = target(editor, &path).unwrap_or(path);
    let old = editor.tree().file(&place).map(|(node, _)| node.metadata.clone());
    let mut metadata = old.unwrap_or_else(|| editor.metadata(mode));
    metadata.mtime = editor.metadata(0).mtime;
    editor.file(&place, bytes, metadata)?;
    Ok(None)
}

fn touch(editor: &mut Editor<'_>, path: &str, mode: u32) -> Result<Option<String>, FinishError> {
    let path = parse!(path);
    // What exists keeps its time: that of now means nothing in an image.
    if target(editor, &path).is_none() {
        let metadata = editor.metadata(mode);
        editor.file(&path, Vec::new(), metadata)?;
    }
    Ok(None)
}

fn remove(
    editor: &mut Editor<'_>,
    path: &str,
    recursive: bool,
) -> Result<Option<String>, FinishError> {
    let path = editor.place(&parse!(path))?;
    let is_directory = editor.tree().get(&path).is_some_and(|node| node.kind == Kind::Directory);
    if path.is_root() || (is_directory && !recursive) {
        return Ok(Some(format!("{path} is a directory")));
    }
    editor.remove(&path)?;
    Ok(None)
}

fn change_mode(
    editor: &mut Editor<'_>,
    path: &str,
    mode: &str,
    recursive: bool,
) -> Result<Option<String>, FinishError> {
    let path = parse!(path);
    let Some(start) = target(editor, &path) else {
        return Ok(Some(format!("{path} does not exist")));
    };
    if new_mode(mode, 0, false).is_none() {
        return Ok(Some(format!("{mode:?} is not a mode")));
    }
    for path in affected(editor, &start, recursive) {
        let is_directory =
            editor.tree().get(&path).is_some_and(|node| node.kind == Kind::Directory);
        change(editor, &path, |metadata| {
            metadata.mode = new_mode(mode, metadata.mode, is_directory).unwrap_or(metadata.mode);
        });
    }
    Ok(None)
}

/// Lists a path and, if asked for, all below it; links are left out below.
fn affected(editor: &Editor<'_>, start: &TreePath, recursive: bool) -> Vec<TreePath> {
    if !recursive {
        return vec![start.clone()];
    }
    let below = editor.tree().walk_below(start);
    let nodes = below.filter(|(_, node)| !matches!(node.kind, Kind::Symlink(_)));
    nodes.map(|(path, _)| path.clone()).collect()
}

fn change_owner(
    editor: &mut Editor<'_>,
    owners: &mut dyn Owners,
    path: &str,
    owner: &OwnerChange,
    recursive: bool,
    no_dereference: bool,
) -> Result<Option<String>, FinishError> {
    let path = parse!(path);
    let (uid, gid) = match resolve(owners, owner) {
        Ok(owner) => owner,
        Err(name) => return Ok(Some(nobody(&name))),
    };
    let start = if no_dereference {
        Some(editor.place(&path)?).filter(|path| editor.tree().contains(path))
    } else {
        target(editor, &path)
    };
    let Some(start) = start else { return Ok(Some(format!("{path} does not exist"))) };
    for path in affected(editor, &start, recursive) {
        change(editor, &path, |metadata| set(metadata, None, uid, gid));
    }
    Ok(None)
}

/// Applies a mode as chmod(1) takes it: octal, or symbolic clauses. `None` if it is neither.
pub fn new_mode(text: &str, old: u32, is_directory: bool) -> Option<u32> {
    if let Ok(mode) = u32::from_str_radix(text, 8) {
        // Four digits or fewer keep a directory's setgid bit, as GNU chmod does.
        let kept = if is_directory && text.len() <= 4 { old & 0o6000 } else { 0 };
        return (mode <= 0o7777).then_some(mode | kept);
    }
    let mut mode = old;
    for clause in text.split(',') {
        let start = clause.find(['+', '-', '='])?;
        let (who, mut rest) = clause.split_at(start);
        let mut mask = 0;
        for letter in who.chars() {
            mask |= match letter {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o1007,
                'a' => 0o7777,
                _ => return None,
            };
        }
        if who.is_empty() {
            // With the usual umask of 022.
            mask = 0o7755;
        }
        while !rest.is_empty() {
            let operator = rest.chars().next()?;
            let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |end| end + 1);
            let bits = permission_bits(&rest[1..end], mode, is_directory)? & mask;
            mode = match operator {
                '+' => mode | bits,
                '-' => mode & !bits,
                '=' => (mode & !(mask & if is_directory { 0o1777 } else { 0o7777 })) | bits,
                _ => return None,
            };
            rest = &rest[end..];
        }
    }
    Some(mode & 0o7777)
}

fn permission_bits(letters: &str, mode: u32, is_directory: bool) -> Option<u32> {
    let mut bits = 0;
    for letter in letters.chars() {
        bits |= match letter {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            'X' if is_directory || mode & 0o111 != 0 => 0o111,
            'X' => 0,
            's' => 0o6000,
            't' => 0o1000,
            'u' => (mode >> 6 & 7) * 0o111,
            'g' => (mode >> 3 & 7) * 0o111,
            'o' => (mode & 7) * 0o111,
            _ => return None,
        };
    }
    Some(bits)
}

/// Returns the path that an operation is about.
pub fn path_of(operation: &Operation) -> Option<&str> {
    Some(match operation {
        Operation::MakeDirectory { path, .. }
        | Operation::Symlink { path, .. }
        | Operation::Write { path, .. }
        | Operation::Touch { path, .. }
        | Operation::Remove { path, .. }
        | Operation::RemoveDirectory { path }
        | Operation::Mode { path, .. }
        | Operation::Owner { path, .. } => path,
        Operation::Copy { to, .. } | Operation::Move { to, .. } => to,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{EPOCH, dump, tree};
    use hardpan_tree::{InlineContents, Tree};

    /// Knows root (0), redis (500:501) and the group adm (4).
    struct Known;

    impl Owners for Known {
        fn uid(&mut self, name: &str) -> Option<u32> {
            [("root", 0), ("redis", 500)].iter().find(|known| known.0 == name).map(|known| known.1)
        }

        fn gid(&mut self, name: &str) -> Option<u32> {
            let known = [("root", 0), ("redis", 501), ("adm", 4)];
            known.iter().find(|known| known.0 == name).map(|known| known.1)
        }

        fn offer_user(&mut self, _: &str, _: &hardpan_package::scripts::NewAccount) {}
        fn offer_group(&mut self, _: &str, _: &hardpan_package::scripts::NewAccount) {}
        fn offer_member(&mut self, _: &str, _: &str) {}
    }

    fn run(tree: &mut Tree, operations: &[Operation]) -> Vec<String> {
        let mut editor = Editor::new(tree, "test", EPOCH);
        let problems = operations.iter().filter_map(|operation| {
            apply(&mut editor, &mut Known, &InlineContents, operation).unwrap()
        });
        problems.collect()
    }

    fn owner(user: &str, group: &str) -> OwnerChange {
        let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        OwnerChange { user: name(user), group: name(group) }
    }

    fn make(path: &str, mode: Option<u32>, owner: OwnerChange) -> Operation {
        Operation::MakeDirectory { path: path.to_owned(), mode, owner, with_parents: true }
    }

    fn link(target: &str, path: &str, replaces: bool) -> Operation {
        let (target, path) = (target.to_owned(), path.to_owned());
        Operation::Symlink { target, path, replaces, no_dereference: false }
    }

    fn copy(from: &str, to: &str, recursive: bool) -> Operation {
        Operation::Copy {
            from: from.to_owned(),
            to: to.to_owned(),
            mode: None,
            owner: OwnerChange::default(),
            keeps_time: false,
            keeps_existing: false,
            recursive,
        }
    }

    #[test]
    fn operations_change_the_tree_as_commands_would() {
        let mut root =
            tree(&["usr/share/x/conf", "usr/lib/", "lib->usr/lib", "etc/old", "var/log/"]);
        let problems = run(
            &mut root,
            &[
                make("/var/lib/redis", Some(0o750), owner("redis", "redis")),
                make("/lib/made", None, OwnerChange::default()),
                link("/usr/share/x/conf", "/etc", false),
                link("other", "/etc/conf", true),
                copy("/usr/share/x", "/etc/x", true),
                Operation::Move { from: "/etc/old".to_owned(), to: "/etc/new".to_owned() },
                Operation::Write {
                    path: "/etc/new".to_owned(),
                    content: "more\n".to_owned(),
                    appends: true,
                    mode: 0o600,
                },
                Operation::Write {
                    path: "/etc/secret".to_owned(),
                    content: String::new(),
                    appends: false,
                    mode: 0o600,
                },
                Operation::Touch { path: "/var/log/x".to_owned(), mode: 0o640 },
                Operation::Owner {
                    path: "/var/log".to_owned(),
                    owner: owner("", "adm"),
                    recursive: true,
                    no_dereference: false,
                },
                Operation::Mode {
                    path: "/var/log".to_owned(),
                    mode: "u=rwX,g+w,o-rwx".to_owned(),
                    recursive: true,
                },
                Operation::Remove { path: "/usr/share/x".to_owned(), recursive: true },
                Operation::RemoveDirectory { path: "/usr/share".to_owned() },
                Operation::RemoveDirectory { path: "/missing".to_owned() },
            ],
        );
        assert_eq!(problems, Vec::<String>::new());
        insta::assert_snapshot!(dump(&root), @"
        /etc directory 0755 0:0
        /etc/conf symlink 0777 0:0 -> other
        /etc/new file 0644 0:0 12 sha256:a19c611cc70d
        /etc/secret file 0600 0:0 0 sha256:e3b0c44298fc
        /etc/x directory 0755 0:0
        /etc/x/conf file 0644 0:0 16 sha256:5682d5254755
        /lib symlink 0777 0:0 -> usr/lib
        /usr directory 0755 0:0
        /usr/lib directory 0755 0:0
        /usr/lib/made directory 0755 0:0
        /var directory 0755 0:0
        /var/lib directory 0755 0:0
        /var/lib/redis directory 0750 500:501
        /var/log directory 0770 0:4
        /var/log/x file 0660 0:4 0 sha256:e3b0c44298fc
        ");
    }

    #[test]
    fn what_can_not_be_done_leaves_the_tree_alone() {
        let before = tree(&["etc/file", "etc/dir/x", "usr/share/"]);
        for (operation, problem) in [
            (make("/etc/file", None, OwnerChange::default()), "/etc/file is not a directory"),
            (make("/new", None, owner("nobody-here", "")), "no account is named nobody-here"),
            (make("/a/../b", None, OwnerChange::default()), "path has a \"..\" component"),
            (link("x", "/etc/file", false), "/etc/file exists"),
            (link("/a/x", "/etc/dir", true), ""),
            (copy("/missing", "/etc/y", false), "/missing does not exist"),
            (copy("/etc/dir", "/etc/y", false), "/etc/dir is a directory"),
            (
                Operation::Move { from: "/etc/dir".to_owned(), to: "/y".to_owned() },
                "/etc/dir is a directory",
            ),
            (
                Operation::Remove { path: "/etc/dir".to_owned(), recursive: false },
                "/etc/dir is a directory",
            ),
            (Operation::Remove { path: "/".to_owned(), recursive: true }, "/ is a directory"),
            (
                Operation::Mode {
                    path: "/etc/file".to_owned(),
                    mode: "u+q".to_owned(),
                    recursive: false,
                },
                "\"u+q\" is not a mode",
            ),
            (
                Operation::Owner {
                    path: "/gone".to_owned(),
                    owner: owner("root", ""),
                    recursive: false,
                    no_dereference: true,
                },
                "/gone does not exist",
            ),
            (Operation::Pam, "not an operation on files"),
        ] {
            let mut root = before.clone();
            let problems = run(&mut root, std::slice::from_ref(&operation));
            if problem.is_empty() {
                assert_eq!(problems, Vec::<String>::new(), "{operation:?}");
                continue;
            }
            assert!(problems.len() == 1 && problems[0].starts_with(problem), "{problems:?}");
            assert_eq!(root, before, "{operation:?}");
        }
    }

    #[test]
    fn modes_as_chmod_takes_them() {
        for (text, old, is_directory, expected) in [
            ("644", 0o755, false, Some(0o644)),
            ("0755", 0o2700, true, Some(0o2755)),
            ("00755", 0o2700, true, Some(0o755)),
            ("2775", 0o755, true, Some(0o2775)),
            ("g+s", 0o755, true, Some(0o2755)),
            ("a+rX", 0o600, false, Some(0o644)),
            ("a+rX", 0o700, false, Some(0o755)),
            ("+x", 0o644, false, Some(0o755)),
            ("o=", 0o777, false, Some(0o770)),
            ("g=u", 0o740, false, Some(0o770)),
            ("u-s,g-s", 0o6755, false, Some(0o755)),
            ("u+t", 0o755, false, Some(0o755)),
            ("99", 0, false, None),
            ("17777", 0, false, None),
            ("rw", 0, false, None),
            ("u+rz", 0, false, None),
        ] {
            assert_eq!(new_mode(text, old, is_directory), expected, "{text} {old:o}");
        }
    }
}
