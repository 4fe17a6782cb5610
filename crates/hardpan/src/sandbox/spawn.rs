// SPDX-License-Identifier: Apache-2.0
//! Starting the first process of a sandbox.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use super::SandboxError;
use super::cgroup::Cgroup;
use super::forbidden::explain;
use super::identity::Maps;
use super::message::Step;
use super::plan::{Plan, setup};
use super::{inside, sys};

/// The first process of a sandbox. It is killed, and all others with it, when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pidfd: OwnedFd,
    /// Starts the child, and is closed when the parent dies, which the child notices.
    go: OwnedFd,
    has_ended: bool,
}

impl Running {
    /// Returns what becomes readable when it has ended.
    pub(super) fn descriptor(&self) -> RawFd {
        self.pidfd.as_raw_fd()
    }

    /// Kills all processes of the sandbox.
    pub(super) fn kill(&self) {
        // It may have ended by itself.
        let _ = sys::kill(self.pidfd.as_raw_fd());
    }

    /// Waits until all processes of the sandbox have ended.
    pub(super) fn wait(&mut self) {
        if !self.has_ended {
            // It fails only if somebody else of this program waited for it.
            let _ = sys::wait_for(self.pidfd.as_raw_fd());
            self.has_ended = true;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            self.kill();
            self.wait();
        }
    }
}

/// Starts the first process. `go` is the other end of the plan's.
pub(super) fn spawn(
    plan: &Plan,
    go: OwnedFd,
    is_network_own: bool,
    maps: &Maps,
    cgroup: Option<&Cgroup>,
) -> Result<Running, SandboxError> {
    let mut namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if is_network_own {
        namespaces |= libc::CLONE_NEWNET;
    }
    // A signal must not find the parent's handlers in the child.
    let before = sys::block_signals().map_err(setup("block signals"))?;
    let forked = sys::fork_with(namespaces.cast_unsigned().into(), 0, plan, inside::first_process);
    let _ = sys::set_signals(before);
    let (process, pidfd) = forked.map_err(|errno| explain(Step::Process, errno.into()))?;
    let running = Running { pidfd: pidfd.own(), go, has_ended: false };
    if let Some(cgroup) = cgroup {
        cgroup.add(process).map_err(|_| SandboxError::NoLimit { what: "memory" })?;
    }
    map(process, maps).map_err(|error| explain(Step::User, error))?;
    sys::write_all(running.go.as_raw_fd(), b"g").map_err(setup("start the sandbox"))?;
    Ok(running)
}

fn map(process: i32, maps: &Maps) -> io::Result<()> {
    let write = |name: &str, text: &str| fs::write(format!("/proc/{process}/{name}"), text);
    if !maps.drop_groups {
        // An ordinary user may map a group only where groups can't be dropped.
        write("setgroups", "deny")?;
    }
    write("uid_map", &maps.users)?;
    write("gid_map", &maps.groups)
}
