// SPDX-License-Identifier: Apache-2.0
//! What the solver chooses and refuses, on small indexes.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

mod solve_support;

use hardpan_package::solve::{IndexRef, RelationField, RequestProblem, SolveError, solve};
use solve_support::{index, names, packages, result, task, try_solve};

#[test]
fn dependencies() {
    for (summary, lines, words, wanted) in [
        ("nothing", "a 1", "", ""),
        ("one", "a 1", "a", "a=1"),
        ("chain", "a 1; Depends: b\nb 1; Pre-Depends: c\nc 1", "a", "a=1 b=1 c=1"),
        ("loop", "a 1; Depends: b\nb 1; Depends: a", "a", "a=1 b=1"),
        ("itself", "a 1; Depends: a (>= 1), v; Provides: v", "a", "a=1"),
        ("newest", "a 1\na 3\na 2", "a", "a=3"),
        ("no Recommends", "a 1; Recommends: b; Suggests: c\nb 1\nc 1", "a", "a=1"),
        ("no Essential set", "a 1\nb 1; Essential: yes", "a", "a=1"),
        ("first alternative", "a 1; Depends: b | c\nb 1\nc 1", "a", "a=1 b=1"),
        ("first that exists", "a 1; Depends: b | c\nc 1", "a", "a=1 c=1"),
        ("first that is installable", "a 1; Depends: b | c\nb 1; Depends: x\nc 1", "a", "a=1 c=1"),
        ("what is there anyway", "a 1; Depends: b | c\nb 1\nc 1", "a c", "a=1 c=1"),
        ("old if the newest cannot be", "a 1; Depends: b (<< 2)\nb 1\nb 2", "a", "a=1 b=1"),
        (
            "another alternative before an old version",
            "a 1; Depends: b (<< 2) | c\nb 1\nb 2\nc 1",
            "a",
            "a=1 c=1",
        ),
        (
            "versions",
            "a 1; Depends: b (>= 1:2), b (<< 1:3)\nb 2\nb 1:2.5\nb 1:3",
            "a",
            "a=1 b=1:2.5",
        ),
        (
            "virtual: the real package first",
            "a 1; Depends: v\nb 1; Provides: v; Priority: required\nv 1",
            "a",
            "a=1 v=1",
        ),
        (
            "virtual: priority, then name",
            "a 1; Depends: v\nb 1; Provides: v\nc 1; Provides: v; Priority: required\n\
             d 1; Provides: v; Priority: required",
            "a",
            "a=1 c=1",
        ),
        ("versioned Provides", "a 1; Depends: v (>= 2)\nb 1; Provides: v (= 2)", "a", "a=1 b=1"),
        (
            "versioned Provides, which one",
            "a 1; Depends: v (>= 2)\nb 1; Provides: v\nc 1; Provides: v (= 1)\nd 1; Provides: v (= 3)",
            "a",
            "a=1 d=1",
        ),
        (
            "qualifiers",
            "a 1; Depends: b:any, c:amd64, d:native\nb 1\nc 1\nd 1",
            "a",
            "a=1 b=1 c=1 d=1",
        ),
        (
            "architecture lists",
            "a 1; Depends: b [amd64], c [arm64], d [!amd64] | e\nb 1\nc 1\nd 1\ne 1",
            "a",
            "a=1 b=1 e=1",
        ),
        ("architecture all", "a 1; Architecture: all", "a", "a=1"),
        ("the only provider of a request", "a 1; Provides: v", "v", "a=1"),
        ("same request twice", "a 1", "a a", "a=1"),
    ] {
        assert_eq!(result(lines, words), wanted, "{summary}");
    }
}

#[test]
fn conflicts() {
    for (summary, lines, words, wanted) in [
        ("another alternative", "a 1; Depends: b | c; Conflicts: b\nb 1\nc 1", "a", "a=1 c=1"),
        ("from the other side", "a 1; Depends: b | c\nb 1; Breaks: a\nc 1", "a", "a=1 c=1"),
        ("versions", "a 1; Depends: b; Breaks: b (>= 2)\nb 1\nb 2", "a", "a=1 b=1"),
        ("itself", "a 1; Conflicts: a, v; Provides: v", "a", "a=1"),
        (
            "all other providers",
            "a 1; Conflicts: v; Provides: v; Depends: x\nx 1; Depends: b | c\nb 1; Provides: v\nc 1",
            "a",
            "a=1 c=1 x=1",
        ),
        (
            "versioned ones leave unversioned Provides alone",
            "a 1; Depends: b; Conflicts: v (<< 2)\nb 1; Provides: v",
            "a",
            "a=1 b=1",
        ),
        (
            "versioned ones hit versioned Provides",
            "a 1; Depends: b | c; Conflicts: v (<< 2)\nb 1; Provides: v (= 1)\nc 1",
            "a",
            "a=1 c=1",
        ),
        (
            "backtracking over several steps",
            "a 1; Depends: b | c, d\nb 1; Depends: e\ne 1\nd 1; Depends: f\nf 1; Conflicts: e\nc 1",
            "a",
            "a=1 c=1 d=1 f=1",
        ),
    ] {
        assert_eq!(result(lines, words), wanted, "{summary}");
    }
}

