// SPDX-License-Identifier: Apache-2.0
//! What programs change, and who they give it to.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use hardpan::sandbox::{ChangeKind, DeviceRequest, Identity, Mount, MountKind, Owner, Root};
use hardpan_tree::TreePath;

use crate::ordinary::COPIED;
use crate::support::{Place, calls, in_root, lines, run, sandbox, script};

/// Scripts, each in a root of its own, and what they change.
const CASES: &[(&str, &str, &[&str])] = &[
    ("nothing", "true", &[]),
    (
        "new files, a removed one",
        "echo new >/etc/new; mkdir -p /srv/a/b; rm /data/one; ln -s ../x /etc/link",
        &[
            "data/one removed",
            "etc/link -> ../x -",
            "etc/new 0644 - 4",
            "srv/ 0755 -",
            "srv/a/ 0755 -",
            "srv/a/b/ 0755 -",
        ],
    ),
    ("a file that is only read", "cat /etc/file; ls -lR /data /etc", &[]),
    ("a file that is opened to be written, and left", "exec 3<>/etc/file; true", &[]),
    ("a mode that comes back", "chmod 600 /etc/file; chmod 644 /etc/file", &[]),
    ("a mode", "chmod 4755 /etc/file; chmod 700 /data", &["data/ 0700 -", "etc/file 4755 - 6"]),
    ("a longer file", "echo more >>/etc/file", &["etc/file 0644 - 11"]),
    ("another time", "touch -d 2001-01-01 /etc/file", &["etc/file 0644 - 6"]),
    (
        "a directory that is made again",
        "rm -r /data; mkdir /data; echo x >/data/x",
        &["data/ 0755 0:0 opaque", "data/x 0644 - 2"],
    ),
    ("a directory that is gone", "rm -r /data", &["data removed"]),
    (
        "a directory that becomes a file and the other way around",
        "rm -r /data; echo x >/data; rm /etc/file; mkdir -p /etc/file/deep",
        &["data 0644 0:0 2", "etc/file/ 0755 0:0", "etc/file/deep/ 0755 -"],
    ),
    (
        "what was made in a new directory and removed",
        "mkdir /x; echo x >/x/y; rm /x/y; rm -r /data/deep; mkdir /data/deep",
        &["data/deep/ 0755 0:0 opaque", "x/ 0755 -"],
    ),
    (
        "a directory that moves",
        "mv /data /moved",
        &[
            "data removed",
            "moved/ 0755 0:0",
            "moved/deep/ 0755 0:0",
            "moved/deep/two 0644 0:0 4",
            "moved/one 0644 0:0 4",
        ],
    ),
    (
        "what is private and what is not the root's",
        "echo x >/tmp/x; echo x >/dev/shm/x; mkdir /tmp/y; chmod 700 /tmp; chown 5:5 /tmp/x /dev/shm/x",
        &[],
    ),
    ("a pipe and a socket", "mkfifo /etc/pipe", &["etc/pipe special"]),
    (
        "owners of all below",
        "chown -R 65532:65533 /data /etc/file",
        &[
            "data/ 0755 65532:65533",
            "data/deep/ 0755 65532:65533",
            "data/deep/two 0644 65532:65533 4",
            "data/one 0644 65532:65533 4",
            "etc/file 0644 65532:65533 6",
        ],
    ),
    (
        "owners go with a file",
        "echo x >/a; chown 7:8 /a; mv /a /b; mv /b /data/c; cp /data/c /d",
        &["d 0644 - 2", "data/c 0644 7:8 2"],
    ),
    (
        "owners go with what is gone",
        "echo x >/a; chown 7:8 /a; rm /a; echo y >/a; chown 7:8 /data/one; rm /data/one; echo z >/data/one",
        &["a 0644 - 2", "data/one 0644 0:0 2"],
    ),
    (
        "owners of links, and of what links lead to",
        "ln -s /data/one /l; ln -s /nowhere /m; chown 1:1 /l; chown -h 2:2 /l /m",
        &["data/one 0644 1:1 4", "l -> /data/one 2:2", "m -> /nowhere 2:2"],
    ),
    (
        "bits that go when somebody else becomes the owner",
        "cp /bin/busybox /a; cp /a /b; chmod 4755 /a; chmod 6755 /b; chown 1:1 /a; chown 1:1 /b; chmod 4755 /b",
        &["a 0755 1:1 BUSYBOX", "b 4755 1:1 BUSYBOX"],
    ),
    (
        "modes that forbid to read",
        "mkdir -p /x/y; echo z >/x/y/z; chmod 0 /x/y/z; chmod 0 /x/y; chmod 200 /x; chmod 0 /etc/file; chown 1:1 /x/y/z",
        &["etc/file 0000 - 6", "x/ 0200 -", "x/y/ 0000 -", "x/y/z 0000 1:1 2"],
    ),
    (
        "one that is below a directory without rights",
        "mkdir /x; echo y >/x/y; chmod 0 /x; chown -R 3:3 /x",
        &["x/ 0000 3:3", "x/y 0644 3:3 2"],
    ),
    ("names that are no text", "echo x >\"/$(printf 'a\\377\\nb')\"", &["a\u{fffd}\nb 0644 - 2"]),
];

