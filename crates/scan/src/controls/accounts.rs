// SPDX-License-Identifier: Apache-2.0
//! The accounts of an image: who may log in, from where, and who reads the passwords.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::{Kind, Origin, TreePath};

use super::ControlId;
use super::account_files::{self, UserLine};
use super::identity::Account;
use super::places;
use super::report::Report;
use super::view::{self, View};

/// Files with hashes of passwords, and the copies that tools make of them.
const HASHES: [&str; 8] = [
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/security/opasswd",
    "/etc/master.passwd",
    "/var/backups/shadow.bak",
    "/var/backups/gshadow.bak",
];
/// Files that say which hosts are trusted.
const TRUSTED_HOSTS: [&[u8]; 3] =
    [b"etc/hosts.equiv", b"etc/shosts.equiv", b"etc/ssh/shosts.equiv"];
/// What can't be told without the accounts. Which keys let somebody in depends on where the homes are.
const OF_ACCOUNTS: [ControlId; 4] = [
    ControlId::DuplicateRoot,
    ControlId::DuplicateUser,
    ControlId::LoginShell,
    ControlId::RemoteAccess,
];
/// The most files in directories of keys that are looked at.
const KEY_FILES_MAX: usize = 1000;

/// Checks the accounts; `shells` are the files that turned out to be shells.
pub(super) fn check(
    view: &View<'_>,
    account: &Account,
    shells: &BTreeSet<TreePath>,
    report: &mut Report<'_>,
) {
    let passwd = TreePath::literal(account_files::PASSWD);
    let users = account_files::read_users(view, report, &OF_ACCOUNTS).unwrap_or_default();
    let roots = users.iter().filter(|user| user.for_libraries().any(|uid| uid == 0));
    for user in roots.filter(|user| user.name != "root") {
        let text = format!("gives {} the user number 0", user.name);
        report.path(ControlId::DuplicateRoot, &passwd, text);
    }
    check_duplicates(&passwd, &users, report);
    check_shells(view, &passwd, &users, shells, report);
    check_remote(view, &users, report);
    check_readers(view, account, report);
}

fn check_duplicates(passwd: &TreePath, users: &[UserLine], report: &mut Report<'_>) {
    let mut by_number: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for user in users {
        *by_name.entry(&user.name).or_default() += 1;
        for uid in user.for_libraries().filter(|uid| *uid != 0) {
            by_number.entry(uid).or_default().insert(&user.name);
        }
    }
    for (number, names) in by_number.into_iter().filter(|(_, names)| names.len() > 1) {
        let names: Vec<&str> = names.into_iter().collect();
        let text = format!("gives {} the same number {number}", names.join(" and "));
        report.path(ControlId::DuplicateUser, passwd, text);
    }
    for (name, count) in by_name.into_iter().filter(|(_, count)| *count > 1) {
        let text = format!("has {count} accounts called {name}");
        report.path(ControlId::DuplicateUser, passwd, text);
    }
}

/// An account can log in if its shell is a program of the image that is not there to refuse.
fn check_shells(
    view: &View<'_>,
    passwd: &TreePath,
    users: &[UserLine],
    shells: &BTreeSet<TreePath>,
    report: &mut Report<'_>,
) {
    let mut by_shell: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for user in users.iter().filter(|user| user.for_libraries().next().is_some()) {
        let shell = if user.shell.is_empty() { "/bin/sh" } else { user.shell.as_str() };
        let Ok(path) = TreePath::parse(shell) else { continue };
        let Some((target, node)) = view.follow(&path) else { continue };
        let starts = matches!(node.kind, Kind::HardLink(_)) || view::is_executable(node);
        // busybox and its like do what they are called by; anything else stays a shell under every name.
        let is_called_to_refuse = is_refusal(path.name())
            && (!shells.contains(&target)
                || target.name().starts_with(b"busybox")
                || target.name().starts_with(b"toybox"));
        if starts && !is_called_to_refuse {
            by_shell.entry(shell).or_default().push(&user.name);
        }
    }
    for (shell, names) in by_shell {
        let text = format!("lets {} log in with {shell}", names.join(", "));
        // Whoever builds an image with a shell knows that it has one.
        report.path_at_most(ControlId::LoginShell, passwd, text, view.noted_in_a_build());
    }
}

