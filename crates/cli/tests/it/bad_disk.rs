// SPDX-License-Identifier: Apache-2.0
//! Bad input: disks that are full, and files that may not grow.
//!
//! Root gets a small file system of its own (`unshare -m`, tmpfs). Everybody gets a limit on the size
//! of files: with the signal for it ignored, writes beyond it fail as they do on a full disk.

use std::fs;
use std::process::Command;

use hardpan_testkit::fixture::Fixture;

use crate::support::{
    build, build_command, clean, expect_good_store, files, is_root, run, skip, works,
};

/// Returns a shell that mounts a small file system at a place and then runs hardpan's build.
fn on_small_disk(fixture: &Fixture, at: &str, size_kb: u32, arguments: &[&str]) -> Command {
    let place = fixture.path(at);
    fs::create_dir_all(&place).unwrap();
    let mut command = clean("unshare", fixture);
    command.args(["-m", "sh", "-ec"]);
    command.arg(
        "mount -t tmpfs -o size=\"$1\"k none \"$2\"; place=$2; shift 2; code=0; \"$@\" || code=$?; \
         ls -A \"$place\"/out >&2 2>/dev/null && echo there >&2; exit $code",
    );
    command.args(["sh", &size_kb.to_string()]).arg(&place);
    command.arg(env!("CARGO_BIN_EXE_hardpan")).arg("build").arg(fixture.definition());
    command.args(arguments);
    command
}

fn has_small_disks(test: &str) -> bool {
    let has = is_root() && works("unshare", &["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);
    if !has {
        skip(test, "it takes root to mount a small file system");
    }
    has
}

#[test]
fn a_full_disk_under_the_store() {
    if !has_small_disks("a_full_disk_under_the_store") {
        return;
    }
    let fixture = Fixture::new();
    let output = fixture.path("out");
    // Room for nothing, for an index, for some packages, for nearly all.
    for size_kb in [16, 64, 200, 400, 800] {
        let place = fixture.path("disk/store");
        let arguments = ["--store", place.to_str().unwrap(), "--output", output.to_str().unwrap()];
        let ran = run(on_small_disk(&fixture, "disk", size_kb, &arguments));
        assert_eq!(ran.code, 3, "{size_kb} kB: {ran}");
        assert!(
            ran.stderr.contains("No space left") || ran.stderr.contains("no space left"),
            "{ran}"
        );
        assert!(!output.exists(), "{size_kb} kB");
        let _ = fs::remove_file(fixture.lock());
    }
    let place = fixture.path("disk/store");
    let arguments = ["--store", place.to_str().unwrap(), "--output", output.to_str().unwrap()];
    run(on_small_disk(&fixture, "disk", 10_000, &arguments)).expect(0, &["built"]);
}

#[test]
fn a_full_disk_under_the_output() {
    if !has_small_disks("a_full_disk_under_the_output") {
        return;
    }
    let fixture = Fixture::new();
    let output = fixture.path("disk/out");
    for size_kb in [8, 64, 200, 400] {
        let arguments = ["--output", output.to_str().unwrap()];
        let ran = run(on_small_disk(&fixture, "disk", size_kb, &arguments));
        assert_eq!(ran.code, 3, "{size_kb} kB: {ran}");
        assert!(ran.stderr.contains("No space left"), "{size_kb} kB: {ran}");
        assert!(!ran.stderr.contains("there"), "something was left behind: {ran}");
    }
    let archive = fixture.path("disk/app.tar");
    let arguments = ["--platform", "linux/amd64", "--docker-archive", archive.to_str().unwrap()];
    let ran = run(on_small_disk(&fixture, "disk", 100, &arguments)).expect(3, &["No space left"]);
    assert!(!ran.stderr.contains("there"), "{ran}");
    expect_good_store(&fixture);
    build(&fixture, &["--locked"]).expect(0, &["built"]);
}

#[test]
fn files_that_may_not_grow() {
    let fixture = Fixture::new();
    let limited = |blocks: u32, arguments: &[&str]| {
        let inner = build_command(&fixture, arguments);
        let mut command = clean("sh", &fixture);
        // In units of 512 bytes; Rust's runtime leaves ignored signals as they are.
        command.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "sh"]);
        command.arg(blocks.to_string()).arg(inner.get_program()).args(inner.get_args());
        run(command)
    };
    for blocks in [0, 2, 8, 100, 200] {
        let ran = limited(blocks, &[]);
        assert_eq!(ran.code, 3, "{blocks}: {ran}");
        assert!(ran.stderr.contains("File too large"), "{blocks}: {ran}");
        assert!(!fixture.path("out").exists(), "{blocks}: {:?}", files(&fixture.path("out")));
        expect_good_store(&fixture);
    }
    let digest = limited(10_000, &[]).digest();
    // An old output stays as it was.
    let old = files(&fixture.path("out"));
    fixture.edit("entrypoint:\n", "compression: zstd\nentrypoint:\n");
    let ran = limited(8, &[]);
    assert_eq!(ran.code, 3, "{ran}");
    assert_eq!(files(&fixture.path("out")), old);
    fixture.edit("compression: zstd\n", "");
    assert_eq!(build(&fixture, &[]).digest(), digest);
}
