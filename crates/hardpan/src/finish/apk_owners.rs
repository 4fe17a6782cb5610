// SPDX-License-Identifier: Apache-2.0
//! The accounts that scripts of Alpine's packages ask for, among the image's.
//!
//! A package may bring files of the users that its `pre-install` makes. apk gives them to whoever has the name, whatever
//! number the builder of the package had for it. So a new account gets that number where nobody else has it; where
//! somebody does, or the definition gives the name another number, the files change hands. Most packages name the owners
//! of their files; of one that does not, the accounts that its scripts make are taken for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use hardpan_package::owners::{AccountKind, OwnerNames};
use hardpan_package::scripts::NewAccount;
use hardpan_package::segment::Unpacked;
use hardpan_tree::{Metadata, Origin, Tree, TreePath};

use super::accounts::{self, Accounts, GroupEntry, PasswdEntry, Source};
use super::scripts::Owners;
use super::{Action, Editor, FinishError, Inputs, Report, Warning};

/// The numbers of system accounts, by Alpine's configuration of busybox.
const SYSTEM_IDS: RangeInclusive<u32> = 100..=999;
/// Alpine's group for users that have none of their own.
const NOGROUP: (&str, u32) = ("nogroup", 65533);
/// Alpine's number for `nobody`, to whom apk gives files of owners that nobody knows.
const NOBODY: u32 = 65534;

/// Users and groups by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Numbers {
    uids: BTreeSet<u32>,
    gids: BTreeSet<u32>,
}

/// New numbers for the owners of a package's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Renumbering {
    uids: BTreeMap<u32, u32>,
    gids: BTreeMap<u32, u32>,
}

/// Takes the wishes of scripts to the accounts, and keeps what could not be granted.
pub(super) struct ApkOwners<'a> {
    accounts: &'a mut Accounts,
    pub(super) warnings: Vec<Warning>,
    /// Numbers that files of packages belong to, that have no name there, and that none of the distribution's own accounts
    /// has, by package.
    foreign: BTreeMap<&'a str, Numbers>,
    /// Files that change hands, by package.
    pub(super) renumbered: BTreeMap<String, Renumbering>,
    /// Whose files' numbers have not been claimed by an account yet.
    open: Numbers,
    /// Who owns files, by the words of the package at hand.
    names: OwnerNames,
    /// Who got the files of the package at hand.
    takers: Takers,
    /// The distribution's own accounts, whose numbers are the same for the builder of every package.
    own_users: BTreeSet<String>,
    own_groups: BTreeSet<String>,
}

impl<'a> ApkOwners<'a> {
    pub(super) fn new(accounts: &'a mut Accounts, inputs: &Inputs<'a>) -> Self {
        let mut foreign: BTreeMap<&str, Numbers> = BTreeMap::new();
        for package in inputs.packages {
            let numbers = foreign.entry(&package.name).or_default();
            let owners =
                package.entries.iter().map(|entry| (entry.metadata.uid, entry.metadata.gid));
            for (uid, gid) in owners {
                let has_name = |kind, number| package.owner_names.name(kind, number).is_some();
                let is_own_uid = uid == 0
                    || accounts.is_offered(Some(uid), None)
                    || has_name(AccountKind::User, uid);
                let is_own_gid = gid == 0
                    || accounts.is_offered(None, Some(gid))
                    || has_name(AccountKind::Group, gid);
                numbers.uids.extend((!is_own_uid).then_some(uid));
                numbers.gids.extend((!is_own_gid).then_some(gid));
            }
        }
        let (own_users, own_groups) = accounts.offered_names();
        Self {
            accounts,
            warnings: Vec::new(),
            foreign,
            renumbered: BTreeMap::new(),
            open: Numbers::default(),
            names: OwnerNames::default(),
            takers: Takers::default(),
            own_users,
            own_groups,
        }
    }

