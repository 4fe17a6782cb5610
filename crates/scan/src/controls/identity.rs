// SPDX-License-Identifier: Apache-2.0
//! The image's user, and what it may change.

use std::collections::BTreeSet;

use hardpan_tree::{Kind, Metadata, TreePath};

use super::account_files::{self, GroupLine, UserLine};
use super::report::{Observation, Report};
use super::view::{self, View};
use super::{ControlId, commands};

/// The ids that no account has: what an unknown user counts as.
const ID_NOBODY: u32 = u32::MAX;

/// Who the image's program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    /// Further groups that list the user.
    groups: BTreeSet<u32>,
}

impl Account {
    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether it is the number of the user.
    pub(super) fn is_user(&self, uid: u32) -> bool {
        self.uid == uid
    }

    /// Whether it is the number of one of the user's groups.
    pub(super) fn is_in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether the account has some of the three permission bits (4 read, 2 write, 1 execute).
    pub(super) fn may(&self, metadata: &Metadata, bits: u32) -> bool {
        if self.is_root() {
            // Root needs one execute bit, of anybody, and nothing else.
            return bits & 1 == 0 || metadata.mode & 0o111 != 0;
        }
        let shift = if self.uid == metadata.uid {
            6
        } else if self.is_in_group(metadata.gid) {
            3
        } else {
            0
        };
        metadata.mode >> shift & bits == bits
    }
}

/// Checks the user and what the user may write; returns who the user is.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) -> Account {
    if view.is_without_configuration() {
        let why = "a root file system has no user";
        let controls = [
            ControlId::UserRoot,
            ControlId::UserNotNumeric,
            ControlId::UserUnknown,
            ControlId::GroupRoot,
            ControlId::WritableProgram,
        ];
        report.all_unmeasured(&controls, why);
        return Account { uid: ID_NOBODY, gid: ID_NOBODY, groups: BTreeSet::new() };
    }
    let asking = asking(view.input.user);
    let users = account_files::read_users(view, report, &asking);
    let groups = account_files::read_groups(view, report, &asking);
    let account = account(view, report, users.as_deref(), groups.as_deref());
    check_writable_programs(view, report, &account);
    account
}

/// Returns what can't be told without accounts and groups. Who is given by numbers has only the further groups from them.
fn asking(user: &str) -> Vec<ControlId> {
    let (name, group) = name_and_group(user);
    // What depends on what the user may do.
    let mut asking = vec![
        ControlId::WritableProgram,
        ControlId::WritablePath,
        ControlId::WritableSystemFile,
        ControlId::ShadowReadable,
        ControlId::UnsafeRunpath,
        ControlId::UnsafePath,
    ];
    if account_files::asked_number(name).is_none() {
        asking.extend([ControlId::UserRoot, ControlId::UserUnknown]);
    }
    if group.and_then(account_files::asked_number).is_none() {
        asking.extend([ControlId::GroupRoot, ControlId::UserUnknown]);
    }
    asking
}

fn account(
    view: &View<'_>,
    report: &mut Report<'_>,
    users: Option<&[UserLine]>,
    groups: Option<&[GroupLine]>,
) -> Account {
    let (name, group) = name_and_group(view.input.user);
    let (entry, numeric) = entry(users.unwrap_or_default(), name);
    let uid = entry.map(|user| user.uid.for_runtime()).or(numeric);
    match uid {
        None if users.is_some() => {
            let text = format!("the image's user {name} is not in /etc/passwd");
            report.image(ControlId::UserUnknown, text);
        }
        Some(0) if view.input.root_allowed => {}
        Some(0) => report.image(ControlId::UserRoot, describe_root(view.input.user, entry)),
        Some(_) | None => {}
    }
    if numeric.is_none() && !(uid == Some(0) && view.input.root_allowed) {
        let number = uid.map(|uid| format!(", its number is {uid}")).unwrap_or_default();
        report.image(
            ControlId::UserNotNumeric,
            format!("the image's user is given by its name {name}{number}"),
        );
    }
    let gid = match group.filter(|group| !group.is_empty()) {
        Some(wanted) => asked_group(report, wanted, groups),
        // Without a group and an account, runtimes take 0.
        None => users.map(|_| entry.map_or(0, |user| user.gid.for_runtime())),
    };
    if gid == Some(0) && uid != Some(0) {
        report.image(ControlId::GroupRoot, "the image's user has the group 0".to_owned());
    }
    let user_name = entry.map_or("", |user| user.name.as_str());
    let groups = groups
        .unwrap_or_default()
        .iter()
        .filter(|group| group.members.iter().any(|member| member == user_name))
        .map(|group| group.gid.for_runtime())
        .collect();
    Account { uid: uid.unwrap_or(ID_NOBODY), gid: gid.unwrap_or(ID_NOBODY), groups }
}

