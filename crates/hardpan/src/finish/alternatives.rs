// SPDX-License-Identifier: Apache-2.0
//! Links of `update-alternatives`: the generic name leads to `/etc/alternatives`, and that to the
//! best choice.
//!
//! dpkg's own record of them (`/var/lib/dpkg/alternatives`) is written where dpkg is in the image, so
//! that packages installed later can offer better choices.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hardpan_package::scripts::{Alternative, AlternativeLink};
use hardpan_tree::{Kind, Tree, TreePath};

use super::{Editor, FinishError, Inputs, Report, Warning};

/// The finisher's name.
pub const NAME: &str = "alternatives";

/// All choices for one name, by their path.
struct Group<'a> {
    link: &'a str,
    package: &'a str,
    choices: BTreeMap<&'a str, &'a Alternative>,
}

/// Makes the links of all alternatives whose files exist. `offers` says which package offers what.
///
/// A choice whose file was stripped is no choice; one whose file should be there and is not is a
/// warning, and so is a link in whose place a real file stands.
///
/// # Errors
/// If a link can't be put where it belongs.
pub fn apply(
    tree: &mut Tree,
    offers: &[(String, Alternative)],
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for (package, offer) in offers {
        let master = &offer.master;
        if !leads(tree, &master.path) {
            if !is_documentation(&master.path) {
                let message = format!("the alternative {} does not exist", master.path);
                report.warnings.push(warning(package, message));
            }
            continue;
        }
        let group = groups.entry(&master.name).or_insert_with(|| Group {
            link: &master.link,
            package,
            choices: BTreeMap::new(),
        });
        group.choices.insert(&master.path, offer);
    }
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    let writes_record = inputs.has("dpkg");
    for (name, group) in &groups {
        one(&mut editor, name, group, writes_record, report)?;
    }
    report.actions.extend(editor.finish(None));
    Ok(())
}

fn warning(package: &str, message: String) -> Warning {
    let package = Some(package.to_owned());
    let file = Some("postinst".to_owned());
    Warning { finisher: NAME, package, file, lines: None, message }
}

fn leads(tree: &Tree, path: &str) -> bool {
    TreePath::parse(path).is_ok_and(|path| tree.resolve(&path).is_ok())
}

fn one(
    editor: &mut Editor<'_>,
    name: &str,
    group: &Group<'_>,
    writes_record: bool,
    report: &mut Report,
) -> Result<(), FinishError> {
    // The highest priority wins; among equals the first by name.
    let Some(best) = group.choices.values().rev().max_by_key(|choice| choice.priority) else {
        return Ok(());
    };
    if !place(editor, name, group.link, &best.master.path)? {
        let message = format!("{} is no link, so the alternative {name} is not used", group.link);
        report.warnings.push(warning(group.package, message));
        return Ok(());
    }
    let mut slaves: BTreeMap<&str, &str> = BTreeMap::new();
    for slave in group.choices.values().flat_map(|choice| &choice.slaves) {
        slaves.entry(&slave.name).or_insert(&slave.link);
    }
    for (slave, link) in &slaves {
        // As with update-alternatives, a slave whose file is missing has no link.
        let target = find(best, slave).map(|found| found.path.as_str());
        if let Some(target) = target.filter(|target| leads(editor.tree(), target))
            && !place(editor, slave, link, target)?
        {
            let message = format!("{link} is no link, so the alternative {slave} is not used");
            report.warnings.push(warning(group.package, message));
        }
    }
    if writes_record {
        // A name has no slash, so this is a path.
        let path = TreePath::parse(format!("var/lib/dpkg/alternatives/{name}"));
        if let Ok(path) = path {
            let metadata = editor.metadata(0o644);
            editor.file(&path, record(group, &slaves).into_bytes(), metadata)?;
        }
    }
    Ok(())
}

fn find<'a>(choice: &'a Alternative, slave: &str) -> Option<&'a AlternativeLink> {
    choice.slaves.iter().find(|link| link.name == slave)
}

/// Makes both links of a name. Returns whether that was possible: what is no link stays, as with
/// update-alternatives.
fn place(
    editor: &mut Editor<'_>,
    name: &str,
    link: &str,
    target: &str,
) -> Result<bool, FinishError> {
    let generic = format!("/etc/alternatives/{name}");
    let (Ok(link), Ok(generic_path)) = (TreePath::parse(link), TreePath::parse(&generic)) else {
        return Ok(false);
    };
    let link = editor.place(&link)?;
    if !matches!(editor.tree().get(&link).map(|node| &node.kind), None | Some(Kind::Symlink(_))) {
        return Ok(false);
    }
    editor.symlink(&link, generic)?;
    editor.symlink(&generic_path, target)?;
    Ok(true)
}

