// SPDX-License-Identifier: Apache-2.0
//! Programs that try to break out. Each attempt must fail and leave the host as it was.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use hardpan::sandbox::{Exit, Identity, Mount, MountKind, Network, Root};
use hardpan_tree::TreePath;

use crate::support::{Place, calls, has_process, in_root, program, run, sandbox, script};

/// What the host looks like, as far as a sandbox could have changed it: mounts at the places where
/// sandboxes mount, and names. Other programs may mount elsewhere meanwhile.
fn host() -> (Vec<String>, String, String) {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let is_ours = |line: &&str| {
        let place = line.split(' ').nth(4).unwrap();
        ["/", "/dev", "/proc", "/proc/sys", "/tmp", "/etc/hosts"].contains(&place)
    };
    (
        read("/proc/self/mountinfo").lines().filter(is_ours).map(str::to_owned).collect(),
        read("/proc/sys/kernel/hostname"),
        read("/proc/sys/kernel/core_pattern"),
    )
}

#[test]
fn system_calls_that_lead_out() {
    let test = "system_calls_that_lead_out";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    let before = host();
    for (name, identity) in [("root", 0), ("user", 1000)] {
        let root = place.layered(name);
        let mut sandbox = sandbox(Root::Layered(&root));
        sandbox.identity = Identity { uid: identity, gid: identity };
        let results = calls(&sandbox, &["escape"]);
        assert_eq!(results.len(), 59, "{results:#?}");
        for (call, result) in results {
            let expected: &[&str] = match call.as_str() {
                "no new privileges" | "killed first" | "still there" => &["ok"],
                "clone3" | "io_uring_setup" => &["ENOSYS"],
                "vsock" | "alg" => &["EAFNOSUPPORT"],
                "kill parent" => &["ESRCH"],
                // Covered by /dev/null; without rights it can't even be opened.
                "kcore" => &["ok", "EACCES", "ENOENT"],
                // Networks of one's own may lack some of these.
                "sysrq" | "core_pattern" | "modprobe" | "ip_forward" => {
                    &["EROFS", "EACCES", "ENOENT"]
                }
                _ => &["EPERM", "EACCES"],
            };
            assert!(expected.contains(&result.as_str()), "{name}: {call}: {result}");
        }
    }
    assert_eq!(host(), before);
}

#[test]
fn what_is_allowed() {
    let test = "what_is_allowed";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    let root = place.layered("scratch");
    for (call, result) in calls(&sandbox(Root::Layered(&root)), &["life"]) {
        assert_eq!(result, "ok", "{call}");
    }
}

#[test]
fn files_of_the_host() {
    let Some(place) = Place::new("files_of_the_host") else { return };
    fs::write(place.path("secret"), "the host's\n").unwrap();
    let secret = place.path("secret");
    let secret = secret.to_str().unwrap();
    let link = |name: &str, target: &str| {
        std::os::unix::fs::symlink(target, place.lower().join(name)).unwrap();
    };
    let up = "../".repeat(40);
    link("up", &format!("{up}{secret}"));
    link("absolute", secret);
    place.own();
    let root = place.layered("scratch");
    let attempts = [
        format!("cat {secret}"),
        format!("cat {up}{secret}"),
        "cat /up".to_owned(),
        "cat /absolute".to_owned(),
        format!("cat /proc/1/root{secret}"),
        format!("cat /proc/1/cwd{secret}"),
        format!("cat /proc/self/root{secret}"),
        "cat /proc/1/environ".to_owned(),
        "ls /proc/1/fd/".to_owned(),
        "for fd in /proc/self/fd/*; do ls -d $fd/../../../secret; done 2>/dev/null | grep x"
            .to_owned(),
        "cat /dev/vda /dev/sda /dev/mem /dev/kmsg".to_owned(),
        "test -e /sys/kernel".to_owned(),
        "chroot / sh".to_owned(),
    ];
    for attempt in attempts {
        let ran = in_root(&root, &attempt);
        assert_ne!(ran.exit, Exit::Code(0), "{attempt}: {}{}", ran.output, ran.errors);
        assert!(!ran.output.contains("the host's"), "{attempt}: {}", ran.output);
    }
}

