// SPDX-License-Identifier: Apache-2.0
//! Files of images into trees.

use hardpan_definition::Artifact;
use hardpan_tree::{File, Kind, Node};

use super::*;
use crate::artifact::PlacedArtifact;

/// Makes a tree of these lines: `path`, `path -> target`, `path = content`.
fn tree(lines: &[&str]) -> Tree {
    let mut tree = Tree::new();
    let root = Metadata::root(0o755, 5);
    for line in lines {
        let (path, kind) = if let Some((path, target)) = line.split_once(" -> ") {
            (path, Kind::Symlink(target.as_bytes().to_vec()))
        } else if let Some((path, text)) = line.split_once(" = ") {
            (path, Kind::File(File::inline(text.as_bytes())))
        } else {
            (*line, Kind::Directory)
        };
        let path = path_of(path);
        let origin = Origin::Definition;
        tree.make_directories(&path.parent().unwrap(), &root, origin).unwrap();
        tree.insert(path, Node { metadata: root.clone(), kind, origin }).unwrap();
    }
    tree
}

/// Returns each path with what it is, and where a link leads.
fn lines(desk: &Desk, tree: &Tree) -> Vec<String> {
    let nodes = tree.walk().filter(|(path, _)| !path.is_root());
    nodes
        .map(|(path, node)| match &node.kind {
            Kind::Directory => path.to_string(),
            Kind::Symlink(target) => format!("{path} -> {}", String::from_utf8_lossy(target)),
            Kind::HardLink(target) => format!("{path} == {target}"),
            Kind::File(_) => format!("{path} = {}", desk.text(tree, &path.to_string())),
        })
        .collect()
}

fn artifact(name: &str, includes: &[&str], excludes: &[&str]) -> Spanned<Artifact> {
    let globs = |list: &[&str]| {
        list.iter().map(|glob| Spanned::new((*glob).to_owned(), Span::default())).collect()
    };
    let value = Artifact {
        name: reference(name),
        includes: globs(includes),
        excludes: globs(excludes),
        uid: 3,
        gid: 4,
    };
    Spanned::new(value, Span::new(0, 20..30))
}

struct Placing {
    desk: Desk,
    locked: Vec<LockedArtifact>,
}

impl Placing {
    fn new(archives: &[Tar]) -> Self {
        let (mut desk, mut locked) = (Desk::new(), Vec::new());
        for (number, archive) in archives.iter().enumerate() {
            let image = OciImage::new("amd64", &[Layer::gzip(&archive.clone().end())], &[]);
            desk.add_layout(&image, &format!("example/image:{number}"));
        }
        for number in 0..archives.len() {
            locked.push(desk.pin(&format!("example/image:{number}"), AMD64).unwrap());
        }
        desk.session().fetch_images(&locked, AMD64).unwrap();
        Self { desk, locked }
    }

    fn place(
        &self,
        tree: &mut Tree,
        artifacts: &[Spanned<Artifact>],
    ) -> Result<Vec<PlacedArtifact>, Error> {
        self.desk.session().place_artifacts(tree, artifacts, &self.locked, 10, ORIGIN)
    }
}

fn sample() -> Tar {
    Tar::default()
        .directory("etc")
        .file("etc/passwd", b"root")
        .file("etc/app.conf", b"x")
        .file("opt/app/bin/a", b"a")
        .hard_link("opt/app/bin/b", "opt/app/bin/a")
        .hard_link("usr/bin/c", "opt/app/bin/a")
        .symlink("bin", "usr/bin")
}

