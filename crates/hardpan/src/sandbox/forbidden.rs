// SPDX-License-Identifier: Apache-2.0
//! Why this machine does not allow the sandbox, and what would.

use std::fs;
use std::io;

use super::SandboxError;
use super::message::Step;
use super::plan::setup;

/// Explains why a step of making namespaces failed.
pub(super) fn explain(step: Step, error: io::Error) -> SandboxError {
    if !matches!(
        step,
        Step::Process
            | Step::User
            | Step::Staging
            | Step::Overlay
            | Step::Root
            | Step::Proc
            | Step::Dev
            | Step::Pivot
            | Step::Filter
    ) {
        return setup(step.text())(error);
    }
    if step == Step::Filter && error.raw_os_error() == Some(libc::EBUSY) {
        return SandboxError::Forbidden {
            what: "to answer system calls, since the container that hardpan runs in does so"
                .to_owned(),
            help: "run hardpan outside of it, or switch its interception of system calls off \
                   (security.syscalls.intercept.* of Incus and LXD)"
                .to_owned(),
        };
    }
    let refusals =
        [libc::EPERM, libc::EACCES, libc::ENOSPC, libc::EUSERS, libc::ENOSYS, libc::EINVAL];
    if !error.raw_os_error().is_some_and(|errno| refusals.contains(&errno)) {
        return setup(step.text())(error);
    }
    let setting = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    for (path, forbids, help) in SETTINGS {
        if setting(path) == *forbids && !(path.contains("apparmor") && is_root()) {
            let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
            let what = format!("{name} is {forbids}");
            return SandboxError::Forbidden { what, help: (*help).to_owned() };
        }
    }
    if step == Step::Proc {
        return SandboxError::Forbidden {
            what: "a new /proc, since parts of the one here are hidden".to_owned(),
            help: "hardpan runs in a container; start that with \
                   --security-opt systempaths=unconfined (docker) or unmask=ALL (podman)"
                .to_owned(),
        };
    }
    if error.raw_os_error() == Some(libc::ENOSYS) && !is_filtered() {
        return SandboxError::Forbidden {
            what: format!("to {}, for want of a system call", step.text()),
            help: format!("it takes Linux {LINUX_LEAST} or newer"),
        };
    }
    if is_filtered() {
        return SandboxError::Forbidden {
            what: format!("to {}, since a filter of system calls is in force", step.text()),
            help:
                "hardpan runs in a container; start that with --security-opt seccomp=unconfined, \
                   and --security-opt apparmor=unconfined where there is AppArmor"
                    .to_owned(),
        };
    }
    setup(step.text())(error)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The first Linux that has all system calls which the sandbox needs: the last of them is
/// `mount_setattr`.
const LINUX_LEAST: &str = "5.12";

/// Files, the value that forbids, and what to do.
const SETTINGS: &[(&str, &str, &str)] = &[
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "set it to at least 1000: sysctl -w user.max_user_namespaces=1000",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "allow them: sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "give hardpan an AppArmor profile that has \"userns,\", or allow them to all: \
         sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
];

/// Returns whether this process has a seccomp filter.
fn is_filtered() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
}
