// SPDX-License-Identifier: Apache-2.0
//! `/etc/passwd`, `/etc/group` and home directories.
//!
//! Who exists, from the strongest word to the weakest:
//! 1. the definition's `accounts`;
//! 2. the distribution's own accounts, if its package with them is there ([`Masters`]);
//! 3. what packages' `sysusers.d` and scripts name.
//!
//! In a `-dev` image all of them exist. In a runtime image those of 2 and 3 are only *offered*:
//! they exist once a finisher needs the number of one, for a directory that belongs to it, say.
//!
//! Packages of Debian that leave the number open get [`stable_id`]: it depends on the name alone, never on
//! what else is installed, so an image does not change its numbers when it gains a package.

mod files;

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{Span, User};
use hardpan_tree::{Digest, Metadata, Tree, TreePath};

use self::files::{group_text, gshadow_text, passwd_text, shadow_text};
use super::{Editor, FinishError, Inputs, Report, Warning};

pub use files::{Masters, parse_group, parse_passwd};

/// The finisher's name.
pub const NAME: &str = "accounts";

/// The first of the numbers that [`stable_id`] gives. Debian's own are below 1000 and from 60000 on,
/// people's begin at 1000, those of user namespaces at 100000.
pub const STABLE_ID_FIRST: u32 = 20_000;
/// How many numbers [`stable_id`] chooses from.
pub const STABLE_ID_COUNT: u32 = 40_000;

/// Returns the number of an account whose package leaves it open.
pub fn stable_id(name: &str) -> u32 {
    let digest = Digest::of(format!("hardpan account\n{name}").as_bytes());
    let bytes = digest.as_bytes();
    let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    STABLE_ID_FIRST + number % STABLE_ID_COUNT
}

/// Who says that an account exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The definition.
    Definition(Span),
    /// A package, by name.
    Package(String),
}

impl Source {
    fn span(&self) -> Option<Span> {
        match self {
            Self::Definition(span) => Some(*span),
            Self::Package(_) => None,
        }
    }
}

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswdEntry {
    /// Login name.
    pub name: String,
    /// The second field: `x` or `*`.
    pub password: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Full name.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Who says so.
    pub source: Source,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// Name.
    pub name: String,
    /// The second field: `x` or `*`.
    pub password: String,
    /// Group id.
    pub gid: u32,
    /// Names of members, sorted.
    pub members: BTreeSet<String>,
    /// Who says so.
    pub source: Source,
}

/// The accounts of an image, while finishers put them together.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: Vec<PasswdEntry>,
    groups: Vec<GroupEntry>,
    offered_users: BTreeMap<String, PasswdEntry>,
    offered_groups: BTreeMap<String, GroupEntry>,
    offered_members: BTreeSet<(String, String)>,
    homes: Vec<(TreePath, Metadata)>,
    offered_homes: Vec<(String, TreePath, Metadata)>,
    takes_offers: bool,
    has_master: bool,
}

/// Finds out who exists by the definition and the distribution's own accounts.
///
/// # Errors
/// If the definition gives a number to one account that the distribution gives to another.
pub fn collect(
    tree: &Tree,
    inputs: &Inputs<'_>,
    masters: Masters,
) -> Result<Accounts, FinishError> {
    let mut accounts = Accounts { takes_offers: inputs.is_complete(), ..Accounts::default() };
    if accounts.takes_offers {
        accounts.users.clone_from(&masters.users);
        accounts.groups.clone_from(&masters.groups);
        accounts.has_master = !masters.users.is_empty();
    }
    accounts.declare_root(tree, inputs, &masters);
    for user in &inputs.definition.accounts.users {
        accounts.declare_user(tree, user, user.span, &masters, inputs.epoch)?;
    }
    for group in &inputs.definition.accounts.groups {
        let mut members: BTreeSet<String> =
            group.members.iter().map(|member| member.value.clone()).collect();
        let old = accounts.groups.iter().find(|old| old.name == group.name.value);
        members.extend(old.into_iter().flat_map(|old| old.members.clone()));
        accounts.declare_group(GroupEntry {
            name: group.name.value.clone(),
            password: "x".to_owned(),
            gid: group.gid,
            members,
            source: Source::Definition(group.span),
        })?;
    }
    for group in masters.groups {
        accounts.offered_groups.insert(group.name.clone(), group);
    }
    for user in masters.users {
        accounts.offered_users.insert(user.name.clone(), user);
    }
    Ok(accounts)
}

