// SPDX-License-Identifier: Apache-2.0
//! patch, git/patch, git/checkout.

use crate::support::Stage;

const GREETING: &str = "hello\nworld\n";
const TO_MOON: &str = "--- a/greeting\n+++ b/greeting\n@@ -1,2 +1,2 @@\n hello\n-world\n+moon\n";
const TO_BYE: &str = "--- a/greeting\n+++ b/greeting\n@@ -1,2 +1,2 @@\n-hello\n+bye\n moon\n";

#[test]
fn patches_apply_in_order() {
    let Some(stage) = Stage::new() else { return };
    for action in ["patch@v1", "git/patch@v1"] {
        stage.write("greeting", GREETING);
        stage.write("moon.patch", TO_MOON);
        stage.write("bye $(touch gotcha).patch", TO_BYE);
        let step = format!(
            "uses: {action}\nwith:\n  patch: ${{source.dir}}/moon.patch\n  patches:\n    - ${{source.dir}}/bye $(touch gotcha).patch\n"
        );
        stage.run(&step).ok();
        assert_eq!(stage.read("greeting"), "bye\nmoon\n", "{action}");
        // Once more they do not apply.
        assert!(!stage.run(&step).is_ok, "{action}");
        stage.run(&format!("uses: {action}\n")).fails("no patch is named");
        stage.run(&format!("uses: {action}\nwith:\n  patch: absent.patch\n")).fails("absent.patch");
    }
    assert!(!stage.path("/work/source/gotcha").exists());
}

#[test]
fn options_and_directories() {
    let Some(stage) = Stage::new() else { return };
    stage.write("sub/greeting", GREETING);
    stage.write(
        "moon.patch",
        TO_MOON.replace("a/greeting", "greeting").replace("b/greeting", "greeting"),
    );
    stage.run("uses: patch@v1\nwith:\n  options: -p0 --fuzz=0\n  dir: sub\n  patch: ../source/moon.patch\n").ok();
    assert_eq!(stage.read("sub/greeting"), "hello\nmoon\n");
    stage.write("sub/greeting", GREETING);
    stage.run("uses: git/patch@v1\nwork-dir: ${source.dir}/sub\nwith:\n  options: -p0\n  patch: ../moon.patch\n").ok();
    assert_eq!(stage.read("sub/greeting"), "hello\nmoon\n");
}

#[test]
fn git_patches_are_never_left_out() {
    let Some(stage) = Stage::new() else { return };
    stage.sh("git init -q . && mkdir sub").ok();
    stage.write("sub/greeting", GREETING);
    stage.write("moon.patch", TO_MOON);
    // git itself would say nothing and leave the file as it is.
    stage
        .run("uses: git/patch@v1\nwork-dir: ${source.dir}/sub\nwith:\n  patch: ../moon.patch\n")
        .ok();
    assert_eq!(stage.read("sub/greeting"), "hello\nmoon\n");
    // All or nothing.
    stage.write("sub/greeting", GREETING);
    stage.write("two.patch", format!("{TO_MOON}--- a/absent\n+++ b/absent\n@@ -1 +1 @@\n-a\n+b\n"));
    let step = "uses: git/patch@v1\nwork-dir: ${source.dir}/sub\nwith:\n  patch: ../two.patch\n";
    stage.run(step).fails("absent");
    assert_eq!(stage.read("sub/greeting"), GREETING);
}

#[test]
fn checkouts_are_what_was_committed() {
    let Some(stage) = Stage::new() else { return };
    let log = stage
        .sh("git init -q -b main repo && cd repo && git config user.name x && git config user.email x@example.org
             echo one >file && git add file && git commit -qm one && git rev-parse HEAD
             echo two >file && git commit -qam two && git rev-parse HEAD")
        .ok();
    let commits: Vec<&str> = log.lines().collect();
    let step = |commit: &str| {
        format!("uses: git/checkout@v1\nwith:\n  dir: repo\n  expected-commit: \"{commit}\"\n")
    };
    stage.run(&step(commits[1])).ok();
    assert_eq!(stage.read("repo/file"), "two\n");
    stage.run(&step(commits[0])).ok();
    assert_eq!(stage.read("repo/file"), "one\n");
    stage.write("repo/file", "changed\n");
    stage.run(&step(commits[0])).fails("files differ");
    stage.run(&step("0123456789012345678901234567890123456789")).fails("unable to read tree");
    stage.run(&step("main")).fails("not a commit");
}
