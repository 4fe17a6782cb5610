// SPDX-License-Identifier: Apache-2.0
//! OpenSCAP and the SCAP Security Guide audit the same root file systems as we do, with planted violations: where both
//! measure the same thing, they agree.
//!
//! What OpenSCAP can't measure of a root file system that it is not running on is left out: it reports passwords, trust files
//! and unowned files as not applicable there, and does not notice files and directories that everybody may write.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(clippy::print_stdout, reason = "how much agreed is worth a line")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PREFIX: &str = "xccdf_org.ssgproject.content_rule_";

/// Rules of OpenSCAP's guide, and the controls of ours of which at least one finds the same.
const SAME: [(&str, &[&str]); 10] = [
    ("file_permissions_etc_passwd", &["writable-system-file", "world-writable-file"]),
    ("file_permissions_etc_group", &["writable-system-file", "world-writable-file"]),
    ("file_permissions_etc_shadow", &["shadow-readable"]),
    ("file_permissions_etc_gshadow", &["shadow-readable"]),
    ("file_owner_etc_passwd", &["writable-system-file"]),
    ("file_owner_etc_group", &["writable-system-file"]),
    ("file_owner_etc_shadow", &["writable-system-file", "shadow-readable"]),
    ("accounts_no_uid_except_zero", &["duplicate-root"]),
    ("account_unique_name", &["duplicate-user"]),
    ("file_permissions_binary_dirs", &["world-writable-file"]),
];

/// Makes a root file system with which nothing is wrong that is compared.
fn clean(root: &Path) {
    for (path, mode, text) in [
        (
            "etc/os-release",
            0o644,
            "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
        ),
        ("etc/debian_version", 0o644, "12.5\n"),
        (
            "etc/passwd",
            0o644,
            "root:x:0:0::/root:/usr/sbin/nologin\napp:x:65532:65532::/:/usr/sbin/nologin\n",
        ),
        ("etc/group", 0o644, "root:x:0:\napp:x:65532:\n"),
        ("etc/shadow", 0o640, "root:*:19000:0:99999:7:::\napp:*:19000:0:99999:7:::\n"),
        ("etc/gshadow", 0o640, "root:*::\napp:*::\n"),
        ("usr/bin/app", 0o755, "#!/bin/false\n"),
        (
            "var/lib/dpkg/status",
            0o644,
            "Package: base-files\nStatus: install ok installed\nMaintainer: A <a@example.org>\nArchitecture: amd64\nVersion: 12.4\nDescription: x\n\n",
        ),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        mode_of(&path, mode);
    }
}

fn mode_of(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn append(path: &Path, line: &str) {
    let text = fs::read_to_string(path).unwrap() + line;
    fs::write(path, text).unwrap();
}

/// Something that is planted, and the rule that is to find it.
type Plant = (&'static str, Option<&'static str>, fn(&Path));

const PLANTS: [Plant; 11] = [
    ("nothing", None, |_| {}),
    ("passwd for all", Some("file_permissions_etc_passwd"), |root| {
        mode_of(&root.join("etc/passwd"), 0o666);
    }),
    ("group for all", Some("file_permissions_etc_group"), |root| {
        mode_of(&root.join("etc/group"), 0o666);
    }),
    ("shadow for all to read", Some("file_permissions_etc_shadow"), |root| {
        mode_of(&root.join("etc/shadow"), 0o644);
    }),
    ("gshadow for all to read", Some("file_permissions_etc_gshadow"), |root| {
        mode_of(&root.join("etc/gshadow"), 0o644);
    }),
    ("passwd of a user", Some("file_owner_etc_passwd"), |root| {
        chown(root.join("etc/passwd"), Some(65532), None).unwrap();
    }),
    ("group of a user", Some("file_owner_etc_group"), |root| {
        chown(root.join("etc/group"), Some(65532), None).unwrap();
    }),
    ("shadow of a user", Some("file_owner_etc_shadow"), |root| {
        chown(root.join("etc/shadow"), Some(65532), None).unwrap();
    }),
    ("a second root", Some("accounts_no_uid_except_zero"), |root| {
        append(&root.join("etc/passwd"), "toor:x:0:0::/:/usr/sbin/nologin\n");
    }),
    ("a name twice", Some("account_unique_name"), |root| {
        append(&root.join("etc/passwd"), "app:x:7:7::/:/usr/sbin/nologin\n");
    }),
    ("a program for all", Some("file_permissions_binary_dirs"), |root| {
        mode_of(&root.join("usr/bin/app"), 0o777);
    }),
];

/// What OpenSCAP says of the rules: whether each passed.
fn theirs(root: &Path, guide: &Path) -> BTreeMap<String, bool> {
    // What the script `oscap-chroot` does, which Debian has in one package or another.
    let mut command = Command::new("oscap");
    command.env("OSCAP_PROBE_ROOT", root);
    command.env("OSCAP_EVALUATION_TARGET", format!("chroot://{}", root.display()));
    command.args(["xccdf", "eval", "--skip-valid"]);
    for (rule, _) in SAME {
        command.arg("--rule").arg(format!("{PREFIX}{rule}"));
    }
    let output = command.arg(guide).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut results = BTreeMap::new();
    let mut rule = "";
    for line in said.lines() {
        // What stands between them depends on where it prints to.
        match line.split_once('\t').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("Rule", id)) => rule = id.strip_prefix(PREFIX).unwrap_or(id),
            Some(("Result", "pass")) => {
                results.insert(rule.to_owned(), true);
            }
            Some(("Result", "fail")) => {
                results.insert(rule.to_owned(), false);
            }
            _ => {}
        }
    }
    results
}

