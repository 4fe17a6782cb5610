// SPDX-License-Identifier: Apache-2.0
//! What apk's relations mean to the solver, by small indexes.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "test code: panics and output are for the one who runs it"
)]

mod apk_solve_support;

use apk_solve_support::{Checker, index, names, result, task, try_solve};
use hardpan_package::apk::solve::{
    IndexRef, RelationField, Request, RequestProblem, SolveError, SolveTask, solve,
};
use proptest::prelude::*;

/// Solves each case: what it shows, the index, the requests, and the packages or the error.
fn check(cases: &[(&str, &str, &str, &str)]) {
    for (summary, lines, words, wanted) in cases {
        assert_eq!(result(lines, words), *wanted, "{summary}");
    }
}

#[test]
fn versions() {
    let three = "a 1.2\na 1.10\na 1.9";
    check(&[
        ("the highest version", three, "a", "a=1.10"),
        ("the requested version", three, "a=1.9", "a=1.9"),
        (
            "a version is not part of another",
            "a 1.2-r1",
            "a=1.2",
            "a has no version \"1.2\"; available: 1.2-r1",
        ),
        ("a fuzzy version", "a 1.2-r1\na 1.3\na 2", "a~1.2", "a=1.2-r1"),
        ("a bound", three, "a<1.10", "a=1.9"),
        ("two bounds", three, "a<1.10 a>=1.9", "a=1.9"),
        ("a dependency's bound", "a 1; D:b<2\nb 1\nb 2", "a", "a=1 b=1"),
        ("of two dependents", "a 1; D:b>1\nc 1; D:b<3\nb 1\nb 2\nb 3", "a c", "a=1 b=2 c=1"),
        ("an older dependent, if the newest can't be", "a 2; D:gone\na 1", "a", "a=1"),
        ("what is requested also serves dependents", "a 1; D:b\nb 1\nb 2", "a b=1", "a=1 b=1"),
        ("a version that is not valid", "a 0.99f7-r0", "a", "a=0.99f7-r0"),
    ]);
}

#[test]
fn provides() {
    check(&[
        ("a library", "a 1; D:so:b\nb 1; p:so:b=1", "a", "a=1 b=1"),
        ("in the right version", "a 1; D:so:b>1\nb 1; p:so:b=1\nc 1; p:so:b=2", "a", "a=1 c=1"),
        ("in the highest version", "a 1; D:so:b\nb 1; p:so:b=1\nc 1; p:so:b=2", "a", "a=1 c=1"),
        ("higher than the package of the name", "a 1; D:b\nb 1\nc 1; p:b=2", "a", "a=1 c=1"),
        ("the package of the name, if equal", "a 1; D:c\nb 1; p:c=1\nc 1", "a", "a=1 c=1"),
        ("the priority, if equal", "a 1; D:v\nb 1; p:v=1; k:5\nc 1; p:v=1; k:7", "a", "a=1 c=1"),
        (
            "the version before the priority",
            "a 1; D:v\nb 1; p:v=1; k:9\nc 1; p:v=2",
            "a",
            "a=1 c=1",
        ),
        (
            "two with versions",
            "b 1; p:v=1\nc 1; p:v=1",
            "b c",
            "no set of packages satisfies the requests:\n- b is requested\n  - b 1 cannot be installed with c 1 (both are v)\n- c is requested",
        ),
        (
            "one with a version and one without",
            "b 1; p:v=1\nc 1; p:v",
            "b c",
            "no set of packages satisfies the requests:\n- b is requested\n  - b 1 cannot be installed with c 1 (both are v)\n- c is requested",
        ),
        (
            "one without and the package of the name",
            "b 1; p:v\nv 1; D:b",
            "v",
            "no set of packages satisfies the requests:\n- v is requested\n  - v 1 cannot be installed with b 1 (both are v)\n  - v 1 needs b",
        ),
        ("any number without", "b 1; p:v\nc 1; p:v", "b c", "b=1 c=1"),
        ("a package provides its own name", "a 1; p:a=2 a; D:a>1", "a", "a=1"),
        ("its own dependency", "a 1; p:v; D:v\nb 1; p:v", "a", "a=1"),
        (
            "what has no version meets none",
            "a 1; D:v>1\nb 1; p:v",
            "a",
            "no set of packages satisfies the requests:\n- a is requested\n  - a 1 needs v>1, but b provide v in other versions only",
        ),
        (
            "a provided version that is not valid",
            "a 1; D:pc:b>=3\nb 1; p:pc:b=5.3.0_",
            "a",
            "a=1 b=1",
        ),
        ("a request for what is provided", "b 1; p:cmd:x=1", "cmd:x", "b=1"),
        ("a request with a version", "b 1; p:so:x=1\nb 2; p:so:x=2", "so:x<2", "b=1"),
    ]);
}