/// Mistakes that other solvers made.
#[test]
fn known_mistakes_of_others() {
    // bazel-contrib/rules_distroless issues 212 and 265: a lone Provides must not outrank the
    // package of that name.
    let codec = "ffmpeg 7; Depends: libavcodec61 (= 7)\n\
                 libavcodec-extra61 7; Provides: libavcodec61 (= 7)\nlibavcodec61 7";
    assert_eq!(result(codec, "ffmpeg"), "ffmpeg=7 libavcodec61=7");
    let unversioned = codec.replace("libavcodec61 (= 7)", "libavcodec61");
    assert_eq!(result(&unversioned, "ffmpeg"), "ffmpeg=7 libavcodec61=7");
    // Issue 274: with main and security together the provider's newer version is taken.
    let main = index("a 1; Depends: v\nb 1; Provides: v");
    let security = index("b 1.1; Provides: v");
    for indexes in [[&main, &security], [&security, &main]] {
        assert_eq!(names(&try_solve(&indexes, "a").unwrap()), "a=1 b=1.1");
    }
    // Pull request 146: bash needs awk, for which mawk stands by its priority.
    let awk = "bash 5; Depends: base-files\nbase-files 13; Pre-Depends: awk\n\
               gawk 5; Provides: awk\nmawk 1; Provides: awk; Priority: required\n\
               original-awk 1; Provides: awk";
    assert_eq!(result(awk, "bash"), "base-files=13 bash=5 mawk=1");
}

const AWK: &str = "base-files 13; Pre-Depends: awk\nmawk 1; Provides: awk; Priority: required\n\
    original-awk 1; Provides: awk\ngawk 5; Provides: awk; Depends: libmpfr\nlibmpfr 4\n\
    tool 1; Depends: gawk (>= 4), mawk (>= 7)";

#[test]
fn exclusions() {
    for (summary, lines, words, wanted) in [
        ("unknown names", "a 1; Depends: b\nb 1", "a !glibc !nothing", "a=1 b=1"),
        ("a dependency", "a 1; Depends: b (>= 9), c\nb 1; Depends: d\nc 1\nd 1", "a !b", "a=1 c=1"),
        ("a dependency that does not exist", "a 1; Depends: b", "a !b", "a=1"),
        ("a request wins", "a 1; Depends: b\nb 1", "a b !b", "a=1 b=1"),
        ("virtual", AWK, "base-files !mawk !original-awk", "base-files=13"),
        ("virtual by its own name", AWK, "base-files !awk", "base-files=13"),
        ("virtual, not excluded", AWK, "base-files", "base-files=13 mawk=1"),
        (
            "virtual, other provider requested",
            AWK,
            "base-files gawk !mawk !original-awk",
            "base-files=13 gawk=5 libmpfr=4",
        ),
        ("virtual and a name", AWK, "tool !mawk", "gawk=5 libmpfr=4 tool=1"),
        ("explicit wins over virtual", AWK, "base-files mawk !mawk", "base-files=13 mawk=1"),
        (
            "versioned Provides of an excluded package",
            "a 1; Depends: v (>= 2)\nb 1; Provides: v (= 1)\nc 1; Provides: v (= 2)",
            "a !b",
            "a=1 c=1",
        ),
        ("an alternative", "a 1; Depends: b | c\nb 1\nc 1", "a !c", "a=1"),
        ("no conflict with what is not there", "a 1; Depends: b; Conflicts: b\nb 1", "a !b", "a=1"),
    ] {
        assert_eq!(result(lines, words), wanted, "{summary}");
    }
}

#[test]
fn dropped_dependencies_are_named() {
    let index = index(AWK);
    let dropped = |words: &str| -> Vec<String> {
        let solution = try_solve(&[&index], words).unwrap();
        let show = |d: &hardpan_package::solve::Dropped| {
            format!("{} {}: {} by {}", d.package, d.field, d.relation, d.excluded)
        };
        solution.dropped.iter().map(show).collect()
    };
    assert_eq!(dropped("base-files"), [""; 0]);
    assert_eq!(dropped("base-files !mawk"), ["base-files Pre-Depends: awk by mawk"]);
    // What the solution has anyway is not dropped.
    assert_eq!(dropped("base-files gawk !mawk"), [""; 0]);
    assert_eq!(
        dropped("tool !mawk !gawk"),
        ["tool Depends: gawk (>= 4) by gawk", "tool Depends: mawk (>= 7) by mawk"]
    );
}

