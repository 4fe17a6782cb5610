// SPDX-License-Identifier: Apache-2.0
//! Users and groups.

use serde::Serialize;

use crate::source::Spanned;

/// One user of `accounts.users`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Login name.
    pub name: Spanned<String>,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Mode of the home directory.
    pub mode: Option<u32>,
}

/// One group of `accounts.groups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Group name.
    pub name: Spanned<String>,
    /// Group id.
    pub gid: u32,
    /// Names of members.
    pub members: Vec<Spanned<String>>,
}

/// `accounts`: who exists in the image and who runs the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accounts {
    /// Whether root stays in passwd.
    pub root: bool,
    /// Name or number of the user that runs the program.
    pub run_as: Option<Spanned<String>>,
    /// Users.
    pub users: Vec<Spanned<User>>,
    /// Groups.
    pub groups: Vec<Spanned<Group>>,
}

/// The user that runs the program, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunAs {
    /// Name, if the user is declared or root.
    pub name: Option<String>,
    /// User id.
    pub uid: u32,
    /// Primary group id; the user id again for a number that no user has.
    pub gid: u32,
}

impl Accounts {
    /// Resolves `run-as`: by name, then as root, then as a number. `None` without `run-as`.
    pub fn run_as_ids(&self) -> Option<RunAs> {
        let wanted = self.run_as.as_ref()?.value.as_str();
        let ids = |user: &User| RunAs {
            name: Some(user.name.value.clone()),
            uid: user.uid,
            gid: user.gid,
        };
        if let Some(user) = self.users.iter().find(|user| user.name.value == wanted) {
            return Some(ids(user));
        }
        if wanted == "root" || wanted == "0" {
            return Some(RunAs { name: Some("root".to_owned()), uid: 0, gid: 0 });
        }
        let uid: u32 = wanted.parse().ok()?;
        let declared = self.users.iter().find(|user| user.uid == uid);
        Some(declared.map_or(RunAs { name: None, uid, gid: uid }, |user| ids(user)))
    }
}
