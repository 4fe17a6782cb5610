// SPDX-License-Identifier: Apache-2.0
//! Merging Alpine's packages.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_support;

use apk_support::unpacked;
use hardpan_package::merge::{Member, MergeError, Merged, merge};
use hardpan_package::segment::Unpacked;
use hardpan_testkit::apk::{Apk, apk};
use hardpan_tree::{Digest, Kind, Origin, TreePath};

fn unpacked_all(packages: &[Apk]) -> Vec<Unpacked> {
    packages.iter().map(|package| unpacked(&package.build()).unwrap().0).collect()
}

fn merged(packages: &[Unpacked]) -> Result<Merged, MergeError> {
    let members: Vec<Member<'_>> = packages
        .iter()
        .map(|unpacked| Member { unpacked, segment: unpacked.segment_digest })
        .collect();
    merge(&members)
}

/// Returns whose file `f` is in the tree: the packages' text, or the error.
fn winner(packages: &[Apk]) -> Result<String, String> {
    let unpacked = unpacked_all(packages);
    let mut reversed = unpacked.clone();
    reversed.reverse();
    let owner = |packages: &[Unpacked]| {
        let merged = merged(packages).map_err(|error| error.to_string())?;
        let node = merged.tree.get(&TreePath::parse("f").unwrap()).unwrap();
        let Origin::Package(number) = node.origin else { panic!("{node:?}") };
        let owner = &packages[usize::try_from(number).unwrap()].name;
        let Kind::File(file) = &node.kind else { panic!("{node:?}") };
        assert_eq!(file.digest, Digest::of(owner.as_bytes()));
        for replaced in &merged.replaced {
            assert_eq!(replaced.path.to_string(), "/f");
        }
        Ok(owner.clone())
    };
    let found: Result<String, String> = owner(&unpacked);
    assert_eq!(found, owner(&reversed), "the order in which packages are given matters");
    found
}

/// A package whose file `f` has its name as content.
fn with_file(name: &str, version: &str) -> Apk {
    apk(name, version).file("f", name)
}

#[test]
fn files_go_to_the_package_that_replaces_the_other() {
    let (a, b) = (|| with_file("a", "1.0-r0"), || with_file("b", "2.0-r0"));
    let a_won: Result<&str, &str> = Ok("a");
    let b_won = Ok("b");
    let conflict = Err("/f is in both a 1.0-r0 and b 2.0-r0, and neither replaces the other");
    for (packages, expected, summary) in [
        ([a(), b()], conflict, "nothing says so"),
        ([a().replaces("b"), b()], a_won, "the first replaces"),
        ([a(), b().replaces("a")], b_won, "the second replaces"),
        ([a().replaces("x y b z"), b()], a_won, "one of several"),
        ([a().replaces("b<2.0-r1"), b()], a_won, "an older version"),
        ([a().replaces("b<2.0"), b()], conflict, "not that version"),
        ([a().replaces("b=2.0-r0"), b()], a_won, "this version"),
        ([a().replaces("b~2"), b()], a_won, "any such version"),
        ([a().replaces("b>2.0-r0"), b()], conflict, "a newer version"),
        ([a().replaces("!b"), b()], conflict, "what must not be there is not replaced"),
        ([a().replaces("!x"), b()], conflict, "what must not be there is not replaced"),
        ([a().replaces("b<one"), b()], conflict, "what can't be read replaces nothing"),
        ([a().replaces("v"), b().provides("v=1")], conflict, "only names of packages count"),
        ([a().replaces("b"), b().replaces("a")], b_won, "both: the later one"),
        (
            [a().replaces("b").replaces_priority(2), b().replaces("a").replaces_priority(1)],
            a_won,
            "both: the higher priority",
        ),
        (
            [a().replaces("b").replaces_priority(1), b().replaces("a").replaces_priority(2)],
            b_won,
            "both: the higher priority",
        ),
        ([a().replaces_priority(9), b().replaces("a")], b_won, "a priority alone is nothing"),
        ([a().replaces_priority(9), b()], conflict, "a priority alone is nothing"),
        ([a().origin("o"), b().origin("o")], b_won, "one source: the later one"),
        ([a().origin("o").replaces("b"), b().origin("o")], a_won, "one source, and replaces"),
        ([a().origin("o"), b().origin("p")], conflict, "two sources"),
        ([a().origin("b"), b()], conflict, "a source that is not named"),
        ([a().field("origin", ""), b().field("origin", "")], conflict, "no source"),
    ] {
        let found = winner(&packages);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{summary}");
    }
}

