// SPDX-License-Identifier: Apache-2.0
//! What scripts would change, as data.

use serde::{Deserialize, Serialize};

/// One change that a script would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Effect {
    /// The script that would make it.
    pub script: String,
    /// The line of the command, from 1.
    pub line: u32,
    /// Whether the script goes on if this fails (`|| true`).
    pub may_fail: bool,
    /// The change.
    pub operation: Operation,
}

/// Owner and group to set; `None` leaves them. Names or numbers, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OwnerChange {
    /// User.
    pub user: Option<String>,
    /// Group.
    pub group: Option<String>,
}

/// A link and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlternativeLink {
    /// The generic name (`awk`).
    pub name: String,
    /// The generic path (`/usr/bin/awk`).
    pub link: String,
    /// What this alternative puts there (`/usr/bin/mawk`).
    pub path: String,
}

/// `update-alternatives --install … --slave …`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Alternative {
    /// The master link.
    pub master: AlternativeLink,
    /// Higher wins.
    pub priority: i32,
    /// Links that follow the master.
    pub slaves: Vec<AlternativeLink>,
}

/// A system user or group that a script would make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NewAccount {
    /// Name.
    pub name: String,
    /// User id (or group id of a group), if the script fixes it.
    pub id: Option<u32>,
    /// Primary group by name, if the script names it; else one of the user's own name, or `nogroup`.
    pub group: Option<String>,
    /// Whether a group of the user's own name is made.
    pub has_own_group: bool,
    /// Home directory.
    pub home: Option<String>,
    /// Whether the home directory is made.
    pub makes_home: bool,
    /// Login shell.
    pub shell: Option<String>,
    /// Full name.
    pub comment: Option<String>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Operation {
    /// `update-alternatives --install`.
    Alternative(Alternative),
    /// `mkdir`, `install -d`.
    MakeDirectory {
        /// Where.
        path: String,
        /// Mode, or 0755.
        mode: Option<u32>,
        /// Owner.
        owner: OwnerChange,
        /// Whether those above are made too and an existing one is no error (`-p`).
        with_parents: bool,
    },
    /// `ln -s`.
    Symlink {
        /// What the link holds.
        target: String,
        /// Where the link stands; if a directory stands there, in it.
        path: String,
        /// Whether an existing file is replaced (`-f`).
        replaces: bool,
        /// Whether a link to a directory at `path` is itself replaced (`-n`, `-T`).
        no_dereference: bool,
    },
    /// `cp`, `install`, `ucf`.
    Copy {
        /// From.
        from: String,
        /// To; if a directory stands there, into it.
        to: String,
        /// Mode of the copy; else the source's.
        mode: Option<u32>,
        /// Owner of the copy.
        owner: OwnerChange,
        /// Whether the time is kept (`-p`, `-a`).
        keeps_time: bool,
        /// Whether an existing file is left alone.
        keeps_existing: bool,
        /// Whether directories are copied with all in them.
        recursive: bool,
    },
    /// `mv`.
    Move {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// `> file`, `cat > file <<EOF`, `echo … > file`.
    Write {
        /// The file.
        path: String,
        /// What goes in.
        content: String,
        /// Whether it is added at the end (`>>`).
        appends: bool,
        /// Mode of a file that is new.
        mode: u32,
    },
    /// `touch`.
    Touch {
        /// The file.
        path: String,
        /// Mode of a file that is new.
        mode: u32,
    },
    /// `rm`.
    Remove {
        /// The path.
        path: String,
        /// Whether directories go with all in them.
        recursive: bool,
    },
    /// `rmdir`: only if it is empty.
    RemoveDirectory {
        /// The path.
        path: String,
    },
    /// `chmod`.
    Mode {
        /// The path.
        path: String,
        /// The mode as written: octal or symbolic.
        mode: String,
        /// With all below.
        recursive: bool,
    },
    /// `chown`, `chgrp`.
    Owner {
        /// The path.
        path: String,
        /// The new owner.
        owner: OwnerChange,
        /// With all below.
        recursive: bool,
        /// Whether links are changed themselves (`-h`).
        no_dereference: bool,
    },
    /// `adduser --system`, `useradd`.
    User(NewAccount),
    /// `addgroup`, `groupadd`.
    Group(NewAccount),
    /// `adduser USER GROUP`.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// `phpenmod`: links in `conf.d` for modules of PHP.
    PhpModules {
        /// The version of PHP (`8.4`).
        version: String,
        /// The interface (`cli`, `fpm`), or all.
        interface: Option<String>,
        /// The module, or all in `mods-available`.
        module: Option<String>,
    },
    /// `pam-auth-update`.
    Pam,
    /// `update-shells`, `add-shell`.
    Shells {
        /// Shells to add; empty for those of `/usr/share/debianutils/shells.d`.
        add: Vec<String>,
    },
    /// `systemd-sysusers`; empty for all of `/usr/lib/sysusers.d`.
    Sysusers {
        /// Names of files.
        names: Vec<String>,
    },
    /// `systemd-tmpfiles --create`; empty for all of `/usr/lib/tmpfiles.d`.
    Tmpfiles {
        /// Names of files.
        names: Vec<String>,
    },
}
