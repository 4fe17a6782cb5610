// SPDX-License-Identifier: Apache-2.0
//! `usr/lib/sysusers.d/*.conf` of packages: the users and groups that they want, sysusers.d(5).
//!
//! All are offered to [`Accounts`], which takes up those that something needs. A fixed number is
//! kept; where the file leaves it open (`-`) or takes it from a path, it is
//! [`stable_id`](super::accounts::stable_id).

use std::collections::BTreeSet;

use hardpan_tree::{Tree, TreePath};

use super::accounts::{Accounts, GroupEntry, PasswdEntry, Source, stable_id};
use super::conf::{self, ConfFile};
use super::{FinishError, Inputs, Report, Warning};

/// The finisher's name.
pub const NAME: &str = "sysusers";

/// Offers the accounts of all packages' files.
pub fn offer(
    tree: &Tree,
    accounts: &mut Accounts,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let directories = ["etc/sysusers.d", "usr/lib/sysusers.d"].map(TreePath::literal);
    for file in conf::files(tree, &directories, inputs, NAME)? {
        if file.belongs_to_systemd() {
            continue;
        }
        for (number, line) in file.lines() {
            let offered = parse(line).and_then(|line| line.offer(accounts, &file));
            if let Err(problem) = offered {
                report.warnings.push(problem.warning(&file, number));
            }
        }
    }
    Ok(())
}

/// Why a line is left out.
enum Problem {
    Message(String),
    Warning(Warning),
}

impl Problem {
    fn warning(self, file: &ConfFile, number: u32) -> Warning {
        match self {
            Self::Message(message) => file.warning(NAME, number, message),
            Self::Warning(warning) => Warning { lines: Some((number, number)), ..warning },
        }
    }
}

/// A line that makes something.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    User {
        name: String,
        uid: Option<u32>,
        group: Option<String>,
        comment: String,
        home: String,
    },
    Group {
        name: String,
        gid: Option<u32>,
    },
    Member {
        user: String,
        group: String,
    },
    /// A range of numbers, which nothing here chooses from.
    Nothing,
}

fn parse(line: &str) -> Result<Line, Problem> {
    let message = |text: &str| Problem::Message(format!("{text}: {line}"));
    let fields = conf::fields(line).ok_or_else(|| message("bad quoting"))?;
    let field = |index: usize| {
        fields.get(index).map(String::as_str).filter(|text| !text.is_empty() && *text != "-")
    };
    let (Some(kind), Some(name)) = (field(0), field(1)) else {
        return Err(message("a line needs a type and a name"));
    };
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
            && text.len() <= 32
    };
    let kind = kind.trim_end_matches(['!', '+', '-', '=', '~', '^']);
    if kind == "r" {
        return Ok(Line::Nothing);
    }
    if !is_name(name) {
        return Err(message("not a name of an account"));
    }
    let id = |text: Option<&str>| match text {
        Some(text) if !text.starts_with('/') => {
            text.parse().map(Some).map_err(|_| message("not a number of an account"))
        }
        _ => Ok(None),
    };
    match kind {
        "u" => {
            let (uid, group) = match field(2).map(|text| text.split_once(':').unwrap_or((text, "")))
            {
                None => (None, None),
                Some((uid, "")) => (id(Some(uid))?, None),
                Some((uid, group)) => {
                    (id(Some(uid).filter(|uid| *uid != "-"))?, Some(group.to_owned()))
                }
            };
            let comment = field(3).unwrap_or_default();
            if comment.contains([':', '\n']) {
                return Err(message("a full name can't have a colon"));
            }
            let home = field(4).unwrap_or("/");
            if !home.starts_with('/') || home.contains([':', '\n']) {
                return Err(message("not a home directory"));
            }
            Ok(Line::User {
                name: name.to_owned(),
                uid,
                group,
                comment: comment.to_owned(),
                home: home.to_owned(),
            })
        }
        "g" => Ok(Line::Group { name: name.to_owned(), gid: id(field(2))? }),
        "m" => match field(2) {
            Some(group) if is_name(group) => {
                Ok(Line::Member { user: name.to_owned(), group: group.to_owned() })
            }
            _ => Err(message("not a group")),
        },
        _ => Err(message("unknown type of line")),
    }
}