/// Writes dpkg's record of a group, as update-alternatives(1) describes it under "Administrative directory".
fn record(group: &Group<'_>, slaves: &BTreeMap<&str, &str>) -> String {
    let mut text = format!("auto\n{}\n", group.link);
    for (name, link) in slaves {
        let _ = writeln!(text, "{name}\n{link}");
    }
    text.push('\n');
    for (path, choice) in &group.choices {
        let _ = writeln!(text, "{path}\n{}", choice.priority);
        for name in slaves.keys() {
            let target = find(choice, name).map_or("", |link| link.path.as_str());
            let _ = writeln!(text, "{target}");
        }
    }
    text.push('\n');
    text
}

/// Whether a path is one of those that images go without.
fn is_documentation(path: &str) -> bool {
    let folders: BTreeSet<&str> =
        BTreeSet::from(["/usr/share/man/", "/usr/share/doc/", "/usr/share/info/"]);
    folders.iter().any(|folder| path.starts_with(folder)) || path.contains("/man/man")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, add, dump, tree};
    use hardpan_testkit::deb::deb;

    fn link(name: &str, link: &str, path: &str) -> AlternativeLink {
        AlternativeLink { name: name.to_owned(), link: link.to_owned(), path: path.to_owned() }
    }

    fn offer(path: &str, priority: i32, slaves: &[(&str, &str, &str)]) -> (String, Alternative) {
        let slaves = slaves.iter().map(|(name, generic, path)| link(name, generic, path)).collect();
        let master = link("e", "/usr/bin/e", path);
        ("demo".to_owned(), Alternative { master, priority, slaves })
    }

    fn run(tree: &mut Tree, fixture: &Fixture, offers: &[(String, Alternative)]) -> Vec<String> {
        let mut report = Report::default();
        apply(tree, offers, &fixture.inputs(), &mut report).unwrap();
        report.warnings.into_iter().map(|warning| warning.message).collect()
    }

    #[test]
    fn the_highest_priority_wins_and_slaves_follow() {
        let mut root =
            tree(&["usr/bin/vim", "usr/bin/nano", "usr/share/m/vim", "usr/share/m/nano"]);
        let offers = [
            offer("/usr/bin/nano", 10, &[("e.1", "/usr/share/m/e", "/usr/share/m/nano")]),
            offer(
                "/usr/bin/vim",
                30,
                &[
                    ("e.1", "/usr/share/m/e", "/usr/share/m/vim"),
                    ("e.2", "/usr/share/m/f", "/usr/share/m/stripped"),
                ],
            ),
        ];
        assert_eq!(run(&mut root, &Fixture::default(), &offers), Vec::<String>::new());
        let text = dump(&root);
        for line in [
            "/usr/bin/e symlink 0777 0:0 -> /etc/alternatives/e\n",
            "/etc/alternatives/e symlink 0777 0:0 -> /usr/bin/vim\n",
            "/usr/share/m/e symlink 0777 0:0 -> /etc/alternatives/e.1\n",
            "/etc/alternatives/e.1 symlink 0777 0:0 -> /usr/share/m/vim\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("e.2") && !text.contains("var/lib/dpkg"), "{text}");
    }

    #[test]
    fn dpkg_gets_a_record() {
        let mut fixture = Fixture::default();
        let mut root = fixture.install(&[deb("dpkg", "1").file("/usr/bin/dpkg", "x")]);
        add(&mut root, "usr/bin/vim", "");
        add(&mut root, "usr/bin/nano", "");
        let offers = [
            offer("/usr/bin/vim", 30, &[("e.1", "/m/e", "/m/vim")]),
            offer("/usr/bin/nano", -10, &[]),
        ];
        run(&mut root, &fixture, &offers);
        assert_eq!(
            fixture.text(&root, "var/lib/dpkg/alternatives/e"),
            "auto\n/usr/bin/e\ne.1\n/m/e\n\n/usr/bin/nano\n-10\n\n/usr/bin/vim\n30\n/m/vim\n\n"
        );
    }

    #[test]
    fn what_is_missing_or_in_the_way_is_told() {
        let mut root = tree(&["usr/bin/vim", "usr/bin/e"]);
        let before = root.clone();
        assert_eq!(
            run(&mut root, &Fixture::default(), &[offer("/usr/bin/vim", 1, &[])]),
            ["/usr/bin/e is no link, so the alternative e is not used"]
        );
        assert_eq!(
            run(&mut root, &Fixture::default(), &[offer("/usr/bin/gone", 1, &[])]),
            ["the alternative /usr/bin/gone does not exist"]
        );
        let stripped = offer("/usr/share/man/man1/gone.1.gz", 1, &[]);
        assert_eq!(run(&mut root, &Fixture::default(), &[stripped]), Vec::<String>::new());
        assert_eq!(root, before);
    }

    #[test]
    fn names_can_not_lead_out() {
        let mut root = tree(&["usr/bin/vim"]);
        let mut bad = offer("/usr/bin/vim", 1, &[]);
        bad.1.master.link = "/a/../../b".to_owned();
        assert_eq!(run(&mut root, &Fixture::default(), &[bad]).len(), 1);
        assert_eq!(root, tree(&["usr/bin/vim"]));
    }
}
