// SPDX-License-Identifier: Apache-2.0
//! `hardpan check`

use hardpan_testkit::fixture::{DEFINITION, Fixture};

use crate::support::{hardpan, run};

const BROKEN: &str = "\
# syntax=dhi.io/build:2-debian13

name: Broken
image: example/broken
variant: runtime
tags: ['1']
platforms: [linux/amd64]
colour: blue
contents:
  packages:
    - Not A Name
";

#[test]
fn every_problem_at_once_with_file_line_and_column() {
    let fixture = Fixture::new();
    fixture.write("catalog/broken.yaml", BROKEN);
    fixture.write("catalog/notes.txt", "not looked at");
    let mut command = hardpan(&fixture, &["check", "."]);
    command.current_dir(fixture.path("catalog"));
    let ran =
        run(command).expect(2, &["colour", "broken.yaml:8:1", "Not A Name", "broken.yaml:11:7"]);
    assert!(ran.stdout.contains("checked 2 files: 2 errors, 0 warnings"), "{ran}");

    let mut command = hardpan(&fixture, &["check", "--json", "."]);
    command.current_dir(fixture.path("catalog"));
    let ran = run(command);
    assert_eq!((ran.code, ran.stderr.as_str()), (2, ""));
    let value = ran.json();
    assert_eq!((&value["checked"], &value["errors"]), (&2.into(), &2.into()));
    let label = &value["diagnostics"][0]["labels"][0];
    assert_eq!((&label["line"], &label["column"]), (&8.into(), &1.into()), "{value}");
}

#[test]
fn good_definitions_pass() {
    let fixture = Fixture::new();
    let mut command = hardpan(&fixture, &["check", DEFINITION]);
    command.current_dir(fixture.path("catalog"));
    let ran = run(command).expect(0, &["checked 1 file: 0 errors, 0 warnings"]);
    assert_eq!(ran.stderr, "");
    let mut command = hardpan(&fixture, &["check", "--quiet", DEFINITION]);
    command.current_dir(fixture.path("catalog"));
    let ran = run(command);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}

#[test]
fn what_is_not_there_is_an_error_also_as_json() {
    let fixture = Fixture::new();
    run(hardpan(&fixture, &["check", "nowhere"])).expect(2, &["can't read nowhere"]);
    let ran = run(hardpan(&fixture, &["check", "--json", "nowhere"])).expect(2, &[]);
    assert_eq!(ran.json()["error"]["message"], "can't read nowhere");
    run(hardpan(&fixture, &["check"])).expect(2, &["PATHS"]);
}