#[test]
fn what_scripts_change() {
    let Some(place) = Place::new("what_scripts_change") else { return };
    let busybox = fs::metadata("/bin/busybox").unwrap().len().to_string();
    for (index, (summary, text, expected)) in CASES.iter().enumerate() {
        let root = place.layered(&format!("scratch{index}"));
        in_root(&root, text).good();
        let expected: Vec<String> =
            expected.iter().map(|line| line.replace("BUSYBOX", &busybox)).collect();
        let found = root.changes().unwrap();
        // Directories of an overlay don't move; programs copy them, with their owners.
        let is_moved = std::env::var_os(COPIED).is_some() && text.starts_with("mv ");
        let expected: Vec<String> = expected
            .into_iter()
            .map(|line| if is_moved { line.replace(" 0:0", " -") } else { line })
            .collect();
        assert_eq!(lines(&found), expected, "{summary}");
        let paths: Vec<_> = found.iter().map(|change| &change.path).collect();
        assert!(paths.is_sorted(), "{summary}");
        // Looking changes nothing that a program sees, and nothing that the next look finds.
        in_root(&root, "true").good();
        assert_eq!(lines(&root.changes().unwrap()), lines(&found), "{summary}, again");
    }
    assert_eq!(fs::read(place.lower().join("etc/file")).unwrap(), b"below\n");
    assert!(place.lower().join("data/deep/two").exists());
}

#[test]
fn programs_see_what_others_left() {
    let Some(place) = Place::new("programs_see_what_others_left") else { return };
    let root = place.layered("scratch");
    in_root(&root, "echo x >/a; echo y >/tmp/b; chmod 0 /a; chown 5:6 /a; mkdir /c; chmod 0 /c")
        .good();
    let before = lines(&root.changes().unwrap());
    assert_eq!(before, ["a 0000 5:6 2", "c/ 0000 -"]);
    let text = "cat /a /tmp/b; stat -c %a /a /c; mv /a /c/a; chown 5:7 /c/a";
    assert_eq!(in_root(&root, text).good(), "x\ny\n0\n0\n");
    assert_eq!(lines(&root.changes().unwrap()), ["c/ 0000 -", "c/a 0000 5:7 2"]);
    // Another root has nothing of it.
    let other = place.layered("other");
    assert_eq!(in_root(&other, "ls /a /tmp/b /c 2>/dev/null; true").good(), "");
}

#[test]
fn hard_links() {
    let Some(place) = Place::new("hard_links") else { return };
    let root = place.layered("scratch");
    in_root(&root, "echo x >/a; ln /a /b; chown 1:2 /b; ln /data/one /data/two; echo z >/z").good();
    let found = root.changes().unwrap();
    assert_eq!(lines(&found), ["a 0644 1:2 2", "b 0644 1:2 2", "data/two 0644 - 4", "z 0644 - 2"]);
    let identities: Vec<u64> = found
        .iter()
        .map(|change| match change.kind {
            ChangeKind::File { identity, .. } => identity,
            _ => 0,
        })
        .collect();
    assert_eq!(identities[0], identities[1]);
    assert_ne!(identities[0], identities[2]);
    assert_ne!(identities[0], identities[3]);
}

#[test]
fn calls_about_owners() {
    let test = "calls_about_owners";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    let root = place.layered("scratch");
    let results = calls(&sandbox(Root::Layered(&root)), &["owners"]);
    for (call, result) in &results {
        let expected = match call.as_str() {
            "fchown closed" | "fchown negative" => "EBADF",
            "chown dangling" | "chown missing" | "chown empty" | "mknod nowhere" => "ENOENT",
            "chown nowhere" => "EFAULT",
            "fchownat flags" => "EINVAL",
            "fchownat no directory" => "ENOTDIR",
            "mknod there" | "mknod whiteout" => "EEXIST",
            _ => "ok",
        };
        assert_eq!(result, expected, "{call}");
    }
    assert_eq!(
        lines(&root.changes().unwrap()),
        [
            "folder/ 0755 8:9",
            "folder/fifo special",
            "folder/file 0644 6:7 0",
            "folder/plain 0600 - 0",
            "link -> nowhere 10:11",
            "made 0644 1:3 0",
        ]
    );
    let ran =
        run(&sandbox(Root::Layered(&root)), &script("rm -r /folder; mkdir /folder; calls owners"));
    let devices = ran.unwrap().devices;
    let device = |path, mode, major, minor| DeviceRequest {
        path: TreePath::literal(path),
        mode,
        major,
        minor,
    };
    assert_eq!(
        devices,
        [device("folder/block", 0o060_600, 259, 300), device("folder/device", 0o020_666, 1, 3),]
    );
}

