// SPDX-License-Identifier: Apache-2.0
//! `x-hardpan: structure-tests`: files of container-structure-test that a definition names, run by `test`, looked at by `check`.

use hardpan_testkit::fixture::{DEFINITION, Fixture};

use crate::containers::{fixture, with_definition};
use crate::support::{Ran, hardpan, run};

const GOOD: &str = r"
schemaVersion: 2.0.0
fileExistenceTests:
- {name: page, path: /srv/page}
commandTests:
- name: says
  command: busybox-app
  args: [echo, here]
  expectedOutput: ['^here\n$']
";

/// Lets the definition name files.
fn naming(fixture: &Fixture, names: &str) {
    let text = std::fs::read_to_string(fixture.definition()).unwrap();
    let own = text.split("x-hardpan:").next().unwrap();
    let text = format!("{own}x-hardpan:\n  structure-tests: {names}\n");
    std::fs::write(fixture.definition(), text).unwrap();
}

fn check(fixture: &Fixture, what: &str) -> Ran {
    let mut command = hardpan(fixture, &["check", what]);
    command.current_dir(fixture.path("catalog"));
    run(command)
}

#[test]
fn a_definition_names_files_that_run() {
    let Some(fixture) = fixture("a_definition_names_files_that_run") else { return };
    fixture.write("catalog/tests/app.yaml", GOOD);
    naming(&fixture, "[tests/app.yaml]");
    let ran = with_definition(&fixture, "test", &[]);
    ran.expect(0, &["file existence: page", "command: says", "3 passed, 0 failed"]);
    // Beside those of the command line, and where an image is tested by a definition.
    let other = GOOD.replace("name: page", "name: another").replace("/srv/page", "/srv/none");
    fixture.write("work/more.yaml", other);
    let ran = with_definition(&fixture, "test", &["--config", "more.yaml", "--json"]);
    let told = ran.json();
    assert_eq!(ran.code, 1, "{told:#}");
    let tests = told["results"]["tests"].as_array().unwrap();
    let failed: Vec<_> = tests.iter().filter(|test| test["status"] == "failed").collect();
    assert_eq!((tests.len(), failed.len()), (5, 1), "{told:#}");
    assert_eq!(failed[0]["name"], "file existence: another");
    assert!(told.to_string().contains("tests/app.yaml"), "{told:#}");
    with_definition(&fixture, "build", &["--docker-archive", "app.tar"]).expect(0, &[]);
    let definition = fixture.definition();
    let by = ["test", "app.tar", "--tests", definition.to_str().unwrap(), "--filter", "says"];
    run(hardpan(&fixture, &by)).expect(0, &["command: says", "2 passed"]);
    // A test that fails is one.
    fixture.write("catalog/tests/app.yaml", GOOD.replace("^here", "^there"));
    with_definition(&fixture, "test", &[]).expect(1, &["command: says", "1 failed"]);
}

#[test]
fn what_is_named_is_checked() {
    let fixture = Fixture::new();
    let page = GOOD.split("commandTests").next().unwrap();
    fixture.write("catalog/tests/app.yaml", page);
    naming(&fixture, "[tests/app.yaml]");
    check(&fixture, DEFINITION).expect(0, &["checked 2 files: 0 errors"]);
    // It is no definition.
    check(&fixture, ".").expect(0, &["checked 2 files: 0 errors"]);
    fixture.write("catalog/tests/app.yaml", page.replace("path:", "paths:"));
    for what in [DEFINITION, "."] {
        check(&fixture, what).expect(2, &["tests/app.yaml:4", "paths", "checked 2 files"]);
    }
    fixture.write(
        "catalog/tests/app.yaml",
        "schemaVersion: 2.0.0\nfileContentTests: [{name: a, path: /a, expectedContents: ['(']}]\n",
    );
    check(&fixture, DEFINITION).expect(2, &["tests/app.yaml:2", "expression"]);
    for (names, expected) in [
        ("[tests/none.yaml]", "tests/none.yaml"),
        ("[tests]", "it is a folder"),
        ("[../work/a.yaml]", "../work/a.yaml"),
    ] {
        naming(&fixture, names);
        check(&fixture, DEFINITION).expect(2, &[expected]);
        let definition = fixture.definition();
        let ran = run(hardpan(&fixture, &["test", definition.to_str().unwrap()]));
        ran.expect(2, &[expected]);
    }
}

#[test]
fn images_and_locks_do_not_depend_on_them() {
    let fixture = Fixture::new();
    let build = || with_definition(&fixture, "build", &[]).expect(0, &[]).digest();
    let digest = build();
    fixture.write("catalog/tests/app.yaml", GOOD);
    naming(&fixture, "[tests/app.yaml]");
    assert_eq!(build(), digest);
}