    /// Returns the number of a new group.
    fn new_gid(&self, wanted: Option<u32>, brought: Option<u32>) -> Option<u32> {
        let is_free = |gid: &u32| !self.accounts.is_gid_taken(*gid);
        let brought = brought.filter(|gid| !OwnerNames::is_nameless(*gid) && is_free(gid));
        wanted.or(brought).or_else(|| SYSTEM_IDS.into_iter().find(is_free))
    }

    /// Says that files may be another account's: numbers do not tell.
    fn doubtful(&mut self, package: &str, kind: &str, taker: &str, other: &str) {
        self.warnings.push(Warning {
            finisher: accounts::NAME,
            package: Some(package.to_owned()),
            file: None,
            lines: None,
            message: format!(
                "its files went to {kind} {taker}, but may be meant for {kind} {other}"
            ),
        });
    }

    /// Returns the number that the package at hand has for a name.
    fn named(&self, kind: AccountKind, name: &str) -> Option<u32> {
        self.names.iter(kind).find(|(_, known)| *known == name).map(|(number, _)| number)
    }

    /// Gives files to whoever has the names of their owners, after all accounts were offered.
    ///
    /// Where nobody has a name, its number stays; an owner who never had one is nobody, as for apk.
    pub(super) fn settle(&mut self, inputs: &Inputs<'_>) {
        for package in inputs.packages {
            let known = self.renumbered.remove(&package.name).unwrap_or_default();
            let Renumbering { mut uids, mut gids } = known;
            for (kind, numbers) in [(AccountKind::User, &mut uids), (AccountKind::Group, &mut gids)]
            {
                for (old, name) in package.owner_names.iter(kind) {
                    if numbers.contains_key(&old) {
                        continue;
                    }
                    match self.number(kind, name) {
                        Some(new) if new == old => {}
                        Some(new) => {
                            // Files belong to it, so it exists.
                            match kind {
                                AccountKind::User => self.accounts.uid(name),
                                AccountKind::Group => self.accounts.gid(name),
                            };
                            numbers.insert(old, new);
                        }
                        None if OwnerNames::is_nameless(old) => {
                            numbers.insert(old, NOBODY);
                            self.warnings.push(unknown_owner(&package.name, kind, name));
                        }
                        None => {}
                    }
                }
            }
            if !uids.is_empty() || !gids.is_empty() {
                self.renumbered.insert(package.name.clone(), Renumbering { uids, gids });
            }
        }
    }

    /// Returns the number of an account that exists or is offered.
    fn number(&self, kind: AccountKind, name: &str) -> Option<u32> {
        match kind {
            AccountKind::User => self.accounts.offered_uid(name),
            AccountKind::Group => self.accounts.offered_gid(name),
        }
    }

    fn none_left(&mut self, package: &str, kind: &str, name: &str) {
        self.warnings.push(Warning {
            finisher: accounts::NAME,
            package: Some(package.to_owned()),
            file: None,
            lines: None,
            message: format!("{kind} {name} is left out: no number is left for it"),
        });
    }
}

fn unknown_owner(package: &str, kind: AccountKind, name: &str) -> Warning {
    let kind = match kind {
        AccountKind::User => "user",
        AccountKind::Group => "group",
    };
    Warning {
        finisher: accounts::NAME,
        package: Some(package.to_owned()),
        file: None,
        lines: None,
        message: format!("its files of {kind} {name} went to nobody: nothing makes that {kind}"),
    }
}

/// The accounts of the package at hand that got its files: the first ones that its scripts make.
#[derive(Debug, Default)]
struct Takers {
    user: Option<String>,
    group: Option<String>,
}

/// Returns the only number of a set.
fn only(numbers: &BTreeSet<u32>) -> Option<u32> {
    numbers.first().copied().filter(|_| numbers.len() == 1)
}