impl Accounts {
    /// Returns the users, in the order of the file.
    pub fn users(&self) -> &[PasswdEntry] {
        &self.users
    }

    /// Returns the groups, in the order of the file.
    pub fn groups(&self) -> &[GroupEntry] {
        &self.groups
    }

    /// Returns the user that a name or number stands for, and takes up an offered one.
    pub fn uid(&mut self, name: &str) -> Option<u32> {
        if let Ok(number) = name.parse() {
            return Some(number);
        }
        if name == "root" {
            return Some(0);
        }
        if let Some(user) = self.users.iter().find(|user| user.name == name) {
            return Some(user.uid);
        }
        let user = self.offered_users.get(name)?.clone();
        let is_free = self.users.iter().all(|other| other.uid != user.uid);
        if !is_free {
            return None;
        }
        let uid = user.uid;
        // The user's group comes along, so that its number has a name.
        let group = self.offered_groups.values().find(|group| group.gid == user.gid);
        if let Some(group) = group.map(|group| group.name.clone()) {
            self.gid(&group);
        }
        self.users.push(user);
        Some(uid)
    }

    /// Returns the group that a name or number stands for, and takes up an offered one.
    pub fn gid(&mut self, name: &str) -> Option<u32> {
        if let Ok(number) = name.parse() {
            return Some(number);
        }
        if name == "root" {
            return Some(0);
        }
        if let Some(group) = self.groups.iter().find(|group| group.name == name) {
            return Some(group.gid);
        }
        let group = self.offered_groups.get(name)?.clone();
        if self.groups.iter().any(|other| other.gid == group.gid) {
            return None;
        }
        let gid = group.gid;
        self.groups.push(group);
        Some(gid)
    }

    /// Returns the number of a group that exists or is offered, and takes up nothing.
    pub fn offered_gid(&self, name: &str) -> Option<u32> {
        let known = self.groups.iter().find(|group| group.name == name);
        let group = known.or_else(|| self.offered_groups.get(name));
        name.parse().ok().or(group.map(|group| group.gid)).or((name == "root").then_some(0))
    }

    /// Returns the primary group of a user that exists.
    pub fn primary_gid(&self, user: &str) -> Option<u32> {
        self.users.iter().find(|entry| entry.name == user).map(|entry| entry.gid)
    }

    /// Offers a user that a package wants. A user of this name that exists or is offered stays as it is.
    ///
    /// # Errors
    /// A warning, if someone else has the number.
    pub fn offer_user(&mut self, user: PasswdEntry) -> Result<(), Warning> {
        if self.users.iter().any(|old| old.name == user.name)
            || self.offered_users.contains_key(&user.name)
        {
            return Ok(());
        }
        let mut others = self.users.iter().chain(self.offered_users.values());
        if let Some(other) = others.find(|other| other.uid == user.uid) {
            return Err(collision("user", user.uid, &user.name, &other.name, &user.source));
        }
        let name = user.name.clone();
        self.offered_users.insert(name.clone(), user);
        if self.takes_offers {
            self.uid(&name);
        }
        Ok(())
    }

    /// Offers a group that a package wants. A group of this name that exists or is offered stays as it is.
    ///
    /// # Errors
    /// A warning, if another group has the number.
    pub fn offer_group(&mut self, group: GroupEntry) -> Result<(), Warning> {
        if self.groups.iter().any(|old| old.name == group.name)
            || self.offered_groups.contains_key(&group.name)
        {
            return Ok(());
        }
        let mut others = self.groups.iter().chain(self.offered_groups.values());
        if let Some(other) = others.find(|other| other.gid == group.gid) {
            return Err(collision("group", group.gid, &group.name, &other.name, &group.source));
        }
        let name = group.name.clone();
        self.offered_groups.insert(name.clone(), group);
        if self.takes_offers {
            self.gid(&name);
        }
        Ok(())
    }

    /// Makes a user a member of a group, as far as both exist in the end.
    pub fn offer_member(&mut self, user: &str, group: &str) {
        self.offered_members.insert((user.to_owned(), group.to_owned()));
    }