impl Line {
    fn offer(self, accounts: &mut Accounts, file: &ConfFile) -> Result<(), Problem> {
        let source = Source::Package(file.package.clone().unwrap_or_default());
        match self {
            Self::Nothing => Ok(()),
            Self::Member { user, group } => {
                accounts.offer_member(&user, &group);
                Ok(())
            }
            Self::Group { name, gid } => {
                offer_group(accounts, &name, gid, &source).map_err(Problem::Warning)
            }
            Self::User { name, uid, group, comment, home } => {
                let uid = uid.unwrap_or_else(|| stable_id(&name));
                let gid = match group {
                    None => {
                        offer_group(accounts, &name, Some(uid), &source)
                            .map_err(Problem::Warning)?;
                        uid
                    }
                    Some(group) => accounts
                        .offered_gid(&group)
                        .ok_or_else(|| Problem::Message(format!("there is no group {group}")))?,
                };
                let user = PasswdEntry {
                    name,
                    password: "x".to_owned(),
                    uid,
                    gid,
                    comment,
                    home,
                    shell: "/usr/sbin/nologin".to_owned(),
                    source,
                };
                accounts.offer_user(user).map_err(Problem::Warning)
            }
        }
    }
}

/// Offers a group; without a number it gets its stable one.
pub fn offer_group(
    accounts: &mut Accounts,
    name: &str,
    gid: Option<u32>,
    source: &Source,
) -> Result<(), Warning> {
    accounts.offer_group(GroupEntry {
        name: name.to_owned(),
        password: "x".to_owned(),
        gid: gid.unwrap_or_else(|| stable_id(name)),
        members: BTreeSet::new(),
        source: source.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::accounts;
    use crate::finish::testing::{Fixture, add};

    fn run(text: &str) -> (Accounts, Vec<Warning>) {
        let mut tree = Tree::new();
        add(&mut tree, "usr/lib/sysusers.d/x.conf", text);
        let fixture = Fixture::default().dev();
        let mut accounts =
            accounts::collect(&tree, &fixture.inputs(), accounts::Masters::default()).unwrap();
        let mut report = Report::default();
        offer(&tree, &mut accounts, &fixture.inputs(), &mut report).unwrap();
        (accounts, report.warnings)
    }

    #[test]
    fn lines_offer_what_they_say() {
        let open = stable_id("x");
        for (line, uid, gid, home) in [
            ("u x 123", 123, 123, "/"),
            ("u! x 123 \"Some one\" /srv/x /bin/sh", 123, 123, "/srv/x"),
            ("u x -", open, open, "/"),
            ("u x", open, open, "/"),
            ("u x /usr/bin/x", open, open, "/"),
            ("u x 123:root", 123, 0, "/"),
            ("u x -:5", open, 5, "/"),
            ("g y 7\nu x 9:y", 9, 7, "/"),
        ] {
            let (accounts, warnings) = run(line);
            assert_eq!(warnings, [], "{line}");
            let user = accounts.users().iter().find(|user| user.name == "x").unwrap();
            assert_eq!((user.uid, user.gid, user.home.as_str()), (uid, gid, home), "{line}");
        }
    }

    #[test]
    fn bad_lines_are_reported_and_offer_nothing() {
        for line in [
            "u",
            "u 1x 5",
            "u x/y 5",
            "u x five",
            "u x -5",
            "u x 5:missing",
            "u x 5 \"a:b\"",
            "u x 5 - relative",
            "g x five",
            "m x",
            "q x",
            "u \"x",
            "u root2 0",
        ] {
            let (accounts, warnings) = run(line);
            assert_eq!(warnings.len(), 1, "{line}");
            assert_eq!(warnings[0].lines, Some((1, 1)), "{line}");
            assert_eq!(accounts.users().len(), 1, "{line}");
        }
    }
}
