// SPDX-License-Identifier: Apache-2.0
//! Outputs of stages into images, as trees.

use hardpan_tree::Digest;

use super::*;
use crate::action::Actions;
use crate::finish::testing::{EPOCH, definition, dump, tree};
use crate::stage::plan::plan;
use crate::stage::result::RecordedChange;

fn change(path: &str, kind: RecordedKind) -> RecordedChange {
    RecordedChange { path: TreePath::parse(path).unwrap(), kind }
}

fn file(path: &str, mode: u32, owner: Option<(u32, u32)>) -> RecordedChange {
    let kind = RecordedKind::File {
        mode,
        owner,
        mtime: EPOCH + 100,
        size_bytes: 1,
        digest: Digest::of(path.as_bytes()),
        facts: None,
    };
    change(path, kind)
}

fn directory(path: &str, owner: Option<(u32, u32)>) -> RecordedChange {
    change(path, RecordedKind::Directory { mode: 0o755, owner, is_opaque: false })
}

/// What a step of the tests did to the root below.
fn changes() -> StageChanges {
    StageChanges {
        changes: vec![
            directory("var/cache/app", Some((65_532, 65_532))),
            file("usr/bin/tool", 0o4755, None),
            file("usr/bin/new", 0o755, None),
            change("usr/bin/old", RecordedKind::Removed),
            change(
                "usr/bin/again",
                RecordedKind::HardLink { file: TreePath::literal("usr/bin/new") },
            ),
            file("work/source/x", 0o644, None),
            directory("work/target/conf/a.d", None),
            file("work/target/conf/a.d/1", 0o644, None),
            file("work/target/conf/b", 0o600, Some((7, 8))),
        ],
        left_out: Vec::new(),
    }
}

/// Runs the outputs of one stage over the usual root into an image.
fn run(outputs: &str, image: &[&str]) -> Result<String, Box<StageError>> {
    let text = format!(
        "contents:\n  builds:\n    - name: s\n      pipeline: [{{runs: x}}]\n      outputs:\n{outputs}"
    );
    let plan = plan(&definition(&text), &Actions::default(), false).unwrap();
    let root = tree(&[
        "usr/bin/tool",
        "usr/bin/old",
        "usr/lib/keep",
        "bin->usr/bin",
        "var/cache/app/",
        "work/source/",
        "work/target/conf/",
        "opt/current->../usr/lib",
    ]);
    let changes = changes();
    let end_tree = changes.apply(&root, 0, EPOCH).unwrap();
    let end = StageEnd { stage: &plan.stages[0], tree: &end_tree, changes: &changes, number: 0 };
    let mut image = tree(image);
    take_outputs(&end, &mut image, EPOCH)?;
    Ok(dump(&image))
}

