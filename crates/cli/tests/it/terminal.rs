// SPDX-License-Identifier: Apache-2.0
//! Colours, pipes that close, outputs that are full.

use std::fs::File;
use std::process::Stdio;

use hardpan_testkit::fixture::Fixture;

use crate::support::{hardpan, run, skip, works};

#[test]
fn colours_only_where_they_are_wanted() {
    let fixture = Fixture::new();
    let build = |variables: &[(&str, &str)]| {
        let mut command = hardpan(&fixture, &["build"]);
        command.arg(fixture.definition()).envs(variables.iter().copied());
        let ran = run(command).expect(0, &[]);
        ran.stdout.contains('\u{1b}')
    };
    assert!(!build(&[]), "piped");
    assert!(build(&[("CLICOLOR_FORCE", "1")]), "forced");
    assert!(!build(&[("NO_COLOR", "1")]), "NO_COLOR");
}

#[test]
fn a_terminal_gets_colours_but_not_with_no_color() {
    if !works("script", &["-qec", "true", "/dev/null"]) {
        return skip("a_terminal_gets_colours_but_not_with_no_color", "there is no script(1)");
    }
    let fixture = Fixture::new();
    let on_terminal = |no_color: bool| {
        let program = env!("CARGO_BIN_EXE_hardpan");
        let line = format!("{program} build {}", fixture.definition().display());
        let mut command = crate::support::clean("script", &fixture);
        command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        run(command).expect(0, &["example/app:1"]).stdout
    };
    assert!(on_terminal(false).contains("\u{1b}[1m\u{1b}[32mlinux/amd64"), "colours");
    assert!(!on_terminal(true).contains("\u{1b}[32m"), "no colours");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let fixture = Fixture::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = hardpan(&fixture, &["completions", "bash"]);
    command.stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_full_output_is_an_error() {
    let fixture = Fixture::new();
    let mut command = hardpan(&fixture, &["store", "path"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("can't write to the standard output"), "{text}");
    assert_eq!(output.status.code(), Some(3));
}
