// SPDX-License-Identifier: Apache-2.0
//! Numbers of accounts. Format 3 names owners and has no numbers.

use crate::owners::AccountKind;

/// Returns the number of an account that every Alpine system begins with.
///
/// apk looks names up in the system that it installs to. For others see [`crate::owners::OwnerNames`].
pub(super) fn number(kind: AccountKind, name: &str) -> Option<u32> {
    let accounts = match kind {
        AccountKind::User => USERS,
        AccountKind::Group => GROUPS,
    };
    accounts.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_stand_once() {
        for list in [USERS, GROUPS] {
            assert!(list.is_sorted_by_key(|(_, number)| *number));
            let names: std::collections::BTreeSet<&str> =
                list.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), list.len());
        }
        assert_eq!(number(AccountKind::User, "root"), Some(0));
        assert_eq!(number(AccountKind::Group, "shadow"), Some(42));
        assert_eq!(number(AccountKind::User, "adm"), None);
    }
}
