// SPDX-License-Identifier: Apache-2.0
//! Merging: dpkg's rules, and what of a segment is left.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Cut, Intact, Member, MergeError, Merged, intact, merge};
use hardpan_package::segment::{EntryKind, Unpacked};
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_testkit::deb;
use hardpan_testkit::deb::Deb;
use hardpan_tree::{
    Content, Digest, File, Kind, Metadata, Node, Origin, TarLimits, TarReader, Tree, TreePath,
};

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// A package with its segment.
#[derive(Debug, Clone)]
struct Package {
    unpacked: Unpacked,
    segment: Vec<u8>,
}

impl Package {
    fn member(&self) -> Member<'_> {
        let key = format!("{} {}", self.unpacked.name, self.unpacked.architecture);
        Member { unpacked: &self.unpacked, segment: Digest::of(key.as_bytes()) }
    }
}

fn unpacked(debs: &[Deb]) -> Vec<Package> {
    let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
    debs.iter()
        .map(|deb| {
            let mut segment = Vec::new();
            let unpacked = unpack(&mut &deb.build()[..], &options, &mut segment).unwrap();
            Package { unpacked, segment }
        })
        .collect()
}

/// Merges packages in the order given and in the reverse one, which has to make no difference.
fn merged(debs: &[Deb]) -> Result<Merged, MergeError> {
    let packages = unpacked(debs);
    let mut members: Vec<Member<'_>> = packages.iter().map(Package::member).collect();
    let forward = merge(&members);
    members.reverse();
    let backward = merge(&members);
    match (&forward, &backward) {
        (Ok(forward), Ok(backward)) => {
            assert_eq!(forward.tree.dump(), backward.tree.dump());
            assert!(forward.tree.difference(&backward.tree).is_empty());
            assert_eq!(forward.replaced, backward.replaced);
            assert_eq!(forward.directories, backward.directories);
            assert_eq!(forward.redirected, backward.redirected);
            assert_eq!(forward.diversions, backward.diversions);
        }
        (Err(forward), Err(backward)) => assert_eq!(forward, backward),
        _ => panic!("the order makes a difference"),
    }
    forward
}

fn digits(text: &str) -> String {
    Digest::of(text.as_bytes()).to_hex()[..12].to_owned()
}

#[test]
fn packages_come_together() {
    let a = deb("a", "1")
        .directory("/var/lib/a")
        .mode(0o750)
        .owner(7, 8)
        .file("/usr/bin/a", "a")
        .mode(0o755)
        .hard_link("/usr/bin/a2", "/usr/bin/a")
        .symlink("/usr/bin/a3", "a")
        .file("/etc/a.conf", "conf")
        .conffile();
    let b = deb("b", "1").file("/usr/bin/b", "b").file("/opt/b/deep/x", "x").without_directories();
    let merged = merged(&[b, a]).unwrap();
    let (a, b, conf, x) = (digits("a"), digits("b"), digits("conf"), digits("x"));
    assert_eq!(
        merged.tree.dump(),
        format!(
            "\
/etc directory 0755 0:0
/etc/a.conf file 0644 0:0 4 sha256:{conf}
/opt directory 0755 0:0
/opt/b directory 0755 0:0
/opt/b/deep directory 0755 0:0
/opt/b/deep/x file 0644 0:0 1 sha256:{x}
/usr directory 0755 0:0
/usr/bin directory 0755 0:0
/usr/bin/a file 0755 0:0 1 sha256:{a}
/usr/bin/a2 hardlink -> /usr/bin/a
/usr/bin/a3 symlink 0777 0:0 -> a
/usr/bin/b file 0644 0:0 1 sha256:{b}
/var directory 0755 0:0
/var/lib directory 0755 0:0
/var/lib/a directory 0750 7:8
"
        )
    );
    assert_eq!(merged.tree.get(&path("/usr/bin/b")).unwrap().origin, Origin::Package(0));
    assert_eq!(merged.tree.get(&path("/usr/bin/a")).unwrap().origin, Origin::Package(1));
    assert!(merged.replaced.is_empty() && merged.directories.is_empty());
}

#[test]
fn content_is_where_the_segment_has_it() {
    let packages = unpacked(&[deb("a", "1").file("/x", "first").file("/y", "second")]);
    let tree = merge(&[packages[0].member()]).unwrap().tree;
    let (_, file) = tree.file(&path("/y")).unwrap();
    let Content::Segment { segment, offset_bytes } = file.content else { panic!("not a segment") };
    assert_eq!(segment, packages[0].member().segment);
    let start = usize::try_from(offset_bytes).unwrap();
    assert_eq!(&packages[0].segment[start..start + 6], b"second");
}

