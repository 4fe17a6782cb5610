// SPDX-License-Identifier: Apache-2.0
//! What a container sees of layers.

use super::*;

/// Layers, the lowest first, each as paths; then what is seen, with the layer that it is from.
type Case = (&'static str, &'static [&'static [&'static str]], &'static str);

const CASES: &[Case] = &[
    ("one layer", &[&["a", "b/c"]], "a:0 b/c:0"),
    ("the later of one layer", &[&["a", "a"]], "a:0"),
    ("replaced", &[&["a", "b"], &["a"]], "a:1 b:0"),
    ("whiteout", &[&["a", "b"], &[".wh.a"]], "b:0"),
    ("whiteout of a directory", &[&["a/b", "a/c/d", "a.b"], &[".wh.a"]], "a.b:0"),
    ("whiteout and again", &[&["a"], &[".wh.a"], &["a"]], "a:2"),
    ("whiteout beside its name", &[&["a"], &[".wh.a", "a"]], "a:1"),
    ("the name before its whiteout", &[&["a"], &["a", ".wh.a"]], "a:1"),
    ("whiteout of what is not there", &[&["a"], &[".wh.b", "c/.wh.d"]], "a:0"),
    ("whiteout of the layer's own", &[&["a", ".wh.a"]], "a:0"),
    ("opaque", &[&["a/b", "a/c/d", "e"], &["a/", "a/.wh..wh..opq", "a/f"]], "a/f:1 e:0"),
    ("opaque, after its files", &[&["a/b"], &["a/f", "a/.wh..wh..opq"]], "a/f:1"),
    ("opaque root", &[&["a", "b/c"], &[".wh..wh..opq", "d"]], "d:1"),
    ("opaque twice", &[&["a/b"], &["a/.wh..wh..opq"], &["a/.wh..wh..opq", "a/c"]], "a/c:2"),
    ("names for storage drivers", &[&["a"], &[".wh..wh.plnk", ".wh..wh.aufs"]], "a:0"),
    ("a whiteout without a name", &[&["a/b"], &["a/.wh."]], "a/b:0"),
    ("a whiteout of dots", &[&["a/b"], &["a/.wh..", "a/.wh..."]], "a/b:0"),
    ("a file in place of a directory", &[&["a/b", "a/c"], &["a"]], "a:1"),
    ("a directory in place of a file", &[&["a"], &["a/"]], ""),
    ("below what was a file", &[&["a"], &["a/b"]], "a/b:1"),
    ("a link in place of a directory", &[&["a/b", "c/d"], &["a -> c"]], "c/d:0"),
    ("through a link", &[&["usr/lib/a", "lib -> usr/lib"], &["lib/a"]], "usr/lib/a:1"),
    ("whiteout through a link", &[&["usr/lib/a", "lib -> usr/lib"], &["lib/.wh.a"]], ""),
    ("opaque through a link", &[&["x/a", "l -> x"], &["l/.wh..wh..opq"]], ""),
    ("a directory in place of a link", &[&["x/a", "l -> x"], &["l/", "l/b"]], "l/b:1 x/a:0"),
    ("a link to itself", &[&["a -> a"], &["a/b"]], ""),
    ("links in a circle", &[&["a -> b", "b -> a"], &["a/c", ".wh.b"]], "b/c:1"),
    ("a link that leads out", &[&["a -> ../../x", "x/y"], &["a/y"]], "x/y:1"),
    ("an absolute link", &[&["a -> /x", "x/y"], &["a/z"]], "x/y:0 x/z:1"),
    ("a hard link", &[&["a", "b = a"]], "a:0 b:0"),
    ("a hard link outlives its file", &[&["a", "b = a"], &[".wh.a"]], "b:0"),
    ("a hard link to below", &[&["a"], &["b = a"], &["a"]], "a:2 b:0"),
    ("a hard link to what is gone", &[&["a"], &[".wh.a", "b = a"]], ""),
    ("a hard link to what comes later", &[&["b = a", "a"]], "a:0"),
    ("a hard link to itself", &[&["a = a"]], ""),
    ("a hard link to a directory", &[&["a/b", "c = a"]], "a/b:0"),
    ("an empty layer", &[&["a"], &[], &["b"]], "a:0 b:2"),
];

