// SPDX-License-Identifier: Apache-2.0
//! What should not be among files: devices, names of whiteouts, owners whom nobody knows, and directories that the
//! image's user may write.

use std::collections::BTreeSet;

use hardpan_tree::{Kind, TreePath};

use super::account_files;
use super::identity::Account;
use super::places::is_below;
use super::report::Report;
use super::view::View;
use super::{ControlId, Severity};

/// The number that systems use for nobody.
const NOBODY: u32 = 65534;
/// Numbers below belong to the same accounts in all images of a distribution, whether its files list them or not: 8 is
/// mail, 42 is shadow, 50 is staff.
const OF_DISTRIBUTIONS: u32 = 100;
/// Devices that each runtime makes, which hide those of the image.
const USUAL_DEVICES: [&[u8]; 9] = [
    b"dev/null",
    b"dev/zero",
    b"dev/full",
    b"dev/random",
    b"dev/urandom",
    b"dev/tty",
    b"dev/console",
    b"dev/ptmx",
    b"dev/tty0",
];
/// Where programs are expected to write.
const TEMPORARY: [&str; 9] =
    ["tmp", "var/tmp", "run", "var/run", "dev", "proc", "sys", "var/lock", "run/lock"];

pub(super) fn check(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    check_special(view, report);
    check_whiteouts(view, report);
    check_owners(view, account, report);
    check_writable(view, account, report);
    for hidden in view.facts().map_or(&[][..], |facts| &facts.hidden_setuid) {
        let text =
            format!("has setuid or setgid here, and is changed by layer {}", hidden.hidden_in);
        let control = ControlId::SetuidFile;
        report.in_layer(control, &hidden.path, hidden.layer, text, Severity::Info);
    }
}

fn check_special(view: &View<'_>, report: &mut Report<'_>) {
    let facts = match view.facts() {
        Ok(facts) => facts,
        Err(why) => return report.unmeasured(ControlId::SpecialFile, why),
    };
    for special in &facts.special {
        let severity = if USUAL_DEVICES.contains(&special.path.as_bytes()) {
            Severity::Info
        } else if special.is_device {
            Severity::Fail
        } else {
            Severity::Warn
        };
        let text = format!("is a {}", special.what);
        report.path_at_most(ControlId::SpecialFile, &special.path, text, severity);
    }
}

/// A whiteout that a layer has for what is not there is none of these: only what a container sees.
fn check_whiteouts(view: &View<'_>, report: &mut Report<'_>) {
    let known = view.facts().map_or(&[][..], |facts| &facts.whiteouts);
    let named = view.tree.walk().map(|(path, _)| path);
    let named = named.filter(|path| path.name().starts_with(b".wh."));
    for path in known.iter().chain(named).collect::<BTreeSet<_>>() {
        report.path(ControlId::WhiteoutFile, path, "is called like a whiteout");
    }
}

fn check_owners(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    let control = [ControlId::UnownedFile];
    let users = account_files::read_users(view, report, &control);
    let groups = account_files::read_groups(view, report, &control);
    let (Some(users), Some(groups)) = (users, groups) else { return };
    let users: BTreeSet<u32> =
        users.iter().flat_map(account_files::UserLine::for_libraries).chain([NOBODY]).collect();
    let groups: BTreeSet<u32> =
        groups.iter().filter_map(|group| group.gid.for_library()).chain([NOBODY]).collect();
    let is_known =
        |numbers: &BTreeSet<u32>, number| number < OF_DISTRIBUTIONS || numbers.contains(&number);
    for (path, node) in view.tree.walk() {
        let metadata = &node.metadata;
        if matches!(node.kind, Kind::HardLink(_)) {
            continue;
        }
        let knows_user = is_known(&users, metadata.uid) || account.is_user(metadata.uid);
        let knows_group = is_known(&groups, metadata.gid) || account.is_in_group(metadata.gid);
        let text = match (knows_user, knows_group) {
            (true, true) => continue,
            (false, _) => {
                format!("belongs to the user {}, whom the image does not have", metadata.uid)
            }
            // Who runs as a number alone has a group of that number in no file.
            (true, false) if metadata.gid == metadata.uid => continue,
            (true, false) => {
                format!("belongs to the group {}, which the image does not have", metadata.gid)
            }
        };
        report.path(ControlId::UnownedFile, path, text);
    }
}

fn check_writable(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    let control = ControlId::WritablePath;
    let config = match view.config() {
        Ok(config) => config,
        Err(why) => return report.unmeasured(control, why),
    };
    if account.is_root() {
        return report.unmeasured(control, "the image runs as root, who may write everything");
    }
    let volumes: Vec<TreePath> =
        config.volumes.iter().map(|volume| super::places::resolved(view.tree, volume)).collect();
    let mut above: Option<&TreePath> = None;
    for (path, node) in view.tree.walk() {
        let is_thing = matches!(node.kind, Kind::Directory | Kind::File(_));
        let is_told = above.is_some_and(|above| path.starts_with(above));
        if !is_thing
            || is_told
            || !account.may(&node.metadata, 2)
            || is_below(path, &TEMPORARY)
            || volumes.iter().any(|volume| path.starts_with(volume))
        {
            continue;
        }
        above = Some(path);
        report.path(control, path, "can be written by the image's user, and is no volume");
    }
}
