// SPDX-License-Identifier: Apache-2.0
//! `adduser` and its kin.

use super::arguments::Arguments;
use super::commands::{Context, Outcome};
use super::{NewAccount, Operation};

/// Treats commands that make users and groups.
pub(super) fn treat(context: &Context<'_>) -> Option<Outcome> {
    let operation = match context.name {
        "adduser" => adduser(context),
        "useradd" => useradd(context),
        "addgroup" | "groupadd" => group(context),
        "usermod" | "gpasswd" => member(context),
        "deluser" | "delgroup" | "userdel" | "groupdel" => {
            return Some(Outcome::ignored("acts on upgrades only"));
        }
        "shadowconfig" | "pwconv" | "grpconv" | "pwck" | "grpck" => {
            return Some(Outcome::ignored(
                "accounts have no passwords, so there is no shadow file",
            ));
        }
        "passwd" | "chpasswd" | "chage" => {
            return Some(Outcome::ignored("accounts have no passwords"));
        }
        _ => return None,
    };
    Some(match operation {
        Some(operation) => Outcome::handled("accounts", vec![operation]),
        None => Outcome::unknown_argument(),
    })
}

fn adduser(context: &Context<'_>) -> Option<Operation> {
    let with_value = [
        "home",
        "shell",
        "uid",
        "gid",
        "ingroup",
        "gecos",
        "comment",
        "firstuid",
        "lastuid",
        "firstgid",
        "lastgid",
        "conf",
        "add_extra_groups",
    ];
    let arguments = Arguments::parse(context.arguments, &with_value)?;
    match arguments.operands.as_slice() {
        [user, group] if !arguments.has(&["system"]) => {
            Some(Operation::Member { user: user.clone(), group: group.clone() })
        }
        [name] if arguments.has(&["group"]) && arguments.has(&["system"]) => {
            // With --system, --group asks for a group of the user's own name.
            Some(Operation::User(system_user(&arguments, name, true)?))
        }
        [name] if arguments.has(&["group"]) => {
            let id = arguments.value(&["gid"]).map(str::parse).transpose().ok()?;
            Some(Operation::Group(NewAccount { name: name.clone(), id, ..NewAccount::default() }))
        }
        [name] => Some(Operation::User(system_user(&arguments, name, false)?)),
        _ => None,
    }
}

fn system_user(arguments: &Arguments, name: &str, has_own_group: bool) -> Option<NewAccount> {
    let text = |names: &[&str]| arguments.value(names).map(str::to_owned);
    Some(NewAccount {
        name: name.to_owned(),
        id: arguments.value(&["uid"]).map(str::parse).transpose().ok()?,
        group: text(&["ingroup", "gid"]),
        has_own_group,
        home: text(&["home"]),
        makes_home: !arguments.has(&["no-create-home"]),
        shell: text(&["shell"]),
        comment: text(&["gecos", "comment"]),
    })
}

fn useradd(context: &Context<'_>) -> Option<Operation> {
    let with_value = [
        "u", "uid", "g", "gid", "d", "home-dir", "home", "s", "shell", "c", "comment", "G",
        "groups", "b", "base-dir", "e", "f", "k", "K", "p", "password", "R", "P",
    ];
    let arguments = Arguments::parse(context.arguments, &with_value)?;
    let [name] = arguments.operands.as_slice() else { return None };
    let text = |names: &[&str]| arguments.value(names).map(str::to_owned);
    Some(Operation::User(NewAccount {
        name: name.clone(),
        id: arguments.value(&["u", "uid"]).map(str::parse).transpose().ok()?,
        group: text(&["g", "gid"]),
        has_own_group: arguments.has(&["U", "user-group"]) || text(&["g", "gid"]).is_none(),
        home: text(&["d", "home-dir", "home"]),
        makes_home: arguments.has(&["m", "create-home"]),
        shell: text(&["s", "shell"]),
        comment: text(&["c", "comment"]),
    }))
}

fn group(context: &Context<'_>) -> Option<Operation> {
    let arguments = Arguments::parse(context.arguments, &["gid", "g", "K", "p", "conf"])?;
    match arguments.operands.as_slice() {
        [name] => {
            let id = arguments.value(&["gid", "g"]).map(str::parse).transpose().ok()?;
            Some(Operation::Group(NewAccount { name: name.clone(), id, ..NewAccount::default() }))
        }
        [user, group] => Some(Operation::Member { user: user.clone(), group: group.clone() }),
        _ => None,
    }
}

/// `usermod -a -G group user`, `gpasswd -a user group`.
fn member(context: &Context<'_>) -> Option<Operation> {
    if context.name == "gpasswd" {
        let arguments = Arguments::parse(context.arguments, &["a", "add"])?;
        let [group] = arguments.operands.as_slice() else { return None };
        let user = arguments.value(&["a", "add"])?.to_owned();
        return Some(Operation::Member { user, group: group.clone() });
    }
    let with_value = ["G", "groups", "c", "d", "s", "u", "g", "l", "comment", "home", "shell"];
    let arguments = Arguments::parse(context.arguments, &with_value)?;
    let [user] = arguments.operands.as_slice() else { return None };
    let is_only_groups = arguments.values.keys().all(|name| name == "G" || name == "groups");
    let group = arguments.value(&["G", "groups"]).filter(|_| is_only_groups)?;
    (arguments.has(&["a", "append"]) && !group.contains(','))
        .then(|| Operation::Member { user: user.clone(), group: group.to_owned() })
}