#[test]
fn conflicts_need_replaces() {
    let old = |version| deb("old", version).file("/usr/bin/x", "old");
    let new =
        |field: &str, value: &str| deb("new", "2").field(field, value).file("/usr/bin/x", "new");
    for (debs, winner) in [
        ([old("1"), new("Replaces", "old")], Some("new")),
        ([old("1"), new("Replaces", "other, old (<< 2) , more")], Some("new")),
        ([old("2"), new("Replaces", "old (<< 2)")], None),
        ([old("1"), new("Replaces", "older")], None),
        ([old("1"), new("Breaks", "old")], None),
        ([old("1"), new("Replaces", "virtual")], None),
        ([old("1").field("Provides", "virtual"), new("Replaces", "virtual")], None),
        ([old("1"), new("Replaces", "old:arm64")], None),
        ([old("1"), new("Replaces", "old (nonsense)")], None),
        ([old("1").field("Replaces", "new"), new("Depends", "old")], Some("old")),
        // Both: the first by name, whatever the order.
        ([old("1").field("Replaces", "new"), new("Replaces", "old")], Some("new")),
    ] {
        let summary = format!("{} {}", debs[0].control(), debs[1].control());
        match (merged(&debs), winner) {
            (Ok(merged), Some(winner)) => {
                let (_, file) = merged.tree.file(&path("/usr/bin/x")).unwrap();
                assert_eq!(file.digest, Digest::of(winner.as_bytes()), "{summary}");
                assert_eq!(merged.replaced.len(), 1);
                assert_eq!(merged.replaced[0].winner, winner, "{summary}");
                assert_ne!(merged.replaced[0].loser, winner, "{summary}");
            }
            (Err(error), None) => {
                let version = if debs[0].control().contains("Version: 2") { 2 } else { 1 };
                assert_eq!(
                    error.to_string(),
                    format!(
                        "/usr/bin/x is in both new 2 and old {version}, and neither replaces the other"
                    )
                );
            }
            (result, _) => panic!("{summary}: {result:?}"),
        }
    }
}

#[test]
fn kinds_that_differ_are_conflicts() {
    let a = |deb: fn(Deb) -> Deb| deb(deb::deb("a", "1"));
    let b = |deb: fn(Deb) -> Deb| deb(deb::deb("b", "1"));
    let not_a_directory = |directory: &str, other: &str| {
        format!("/x is a directory in {directory} 1 but not in {other} 1")
    };
    let conflict = "/x is in both a 1 and b 1, and neither replaces the other".to_owned();
    for (debs, expected) in [
        ([a(|deb| deb.symlink("/x", "y")), b(|deb| deb.symlink("/x", "y"))], conflict.clone()),
        ([a(|deb| deb.symlink("/x", "y")), b(|deb| deb.file("/x", ""))], conflict),
        ([a(|deb| deb.directory("/x")), b(|deb| deb.file("/x", ""))], not_a_directory("a", "b")),
        ([a(|deb| deb.file("/x", "")), b(|deb| deb.directory("/x"))], not_a_directory("b", "a")),
        (
            [a(|deb| deb.file("/x", "")), b(|deb| deb.file("/x/y", "").without_directories())],
            not_a_directory("b", "a"),
        ),
        (
            [
                a(|deb| deb.file("/w", "").hard_link("/x", "/w")),
                b(|deb| deb.file("/x/y", "").without_directories()),
            ],
            not_a_directory("b", "a"),
        ),
        (
            [a(|deb| deb.symlink("/x", "nowhere")), b(|deb| deb.file("/x/y", ""))],
            not_a_directory("b", "a"),
        ),
        (
            [a(|deb| deb.symlink("/x", "x")), b(|deb| deb.file("/x/y", ""))],
            "/x of a is reached by too many symbolic links".to_owned(),
        ),
    ] {
        assert_eq!(merged(&debs).unwrap_err().to_string(), expected);
    }
}