#[test]
fn mounts_through_links() {
    let Some(place) = Place::new("mounts_through_links") else { return };
    let outside = place.path("outside");
    fs::create_dir(&outside).unwrap();
    let up = "../".repeat(40);
    for (name, target) in
        [("absolute", outside.display().to_string()), ("up", format!("{up}{}", outside.display()))]
    {
        std::os::unix::fs::symlink(target, place.lower().join(name)).unwrap();
    }
    std::os::unix::fs::symlink("data/deep", place.lower().join("inside")).unwrap();
    std::os::unix::fs::symlink("/proc/self/root", place.lower().join("magic")).unwrap();
    place.own();
    let cases = [
        ("a link that leads out and dangles", "absolute/x", false),
        ("a link up", "up", false),
        ("a link of /proc", "magic/x", false),
        ("a link inside", "inside/x", true),
        ("a way that is not there", "a/b/c", true),
    ];
    for (index, (summary, target, is_good)) in cases.into_iter().enumerate() {
        let root = place.layered(&format!("scratch{index}"));
        let mut sandbox = sandbox(Root::Layered(&root));
        sandbox.mounts = vec![Mount {
            target: TreePath::parse(target).unwrap(),
            kind: MountKind::Temporary { mode: 0o755, size_bytes: 1 << 20 },
        }];
        let ran = run(&sandbox, &script(&format!("echo x >/{target}/y")));
        assert_eq!(ran.is_ok(), is_good, "{summary}: {ran:?}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{summary}");
        assert_eq!(root.changes().unwrap().len(), 0, "{summary}");
    }
}

