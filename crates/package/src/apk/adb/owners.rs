// SPDX-License-Identifier: Apache-2.0
//! Numbers of accounts. Format 3 names owners and has no numbers.

use std::collections::BTreeMap;

/// The numbers of the users and groups that files may belong to.
///
/// apk looks names up in the system that it installs to, where a package's `pre-install` script may have added them, and
/// gives files of anybody else to `nobody`. Here an unknown name is an error: nothing is to belong to an
/// account by accident. By default the accounts that every Alpine system begins with are known. Whoever adds accounts has to keep
/// segments apart that were unpacked with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    /// Users by name.
    pub users: BTreeMap<String, u32>,
    /// Groups by name.
    pub groups: BTreeMap<String, u32>,
}

/// The users of `alpine-baselayout`, by name.
const USERS: &[(&str, u32)] = &[
    ("root", 0),
    ("bin", 1),
    ("daemon", 2),
    ("lp", 4),
    ("sync", 5),
    ("shutdown", 6),
    ("halt", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("cron", 16),
    ("ftp", 21),
    ("sshd", 22),
    ("games", 35),
    ("ntp", 123),
    ("guest", 405),
    ("nobody", 65534),
];

/// Its groups.
const GROUPS: &[(&str, u32)] = &[
    ("root", 0),
    ("bin", 1),
    ("daemon", 2),
    ("sys", 3),
    ("adm", 4),
    ("tty", 5),
    ("disk", 6),
    ("lp", 7),
    ("kmem", 9),
    ("wheel", 10),
    ("floppy", 11),
    ("mail", 12),
    ("news", 13),
    ("uucp", 14),
    ("cron", 16),
    ("audio", 18),
    ("cdrom", 19),
    ("dialout", 20),
    ("ftp", 21),
    ("sshd", 22),
    ("input", 23),
    ("tape", 26),
    ("video", 27),
    ("netdev", 28),
    ("kvm", 34),
    ("games", 35),
    ("shadow", 42),
    ("www-data", 82),
    ("users", 100),
    ("ntp", 123),
    ("abuild", 300),
    ("utmp", 406),
    ("ping", 999),
    ("nogroup", 65533),
    ("nobody", 65534),
];

impl Default for Owners {
    fn default() -> Self {
        let map = |list: &[(&str, u32)]| {
            list.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
        };
        Self { users: map(USERS), groups: map(GROUPS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_stand_once() {
        let owners = Owners::default();
        assert_eq!((owners.users.len(), owners.groups.len()), (USERS.len(), GROUPS.len()));
        assert_eq!((owners.users["root"], owners.groups["shadow"]), (0, 42));
        for list in [USERS, GROUPS] {
            assert!(list.is_sorted_by_key(|(_, number)| *number));
        }
        assert!(!owners.users.contains_key("adm"));
    }
}
