// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy`: what would be left out silently is refused, and what policies say does not reach the terminal as it is.

use std::os::unix::fs::symlink;

use hardpan_testkit::fixture::Fixture;

use crate::keys::{build_signed, signing};
use crate::sboms::docker_archives;
use crate::support::{Ran, hardpan, run};

fn eval(fixture: &Fixture, policy: &str) -> Ran {
    let out = fixture.path("out");
    let line = ["policy", "eval", out.to_str().unwrap(), "--key", "k.pub", "--policy", policy];
    run(signing(fixture, &line))
}

#[test]
fn policies_that_would_not_be_read_are_refused() {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    fixture.write("work/rules/a.rego", "package a\nallow := true\n");
    eval(&fixture, "rules").expect(0, &["allowed"]);
    fixture.write("work/rules/lib/team.yml", "keys: [nobody]\n");
    eval(&fixture, "rules").expect(
        2,
        &["rules/lib/team.yml is YAML in a folder of Rego", "help: ", "`--policy FILE`"],
    );
    let out = fixture.path("out");
    let verify = ["verify", out.to_str().unwrap(), "--key", "k.pub", "--policy", "rules"];
    run(signing(&fixture, &verify)).expect(2, &["rules/lib/team.yml"]);
    std::fs::remove_file(fixture.path("work/rules/lib/team.yml")).unwrap();
    fixture.write("work/more/b.rego", "package b\nallow := false\n");
    symlink(fixture.path("work/more"), fixture.path("work/rules/more")).unwrap();
    eval(&fixture, "rules").expect(2, &["rules/more leads to another folder", "`--policy DIR`"]);
    eval(&fixture, "rules/more").expect(1, &["denied"]);
}

#[test]
fn what_a_policy_says_is_printed_without_what_terminals_obey() {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    let hostile =
        "package a\n\ndeny contains \"one\\u0007two\\rthree\" if print(\"four\\u0008five\")\n";
    fixture.write("work/a.rego", hostile);
    let ran = eval(&fixture, "a.rego");
    let ran = ran.expect(1, &["one\u{fffd}two\u{fffd}three", "four\u{fffd}five"]);
    let printed = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!printed.contains(['\u{7}', '\r', '\u{8}']), "{printed:?}");
    fixture.write(
        "work/a_test.rego",
        "package a\n\ntest_a if {\n\tprint(\"six\\u0007\")\n\tfalse\n}\n",
    );
    let tested = run(hardpan(&fixture, &["policy", "test", "a_test.rego"]));
    tested.expect(1, &["six\u{fffd}"]);
}

#[test]
fn functions_that_are_not_there_are_told() {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    for (call, expected) in [
        ("time.date([0, \"Europe/Vienna\"])", "the time zone \"Europe/Vienna\" is not there"),
        ("time.parse_ns(\"Jan 2\", \"Jan 3\")", "the layout \"Jan 2\" is not there"),
    ] {
        fixture.write("work/a.rego", format!("package a\n\nallow if not {call}\n"));
        eval(&fixture, "a.rego").expect(2, &[expected]);
    }
}

#[test]
fn where_no_test_runs_that_is_no_success() {
    let fixture = Fixture::new();
    fixture.write("work/rules/p.rego", "package a\n\nallow := true\n");
    fixture.write("work/rules/p_test.rego", "package a\n\ntest_one if allow\n");
    fixture.write("work/rules/lib/p_test.rego", "package lib\n\ntest_two if data.a.allow\n");
    fixture.write("work/todo/p_test.rego", "package a\n\ntodo_test_a if true\n");
    let test = |path: &str| run(hardpan(&fixture, &["policy", "test", path]));
    test("rules").expect(0, &["2 tests passed"]);
    // A file of the same name in another folder belongs to it, too.
    test("rules/p_test.rego").expect(0, &["1 test passed", "data.a.test_one"]);
    test("rules/lib/p_test.rego").expect(1, &["data.lib.test_two"]);
    fixture.write("work/rules/p_test.rego", "package a\n\ntest_one if data.lib.test_two\n");
    test("rules/p_test.rego").expect(0, &["1 test passed"]);
    test("rules/p.rego").expect(2, &["rules/p.rego has no test"]);
    test("todo").expect(2, &["no test ran"]);
    std::fs::remove_file(fixture.path("work/rules/p_test.rego")).unwrap();
    std::fs::remove_dir_all(fixture.path("work/rules/lib")).unwrap();
    test("rules").expect(2, &["there is no test"]);
}

