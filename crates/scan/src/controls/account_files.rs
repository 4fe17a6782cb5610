// SPDX-License-Identifier: Apache-2.0
//! `/etc/passwd` and `/etc/group` as those read them who decide by them. C libraries leave out lines that are not
//! whole; container runtimes take them, and take 0 for a number that is none.

use hardpan_tree::TreePath;

use super::ControlId;
use super::report::Report;
use super::view::View;

/// Where the accounts are.
pub(super) const PASSWD: &str = "/etc/passwd";
/// Where the groups are.
pub(super) const GROUP: &str = "/etc/group";

/// Files with the passwords of accounts, where an empty one lets anybody in.
pub(super) const PASSWORDS: [&str; 5] =
    [PASSWD, "/etc/shadow", "/etc/passwd-", "/etc/shadow-", "/etc/master.passwd"];
/// Files with the passwords of groups and old ones, where an empty one means nothing.
pub(super) const OTHER_PASSWORDS: [&str; 5] =
    [GROUP, "/etc/gshadow", "/etc/group-", "/etc/gshadow-", "/etc/security/opasswd"];
/// Where the server for remote access says which keys let somebody in.
pub(super) const SSHD: &str = "/etc/ssh/sshd_config";

/// Whether a control tells passwords by a file.
pub(super) fn holds_passwords(path: &TreePath) -> bool {
    let path = path.to_string();
    PASSWORDS.iter().chain(&OTHER_PASSWORDS).any(|known| *known == path)
}

/// Whether controls tell by a file who may do what: all of it has to be at hand.
pub(crate) fn is_account_file(path: &TreePath) -> bool {
    holds_passwords(path) || path.to_string() == SSHD
}

/// The largest number that runtimes take a user or group by (runc, containerd).
const ASKED_MAX: u32 = i32::MAX.unsigned_abs();

/// Reads the accounts. `None` where nobody knows them: then controls that ask for them are not measured.
pub(super) fn read_users(
    view: &View<'_>,
    report: &mut Report<'_>,
    asking: &[ControlId],
) -> Option<Vec<UserLine>> {
    text(view, report, PASSWD, asking).map(|text| users(&text))
}

/// Reads the groups, likewise.
pub(super) fn read_groups(
    view: &View<'_>,
    report: &mut Report<'_>,
    asking: &[ControlId],
) -> Option<Vec<GroupLine>> {
    text(view, report, GROUP, asking).map(|text| groups(&text))
}

