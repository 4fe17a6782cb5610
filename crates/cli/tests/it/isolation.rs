// SPDX-License-Identifier: Apache-2.0
//! Steps of build stages that try to break out, as root's and as an ordinary user's builds. Each attempt
//! must fail and leave the host as it was.
//!
//! `hardpan`'s own tests try single system calls; here the whole command is asked, with all that it
//! gives to steps.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use hardpan_testkit::fixture::Fixture;

use crate::rootless::build_as_nobody;
use crate::stages::{define, files_below, fixture, stage};
use crate::support::{Ran, build_command, run};

/// In the environment of hardpan itself.
const OWN_SECRET: &str = "hunter2-of-the-caller";
/// Given for one step.
const STEP_SECRET: &str = "hunter2-of-a-step";
/// What `try` begins with: it runs an attempt and says how it went.
const TRY: &str = "try() { name=$1; shift; if \"$@\" >/tmp/said 2>&1; then echo \"$name: worked\"; \
                   else echo \"$name: failed\"; fi; b sed 's/^/| /' /tmp/said; }\n";

/// Somebody who calls hardpan.
struct Caller {
    name: &'static str,
    /// Where the caller's store is.
    store: PathBuf,
}

/// Returns who can call hardpan here: whoever runs the tests and, if that is root, an ordinary user.
fn callers(fixture: &Fixture) -> Vec<Caller> {
    let mut callers = vec![Caller { name: "caller", store: fixture.path("store") }];
    if build_as_nobody(fixture).is_some() {
        callers.push(Caller { name: "nobody", store: fixture.path("nobody/.cache/hardpan") });
    }
    callers
}

impl Caller {
    fn command(&self, fixture: &Fixture, options: &[&str]) -> Command {
        let mut command = if self.name == "nobody" {
            let mut command = build_as_nobody(fixture).unwrap();
            command.args(options);
            command
        } else {
            build_command(fixture, options)
        };
        command.env("SECRET_TOKEN", OWN_SECRET);
        command
    }

    fn build(&self, fixture: &Fixture, options: &[&str]) -> Ran {
        run(self.command(fixture, options))
    }
}

/// What the host looks like, as far as a step could have changed it: mounts at the places where
/// sandboxes mount, and settings. Other programs may mount elsewhere meanwhile.
fn host() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let is_ours = |line: &&str| {
        let place = line.split(' ').nth(4).unwrap();
        ["/", "/dev", "/proc", "/proc/sys", "/tmp", "/mnt"].contains(&place)
    };
    let mounts = read("/proc/self/mountinfo");
    let mut all: Vec<String> = mounts.lines().filter(is_ours).map(str::to_owned).collect();
    all.extend(
        ["hostname", "core_pattern", "modprobe"]
            .map(|name| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default()),
    );
    all
}

/// Returns whether a process of this machine has a text in its arguments.
fn has_process(text: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(text)
    })
}

/// Returns what was said of an attempt: its first line, and all that it printed.
#[track_caller]
fn said<'r>(ran: &'r Ran, name: &str) -> (&'r str, Vec<&'r str>) {
    let lines = ran.stderr.lines().filter_map(|line| Some(line.split_once("│ ")?.1));
    let begin = format!("{name}: ");
    let mut lines = lines.skip_while(|line| !line.starts_with(&begin));
    let first = lines.next().unwrap_or_else(|| panic!("nothing of {name:?} in {ran}"));
    let printed = lines.take_while(|line| line.starts_with('|')).collect();
    (first.strip_prefix(&begin).unwrap(), printed)
}

/// The steps' user: root, or another one.
const USERS: [&str; 2] = ["", "          run-as: '1234'\n"];

fn as_user(builds: &str, user: &str) -> String {
    builds.replace("          runs: |", &format!("{user}          runs: |"))
}

const OUTPUT: &[&str] = &["{source: /etc/shared.conf, target: /x}"];