/// Returns the number that the image's user comes to, if it can be told.
pub(super) fn user_number(view: &View<'_>) -> Option<u32> {
    if view.is_without_configuration() {
        return None;
    }
    let passwd = view.text(&TreePath::literal(account_files::PASSWD));
    let users = account_files::users(&passwd.known().unwrap_or_default());
    let (name, _) = name_and_group(view.input.user);
    let (entry, numeric) = entry(&users, name);
    entry.map(|user| user.uid.for_runtime()).or(numeric)
}

/// Some builders leave the spaces of an instruction in; what runs the image may take them off or not. An image without a
/// user runs as root (OCI image specification, "config.User").
fn name_and_group(user: &str) -> (&str, Option<&str>) {
    let user = user.trim();
    let (name, group) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    (if name.is_empty() { "0" } else { name }, group)
}

/// Returns the line of a user and the number that it is given by. To runtimes a number is one, also where an account is
/// called by it.
fn entry<'u>(users: &'u [UserLine], name: &str) -> (Option<&'u UserLine>, Option<u32>) {
    let numeric = account_files::asked_number(name);
    let entry = users.iter().find(|user| match numeric {
        Some(number) => user.uid.for_runtime() == number,
        None => user.name == name,
    });
    (entry, numeric)
}

/// Returns the number of the group that is asked for.
fn asked_group(report: &mut Report<'_>, wanted: &str, groups: Option<&[GroupLine]>) -> Option<u32> {
    if let Some(number) = account_files::asked_number(wanted) {
        return Some(number);
    }
    let found = groups?.iter().find(|group| group.name == wanted);
    if found.is_none() {
        let text = format!("the image's group {wanted} is not in /etc/group");
        report.image(ControlId::UserUnknown, text);
    }
    found.map(|group| group.gid.for_runtime())
}

fn describe_root(user: &str, entry: Option<&UserLine>) -> String {
    let is_broken = entry.is_some_and(|entry| entry.name == user && !entry.uid.is_number());
    if user.trim().is_empty() {
        "the image sets no user, so it runs as root".to_owned()
    } else if is_broken {
        format!("the image's user {user} is root to runtimes: /etc/passwd gives it no number")
    } else {
        format!("the image's user {user} is root")
    }
}

/// Programs that the process itself could change.
fn check_writable_programs(view: &View<'_>, report: &mut Report<'_>, account: &Account) {
    if account.is_root() {
        return;
    }
    // Who may write the directory puts another file in the place of one that it can't write.
    for path in commands::entrypoint(view) {
        let parent = path.parent().unwrap_or_default();
        let is_own = view.tree.get(&path).is_some_and(|node| account.may(&node.metadata, 2));
        let is_open = view
            .tree
            .get(&parent)
            .is_some_and(|node| node.metadata.mode & 0o1002 == 0 && account.may(&node.metadata, 2));
        if is_open && !is_own {
            let text = "starts the image, and is in a directory that its user can write";
            report.path(ControlId::WritableProgram, &path, text);
        }
    }
    for (path, node) in view.tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        let is_code = matches!(file.facts.as_deref(), Some(hardpan_tree::Facts::Elf(_)))
            || (view::is_executable(node) && view::program(file).is_some());
        // What everybody may write has a finding of its own.
        if is_code && node.metadata.mode & 0o002 == 0 && account.may(&node.metadata, 2) {
            report.add(Observation {
                control: ControlId::WritableProgram,
                path: Some(path.clone()),
                origin: Some(node.origin),
                text: "can be written by the image's user".to_owned(),
                is_asked_for: false,
            });
        }
    }
}
