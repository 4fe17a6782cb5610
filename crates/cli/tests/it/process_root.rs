// SPDX-License-Identifier: Apache-2.0
//! `/proc/PID/root` as a root file system: that of a running process, which changes it meanwhile.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hardpan_testkit::fixture::Fixture;

use crate::support::{hardpan, run, skip};

/// In namespaces of its own: file systems of the kernel in several places, and a program that writes, makes and removes files,
/// swaps a directory for a link that leads out, and a file for a pipe on which whoever opens it waits.
const INSIDE: &str = "
mount -t proc proc root/proc
mount -t proc proc root/host/proc
mount --rbind /sys root/sys
mount -t tmpfs tmpfs root/dev && mkdir root/dev/shm && touch root/dev/null && mount --bind /dev/null root/dev/null
mount -t tmpfs tmpfs root/run
exec chroot root /bin/busybox sh -c '
/bin/busybox mkfifo /run/pipe /run/other
echo ready $$
i=0
while true; do
    i=$((i+1))
    echo \"line $i\" >> /var/log/app.log
    : > /tmp/f$i; : > /tmp/g$i; : > /tmp/h$i
    /bin/busybox rm -f /tmp/f$((i-2)) /tmp/g$((i-4)) /tmp/h$((i-8))
    /bin/busybox mv /srv/now /srv/away; /bin/busybox ln -s /etc /srv/now
    /bin/busybox rm /srv/now; /bin/busybox mv /srv/away /srv/now
    /bin/busybox mv /srv/file /srv/kept; /bin/busybox mv /run/other /srv/file
    /bin/busybox mv /srv/file /run/other; /bin/busybox mv /srv/kept /srv/file
done'
";

/// A process that has a root of its own; it ends with this.
struct Process {
    child: Child,
    pid: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        // The first process of the namespace takes all of them with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(fixture: &Fixture) -> Option<Process> {
    let test = "process_root";
    if !Path::new("/bin/busybox").exists() {
        skip(test, "busybox-static is not installed");
        return None;
    }
    let root = fixture.path("root");
    // Not written by this process: another test may start a program just then, which would keep the file open for
    // writing, and so nobody could run it.
    let to = root.join("bin/busybox");
    let install = ["-D", "-m", "755", "/bin/busybox"];
    assert!(Command::new("install").args(install).arg(to).status().unwrap().success());
    for directory in ["proc", "host/proc", "sys", "dev", "run", "tmp", "var/log", "srv/now"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fixture.write("root/etc/passwd", "app:x:1000:1000::/:/sbin/nologin\n");
    fixture.write("root/srv/now/page", "the page\n");
    fixture.write("root/srv/file", "a file\n");
    symlink("/bin/busybox", root.join("bin/link")).unwrap();
    let own = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"];
    let child = Command::new("unshare")
        .args(own)
        .args(["sh", "-c", INSIDE])
        .current_dir(fixture.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        skip(test, "there is no unshare");
        return None;
    };
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    if !line.starts_with("ready") {
        let _ = child.wait();
        skip(test, "namespaces are not allowed here");
        return None;
    }
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let pid = fs::read_to_string(children).unwrap().trim().to_owned();
    Some(Process { child, pid })
}

#[test]
fn the_root_of_a_running_process_is_looked_at() {
    let fixture = Fixture::new();
    let Some(process) = start(&fixture) else { return };
    let root = format!("/proc/{}/root", process.pid);
    let kernel = fs::read_to_string(format!("{root}/proc/version"));
    assert!(kernel.is_ok_and(|text| text.contains("Linux")), "proc is mounted");
    for _ in 0..10 {
        let audit = ["audit", "--offline", &root, "--fail-on", "never", "--json"];
        let report = run(hardpan(&fixture, &audit)).expect(0, &[]).json();
        let shell = report["controls"].as_array().unwrap().iter().find(|one| one["id"] == "shell");
        assert!(shell.unwrap().to_string().contains("/bin/busybox"), "{report:#}");
        let files = report["surface"]["files"].as_u64().unwrap();
        assert!(files < 200, "of the kernel's files none is there: {files}");
        // Nothing of this machine is taken for the process's.
        assert!(!report.to_string().contains("/srv/now/passwd"), "{report:#}");
        run(hardpan(&fixture, &["sbom", &root])).expect(0, &["busybox"]);
        run(hardpan(&fixture, &["secrets", &root])).expect(0, &["no secret found"]);
    }
}

#[test]
fn a_process_that_is_gone_is_said() {
    let fixture = Fixture::new();
    let Some(process) = start(&fixture) else { return };
    let root = format!("/proc/{}/root", process.pid);
    drop(process);
    // The namespace's first process is told to end; until it did, its root is there.
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::metadata(&root).is_ok() {
        assert!(Instant::now() < deadline, "{root} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    let ran = run(hardpan(&fixture, &["audit", "--offline", &root]));
    assert!(ran.code != 0 && ran.stderr.contains(&root), "{ran}");
}
