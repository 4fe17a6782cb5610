// SPDX-License-Identifier: Apache-2.0
//! Scripts of an `.apk`: how apk runs them, and the tools of Alpine that Debian has not, or has with other options.

use std::collections::BTreeMap;

use crate::segment::Format;

use super::arguments::Arguments;
use super::commands::{self, Context, Outcome};
use super::evaluate::Evaluator;
use super::expand::Value;
use super::{FileTests, Look, NewAccount, Operation};

/// The scripts of a first installation, in the order in which apk runs them.
pub(super) const SCRIPTS: [&str; 3] = ["pre-install", "post-install", "trigger"];

/// Tools that need not be in the image because their work is known.
pub(super) const EMULATED: [&str; 6] =
    ["adduser", "addgroup", "deluser", "delgroup", "add-shell", "remove-shell"];

const INIT: &str = "an image has no init system";
const KERNEL: &str = "an image has no kernel";
const SHELL: &str = "/sbin/nologin";

/// Returns the environment, which apk makes anew.
pub(super) fn environment() -> BTreeMap<String, Value> {
    let path = Some("/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    let unknown = ["APK_SCRIPT", "APK_PACKAGE", "PWD", "IFS"];
    let unknown = unknown.into_iter().map(|name| (name.to_owned(), None));
    unknown.chain([("PATH".to_owned(), path)]).collect()
}

/// Returns the arguments of a trigger's run: the directories that it is for and that are there. `None` if
/// none is, so that it does not run.
pub(super) fn trigger(patterns: &str, files: &dyn FileTests) -> Option<Vec<Value>> {
    let mut arguments = Vec::new();
    for pattern in patterns.split_whitespace().map(|pattern| pattern.trim_start_matches('+')) {
        let glob = pattern.find(['*', '?', '[']);
        let start = glob.map_or(pattern, |at| {
            pattern[..at].rsplit_once('/').map_or("", |(directory, _)| directory)
        });
        match (files.look(start, true), glob) {
            (Look::Missing, _) | (Look::Directory { is_empty: true }, Some(_)) => {}
            (_, Some(_)) => arguments.push(None),
            (_, None) => arguments.push(Some(pattern.to_owned())),
        }
    }
    (!arguments.is_empty()).then_some(arguments)
}

/// Treats the commands that mean something else in Alpine than in Debian.
pub(super) fn treat(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Option<Outcome> {
    if evaluator.input.format != Format::Apk {
        return None;
    }
    Some(match context.name {
        name if name == "busybox" || name.starts_with("busybox-") => busybox(evaluator, context),
        "adduser" => account(adduser(context)),
        "addgroup" => account(addgroup(context)),
        "rc-service" | "rc-status" | "openrc" | "openrc-run" | "rc" | "setup-udev" => {
            Outcome { status: None, ..Outcome::ignored(INIT) }
        }
        "depmod" | "mkinitfs" | "mkinitramfs" | "update-extlinux" => Outcome::ignored(KERNEL),
        "ldconfig" => Outcome::ignored("musl's loader has no cache"),
        "c_rehash" => Outcome::handled("ca-bundle", Vec::new()),
        "update-mime-database"
        | "update-desktop-database"
        | "glib-compile-schemas"
        | "gio-querymodules"
        | "gdk-pixbuf-query-loaders"
        | "gtk-query-immodules-3.0" => Outcome::unhandled(format!(
            "{} makes an index that programs need; it has to run in a build stage",
            context.name
        )),
        _ => return None,
    })
}

/// `busybox --install` makes the links of its applets; else it is one of them.
fn busybox(evaluator: &mut Evaluator<'_>, context: &Context<'_>) -> Outcome {
    match context.arguments {
        [Some(option), ..] if option == "--install" => Outcome::handled("busybox", Vec::new()),
        [Some(option), ..] if option.starts_with("--list") => Outcome::asks(None),
        [Some(applet), arguments @ ..] if !applet.starts_with('-') => {
            commands::treat(evaluator, &Context { name: applet, arguments })
        }
        _ => Outcome::unknown_argument(),
    }
}

fn account(operation: Option<Operation>) -> Outcome {
    match operation {
        Some(operation) => Outcome::handled("accounts", vec![operation]),
        None => Outcome::unknown_argument(),
    }
}

/// busybox's `adduser [-h HOME] [-g GECOS] [-s SHELL] [-G GROUP] [-u UID] [-k SKELETON] [-SDH] USER [GROUP]`.
fn adduser(context: &Context<'_>) -> Option<Operation> {
    const WITH_VALUE: [&str; 12] =
        ["h", "home", "g", "gecos", "s", "shell", "G", "ingroup", "u", "uid", "k", "skel"];
    let arguments = Arguments::parse(context.arguments, &WITH_VALUE)?;
    let is_plain = arguments.values.is_empty() && arguments.flags.is_empty();
    let name = match arguments.operands.as_slice() {
        [user, group] if is_plain => {
            return Some(Operation::Member { user: user.clone(), group: group.clone() });
        }
        [name] => name,
        _ => return None,
    };
    let text = |names: &[&str]| arguments.value(names).map(str::to_owned);
    let is_system = arguments.has(&["S", "system"]);
    let group = text(&["G", "ingroup"]);
    let has_own_group = group.is_none() && !is_system;
    Some(Operation::User(NewAccount {
        name: name.clone(),
        id: arguments.value(&["u", "uid"]).map(str::parse).transpose().ok()?,
        group: group.or_else(|| is_system.then(|| "nogroup".to_owned())),
        has_own_group,
        home: text(&["h", "home"]).or_else(|| Some(format!("/home/{name}"))),
        makes_home: !arguments.has(&["H", "no-create-home"]),
        // Of those who log in, a package adds none without saying with which shell.
        shell: text(&["s", "shell"]).or_else(|| Some(SHELL.to_owned())),
        comment: text(&["g", "gecos"]).or_else(|| Some("Linux User,,,".to_owned())),
    }))
}

/// busybox's `addgroup [-g GID] [-S] [USER] GROUP`.
fn addgroup(context: &Context<'_>) -> Option<Operation> {
    let arguments = Arguments::parse(context.arguments, &["g", "gid"])?;
    match arguments.operands.as_slice() {
        [name] => {
            let id = arguments.value(&["g", "gid"]).map(str::parse).transpose().ok()?;
            Some(Operation::Group(NewAccount { name: name.clone(), id, ..NewAccount::default() }))
        }
        [user, group] => Some(Operation::Member { user: user.clone(), group: group.clone() }),
        _ => None,
    }
}