#[test]
fn what_is_replaced_is_reported() {
    let packages =
        unpacked_all(&[with_file("a", "1"), with_file("b", "1").replaces("a").file("g", "g")]);
    let merged = merged(&packages).unwrap();
    let replaced: Vec<_> = merged
        .replaced
        .iter()
        .map(|r| (r.path.to_string(), r.winner.as_str(), r.loser.as_str()))
        .collect();
    assert_eq!(replaced, [("/f".to_owned(), "b", "a")]);
    assert_eq!(merged.tree.len(), 3);
}

#[test]
fn the_base_layout_comes_first() {
    let directory = |name: &str, mode: u32| apk(name, "1").directory("tmp").mode(mode);
    for (packages, expected, summary) in [
        (
            vec![directory("a", 0o755), directory("alpine-baselayout", 0o1777)],
            0o1777,
            "the base layout",
        ),
        (vec![directory("b", 0o700), directory("a", 0o755)], 0o755, "else by name"),
        (
            vec![directory("a", 0o755), directory("b", 0o700).replaces_priority(1)],
            0o700,
            "the higher priority",
        ),
        (
            vec![
                directory("a", 0o755),
                directory("b", 0o755).replaces_priority(5),
                directory("c", 0o700).replaces_priority(3),
            ],
            0o755,
            "the highest priority of three",
        ),
        (
            vec![
                directory("alpine-baselayout", 0o1777),
                directory("b", 0o700).replaces_priority(1),
            ],
            0o700,
            "a priority, also before the base layout",
        ),
        (
            vec![directory("x-a", 0o755).origin("x-b"), directory("x-b", 0o700).origin("x-b")],
            0o700,
            "the package that is named like the source",
        ),
        (
            vec![directory("x-a", 0o755).origin("x-a"), directory("x-b", 0o700).origin("x-a")],
            0o755,
            "the package that is named like the source",
        ),
        (
            vec![directory("a", 0o755).origin("x"), directory("b", 0o700).origin("b")],
            0o755,
            "another source",
        ),
    ] {
        let unpacked = unpacked_all(&packages);
        let merged = merged(&unpacked).unwrap();
        let mode = merged.tree.get(&TreePath::parse("tmp").unwrap()).unwrap().metadata.mode;
        assert_eq!(mode, expected, "{summary}");
    }
}

#[test]
fn files_and_directories_do_not_mix() {
    for packages in [
        [apk("a", "1").file("x", ""), apk("b", "1").file("x/y", "").replaces("a")],
        [apk("a", "1").directory("x").origin("o"), apk("b", "1").file("x", "").origin("o")],
    ] {
        let error = merged(&unpacked_all(&packages)).unwrap_err();
        assert!(matches!(error, MergeError::NotADirectory { .. }), "{error}");
    }
}

#[test]
fn a_link_to_a_replaced_file_keeps_its_content() {
    let packages = unpacked_all(&[
        apk("a", "1").file("f", "a's").hard_link("g", "f"),
        apk("b", "1").file("f", "b's").replaces("a"),
    ]);
    let tree = merged(&packages).unwrap().tree;
    for (path, content) in [("f", "b's"), ("g", "a's")] {
        let (_, file) = tree.file(&TreePath::parse(path).unwrap()).unwrap();
        assert_eq!(file.digest, Digest::of(content.as_bytes()), "{path}");
    }
}
