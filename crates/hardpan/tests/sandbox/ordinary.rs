// SPDX-License-Identifier: Apache-2.0
//! All of it as an ordinary user, and on machines that forbid it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hardpan::sandbox::{Root, SandboxError};
use tempfile::TempDir;

use crate::running::{EMULATOR, FOREIGN};
use crate::support::{Place, run, sandbox, script, skip};

const NOBODY: u32 = 65_534;
/// Set where the kernel refuses overlays, so that roots are copied.
pub(crate) const COPIED: &str = "HARDPAN_TEST_COPIED";
/// Set in a copy of the tests that this file started.
const COPY: &str = "HARDPAN_TEST_COPY";

/// Returns a copy of this program that everybody may start, and where it may write.
fn copy_for_all() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("tests");
    // A file that this process wrote can't be run while another thread of it forks.
    let mut install = Command::new("install");
    install.args(["-m", "755"]).arg(std::env::current_exe().unwrap()).arg(&program);
    assert!(install.status().unwrap().success());
    fs::create_dir(directory.path().join("tmp")).unwrap();
    chown(directory.path().join("tmp"), Some(NOBODY), Some(NOBODY)).unwrap();
    (directory, program)
}

/// Puts the program that makes system calls beside a copy of the tests.
fn add_calls(test: &str, program: &Path) {
    if let Some(place) = Place::new(test)
        && place.add_calls(test)
    {
        fs::copy(place.lower().join("bin/calls"), program.with_extension("calls")).unwrap();
    }
}

/// Returns whether this is a copy, or nothing can be copied.
fn can_not(test: &str, needs: &[&str]) -> bool {
    if std::env::var_os(COPY).is_some() {
        return true;
    }
    if !rustix::process::geteuid().is_root() {
        skip(test, "it takes root to become somebody else");
        return true;
    }
    let works = Command::new(needs[0]).args(&needs[1..]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        skip(test, &format!("{} does not work here", needs.join(" ")));
        return true;
    }
    false
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

const AS_NOBODY: [&str; 6] =
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--"];

#[test]
fn all_tests_as_an_ordinary_user() {
    let test = "all_tests_as_an_ordinary_user";
    if can_not(test, &[&AS_NOBODY[..], &["true"]].concat()) {
        return;
    }
    let (directory, program) = copy_for_all();
    add_calls(test, &program);
    let mut command = Command::new(AS_NOBODY[0]);
    for name in [EMULATOR, FOREIGN] {
        if let Some(path) = std::env::var_os(name) {
            let copy = directory.path().join(name);
            fs::copy(path, &copy).unwrap();
            command.env(name, copy);
        }
    }
    let output = command
        .args(&AS_NOBODY[1..])
        .arg(&program)
        .args(["--test-threads=2", "--nocapture"])
        .env(COPY, "1")
        .env("TMPDIR", directory.path().join("tmp"))
        .current_dir("/")
        .output()
        .unwrap();
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    // Its skipped tests are ours.
    for line in text.lines().filter(|line| line.starts_with("skipped:")) {
        println!("{line} (as an ordinary user)");
    }
    let passed =
        text.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split_once(' '));
    assert!(passed.unwrap().0.parse::<u32>().unwrap() > 30, "{text}");
}

/// Not a test by itself: prints how a sandbox fails on a machine that another test prepared.
#[test]
fn say_how_it_fails() {
    if std::env::var_os("HARDPAN_TEST_FAIL").is_none() {
        return;
    }
    let place = Place::new("say_how_it_fails").unwrap();
    let root = place.layered("scratch");
    match run(&sandbox(Root::Layered(&root)), &script("true")) {
        Ok(ran) => println!("ran: {ran:?}"),
        Err(SandboxError::Forbidden { what, help }) => println!("forbidden: {what}; {help}"),
        Err(error) => println!("failed: {error}"),
    }
    match hardpan::sandbox::check() {
        Ok(()) => println!("check: fine"),
        Err(error) => println!("check: {error}"),
    }
}