#[test]
fn versions_and_pins() {
    let lines = "a 1; Depends: b (= 1)\na 2; Depends: b (= 2)\nb 1\nb 2\nc 1; Depends: b";
    for (words, wanted) in [
        ("a", "a=2 b=2"),
        ("a=1", "a=1 b=1"),
        ("a=01-0", "a=1 b=1"), // equal for dpkg
        ("a c b=1", "a=1 b=1 c=1"),
        ("c b=1", "b=1 c=1"),
        ("a ~b=1", "a=2 b=2"), // preferred, but not possible with the newest a
        ("c ~b=1", "b=1 c=1"),
        ("c ~b=7 ~x=1", "b=2 c=1"),
        ("c b=2 ~b=1", "b=2 c=1"),
    ] {
        assert_eq!(result(lines, words), wanted, "{words}");
    }
}

#[test]
fn several_indexes() {
    let main = index("a 1; Depends: b\nb 1\nc 1; Section: first");
    let updates = index("b 2\nc 1; Section: second");
    let solution = try_solve(&[&main, &updates], "a c").unwrap();
    assert_eq!(names(&solution), "a=1 b=2 c=1");
    let indexes: Vec<usize> = solution.packages.iter().map(|chosen| chosen.index).collect();
    assert_eq!(indexes, [0, 1, 0], "of equal versions the one of the first index");
    // A lower priority loses against an older version, a higher one wins.
    for (priority, wanted) in [(100, "a=1 b=1"), (500, "a=1 b=2"), (900, "a=1 b=2")] {
        let second = IndexRef { index: &updates, priority };
        let solution = solve(&[IndexRef::new(&main), second], &task("a")).unwrap();
        assert_eq!(names(&solution), wanted, "{priority}");
    }
    // ... but is there when it is needed.
    let backports = IndexRef { index: &updates, priority: 100 };
    let solution = solve(&[IndexRef::new(&main), backports], &task("b=2")).unwrap();
    assert_eq!(names(&solution), "b=2");
}

#[test]
fn other_architectures_do_not_count() {
    let lines = "a 1; Depends: b:arm64\nb 1";
    assert!(result(lines, "a").contains("a 1 needs b:arm64"), "{}", result(lines, "a"));
    assert_eq!(result("a 1; Architecture: arm64", "a"), "no package is named \"a\"");
    assert_eq!(result("a 1; Architecture: arm64\na 0.5", "a"), "a=0.5");
}

#[test]
fn the_order_of_requests_does_not_matter() {
    let lines = "a 1; Depends: x | y\nb 1; Depends: y | x\nx 1\ny 1\nc 1; Depends: v\n\
                 p 1; Provides: v\nq 1; Provides: v";
    let index = index(lines);
    let first = try_solve(&[&index], "a b c q").unwrap();
    for words in ["q c b a", "c a q b", "b a c q a"] {
        assert_eq!(names(&try_solve(&[&index], words).unwrap()), names(&first), "{words}");
    }
}

#[test]
fn bad_requests_are_all_named() {
    let lines = "python3.13 3.13.5\npython3 3.13\nnginx 1.26\nnginx 1.28\ncurl 8\n\
                 exim4 1; Provides: mail-transport-agent\n\
                 postfix 1; Provides: mail-transport-agent; Priority: standard";
    let error =
        try_solve(&[&index(lines)], "curl python3.14 nginx=1.27 mail-transport-agent ngnix !x")
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no package is named \"python3.14\"; near names: python3.13, python3\n\
         nginx has no version \"1.27\"; available: 1.28, 1.26\n\
         \"mail-transport-agent\" is a virtual package; request one that provides it: postfix, exim4\n\
         no package is named \"ngnix\"; near names: nginx"
    );
    let SolveError::Requests(problems) = error else { panic!("{error:?}") };
    let sources: Vec<usize> = problems.iter().map(RequestProblem::source_number).collect();
    assert_eq!(sources, [1, 2, 3, 4]);
    for words in ["", "a"] {
        let no_index = solve(&[], &task(words));
        assert_eq!(no_index.is_ok(), words.is_empty());
    }
}

