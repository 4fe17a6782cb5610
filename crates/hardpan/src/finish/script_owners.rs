// SPDX-License-Identifier: Apache-2.0
//! The accounts that maintainer scripts ask for, among the image's.

use std::collections::BTreeSet;

use hardpan_package::deb::scripts::NewAccount;

use super::Warning;
use super::accounts::{Accounts, GroupEntry, PasswdEntry, Source, stable_id};
use super::scripts::Owners;

/// Debian's group for users that have none of their own.
const NOGROUP_GID: u32 = 65534;
const NOLOGIN: &str = "/usr/sbin/nologin";
const NO_HOME: &str = "/nonexistent";

/// Takes the wishes of scripts to the accounts, and keeps what could not be granted.
pub(super) struct ScriptOwners<'a> {
    pub(super) accounts: &'a mut Accounts,
    pub(super) warnings: Vec<Warning>,
}

impl Owners for ScriptOwners<'_> {
    fn uid(&mut self, name: &str) -> Option<u32> {
        self.accounts.uid(name)
    }

    fn gid(&mut self, name: &str) -> Option<u32> {
        self.accounts.gid(name)
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
