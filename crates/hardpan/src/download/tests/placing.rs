// SPDX-License-Identifier: Apache-2.0
//! Where downloads go in trees that are not empty.

use hardpan_definition::{Spdx, SpdxPackage};
use hardpan_tree::{Facts, Kind, Metadata, Node, Origin, Tree, TreePath};

use super::makers::Tar;
use super::support::{Case, chain, file};
use crate::error::Trouble;

fn tree() -> Tree {
    let mut tree = Tree::new();
    let origin = Origin::Finisher("test");
    let metadata = Metadata::root(0o755, 5);
    for path in ["/usr/lib", "/usr/bin/sub"] {
        tree.make_directories(&TreePath::literal(path), &metadata, origin).unwrap();
    }
    for (path, target) in [("/lib", "usr/lib"), ("/bin", "/usr/bin"), ("/loop", "loop")] {
        let kind = Kind::Symlink(target.as_bytes().to_vec());
        let node = Node { metadata: metadata.clone(), kind, origin };
        tree.insert(TreePath::literal(path), node).unwrap();
    }
    tree
}

#[test]
fn links_of_the_tree_are_followed() {
    let case = Case::new();
    let tar = Tar::default()
        .entry(b'5', "lib/", 0o700, "", b"")
        .file("lib/x.so", b"x")
        .entry(b'1', "bin/y", 0o755, "lib/x.so", b"")
        .bytes();
    let archive = case.serve("x.tar", &tar);
    let tool = case.serve("tool-1.0", b"#!/bin/sh\n");
    let files = [file(&archive, "/"), file(&tool, "/bin/tool"), file(&tool, "/lib/")];
    let locked = case.pin(&files).unwrap();
    case.fetch(&files, &locked).unwrap();
    let mut tree = tree();
    let placed = case.place_in(&mut tree, &files, &locked, Origin::Definition).unwrap();
    let paths: Vec<String> = placed.iter().map(|placed| placed.path.to_string()).collect();
    assert_eq!(paths, ["/", "/usr/bin/tool", "/usr/lib/tool-1.0"]);
    assert_eq!(
        case.dump(&tree, "/"),
        [
            "/bin 755 0:0 5 -> /usr/bin",
            "/lib 755 0:0 5 -> usr/lib",
            "/loop 755 0:0 5 -> loop",
            "/usr 755 0:0 5 directory",
            "/usr/bin 755 0:0 5 directory",
            "/usr/bin/sub 755 0:0 5 directory",
            "/usr/bin/tool 644 0:0 1800000000 \"#!/bin/sh\\n\"",
            "/usr/bin/y 644 0:0 1700000000 = /usr/lib/x.so",
            "/usr/lib 755 0:0 5 directory",
            "/usr/lib/tool-1.0 644 0:0 1800000000 \"#!/bin/sh\\n\"",
            "/usr/lib/x.so 644 0:0 1700000000 \"x\"",
        ]
    );
    let (_, script) = tree.file(&TreePath::literal("/usr/bin/tool")).unwrap();
    assert_eq!(script.facts.as_deref(), Some(&Facts::Script("/bin/sh".to_owned())));
}

#[test]
fn what_is_in_the_way_is_an_error() {
    let case = Case::new();
    let tool = case.serve("tool", b"x");
    let archive = case.serve("x.tar", &Tar::default().file("sub", b"x").bytes());
    for (wanted, message) in [
        (file(&tool, "/usr/bin/sub"), "a directory that is not empty stands there"),
        (file(&tool, "/usr/bin"), "a directory that is not empty stands there"),
        (file(&tool, "/loop/x"), "too many symbolic links"),
        (file(&archive, "/usr/bin"), ""),
        (file(&tool, "/a/../b"), "can't be used: path has a \"..\" component"),
        (file(&tool, "/"), ""),
    ] {
        let files = [wanted];
        let locked = case.pin(&files).unwrap();
        case.fetch(&files, &locked).unwrap();
        let result = case.place_in(&mut tree(), &files, &locked, Origin::Definition);
        if files[0].path.value == "/" {
            assert_eq!(result.unwrap()[0].path.to_string(), "/tool");
            continue;
        }
        if message.is_empty() {
            // An empty directory gives way to a file of an archive.
            assert!(result.is_ok());
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!(error.trouble(), Trouble::Usage);
        assert!(chain(&error).contains(message), "{}", chain(&error));
    }
}

#[test]
fn what_a_definition_says_for_the_sbom_comes_back() {
    let case = Case::new();
    let mut wanted = file(&case.serve("tool", b"x"), "/usr/bin/tool");
    let package = SpdxPackage { name: Some("tool".to_owned()), ..SpdxPackage::default() };
    let spdx = Spdx { name: Some("tool".to_owned()), packages: vec![package], ..Spdx::default() };
    wanted.value.spdx = Some(spdx.clone());
    let files = [wanted];
    let locked = case.pin(&files).unwrap();
    let placed = case.place_in(&mut Tree::new(), &files, &locked, Origin::Definition).unwrap();
    assert_eq!(placed[0].spdx.as_ref(), Some(&spdx));
    assert_eq!(placed[0].sha256, locked[0].sha256);
    assert_eq!(placed[0].url, files[0].url.value);
}