impl Owners for ApkOwners<'_> {
    fn begin(&mut self, package: &Unpacked) {
        self.open = self.foreign.get(package.name.as_str()).cloned().unwrap_or_default();
        self.names = package.owner_names.clone();
        self.takers = Takers::default();
    }

    fn uid(&mut self, name: &str) -> Option<u32> {
        self.accounts.uid(name)
    }

    fn gid(&mut self, name: &str) -> Option<u32> {
        self.accounts.gid(name).or_else(|| (name == NOGROUP.0).then_some(NOGROUP.1))
    }

    fn offer_user(&mut self, package: &str, user: &NewAccount) {
        let named = self.named(AccountKind::User, &user.name);
        let unnamed = only(&self.open.uids).filter(|_| !self.own_users.contains(&user.name));
        let brought = named.or(unnamed);
        let is_free = |uid: &u32| {
            let group_is_free = !user.has_own_group || !self.accounts.is_gid_taken(*uid);
            !OwnerNames::is_nameless(*uid) && !self.accounts.is_uid_taken(*uid) && group_is_free
        };
        let known = self.accounts.offered_uid(&user.name);
        let chosen = known.or(user.id).or(brought.filter(is_free));
        let Some(uid) = chosen.or_else(|| SYSTEM_IDS.into_iter().find(is_free)) else {
            return self.none_left(package, "user", &user.name);
        };
        let gid = if let Some(group) = &user.group {
            self.accounts.offered_gid(group).unwrap_or(NOGROUP.1)
        } else {
            let group =
                NewAccount { name: user.name.clone(), id: Some(uid), ..NewAccount::default() };
            self.offer_group(package, &group);
            self.accounts.offered_gid(&user.name).unwrap_or(uid)
        };
        if known.is_none() {
            let home = user.home.clone().unwrap_or_else(|| "/".to_owned());
            let entry = PasswdEntry {
                name: user.name.clone(),
                password: "x".to_owned(),
                uid,
                gid,
                comment: user.comment.clone().unwrap_or_default(),
                home: home.clone(),
                shell: user.shell.clone().unwrap_or_else(|| "/sbin/nologin".to_owned()),
                source: Source::Package(package.to_owned()),
            };
            if let Err(warning) = self.accounts.offer_user(entry) {
                self.warnings.push(warning);
                return;
            }
            if let Some(taker) = self.takers.user.clone() {
                self.doubtful(package, "user", &taker, &user.name);
            }
            if let Some(home) = TreePath::parse(&home).ok().filter(|_| user.makes_home) {
                let metadata = Metadata { uid, gid, ..Metadata::root(0o755, 0) };
                self.accounts.offer_home(&user.name, home, metadata);
            }
        }
        if let Some(brought) = brought {
            // Files belong to this user, so it exists.
            self.accounts.uid(&user.name);
            if named.is_none() {
                self.open.uids.clear();
                self.takers.user = Some(user.name.clone());
            }
            if brought != uid {
                let renumbering = self.renumbered.entry(package.to_owned()).or_default();
                renumbering.uids.insert(brought, uid);
            }
        }
    }

    fn offer_group(&mut self, package: &str, group: &NewAccount) {
        let named = self.named(AccountKind::Group, &group.name);
        let unnamed = only(&self.open.gids).filter(|_| !self.own_groups.contains(&group.name));
        let brought = named.or(unnamed);
        let known = self.accounts.offered_gid(&group.name);
        let Some(gid) = known.or_else(|| self.new_gid(group.id, brought)) else {
            return self.none_left(package, "group", &group.name);
        };
        if known.is_none() {
            let entry = GroupEntry {
                name: group.name.clone(),
                password: "x".to_owned(),
                gid,
                members: BTreeSet::new(),
                source: Source::Package(package.to_owned()),
            };
            if let Err(warning) = self.accounts.offer_group(entry) {
                self.warnings.push(warning);
                return;
            }
            if let Some(taker) = self.takers.group.clone() {
                self.doubtful(package, "group", &taker, &group.name);
            }
        }
        if let Some(brought) = brought {
            self.accounts.gid(&group.name);
            if named.is_none() {
                self.open.gids.clear();
                self.takers.group = Some(group.name.clone());
            }
            if brought != gid {
                let renumbering = self.renumbered.entry(package.to_owned()).or_default();
                renumbering.gids.insert(brought, gid);
            }
        }
    }

    fn offer_member(&mut self, user: &str, group: &str) {
        self.accounts.offer_member(user, group);
    }
}

