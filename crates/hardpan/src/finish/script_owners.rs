// SPDX-License-Identifier: Apache-2.0
//! The accounts that maintainer scripts ask for, among the image's.

use std::collections::BTreeSet;

use hardpan_package::scripts::NewAccount;

use super::Warning;
use super::accounts::{Accounts, GroupEntry, PasswdEntry, Source, stable_id};
use super::scripts::Owners;

/// Debian's group for users that have none of their own.
const NOGROUP_GID: u32 = 65534;
const NOLOGIN: &str = "/usr/sbin/nologin";
const NO_HOME: &str = "/nonexistent";

/// The users that every Debian system has under the same number (base-passwd, `passwd.master`). Files may
/// belong to them in an image that does not name them.
const STATIC_USERS: [(&str, u32); 16] = [
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("sync", 4),
    ("games", 5),
    ("man", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("proxy", 13),
    ("www-data", 33),
    ("backup", 34),
    ("list", 38),
    ("irc", 39),
    ("nobody", 65534),
];

/// The groups that every Debian system has under the same number (base-passwd, `group.master`).
const STATIC_GROUPS: [(&str, u32); 24] = [
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("tty", 5),
    ("disk", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("man", 12),
    ("proxy", 13),
    ("kmem", 15),
    ("dialout", 20),
    ("www-data", 33),
    ("backup", 34),
    ("src", 40),
    ("shadow", 42),
    ("utmp", 43),
    ("video", 44),
    ("staff", 50),
    ("games", 60),
    ("users", 100),
    ("nogroup", NOGROUP_GID),
];

fn static_id(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

/// Takes the wishes of scripts to the accounts, and keeps what could not be granted.
pub(super) struct ScriptOwners<'a> {
    pub(super) accounts: &'a mut Accounts,
    pub(super) warnings: Vec<Warning>,
}

impl Owners for ScriptOwners<'_> {
    fn uid(&mut self, name: &str) -> Option<u32> {
        self.accounts.uid(name).or_else(|| static_id(&STATIC_USERS, name))
    }

    fn gid(&mut self, name: &str) -> Option<u32> {
        self.accounts.gid(name).or_else(|| static_id(&STATIC_GROUPS, name))
    }

    fn offer_user(&mut self, package: &str, user: &NewAccount) {
        let uid = user.id.unwrap_or_else(|| stable_id(&user.name));
        let gid = match &user.group {
            Some(group) => self.accounts.offered_gid(group).unwrap_or_else(|| stable_id(group)),
            None if user.has_own_group => {
                let group =
                    NewAccount { name: user.name.clone(), id: Some(uid), ..NewAccount::default() };
                self.offer_group(package, &group);
                self.accounts.offered_gid(&user.name).unwrap_or(uid)
            }
            None => NOGROUP_GID,
        };
        let entry = PasswdEntry {
            name: user.name.clone(),
            password: "x".to_owned(),
            uid,
            gid,
            comment: user.comment.clone().unwrap_or_default(),
            home: user.home.clone().unwrap_or_else(|| NO_HOME.to_owned()),
            shell: user.shell.clone().unwrap_or_else(|| NOLOGIN.to_owned()),
            source: Source::Package(package.to_owned()),
        };
        self.warnings.extend(self.accounts.offer_user(entry).err());
    }

    fn offer_group(&mut self, package: &str, group: &NewAccount) {
        let entry = GroupEntry {
            name: group.name.clone(),
            password: "x".to_owned(),
            gid: group.id.unwrap_or_else(|| stable_id(&group.name)),
            members: BTreeSet::new(),
            source: Source::Package(package.to_owned()),
        };
        self.warnings.extend(self.accounts.offer_group(entry).err());
    }

    fn offer_member(&mut self, user: &str, group: &str) {
        self.accounts.offer_member(user, group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_accounts_have_numbers_without_being_named() {
        let mut accounts = Accounts::default();
        let mut owners = ScriptOwners { accounts: &mut accounts, warnings: Vec::new() };
        assert_eq!((owners.uid("www-data"), owners.gid("adm")), (Some(33), Some(4)));
        assert_eq!((owners.uid("valkey"), owners.gid("ssl-cert")), (None, None));
        assert_eq!((accounts.users().len(), accounts.groups().len()), (0, 0));
    }

    #[test]
    fn offered_accounts_get_stable_numbers_when_something_asks_for_them() {
        let mut accounts = Accounts::default();
        let mut owners = ScriptOwners { accounts: &mut accounts, warnings: Vec::new() };
        let user =
            NewAccount { name: "app".to_owned(), has_own_group: true, ..NewAccount::default() };
        owners.offer_user("app", &user);
        assert_eq!(owners.uid("app"), Some(stable_id("app")));
        assert_eq!(owners.gid("app"), Some(stable_id("app")));
        assert_eq!(owners.warnings, []);
    }
}