#[test]
fn machines_that_forbid_it() {
    let test = "machines_that_forbid_it";
    let own = ["unshare", "--user", "--map-root-user", "--"];
    if can_not(test, &[&AS_NOBODY[..], &own[..], &["true"]].concat()) {
        return;
    }
    let (directory, program) = copy_for_all();
    add_calls(test, &program);
    let calls = program.with_extension("calls");
    let calls = calls.to_str().unwrap();
    let number = |number: libc::c_long| number.to_string();
    let (clone, mount) = (number(libc::SYS_clone3), number(libc::SYS_mount_setattr));
    let cases: [(&str, &[&str], &str, &str); 6] = [
        (
            "no user namespaces",
            &own,
            "echo 0 >/proc/sys/user/max_user_namespaces",
            "forbidden: user.max_user_namespaces is 0; set it to at least 1000",
        ),
        (
            "a /proc with hidden parts",
            &["unshare", "--user", "--map-root-user", "--mount", "--"],
            "mount -t tmpfs none /proc/sys",
            "forbidden: a new /proc, since parts of the one here are hidden",
        ),
        (
            "a container's filter",
            &[calls, "filtered", &clone],
            "true",
            "forbidden: to prepare the process, since a filter of system calls is in force; hardpan runs \
             in a container",
        ),
        (
            "a filter of mounts",
            &[calls, "filtered", &mount],
            "true",
            "forbidden: to make a place for mounts, since a filter of system calls is in force",
        ),
        (
            "a container that listens",
            &[calls, "filtered", "-1"],
            "true",
            "forbidden: to answer system calls, since the container that hardpan runs in does so",
        ),
        ("a namespace in a namespace", &own, "true", "ran: Ran { exit: Code(0)"),
    ];
    for (summary, wrapper, preparation, expected) in cases {
        let script = format!(
            "{preparation} && exec {} --exact ordinary::say_how_it_fails --nocapture",
            program.display()
        );
        let arguments = [&AS_NOBODY[1..], wrapper, &["sh", "-c", &script]].concat();
        let output = Command::new(AS_NOBODY[0])
            .args(arguments)
            .env(COPY, "1")
            .env("HARDPAN_TEST_FAIL", "1")
            .env("TMPDIR", directory.path().join("tmp"))
            .current_dir("/")
            .output()
            .unwrap();
        let text = text(&output);
        assert!(text.contains(expected), "{summary}: {text}");
        let is_fine = text.contains("check: fine");
        assert_eq!(is_fine, expected.starts_with("ran"), "{summary}: {text}");
    }
}

#[test]
fn roots_without_overlays() {
    let test = "roots_without_overlays";
    if can_not(test, &["unshare", "--mount", "--", "true"]) {
        return;
    }
    let (directory, program) = copy_for_all();
    add_calls(test, &program);
    // An overlay can't have its changes in another one.
    let prepare = "cd $0 && mkdir lower upper work && chmod 1777 upper && \
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work tmp && chmod 1777 tmp && \
        export TMPDIR=$0/tmp && exec \"$@\"";
    let own: &[&str] = &[];
    for wrapper in [own, &AS_NOBODY] {
        let output = Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", prepare])
            .arg(directory.path())
            .args(wrapper)
            .arg(&program)
            .args(["changes::", "mounts::", "running::where", "--test-threads=2", "--nocapture"])
            .env(COPY, "1")
            .env(COPIED, "1")
            .output()
            .unwrap();
        let text = text(&output);
        assert!(output.status.success(), "{wrapper:?}: {text}");
        assert!(text.contains("test changes::what_scripts_change ... ok"), "{wrapper:?}: {text}");
        for name in ["lower", "upper", "work"] {
            fs::remove_dir_all(directory.path().join(name)).unwrap();
        }
    }
}

#[test]
fn this_machine_allows_it() {
    hardpan::sandbox::check().unwrap();
}