#[test]
fn policies_that_can_t_be_are_shown_where_they_are_wrong() {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    let wrong = "keys: [k.pub]\nrequire: [sbom]\n";
    fixture.write("work/p.yaml", wrong);
    eval(&fixture, "p.yaml")
        .expect(2, &["an entry of `require` must be a mapping, found a string", "p.yaml:2:11"]);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let verify = ["verify", out, "--key", "k.pub", "--policy", "p.yaml", "--json"];
    let told = run(signing(&fixture, &verify)).json();
    assert_eq!(told["error"]["diagnostics"][0]["labels"][0]["line"], 2, "{told}");
    run(hardpan(&fixture, &["policy", "export", "p.yaml", "--to", "kyverno"]))
        .expect(2, &["p.yaml:2:11"]);
    eval(&fixture, "nope.yaml").expect(2, &["can't read nope.yaml", "No such file"]);
}

#[test]
fn what_decides_nothing_is_warned_of() {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    let exception = "exceptions: [{id: CVE-2026-1234, until: 2999-01-01, reason: r}]\n";
    fixture.write("work/p.yaml", format!("keys: [nope.pub]\n{exception}"));
    let unknown = "no key that is trusted is called \"nope.pub\"";
    let unneeded = "the exception for CVE-2026-1234 decides nothing";
    eval(&fixture, "p.yaml").expect(1, &[unknown, "are called k.pub", "p.yaml:1:1", unneeded]);
    fixture.write("work/p.yaml", format!("keys: [k.pub]\n{exception}"));
    eval(&fixture, "p.yaml").expect(0, &[unneeded, "p.yaml:2:19"]);
    let export = ["policy", "export", "p.yaml", "--to", "kyverno", "--partial"];
    let exported = run(signing(&fixture, &export)).expect(0, &[unneeded]);
    assert!(!exported.stdout.contains("decides nothing"), "{exported}");
    fixture.write("work/p.yaml", "keys: [k.pub]\n");
    let quiet = eval(&fixture, "p.yaml").expect(0, &[]);
    assert!(!quiet.stderr.contains("warning"), "{quiet}");
}

#[test]
fn archives_of_docker_without_a_layout_are_told_as_such() {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    fixture.write("work/p.yaml", "keys: [k.pub]\n");
    let (_, path) = docker_archives(&fixture).remove(0);
    let line = ["policy", "eval", path.to_str().unwrap(), "--key", "k.pub", "--policy", "p.yaml"];
    run(signing(&fixture, &line)).expect(
        2,
        &[
            "is of `docker save` in its older form",
            "Docker 25 and later",
            "skopeo copy docker-archive:",
        ],
    );
}

#[test]
fn a_test_that_needs_too_much_memory_fails_alone() {
    let fixture = Fixture::new();
    let large = "if count(numbers.range(1, 100000000)) > 5";
    let text = format!(
        "package a\n\ntest_first if true\n\ntest_large {large}\n\ntest_second if true\n\ntest_larger {large}\n"
    );
    fixture.write("work/a_test.rego", text);
    let tested = run(hardpan(&fixture, &["policy", "test", "a_test.rego", "--json"]));
    assert_eq!(tested.code, 1, "{tested}");
    let value = tested.json();
    assert_eq!((&value["passed"], &value["errors"]), (&2.into(), &2.into()), "{value}");
    let lines = [(3, "passed"), (5, "error"), (7, "passed"), (9, "error")];
    for (test, (line, result)) in value["tests"].as_array().unwrap().iter().zip(lines) {
        assert_eq!((&test["line"], &test["result"]), (&line.into(), &result.into()), "{test}");
        let problem = "it needs more than the 1024 MiB of memory that it may have, and was ended";
        assert_eq!(
            test.get("problem").is_some_and(|it| it == problem),
            result == "error",
            "{test}"
        );
    }
}