/// Programs in the place of a shell that let nobody in: Debian's account `sync` has one that writes buffers.
fn is_refusal(name: &[u8]) -> bool {
    matches!(name, b"nologin" | b"false" | b"true" | b"sync" | b"halt" | b"shutdown" | b"poweroff")
}

fn check_remote(view: &View<'_>, users: &[UserLine], report: &mut Report<'_>) {
    let homes: BTreeSet<TreePath> = users
        .iter()
        .filter_map(|user| TreePath::parse(&user.home).ok())
        .filter(|home| !home.is_root())
        .collect();
    let mut seen = BTreeSet::new();
    for (path, node) in view.tree.walk() {
        if matches!(node.kind, Kind::Directory) || !lets_in(path, &homes) {
            continue;
        }
        let is_packaged = matches!(node.origin, Origin::Package(_));
        if !(is_packaged && path.as_bytes().starts_with(b"usr/")) {
            seen.insert(path.clone());
        }
    }
    seen.extend(configured_keys(view, report));
    for path in seen {
        // What is not there or empty lets nobody in, and neither do comments.
        let Some((target, _)) = view.follow(&path) else { continue };
        let Some((_, file)) = view.tree.file(&target) else { continue };
        let has_lines = view.text(&path).known().map_or(true, |text| {
            text.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
        });
        if file.size_bytes > 0 && has_lines {
            report.path(ControlId::RemoteAccess, &path, "lets others in from elsewhere");
        }
    }
}

fn lets_in(path: &TreePath, homes: &BTreeSet<TreePath>) -> bool {
    let parent = path.parent().unwrap_or_default();
    match path.name() {
        b"hosts.equiv" | b"shosts.equiv" => TRUSTED_HOSTS.contains(&path.as_bytes()),
        b".rhosts" | b".shosts" => !places::is_sample(path),
        b"authorized_keys" | b"authorized_keys2" => {
            let is_place = parent.name() == b".ssh"
                || parent.as_bytes().starts_with(b"etc/ssh")
                || parent.as_bytes() == b"etc/dropbear"
                || homes.contains(&parent);
            is_place && !places::is_sample(path)
        }
        _ => false,
    }
}

/// Returns the files that the configuration of an SSH server says keys are in, beyond those in the homes.
fn configured_keys(view: &View<'_>, report: &mut Report<'_>) -> Vec<TreePath> {
    let configuration = view.text(&TreePath::literal(account_files::SSHD));
    let configuration = configuration.known().unwrap_or_else(|why| {
        report.unmeasured(ControlId::RemoteAccess, why);
        String::new()
    });
    let mut files = Vec::new();
    for line in configuration.lines() {
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("AuthorizedKeysFile")) {
            continue;
        }
        for word in words.filter(|word| word.starts_with('/')) {
            match word.split_once('%') {
                None => files.extend(TreePath::parse(word)),
                // The rest is the account's name or home.
                Some((before, _)) => {
                    let directory = before.rsplit_once('/').map_or("", |(directory, _)| directory);
                    let Ok(directory) = TreePath::parse(directory) else { continue };
                    let below = view.tree.walk_below(&directory);
                    if !directory.is_root() {
                        files.extend(below.map(|(path, _)| path.clone()).take(KEY_FILES_MAX));
                    }
                }
            }
        }
    }
    files
}

/// Says who besides root reads the hashes.
fn check_readers(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    for path in HASHES {
        let path = TreePath::literal(path);
        let Some((target, _)) = view.follow(&path) else { continue };
        let Some((node, file)) = view.tree.file(&target) else { continue };
        let metadata = &node.metadata;
        if file.size_bytes == 0 {
            continue;
        }
        let owner = format!("({:04o}, {}:{})", metadata.mode, metadata.uid, metadata.gid);
        let text = if metadata.mode & 0o007 != 0 {
            format!("can be read by everybody {owner}")
        } else if metadata.uid != 0 {
            format!("belongs to another account than root {owner}")
        } else if !account.is_root() && account.may(metadata, 4) {
            format!("can be read by the image's user {owner}")
        } else {
            continue;
        };
        report.path(ControlId::ShadowReadable, &path, text);
    }
}
