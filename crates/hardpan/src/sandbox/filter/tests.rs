// SPDX-License-Identifier: Apache-2.0
//! The filter, run by a small machine of our own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::syscalls::Call;
use super::*;

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ROOT: Identity = Identity { uid: 0, gid: 0 };
const USER: Identity = Identity { uid: 1000, gid: 100 };

/// Runs a filter as the kernel does.
fn result(filter: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(architecture.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
    let (mut at, mut value) = (0usize, 0u32);
    loop {
        let step = filter[at];
        at += 1;
        let jump = |is_true: bool| usize::from(if is_true { step.jt } else { step.jf });
        match step.code {
            LOAD => {
                let from = usize::try_from(step.k).unwrap();
                value = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
            }
            AND => value &= step.k,
            EQUAL => at += jump(value == step.k),
            GREATER_OR_EQUAL => at += jump(value >= step.k),
            RETURN => return step.k,
            code => panic!("instruction {code:#x}"),
        }
    }
}

fn of(identity: Identity, number: c_long, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    result(&filter(identity), ARCHITECTURE, word(number), all)
}

#[test]
fn arguments_that_matter() {
    let namespace = |flag: i32| u64::from(flag.cast_unsigned()) | 0x11;
    let all = u64::from(u32::MAX);
    let cases: &[(&str, c_long, &[u64], u32, u32)] = &[
        ("a plain call", libc::SYS_read, &[], ALLOW, ALLOW),
        ("a call that is refused", libc::SYS_mount, &[], fail(libc::EPERM), fail(libc::EPERM)),
        ("a call that nobody knows", 9_999, &[], fail(libc::ENOSYS), fail(libc::ENOSYS)),
        (
            "clone3, whose flags can't be seen",
            libc::SYS_clone3,
            &[],
            fail(libc::ENOSYS),
            fail(libc::ENOSYS),
        ),
        ("fork", libc::SYS_clone, &[17], ALLOW, ALLOW),
        ("a thread", libc::SYS_clone, &[0x003d_0f00], ALLOW, ALLOW),
        ("a user namespace", libc::SYS_clone, &[namespace(libc::CLONE_NEWUSER)], fail(1), fail(1)),
        ("a network", libc::SYS_clone, &[namespace(libc::CLONE_NEWNET)], fail(1), fail(1)),
        ("chown", libc::SYS_fchownat, &[], ASK, ASK),
        ("fchown", libc::SYS_fchown, &[], ASK, ASK),
        ("a file", libc::SYS_mknodat, &[0, 0, 0o100_644], ALLOW, ALLOW),
        ("a file of no kind", libc::SYS_mknodat, &[0, 0, 0o644], ALLOW, ALLOW),
        ("a pipe", libc::SYS_mknodat, &[0, 0, 0o010_644], ALLOW, ALLOW),
        ("a socket", libc::SYS_mknodat, &[0, 0, 0o140_644], ALLOW, ALLOW),
        ("a character device", libc::SYS_mknodat, &[0, 0, 0o020_644], ASK, ASK),
        ("a block device", libc::SYS_mknodat, &[0, 0, 0o060_644], ASK, ASK),
        ("a device, with more bits", libc::SYS_mknodat, &[0, 0, 0xff00_0000_2000], ASK, ASK),
        ("IPv4", libc::SYS_socket, &[2], ALLOW, ALLOW),
        ("the host of a virtual machine", libc::SYS_socket, &[40], fail(97), fail(97)),
        ("ciphers of the kernel", libc::SYS_socket, &[38], fail(97), fail(97)),
        ("the same with more bits", libc::SYS_socket, &[0x1_0000_0026], fail(97), fail(97)),
        ("an ioctl", libc::SYS_ioctl, &[0, 0x5401], ALLOW, ALLOW),
        ("typing", libc::SYS_ioctl, &[0, 0x5412], fail(1), fail(1)),
        ("typing, with more bits", libc::SYS_ioctl, &[0, 0x1_0000_5412], fail(1), fail(1)),
        ("typing on a console", libc::SYS_ioctl, &[0, 0x541c], fail(1), fail(1)),
        ("Linux", libc::SYS_personality, &[0], ALLOW, ALLOW),
        ("asking", libc::SYS_personality, &[all], ALLOW, ALLOW),
        ("memory that is code", libc::SYS_personality, &[0x40_0000], fail(1), fail(1)),
        ("root", libc::SYS_setuid, &[0], ALLOW, fail(1)),
        ("oneself", libc::SYS_setuid, &[1000], PRETEND, ALLOW),
        ("somebody else", libc::SYS_setuid, &[33], PRETEND, fail(1)),
        ("nobody", libc::SYS_setuid, &[all], PRETEND, fail(1)),
        ("oneself for ever", libc::SYS_setresuid, &[1000, 1000, 1000], PRETEND, ALLOW),
        ("no change", libc::SYS_setresuid, &[all, all, all], ALLOW, ALLOW),
        ("a change at last", libc::SYS_setresuid, &[0, 0, 5], PRETEND, fail(1)),
        ("a change at first", libc::SYS_setreuid, &[5, all], PRETEND, fail(1)),
        ("one's group", libc::SYS_setresgid, &[100, all, 100], PRETEND, ALLOW),
        ("groups", libc::SYS_setgroups, &[0], PRETEND, fail(1)),
    ];
    for &(summary, number, arguments, root, user) in cases {
        assert_eq!(of(ROOT, number, arguments), root, "{summary}, root");
        assert_eq!(of(USER, number, arguments), user, "{summary}, user");
    }
}

#[test]
fn other_machines() {
    let filter = filter(ROOT);
    let read = word(libc::SYS_read);
    // i386, arm, and the other 64-bit ones.
    for architecture in [0x4000_0003, 0x4000_0028, 0xC000_003E, 0xC000_00B7, 0xC000_00F3, 0] {
        let expected = if architecture == ARCHITECTURE { ALLOW } else { KILL };
        assert_eq!(result(&filter, architecture, read, [0; 6]), expected, "{architecture:#x}");
    }
    #[cfg(target_arch = "x86_64")]
    for number in [X32, X32 | read, X32 | 0x208, u32::MAX] {
        assert_eq!(result(&filter, ARCHITECTURE, number, [0; 6]), KILL, "{number:#x}");
    }
}

#[test]
fn every_call_has_one_answer() {
    let filter = filter(ROOT);
    assert!(filter.len() < 1_000, "{}", filter.len());
    let answer = |number: c_long| result(&filter, ARCHITECTURE, word(number), [0; 6]);
    let mut seen = BTreeSet::new();
    let lists = [
        (ALLOWED, ALLOW),
        (ALLOWED_HERE, ALLOW),
        (REFUSED, fail(libc::EPERM)),
        (CHOWN, ASK),
        (CHOWN_HERE, ASK),
    ];
    for (calls, expected) in lists {
        for &(name, number) in calls {
            assert_eq!(answer(number), expected, "{name}");
            assert!(seen.insert(number), "{name} stands twice");
        }
    }
}

/// What container engines allow without conditions, from the profile of one if it is there.
fn allowed_by_engines() -> Option<BTreeSet<String>> {
    let text = std::fs::read_to_string("/usr/share/containers/seccomp.json").ok()?;
    let profile: Value = serde_json::from_str(&text).unwrap();
    let is_empty = |value: &Value| {
        value.is_null()
            || value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty)
    };
    let mut allowed = BTreeSet::new();
    for rule in profile["syscalls"].as_array().unwrap() {
        let architectures = &rule["includes"]["arches"];
        let is_for_here = architectures.as_array().is_some_and(|list| {
            list.contains(&Value::from(if cfg!(target_arch = "x86_64") {
                "amd64"
            } else {
                "arm64"
            }))
        });
        let has_no_condition =
            is_for_here || is_empty(&rule["includes"]) && is_empty(&rule["excludes"]);
        if rule["action"] == "SCMP_ACT_ALLOW" && has_no_condition && is_empty(&rule["args"]) {
            let names = rule["names"].as_array().unwrap();
            allowed.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        }
    }
    Some(allowed)
}

#[test]
fn no_more_than_container_engines_allow() {
    let Some(engines) = allowed_by_engines() else {
        println!(
            "skipped: no_more_than_container_engines_allow, because no engine's seccomp.json is here"
        );
        return;
    };
    assert!(engines.len() > 300);
    let ours: BTreeMap<&str, c_long> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|&(name, number): &Call| (name, number)).collect();
    for name in ours.keys() {
        let name = name.trim_start_matches("SYS_");
        assert!(engines.contains(name), "{name}");
    }
}
