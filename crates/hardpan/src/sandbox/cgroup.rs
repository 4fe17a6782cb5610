// SPDX-License-Identifier: Apache-2.0
//! A limit of memory for all processes of a sandbox together.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::SandboxError;

/// A group of processes with a limit. It goes away when this is dropped, after its last process.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
}

/// So that two sandboxes of one process have two names.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Cgroup {
    /// Makes a group whose processes may have so much memory, swap included.
    pub(super) fn with_memory(bytes: u64) -> Result<Self, SandboxError> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for place in places(&own, &mounts) {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("hardpan-{}-{number}", std::process::id());
            let group = Self { path: place.path.join(name) };
            if fs::create_dir(&group.path).is_err() {
                // Nothing to remove.
                std::mem::forget(group);
                continue;
            }
            if place.version.limit(&group.path, bytes).is_ok() {
                return Ok(group);
            }
        }
        Err(SandboxError::NoLimit { what: "memory" })
    }

    /// Puts a process into it, whose children will be in it too.
    pub(super) fn add(&self, process: i32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its processes have ended. If the kernel still counts one, an empty group stays.
        let _ = fs::remove_dir(&self.path);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    fn limit(self, group: &Path, bytes: u64) -> io::Result<()> {
        let write = |name: &str, value: u64| fs::write(group.join(name), value.to_string());
        match self {
            Self::One => {
                write("memory.limit_in_bytes", bytes)?;
                // Kernels may count no swap.
                let _ = write("memory.memsw.limit_in_bytes", bytes);
            }
            Self::Two => {
                write("memory.max", bytes)?;
                let _ = write("memory.swap.max", 0);
            }
        }
        Ok(())
    }
}

/// Where a group could be made.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    version: Version,
}

/// Returns where a group could be made, from what the kernel says of the own group and of mounts.
fn places(own: &str, mounts: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if hierarchy == "0" && controllers.is_empty() {
            let Some(mount) = mount_point(mounts, "cgroup2", "") else { continue };
            // A group with processes can't have groups with limits, so look above the own one.
            for above in Path::new(path).ancestors() {
                let path = mount.join(above.strip_prefix("/").unwrap_or(above));
                places.push(Place { path, version: Version::Two });
            }
        } else if controllers.split(',').any(|controller| controller == "memory") {
            let Some(mount) = mount_point(mounts, "cgroup", "memory") else { continue };
            let path = mount.join(path.trim_start_matches('/'));
            places.insert(0, Place { path, version: Version::One });
        }
    }
    places
}

/// Finds where a hierarchy is mounted.
fn mount_point(mounts: &str, kind: &str, option: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut words = file_system.split(' ');
        let is_kind = words.next() == Some(kind);
        let options = words.nth(1).unwrap_or_default();
        let has_option = option.is_empty() || options.split(',').any(|word| word == option);
        (is_kind && has_option).then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected = &'static [(&'static str, Version)];

    #[test]
    fn where_groups_are_made() {
        let old = "30 25 0:26 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory\n\
                   31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        let new =
            "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let both = format!("{old}32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");

        let cases: [(&str, &str, &str, Expected); 7] = [
            (
                "v1",
                "9:cpu,cpuacct:/x\n4:memory:/a/b\n",
                old,
                &[("/sys/fs/cgroup/memory/a/b", Version::One)],
            ),
            (
                "v2",
                "0::/user.slice/app.scope\n",
                new,
                &[
                    ("/sys/fs/cgroup/user.slice/app.scope", Version::Two),
                    ("/sys/fs/cgroup/user.slice", Version::Two),
                    ("/sys/fs/cgroup/", Version::Two),
                ],
            ),
            (
                "both",
                "0::/\n4:memory:/a\n",
                &both,
                &[
                    ("/sys/fs/cgroup/memory/a", Version::One),
                    ("/sys/fs/cgroup/unified/", Version::Two),
                ],
            ),
            ("not mounted", "0::/\n4:memory:/a\n", "", &[]),
            ("another controller", "4:cpu:/a\n", old, &[]),
            ("nothing", "", new, &[]),
            ("no groups", "x\n:\n", new, &[]),
        ];
        for (summary, own, mounts, expected) in cases {
            let expected: Vec<Place> = expected
                .iter()
                .map(|&(path, version)| Place { path: path.into(), version })
                .collect();
            assert_eq!(places(own, mounts), expected, "{summary}");
        }
    }
}