#[test]
fn what_is_seen() {
    for (summary, layers, expected) in CASES {
        let layers: Vec<_> = layers
            .iter()
            .map(|paths| tar(&paths.iter().map(|path| (*path, &b"x"[..])).collect::<Vec<_>>()))
            .collect();
        let catalog = catalog(&layers);
        let seen: Vec<String> = catalog
            .files
            .iter()
            .map(|(path, facts)| {
                format!("{}:{}", path.to_string().trim_start_matches('/'), facts.layer)
            })
            .collect();
        assert_eq!(seen.join(" "), *expected, "{summary}");
    }
}

#[test]
fn what_is_hidden_is_not_read() {
    let database = |version: &str| format!("Package: a\nVersion: {version}\n").into_bytes();
    let place = "var/lib/dpkg/status";
    for (summary, upper, expected) in [
        ("replaced", tar(&[(place, &database("2"))]), vec!["2"]),
        ("hidden", tar(&[("var/lib/dpkg/.wh.status", b"")]), vec![]),
        ("hidden above", tar(&[("var/.wh.lib", b"")]), vec![]),
        ("opaque", tar(&[("var/lib/.wh..wh..opq", b"")]), vec![]),
        ("no directory any more", tar(&[("var", b"")]), vec![]),
        ("other things", tar(&[("var/lib/x", b""), ("var/lib/dpkg/", b"")]), vec!["1"]),
    ] {
        let catalog = catalog(&[tar(&[(place, &database("1"))]), upper]);
        let versions: Vec<_> =
            catalog.packages.iter().filter_map(|package| package.version.as_deref()).collect();
        assert_eq!(versions, expected, "{summary}");
        assert_eq!(catalog.problems, [], "{summary}");
    }
}

#[test]
fn a_link_that_changes_hides_nothing_silently() {
    // The lowest layer's file is seen at x/lib/dpkg/status, and seems to be replaced.
    let database = b"Package: a\nVersion: 1\n";
    let lower = tar(&[("x/", b""), ("var -> x", b""), ("var/lib/dpkg/status", database)]);
    let middle = tar(&[("y/", b""), ("var -> y", b"")]);
    let upper = tar(&[("var/lib/dpkg/status", b"")]);
    let catalog = catalog(&[lower, middle, upper]);
    let problems: Vec<_> = catalog
        .problems
        .iter()
        .map(|problem| (problem.path.to_string(), problem.error.clone()))
        .collect();
    assert_eq!(problems, [("/x/lib/dpkg/status".to_owned(), FormatError::Skipped)]);
}

#[test]
fn links_to_databases() {
    let database = b"Package: a\nVersion: 1\n";
    let by_link =
        catalog(&[tar(&[("opt/dpkg/status", database), ("var/lib/dpkg -> /opt/dpkg", b"")])]);
    assert_eq!(ids(&by_link), ["deb/a"]);
    for (summary, entries, error) in [
        ("dangling", tar(&[("var/lib/dpkg/status -> nowhere", b"")]), FormatError::Link),
        ("a circle", tar(&[("var/lib/dpkg/status -> status", b"")]), FormatError::Link),
        ("a directory", tar(&[("var/lib/dpkg/status/", b"")]), FormatError::Link),
        (
            "another name",
            tar(&[("data", database), ("var/lib/dpkg/status = data", b"")]),
            FormatError::OtherName,
        ),
        (
            "another file",
            tar(&[("d", database), ("var/lib/dpkg/status -> /d", b"")]),
            FormatError::OtherName,
        ),
    ] {
        let catalog = catalog(&[entries]);
        let errors: Vec<_> = catalog.problems.iter().map(|problem| problem.error.clone()).collect();
        assert_eq!(errors, [error], "{summary}");
        assert_eq!(ids(&catalog), [""; 0], "{summary}");
    }
}
