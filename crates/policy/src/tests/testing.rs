// SPDX-License-Identifier: Apache-2.0
//! Tests of running tests.

use super::{module, settings};
use crate::{Module, NoTests, RegoError, Selection, Settings, TestOutcome, TestResult, Tests};

/// Runs all tests that are chosen.
fn run_tests(
    modules: &[Module],
    selection: &Selection,
    settings: &Settings,
) -> Result<Vec<TestOutcome>, RegoError> {
    Ok(Tests::find(modules, selection, settings)?.run(0).collect())
}

const POLICY: &str = "package docker

default allow := false

allow if input.image.repo == \"alpine\"

decision := {\"allow\": allow}
";

const TESTS: &str = r#"package docker

test_alpine_is_allowed if {
	decision.allow with input as {"image": {"repo": "alpine"}}
}

# A text that only looks like one:
text := `
test_no_rule if true
`

test_ubuntu_is_allowed if {
	x := 1
	decision.allow with input as {"image": {"repo": "ubuntu"}}
	x == 1
}

todo_test_tags if false

test_false := false

test_broken if http.send({})

test_two if false
test_two if true
"#;

fn modules() -> Vec<Module> {
    vec![module("p.rego", POLICY), module("p_test.rego", TESTS)]
}

#[test]
fn tests_pass_fail_and_wait() {
    let outcomes = run_tests(&modules(), &Selection::default(), &settings()).unwrap();
    let lines: Vec<String> = (outcomes.iter())
        .map(|one| {
            let at = one.failed_at.map_or(String::new(), |line| format!(" at {line}"));
            format!("{}:{} {} {:?}{at}", one.file, one.line, one.name, one.result)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    let broken = outcomes.iter().find(|one| one.result == TestResult::Error).unwrap();
    assert!(broken.problem.as_ref().unwrap().contains("http.send is not there"));
}

#[test]
fn tests_are_chosen_by_their_names() {
    let named = |name: &str| Selection { name: Some(name.to_owned()), file: None };
    let names = |filter| -> Vec<String> {
        let outcomes = run_tests(&modules(), &named(filter), &settings()).unwrap();
        outcomes.into_iter().map(|one| one.name).collect()
    };
    assert_eq!(names("alpine"), ["data.docker.test_alpine_is_allowed"]);
    assert_eq!(names("allowed").len(), 2);
    let mut modules = modules();
    // A file of the same name in another folder is another file.
    modules.push(module("lib/p_test.rego", "package lib\ntest_lib if true\n"));
    let of_file = |file: &str| {
        let selection = Selection { file: Some(file.to_owned()), name: None };
        run_tests(&modules, &selection, &settings()).map(|outcomes| outcomes.len())
    };
    assert_eq!(of_file("lib/p_test.rego").unwrap(), 1);
    assert_eq!(of_file("p_test.rego").unwrap(), 6);
    assert!(matches!(of_file("p.rego"), Err(RegoError::NoTests(NoTests::InFile(_)))));
    let run = |selection: &Selection| run_tests(&modules, selection, &settings());
    assert!(matches!(run(&named("nothing")), Err(RegoError::NoTests(NoTests::Named(_)))));
    let both = Selection { file: Some("lib/p_test.rego".to_owned()), ..named("alpine") };
    assert!(matches!(run(&both), Err(RegoError::NoTests(NoTests::Named(_)))));
    assert!(matches!(run(&named("todo_")), Err(RegoError::NoTests(NoTests::ToDo(1)))));
}

#[test]
fn where_no_test_is_that_is_an_error() {
    for text in
        ["package a\nallow := true", "package a\nmy_test_x := true", "package a\ntests if true"]
    {
        let all = Selection::default();
        let error = run_tests(&[module("p.rego", text)], &all, &settings()).unwrap_err();
        assert!(matches!(error, RegoError::NoTests(NoTests::None)), "{text}: {error}");
    }
    let all = Selection::default();
    assert!(run_tests(&[module("p.rego", "nonsense")], &all, &settings()).is_err());
}

#[test]
fn tests_are_listed_and_run_from_any_of_them_on() {
    let modules = modules();
    let find = || Tests::find(&modules, &Selection::default(), &settings()).unwrap();
    let (list, all) = (find().list(), find().run(0).collect::<Vec<_>>());
    assert!(list.len() == all.len() && list.len() > 3);
    for (known, outcome) in list.iter().zip(&all) {
        assert_eq!(
            (&known.name, &known.file, known.line),
            (&outcome.name, &outcome.file, outcome.line)
        );
        assert_eq!(known.result, TestResult::Skipped);
    }
    assert_eq!(find().run(2).collect::<Vec<_>>(), all[2..]);
    assert_eq!(find().run(list.len()).count(), 0);
}
