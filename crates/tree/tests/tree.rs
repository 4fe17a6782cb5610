// SPDX-License-Identifier: Apache-2.0
//! The tree: inserting, removing, links, walking, comparing.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use hardpan_tree::{
    Difference, Facts, File, InsertError, Kind, Metadata, Node, Origin, ResolveError, Tree,
    TreePath,
};

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn node(kind: Kind) -> Node {
    let mode = match kind {
        Kind::Directory => 0o755,
        Kind::Symlink(_) => 0o777,
        _ => 0o644,
    };
    Node { metadata: Metadata::root(mode, 0), kind, origin: Origin::Definition }
}

fn directory() -> Node {
    node(Kind::Directory)
}

fn file(text: &str) -> Node {
    node(Kind::File(File::inline(text.as_bytes())))
}

fn symlink(target: &str) -> Node {
    node(Kind::Symlink(target.into()))
}

fn hard_link(target: &str) -> Node {
    node(Kind::HardLink(path(target)))
}

/// Makes a tree; what is above a path comes by itself.
fn tree(nodes: &[(&str, Node)]) -> Tree {
    let mut tree = Tree::new();
    for (text, node) in nodes {
        let path = path(text);
        let parent = path.parent().unwrap();
        tree.make_directories(&parent, &Metadata::root(0o755, 0), Origin::Definition).unwrap();
        tree.insert(path, node.clone()).unwrap();
    }
    tree
}

fn paths<'a>(nodes: impl Iterator<Item = (&'a TreePath, &'a Node)>) -> Vec<String> {
    nodes.map(|(path, _)| path.to_string()).collect()
}

#[test]
fn insert_keeps_the_invariant() {
    let mut tree = tree(&[("/d/f", file("x")), ("/s", symlink("d")), ("/e", directory())]);
    for (at, node, expected) in [
        ("/", file(""), InsertError::Root),
        ("/", symlink("x"), InsertError::Root),
        ("/no/f", file(""), InsertError::NoParent { path: path("/no/f"), parent: path("/no") }),
        (
            "/d/f/g",
            file(""),
            InsertError::NotADirectory { path: path("/d/f/g"), parent: path("/d/f") },
        ),
        ("/s/f", file(""), InsertError::NotADirectory { path: path("/s/f"), parent: path("/s") }),
        ("/d", file(""), InsertError::DirectoryNotEmpty { path: path("/d") }),
        (
            "/h",
            hard_link("/no"),
            InsertError::NoLinkTarget { path: path("/h"), target: path("/no") },
        ),
        ("/h", hard_link("/d"), InsertError::NoLinkTarget { path: path("/h"), target: path("/d") }),
        ("/h", hard_link("/s"), InsertError::NoLinkTarget { path: path("/h"), target: path("/s") }),
        (
            "/d/f",
            hard_link("/d/f"),
            InsertError::NoLinkTarget { path: path("/d/f"), target: path("/d/f") },
        ),
    ] {
        let before = tree.clone();
        assert_eq!(tree.insert(path(at), node), Err(expected));
        assert_eq!(tree, before);
    }
    assert_eq!(tree.insert(path("/d"), directory()), Ok(Some(directory())));
    assert_eq!(tree.insert(path("/e"), file("e")), Ok(Some(directory())));
    assert_eq!(tree.insert(path("/d/f"), symlink("x")), Ok(Some(file("x"))));
    assert_eq!(tree.len(), 5);
    assert!(!tree.is_empty() && Tree::new().is_empty());
}

#[test]
fn content_moves_to_the_next_link() {
    let links = tree(&[
        ("/a", file("x")),
        ("/b", hard_link("/a")),
        ("/c", hard_link("/a")),
        ("/d", directory()),
    ]);
    // Replaced by something that is no file.
    for replacement in [symlink("b"), directory()] {
        let mut tree = links.clone();
        tree.insert(path("/a"), replacement).unwrap();
        assert_eq!(tree.get(&path("/b")), Some(&file("x")));
        assert_eq!(tree.get(&path("/c")), Some(&hard_link("/b")));
    }
    // Removed.
    let mut tree = links.clone();
    assert_eq!(tree.remove(&path("/a")), 1);
    assert_eq!(tree.file(&path("/c")).map(|(node, _)| node), Some(&file("x")));
    assert_eq!(tree.remove(&path("/b")), 1);
    assert_eq!(tree.get(&path("/c")), Some(&file("x")));
    // Replaced by another file: the links go with the name, as they do in a package's new version.
    let mut tree = links.clone();
    tree.insert(path("/a"), file("y")).unwrap();
    assert_eq!(tree.file(&path("/b")).map(|(node, _)| node), Some(&file("y")));
}

