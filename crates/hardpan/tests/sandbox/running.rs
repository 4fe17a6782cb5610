// SPDX-License-Identifier: Apache-2.0
//! How programs start and end.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use hardpan::sandbox::{Exit, Identity, Root, SandboxError, Streams};
use hardpan_tree::TreePath;

use crate::support::{Place, has_process, in_root, lines, program, run, sandbox, script, skip};

#[test]
fn how_programs_end() {
    let Some(place) = Place::new("how_programs_end") else { return };
    let root = place.layered("scratch");
    let cases = [
        ("true", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("exit 255", Exit::Code(255)),
        ("kill -9 $$", Exit::Signal(9)),
        ("kill -TERM $$", Exit::Signal(15)),
        ("kill -SEGV $$", Exit::Signal(11)),
        ("sleep 0.2 & wait; exit 3", Exit::Code(3)),
        ("nowhere", Exit::Code(127)),
    ];
    for (text, exit) in cases {
        assert_eq!(in_root(&root, text).exit, exit, "{text}");
    }
    let ran = in_root(&root, "echo out; echo err >&2; cat; echo $0 $#");
    assert_eq!((ran.output.as_str(), ran.errors.as_str()), ("out\nsh 0\n", "err\n"));
}

#[test]
fn programs_that_can_not_start() {
    let Some(place) = Place::new("programs_that_can_not_start") else { return };
    let write = |name: &str, bytes: &[u8], mode: u32| {
        let path = place.lower().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    let elf = |machine: u8| {
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        bytes.extend([machine, 0, 1, 0, 0, 0]);
        bytes
    };
    write("bin/s390", &elf(22), 0o755);
    write("bin/i386", &elf(3), 0o755);
    write("bin/script", b"#! /bin/s390 -x\n", 0o755);
    write("bin/script-of-script", b"#!/bin/script", 0o755);
    write("bin/lost", b"#!/bin/nowhere\n", 0o755);
    write("bin/plain", b"#!/bin/sh\n", 0o644);
    write("bin/loop", b"#!/bin/loop\n", 0o755);
    place.own();
    let root = place.layered("scratch");
    let cases = [
        ("nowhere", "there is no program nowhere in the root file system"),
        ("/bin/nowhere", "there is no program /bin/nowhere in the root file system"),
        ("", "there is no program  in the root file system"),
        ("plain", "there is no program plain in the root file system"),
        ("/data", "there is no program /data in the root file system"),
        ("s390", "s390 is a program for s390x, and this machine can't run it"),
        ("i386", "i386 is a program for i386, and this machine can't run it"),
        ("/bin/script", "/bin/script is a program for s390x, and this machine can't run it"),
        (
            "script-of-script",
            "script-of-script is a program for s390x, and this machine can't run it",
        ),
        ("lost", "can't set up the sandbox: start the program lost"),
        ("loop", "can't set up the sandbox: start the program loop"),
    ];
    for (name, message) in cases {
        let error = run(&sandbox(Root::Layered(&root)), &program(&[name])).unwrap_err();
        assert_eq!(error.to_string(), message, "{name}");
    }
    let mut nul = program(&["sh"]);
    nul.arguments.push(OsString::from_vec(b"a\0b".to_vec()));
    let error = run(&sandbox(Root::Layered(&root)), &nul).unwrap_err();
    assert!(matches!(error, SandboxError::Setup { .. }), "{error:?}");
    assert!(lines(&root.changes().unwrap()).is_empty());
}

#[test]
fn where_programs_start() {
    let Some(place) = Place::new("where_programs_start") else { return };
    let root = place.layered("scratch");
    let mut here = script("pwd; umask; ls");
    here.work_dir = TreePath::literal("data");
    let sandbox = sandbox(Root::Layered(&root));
    assert_eq!(run(&sandbox, &here).unwrap().good(), "/data\n0022\ndeep\none\n");
    here.work_dir = TreePath::literal("work/source");
    assert_eq!(run(&sandbox, &here).unwrap().good(), "/work/source\n0022\n");
    assert_eq!(lines(&root.changes().unwrap()), ["work/ 0755 -", "work/source/ 0755 -"]);
    // Relative to where it starts.
    let mut relative = program(&["./tool", "id", "-u"]);
    relative.work_dir = TreePath::literal("work");
    in_root(&root, "printf '#!/bin/sh\\necho tool $*\\n' >/work/tool; chmod 755 /work/tool").good();
    assert_eq!(run(&sandbox, &relative).unwrap().good(), "tool id -u\n");
    here.work_dir = TreePath::literal("etc/file");
    let error = run(&sandbox, &here).unwrap_err();
    assert_eq!(error.to_string(), "can't set up the sandbox: enter the working directory");
}

#[test]
fn a_root_that_can_not_change() {
    let Some(place) = Place::new("a_root_that_can_not_change") else { return };
    for name in ["proc", "dev", "tmp"] {
        fs::remove_dir(place.lower().join(name)).unwrap();
    }
    let sandbox = sandbox(Root::ReadOnly(place.lower()));
    let text = "cat /etc/file; echo x >/tmp/x && cat /tmp/x; ls /proc/self/stat";
    assert_eq!(run(&sandbox, &script(text)).unwrap().good(), "below\nx\n/proc/self/stat\n");
    for attempt in
        ["echo x >/etc/file", "rm /data/one", "chown 1:1 /data/one", "chmod 700 /data", "mkdir /x"]
    {
        let ran = run(&sandbox, &script(attempt)).unwrap();
        assert!(ran.errors.contains("Read-only file system"), "{attempt}: {ran:?}");
    }
    let mut missing = script("true");
    missing.work_dir = TreePath::literal("nowhere");
    assert!(run(&sandbox, &missing).is_err());
    assert!(!place.lower().join("proc").exists());
}

#[test]
fn devices_that_are_there() {
    let Some(place) = Place::new("devices_that_are_there") else { return };
    let root = place.layered("scratch");
    let text = "cd /dev; ls; echo x >null; head -c 3 zero | wc -c; head -c 3 urandom | wc -c; \
                echo x >full; echo ok >/dev/stdout; ls pts; touch shm/x && ls shm";
    let ran = in_root(&root, text);
    assert_eq!(
        ran.output,
        "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n\
         3\n3\nok\nptmx\nx\n"
    );
    assert!(ran.errors.contains("No space left"), "{}", ran.errors);
}

#[test]
fn what_is_the_callers_own() {
    let Some(place) = Place::new("what_is_the_callers_own") else { return };
    let root = place.layered("scratch");
    let finished =
        sandbox(Root::Layered(&root)).run(&script("exit 5"), Streams::Inherited).unwrap();
    assert_eq!(finished.exit, Exit::Code(5));
}

#[test]
fn who_panics_leaves_nothing() {
    let Some(place) = Place::new("who_panics_leaves_nothing") else { return };
    let root = place.layered("scratch");
    let mark = format!("97{:07}", std::process::id());
    let text = format!("echo one; sleep {mark}");
    let panic = std::panic::catch_unwind(|| {
        let print = &mut |_, _: &[u8]| panic!("on purpose");
        sandbox(Root::Layered(&root)).run(&script(&text), Streams::Captured(print))
    });
    assert!(panic.is_err());
    assert!(!has_process(&mark));
}

/// Not a test by itself: runs a program until somebody kills this one.
#[test]
fn run_until_killed() {
    let Some(mark) = std::env::var_os(MARK) else { return };
    let place = Place::new("run_until_killed").unwrap();
    let root = place.layered("scratch");
    in_root(&root, &format!("setsid sleep {0} & sleep {0}", mark.to_str().unwrap()));
}

const MARK: &str = "HARDPAN_TEST_MARK";

#[test]
fn who_is_killed_leaves_nothing() {
    let Some(_place) = Place::new("who_is_killed_leaves_nothing") else { return };
    let mark = format!("96{:07}", std::process::id());
    let directory = tempfile::TempDir::new().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "running::run_until_killed"])
        .env(MARK, &mark)
        .env("TMPDIR", directory.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let wait_until = |is_there: bool| {
        for _ in 0..200 {
            if has_process(&format!("sleep\0{mark}")) == is_there {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    };
    assert!(wait_until(true));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(wait_until(false));
}

/// Not a test by itself: runs a program in the terminal that this one is in.
#[test]
fn run_in_a_terminal() {
    if std::env::var_os("HARDPAN_TEST_TERMINAL").is_none() {
        return;
    }
    let place = Place::new("run_in_a_terminal").unwrap();
    let root = place.layered("scratch");
    let text = "test -t 0 && test -t 1 && test -t 2 && echo a terminal; read line; echo got $line; \
        echo by name >/dev/stdout; echo by the other name >/dev/tty; \
                kill -INT 0; sleep 5";
    let owner = rustix::fs::fstat(std::io::stdin()).unwrap().st_uid;
    let finished = sandbox(Root::Layered(&root)).run(&script(text), Streams::Inherited).unwrap();
    println!("{:?}", finished.exit);
    if rustix::fs::fstat(std::io::stdin()).unwrap().st_uid == owner {
        println!("same owner");
    }
    // The terminal is ours again.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    println!("then {line}");
}

#[test]
fn terminals() {
    use std::io::Write as _;
    let test = "terminals";
    let Some(_place) = Place::new(test) else { return };
    let own = std::env::current_exe().unwrap();
    let command = format!("{} --exact running::run_in_a_terminal --nocapture", own.display());
    let child = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("HARDPAN_TEST_TERMINAL", "1")
        .env("SHELL", "/bin/sh")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return skip(test, "there is no script(1)") };
    child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    let output = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
    for expected in [
        "a terminal\r\n",
        "got one\r\n",
        "by name\r\n",
        "by the other name\r\n",
        "Signal(2)\r\n",
        "same owner\r\n",
        "then two\r\n",
    ] {
        assert!(output.contains(expected), "{expected:?}: {output}");
    }
}

#[test]
fn many_at_once() {
    let Some(place) = Place::new("many_at_once") else { return };
    let roots: Vec<_> = (0..6).map(|index| place.layered(&format!("scratch{index}"))).collect();
    std::thread::scope(|scope| {
        for (index, root) in roots.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..5 {
                    let text =
                        format!("echo {index} >/{round}; chown {index}:1 /{round}; cat /{round}");
                    assert_eq!(in_root(root, &text).good(), format!("{index}\n"));
                }
                assert_eq!(root.changes().unwrap().len(), 5);
            });
        }
    });
}