#[test]
fn virtual_names() {
    let two = "a 1; D:v\nb 1; p:v\nc 1; p:v";
    check(&[
        (
            "none without priority",
            two,
            "a",
            "no set of packages satisfies the requests:\n- a is requested\n  - a 1 needs v, but v is virtual; request one that provides it: b, c",
        ),
        ("one that is requested", two, "a c", "a=1 c=1"),
        (
            "one that something depends on",
            "a 1; D:v d\nb 1; p:v\nc 1; p:v\nd 1; D:c",
            "a",
            "a=1 c=1 d=1",
        ),
        ("the only one", "a 1; D:v\nb 1; p:v\nb 2; p:v", "a", "a=1 b=2"),
        (
            "the highest priority",
            "a 1; D:v\nb 1; p:v; k:1\nc 1; p:v; k:2\nd 1; p:v",
            "a",
            "a=1 c=1",
        ),
        (
            "a requested one before a priority",
            "a 1; D:v\nb 1; p:v; k:9\nc 1; p:v",
            "a c",
            "a=1 c=1",
        ),
        (
            "another one that is there before a priority",
            "a 1; D:v\nb 1; p:v; k:9\nc 1; p:v\nd 1; D:c",
            "a d",
            "a=1 c=1 d=1",
        ),
        (
            "by itself it is no reason",
            "a 1; D:v w\nb 1; p:v w\nc 1; p:v w",
            "a",
            "no set of packages satisfies the requests:\n- a is requested\n  - a 1 needs v, but v is virtual; request one that provides it: b, c",
        ),
        (
            "a version before one without a priority",
            "a 1; D:v\nb 1; p:v=1\nc 1; p:v",
            "a",
            "a=1 b=1",
        ),
        (
            "a priority before a version without",
            "a 1; D:v\nb 1; p:v=1\nc 1; p:v; k:1",
            "a",
            "a=1 c=1",
        ),
        ("requested", two, "v", "\"v\" is a virtual package; request one that provides it: b, c"),
        ("requested with a provider", two, "v c", "c=1"),
        ("requested, by priority", "b 1; p:v; k:1\nc 1; p:v; k:2", "v", "c=1"),
    ]);
}

#[test]
fn conflicts() {
    check(&[
        (
            "both ways",
            "a 1; D:!b\nb 1",
            "a b",
            "no set of packages satisfies the requests:\n- a is requested\n  - a 1 cannot be installed with b 1 (depends: !b)\n- b is requested",
        ),
        ("of some versions", "a 1; D:!b<2\nb 1\nb 2", "a b", "a=1 b=2"),
        ("leads to an older version", "a 1; D:!b>1\nb 1\nb 2", "a b", "a=1 b=1"),
        (
            "hits who provides it",
            "a 1; D:!v d\nb 1; p:v; k:9\nc 1; p:w; k:1\nd 1; D:w",
            "a",
            "a=1 c=1 d=1",
        ),
        ("leads to another provider", "a 1; D:!b v\nb 1; p:v; k:9\nc 1; p:v; k:1", "a", "a=1 c=1"),
        ("not with itself", "a 1; p:v=1; D:!v", "a", "a=1"),
        ("with what is not there", "a 1; D:!gone", "a", "a=1"),
        (
            "of the world",
            "a 1; D:v\nb 1; p:v; k:9\nc 1; p:v; k:1\nb 2; p:v; k:9",
            "a !b<3",
            "a=1 c=1",
        ),
        ("of the world and a request", "b 1\nb 2", "b !b>1", "b=1"),
    ]);
}