#[test]
fn remove_takes_all_below() {
    let mut tree = tree(&[
        ("/lib/a", file("a")),
        ("/lib/d/e", file("e")),
        ("/lib/d/f", hard_link("/lib/d/e")),
        ("/lib-x/g", hard_link("/lib/d/e")),
        ("/lib.so", file("")),
        ("/libz", file("")),
    ]);
    assert_eq!(tree.remove(&path("/nothing")), 0);
    assert_eq!(tree.remove(&path("/")), 0);
    assert_eq!(tree.remove(&path("/lib")), 5);
    assert_eq!(paths(tree.walk()), ["/", "/lib-x", "/lib-x/g", "/lib.so", "/libz"]);
    assert_eq!(tree.get(&path("/lib-x/g")), Some(&file("e")));
}

#[test]
fn walks_are_sorted_and_complete() {
    let tree = tree(&[
        ("/lib/y/z", file("")),
        ("/lib-x/a", file("")),
        ("/lib.d", directory()),
        ("/lib0", file("")),
        ("/li", file("")),
    ]);
    let below = |text: &str| paths(tree.walk_below(&path(text)));
    let children = |text: &str| paths(tree.children(&path(text)));
    assert_eq!(below("/lib"), ["/lib", "/lib/y", "/lib/y/z"]);
    assert_eq!(below("/lib-x"), ["/lib-x", "/lib-x/a"]);
    assert_eq!(below("/li"), ["/li"]);
    assert_eq!(below("/no"), [""; 0]);
    assert_eq!(below("/").len(), tree.len());
    assert_eq!(children("/"), ["/li", "/lib", "/lib-x", "/lib.d", "/lib0"]);
    assert_eq!(children("/lib"), ["/lib/y"]);
    assert_eq!(children("/lib.d"), [""; 0]);
}

#[test]
fn directories_are_made_only_where_missing() {
    let mut tree = tree(&[("/a", directory()), ("/f", file("")), ("/s", symlink("a"))]);
    let metadata = Metadata::root(0o700, 0);
    tree.make_directories(&path("/a/b/c"), &metadata, Origin::Definition).unwrap();
    assert_eq!(tree.get(&path("/a")).unwrap().metadata.mode, 0o755);
    assert_eq!(tree.get(&path("/a/b")).unwrap().metadata.mode, 0o700);
    let before = tree.clone();
    for text in ["/f", "/f/x/y", "/s/x"] {
        let error = tree.make_directories(&path(text), &metadata, Origin::Definition).unwrap_err();
        assert!(matches!(error, InsertError::NotADirectory { .. }), "{text}");
    }
    assert_eq!(tree, before);
}

