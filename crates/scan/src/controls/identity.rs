// SPDX-License-Identifier: Apache-2.0
//! The image's user and the accounts.

use std::collections::BTreeSet;

use hardpan_tree::{Kind, Metadata, TreePath};

use super::ControlId;
use super::report::{Observation, Report};
use super::view::{self, View};

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

    /// Whether the account has some of the three permission bits (4 read, 2 write, 1 execute).
    pub(super) fn may(&self, metadata: &Metadata, bits: u32) -> bool {
        if self.is_root() {
            // Root needs one execute bit, of anybody, and nothing else.
            return bits & 1 == 0 || metadata.mode & 0o111 != 0;
        }
        let shift = if self.uid == metadata.uid {
            6
        } else if self.gid == metadata.gid || self.groups.contains(&metadata.gid) {
            3
        } else {
            0
        };
        metadata.mode >> shift & bits == bits
    }
}

#[derive(Debug)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

#[derive(Debug)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// Checks the user, the accounts, and what the user may write; returns who the user is.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) -> Account {
    let passwd = TreePath::literal("/etc/passwd");
    let users = users(&view.text(&passwd).unwrap_or_default());
    let groups = groups(&view.text(&TreePath::literal("/etc/group")).unwrap_or_default());
    for user in users.iter().filter(|user| user.uid == 0 && user.name != "root") {
        let text = format!("gives {} the user number 0", user.name);
        report.path(ControlId::DuplicateRoot, &passwd, text);
    }
    let account = account(view, report, &users, &groups);
    check_writable_programs(view, report, &account);
    check_environment(view, report, &account);
    account
}

fn account(view: &View<'_>, report: &mut Report<'_>, users: &[User], groups: &[Group]) -> Account {
    let (name, group) = match view.input.user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (view.input.user, None),
    };
    // An image without a user runs as root (OCI image specification, "config.User").
    let name = if name.is_empty() { "0" } else { name };
    let numeric = name.parse::<u32>().ok();
    // As runtimes do: a name wins over a number.
    let entry = users
        .iter()
        .find(|user| user.name == name)
        .or_else(|| users.iter().find(|user| Some(user.uid) == numeric));
    let uid = entry.map(|user| user.uid).or(numeric);
    match uid {
        None => {
            let text = format!("the image's user {name} is not in /etc/passwd");
            report.image(ControlId::UserUnknown, text);
        }
        Some(0) if view.input.root_allowed => {}
        Some(0) => report.image(ControlId::UserRoot, describe_root(view.input.user)),
        Some(_) => {}
    }
    if numeric.is_none() && !(uid == Some(0) && view.input.root_allowed) {
        let number = uid.map(|uid| format!(", its number is {uid}")).unwrap_or_default();
        report.image(
            ControlId::UserNotNumeric,
            format!("the image's user is given by its name {name}{number}"),
        );
    }
    let gid = primary_group(report, group, entry, groups);
    if gid == Some(0) && uid != Some(0) {
        report.image(ControlId::GroupRoot, "the image's user has the group 0".to_owned());
    }
    let user_name = entry.map_or("", |user| user.name.as_str());
    let groups = groups
        .iter()
        .filter(|group| group.members.iter().any(|member| member == user_name))
        .map(|group| group.gid)
        .collect();
    Account { uid: uid.unwrap_or(ID_NOBODY), gid: gid.unwrap_or(ID_NOBODY), groups }
}

fn primary_group(
    report: &mut Report<'_>,
    wanted: Option<&str>,
    entry: Option<&User>,
    groups: &[Group],
) -> Option<u32> {
    let Some(wanted) = wanted else {
        // Without a group and an account, runtimes take 0.
        return Some(entry.map_or(0, |user| user.gid));
    };
    let found = groups.iter().find(|group| group.name == wanted).map(|group| group.gid);
    let gid = found.or_else(|| wanted.parse().ok());
    if gid.is_none() {
        let text = format!("the image's group {wanted} is not in /etc/group");
        report.image(ControlId::UserUnknown, text);
    }
    gid
}

fn describe_root(user: &str) -> String {
    if user.is_empty() {
        "the image sets no user, so it runs as root".to_owned()
    } else {
        format!("the image's user {user} is root")
    }
}

/// Programs that the process itself could change.
fn check_writable_programs(view: &View<'_>, report: &mut Report<'_>, account: &Account) {
    if account.is_root() {
        return;
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

fn check_environment(view: &View<'_>, report: &mut Report<'_>, account: &Account) {
    let environment = view.input.environment;
    if environment.get("LD_PRELOAD").is_some_and(|text| !text.is_empty()) {
        report.image(ControlId::LoaderPreload, "the environment sets LD_PRELOAD");
    }
    let preload = TreePath::literal("/etc/ld.so.preload");
    if view.tree.file(&preload).is_some_and(|(_, file)| file.size_bytes > 0) {
        report.path(ControlId::LoaderPreload, &preload, "loads a library into every program");
    }
    let Some(set) = environment.get("PATH") else { return };
    for directory in set.split(':') {
        if !directory.starts_with('/') {
            let text = format!("PATH has the relative directory {directory:?}");
            report.image(ControlId::UnsafePath, text);
            continue;
        }
        let Ok(path) = TreePath::parse(directory) else { continue };
        let Some((path, node)) = view.follow(&path) else { continue };
        if !account.is_root() && account.may(&node.metadata, 2) {
            let text = "is in PATH and can be written by the image's user";
            report.path(ControlId::UnsafePath, &path, text);
        }
    }
}

/// Parses `/etc/passwd`; lines that are none are left out.
fn users(text: &str) -> Vec<User> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(User { name, uid, gid })
        })
        .collect()
}

/// Parses `/etc/group`; lines that are none are left out.
fn groups(text: &str) -> Vec<Group> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
            let gid = fields.nth(1)?.parse().ok()?;
            let members = fields.next().unwrap_or_default();
            let members =
                members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            Some(Group { name, gid, members })
        })
        .collect()
}