#[test]
fn outputs_go_where_they_should() {
    for (summary, outputs, image, present, absent) in [
        (
            "a file",
            "{source: /usr/bin/new, target: /app/new}",
            &[][..],
            &["/app directory 0755 0:0", "/app/new file 0755 0:0"][..],
            &["/app/tool"][..],
        ),
        (
            "a directory's content, with the owners that steps asked for",
            "{source: '${target.dir}/conf', target: /etc/app}",
            &[],
            &["/etc/app/a.d/1 file 0644 0:0", "/etc/app/b file 0600 7:8"],
            &["/etc/app/conf"],
        ),
        (
            "owner and mode of the output win",
            "{source: '${target.dir}/conf', target: /etc/app, uid: 5, gid: 6, mode: '0640'}",
            &[],
            &[
                "/etc/app/a.d directory 0750 5:6",
                "/etc/app/a.d/1 file 0640 5:6",
                "/etc/app/b file 0640 5:6",
            ],
            &[],
        ),
        (
            "a glob keeps names",
            "{source: '${target.dir}/conf/*', target: /etc}",
            &[],
            &["/etc/a.d/1 file", "/etc/b file"],
            &["/etc/conf"],
        ),
        (
            "a set of letters",
            "{source: '/usr/bin/[a-n]*', target: /x}",
            &[],
            &["/x/new file", "/x/again file"],
            &["/x/tool"],
        ),
        (
            "through a link in the source and in the target",
            "{source: /bin/new, target: /bin/new}",
            &["usr/bin/", "bin->usr/bin"],
            &["/bin symlink", "/usr/bin/new file"],
            &[],
        ),
        (
            "a link to a directory means what is in it",
            "{source: /opt/current, target: /x}",
            &[],
            &["/x/keep file"],
            &[],
        ),
        (
            "only what changed, deletions included, but not the work directories",
            "{source: /, target: /, diff: true}",
            &["usr/bin/tool", "usr/bin/old", "usr/lib/own", "var/cache/app/"],
            &[
                "/usr/bin/tool file 4755",
                "/usr/bin/new file",
                "/usr/lib/own file",
                "/var/cache/app directory 0755 65532:65532",
                "/usr/bin/again hardlink -> /usr/bin/new",
            ],
            &["/usr/bin/old", "/work", "/usr/lib/keep"],
        ),
        (
            "a part of what changed",
            "{source: /usr/bin, target: /opt/bin, diff: true}",
            &[],
            &["/opt/bin/new file", "/opt/bin/tool file"],
            &["/var", "/opt/bin/old"],
        ),
        (
            "a directory never replaces a link to one",
            "{source: /usr/bin, target: /bin}",
            &["usr/bin/mine", "bin->usr/bin"],
            &["/bin symlink", "/usr/bin/mine file", "/usr/bin/tool file"],
            &[],
        ),
    ] {
        let dump = run(&format!("        - {outputs}\n"), image)
            .unwrap_or_else(|error| panic!("{summary}: {error}"));
        for line in present {
            let is_there = dump.lines().any(|found| found.starts_with(line));
            assert!(is_there, "{summary}: no {line} in\n{dump}");
        }
        for path in absent {
            let prefix = format!("{path} ");
            assert!(
                !dump.lines().any(|line| line.starts_with(&prefix)),
                "{summary}: {path} in\n{dump}"
            );
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (summary, outputs, image, expected) in [
        ("missing", "{source: /usr/bin/newer, target: /x}", &[][..], "has no /usr/bin/newer"),
        ("nothing matches", "{source: '/usr/*.so', target: /x}", &[], "has no /usr/*.so"),
        ("no pattern", "{source: '/usr/[a', target: /x}", &[], "has a \"[\" without its"),
        ("deleted", "{source: /usr/bin/old, target: /x}", &[], "has no /usr/bin/old"),
        (
            "over a directory",
            "{source: /usr/bin/new, target: /a}",
            &["a/b"],
            "not empty stands there",
        ),
        ("below a file", "{source: /usr/bin/new, target: /a/b/c}", &["a/b"], "does not fit"),
    ] {
        let error = run(&format!("        - {outputs}\n"), image).unwrap_err();
        assert!(error.to_string().contains(expected), "{summary}: {error}");
    }
    let error = run("        - {source: /usr/bin/newest, target: /x}\n", &[]).unwrap_err();
    assert_eq!(error.hints(), ["did you mean /usr/bin/new?"]);
}

#[test]
fn other_names_of_a_file_keep_what_they_had() {
    let linked = || {
        let mut tree = tree(&["usr/bin/one", "usr/bin/tool"]);
        let node = tree.get(&TreePath::literal("usr/bin/one")).unwrap().clone();
        for name in ["usr/bin/three", "usr/bin/two"] {
            let kind = Kind::HardLink(TreePath::literal("usr/bin/one"));
            tree.insert(TreePath::literal(name), Node { kind, ..node.clone() }).unwrap();
        }
        tree
    };
    let changes = StageChanges {
        changes: vec![file("usr/bin/one", 0o755, None), file("usr/bin/three", 0o750, None)],
        left_out: Vec::new(),
    };
    let check = |tree: &Tree| {
        let text = |path: &'static str| {
            let path = TreePath::literal(path);
            tree.file(&path).map(|(node, file)| (node.metadata.mode, file.digest)).unwrap()
        };
        let digest = |text: &str| Digest::of(text.as_bytes());
        assert_eq!(text("usr/bin/one"), (0o755, digest("usr/bin/one")));
        assert_eq!(text("usr/bin/three"), (0o750, digest("usr/bin/three")));
        // The file of the tree has its own name in it, too.
        let two = tree.get(&TreePath::literal("usr/bin/two")).unwrap();
        assert_eq!(two.metadata.mode, 0o644);
        assert!(matches!(two.kind, Kind::File(_)), "{two:?}");
    };
    let end_tree = changes.apply(&linked(), 0, EPOCH).unwrap();
    check(&end_tree);
    let text = "contents:\n  builds:\n    - name: s\n      pipeline: [{runs: x}]\n      outputs: [{source: /, target: /, diff: true}]\n";
    let plan = plan(&definition(text), &Actions::default(), false).unwrap();
    let end = StageEnd { stage: &plan.stages[0], tree: &end_tree, changes: &changes, number: 0 };
    let mut image = linked();
    take_outputs(&end, &mut image, EPOCH).unwrap();
    check(&image);
}

#[test]
fn runs_that_differ_are_told_apart() {
    let one = changes();
    let mut other = changes();
    assert!(one.differences(&other).is_empty());
    other.changes.remove(1);
    let RecordedKind::File { digest, .. } = &mut other.changes[1].kind else { panic!("a file") };
    *digest = Digest::of(b"other");
    other.changes.push(file("zz", 0o644, None));
    let found: Vec<String> =
        one.differences(&other).into_iter().map(|(path, how)| format!("{path}: {how}")).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("/usr/bin/new: 1 bytes sha256:"), "{found:?}");
    assert_eq!(found[1], "/usr/bin/tool: only one run made it");
    assert_eq!(found[2], "/zz: only one run made it");
}
