// SPDX-License-Identifier: Apache-2.0
//! `/etc/passwd` and `/etc/group` as those read them who decide by them. The C library leaves out lines that are not
//! whole; container runtimes take them, and take 0 for a number that is none.

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserLine {
    pub(super) name: String,
    pub(super) uid: Number,
    pub(super) gid: Number,
    pub(super) home: String,
    /// Empty is `/bin/sh`.
    pub(super) shell: String,
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
    /// Returns what the C library takes it for (`strtoul`): white space and a sign may come before it.
    pub(super) fn for_library(&self) -> Option<u32> {
        self.0.trim_start().parse().ok()
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

/// Returns the number that a runtime reads: decimal digits after a sign, if any; one below 0 is none.
pub(super) fn number(text: &str) -> Option<u32> {
    u32::try_from(text.parse::<i64>().ok()?).ok()
}

/// Parses `/etc/passwd`. All lines are users that are not empty and have a name.
pub(super) fn users(text: &str) -> Vec<UserLine> {
    lines(text)
        .map(|fields| UserLine {
            name: fields[0].to_owned(),
            uid: Number(field(&fields, 2)),
            gid: Number(field(&fields, 3)),
            home: field(&fields, 5),
            shell: field(&fields, 6),
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
            ("-0", None, 0, true),
            (" 0", Some(0), 0, false),
            ("1000", Some(1000), 1000, true),
            ("4294967295", Some(u32::MAX), u32::MAX, true),
            ("4294967296", None, 0, false),
            ("-1", None, 0, false),
            ("0x0", None, 0, false),
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
