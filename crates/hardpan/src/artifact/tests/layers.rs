// SPDX-License-Identifier: Apache-2.0
//! Layers on one another.

use hardpan_tree::Facts;

use super::*;

/// Returns path and kind of each node.
fn shape(tree: &Tree) -> String {
    let dump = tree.dump();
    let lines = dump.lines().map(|line| {
        let path = line.split(' ').next().unwrap();
        let link = line.split_once(" -> ").map(|(_, target)| format!("->{target}"));
        format!("{path}{}", link.unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join(" ")
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn upper_layers_change_lower_ones() {
    let tar = Tar::default;
    let base = || {
        tar().directory("usr").directory("usr/bin").file("usr/bin/a", b"a").file("usr/bin/b", b"b")
    };
    for (summary, layers, expected) in [
        ("one layer", vec![base()], "/usr /usr/bin /usr/bin/a /usr/bin/b"),
        ("no layers", vec![], ""),
        ("a missing parent is made", vec![tar().file("a/b/c", b"")], "/a /a/b /a/b/c"),
        ("a whiteout", vec![base(), tar().file("usr/bin/.wh.a", b"")], "/usr /usr/bin /usr/bin/b"),
        ("a whiteout of a directory", vec![base(), tar().file("usr/.wh.bin", b"")], "/usr"),
        (
            "a whiteout of nothing",
            vec![base(), tar().file("usr/.wh.x", b"").file("y/z/.wh.x", b"")],
            "/usr /usr/bin /usr/bin/a /usr/bin/b",
        ),
        (
            "an opaque directory, whose marker comes last",
            vec![base(), tar().file("usr/bin/c", b"c").file("usr/bin/.wh..wh..opq", b"")],
            "/usr /usr/bin /usr/bin/c",
        ),
        ("an opaque root", vec![base(), tar().file(".wh..wh..opq", b"").file("x", b"")], "/x"),
        (
            "a whiteout spares its own layer",
            vec![base(), tar().file("usr/bin/a", b"new").file("usr/bin/.wh.a", b"")],
            "/usr /usr/bin /usr/bin/a /usr/bin/b",
        ),
        (
            "marks of a storage",
            vec![base(), tar().file("usr/.wh..wh.plnk", b"").file("usr/.wh..wh.aufs", b"")],
            "/usr /usr/bin /usr/bin/a /usr/bin/b",
        ),
        ("a file in place of a directory", vec![base(), tar().file("usr", b"")], "/usr"),
        (
            "a directory in place of a file",
            vec![base(), tar().file("usr/bin/a/x", b"").directory("y")],
            "not a directory",
        ),
        (
            "a directory in place of a file, said so",
            vec![base(), tar().directory("usr/bin/a").file("usr/bin/a/x", b"")],
            "/usr /usr/bin /usr/bin/a /usr/bin/a/x /usr/bin/b",
        ),
        (
            "neighbors that sort between",
            vec![
                tar().file("lib/x", b"").file("lib-x", b"").file("lib0", b""),
                tar().file(".wh.lib", b""),
            ],
            "/lib-x /lib0",
        ),
        (
            "through a link of a lower layer",
            vec![base().symlink("bin", "usr/bin"), tar().file("bin/c", b"").file("bin/.wh.a", b"")],
            "/bin->usr/bin /usr /usr/bin /usr/bin/b /usr/bin/c",
        ),
        (
            "a link that leads out stays inside",
            vec![tar().symlink("out", "../../../etc"), tar().file("out/passwd", b"")],
            "/etc /etc/passwd /out->../../../etc",
        ),
        (
            "a directory in place of a link",
            vec![base().symlink("bin", "usr/bin"), tar().directory("bin").file("bin/c", b"")],
            "/bin /bin/c /usr /usr/bin /usr/bin/a /usr/bin/b",
        ),
        (
            "hard links in and across layers",
            vec![base().hard_link("usr/bin/0", "usr/bin/a"), tar().hard_link("z", "usr/bin/0")],
            "/usr /usr/bin /usr/bin/0 /usr/bin/a->/usr/bin/0 /usr/bin/b /z->/usr/bin/0",
        ),
        (
            "a hard link outlives its file",
            vec![base().hard_link("z", "usr/bin/a"), tar().file("usr/bin/.wh.a", b"")],
            "/usr /usr/bin /usr/bin/b /z",
        ),
        ("a hard link to a link", vec![tar().symlink("a", "b").hard_link("c", "a")], "/a->b /c->b"),
    ] {
        let archives: Vec<Vec<u8>> = layers.into_iter().map(Tar::end).collect();
        let found = match stacked(&archives) {
            Ok((_, image)) => shape(&image.tree),
            Err(error) if words(&error).contains("not a directory") => "not a directory".into(),
            Err(error) => words(&error),
        };
        assert_eq!(found, expected, "{summary}");
    }
}

#[test]
fn contents_are_those_of_the_layer_on_top() {
    let (desk, image) = stacked(&[
        Tar::default().file("a", b"old").hard_link("b", "a").file("c", b"c").end(),
        Tar::default().file("a", b"new").end(),
    ])
    .unwrap();
    for (path, text) in [("a", "new"), ("b", "old"), ("c", "c")] {
        assert_eq!(desk.text(&image.tree, path), text, "{path}");
    }
    assert!(image.tree.walk().skip(1).all(|(_, node)| node.origin == ORIGIN));
}

#[test]
fn metadata_is_kept() {
    let mut metadata = Metadata { mode: 0o4751, uid: 70_000, gid: 12, ..Metadata::root(0, 99) };
    for (name, value) in [
        ("security.capability", &b"\x01\0\0\x02"[..]),
        ("user.overlay.opaque", b"y"),
        ("trusted.overlay.redirect", b"/etc"),
    ] {
        metadata.xattrs.insert(name.into(), value.to_vec());
    }
    let tar = Tar::default()
        .entry("d", &Metadata { mode: 0o1777, ..metadata.clone() }, TarKind::Directory, b"")
        .entry("f", &metadata, TarKind::File(9), b"#!/bin/x\n")
        .end();
    let (_, image) = stacked(&[tar]).unwrap();
    let attribute = "security.capability=\x01\0\0\x02";
    assert_eq!(
        image.tree.dump(),
        format!(
            "/d directory 1777 70000:12 {attribute}\n\
             /f file 4751 70000:12 9 sha256:{} {attribute}\n",
            &Digest::of(b"#!/bin/x\n").to_hex()[..12]
        )
    );
    let (node, file) = image.tree.file(&path_of("f")).unwrap();
    assert_eq!(node.metadata.mtime, 99);
    assert_eq!(file.facts.as_deref(), Some(&Facts::Script("/bin/x".into())));
}

#[test]
fn programs_are_recognised() {
    let Ok(program) = std::fs::read("/proc/self/exe") else {
        eprintln!("skipped: programs_are_recognised because /proc is not mounted");
        return;
    };
    let (_, image) = stacked(&[Tar::default().file("x", &program).end()]).unwrap();
    let (_, file) = image.tree.file(&path_of("x")).unwrap();
    let Some(Facts::Elf(elf)) = file.facts.as_deref() else { panic!("{:?}", file.facts) };
    assert!(elf.needed.iter().any(|name| name.starts_with("libc.")));
}

#[test]
fn all_compressions_give_the_same() {
    let tar = Tar::default().file("a", &vec![b'a'; 300_000]).symlink("b", "a").end();
    let dumps = [Layer::plain(tar.clone()), Layer::gzip(&tar), Layer::zstd(&tar)].map(|layer| {
        let (desk, image) = pulled(&OciImage::new("amd64", &[layer], &[])).unwrap();
        assert_eq!(desk.text(&image.tree, "a").len(), 300_000);
        image.tree.dump()
    });
    assert!(dumps.windows(2).all(|pair| pair[0] == pair[1]), "{dumps:?}");
    let docker = Layer {
        media_type: "application/vnd.docker.image.rootfs.diff.tar.gzip".into(),
        ..Layer::gzip(&tar)
    };
    assert_eq!(pulled(&OciImage::new("amd64", &[docker], &[])).unwrap().1.tree.dump(), dumps[0]);
}

#[test]
fn a_layer_is_unpacked_once() {
    let tar = Tar::default().file("a", b"a").end();
    let image = OciImage::new("amd64", &[Layer::gzip(&tar)], &["PATH=/bin", "A=b=c", "odd", "=x"]);
    let mut desk = Desk::new();
    let layout = desk.add_layout(&image, "example/image:1");
    desk.pull("example/image:1").unwrap();
    let locked = desk.pin("example/image:1", AMD64).unwrap();
    // Neither the layout nor the compressed layer is needed from now on.
    desk.stages.artifact_layouts.clear();
    std::fs::remove_dir_all(layout).unwrap();
    let layer = Digest::of(&Layer::gzip(&tar).bytes);
    desk.store.remove_blob(&layer).unwrap();
    desk.session().fetch_images(std::slice::from_ref(&locked), AMD64).unwrap();
    let tree = desk.session().image_tree(&locked, ORIGIN).unwrap().tree;
    assert_eq!(desk.text(&tree, "a"), "a");
    let config = desk.session().image_config(&locked).unwrap();
    let environment = crate::artifact::environment(&config);
    let pairs: Vec<_> = environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(pairs, [("A", "b=c"), ("PATH", "/bin")]);
    // The segment is as good as any of a package.
    assert!(desk.store.verify(false).unwrap().damaged.is_empty());
}