#[test]
fn networks() {
    let Some(place) = Place::new("networks") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    let connect = script(&format!("nc -w 2 127.0.0.1 {port} </dev/null"));
    let interfaces =
        script("cat /proc/net/dev | tail -n +3 | cut -d: -f1; ifconfig lo | grep -c UP");
    for (network, is_up) in [(Network::None, "0"), (Network::Loopback, "1")] {
        sandbox.network = network;
        let ran = run(&sandbox, &connect).unwrap();
        assert_ne!(ran.exit, Exit::Code(0), "{network:?}");
        let words: Vec<String> = run(&sandbox, &interfaces)
            .unwrap()
            .output
            .split_whitespace()
            // Tunnels that some kernels give to every network, down and useless.
            .filter(|name| name.parse::<u32>().is_ok() || *name == "lo")
            .map(str::to_owned)
            .collect();
        assert_eq!(words, ["lo", is_up], "{network:?}");
        let up = run(&sandbox, &script("ifconfig lo up || ifconfig lo down")).unwrap();
        assert_ne!(up.exit, Exit::Code(0), "{network:?}");
    }
    let own = script(
        "(echo hello | nc -l -p 4000) & \
         for try in $(seq 50); do nc -w 2 127.0.0.1 4000 && exit; sleep 0.3; done; exit 1",
    );
    assert_eq!(run(&sandbox, &own).unwrap().good(), "hello\n");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    sandbox.network = Network::Host;
    run(&sandbox, &connect).unwrap().good();
    server.join().unwrap();
    let hosts = run(&sandbox, &script("cat /etc/hosts; echo x >>/etc/hosts")).unwrap();
    assert_eq!(hosts.output, fs::read_to_string("/etc/hosts").unwrap());
    assert_eq!(hosts.exit, Exit::Code(1));
    let found: Vec<_> = root.changes().unwrap();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn sockets_without_a_file() {
    let test = "sockets_without_a_file";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    let name = format!("hardpan-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    for (network, expected) in [(Network::None, "ECONNREFUSED"), (Network::Host, "EPERM")] {
        sandbox.network = network;
        let result = calls(&sandbox, &["abstract", &name]);
        let result = result["abstract"].as_str();
        if network == Network::Host && result == "ok" {
            crate::support::skip(
                test,
                "this kernel can't keep abstract sockets apart (Linux 6.12)",
            );
            return;
        }
        assert_eq!(result, expected, "{network:?}");
    }
}

#[test]
fn processes_of_the_host() {
    let Some(place) = Place::new("processes_of_the_host") else { return };
    let root = place.layered("scratch");
    let own = std::process::id();
    let ran = in_root(
        &root,
        &format!(
            "ls -d /proc/[0-9]* | wc -l; kill -0 {own}; ls /proc/{own}; tr '\\0' ' ' </proc/1/cmdline; cat /proc/1/comm"
        ),
    );
    // The first one, the shell, and the two of the pipe.
    let lines: Vec<&str> = ran.output.lines().collect();
    assert!(lines[0].parse::<u32>().unwrap() <= 4, "{}", ran.output);
    // Nothing of this program's arguments.
    assert_eq!(lines[1].trim_matches(' '), "init", "{}", ran.output);
    assert_eq!(lines.len(), 2, "{}", ran.output);
    assert!(ran.errors.contains("No such"), "{}", ran.errors);
}

#[test]
fn nothing_is_inherited() {
    let test = "nothing_is_inherited";
    let Some(place) = Place::new(test) else { return };
    if !place.add_calls(test) {
        return;
    }
    // As careless programs leave it.
    let open = File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let root = place.layered("scratch");
    let expected = |capabilities: &str| {
        format!(
            "Groups:\t \nSigQ:\nSigPnd:\t0000000000000000\nSigBlk:\t0000000000000000\n\
             SigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n\
             CapInh:\t0000000000000000\nCapPrm:\t{capabilities}\nCapEff:\t{capabilities}\n\
             CapBnd:\t00000000000005fb\nCapAmb:\t0000000000000000\n\
             open 0\nopen 1\nopen 2\n"
        )
    };
    for (uid, capabilities) in [(0, "00000000000005fb"), (1000, "0000000000000000")] {
        let mut sandbox = sandbox(Root::Layered(&root));
        sandbox.identity = Identity { uid, gid: uid };
        let output = run(&sandbox, &program(&["calls", "inherited"])).unwrap().good();
        let lines = output.lines().map(|line| match line.split_once(':') {
            Some(("SigQ", _)) => "SigQ:\n".to_owned(),
            _ => format!("{line}\n"),
        });
        assert_eq!(lines.collect::<String>(), expected(capabilities));
        let environment = run(&sandbox, &program(&["busybox", "env"])).unwrap().good();
        assert_eq!(environment, "PATH=/bin\n");
    }
    drop(open);
}

#[test]
fn setuid_programs() {
    let Some(place) = Place::new("setuid_programs") else { return };
    let path = place.lower().join("bin/id");
    fs::copy("/bin/busybox", &path).unwrap();
    place.own();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
    let root = place.layered("scratch");
    let mut sandbox = sandbox(Root::Layered(&root));
    sandbox.identity = Identity { uid: 1000, gid: 1000 };
    let text = "/bin/id -u; grep -E 'Cap(Prm|Eff)' /proc/self/status";
    let ran = run(&sandbox, &script(text)).unwrap();
    assert_eq!(
        ran.output, "1000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n",
        "{}",
        ran.errors
    );
    // A name of one's own file is all that a bit of it means here.
    let ran = in_root(&root, "cp /bin/busybox /bin/more; chmod 4755 /bin/more; ls -l /bin/more");
    assert!(ran.good().starts_with("-rwsr-xr-x"));
}

#[test]
fn daemons_end_with_the_program() {
    let Some(place) = Place::new("daemons_end_with_the_program") else { return };
    let root = place.layered("scratch");
    let mark = format!("98{:07}", std::process::id());
    let daemon =
        format!("setsid sleep {mark} >/dev/null 2>&1 & (setsid sleep {mark} &) ; echo done");
    assert_eq!(in_root(&root, &daemon).good(), "done\n");
    assert!(!has_process(&mark));
    // One that holds the output does not make anybody wait.
    let holder = format!("sleep {mark} & trap '' TERM HUP INT; sleep {mark} & echo done");
    assert_eq!(in_root(&root, &holder).good(), "done\n");
    assert!(!has_process(&mark));
}

#[test]
fn the_clock_and_the_name() {
    let Some(place) = Place::new("the_clock_and_the_name") else { return };
    let root = place.layered("scratch");
    let before = host();
    // busybox says so and is content.
    let ran = in_root(&root, "date -s 2001-01-01");
    assert!(ran.errors.contains("not permitted"), "{ran:?}");
    for attempt in ["hostname evil", "echo evil >/proc/sys/kernel/hostname"] {
        let ran = in_root(&root, attempt);
        assert_ne!(ran.exit, Exit::Code(0), "{attempt}: {}", ran.output);
    }
    assert_eq!(in_root(&root, "hostname").good(), "sandbox\n");
    assert_eq!(host(), before);
}
