// SPDX-License-Identifier: Apache-2.0
//! `hardpan completions`, and the help that clap gives.

use hardpan_testkit::fixture::Fixture;

use crate::support::{hardpan, run};

#[test]
fn every_shell_has_completions() {
    let fixture = Fixture::new();
    for (shell, fragment) in [
        ("bash", "complete -F _hardpan"),
        ("elvish", "edit:completion"),
        ("fish", "complete -c hardpan"),
        ("powershell", "Register-ArgumentCompleter"),
        ("zsh", "#compdef hardpan"),
    ] {
        let ran = run(hardpan(&fixture, &["completions", shell])).expect(0, &[fragment, "build"]);
        assert_eq!(ran.stderr, "");
    }
    run(hardpan(&fixture, &["completions", "csh"])).expect(2, &["bash"]);
}

#[test]
fn near_names_are_offered() {
    let fixture = Fixture::new();
    for (arguments, fragments) in [
        (&["biuld"][..], &["unrecognized subcommand 'biuld'", "'build'"][..]),
        (&["build", "x.yaml", "--lokced"], &["--locked"]),
        (&["store", "verfy"], &["'verify'"]),
        (&["build"], &["DEFINITION"]),
        (&["build", "x.yaml", "--threads", "0"], &["--threads"]),
        (&["build", "x.yaml", "--timeout", "0"], &["--timeout"]),
    ] {
        let ran = run(hardpan(&fixture, arguments)).expect(2, fragments);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn help_and_version() {
    let fixture = Fixture::new();
    run(hardpan(&fixture, &["--help"])).expect(0, &["build", "resolve", "Exit codes: 0 done"]);
    run(hardpan(&fixture, &["build", "--help"]))
        .expect(0, &["--docker-archive", "--timeout", "Examples:"]);
    run(hardpan(&fixture, &["--version"]))
        .expect(0, &[concat!("hardpan ", env!("CARGO_PKG_VERSION"))]);
}