#[test]
fn ordinary_users_inside() {
    let test = "ordinary_users_inside";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    let root = place.layered("scratch");
    in_root(&root, "mkdir /home/user; echo roots >/home/roots").good();
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.identity = Identity { uid: 1000, gid: 100 };
    let text = "id -u; id -g; cd /home/user; echo x >x; mkdir -p d/e; ln -s x l; echo more >>/etc/file; \
                chmod 700 /data; rm /data/one; echo y >/data/one; chown 1000:100 x";
    assert_eq!(run(&sandbox, &script(text)).unwrap().good(), "1000\n100\n");
    let expected = [
        "data/ 0700 -",
        "data/one 0644 1000:100 2",
        "etc/file 0644 - 11",
        "home/roots 0644 - 6",
        "home/user/ 0755 -",
        "home/user/d/ 0755 1000:100",
        "home/user/d/e/ 0755 1000:100",
        "home/user/l -> x 1000:100",
        "home/user/x 0644 1000:100 2",
    ];
    assert_eq!(lines(&root.changes().unwrap()), expected);
    for attempt in
        ["chown 0:0 /home/user/x", "chgrp 5 /home/user/x", "busybox mknod /home/user/n c 1 3"]
    {
        let ran = run(&sandbox, &script(attempt)).unwrap();
        assert!(ran.errors.contains("not permitted"), "{attempt}: {ran:?}");
    }
    let results = calls(&sandbox, &["owners"]);
    for call in ["setuid", "setgid", "setgroups", "setresuid"] {
        assert_eq!(results[call], "EPERM", "{call}");
    }
    assert_eq!(results["setresuid own"], "ok");
}

#[test]
fn numbers_that_are_used_again() {
    let test = "numbers_that_are_used_again";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    let root = place.layered("scratch");
    in_root(&root, "calls reuse").good();
    assert_eq!(lines(&root.changes().unwrap()), ["again 0644 - 0"]);
}

#[test]
fn parts_of_an_owner() {
    let test = "parts_of_an_owner";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    let below = BTreeMap::from([(TreePath::literal("etc/file"), Owner { uid: 10, gid: 20 })]);
    let root = place.layered("scratch").with_lower_owners(below);
    let text = "calls chown /etc/file -1 30; calls chown /data/one -1 30; calls chown /data 5 -1; \
                calls chown /data/deep -1 -1; calls chown /data/deep/two 1 2; calls chown /data/deep/two 3 -1";
    in_root(&root, text).good();
    let first = [
        "data/ 0755 5:0",
        "data/deep/two 0644 3:2 4",
        "data/one 0644 0:30 4",
        "etc/file 0644 10:30 6",
    ];
    assert_eq!(lines(&root.changes().unwrap()), first);
    in_root(&root, "mv /etc/file /data/one; calls chown /data/one 11 -1").good();
    let second =
        ["data/ 0755 5:0", "data/deep/two 0644 3:2 4", "data/one 0644 11:30 6", "etc/file removed"];
    assert_eq!(lines(&root.changes().unwrap()), second);
}

#[test]
fn mount_points_leave_no_trace() {
    let Some(place) = Place::new("mount_points_leave_no_trace") else { return };
    let root = place.layered("scratch");
    in_root(&root, "rm -r /data /etc/file").good();
    let before = lines(&root.changes().unwrap());
    assert_eq!(before, ["data removed", "etc/file removed"]);
    let mut sandbox = sandbox(Root::Layered(&root));
    let mount = |target, kind| Mount { target: TreePath::literal(target), kind };
    sandbox.mounts = vec![
        mount("data/deep/er", MountKind::Temporary { mode: 0o755, size_bytes: 1 << 20 }),
        mount("etc/file", MountKind::Secret(b"secret".to_vec())),
        mount("new/file", MountKind::Secret(b"secret".to_vec())),
    ];
    let text = "cat /etc/file; ls /data/deep; echo x >/data/deep/er/x";
    assert_eq!(run(&sandbox, &script(text)).unwrap().good(), "secreter\n");
    assert_eq!(lines(&root.changes().unwrap()), before);
    // What was gone is still gone.
    assert_eq!(in_root(&root, "ls -d /data /etc/file /new 2>/dev/null; echo").good(), "\n");
}

#[test]
fn nothing_becomes_somebody_elses_outside() {
    let Some(place) = Place::new("nothing_becomes_somebody_elses_outside") else { return };
    let root = place.layered("scratch");
    in_root(&root, "echo x >/a; chown 0:0 /a; chown 1:1 /etc/file").good();
    let upper = if std::env::var_os(COPIED).is_some() { "root" } else { "upper" };
    let upper = place.path("scratch").join(upper);
    let directory = fs::metadata(&upper).unwrap();
    for name in ["a", "etc/file", "../tmp"] {
        let file = fs::metadata(upper.join(name)).unwrap();
        assert_eq!((file.uid(), file.gid()), (directory.uid(), directory.gid()), "{name}");
    }
    let scratch = fs::metadata(place.path("scratch")).unwrap();
    assert_eq!(scratch.permissions(), Permissions::from_mode(0o40_700));
}
