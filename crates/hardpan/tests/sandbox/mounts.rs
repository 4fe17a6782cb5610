// SPDX-License-Identifier: Apache-2.0
//! What is mounted into a root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;
use std::time::Duration;

use hardpan::sandbox::{Exit, Mount, MountKind, Root, host_owner};
use hardpan_tree::TreePath;

use crate::support::{Place, lines, program, run, sandbox, script};

fn mount(target: &'static str, kind: MountKind) -> Mount {
    Mount { target: TreePath::literal(target), kind }
}

fn bind(target: &'static str, source: &Path, is_read_only: bool) -> Mount {
    mount(target, MountKind::Bind { source: source.to_path_buf(), is_read_only })
}

#[test]
fn directories_and_files_of_the_host() {
    let Some(place) = Place::new("directories_and_files_of_the_host") else { return };
    let (cache, given) = (place.path("cache"), place.path("given"));
    for directory in [&cache, &given] {
        fs::create_dir(directory).unwrap();
        if let Some((uid, gid)) = host_owner() {
            lchown(directory, Some(uid), Some(gid)).unwrap();
        }
    }
    fs::write(given.join("file"), "given\n").unwrap();
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.mounts = vec![
        bind("root/.cache", &cache, false),
        bind("work/given", &given, true),
        bind("work/given-file", &given.join("file"), true),
        mount("run", MountKind::Temporary { mode: 0o1777, size_bytes: 1 << 16 }),
        bind("run/inner", &given, true),
    ];
    let text = "echo x >/root/.cache/x; cat /work/given/file /work/given-file /run/inner/file; \
                stat -c %a /run; echo y >/run/y; head -c 100000 /dev/zero >/run/z; stat -c %s /run/z; \
                chown 5:5 /root/.cache/x; chmod 4755 /root/.cache/x; id -u; cp /bin/busybox /run/id";
    let ran = run(&sandbox, &script(text)).unwrap();
    assert_eq!(ran.output, "given\ngiven\ngiven\n1777\n61440\n0\n", "{}", ran.errors);
    assert_eq!(fs::read(cache.join("x")).unwrap(), b"x\n");
    // The host's file is nobody else's, and its directory has what it had.
    assert_eq!(fs::metadata(cache.join("x")).unwrap().uid(), fs::metadata(&cache).unwrap().uid());
    for attempt in [
        "echo x >/work/given/x",
        "echo x >>/work/given/file",
        "rm /work/given/file",
        "chown 1:1 /work/given/file",
        "echo x >>/work/given-file",
        "rm /work/given-file",
        "mv /work/given /work/other",
        "rmdir /run/inner",
        "umount /work/given",
        "mount -o remount,rw /work/given",
        "busybox mknod /work/given/null c 1 3",
    ] {
        let ran = run(&sandbox, &script(attempt)).unwrap();
        assert_ne!(ran.exit, Exit::Code(0), "{attempt}");
    }
    assert_eq!(fs::read(given.join("file")).unwrap(), b"given\n");
    assert!(lines(&root.changes().unwrap()).is_empty());
    sandbox.mounts.clear();
    let ran = run(&sandbox, &script("ls /work /root /run 2>/dev/null; true")).unwrap();
    assert_eq!(ran.output, "");
}

#[test]
fn what_stays_beside_mounts() {
    let Some(place) = Place::new("what_stays_beside_mounts") else { return };
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    let temporary = MountKind::Temporary { mode: 0o700, size_bytes: 1 << 20 };
    sandbox.mounts = vec![mount("work/a/b", temporary)];
    run(&sandbox, &script("echo x >/work/x; echo y >/work/a/b/y")).unwrap().good();
    assert_eq!(lines(&root.changes().unwrap()), ["work/ 0755 -", "work/x 0644 - 2"]);
}

#[test]
fn mounts_that_can_not_be() {
    let Some(place) = Place::new("mounts_that_can_not_be") else { return };
    let root = place.layered("scratch");
    let temporary = MountKind::Temporary { mode: 0o700, size_bytes: 1 << 20 };
    let cases = [
        ("a source that is not there", bind("x", &place.path("nowhere"), true)),
        ("the root", mount("", temporary.clone())),
        ("below a file", mount("etc/file/x", temporary.clone())),
        ("a directory over a file", mount("etc/file", temporary)),
    ];
    for (summary, mount) in cases {
        let mut sandbox = sandbox(Root::Layered(&root));
        sandbox.mounts = vec![mount];
        let error = run(&sandbox, &script("true")).unwrap_err().to_string();
        assert!(error.starts_with("can't set up the sandbox: mount"), "{summary}: {error}");
    }
}

#[test]
fn secrets() {
    let Some(place) = Place::new("secrets") else { return };
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    let secret = "a-secret-that-is-nowhere-else";
    sandbox.mounts = vec![
        mount("run/secrets/one", MountKind::Secret(secret.into())),
        mount("run/secrets/two", MountKind::Secret(b"2".to_vec())),
        mount("etc/file", MountKind::Secret(b"over".to_vec())),
    ];
    assert!(!format!("{sandbox:?}").contains(secret));
    let text = "cat /run/secrets/one /run/secrets/two /etc/file; stat -c %a /run/secrets/one; \
                echo x >/run/secrets/one; rm /run/secrets/two; cat /run/secrets/one >/dev/null";
    let ran = run(&sandbox, &script(text)).unwrap();
    assert_eq!(ran.output, format!("{secret}2over400\n"), "{}", ran.errors);
    assert_eq!(ran.errors.lines().count(), 2, "{}", ran.errors);
    assert!(lines(&root.changes().unwrap()).is_empty());
    let found = std::process::Command::new("grep")
        .args(["-r", "-l", secret])
        .arg(place.path(""))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    sandbox.mounts.clear();
    let ran = run(&sandbox, &script("cat /run/secrets/one; cat /etc/file")).unwrap();
    assert_eq!(ran.output, "below\n");
}

#[test]
fn programs_that_somebody_still_writes_are_waited_for() {
    let test = "programs_that_somebody_still_writes_are_waited_for";
    let Some(place) = Place::new(test) else { return };
    let programs = place.path("programs");
    fs::create_dir(&programs).unwrap();
    let busy = programs.join("busy");
    fs::write(&busy, "#!/bin/sh\necho yes\n").unwrap();
    fs::set_permissions(&busy, Permissions::from_mode(0o755)).unwrap();
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.mounts = vec![bind("opt", &programs, true)];
    let open = || fs::OpenOptions::new().append(true).open(&busy).unwrap();
    let file = open();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(file);
        });
        let ran = run(&sandbox, &program(&["/opt/busy"])).unwrap();
        assert_eq!(ran.good(), "yes\n");
    });
    // Not for ever.
    let kept = open();
    let error = run(&sandbox, &program(&["/opt/busy"])).unwrap_err();
    drop(kept);
    assert!(error.to_string().contains("/opt/busy"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("Text file busy"), "{source}");
}