/// Gives the files of packages to those who have their owners' names here.
pub(super) fn renumber(
    tree: &mut Tree,
    renumbered: &BTreeMap<String, Renumbering>,
    inputs: &Inputs<'_>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    for (number, package) in inputs.packages.iter().enumerate() {
        let Some(Renumbering { uids, gids }) = renumbered.get(&package.name) else { continue };
        let changes: Vec<(TreePath, Metadata)> = tree
            .walk()
            .filter(|(_, node)| matches!(node.origin, Origin::Package(of) if of as usize == number))
            .filter_map(|(path, node)| {
                let old = &node.metadata;
                let uid = uids.get(&old.uid).copied().unwrap_or(old.uid);
                let gid = gids.get(&old.gid).copied().unwrap_or(old.gid);
                let is_changed = (uid, gid) != (old.uid, old.gid);
                is_changed.then(|| (path.clone(), Metadata { uid, gid, ..old.clone() }))
            })
            .collect();
        let mut editor = Editor::new(tree, accounts::NAME, inputs.epoch);
        for (path, metadata) in changes {
            editor.set_metadata(&path, metadata);
        }
        actions.extend(editor.finish(Some(&package.name)));
    }
    actions
}

/// Writes `/etc/shadow` anew if a package brings one: those who exist keep their line, all others are locked.
pub(super) fn write_shadow(
    tree: &mut Tree,
    accounts: &Accounts,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let path = TreePath::literal("etc/shadow");
    let mut editor = Editor::new(tree, accounts::NAME, inputs.epoch).for_definition();
    let Some(old) = editor.read(&path, inputs.contents)? else { return Ok(()) };
    if accounts.users().is_empty() {
        return Ok(());
    }
    let old = String::from_utf8_lossy(&old).into_owned();
    let lines: BTreeMap<&str, &str> =
        old.lines().filter_map(|line| Some((line.split_once(':')?.0, line))).collect();
    let day = inputs.epoch.div_euclid(86_400);
    let mut text = String::new();
    for user in accounts.users() {
        let _ = match lines.get(user.name.as_str()) {
            Some(line) => writeln!(text, "{line}"),
            None => writeln!(text, "{}:!:{day}:0:99999:7:::", user.name),
        };
    }
    let place = editor.resolve(&path)?;
    let metadata = editor.tree().file(&place).map(|(node, _)| node.metadata.clone());
    let metadata = metadata.unwrap_or_else(|| editor.metadata(0o640));
    editor.file(&place, text.into_bytes(), Metadata { mtime: inputs.epoch, ..metadata })?;
    report.actions.extend(editor.finish(None));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, id: Option<u32>, group: Option<&str>) -> NewAccount {
        let group = group.map(str::to_owned);
        NewAccount { name: name.to_owned(), id, group, ..NewAccount::default() }
    }

    fn owners<'a>(accounts: &'a mut Accounts, uids: &[u32], gids: &[u32]) -> ApkOwners<'a> {
        let numbers =
            Numbers { uids: uids.iter().copied().collect(), gids: gids.iter().copied().collect() };
        ApkOwners {
            accounts,
            warnings: Vec::new(),
            foreign: BTreeMap::new(),
            renumbered: BTreeMap::new(),
            names: OwnerNames::default(),
            takers: Takers::default(),
            open: numbers,
            own_users: BTreeSet::new(),
            own_groups: BTreeSet::new(),
        }
    }

    fn taken(accounts: &mut Accounts, gid: u32) {
        let entry = GroupEntry {
            name: format!("taken{gid}"),
            password: "x".to_owned(),
            gid,
            members: BTreeSet::new(),
            source: Source::Package("p".to_owned()),
        };
        accounts.offer_group(entry).unwrap();
    }

    #[test]
    fn new_accounts_get_the_first_free_number() {
        let mut accounts = Accounts::default();
        // As `users` in Alpine.
        taken(&mut accounts, 100);
        let mut owners = owners(&mut accounts, &[], &[]);
        owners.offer_group("nginx", &account("nginx", None, None));
        owners.offer_user("nginx", &account("nginx", None, Some("nginx")));
        owners.offer_user("redis", &account("redis", None, Some("nogroup")));
        owners.offer_user("app", &NewAccount { has_own_group: true, ..account("app", None, None) });
        owners.offer_user("x", &account("x", Some(700), Some("nginx")));
        let ids = |name: &str, owners: &mut ApkOwners<'_>| (owners.uid(name), owners.gid(name));
        assert_eq!(ids("nginx", &mut owners), (Some(100), Some(101)));
        assert_eq!((owners.uid("redis"), owners.gid("nogroup")), (Some(101), Some(65533)));
        assert_eq!(ids("app", &mut owners), (Some(102), Some(102)));
        assert_eq!(owners.uid("x"), Some(700));
        assert_eq!((owners.uid("nobody else"), owners.warnings.len()), (None, 0));
    }

    #[test]
    fn the_number_of_files_is_taken_where_it_is_free() {
        let mut accounts = Accounts::default();
        let mut free = owners(&mut accounts, &[123], &[124]);
        free.offer_group("p", &account("app", None, None));
        free.offer_user("p", &account("app", None, Some("app")));
        assert_eq!((free.uid("app"), free.gid("app")), (Some(123), Some(124)));
        assert!(free.renumbered.is_empty());
        // Files belong to them, so they exist though nothing asked for them.
        assert_eq!((accounts.users().len(), accounts.groups().len()), (1, 1));

        let mut accounts = Accounts::default();
        taken(&mut accounts, 124);
        let mut late = owners(&mut accounts, &[], &[124]);
        late.offer_group("p", &account("app", None, None));
        assert_eq!(late.gid("app"), Some(100));
        let expected = Renumbering { gids: BTreeMap::from([(124, 100)]), ..Renumbering::default() };
        assert_eq!(late.renumbered, BTreeMap::from([("p".to_owned(), expected)]));
    }

    #[test]
    fn two_numbers_name_nobody() {
        let mut accounts = Accounts::default();
        let mut owners = owners(&mut accounts, &[500, 501], &[]);
        owners.offer_user("p", &account("app", None, Some("nogroup")));
        assert_eq!(owners.uid("app"), Some(100));
        assert!(owners.renumbered.is_empty());
    }

    #[test]
    fn a_second_account_makes_the_first_ones_files_doubtful() {
        let mut accounts = Accounts::default();
        let mut owners = owners(&mut accounts, &[500], &[501]);
        owners.offer_user("p", &account("app", None, Some("nogroup")));
        owners.offer_group("p", &account("one", None, None));
        assert_eq!(owners.warnings, []);
        owners.offer_user("p", &account("other", None, Some("nogroup")));
        owners.offer_group("p", &account("two", None, None));
        let messages: Vec<&str> = owners.warnings.iter().map(|w| w.message.as_str()).collect();
        let expected = [
            "its files went to user app, but may be meant for user other",
            "its files went to group one, but may be meant for group two",
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn no_number_is_given_twice() {
        let mut accounts = Accounts::default();
        let mut owners = owners(&mut accounts, &[], &[]);
        for id in SYSTEM_IDS {
            owners.offer_user("p", &account(&format!("u{id}"), None, Some("nogroup")));
        }
        assert_eq!((owners.uid("u999"), owners.warnings.len()), (Some(999), 0));
        owners.offer_user("p", &account("more", None, Some("nogroup")));
        assert_eq!(owners.uid("more"), None);
        assert!(owners.warnings[0].message.contains("no number is left"), "{:?}", owners.warnings);
        owners.offer_user("p", &account("same", Some(100), Some("nogroup")));
        assert_eq!((owners.uid("same"), owners.warnings.len()), (None, 2));
    }
}
