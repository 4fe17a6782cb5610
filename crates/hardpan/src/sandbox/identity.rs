// SPDX-License-Identifier: Apache-2.0
//! Who a sandbox is for the rest of the machine.

use std::fs;

use super::{Identity, SandboxError};

/// The user that sandboxes of root are, if this machine has it: far from the ranges that users,
/// systemd and container engines take theirs from.
const WANTED: u32 = 1_999_999_999;
/// The last number of a 32-bit user that means one.
const LAST: u32 = u32::MAX - 1;

/// Returns the user and group that a root file system on the disk must belong to, so that a sandbox can
/// use it. `None` where the caller is an ordinary user: then it is the caller.
///
/// A caller who is root has sandboxes of its own run as a user that owns nothing else, since files of
/// root, such as those of `/proc/sys`, would be theirs otherwise.
pub fn host_owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Some((unprivileged(&read("/proc/self/uid_map"))?, unprivileged(&read("/proc/self/gid_map"))?))
}

/// Returns a number that is not root's, from a map of the kernel's.
fn unprivileged(map: &str) -> Option<u32> {
    let ranges: Vec<(u32, u32)> = map
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
            let (first, _, count) =
                (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
            Some((first, first.checked_add(count.checked_sub(1)?)?.min(LAST)))
        })
        .collect();
    if ranges.iter().any(|&(first, last)| (first..=last).contains(&WANTED)) {
        return Some(WANTED);
    }
    ranges.into_iter().map(|(_, last)| last).max().filter(|&last| last != 0)
}

/// What is written to map the one user of a sandbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Maps {
    pub(super) users: String,
    pub(super) groups: String,
    /// Whether the sandbox can leave the caller's other groups. Only root may do that.
    pub(super) drop_groups: bool,
}

/// Returns how the one user of a sandbox is mapped.
pub(super) fn maps(identity: Identity) -> Result<Maps, SandboxError> {
    let is_root = rustix::process::geteuid().is_root();
    let outside = match host_owner() {
        Some(owner) => owner,
        None if is_root && maps_to_root() => {
            return Err(SandboxError::Forbidden {
                what: "root is the only user of this user namespace".to_owned(),
                help: "run hardpan as an ordinary user, or map more users into the namespace"
                    .to_owned(),
            });
        }
        None => (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
    };
    Ok(Maps {
        users: format!("{} {} 1", identity.uid, outside.0),
        groups: format!("{} {} 1", identity.gid, outside.1),
        drop_groups: host_owner().is_some(),
    })
}

/// Returns whether root here may be root of the machine.
fn maps_to_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().nth(1).is_none_or(|outside| outside == "0")
}

#[cfg(test)]
mod tests {
    use super::unprivileged;

    #[test]
    fn the_user_of_roots_sandboxes() {
        let cases = [
            ("all users", "0 0 4294967295\n", Some(1_999_999_999)),
            ("a container's", "0 100000 65536\n", Some(65_535)),
            ("two ranges", "0 1000 1\n1 100000 65536\n", Some(65_536)),
            ("root only", "0 1000 1\n", None),
            ("nothing", "", None),
            ("no numbers", "a b c\n", None),
            ("an empty range", "0 0 0\n", None),
            ("too long a range", "2 0 4294967295\n", None),
        ];
        for (summary, map, expected) in cases {
            assert_eq!(unprivileged(map), expected, "{summary}");
        }
    }
}