#[test]
fn install_if() {
    let docs = "docs 1\na 1\na-doc 1; i:docs a=1\nb 1; D:a";
    check(&[
        ("all of them", docs, "a docs", "a=1 a-doc=1 docs=1"),
        ("not one of them", docs, "a", "a=1"),
        ("for dependencies", docs, "b docs", "a=1 a-doc=1 b=1 docs=1"),
        ("in the right version", "docs 1\na 2\na-doc 1; i:docs a=1", "a docs", "a=2 docs=1"),
        (
            "the version that fits",
            "docs 1\na 1\na-doc 1; i:docs a=1\na-doc 2; i:docs a=2",
            "a docs",
            "a=1 a-doc=1 docs=1",
        ),
        ("with what it depends on", "x 1\na 1; i:x; D:b\nb 1; D:c\nc 1", "x", "a=1 b=1 c=1 x=1"),
        ("one after another", "x 1\na 1; i:x\nb 1; i:a\nc 1; i:b x", "x", "a=1 b=1 c=1 x=1"),
        ("by what is provided", "x 1; p:v=1\na 1; i:v", "x", "a=1 x=1"),
        ("not by itself", "a 1; i:v; p:v", "a", "a=1"),
        ("never removed again", "x 1\na 1; i:x !b\nb 1; i:a", "x", "a=1 b=1 x=1"),
        ("a condition that it is not there", "x 1\nb 1\na 1; i:x !b", "x b", "b=1 x=1"),
        ("not if it conflicts", "x 1; D:!a\na 1; i:x", "x", "x=1"),
        ("not if it lacks something", "x 1\na 1; i:x; D:gone\nb 1; i:x", "x", "b=1 x=1"),
        ("one of two that conflict", "x 1\na 1; i:x; D:!b\nb 1; i:x", "x", "a=1 x=1"),
        ("not if it is excluded", docs, "a docs !a-doc", "a=1 docs=1"),
        ("it is there as any other", "x 1\na 1; i:x; p:v\nb 1; D:v\nc 1; p:v", "x", "a=1 x=1"),
        ("a rule that can't be read", "x 1\na 1; i:x y=", "x", "x=1"),
        ("a circle", "a 1; i:b\nb 1; i:a\nx 1", "x", "x=1"),
    ]);
}

#[test]
fn exclusions() {
    check(&[
        ("a dependency counts as satisfied", "a 1; D:b c\nb 1\nc 1", "a !b", "a=1 c=1"),
        ("in any version", "a 1; D:b>5\nb 1", "a !b", "a=1"),
        ("what it provides, too", "a 1; D:so:b\nb 1; p:so:b=1\nc 1; p:so:b=1", "a !b", "a=1"),
        ("in the right version", "a 1; D:so:b>1\nb 1; p:so:b=1\nc 1; p:so:b=2", "a !b", "a=1 c=1"),
        (
            "of its newest version",
            "a 1; D:so:b=1\nb 1; p:so:b=1\nb 2; p:so:b=2\nc 1; p:so:b=1",
            "a !b",
            "a=1 c=1",
        ),
        ("a request wins", "a 1; D:b\nb 1", "a !b b", "a=1 b=1"),
        ("a name that is not there", "a 1; D:b", "a !b", "a=1"),
        ("a virtual name", "a 1; D:v\nb 1; p:v\nc 1; p:v", "a !v", "a=1"),
        ("what only it needs does not come", "a 1; D:b\nb 1; D:c\nc 1", "a !b", "a=1"),
    ]);
    let index = index("a 1; D:b so:c d\nb 1\nc 1; p:so:c=1\nd 1; p:x");
    let solution = try_solve(&[("", &index)], "a !b !c").unwrap();
    let dropped: Vec<String> = solution
        .dropped
        .iter()
        .map(|d| format!("{} {} {} {}", d.package, d.field, d.relation, d.excluded))
        .collect();
    assert_eq!(dropped, ["a Depends b b", "a Depends so:c c"]);
}

#[test]
fn circles_and_what_nothing_needs() {
    check(&[
        ("a circle", "a 1; D:b\nb 1; D:c\nc 1; D:a", "a", "a=1 b=1 c=1"),
        ("a package that needs itself", "a 1; D:a", "a", "a=1"),
        (
            "a better provider that is no longer needed",
            "a 1; D:v\nz 1; D:c\nb 1; p:v; k:9; D:x\nc 1; p:v\nx 1; D:b",
            "a z",
            "a=1 c=1 z=1",
        ),
        ("nothing", "a 1", "", ""),
    ]);
}

/// Solves over the archives `main` and `edge`, the second with the tag `edge`.
fn tagged(main: &str, edge: &str, words: &str) -> String {
    let (main, edge) = (index(main), index(edge));
    match try_solve(&[("", &main), ("edge", &edge)], words) {
        Ok(solution) => names(&solution),
        Err(error) => error.to_string(),
    }
}

