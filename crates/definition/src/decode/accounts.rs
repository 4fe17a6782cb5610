// SPDX-License-Identifier: Apache-2.0
//! `accounts`.

use super::{Decoder, Fields, Place};
use crate::check;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Accounts, Group, User};
use crate::source::Spanned;
use crate::template::STRICT;
use crate::yaml::{Entry, Node};

impl<'n> Decoder<'n> {
    pub(crate) fn accounts(&mut self, entry: Option<&'n Entry>, place: Place) -> Accounts {
        let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else {
            return Accounts::default();
        };
        let fields = Fields::new(self, &entry.value, "`accounts`", entry.key_span);
        let Some(mut fields) = fields else {
            return Accounts::default();
        };
        let root = fields.take("root").and_then(|entry| self.boolean(&entry.value, "`root`"));
        let run_as = fields.take("run-as").and_then(|entry| self.run_as(&entry.value));
        let users = fields.take("users");
        let groups = fields.take("groups");
        let accounts = Accounts {
            root: root.unwrap_or(false),
            run_as,
            users: self.list(users, Self::user),
            groups: self.list(groups, Self::group),
        };
        fields.finish(self);
        self.check_users(&accounts);
        self.check_groups(&accounts);
        if place == Place::Image {
            self.check_run_as(&accounts);
        }
        accounts
    }

    /// Name or number of an account.
    pub(crate) fn run_as(&mut self, node: &'n Node) -> Option<Spanned<String>> {
        self.valid(node, "`run-as`", STRICT, Code::BadAccountName, check::account_name)
    }

    fn name(&mut self, fields: &mut Fields<'n>) -> Spanned<String> {
        let name = fields.require(self, "name").and_then(|entry| {
            self.valid(&entry.value, "`name`", STRICT, Code::BadAccountName, check::account_name)
        });
        name.unwrap_or_default()
    }

    fn user(&mut self, node: &'n Node) -> Option<Spanned<User>> {
        let mut fields = Fields::new(self, node, "a user", node.span)?;
        let name = self.name(&mut fields);
        let uid = fields.require(self, "uid").and_then(|entry| self.id(&entry.value, "`uid`"));
        let gid = fields.require(self, "gid").and_then(|entry| self.id(&entry.value, "`gid`"));
        let mode = self.mode(fields.take("mode"));
        fields.finish(self);
        let user = User { name, uid: uid?, gid: gid?, mode };
        Some(Spanned::new(user, node.span))
    }

    fn group(&mut self, node: &'n Node) -> Option<Spanned<Group>> {
        let mut fields = Fields::new(self, node, "a group", node.span)?;
        let name = self.name(&mut fields);
        let gid = fields.require(self, "gid").and_then(|entry| self.id(&entry.value, "`gid`"));
        let members = fields.take("members");
        let members = self.list(members, |decoder, node| {
            decoder.valid(node, "a member", STRICT, Code::BadAccountName, check::account_name)
        });
        fields.finish(self);
        Some(Spanned::new(Group { name, gid: gid?, members }, node.span))
    }

    fn check_users(&mut self, accounts: &Accounts) {
        for (index, user) in accounts.users.iter().enumerate() {
            if user.name.is_empty() {
                continue;
            }
            let earlier = &accounts.users[..index];
            if let Some(first) = earlier.iter().find(|first| first.name == user.name) {
                let same = first.value == user.value;
                let message = format!("the user `{}` is declared twice", user.name);
                let mut diagnostic = Diagnostic::error(Code::Duplicate, user.name.span, message);
                if same {
                    diagnostic = Diagnostic { severity: crate::Severity::Warning, ..diagnostic };
                }
                self.push(diagnostic.label(first.name.span, "first here"));
            } else if let Some(first) = earlier.iter().find(|first| first.uid == user.uid) {
                let message = format!(
                    "the users `{}` and `{}` have the same uid {}",
                    first.name, user.name, user.uid
                );
                let diagnostic = Diagnostic::error(Code::Duplicate, user.name.span, message);
                self.push(diagnostic.label(first.name.span, "first here"));
            }
            let known = user.gid == 0 || accounts.groups.iter().any(|group| group.gid == user.gid);
            if !known {
                let message =
                    format!("no group has the gid {} of the user `{}`", user.gid, user.name);
                let diagnostic = Diagnostic::warning(Code::UnknownGroup, user.name.span, message);
                self.push(diagnostic.help("declare the group under `groups`"));
            }
        }
    }

    fn check_groups(&mut self, accounts: &Accounts) {
        for (index, group) in accounts.groups.iter().enumerate() {
            if group.name.is_empty() {
                continue;
            }
            let earlier = &accounts.groups[..index];
            if let Some(first) = earlier.iter().find(|first| first.name == group.name) {
                let message = format!("the group `{}` is declared twice", group.name);
                let diagnostic = if first.gid == group.gid {
                    Diagnostic::warning(Code::Duplicate, group.name.span, message)
                } else {
                    Diagnostic::error(Code::Duplicate, group.name.span, message)
                };
                self.push(diagnostic.label(first.name.span, "first here"));
            } else if let Some(first) = earlier.iter().find(|first| first.gid == group.gid) {
                let message = format!(
                    "the groups `{}` and `{}` have the same gid {}",
                    first.name, group.name, group.gid
                );
                let diagnostic = Diagnostic::error(Code::Duplicate, group.name.span, message);
                self.push(diagnostic.label(first.name.span, "first here"));
            }
            for member in &group.members {
                let known = member.value == "root"
                    || accounts.users.iter().any(|user| user.name.value == member.value);
                if !known {
                    let message = format!("the member `{member}` is no declared user");
                    self.push(Diagnostic::warning(Code::UnknownUser, member.span, message));
                }
            }
        }
    }

    fn check_run_as(&mut self, accounts: &Accounts) {
        let Some(run_as) = &accounts.run_as else {
            return;
        };
        let wanted = run_as.value.as_str();
        let known = matches!(wanted, "root" | "0")
            || accounts.users.iter().any(|user| user.name.value == wanted);
        if known {
            return;
        }
        if let Ok(uid) = wanted.parse::<u32>() {
            if !accounts.users.iter().any(|user| user.uid == uid) {
                let message = format!("no user has the uid {uid}");
                let diagnostic = Diagnostic::warning(Code::UnknownUser, run_as.span, message);
                self.push(diagnostic.help("declare the user under `users`"));
            }
            return;
        }
        let names = accounts.users.iter().map(|user| user.name.value.as_str());
        let near = crate::diagnostic::nearest(wanted, names);
        let diagnostic = Diagnostic::error(
            Code::UnknownUser,
            run_as.span,
            format!("`run-as` names `{wanted}`, who is not among `users`"),
        );
        self.push(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("declare the user under `users`"),
        });
    }

    /// `mode` of anything.
    pub(crate) fn mode(&mut self, entry: Option<&'n Entry>) -> Option<u32> {
        let node = &entry?.value;
        self.parsed(node, "`mode`", Code::BadMode, check::mode).map(|mode| mode.value)
    }

    /// `uid` and `gid` of anything; both default to root.
    pub(crate) fn owner(&mut self, fields: &mut Fields<'n>) -> (u32, u32) {
        let uid = fields.take("uid").and_then(|entry| self.id(&entry.value, "`uid`"));
        let gid = fields.take("gid").and_then(|entry| self.id(&entry.value, "`gid`"));
        (uid.unwrap_or(0), gid.unwrap_or(0))
    }
}