#[test]
fn directories_that_are_links_elsewhere_redirect() {
    let links = deb("links", "1").directory("/usr/real").mode(0o700).symlink("/usr/alias", "real");
    let more = deb("more", "1").symlink("/usr/second", "/usr/alias/../alias");
    let files = deb("a-files", "1")
        .file("/usr/alias/x", "x")
        .hard_link("/usr/alias/y", "/usr/alias/x")
        .file("/usr/second/z", "z");
    let merged = merged(&[files, links, more]).unwrap();
    let (x, z) = (digits("x"), digits("z"));
    assert_eq!(
        merged.tree.dump(),
        format!(
            "\
/usr directory 0755 0:0
/usr/alias symlink 0777 0:0 -> real
/usr/real directory 0755 0:0
/usr/real/x file 0644 0:0 1 sha256:{x}
/usr/real/y hardlink -> /usr/real/x
/usr/real/z file 0644 0:0 1 sha256:{z}
/usr/second symlink 0777 0:0 -> /usr/alias/../alias
"
        )
    );
    let redirected: Vec<String> = merged
        .redirected
        .iter()
        .map(|redirected| format!("{} {} {}", redirected.package, redirected.path, redirected.to))
        .collect();
    assert_eq!(
        redirected,
        [
            "a-files /usr/alias /usr/real",
            "a-files /usr/alias/x /usr/real/x",
            "a-files /usr/alias/y /usr/real/y",
            "a-files /usr/second/z /usr/real/z",
        ]
    );
}

#[test]
fn the_first_package_says_what_a_directory_is_like() {
    let z = deb("base-files", "1").directory("/tmp").mode(0o1777).directory("/x").mode(0o700);
    let a = deb("a", "1").directory("/tmp").directory("/x").mode(0o700).directory("/y");
    let b = deb("b", "1").directory("/y").owner(0, 5);
    let merged = merged(&[a, b, z]).unwrap();
    assert_eq!(
        merged.tree.dump(),
        "/tmp directory 1777 0:0\n/x directory 0700 0:0\n/y directory 0755 0:0\n"
    );
    let conflicts: Vec<String> = merged
        .directories
        .iter()
        .map(|conflict| format!("{} {} {}", conflict.path, conflict.winner, conflict.loser))
        .collect();
    assert_eq!(conflicts, ["/tmp base-files a", "/y a b"]);
}

#[test]
fn links_keep_the_content_of_replaced_files() {
    let old = deb("old", "1")
        .file("/usr/bin/x", "old")
        .hard_link("/usr/bin/y", "/usr/bin/x")
        .hard_link("/usr/bin/z", "/usr/bin/x");
    let new = deb("new", "2").field("Replaces", "old").file("/usr/bin/x", "new");
    let merged = merged(&[old, new]).unwrap();
    let (old, new) = (digits("old"), digits("new"));
    assert_eq!(
        merged.tree.dump(),
        format!(
            "\
/usr directory 0755 0:0
/usr/bin directory 0755 0:0
/usr/bin/x file 0644 0:0 3 sha256:{new}
/usr/bin/y file 0644 0:0 3 sha256:{old}
/usr/bin/z hardlink -> /usr/bin/y
"
        )
    );
}

#[test]
fn one_package_for_two_architectures() {
    let x = |architecture: &str, text: &str, multi: &str| {
        deb("x", "1").architecture(architecture).field("Multi-Arch", multi).file("/etc/x", text)
    };
    let lib = |architecture: &str| {
        x(architecture, "x", "same").file(&format!("/usr/lib/{architecture}/x"), architecture)
    };
    assert_eq!(merged(&[lib("amd64"), lib("arm64")]).unwrap().tree.len(), 9);
    merged(&[x("amd64", "x", "same"), x("arm64", "y", "same")]).unwrap_err();
    merged(&[x("amd64", "x", "foreign"), x("arm64", "x", "same")]).unwrap_err();
    let twice = merged(&[lib("amd64"), lib("amd64")]).unwrap_err();
    assert_eq!(twice, MergeError::Twice("x".into()));
}

#[test]
fn diversions_are_noted() {
    let script = "#!/bin/sh\n# dpkg-divert --add /comment\n\
                  dpkg-divert --package x --no-rename \\\n  --divert /a.real --add /a\n\
                  dpkg-divert --remove /old\nif true; then dpkg-divert --truename /b; fi\n";
    let package = deb("x", "1").script("preinst", script).script("postrm", script);
    let diversions = merged(&[package]).unwrap().diversions;
    assert_eq!(diversions.len(), 1);
    assert_eq!(diversions[0].script, "preinst");
    assert_eq!(
        diversions[0].command,
        "dpkg-divert --package x --no-rename --divert /a.real --add /a"
    );
}

#[test]
fn damaged_knowledge_is_an_error() {
    let mut packages = unpacked(&[deb("x", "1").file("/a", "").hard_link("/b", "/a")]);
    packages[0].unpacked.entries.retain(|entry| !matches!(entry.kind, EntryKind::File(_)));
    let error = merge(&[packages[0].member()]).unwrap_err();
    assert_eq!(error, MergeError::Damaged { package: "x".into(), path: path("/b") });
}