#[test]
fn what_a_start_costs() {
    let Some(place) = Place::new("what_a_start_costs") else { return };
    let root = place.layered("scratch");
    in_root(&root, "true").good();
    let start = Instant::now();
    for _ in 0..20 {
        in_root(&root, "true").good();
    }
    println!("a start takes {:?}", start.elapsed() / 20);
    // No promise; only that nothing waits for a timeout.
    assert!(start.elapsed() < Duration::from_mins(1));
}

/// Where the test of emulators gets them from; `run-tests` sets both.
pub(crate) const EMULATOR: &str = "HARDPAN_TEST_QEMU_AARCH64";
pub(crate) const FOREIGN: &str = "HARDPAN_TEST_BUSYBOX_ARM64";

#[test]
fn emulated_programs() {
    let test = "emulated_programs";
    let Some(place) = Place::new(test) else { return };
    let (Some(emulator), Some(busybox)) = (std::env::var_os(EMULATOR), std::env::var_os(FOREIGN))
    else {
        return skip(test, &format!("{EMULATOR} and {FOREIGN} do not name what it runs"));
    };
    if !fs::exists("/proc/sys/fs/binfmt_misc").unwrap() {
        return skip(test, "this kernel has no binfmt_misc");
    }
    fs::create_dir(place.lower().join("arm")).unwrap();
    fs::copy(busybox, place.lower().join("arm/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", place.lower().join("arm/uname")).unwrap();
    std::os::unix::fs::symlink("busybox", place.lower().join("arm/chown")).unwrap();
    let script_path = place.lower().join("bin/script");
    fs::write(&script_path, "#!/arm/busybox sh\n/arm/uname -m\n").unwrap();
    fs::set_permissions(script_path, Permissions::from_mode(0o755)).unwrap();
    place.own();
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    let text = "/arm/uname -m; echo x >/a; /arm/chown 3:4 /a; exit 4";
    let foreign = program(&["/arm/busybox", "sh", "-c", text]);
    let error = run(&sandbox, &foreign).unwrap_err();
    assert!(matches!(error, SandboxError::WrongMachine { .. }), "{error:?}");
    sandbox.emulators.insert(183, emulator.into());
    let ran = run(&sandbox, &foreign).unwrap();
    assert_eq!((ran.exit, ran.output.as_str()), (Exit::Code(4), "aarch64\n"), "{}", ran.errors);
    assert_eq!(lines(&root.changes().unwrap()), ["a 0644 3:4 2"]);
    // Programs of both machines in one root. The emulator can be seen, and not changed.
    let formats = "/proc/sys/fs/binfmt_misc";
    let text = format!(
        "uname -m | sed s/x86_64/here/; script; /arm/uname -m; head -n 1 {formats}/hardpan-183; \
         for file in hardpan-183 status register; do echo 0 >{formats}/$file && echo written; done"
    );
    let ran = run(&sandbox, &script(&text)).unwrap();
    assert_eq!(ran.output, "here\naarch64\naarch64\nenabled\n", "{}", ran.errors);
    let text = "/arm/busybox sleep 20 & sleep 2; cat /proc/$!/exe | head -c 4 | tail -c 3; echo; \
                echo x >/proc/$!/exe && echo written";
    let ran = run(&sandbox, &script(text)).unwrap();
    assert_eq!(ran.output, "ELF\n", "{}", ran.errors);
    assert!(ran.errors.contains("Read-only file system"), "{}", ran.errors);
    // Another user than root can't have one, and needs none for this machine's programs.
    sandbox.identity = Identity { uid: 1000, gid: 1000 };
    let error = run(&sandbox, &foreign).unwrap_err();
    assert!(error.to_string().contains("register the emulator"), "{error}");
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("for root only"), "{reason}");
    assert_eq!(run(&sandbox, &script("uname -m | sed s/x86_64/here/")).unwrap().good(), "here\n");
    assert_eq!(lines(&root.changes().unwrap()), ["a 0644 3:4 2"]);
    sandbox.identity = Identity::default();
    sandbox.emulators.insert(183, "/nowhere/qemu".into());
    let error = run(&sandbox, &foreign).unwrap_err().to_string();
    assert_eq!(error, "can't set up the sandbox: use the emulator /nowhere/qemu");
}
