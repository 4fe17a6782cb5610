// SPDX-License-Identifier: Apache-2.0
//! What apt and dpkg need to install more packages in a finished image: directories, sources, and
//! the rules by which this image was stripped.
//!
//! The sources name the distribution's own default archive. Where the packages of this image were
//! downloaded from is nobody's business, and may not be reachable from where it runs.

use std::fmt::Write as _;

use hardpan_definition::Definition;
use hardpan_package::strip::{StripPolicy, StripRule};
use hardpan_tree::{Metadata, Tree, TreePath};

use super::accounts::{Accounts, PasswdEntry, Source};
use super::{Editor, FinishError, Inputs, Report, Warning, paths};

/// The finisher's name.
pub const NAME: &str = "apt";

/// Where the default sources are.
pub const SOURCES: &str = "etc/apt/sources.list.d/debian.sources";
/// The distribution's default archive.
const ARCHIVE: &str = "http://ftp.debian.org/debian";
/// Its security archive, on the same host.
const SECURITY_ARCHIVE: &str = "http://ftp.debian.org/debian-security";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The user that apt downloads as, with the number that base-passwd gives it.
const USER: (&str, u32) = ("_apt", 42);
/// Debian's group for those who need none.
const NO_GROUP: u32 = 65_534;

/// Offers apt's user, if apt is there and base-passwd does not bring it.
pub fn offer_user(accounts: &mut Accounts, inputs: &Inputs<'_>, report: &mut Report) {
    if !inputs.has("apt") {
        return;
    }
    let (name, uid) = USER;
    let offered = accounts.offer_user(PasswdEntry {
        name: name.to_owned(),
        password: "x".to_owned(),
        uid,
        gid: NO_GROUP,
        comment: String::new(),
        home: "/nonexistent".to_owned(),
        shell: "/usr/sbin/nologin".to_owned(),
        source: Source::Package("apt".to_owned()),
    });
    report.warnings.extend(offered.err());
}

/// Makes what apt and dpkg need, each if it is there.
pub fn apply(
    tree: &mut Tree,
    accounts: &mut Accounts,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    if inputs.has("dpkg") && !inputs.exact {
        let path = TreePath::literal("etc/dpkg/dpkg.cfg.d/hardpan");
        let text = path_filters(inputs.strip);
        if !text.is_empty() && !editor.exists(&path) {
            let metadata = editor.metadata(0o644);
            editor.file(&path, text.into_bytes(), metadata)?;
        }
    }
    if inputs.has("apt") {
        let uid = accounts.uid(USER.0).unwrap_or(0);
        for (path, mode, uid) in [
            ("var/lib/apt", 0o755, 0),
            ("var/lib/apt/lists", 0o755, 0),
            ("var/lib/apt/lists/partial", 0o700, uid),
            ("var/cache/apt", 0o755, 0),
            ("var/cache/apt/archives", 0o755, 0),
            ("var/cache/apt/archives/partial", 0o700, uid),
            ("var/log/apt", 0o755, 0),
        ] {
            let metadata = Metadata { uid, ..editor.metadata(mode) };
            editor.directory(&TreePath::literal(path), metadata)?;
        }
        if !inputs.exact {
            report.warnings.extend(sources(&mut editor, inputs)?);
        }
    }
    report.actions.extend(editor.finish(Some("apt").filter(|_| inputs.has("apt"))));
    Ok(())
}

/// Writes the default sources, unless there are others.
fn sources(editor: &mut Editor<'_>, inputs: &Inputs<'_>) -> Result<Option<Warning>, FinishError> {
    let path = TreePath::literal(SOURCES);
    let Some(text) = default_sources(inputs.definition) else {
        return Ok(None);
    };
    let single = TreePath::literal("etc/apt/sources.list");
    let directory = TreePath::literal("etc/apt/sources.list.d");
    let is_source =
        |path: &TreePath| path.name().ends_with(b".sources") || path.name().ends_with(b".list");
    let has_own = paths::is_decided(inputs.definition, &path)
        || inputs.definition.paths.iter().any(|rule| {
            TreePath::parse(rule.path.value.as_bytes()).is_ok_and(|ruled| {
                ruled == single || ruled == directory || ruled.parent() == Some(directory.clone())
            })
        })
        || editor.exists(&single)
        || editor.tree().children(&directory).any(|(path, _)| is_source(path));
    if has_own {
        return Ok(None);
    }
    if !editor.is_file(&TreePath::literal(KEYRING)) {
        return Ok(Some(Warning {
            finisher: NAME,
            package: Some("apt".to_owned()),
            file: None,
            lines: None,
            message: "apt has no sources: debian-archive-keyring is not in the image".to_owned(),
        }));
    }
    let metadata = editor.metadata(0o644);
    editor.file(&path, text.into_bytes(), metadata)?;
    Ok(None)
}