/// A change to a tree.
type Change = fn(&mut Tree);

/// Returns the paths that a cut of a segment has.
fn cut_paths(package: &Package, intact: &Intact) -> Vec<String> {
    let bytes = match &intact.cut {
        Cut::Whole => package.segment.clone(),
        Cut::Ranges(ranges) => ranges
            .iter()
            .flat_map(|range| {
                let index = |offset: u64| usize::try_from(offset).unwrap();
                &package.segment[index(range.offset_bytes)..index(range.end_bytes())]
            })
            .copied()
            .collect(),
    };
    let limits = TarLimits { end_marker_required: false, ..TarLimits::default() };
    let mut tar = TarReader::new(&bytes[..], limits);
    let mut paths = Vec::new();
    while let Some(entry) = tar.next_entry().unwrap() {
        paths.push(entry.path.to_string());
    }
    let named: Vec<String> = intact
        .entries
        .iter()
        .map(|&entry| package.unpacked.entries[entry].path.to_string())
        .collect();
    assert_eq!(paths, named);
    paths
}

#[test]
fn segments_are_cut_where_the_tree_differs() {
    let package = deb("a", "1")
        .file("/a", "a")
        .file("/b", "b")
        .hard_link("/b2", "/b")
        .symlink("/c", "a")
        .file("/d", "d");
    let packages = unpacked(&[package, deb("b", "1").file("/e", "e")]);
    let members: Vec<Member<'_>> = packages.iter().map(Package::member).collect();
    let whole = merge(&members).unwrap().tree;
    let changes: [(Change, &[&str]); 9] = [
        (|_| {}, &["/a", "/b", "/b2", "/c", "/d"]),
        (|tree| assert!(tree.remove(&path("/a")) > 0), &["/b", "/b2", "/c", "/d"]),
        (|tree| assert!(tree.remove(&path("/b")) > 0), &["/a", "/c", "/d"]),
        (|tree| assert!(tree.remove(&path("/b2")) > 0), &["/a", "/b", "/c", "/d"]),
        (|tree| tree.metadata_mut(&path("/b")).unwrap().mode = 0o600, &["/a", "/c", "/d"]),
        (|tree| tree.metadata_mut(&path("/c")).unwrap().uid = 1, &["/a", "/b", "/b2", "/d"]),
        (
            |tree| {
                let kind = Kind::File(File::inline(*b"a"));
                let metadata = Metadata::root(0o644, 0);
                let node = Node { metadata, kind, origin: Origin::Definition };
                tree.insert(path("/a"), node).unwrap();
            },
            &["/b", "/b2", "/c", "/d"],
        ),
        (
            |tree| {
                let kind = Kind::Symlink(b"b".into());
                let metadata = Metadata::root(0o777, 0);
                let node = Node { metadata, kind, origin: Origin::Package(0) };
                tree.insert(path("/c"), node).unwrap();
            },
            &["/a", "/b", "/b2", "/d"],
        ),
        (|tree| *tree = Tree::new(), &[]),
    ];
    for (index, (change, expected)) in changes.into_iter().enumerate() {
        let mut tree = whole.clone();
        change(&mut tree);
        let intact = intact(&tree, 0, &members[0]);
        assert_eq!(intact.cut == Cut::Whole, index == 0);
        assert_eq!(cut_paths(&packages[0], &intact), expected, "change {index}");
    }
    // Neighbours are one range.
    let mut tree = whole.clone();
    tree.remove(&path("/c"));
    let Cut::Ranges(ranges) = intact(&tree, 0, &members[0]).cut else { panic!("it is cut") };
    assert_eq!(ranges.len(), 2);
    // Another package's number is another package.
    assert_eq!(intact(&whole, 1, &members[0]).entries, [0; 0]);
    assert_eq!(intact(&whole, 1, &members[1]).cut, Cut::Whole);
}

#[test]
fn redirected_entries_are_not_intact() {
    let links = deb("links", "1").directory("/real").symlink("/alias", "real");
    let packages = unpacked(&[links, deb("files", "1").file("/alias/x", "x").file("/y", "y")]);
    let members: Vec<Member<'_>> = packages.iter().map(Package::member).collect();
    let tree = merge(&members).unwrap().tree;
    assert_eq!(cut_paths(&packages[0], &intact(&tree, 0, &members[0])), ["/alias"]);
    assert_eq!(cut_paths(&packages[1], &intact(&tree, 1, &members[1])), ["/y"]);
}
