// SPDX-License-Identifier: Apache-2.0
//! Build stages of another machine, with an emulator and without one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hardpan_testkit::fixture::{DEFINITION, Fixture, packages};

use crate::stages::{busybox_bytes, busybox_package, define, has, stage};
use crate::support::{build, build_command, image, run, skip};

/// Where the tests of emulators get them from; `run-tests` sets both.
const EMULATOR: &str = "HARDPAN_TEST_QEMU_AARCH64";
const BUSYBOX: &str = "HARDPAN_TEST_BUSYBOX_ARM64";

/// A fixture with a stage for both platforms, and a folder with an emulator for the one that this machine
/// is not; `None`, with the reason said, where there is none.
fn fixture(test: &str) -> Option<(Fixture, PathBuf)> {
    if !cfg!(target_arch = "x86_64") {
        skip(test, "it emulates arm64 on x86-64");
        return None;
    }
    if !fs::exists("/proc/sys/fs/binfmt_misc").unwrap() {
        skip(test, "this kernel has no binfmt_misc");
        return None;
    }
    let (Some(emulator), Some(foreign)) = (std::env::var_os(EMULATOR), std::env::var_os(BUSYBOX))
    else {
        skip(test, &format!("{EMULATOR} and {BUSYBOX} do not name what it runs"));
        return None;
    };
    let Some(busybox) = busybox_bytes() else {
        skip(test, "there is no static busybox");
        return None;
    };
    let mut all = packages();
    all.push(busybox_package("amd64", &busybox));
    all.push(busybox_package("arm64", &fs::read(foreign).unwrap()));
    let fixture = Fixture::with(&all);
    let builds = stage(
        "echo runs on $(b uname -m) for ${target.arch}
         b mkdir -p ${target.dir}/opt
         b uname -m >${target.dir}/opt/machine
         b chown 7:8 ${target.dir}/opt/machine
         b md5sum </usr/bin/busybox >${target.dir}/opt/sum",
        &["{source: '${target.dir}', target: /}"],
    );
    define(&fixture, &builds);
    fixture.edit("platforms: [linux/amd64]", "platforms: [linux/amd64, linux/arm64]");
    let folder = fixture.path("emulators");
    fs::create_dir(&folder).unwrap();
    fs::copy(emulator, folder.join("qemu-aarch64-static")).unwrap();
    fs::set_permissions(folder.join("qemu-aarch64-static"), fs::Permissions::from_mode(0o755))
        .unwrap();
    Some((fixture, folder))
}

fn with_path(mut command: Command, path: &Path) -> Command {
    command.env("PATH", path);
    command
}

#[test]
fn stages_of_another_machine_run_with_an_emulator() {
    let test = "stages_of_another_machine_run_with_an_emulator";
    let Some((one, emulators)) = fixture(test) else { return };
    let both = run(with_path(build_command(&one, &["--verbose"]), &emulators))
        .expect(0, &["│ runs on x86_64 for amd64", "│ runs on aarch64 for arm64"])
        .digest();
    // What was made for both is taken for one, and no emulator is asked.
    let arm = ["--platform", "linux/arm64"];
    let again = run(with_path(build_command(&one, &arm), &one.path("home")));
    let foreign = again.expect(0, &["built"]).digest();
    assert_ne!(foreign, both);
    // "aarch64\n" is 8 bytes, "x86_64\n" is 7.
    has(&image(&one), &["/opt/machine file 0644 7:8 8", "/opt/sum file 0644 0:0"]);
    // In a store that knows nothing, and twice.
    let (other, emulators) = fixture(test).unwrap();
    let command = build_command(&other, &["--check-reproducible", "--threads", "1"]);
    assert_eq!(run(with_path(command, &emulators)).digest(), both);
    // As somebody else.
    let Some(mut command) = crate::rootless::build_as_nobody(&other) else { return };
    // setpriv(1) is found there, too.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", emulators.display())).args(arm);
    assert_eq!(run(command).digest(), foreign);
}

#[test]
fn stages_of_another_machine_fail_without_an_emulator() {
    let test = "stages_of_another_machine_fail_without_an_emulator";
    let Some((fixture, emulators)) = fixture(test) else { return };
    let without = fixture.path("home");
    let expected = [
        "error: stage make, step work can't run",
        "/usr/bin/busybox is a program for aarch64, and this machine can't run it",
        "help: install qemu-user-static, or build only this machine's platform with `--platform`",
    ];
    for platforms in [&[][..], &["--platform", "linux/arm64"]] {
        run(with_path(build_command(&fixture, platforms), &without)).expect(5, &expected);
        assert!(!fixture.path("out").exists());
    }
    // The help is right.
    build(&fixture, &["--platform", "linux/amd64"]).expect(0, &["built"]);
    run(with_path(build_command(&fixture, &[]), &emulators)).expect(0, &["built"]);
    // An emulator that is none.
    let Some((broken, emulators)) = self::fixture(test) else { return };
    fs::write(emulators.join("qemu-aarch64-static"), "not a program\n").unwrap();
    let command = build_command(&broken, &["--platform", "linux/arm64"]);
    run(with_path(command, &emulators)).expect(5, &["stage make, step work"]);
    assert!(!broken.path("out").exists());
    assert!(fs::exists(broken.path("catalog").join(DEFINITION)).unwrap());
}

/// The kernel lets only root of a sandbox have an emulator.
#[test]
fn an_emulator_is_in_nobodys_way() {
    let test = "an_emulator_is_in_nobodys_way";
    let Some((fixture, emulators)) = fixture(test) else { return };
    fixture.edit("          runs: |", "          run-as: '1234'\n          runs: |");
    fixture.edit("b chown 7:8", "b cat");
    let command = build_command(&fixture, &["--platform", "linux/amd64", "--verbose"]);
    run(with_path(command, &emulators)).expect(0, &["│ runs on x86_64 for amd64"]);
    let command = build_command(&fixture, &["--platform", "linux/arm64"]);
    run(with_path(command, &emulators))
        .expect(5, &["stage make, step work can't run", "register the emulator", "for root only"]);
}