#[test]
fn tags() {
    for (summary, main, edge, words, wanted) in [
        ("not without it", "a 1", "a 2", "a", "a=1"),
        ("with it", "a 1", "a 2", "a@edge", "a=2"),
        ("older with it", "a 2", "a 1", "a@edge", "a=1"),
        ("with a version", "a 1", "a 2\na 3", "a@edge<3", "a=2"),
        ("a wrong version", "a 1", "a 2", "a@edge=1", "a has no version \"1\"; available: 2"),
        ("dependencies from main", "b 1", "a 1; D:b\nb 2", "a@edge", "a=1 b=1"),
        (
            "dependencies that main does not have",
            "c 1",
            "a 1; D:b\nb 1; D:c>1\nc 2",
            "a@edge",
            "a=1 b=1 c=2",
        ),
        (
            "not those of others",
            "x 1; D:b>1\nb 1\na 1",
            "b 2\na 2",
            "x a@edge",
            "no set of packages satisfies the requests:\n- x is requested\n  - x 1 needs b>1, but only archives with a tag have b",
        ),
        (
            "those of others, if it needs them, too",
            "x 1; D:b\nb 1",
            "b 2\na 2; D:b>1",
            "x a@edge",
            "a=2 b=2 x=1",
        ),
        ("a dependent takes what is there", "x 1; D:a\na 1", "a 2", "x a@edge", "a=2 x=1"),
        (
            "only in main",
            "a 1",
            "b 1",
            "a@edge",
            "no archive tagged @edge has \"a\"; it is in: one without a tag",
        ),
        ("only tagged", "b 1", "a 1", "a", "only archives with a tag have \"a\"; it is in: @edge"),
        (
            "an unknown tag",
            "a 1",
            "a 1",
            "a@other",
            "no archive tagged @other has \"a\"; it is in: one without a tag, @edge",
        ),
        (
            "an unknown name",
            "abc 1",
            "b 1",
            "abd@edge",
            "no package is named \"abd\"; near names: abc",
        ),
        ("what comes along", "x 1\nxx 1", "a 1; i:x\nb 1; i:c\nc 1", "x c@edge", "b=1 c=1 x=1"),
    ] {
        assert_eq!(tagged(main, edge, words), wanted, "{summary}");
    }
}

#[test]
fn several_archives() {
    let (main, community) =
        (index("a 1\nb 2; p:v=1\nd 1"), index("a 2\nb 2; p:v=1; D:a\nc 1; p:v=1\nd 1"));
    let solution = try_solve(&[("", &main), ("", &community)], "a d").unwrap();
    let places: Vec<String> =
        solution.packages.iter().map(|c| format!("{} {}", c.package.path, c.index)).collect();
    assert_eq!(places, ["x86_64/a-2.apk 1", "x86_64/d-1.apk 0"]);
    assert_eq!(names(&try_solve(&[("", &main), ("", &community)], "v").unwrap()), "b=2");
    let other = index("bb 1; p:v=1");
    assert_eq!(names(&try_solve(&[("", &other), ("", &main)], "v").unwrap()), "bb=1");
}

#[test]
fn reasons_lead_from_requests() {
    let index = index("a 1; D:so:c\nb 1\nc 1; p:so:c=1\nd 1; i:a b=1\nv 1; p:w; k:1");
    let solution = try_solve(&[("", &index)], "a b a w").unwrap();
    let sources = |name: &str| solution.get(name).unwrap().sources.clone();
    assert_eq!((sources("a"), sources("b"), sources("v")), (vec![0, 2], vec![1], vec![3]));
    assert_eq!((sources("c"), sources("d")), (vec![], vec![]));
    let why = |name: &str| -> Vec<String> {
        let reasons = solution.why[name].iter();
        reasons.map(|r| format!("{} {} {}", r.dependent, r.field, r.relation)).collect()
    };
    assert_eq!(why("c"), ["a Depends so:c"]);
    assert_eq!(why("d"), ["a install_if a", "b install_if b=1"]);
    assert_eq!(why("a"), [""; 0]);
    let paths = solution.paths_to("c");
    let path: Vec<&str> = paths[0].iter().map(|step| step.package.as_str()).collect();
    assert_eq!(path, ["a", "c"]);
    assert_eq!(solution.why["d"][0].field, RelationField::InstallIf);
}

#[test]
fn problems_of_requests_are_found_at_once() {
    let index = index("nginx 1\nb 1; D:x y=\nc 1; p:v\nd 1; p:v");
    let error = try_solve(&[("", &index)], "ngnix nginx=2 nginx c b ngnix").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no package is named \"ngnix\"; near names: nginx\n\
         nginx has no version \"2\"; available: 1\n\
         b cannot be used: version in \"y=\" can't be read: version is empty\n\
         no package is named \"ngnix\"; near names: nginx"
    );
    let SolveError::Requests(problems) = error else { panic!("{error}") };
    let sources: Vec<usize> = problems.iter().map(RequestProblem::source_number).collect();
    assert_eq!(sources, [0, 1, 4, 5]);
}

