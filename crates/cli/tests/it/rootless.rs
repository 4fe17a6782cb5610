// SPDX-License-Identifier: Apache-2.0
//! As an ordinary user. When the tests themselves run as one, all of them are that proof.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use hardpan_testkit::fixture::Fixture;

use crate::support::{clean, is_root, skip, works};

/// The user that owns nothing.
const NOBODY: u32 = 65_534;
const AS_NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// Returns a command that runs hardpan as an ordinary user with a home and a store of its own below
/// `name`; `None` where that can't be done.
pub(crate) fn as_ordinary_user(fixture: &Fixture, name: &str) -> Option<Command> {
    if !is_root() || !works("setpriv", &[&AS_NOBODY[..], &["true"]].concat()) {
        return None;
    }
    let home = fixture.path(name);
    fs::create_dir_all(&home).unwrap();
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = clean("setpriv", fixture);
    command.args(AS_NOBODY).arg("--no-new-privs").arg(program_for_all(fixture));
    command.env("HOME", &home).env_remove("HARDPAN_STORE").current_dir(&home);
    Some(command)
}

/// Returns a command that builds a fixture as an ordinary user, who gets its definition's folder to write the
/// lock in; `None` where that can't be done.
pub(crate) fn build_as_nobody(fixture: &Fixture) -> Option<Command> {
    let mut command = as_ordinary_user(fixture, "nobody")?;
    let definition = fixture.definition();
    let folder = definition.parent().expect("a definition is in a folder");
    chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    command.arg("build").arg(definition);
    Some(command)
}

/// The program may be where only we can read it.
fn program_for_all(fixture: &Fixture) -> PathBuf {
    let path = fixture.path("hardpan");
    if !path.exists() {
        // A file that this process wrote can't be run while another thread of it forks.
        let mut install = Command::new("install");
        install.args(["-m", "755", env!("CARGO_BIN_EXE_hardpan")]).arg(&path);
        assert!(install.status().unwrap().success());
    }
    path
}

#[test]
fn the_whole_way_as_an_ordinary_user() {
    let fixture = Fixture::new();
    let command = |arguments: &[&str]| {
        let mut command = as_ordinary_user(&fixture, "nobody")?;
        command.args(arguments);
        Some(command)
    };
    if command(&[]).is_none() {
        let reason = "it takes root and setpriv(1) to become somebody else";
        return skip("the_whole_way_as_an_ordinary_user", reason);
    }
    // The catalog belongs to somebody else: no lock can be written there.
    let definition = fixture.definition();
    let definition = definition.to_str().unwrap();
    let run = |arguments: &[&str]| crate::support::run(command(arguments).unwrap());
    run(&["build", definition]).expect(3, &["can't write", "1.yaml.lock", "Permission denied"]);
    assert!(!fixture.path("nobody/out").exists());
    // In a folder of its own all is well.
    let folder = fixture.definition().parent().unwrap().to_path_buf();
    chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    run(&["resolve", definition]).expect(0, &["wrote"]);
    let built = run(&["build", definition, "--locked"]).expect(0, &["built", "→ out/app"]);
    run(&["build", definition, "--locked"]).expect(0, &["unchanged"]);
    run(&["explain", definition, "libc6"]).expect(0, &["app needs libc6"]);
    run(&["store", "path"]).expect(0, &["nobody/.cache/hardpan"]);
    run(&["store", "verify"]).expect(0, &["0 files damaged"]);
    run(&["store", "gc"]).expect(0, &["removed 0 files"]);
    let arguments =
        ["build", definition, "--platform", "linux/amd64", "--docker-archive", "app.tar"];
    run(&arguments).expect(0, &["app.tar"]);
    // Somebody else's output is not touched.
    fs::create_dir(fixture.path("others")).unwrap();
    let others = fixture.path("others/out");
    run(&["build", definition, "--output", others.to_str().unwrap()]).expect(3, &["can't create"]);
    // And root gets the same.
    let mine = crate::support::build(&fixture, &["--locked"]);
    assert_eq!(mine.digest(), built.digest());
}
