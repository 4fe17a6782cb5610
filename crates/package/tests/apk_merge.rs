// SPDX-License-Identifier: Apache-2.0
//! Alpine's packages in one tree.

#![allow(clippy::unwrap_used, reason = "test code: panics are for the one who runs it")]

use hardpan_package::apk::unpack::unpack;
use hardpan_package::merge::{Member, MergeError, Merged, merge};
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_testkit::apk::{Apk, apk};
use hardpan_tree::{Origin, TreePath};

fn run(packages: &[Apk]) -> Result<Merged, MergeError> {
    let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
    let unpacked: Vec<Unpacked> = packages
        .iter()
        .map(|package| unpack(&mut &package.build()[..], &options, &mut Vec::new()).unwrap())
        .collect();
    let member = |unpacked| Member { unpacked, segment: unpacked.segment_digest };
    merge(&unpacked.iter().map(member).collect::<Vec<_>>())
}

#[test]
fn who_gets_a_file_of_two() {
    let package = |name: &str, fields: &[(&str, &str)]| {
        let package = apk(name, "2.0-r1").directory("usr").file("/usr/x", name);
        fields.iter().fold(package, |package, (name, value)| package.field(name, value))
    };
    for (summary, first, second, expected) in [
        ("nobody", &[][..], &[][..], None),
        ("the second", &[], &[("replaces", "a")], Some(1)),
        ("the first", &[("replaces", "b")], &[], Some(0)),
        ("some versions", &[], &[("replaces", "x a<3")], Some(1)),
        ("other versions", &[], &[("replaces", "a<2")], None),
        ("another package", &[], &[("replaces", "c")], None),
        ("a name that is provided", &[("provides", "c")], &[("replaces", "c")], None),
        ("no list", &[], &[("replaces", "a>=>")], None),
        (
            "the higher priority",
            &[("replaces", "b"), ("replaces_priority", "5")],
            &[("replaces", "a"), ("replaces_priority", "10")],
            Some(1),
        ),
        ("one source", &[("origin", "s")], &[("origin", "s")], Some(0)),
        ("two sources", &[("origin", "s")], &[("origin", "t")], None),
        (
            "one source, and a word about it",
            &[("origin", "s")],
            &[("origin", "s"), ("replaces", "a")],
            Some(1),
        ),
    ] {
        let merged = run(&[package("a", first), package("b", second)]);
        match expected {
            Some(number) => {
                let merged = merged.unwrap();
                let node = merged.tree.get(&TreePath::literal("usr/x")).unwrap();
                assert_eq!(node.origin, Origin::Package(number), "{summary}");
                assert_eq!(merged.replaced.len(), 1, "{summary}");
            }
            None => assert!(matches!(merged, Err(MergeError::Conflict { .. })), "{summary}"),
        }
    }
}