    /// Makes a home directory when the files are written; an existing one keeps its mode.
    pub fn add_home(&mut self, path: TreePath, metadata: Metadata) {
        self.homes.push((path, metadata));
    }

    /// Makes the home of a user that is offered, if that user exists in the end and nothing is there.
    pub fn offer_home(&mut self, user: &str, path: TreePath, metadata: Metadata) {
        self.offered_homes.push((user.to_owned(), path, metadata));
    }

    /// Returns the number of a user who exists or is offered, and takes up nobody.
    pub fn offered_uid(&self, name: &str) -> Option<u32> {
        let known = self.users.iter().find(|user| user.name == name);
        known.or_else(|| self.offered_users.get(name)).map(|user| user.uid)
    }

    /// Returns the names of all users and groups that are offered, be they taken up or not.
    pub(super) fn offered_names(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let names = (self.offered_users.keys(), self.offered_groups.keys());
        (names.0.cloned().collect(), names.1.cloned().collect())
    }

    /// Returns whether a user or group that is only offered, be it taken up or not, has a number: the distribution's own are.
    pub(super) fn is_offered(&self, uid: Option<u32>, gid: Option<u32>) -> bool {
        self.offered_users.values().any(|user| Some(user.uid) == uid)
            || self.offered_groups.values().any(|group| Some(group.gid) == gid)
    }

    /// Returns whether a user who exists or is offered has a number.
    pub fn is_uid_taken(&self, uid: u32) -> bool {
        self.users.iter().chain(self.offered_users.values()).any(|user| user.uid == uid)
    }

    /// Returns whether a group that exists or is offered has a number.
    pub fn is_gid_taken(&self, gid: u32) -> bool {
        self.groups.iter().chain(self.offered_groups.values()).any(|group| group.gid == gid)
    }

    fn declare_root(&mut self, tree: &Tree, inputs: &Inputs<'_>, masters: &Masters) {
        let declares_root = inputs.definition.accounts.users.iter().any(|user| user.uid == 0);
        let is_wanted = inputs.definition.accounts.root || self.takes_offers;
        if !is_wanted || self.has_master || declares_root {
            return;
        }
        let source = Source::Definition(Span::default());
        let shell = masters.users.first().map(|root| root.shell.clone());
        self.users.push(PasswdEntry {
            name: "root".to_owned(),
            password: "x".to_owned(),
            uid: 0,
            gid: 0,
            comment: "root".to_owned(),
            home: "/root".to_owned(),
            shell: shell.filter(|shell| exists(tree, shell)).unwrap_or_else(|| {
                let shells = ["/bin/bash", "/bin/sh"];
                let found = shells.into_iter().find(|shell| exists(tree, shell));
                found.unwrap_or(no_login(tree)).to_owned()
            }),
            source: source.clone(),
        });
        self.groups.push(GroupEntry {
            name: "root".to_owned(),
            password: "x".to_owned(),
            gid: 0,
            members: BTreeSet::new(),
            source,
        });
    }

    fn declare_user(
        &mut self,
        tree: &Tree,
        user: &User,
        span: Span,
        masters: &Masters,
        epoch: i64,
    ) -> Result<(), FinishError> {
        let name = &user.name.value;
        let master = masters.users.iter().find(|master| master.name == *name);
        let home = match (master, name.as_str()) {
            (Some(master), _) => master.home.clone(),
            (None, "root") => "/root".to_owned(),
            // Debian's users without a home.
            (None, "_apt" | "nobody") => "/nonexistent".to_owned(),
            (None, _) => format!("/home/{name}"),
        };
        let has_own_home = master.is_none() && !matches!(name.as_str(), "root" | "_apt" | "nobody");
        if (has_own_home || user.mode.is_some())
            && let Ok(path) = TreePath::parse(&home)
        {
            let mode = user.mode.unwrap_or(0o750);
            let metadata = Metadata { uid: user.uid, gid: user.gid, ..Metadata::root(mode, epoch) };
            self.homes.push((path, metadata));
        }
        let entry = PasswdEntry {
            name: name.clone(),
            password: master.map_or("x", |master| &master.password).to_owned(),
            uid: user.uid,
            gid: user.gid,
            comment: master.map_or(name, |master| &master.comment).clone(),
            home,
            shell: master.map_or(no_login(tree), |master| &master.shell).to_owned(),
            source: Source::Definition(span),
        };
        let other = self.users.iter().find(|other| other.uid == entry.uid && other.name != *name);
        if let Some(other) = other {
            return Err(FinishError::AccountCollision {
                kind: "user",
                id: entry.uid,
                first: other.name.clone(),
                second: entry.name,
                span,
            });
        }
        match self.users.iter_mut().find(|old| old.name == *name) {
            Some(old) => *old = entry,
            None => self.users.push(entry),
        }
        Ok(())
    }