#[test]
fn links_are_followed_inside_the_tree() {
    let tree = tree(&[
        ("/usr/bin/sh", symlink("dash")),
        ("/usr/bin/dash", file("")),
        ("/bin", symlink("usr/bin")),
        ("/up", symlink("../../../usr")),
        ("/absolute", symlink("/bin/../bin/./sh")),
        ("/etc/x", symlink("/absolute")),
        ("/dangling", symlink("nothing/here")),
        ("/a", symlink("b")),
        ("/b", symlink("a")),
        ("/root", symlink("/")),
        ("/slashes", symlink("usr//bin/")),
    ]);
    for (from, to) in [
        ("/", "/"),
        ("/bin/sh", "/usr/bin/dash"),
        ("/up/bin", "/usr/bin"),
        ("/absolute", "/usr/bin/dash"),
        ("/etc/x", "/usr/bin/dash"),
        ("/root/bin", "/usr/bin"),
        ("/slashes/sh", "/usr/bin/dash"),
    ] {
        assert_eq!(tree.resolve(&path(from)), Ok(path(to)), "{from}");
    }
    assert_eq!(tree.resolve(&path("/a")), Err(ResolveError::TooManyLinks(path("/a"))));
    assert_eq!(tree.resolve(&path("/no")), Err(ResolveError::NotFound(path("/no"))));
    assert_eq!(tree.resolve(&path("/dangling")), Err(ResolveError::NotFound(path("/nothing"))));
    for (from, to) in [
        ("/", "/"),
        ("/bin", "/bin"),
        ("/bin/sh", "/usr/bin/sh"),
        ("/bin/new", "/usr/bin/new"),
        ("/bin/new/er/x", "/usr/bin/new/er/x"),
        ("/new/x", "/new/x"),
        ("/up/new", "/usr/new"),
    ] {
        assert_eq!(tree.resolve_parent(&path(from)), Ok(path(to)), "{from}");
    }
    assert_eq!(tree.resolve_parent(&path("/a/x")), Err(ResolveError::TooManyLinks(path("/a"))));
    let dangling = tree.resolve_parent(&path("/dangling/x"));
    assert_eq!(dangling, Err(ResolveError::NotFound(path("/nothing"))));
}

#[test]
fn empty_link_targets_are_errors() {
    let tree = tree(&[("/s", symlink("")), ("/n", symlink("a\0b"))]);
    for text in ["/s", "/n"] {
        assert!(matches!(tree.resolve(&path(text)), Err(ResolveError::BadTarget { .. })), "{text}");
    }
}

#[test]
fn dumps_show_everything_but_times() {
    let mut tree = tree(&[
        ("/usr/bin/x", file("hello")),
        ("/usr/bin/y", symlink("x")),
        ("/usr/bin/z", hard_link("/usr/bin/x")),
        ("/tmp", directory()),
    ]);
    let metadata = tree.metadata_mut(&path("/tmp")).unwrap();
    (metadata.mode, metadata.uid, metadata.gid, metadata.mtime) = (0o1777, 1, 2, 3);
    let metadata = tree.metadata_mut(&path("/usr/bin/x")).unwrap();
    metadata.xattrs.insert("user.x".into(), b"a\xff".into());
    assert_eq!(
        tree.dump(),
        "\
/tmp directory 1777 1:2
/usr directory 0755 0:0
/usr/bin directory 0755 0:0
/usr/bin/x file 0644 0:0 5 sha256:2cf24dba5fb0 user.x=a\\xff
/usr/bin/y symlink 0777 0:0 -> x
/usr/bin/z hardlink -> /usr/bin/x
"
    );
}

#[test]
fn differences_are_of_content_and_metadata() {
    let base = tree(&[
        ("/a", file("x")),
        ("/b", hard_link("/a")),
        ("/c/d", file("y")),
        ("/s", symlink("a")),
        ("/same", file("z")),
    ]);
    assert!(base.difference(&base).is_empty());
    let mut new = base.clone();
    new.insert(path("/a"), file("other")).unwrap();
    new.remove(&path("/c"));
    new.insert(path("/s"), symlink("b")).unwrap();
    new.insert(path("/new"), directory()).unwrap();
    // The same bytes from elsewhere, and known better.
    let mut same = File::inline(*b"z");
    same.facts = Some(std::sync::Arc::new(Facts::Script("x".into())));
    let same = Node { origin: Origin::Stage(0), ..node(Kind::File(same)) };
    new.insert(path("/same"), same).unwrap();
    let expected = Difference {
        added: vec![path("/new")],
        changed: vec![path("/a"), path("/b"), path("/s")],
        removed: vec![path("/c"), path("/c/d")],
    };
    assert_eq!(new.difference(&base), expected);
    for change in [
        |metadata: &mut Metadata| metadata.mode = 0o600,
        |metadata: &mut Metadata| metadata.uid = 1,
        |metadata: &mut Metadata| metadata.gid = 1,
        |metadata: &mut Metadata| metadata.mtime = 1,
        |metadata: &mut Metadata| drop(metadata.xattrs.insert("user.x".into(), Vec::new())),
    ] {
        let mut new = base.clone();
        change(new.metadata_mut(&path("/c/d")).unwrap());
        assert_eq!(new.difference(&base).changed, [path("/c/d")]);
    }
}
