// SPDX-License-Identifier: Apache-2.0
//! The names that a package has for the owners of its files.

use std::collections::BTreeMap;

use hardpan_tree::Metadata;
use serde::{Deserialize, Serialize};

/// The longest name of an account (`LOGIN_NAME_MAX` is 256 with its end).
const NAME_BYTES_MAX: usize = 255;
/// The most names that are kept: more than any system has accounts. What goes beyond has only numbers.
const NAMES_MAX: usize = 4_096;
/// The first number of owners who have none: far from all numbers that systems give to accounts.
const NAMELESS_FIRST: u32 = 0x7fff_0000;

/// Who the numbers of owners stand for, by a package's own words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OwnerNames {
    /// Users by number; `null` where a number has two names, and so means nobody in particular.
    users: BTreeMap<u32, Option<String>>,
    /// Groups by number.
    groups: BTreeMap<u32, Option<String>>,
}

/// A kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl OwnerNames {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// Takes up the names of an entry's user and group. What can't be a name is left out.
    pub(crate) fn add(&mut self, metadata: &Metadata, names: [&[u8]; 2]) {
        let numbers = [(&mut self.users, metadata.uid), (&mut self.groups, metadata.gid)];
        for ((known, number), name) in numbers.into_iter().zip(names) {
            // The number 0 is root everywhere.
            let Some(name) = account_name(name).filter(|_| number != 0) else { continue };
            let is_full = known.len() >= NAMES_MAX;
            match known.get_mut(&number) {
                Some(old) if old.as_deref() != Some(name) => *old = None,
                None if !is_full => {
                    known.insert(number, Some(name.to_owned()));
                }
                _ => {}
            }
        }
    }

    /// Returns the number of an owner who only has a name: always the same one for the same name.
    ///
    /// `None` if it can't be a name, or there are too many.
    pub(crate) fn number(&mut self, kind: AccountKind, name: &str) -> Option<u32> {
        let name = account_name(name.as_bytes())?;
        let known = match kind {
            AccountKind::User => &mut self.users,
            AccountKind::Group => &mut self.groups,
        };
        if let Some((number, _)) = known.iter().find(|(_, known)| known.as_deref() == Some(name)) {
            return Some(*number);
        }
        let number = u32::try_from(known.len()).ok().filter(|_| known.len() < NAMES_MAX)?;
        known.insert(NAMELESS_FIRST + number, Some(name.to_owned()));
        Some(NAMELESS_FIRST + number)
    }

    /// Returns the name that a number stands for.
    pub fn name(&self, kind: AccountKind, number: u32) -> Option<&str> {
        self.of(kind).get(&number)?.as_deref()
    }

    /// Returns all numbers that stand for one name, with it.
    pub fn iter(&self, kind: AccountKind) -> impl Iterator<Item = (u32, &str)> {
        self.of(kind).iter().filter_map(|(number, name)| Some((*number, name.as_deref()?)))
    }

    /// Returns whether a number was only given to tell owners apart, and must not get into an image.
    pub fn is_nameless(number: u32) -> bool {
        (NAMELESS_FIRST..).contains(&number)
            && number - NAMELESS_FIRST < u32::try_from(NAMES_MAX).unwrap_or(u32::MAX)
    }

    fn of(&self, kind: AccountKind) -> &BTreeMap<u32, Option<String>> {
        match kind {
            AccountKind::User => &self.users,
            AccountKind::Group => &self.groups,
        }
    }
}

/// Returns a name that can stand in `/etc/passwd`, and is no number.
fn account_name(bytes: &[u8]) -> Option<&str> {
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-$".contains(byte);
    let has_letter = bytes.iter().any(|byte| !byte.is_ascii_digit());
    let is_name = !bytes.is_empty() && bytes.len() <= NAME_BYTES_MAX && bytes[0] != b'-';
    let name = std::str::from_utf8(bytes).ok()?;
    (is_name && has_letter && bytes.iter().all(is_fine)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(uid: u32, gid: u32) -> Metadata {
        Metadata { uid, gid, ..Metadata::root(0o644, 0) }
    }

    #[test]
    fn numbers_have_names() {
        let mut names = OwnerNames::default();
        names.add(&owned(0, 0), [b"somebody", b"root"]);
        assert!(names.is_empty());
        names.add(&owned(100, 101), [b"nginx", b"www-data"]);
        names.add(&owned(100, 102), [b"nginx", b""]);
        assert_eq!(names.name(AccountKind::User, 100), Some("nginx"));
        assert_eq!(names.name(AccountKind::Group, 101), Some("www-data"));
        assert_eq!(names.name(AccountKind::Group, 102), None);
        // Two names for one number say nothing, whatever comes after them.
        names.add(&owned(100, 0), [b"redis", b""]);
        names.add(&owned(100, 0), [b"redis", b""]);
        assert_eq!(names.name(AccountKind::User, 100), None);
        let json = serde_json::to_string(&names).unwrap();
        assert_eq!(serde_json::from_str::<OwnerNames>(&json).unwrap(), names);
    }

    #[test]
    fn what_can_not_be_a_name_is_left_out() {
        for name in [&b"a:b"[..], b"a\nb", b"", b"100", b"-x", b"\xff", b"a b", &[b'a'; 256]] {
            let mut names = OwnerNames::default();
            names.add(&owned(5, 0), [name, b""]);
            assert!(names.is_empty(), "{name:?}");
            let text = String::from_utf8_lossy(name);
            assert_eq!(names.number(AccountKind::User, &text), None, "{name:?}");
        }
    }

    #[test]
    fn owners_without_numbers_are_told_apart() {
        let mut names = OwnerNames::default();
        let a = names.number(AccountKind::User, "a").unwrap();
        let b = names.number(AccountKind::User, "b").unwrap();
        assert_eq!(names.number(AccountKind::User, "a"), Some(a));
        assert!(a != b && OwnerNames::is_nameless(a) && OwnerNames::is_nameless(b));
        assert!(!OwnerNames::is_nameless(65_534) && !OwnerNames::is_nameless(u32::MAX));
        let many =
            (0..NAMES_MAX + 5).filter_map(|n| names.number(AccountKind::Group, &format!("g{n}")));
        assert_eq!(many.count(), NAMES_MAX);
    }
}