#[test]
fn nothing_of_the_host_can_be_read() {
    let test = "nothing_of_the_host_can_be_read";
    let Some(fixture) = fixture(test, &stage("true", OUTPUT)) else { return };
    fixture.write("secret", "the host's\n");
    let secret = fixture.path("secret").display().to_string();
    let up = "../".repeat(40);
    let attempts = [
        ("absolute", format!("b cat {secret}")),
        ("up", format!("b cat {up}{secret}")),
        ("link", "b cat /tmp/link".to_owned()),
        ("link up", "b cat /tmp/up".to_owned()),
        ("root of the first", format!("b cat /proc/1/root{secret}")),
        ("directory of the first", format!("b cat /proc/1/cwd/{up}{secret}")),
        ("own root", format!("b cat /proc/self/root{secret}")),
        ("open file", format!("b cat /proc/self/fd/0/{up}{secret}")),
        ("environment of the first", "b cat /proc/1/environ".to_owned()),
        ("files of the first", "b ls -l /proc/1/fd/".to_owned()),
        ("disks", "b cat /dev/vda /dev/sda /dev/nvme0n1 /dev/mem /dev/kmsg".to_owned()),
        ("tests", format!("b kill -0 {}", std::process::id())),
        ("arguments of the tests", format!("b cat /proc/{}/cmdline", std::process::id())),
        ("server", format!("b nc -w 2 127.0.0.1 {}", port(&fixture))),
    ];
    let mut script = TRY.to_owned();
    writeln!(script, "b ln -s {secret} /tmp/link; b ln -s {up}{secret} /tmp/up").unwrap();
    for (name, attempt) in &attempts {
        writeln!(script, "try '{name}' {attempt} </dev/null").unwrap();
    }
    script += "try processes b ls /proc\ntry environment b env\ntry mounts b ls -a / /work /run\n";
    for caller in callers(&fixture) {
        for user in USERS {
            define(&fixture, &as_user(&stage(&script, OUTPUT), user));
            let before = host();
            let ran = caller.build(&fixture, &["--verbose"]).expect(0, &["built"]);
            let who = format!("{} {user}", caller.name);
            for (name, _) in &attempts {
                assert_eq!(said(&ran, name).0, "failed", "{who}: {name}: {ran}");
            }
            assert!(!ran.stderr.contains("the host's"), "{who}: {ran}");
            assert!(!ran.stderr.contains("hunter2"), "{who}: {ran}");
            let (how, processes) = said(&ran, "processes");
            let numbers = processes.iter().filter(|line| line[2..].parse::<u32>().is_ok()).count();
            // The first, the shell, and ls.
            assert!(how == "worked" && (1..=3).contains(&numbers), "{who}: {processes:?}");
            let (_, environment) = said(&ran, "environment");
            let names: Vec<&str> =
                environment.iter().map(|line| line[2..].split('=').next().unwrap()).collect();
            for name in names {
                let known = ["HOME", "LANG", "OLDPWD", "PATH", "PWD", "SHLVL", "SOURCE_DATE_EPOCH"];
                assert!(known.contains(&name) || name == "TZ", "{who}: {name}: {ran}");
            }
            assert_eq!(host(), before, "{who}");
        }
    }
    assert_eq!(fs::read_to_string(secret).unwrap(), "the host's\n");
}

fn port(fixture: &Fixture) -> String {
    fixture.server.url("").trim_end_matches('/').rsplit(':').next().unwrap().to_owned()
}

#[test]
fn nothing_of_the_host_can_be_changed() {
    let test = "nothing_of_the_host_can_be_changed";
    let Some(fixture) = fixture(test, &stage("true", OUTPUT)) else { return };
    // The second word is what stops it, as far as there is one answer.
    let attempts = [
        ("mount", "b mount -t tmpfs none /tmp", "permission denied"),
        ("bind", "b mount -o bind / /tmp", "permission denied"),
        ("remount", "b mount -o remount,rw /proc", "permission denied"),
        ("unmount", "b umount /proc", "not permitted"),
        ("change the root", "b chroot / /usr/bin/busybox true", "not permitted"),
        ("namespace", "b unshare -U /usr/bin/busybox true", "not permitted"),
        ("host name", "b hostname evil", "not permitted"),
        ("pattern", "b dd if=/etc/shared.conf of=/proc/sys/kernel/core_pattern", ""),
        ("request", "b dd if=/etc/shared.conf of=/proc/sysrq-trigger", ""),
        ("interface", "b ifconfig lo up", ""),
    ];
    let mut script = TRY.to_owned();
    for (name, attempt, _) in &attempts {
        writeln!(script, "try '{name}' {attempt}").unwrap();
    }
    // The signal is allowed, and does nothing: what follows still runs. busybox says that it can't set the
    // clock, and is content.
    script += "b kill -9 1 || true\ntry clock b date -s 2001-01-01\n";
    for caller in callers(&fixture) {
        for user in USERS {
            define(&fixture, &as_user(&stage(&script, OUTPUT), user));
            let (before, start, clock) = (host(), Instant::now(), SystemTime::now());
            let ran = caller.build(&fixture, &["--verbose"]).expect(0, &["built"]);
            let who = format!("{} {user}", caller.name);
            for (name, _, reason) in &attempts {
                let (how, printed) = said(&ran, name);
                assert_eq!(how, "failed", "{who}: {name}: {ran}");
                assert!(printed.concat().contains(reason), "{who}: {name}: {printed:?}");
            }
            let (_, printed) = said(&ran, "clock");
            assert!(printed.concat().contains("not permitted"), "{who}: {printed:?}");
            assert_eq!(host(), before, "{who}");
            let passed = clock.elapsed().unwrap();
            assert!(passed.abs_diff(start.elapsed()) < Duration::from_secs(5), "{who}");
        }
    }
}