#[test]
fn explanations_name_requests() {
    for (summary, lines, words, wanted, sources) in [
        (
            "a dependency is not there",
            "a 1; D:b\nb 1; D:c\nx 1",
            "x a",
            "- a is requested\n  - a 1 needs b\n    - b 1 needs c, but no package is named c or provides it",
            &[1][..],
        ),
        (
            "not in that version",
            "a 1; D:b>1\nb 1",
            "a",
            "- a is requested\n  - a 1 needs b>1, but b is available as 1 only",
            &[0],
        ),
        ("of two requests", "a 1; D:b<2\nc 1; D:b>1\nb 1\nb 2", "a c", "", &[0, 1]),
        (
            "it can't be used",
            "a 1; D:b\nb 1; D:=",
            "a",
            "- a is requested\n  - a 1 needs b, but b cannot be used: \"=\" does not name a package or what one provides",
            &[0],
        ),
    ] {
        let Err(SolveError::Unsolvable { explanation, sources: found }) =
            try_solve(&[("", &index(lines))], words)
        else {
            panic!("{summary}");
        };
        assert!(explanation.contains(wanted), "{summary}: {explanation}");
        assert_eq!(found, sources, "{summary}");
    }
}

#[test]
fn limits_hold() {
    let index = index("a 1; D:b\nb 1; D:c\nc 1; D:d\nd 1");
    let indexes = [IndexRef::new(&index)];
    let mut limited = task("a");
    limited.limits.steps_max = 2;
    assert_eq!(solve(&indexes, &limited), Err(SolveError::Limit(2)));
    let mut limited = task("a");
    limited.limits.candidates_max = 2;
    assert_eq!(solve(&indexes, &limited), Err(SolveError::TooManyCandidates(2)));
}

#[test]
fn lines_of_definitions_are_read() {
    let task = task("a !b c=1 !d<2 e@t !f@t");
    let texts: Vec<&str> = task.requests.iter().map(Request::text).collect();
    assert_eq!(texts, ["a", "c=1", "!d<2", "e@t", "!f@t"]);
    assert_eq!(task.exclusions.iter().collect::<Vec<_>>(), ["b"]);
    for bad in ["", "!", "a b", "a=", "a><Q1", "a@", "../a@"] {
        assert!(SolveTask::default().add(bad, 0).is_err(), "{bad}");
        assert!(Request::parse(bad, 0).is_err(), "{bad}");
    }
}

/// What a package depends on.
const DEPENDENCY: &str = "!?([a-d]|v|w|so:[xy])|([a-d]|so:x)(=|<|>|>=)[12]";

fn list(word: &'static str, most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(word, 0..=most).prop_map(|words: Vec<String>| words.join(" "))
}

/// Indexes of few packages that depend on, conflict with and bring along each other.
fn lines() -> impl Strategy<Value = String> {
    let package = (
        list(DEPENDENCY, 2),
        list("v|w|so:x|(v|so:[xy])=[12]", 2),
        list("[a-d]|v", 1),
        prop_oneof![Just(0), 1..3],
    );
    prop::collection::btree_map(("[a-d]", "[12]"), package, 1..8).prop_map(|packages| {
        let mut text = String::new();
        for ((name, version), (depends, provides, install_if, priority)) in packages {
            let relations = format!("D:{depends}; p:{provides}; i:{install_if}");
            text += &format!("{name} {version}; {relations}; k:{priority}\n");
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn solutions_are_sound(lines in lines(), words in prop::collection::vec("[a-d]|v|so:x", 1..3)) {
        let index = index(&lines);
        let checker = Checker::new(&[&index]);
        let words = words.join(" ");
        match try_solve(&[("", &index)], &words) {
            Ok(solution) => {
                prop_assert_eq!(checker.problems(&solution, &words), [""; 0], "{}{}", lines, words);
                let reversed: Vec<&str> = words.split(' ').rev().collect();
                let again = try_solve(&[("", &index)], &reversed.join(" ")).unwrap();
                prop_assert_eq!(names(&again), names(&solution));
            }
            // As in apk nothing else is chosen, say an older version, only because it would bring
            // along one of those that provide a virtual name without a priority.
            Err(_) if checker.has_providers_without_priority() => {}
            Err(error) => {
                prop_assert!(!checker.is_possible(&words), "{}{}: {}", lines, words, error);
            }
        }
    }
}