    fn declare_group(&mut self, group: GroupEntry) -> Result<(), FinishError> {
        let other = self.groups.iter().find(|old| old.gid == group.gid && old.name != group.name);
        if let Some(other) = other {
            return Err(FinishError::AccountCollision {
                kind: "group",
                id: group.gid,
                first: other.name.clone(),
                span: group.source.span().unwrap_or_default(),
                second: group.name,
            });
        }
        match self.groups.iter_mut().find(|old| old.name == group.name) {
            Some(old) => *old = group,
            None => self.groups.push(group),
        }
        Ok(())
    }
}

/// Writes the files and makes the homes. Files that a package brings are replaced.
///
/// Nothing is written if nobody exists. Shadow files come with the package passwd, as in Debian.
pub fn write(
    tree: &mut Tree,
    accounts: &Accounts,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let mut accounts = accounts.clone();
    for (user, group) in std::mem::take(&mut accounts.offered_members) {
        let is_known = accounts.users.iter().any(|entry| entry.name == user);
        let group = accounts.groups.iter_mut().find(|entry| entry.name == group);
        if let (true, Some(group)) = (is_known, group) {
            group.members.insert(user);
        }
    }
    let mut editor = Editor::new(tree, NAME, inputs.epoch).for_definition();
    if !accounts.users.is_empty() || !accounts.groups.is_empty() {
        let has_shadow = inputs.has("passwd");
        let plain = editor.metadata(0o644);
        let passwd = passwd_text(&accounts.users, has_shadow);
        editor.file(&TreePath::literal("etc/passwd"), passwd.into_bytes(), plain.clone())?;
        let group = group_text(&accounts.groups, has_shadow);
        editor.file(&TreePath::literal("etc/group"), group.into_bytes(), plain)?;
        if has_shadow {
            let gid = accounts.gid("shadow").unwrap_or(42);
            let secret = Metadata { gid, ..editor.metadata(0o640) };
            let day = inputs.epoch.div_euclid(86_400);
            let shadow = shadow_text(&accounts.users, day);
            editor.file(&TreePath::literal("etc/shadow"), shadow.into_bytes(), secret.clone())?;
            let gshadow = gshadow_text(&accounts.groups);
            editor.file(&TreePath::literal("etc/gshadow"), gshadow.into_bytes(), secret)?;
        }
    }
    if inputs.is_complete() && inputs.has("base-passwd") {
        for path in ["etc/subuid", "etc/subgid"] {
            let path = TreePath::literal(path);
            if !editor.exists(&path) {
                let metadata = editor.metadata(0o644);
                editor.file(&path, Vec::new(), metadata)?;
            }
        }
    }
    for (user, path, metadata) in &accounts.offered_homes {
        if accounts.users.iter().any(|known| known.name == *user) {
            editor.missing_directory(path, metadata.clone())?;
        }
    }
    for (path, metadata) in &accounts.homes {
        if !editor.missing_directory(path, metadata.clone())? {
            let path = editor.resolve(path)?;
            let mode = editor.tree().get(&path).map_or(metadata.mode, |node| node.metadata.mode);
            editor.set_metadata(&path, Metadata { mode, ..metadata.clone() });
        }
    }
    report.actions.extend(editor.finish(None));
    Ok(())
}

fn exists(tree: &Tree, path: &str) -> bool {
    TreePath::parse(path).is_ok_and(|path| tree.resolve(&path).is_ok())
}

