// SPDX-License-Identifier: Apache-2.0
//! Files in the formats of passwd(5), group(5), shadow(5) and gshadow(5).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hardpan_tree::{Tree, TreePath};

use super::{GroupEntry, NAME, PasswdEntry, Source};
use crate::finish::edit::read;
use crate::finish::{FinishError, Inputs};

/// How many lines of a passwd or group file are read.
const LINES_MAX: usize = 10_000;

/// The accounts that every system of a distribution has.
#[derive(Debug, Clone, Default)]
pub struct Masters {
    pub(super) users: Vec<PasswdEntry>,
    pub(super) groups: Vec<GroupEntry>,
}

impl Masters {
    /// Reads them from files in the formats of passwd(5) and group(5), which `package` brings. One that is not there
    /// has none.
    ///
    /// # Errors
    /// If a file can't be read.
    pub fn read(
        tree: &Tree,
        inputs: &Inputs<'_>,
        package: &str,
        passwd: &TreePath,
        group: &TreePath,
    ) -> Result<Self, FinishError> {
        let text = |path| -> Result<String, FinishError> {
            let bytes = read(tree, path, inputs.contents, NAME)?;
            Ok(bytes.map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let source = Source::Package(package.to_owned());
        let (users, groups) = (text(passwd)?, text(group)?);
        Ok(Self { users: parse_passwd(&users, &source), groups: parse_group(&groups, &source) })
    }
}

/// Parses a passwd file; lines that are none are passed over.
pub fn parse_passwd(text: &str, source: &Source) -> Vec<PasswdEntry> {
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, uid, gid, comment, home, shell] = fields[..] else { return None };
        Some(PasswdEntry {
            name: (!name.is_empty()).then(|| name.to_owned())?,
            password: password.to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            comment: comment.to_owned(),
            home: home.to_owned(),
            shell: shell.to_owned(),
            source: source.clone(),
        })
    };
    text.lines().take(LINES_MAX).filter_map(entry).collect()
}

/// Parses a group file; lines that are none are passed over.
pub fn parse_group(text: &str, source: &Source) -> Vec<GroupEntry> {
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, gid, members] = fields[..] else { return None };
        let members = members.split(',').filter(|member| !member.is_empty());
        Some(GroupEntry {
            name: (!name.is_empty()).then(|| name.to_owned())?,
            password: password.to_owned(),
            gid: gid.parse().ok()?,
            members: members.map(str::to_owned).collect(),
            source: source.clone(),
        })
    };
    text.lines().take(LINES_MAX).filter_map(entry).collect()
}

pub(super) fn passwd_text(users: &[PasswdEntry], has_shadow: bool) -> String {
    users.iter().fold(String::new(), |mut text, user| {
        let password = if has_shadow { "x" } else { &user.password };
        let PasswdEntry { name, uid, gid, comment, home, shell, .. } = user;
        let _ = writeln!(text, "{name}:{password}:{uid}:{gid}:{comment}:{home}:{shell}");
        text
    })
}

pub(super) fn group_text(groups: &[GroupEntry], has_shadow: bool) -> String {
    groups.iter().fold(String::new(), |mut text, group| {
        let password = if has_shadow { "x" } else { &group.password };
        let GroupEntry { name, gid, members, .. } = group;
        let _ = writeln!(text, "{name}:{password}:{gid}:{}", join(members));
        text
    })
}

/// Every account is locked: nobody logs in to a container by password.
pub(super) fn shadow_text(users: &[PasswdEntry], day: i64) -> String {
    users.iter().fold(String::new(), |mut text, user| {
        let _ = writeln!(text, "{}:*:{day}:0:99999:7:::", user.name);
        text
    })
}

pub(super) fn gshadow_text(groups: &[GroupEntry]) -> String {
    groups.iter().fold(String::new(), |mut text, group| {
        let _ = writeln!(text, "{}:*::{}", group.name, join(&group.members));
        text
    })
}

fn join(members: &BTreeSet<String>) -> String {
    members.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}