/// What we say: the controls that hold.
fn ours(root: &Path, home: &Path) -> BTreeMap<String, bool> {
    let output = Command::new(env!("CARGO_BIN_EXE_hardpan"))
        .args(["audit", "--json", "--fail-on", "never", "--offline"])
        .arg(root)
        .current_dir(home)
        .env("HARDPAN_STORE", home.join("store"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let controls = report["controls"].as_array().unwrap().iter();
    let held = controls.map(|control| {
        let id = control["id"].as_str().unwrap().to_owned();
        (id, control["outcome"]["result"] == "pass")
    });
    held.collect()
}

#[test]
fn openscap_and_we_agree_on_what_both_measure() {
    let guide = std::env::var_os("HARDPAN_TEST_CLIENTS")
        .map(|folder| PathBuf::from(folder).join("ssg-debian12-ds.xml"))
        .filter(|path| path.exists());
    let Some(guide) = guide else {
        println!("skipped: HARDPAN_TEST_CLIENTS has no ssg-debian12-ds.xml");
        return;
    };
    let is_there = Command::new("oscap").arg("--version").output().is_ok();
    let home = tempfile::tempdir().unwrap();
    let probe = home.path().join("probe");
    fs::write(&probe, "").unwrap();
    if !is_there || chown(&probe, Some(65532), None).is_err() {
        println!("skipped: openscap-scanner is not installed, or files can't be given away");
        return;
    }
    let (mut agreed, mut compared) = (0, 0);
    for (number, (what, expected, plant)) in PLANTS.into_iter().enumerate() {
        let root = home.path().join(format!("root-{number}"));
        clean(&root);
        plant(&root);
        let (theirs, ours) = (theirs(&root, &guide), ours(&root, home.path()));
        for (rule, controls) in SAME {
            let Some(passed) = theirs.get(rule) else { panic!("{what}: {rule} was not measured") };
            let held = controls.iter().all(|id| ours[*id]);
            // The same broken thing may break another of several controls: what counts is the one for this rule.
            let is_planted = expected == Some(rule);
            assert_eq!(*passed, !is_planted, "{what}: OpenSCAP about {rule}");
            if is_planted {
                assert!(!held, "{what}: {rule} fails, and {controls:?} hold");
            } else if expected.is_none() {
                assert!(held, "{what}: {rule} passes, and one of {controls:?} does not hold");
            }
            compared += usize::from(is_planted || expected.is_none());
            agreed += usize::from((is_planted || expected.is_none()) && *passed == held);
        }
    }
    println!("{agreed} of {compared} verdicts agree over {} root file systems", PLANTS.len());
    assert_eq!((agreed, compared), (20, 20));
}