/// Returns the sources that an installation of a definition's distribution has; `None` where it has none of apt's.
pub fn default_sources(definition: &Definition) -> Option<String> {
    let codename = definition.syntax.distribution.codename()?;
    let mut text = String::new();
    for (archive, suites) in [
        (ARCHIVE, format!("{codename} {codename}-updates")),
        (SECURITY_ARCHIVE, format!("{codename}-security")),
    ] {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "Types: deb\nURIs: {archive}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}"
        );
    }
    Some(text)
}

/// Returns dpkg's options for leaving out what was left out of this image.
fn path_filters(policy: &StripPolicy) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for rule in policy.rules() {
        lines.extend(match rule {
            StripRule::Docs => &[
                "path-exclude=/usr/share/doc/*",
                "path-include=/usr/share/doc/*/copyright",
                "path-exclude=/usr/share/doc-base/*",
            ][..],
            StripRule::Info => &["path-exclude=/usr/share/info/*"],
            StripRule::Lintian => {
                &["path-exclude=/usr/share/lintian/*", "path-exclude=/usr/share/linda/*"]
            }
            StripRule::Locales => {
                &["path-exclude=/usr/share/locale/*", "path-include=/usr/share/locale/locale.alias"]
            }
            StripRule::Man => &["path-exclude=/usr/share/man/*"],
            StripRule::ReportBug => &["path-exclude=/usr/share/bug/*"],
            _ => &[],
        });
    }
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "# What this image was built without, later installations leave out too.\n{}\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::accounts;
    use crate::finish::testing::{Fixture, dump};
    use hardpan_testkit::deb::{Deb, deb};

    fn run(yaml: &str, packages: &[Deb]) -> (Fixture, Tree, Report) {
        let mut fixture = Fixture::default();
        fixture.yaml(&format!("variant: dev\n{yaml}"));
        let mut tree = fixture.install(packages);
        let mut report = Report::default();
        let mut accounts =
            accounts::collect(&tree, &fixture.inputs(), accounts::Masters::default()).unwrap();
        offer_user(&mut accounts, &fixture.inputs(), &mut report);
        apply(&mut tree, &mut accounts, &fixture.inputs(), &mut report).unwrap();
        (fixture, tree, report)
    }

    fn keyring() -> Deb {
        deb("debian-archive-keyring", "2025")
            .file("/usr/share/keyrings/debian-archive-keyring.pgp", "keys")
            .symlink("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
    }

    #[test]
    fn apt_gets_sources_and_directories() {
        let (fixture, tree, report) = run("", &[deb("apt", "3"), deb("dpkg", "1"), keyring()]);
        assert_eq!(report.warnings, []);
        let text = fixture.text(&tree, "etc/apt/sources.list.d/debian.sources");
        assert!(text.contains("Suites: trixie trixie-updates\n"), "{text}");
        assert!(text.contains("Suites: trixie-security\n"), "{text}");
        assert_eq!(text.matches(KEYRING).count(), 2);
        let text = dump(&tree);
        assert!(text.contains("/var/lib/apt/lists/partial directory 0700 42:0"), "{text}");
        let filters = fixture.text(&tree, "etc/dpkg/dpkg.cfg.d/hardpan");
        assert!(filters.contains("path-exclude=/usr/share/man/*\n"), "{filters}");
        let excluded = filters.find("path-exclude=/usr/share/doc/*").unwrap();
        assert!(filters.find("path-include=/usr/share/doc/*/copyright").unwrap() > excluded);
    }

    #[test]
    fn own_sources_are_kept() {
        let rule = |kind, path| format!("paths:\n  - type: {kind}\n    path: {path}\n");
        for yaml in [
            rule("emptyfile", "/etc/apt/sources.list"),
            rule("emptyfile", "/etc/apt/sources.list.d/mine.sources"),
            rule("delete", "/etc/apt"),
        ] {
            let (_, tree, report) = run(&yaml, &[deb("apt", "3"), keyring()]);
            assert!(!dump(&tree).contains("debian.sources"), "{yaml}");
            assert_eq!(report.warnings, []);
        }
        let other = deb("x", "1").file("/etc/apt/sources.list.d/x.list", "deb …");
        let (_, tree, _) = run("", &[deb("apt", "3"), keyring(), other]);
        assert!(!dump(&tree).contains("debian.sources"));
    }

    #[test]
    fn nothing_without_apt_and_no_sources_without_keys() {
        let (_, tree, report) = run("", &[deb("x", "1"), keyring()]);
        assert!(!dump(&tree).contains("apt/"));
        assert_eq!(report, Report::default());
        let (_, tree, report) = run("", &[deb("apt", "3")]);
        assert!(!dump(&tree).contains("debian.sources"));
        assert_eq!(report.warnings.len(), 1);
        assert_eq!(path_filters(&StripPolicy::none()), "");
    }
}