#[test]
fn files_are_chosen_and_merged() {
    let placing = Placing::new(&[sample()]);
    for (summary, base, includes, excludes, expected) in [
        (
            "a directory takes all below",
            &["etc/hosts = h"][..],
            &["etc"][..],
            &["etc/passwd"][..],
            &["/etc", "/etc/app.conf = x", "/etc/hosts = h"][..],
        ),
        (
            "what is below, with the directories above",
            &[],
            &["opt/**"],
            &[],
            &[
                "/opt",
                "/opt/app",
                "/opt/app/bin",
                "/opt/app/bin/a = a",
                "/opt/app/bin/b == /opt/app/bin/a",
            ],
        ),
        (
            "a link whose file is not chosen is the file",
            &[],
            &["usr", "opt/app/bin/b"],
            &[],
            &[
                "/opt",
                "/opt/app",
                "/opt/app/bin",
                "/opt/app/bin/b = a",
                "/usr",
                "/usr/bin",
                "/usr/bin/c == /opt/app/bin/b",
            ],
        ),
        (
            "later overwrites earlier",
            &["etc/app.conf = old", "etc/passwd -> elsewhere"],
            &["/etc/*"],
            &[],
            &["/etc", "/etc/app.conf = x", "/etc/passwd = root"],
        ),
        (
            "through links to directories",
            &["usr/etc", "etc -> usr/etc"],
            &["etc"],
            &["etc/passwd"],
            &["/etc -> usr/etc", "/usr", "/usr/etc", "/usr/etc/app.conf = x"],
        ),
        (
            "in place of a file and of a dead link",
            &["opt = a file", "etc -> nowhere"],
            &["opt/app/bin/a", "etc/passwd"],
            &[],
            &[
                "/etc",
                "/etc/passwd = root",
                "/opt",
                "/opt/app",
                "/opt/app/bin",
                "/opt/app/bin/a = a",
            ],
        ),
        (
            "a link over the same link",
            &["usr/bin", "bin -> usr/bin"],
            &["bin"],
            &[],
            &["/bin -> usr/bin", "/usr", "/usr/bin"],
        ),
        ("a link over an empty directory", &["bin"], &["bin"], &[], &["/bin -> usr/bin"]),
        ("nothing", &["x"], &["none"], &[], &["/x"]),
    ] {
        let mut tree = tree(base);
        let artifact = artifact("example/image:0", includes, excludes);
        let placed = placing.place(&mut tree, &[artifact]).unwrap();
        assert_eq!(lines(&placing.desk, &tree), expected, "{summary}");
        let unmatched = if includes == ["none"] { vec!["none".to_owned()] } else { Vec::new() };
        assert_eq!(placed[0].unmatched, unmatched, "{summary}");
    }
}

#[test]
fn owners_times_and_origins_are_the_definitions() {
    let metadata = Metadata { uid: 9, gid: 9, ..Metadata::root(0o2750, 1_000) };
    let archive = Tar::default().entry("a", &metadata, TarKind::Directory, b"").entry(
        "a/f",
        &Metadata { mtime: 7, mode: 0o640, ..metadata },
        TarKind::File(1),
        b"f",
    );
    let placing = Placing::new(&[archive]);
    // The directory was chosen, or is only on the way.
    for (include, existing, mode) in
        [("a", "0755 3:4", "2750 3:4"), ("a/**", "0755 0:0", "0755 0:0"), ("a/f", "", "2750 3:4")]
    {
        let mut tree = if existing.is_empty() { Tree::new() } else { tree(&["a"]) };
        let placed =
            placing.place(&mut tree, &[artifact("example/image:0", &[include], &[])]).unwrap();
        let digest = &Digest::of(b"f").to_hex()[..12];
        assert_eq!(
            tree.dump(),
            format!("/a directory {mode}\n/a/f file 0640 3:4 1 sha256:{digest}\n"),
            "{include}"
        );
        let node = tree.get(&path_of("a/f")).unwrap();
        assert_eq!((node.origin, node.metadata.mtime), (ORIGIN, 7));
        assert_eq!((placed[0].files, placed[0].size_bytes), (1, 1));
        let directory = tree.get(&path_of("a")).unwrap();
        assert!(directory.metadata.mtime <= 10);
    }
}

#[test]
fn entries_go_in_their_order() {
    let placing = Placing::new(&[
        Tar::default().file("a", b"first").hard_link("b", "a"),
        Tar::default().file("a", b"second"),
    ]);
    let all = |name: &str| artifact(name, &[], &[]);
    let mut one = Tree::new();
    placing.place(&mut one, &[all("example/image:0"), all("example/image:1")]).unwrap();
    assert_eq!(lines(&placing.desk, &one), ["/a = second", "/b = first"]);
    let mut other = Tree::new();
    placing.place(&mut other, &[all("example/image:1"), all("example/image:0")]).unwrap();
    assert_eq!(lines(&placing.desk, &other), ["/a = first", "/b == /a"]);
}

#[test]
fn what_has_no_place_is_an_error() {
    let placing = Placing::new(&[sample()]);
    let place = |base: &[&str], name: &str, includes: &[&str]| {
        let error = placing.place(&mut tree(base), &[artifact(name, includes, &[])]).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Usage, "{error:?}");
        assert_eq!(error.spans().len(), 1);
        words(&error)
    };
    let full = place(&["bin/sh = x"], "example/image:0", &["bin"]);
    assert!(full.contains("/bin of image example/image:0 has no place"), "{full}");
    let circle = place(&["opt -> etc", "etc -> opt"], "example/image:0", &["opt"]);
    assert!(circle.contains("too many symbolic links"), "{circle}");
    let unknown = place(&[], "example/image:9", &["opt"]);
    assert!(unknown.contains("the lock does not have image example/image:9"), "{unknown}");
}