/// The shell of those who don't log in; the path need not exist to refuse.
fn no_login(tree: &Tree) -> &'static str {
    if exists(tree, "/usr/sbin/nologin") { "/usr/sbin/nologin" } else { "/sbin/nologin" }
}

fn collision(kind: &str, id: u32, name: &str, other: &str, source: &Source) -> Warning {
    let package = match source {
        Source::Package(package) => Some(package.clone()),
        Source::Definition(_) => None,
    };
    Warning {
        finisher: NAME,
        package,
        file: None,
        lines: None,
        message: format!(
            "{kind} {name} is left out: {other} has its number {id} (declare {name} in `accounts`)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::debian;
    use crate::finish::testing::{Fixture, dump};
    use hardpan_testkit::deb::{Deb, deb};

    const MASTER: &str = "root:*:0:0:root:/root:/bin/bash\n\
        www-data:*:33:33:www-data:/var/www:/usr/sbin/nologin\n\
        _apt:*:42:65534::/nonexistent:/usr/sbin/nologin\n";
    const GROUPS: &str = "root:*:0:\nwww-data:*:33:\nshadow:*:42:\nnogroup:*:65534:\n";
    const NONROOT: &str = "accounts:\n  run-as: nonroot\n  users:\n    - name: nonroot\n      \
        uid: 65532\n      gid: 65532\n  groups:\n    - name: nonroot\n      gid: 65532\n";

    fn base_passwd() -> Deb {
        deb("base-passwd", "3")
            .file("/usr/share/base-passwd/passwd.master", MASTER)
            .file("/usr/share/base-passwd/group.master", GROUPS)
            .file("/usr/sbin/nologin", "x")
    }

    fn run(yaml: &str, packages: &[Deb], asked: &[&str]) -> (Fixture, Tree) {
        let mut fixture = Fixture::default();
        fixture.yaml(yaml);
        let mut tree = fixture.install(packages);
        let masters = debian::masters(&tree, &fixture.inputs()).unwrap();
        let mut accounts = collect(&tree, &fixture.inputs(), masters).unwrap();
        for name in asked {
            accounts.uid(name);
        }
        write(&mut tree, &accounts, &fixture.inputs(), &mut Report::default()).unwrap();
        (fixture, tree)
    }

    #[test]
    fn a_runtime_image_has_whom_it_declares() {
        let (fixture, tree) = run(NONROOT, &[], &[]);
        assert_eq!(
            fixture.text(&tree, "etc/passwd"),
            "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
        );
        assert_eq!(fixture.text(&tree, "etc/group"), "nonroot:x:65532:\n");
        assert!(dump(&tree).contains("/home/nonroot directory 0750 65532:65532"));
        assert!(!dump(&tree).contains("shadow"));
        let yaml = NONROOT.replace("  run-as", "  root: true\n  run-as");
        let (fixture, tree) = run(
            &yaml,
            &[deb("bash", "5").file("/usr/bin/bash", "").symlink("/bin", "usr/bin")],
            &[],
        );
        let text = fixture.text(&tree, "etc/passwd");
        assert!(text.starts_with("root:x:0:0:root:/root:/bin/bash\nnonroot:"), "{text}");
        assert_eq!(fixture.text(&tree, "etc/group"), "root:x:0:\nnonroot:x:65532:\n");
        let (_, tree) = run("", &[], &[]);
        assert!(!dump(&tree).contains("passwd"));
    }

    #[test]
    fn base_passwd_is_whole_in_dev_and_on_offer_in_runtime() {
        let yaml = format!("variant: dev\n{NONROOT}");
        let (fixture, tree) = run(&yaml, &[base_passwd()], &[]);
        let expected =
            format!("{MASTER}nonroot:x:65532:65532:nonroot:/home/nonroot:/usr/sbin/nologin\n");
        assert_eq!(fixture.text(&tree, "etc/passwd"), expected);
        assert_eq!(fixture.text(&tree, "etc/group"), format!("{GROUPS}nonroot:x:65532:\n"));
        assert_eq!(fixture.text(&tree, "etc/subuid"), "");
        let (fixture, tree) = run(NONROOT, &[base_passwd()], &["www-data", "missing", "root"]);
        let text = fixture.text(&tree, "etc/passwd");
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("\nwww-data:*:33:33:"), "{text}");
        assert!(fixture.text(&tree, "etc/group").contains("www-data:*:33:"));
        assert!(!dump(&tree).contains("/etc/subuid"));
    }

    #[test]
    fn the_definition_wins_over_base_passwd() {
        let yaml = "variant: dev\naccounts:\n  users:\n    - name: _apt\n      uid: 42\n      \
                    gid: 65532\n  groups:\n    - name: shadow\n      gid: 42\n      members: [_apt]\n";
        let (fixture, tree) = run(yaml, &[base_passwd()], &[]);
        let text = fixture.text(&tree, "etc/passwd");
        assert!(text.contains("\n_apt:*:42:65532::/nonexistent:/usr/sbin/nologin\n"), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert!(fixture.text(&tree, "etc/group").contains("\nshadow:x:42:_apt\n"));
        assert!(!dump(&tree).contains("/home/_apt"));
    }

    #[test]
    fn shadow_files_come_with_passwd() {
        let yaml = format!("variant: dev\n{NONROOT}");
        let (fixture, tree) = run(&yaml, &[base_passwd(), deb("passwd", "4")], &[]);
        assert!(fixture.text(&tree, "etc/passwd").starts_with("root:x:0:0:"));
        assert!(fixture.text(&tree, "etc/shadow").starts_with("root:*:19675:0:99999:7:::\n"));
        assert!(fixture.text(&tree, "etc/gshadow").ends_with("nonroot:*::\n"));
        assert!(dump(&tree).contains("/etc/shadow file 0640 0:42"));
    }

    #[test]
    fn numbers_that_someone_has_are_refused() {
        for (kind, yaml) in [
            ("user", "  users:\n    - name: web\n      uid: 33\n      gid: 33\n"),
            ("group", "  groups:\n    - name: web\n      gid: 33\n"),
        ] {
            let mut fixture = Fixture::default();
            fixture.yaml(&format!("variant: dev\naccounts:\n{yaml}"));
            let tree = fixture.install(&[base_passwd()]);
            let masters = debian::masters(&tree, &fixture.inputs()).unwrap();
            let error = collect(&tree, &fixture.inputs(), masters).unwrap_err();
            assert!(error.span().is_some(), "{error}");
            assert_eq!(
                error.to_string(),
                format!("{kind} web can't have the number 33: www-data has it")
            );
        }
        let mut accounts = Accounts::default();
        let user = |name: &str, uid| PasswdEntry {
            name: name.to_owned(),
            uid,
            ..parse_passwd(MASTER, &Source::Package("p".into())).remove(0)
        };
        accounts.offer_user(user("a", 5)).unwrap();
        accounts.offer_user(user("a", 6)).unwrap();
        let warning = accounts.offer_user(user("b", 5)).unwrap_err();
        assert_eq!(warning.package.as_deref(), Some("p"));
        assert!(warning.message.starts_with("user b is left out: a has its number 5"));
        assert_eq!(accounts.uid("a"), Some(5));
        assert_eq!((accounts.uid("b"), accounts.uid("77")), (None, Some(77)));
    }

    #[test]
    fn an_existing_home_keeps_its_mode_and_changes_hands() {
        let package = deb("x", "1").directory("/home/nonroot").mode(0o711);
        let (_, tree) = run(NONROOT, &[package], &[]);
        assert!(dump(&tree).contains("/home/nonroot directory 0711 65532:65532"));
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let source = Source::Package("p".into());
        for text in ["", "a", "a:b:c:d:e:f:g", ":x:1:1:::", "a:x:1:1::", "a:x:-1:1:::", "#a:b"] {
            assert_eq!(parse_passwd(text, &source), [], "{text:?}");
            assert_eq!(parse_group(text, &source), [], "{text:?}");
        }
    }

    #[test]
    fn stable_numbers_depend_on_the_name_alone() {
        // Part of every image with such an account: never to change.
        assert_eq!((stable_id("messagebus"), stable_id("redis")), (31_138, 45_281));
        for name in ["a", "redis", "memcache", "haproxy", ""] {
            let id = stable_id(name);
            assert!((STABLE_ID_FIRST..STABLE_ID_FIRST + STABLE_ID_COUNT).contains(&id), "{name}");
        }
    }
}