fn text(
    view: &View<'_>,
    report: &mut Report<'_>,
    path: &'static str,
    asking: &[ControlId],
) -> Option<String> {
    let text = view.text(&TreePath::literal(path)).known();
    text.map_err(|why| report.all_unmeasured(asking, &why)).ok()
}

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserLine {
    pub(super) name: String,
    pub(super) uid: Number,
    pub(super) gid: Number,
    pub(super) home: String,
    /// Empty is `/bin/sh`.
    pub(super) shell: String,
    /// Whether it has all fields, which musl asks for.
    is_whole: bool,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupLine {
    pub(super) name: String,
    pub(super) gid: Number,
    pub(super) members: Vec<String>,
}

/// The text of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number(String);

impl Number {
    /// Returns what glibc takes it for (`strtoul`): white space and a sign may come before it, and one below 0 counts
    /// from the end of 64 bits.
    pub(super) fn for_library(&self) -> Option<u32> {
        let text = self.0.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
        let (is_negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value: u64 = digits.parse().ok()?;
        u32::try_from(if is_negative { value.wrapping_neg() } else { value }).ok()
    }

    /// Returns what musl takes it for: digits alone, none are 0, and of a number that is too large the lower 32 bits.
    fn for_musl(&self) -> Option<u32> {
        self.0.bytes().try_fold(0_u32, |sum, byte| {
            let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
            Some(sum.wrapping_mul(10).wrapping_add(digit))
        })
    }

    /// Returns what container runtimes take it for: 0, if it is no number.
    pub(super) fn for_runtime(&self) -> u32 {
        number(&self.0).unwrap_or(0)
    }

    /// Whether it is a number to runtimes.
    pub(super) fn is_number(&self) -> bool {
        number(&self.0).is_some()
    }
}

impl UserLine {
    /// Returns the numbers that C libraries take an account's for: one, or two if they do not agree.
    pub(super) fn for_libraries(&self) -> impl Iterator<Item = u32> {
        let first = self.uid.for_library();
        let second = self.uid.for_musl().filter(|_| self.is_whole);
        first.into_iter().chain(second.filter(|second| Some(*second) != first))
    }
}

/// Returns the number by which a user or group is asked for, which runtimes take for a number whatever accounts are called.
/// Larger ones than they allow are looked up as names.
pub(super) fn asked_number(text: &str) -> Option<u32> {
    number(text).filter(|number| *number <= ASKED_MAX)
}

/// Returns the number that a runtime reads: decimal digits after a sign, if any; one below 0 is none.
pub(super) fn number(text: &str) -> Option<u32> {
    u32::try_from(text.parse::<i64>().ok()?).ok()
}

/// How many fields a line of `/etc/passwd` has.
const FIELDS: usize = 7;

/// Parses `/etc/passwd`. All lines are users that are not empty and have a name.
pub(super) fn users(text: &str) -> Vec<UserLine> {
    lines(text)
        .map(|fields| UserLine {
            name: fields[0].to_owned(),
            uid: Number(field(&fields, 2)),
            gid: Number(field(&fields, 3)),
            home: field(&fields, 5),
            shell: field(&fields, 6),
            is_whole: fields.len() >= FIELDS,
        })
        .collect()
}

/// Parses `/etc/group`.
pub(super) fn groups(text: &str) -> Vec<GroupLine> {
    lines(text)
        .map(|fields| GroupLine {
            name: fields[0].to_owned(),
            gid: Number(field(&fields, 2)),
            members: field(&fields, 3)
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        })
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|line| line.trim().split(':').collect::<Vec<_>>())
        .filter(|fields| !fields[0].is_empty() && !fields[0].starts_with('#'))
}

fn field(fields: &[&str], at: usize) -> String {
    fields.get(at).copied().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_two_rules() {
        for (text, library, runtime, is_number) in [
            ("0", Some(0), 0, true),
            ("00", Some(0), 0, true),
            ("+0", Some(0), 0, true),
            // What glibc 2.36's fgetpwent says of each.
            ("-0", Some(0), 0, true),
            (" 0", Some(0), 0, false),
            (" -0", Some(0), 0, false),
            ("\t+0", Some(0), 0, false),
            ("+-0", None, 0, false),
            ("- 0", None, 0, false),
            ("0 ", None, 0, false),
            ("-000", Some(0), 0, true),
            ("1000", Some(1000), 1000, true),
            ("4294967295", Some(u32::MAX), u32::MAX, true),
            ("4294967296", None, 0, false),
            ("-1", None, 0, false),
            ("-18446744073709551615", Some(1), 0, false),
            ("-18446744073709551616", None, 0, false),
            ("18446744073709551616", None, 0, false),
            ("0x0", None, 0, false),
            ("+", None, 0, false),
            ("\u{a0}0", None, 0, false),
            ("", None, 0, false),
            ("a", None, 0, false),
        ] {
            let number = Number(text.to_owned());
            assert_eq!(number.for_library(), library, "{text:?}");
            assert_eq!(number.for_runtime(), runtime, "{text:?}");
            assert_eq!(number.is_number(), is_number, "{text:?}");
        }
    }

    #[test]
    fn libraries_may_take_one_number_for_two() {
        for (line, expected) in [
            ("a:x:0:0::/:", &[0][..]),
            ("a:x:-0:0::/:", &[0]),
            ("a:x:4294967296:0::/:", &[0]),
            ("a:x:4294968296:0::/:", &[1000]),
            ("a:x::0::/:", &[0]),
            ("a:x:", &[]),
            ("a:x:0", &[0]),
            ("a:x:b:0::/:", &[]),
        ] {
            let numbers: Vec<u32> = users(line).remove(0).for_libraries().collect();
            assert_eq!(numbers, expected, "{line}");
        }
    }

    #[test]
    fn lines_need_not_be_whole() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\n\n# a:x:1:1\n:x:2:2\nshort\nb:x\n c:x:3:4::/c \n";
        let users: Vec<_> = users(text)
            .into_iter()
            .map(|user| (user.name, user.uid.for_runtime(), user.home, user.shell))
            .collect();
        let line = |name: &str, uid, home: &str, shell: &str| {
            (name.to_owned(), uid, home.to_owned(), shell.to_owned())
        };
        assert_eq!(
            users,
            [
                line("root", 0, "/root", "/bin/sh"),
                line("short", 0, "", ""),
                line("b", 0, "", ""),
                line("c", 3, "/c", ""),
            ]
        );
        let group = groups("adm:x:4:a,,b\nshort\n").remove(0);
        assert_eq!(group.members, ["a", "b"]);
        assert_eq!(group.gid.for_library(), Some(4));
        assert!(groups("").is_empty());
    }
}
