// SPDX-License-Identifier: Apache-2.0
//! Who a program runs as: `uid`, `uid:gid` and names, looked up in the image's own files
//! (OCI image specification, "Image Configuration", `User`).

/// The largest id: 4294967295 means "none" to the kernel.
const ID_MAX: u32 = u32::MAX - 1;

/// A user with a group and a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// `/` for users that the image does not know.
    pub(super) home: String,
    /// Groups beside `gid` that the image gives the user. The sandbox maps one group, so they are not
    /// the program's; files of theirs are open to it all the same, since all look like its own.
    pub(super) other_groups: Vec<u32>,
}

/// Why there is no such user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// A name that `/etc/passwd` does not have.
    #[error("the image has no user {name:?}")]
    NoUser {
        /// The name.
        name: String,
        /// Names that may have been meant.
        near: Option<String>,
    },
    /// A name that `/etc/group` does not have.
    #[error("the image has no group {name:?}")]
    NoGroup {
        /// The name.
        name: String,
        /// Names that may have been meant.
        near: Option<String>,
    },
    /// Not a user at all.
    #[error("{0:?} is not a user")]
    Text(String),
}

/// Looks a user up. No text is root; a number without a group that the image does not know has group 0,
/// as container runtimes have it.
pub(super) fn find(text: &str, passwd: &str, group: &str) -> Result<Account, AccountError> {
    let (user, wanted_group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let user = if text.is_empty() { "0" } else { user };
    if user.is_empty() || wanted_group.is_some_and(|group| group.is_empty() || group.contains(':'))
    {
        return Err(AccountError::Text(text.to_owned()));
    }
    let number = id(user);
    if number.is_none() && user.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AccountError::Text(text.to_owned()));
    }
    let entries: Vec<Entry<'_>> = passwd.lines().filter_map(Entry::parse).collect();
    let known =
        entries.iter().find(|entry| number.map_or(entry.name == user, |uid| entry.uid == uid));
    let (uid, own_gid, home, name) = match (known, number) {
        (Some(entry), _) => (entry.uid, entry.gid, entry.home, Some(entry.name)),
        (None, Some(uid)) => (uid, 0, "/", None),
        (None, None) => {
            let names = entries.iter().map(|entry| entry.name);
            let near = hardpan_definition::nearest(user, names).map(str::to_owned);
            return Err(AccountError::NoUser { name: user.to_owned(), near });
        }
    };
    let groups: Vec<GroupEntry<'_>> = group.lines().filter_map(GroupEntry::parse).collect();
    let gid = match wanted_group {
        None => own_gid,
        Some(wanted) => find_group(wanted, &groups)?,
    };
    let mut other_groups: Vec<u32> = groups
        .iter()
        .filter(|group| name.is_some_and(|name| group.members.contains(&name)))
        .map(|group| group.gid)
        .filter(|&other| other != gid)
        .collect();
    other_groups.sort_unstable();
    other_groups.dedup();
    let home = if home.starts_with('/') { home } else { "/" };
    Ok(Account { uid, gid, home: home.to_owned(), other_groups })
}

fn find_group(wanted: &str, groups: &[GroupEntry<'_>]) -> Result<u32, AccountError> {
    if let Some(gid) = id(wanted) {
        return Ok(gid);
    }
    if let Some(group) = groups.iter().find(|group| group.name == wanted) {
        return Ok(group.gid);
    }
    let names = groups.iter().map(|group| group.name);
    let near = hardpan_definition::nearest(wanted, names).map(str::to_owned);
    Err(AccountError::NoGroup { name: wanted.to_owned(), near })
}

fn id(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&id| is_number && id <= ID_MAX)
}

/// A line of `/etc/passwd` (passwd(5)).
struct Entry<'t> {
    name: &'t str,
    uid: u32,
    gid: u32,
    home: &'t str,
}

impl<'t> Entry<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        Some(Self { name, uid: id(uid)?, gid: id(gid)?, home })
            .filter(|entry| !entry.name.is_empty())
    }
}

/// A line of `/etc/group` (group(5)).
struct GroupEntry<'t> {
    name: &'t str,
    gid: u32,
    members: Vec<&'t str>,
}

impl<'t> GroupEntry<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, ref rest @ ..] = fields[..] else { return None };
        let members = rest.first().map_or("", |members| members.trim()).split(',').collect();
        Some(Self { name, gid: id(gid)?, members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "\
        root:x:0:0:root:/root:/bin/sh\n\
        broken:x:what\n\
        :x:5:5::/:\n\
        nonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n\
        odd:x:7:8:::\n";
    const GROUP: &str = "root:x:0:\nnonroot:x:65532:\nssl:x:101:nonroot,odd\ntape:x:26:nonroot\n\
                         same:x:65532:nonroot\nshort:x:9\n";

    #[test]
    fn users_as_runtimes_find_them() {
        for (text, uid, gid, home, groups) in [
            ("", 0, 0, "/root", &[][..]),
            ("0", 0, 0, "/root", &[]),
            ("root", 0, 0, "/root", &[]),
            ("nonroot", 65532, 65532, "/home/nonroot", &[26, 101]),
            ("65532", 65532, 65532, "/home/nonroot", &[26, 101]),
            ("65532:0", 65532, 0, "/home/nonroot", &[26, 101, 65532]),
            ("nonroot:ssl", 65532, 101, "/home/nonroot", &[26, 65532]),
            ("1000", 1000, 0, "/", &[]),
            ("1000:1000", 1000, 1000, "/", &[]),
            ("1000:tape", 1000, 26, "/", &[]),
            ("odd", 7, 8, "/", &[101]),
            ("0:short", 0, 9, "/root", &[]),
        ] {
            let account = find(text, PASSWD, GROUP).unwrap();
            assert_eq!((account.uid, account.gid), (uid, gid), "{text}");
            assert_eq!(
                (account.home.as_str(), &account.other_groups[..]),
                (home, groups),
                "{text}"
            );
        }
        let unknown = find("5:5", "", "").unwrap();
        assert_eq!((unknown.uid, unknown.gid, unknown.home.as_str()), (5, 5, "/"));
    }

    #[test]
    fn users_that_are_none() {
        for (text, expected) in [
            ("nonrot", "no user \"nonrot\""),
            ("broken", "no user \"broken\""),
            ("-1", "no user \"-1\""),
            ("nonroot:nogroup", "no group \"nogroup\""),
            ("0:-1", "no group \"-1\""),
            (":0", "not a user"),
            ("0:", "not a user"),
            (":", "not a user"),
            ("0:0:0", "not a user"),
            ("4294967295", "not a user"),
            ("99999999999", "not a user"),
        ] {
            let error = find(text, PASSWD, GROUP).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let Err(AccountError::NoUser { near, .. }) = find("nonrot", PASSWD, GROUP) else {
            panic!("there is no nonrot");
        };
        assert_eq!(near.as_deref(), Some("nonroot"));
    }
}