#[test]
fn a_secret_is_its_steps_alone() {
    let test = "a_secret_is_its_steps_alone";
    // The first step leaves everything that it can leave but the secret itself in a file.
    let first = "test \"$TOKEN\" = SECRET\n/usr/bin/busybox setsid /usr/bin/busybox sleep 60 &";
    let later = "{name: later, runs: '/usr/bin/busybox env; for p in /proc/[0-9]*; do /usr/bin/busybox cat $p/environ $p/cmdline; done; \
                 /usr/bin/busybox grep -r hunter[2] /tmp /run /work /var /etc /dev/shm; exit 0'}";
    let other = format!(
        "    - name: other\n      uses: make\n      shell: /usr/bin/busybox sh\n      pipeline:\n        - {later}\n"
    );
    let builds = stage(&first.replace("SECRET", STEP_SECRET), OUTPUT)
        .replace(
            "          runs: |",
            "          secrets: [{id: token, env: TOKEN}]\n          runs: |",
        )
        .replace("      outputs:", &format!("        - {later}\n      outputs:"));
    let Some(fixture) = fixture(test, &format!("{builds}{other}")) else { return };
    // The definition has it for this test only; what comes out may not.
    fixture.edit(&format!("test \"$TOKEN\" = {STEP_SECRET}"), "test ${#TOKEN} -eq 17");
    for caller in callers(&fixture) {
        let mut command =
            caller.command(&fixture, &["--verbose", "--secret", "id=token,env=FOR_STEP"]);
        command.env("FOR_STEP", STEP_SECRET);
        let ran = run(command).expect(0, &["make/later │ PATH=", "other/later │ PATH="]);
        assert!(!ran.stderr.contains("hunter2"), "{}: {ran}", caller.name);
        // Not even hidden: nobody printed it.
        assert!(!ran.stderr.contains("***"), "{}: {ran}", caller.name);
        for path in files_below(&caller.store) {
            let bytes = fs::read(&path).unwrap_or_default();
            assert!(!bytes.windows(8).any(|part| part == b"hunter2-"), "{}", path.display());
        }
    }
}

#[test]
fn a_daemon_does_not_outlive_its_step() {
    let test = "a_daemon_does_not_outlive_its_step";
    let mark = format!("beat-{}", std::process::id());
    let script = format!(
        "/usr/bin/busybox setsid /usr/bin/busybox sh -c 'trap \"\" TERM HUP INT; while :; do echo x >>/cache/{mark}; /usr/bin/busybox usleep 10000; done' >/dev/null 2>&1 &
         while ! test -s /cache/{mark}; do b usleep 10000; done"
    );
    let builds = stage(&script, OUTPUT)
        .replace("      pipeline:", "      caches: [{path: /cache}]\n      pipeline:");
    let Some(fixture) = fixture(test, &builds) else { return };
    for caller in callers(&fixture) {
        caller.build(&fixture, &[]).expect(0, &["built"]);
        assert!(!has_process(&mark), "{}", caller.name);
        let files = files_below(&caller.store.join("caches"));
        let file = files.iter().find(|path| path.ends_with(&mark)).unwrap();
        let length = fs::metadata(file).unwrap().len();
        assert!(length > 0);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(fs::metadata(file).unwrap().len(), length, "{}", caller.name);
    }
}

#[test]
fn a_step_can_not_use_up_the_machine() {
    let test = "a_step_can_not_use_up_the_machine";
    let Some(fixture) = fixture(test, &stage("true", OUTPUT)) else { return };
    let mark = format!("mark-{}", std::process::id());
    let bomb = format!(": {mark}; f() {{ f | f & }}; f; while :; do :; done");
    for (script, options, expected) in [
        (
            bomb.as_str(),
            &["--step-timeout", "2"][..],
            "make, step work took too long and was killed",
        ),
        (
            "b dd if=/dev/zero bs=1M count=10240",
            &[],
            "make, step work printed too much and was killed",
        ),
        (
            "b dd if=/dev/zero bs=1M count=10240 >&2",
            &[],
            "make, step work printed too much and was killed",
        ),
    ] {
        define(&fixture, &stage(script, OUTPUT));
        for caller in callers(&fixture) {
            let start = Instant::now();
            let ran = caller.build(&fixture, options).expect(5, &[expected]);
            assert!(start.elapsed() < Duration::from_secs(30), "{}: {ran}", caller.name);
            assert!(!has_process(&mark), "{}", caller.name);
            // What failed is not kept, and what is said of it stays short.
            assert!(ran.stderr.len() < 1 << 20, "{}: {} bytes", caller.name, ran.stderr.len());
            let tmp = fs::read_dir(caller.store.join("tmp")).unwrap().flatten();
            assert_eq!(tmp.filter(|entry| entry.path().is_dir()).count(), 0, "{}", caller.name);
        }
    }
}