#[test]
fn unsolvable_tasks_are_explained() {
    for (lines, words, sources, wanted) in [
        (
            "a 1; Depends: b (>= 2), c\nb 1\nc 1",
            "c a",
            &[1][..],
            "- a is requested\n  - a 1 needs b (>= 2), but b is available as 1 only",
        ),
        (
            "a 1; Depends: x (>= 1) | y\nd 1; Provides: x",
            "a",
            &[0],
            "- a is requested\n  - a 1 needs x (>= 1) | y, but d provide x in other versions only \
             and no package is named y or provides it",
        ),
        (
            "a 1; Conflicts: v\nb 1; Depends: c\nc 1; Provides: v",
            "a b",
            &[0, 1],
            "- a is requested\n  - a 1 cannot be installed with c 1 (Conflicts: v)\n\
             - b is requested\n  - b 1 needs c",
        ),
        (
            "a 1; Depends: b (= 1)\nb 1\nb 2",
            "a b=2",
            &[0, 1],
            "- a is requested\n  - a 1 needs b (= 1)\n- b (= 2) is requested\n\
             - b cannot be installed as 1 and 2 at once",
        ),
        (
            "a 1\na 2",
            "a=1 a=2",
            &[0, 1],
            "- a (= 1) is requested\n- a (= 2) is requested\n\
             - a cannot be installed as 1 and 2 at once",
        ),
    ] {
        match try_solve(&[&index(lines)], words) {
            Err(SolveError::Unsolvable { explanation, sources: found }) => {
                assert_eq!(explanation, wanted, "{words}");
                assert_eq!(found, sources, "{words}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn long_explanations_are_cut() {
    let mut lines = "a 1; Depends: v\n".to_owned();
    for number in 0..500 {
        lines += &format!("p{number} 1; Provides: v; Depends: q{number}\n");
        lines += &format!("q{number} 1; Depends: nothing{number}\n");
    }
    let text = result(&lines, "a");
    assert!(text.lines().count() < 70, "{text}");
    assert!(text.contains("the same for 494 other candidates"), "{text}");
}

#[test]
fn bad_relations_are_errors() {
    let text = result("a 1; Depends: b (!! 3)\nb 1", "a");
    assert_eq!(text, "Depends of a cannot be read");
    assert_eq!(result("a 1; Conflicts: b (", "a"), "Conflicts of a cannot be read");
    assert_eq!(result("a 1; Depends: b (!! 3)\nb 1", "b"), "b=1", "only what is reached is read");
}

#[test]
fn limits_hold() {
    let index = index("a 1; Depends: b | c\nb 1; Depends: d\nc 1\nd 1");
    let mut task = task("a");
    task.limits.steps_max = 2;
    assert_eq!(solve(&[IndexRef::new(&index)], &task), Err(SolveError::Limit(2)));
    task.limits.steps_max = 1000;
    task.limits.candidates_max = 1;
    assert_eq!(solve(&[IndexRef::new(&index)], &task), Err(SolveError::TooManyCandidates(1)));
}

#[test]
fn paths_say_who_needs_what() {
    let index = index(
        "a 1; Depends: b, c\nb 1; Depends: d\nc 1; Pre-Depends: d | e\nd 1; Depends: f\ne 1\nf 1\n\
         g 1; Depends: b",
    );
    let solution = try_solve(&[&index], "a g").unwrap();
    assert_eq!(names(&solution), "a=1 b=1 c=1 d=1 f=1 g=1");
    let show = |name: &str| -> Vec<String> {
        let paths = solution.paths_to(name);
        let step = |step: &hardpan_package::solve::Step| match &step.reason {
            None => step.package.clone(),
            Some(reason) => format!("-[{}: {}]-> {}", reason.field, reason.relation, step.package),
        };
        paths.iter().map(|path| path.iter().map(step).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(show("a"), ["a"]);
    assert_eq!(
        show("d"),
        [
            "a -[Depends: b]-> b -[Depends: d]-> d",
            "a -[Depends: c]-> c -[Pre-Depends: d | e]-> d",
            "g -[Depends: b]-> b -[Depends: d]-> d",
        ]
    );
    assert_eq!(show("f").len(), 3);
    assert_eq!(show("nothing"), [""; 0]);
    let reasons = &solution.why["d"];
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[1].field, RelationField::PreDepends);
    assert!(solution.get("a").unwrap().requested());
    assert!(!solution.get("b").unwrap().requested());
    assert_eq!(solution.get("g").unwrap().sources, [1]);
}

#[test]
fn records_serialise() {
    let index = index("a 1:2-3; Source: src (2-1); Installed-Size: 7");
    let solution = try_solve(&[&index], "a").unwrap();
    let json = serde_json::to_string(&solution.packages[0].package).unwrap();
    assert_eq!(
        json,
        "{\"name\":\"a\",\"version\":\"1:2-3\",\"architecture\":\"amd64\",\
         \"filename\":\"pool/main/a_1%3a2-3.deb\",\
         \"sha256\":\"sha256:000000000000000000000000000000000000000000000000000000000000001a\",\
         \"size_bytes\":1000,\"installed_size_kib\":7,\"source_name\":\"src\",\
         \"source_version\":\"2-1\"}"
    );
    assert!(packages("a 1").contains("Package: a\n"));
}
