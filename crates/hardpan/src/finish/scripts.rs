// SPDX-License-Identifier: Apache-2.0
//! What maintainer scripts would have done to files, package by package, without running them.
//!
//! [`hardpan_package::scripts`] reads a script and says what its commands would do;
//! here that is done to the tree, in the order in which dpkg would configure the packages. What no finisher
//! covers becomes a warning with package, script and lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpan_package::apk::dependency::{parse_dependencies, parse_provides};
use hardpan_package::deb::control::{self, Limits};
use hardpan_package::scripts::{
    Alternative, Effect, FileTests, Look, NewAccount, Operation, ScriptAction, ScriptInput,
    Treatment, classify,
};
use hardpan_package::segment::{Format, Unpacked};
use hardpan_tree::{Kind, Origin, Tree, TreePath};

use super::{Editor, FinishError, Inputs, Report, Warning, operations, paths, php_modules};

/// The finisher's name.
pub const NAME: &str = "scripts";

/// Knows users and groups by name.
pub trait Owners {
    /// Is told that what follows is asked for by this package.
    fn begin(&mut self, package: &Unpacked) {
        let _ = package;
    }
    /// Returns a user's number.
    fn uid(&mut self, name: &str) -> Option<u32>;
    /// Returns a group's number.
    fn gid(&mut self, name: &str) -> Option<u32>;
    /// Offers a user that a package wants; an existing one of the name stays as it is.
    fn offer_user(&mut self, package: &str, user: &NewAccount);
    /// Offers a group that a package wants; an existing one of the name stays as it is.
    fn offer_group(&mut self, package: &str, group: &NewAccount);
    /// Offers a user as a member of a group.
    fn offer_member(&mut self, user: &str, group: &str);
}

/// What scripts say, beside what was done to files at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptResults {
    /// What becomes of every command of every script, by package, script and line.
    pub actions: Vec<ScriptAction>,
    /// Alternatives, and which package offers them: for [`super::alternatives`].
    pub alternatives: Vec<(String, Alternative)>,
    /// Modules of PHP to switch on: for [`super::php_modules`].
    pub php_modules: BTreeSet<php_modules::Wish>,
    /// Shells to log in with, and which package adds them, in order: for [`super::shells`].
    pub shells: Vec<(String, String)>,
}

/// Reads the scripts of all packages and does what they would have done to files.
///
/// `handled` names packages whose scripts another finisher does as a whole, with that finisher: they
/// are reported as handled, only their alternatives are taken.
///
/// # Errors
/// If the tree can't be changed as a script would.
pub fn apply(
    tree: &mut Tree,
    owners: &mut dyn Owners,
    handled: &[(&str, &str)],
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<ScriptResults, FinishError> {
    let mut results = ScriptResults::default();
    let architecture = inputs.definition.platform.architecture();
    for package in order(inputs.packages.iter().map(|package| &**package)) {
        let input = script_input(package, architecture);
        let found = classify(&input, &TreeTests { tree, packages: inputs.packages });
        let finisher = handled.iter().find(|(name, _)| *name == package.name);
        if let Some((_, finisher)) = finisher {
            results
                .actions
                .extend(found.actions.into_iter().map(|action| covered(action, finisher)));
            for effect in found.effects {
                if let Operation::Alternative(alternative) = effect.operation {
                    results.alternatives.push((package.name.clone(), alternative));
                }
            }
            continue;
        }
        report.warnings.extend(found.unhandled().map(unhandled));
        results.actions.extend(found.actions);
        owners.begin(package);
        let mut editor = Editor::new(tree, NAME, inputs.epoch);
        for effect in &found.effects {
            if let Some(problem) = one(&mut editor, owners, package, effect, inputs, &mut results)?
            {
                report.warnings.push(Warning {
                    finisher: NAME,
                    package: Some(package.name.clone()),
                    file: Some(effect.script.clone()),
                    lines: Some((effect.line, effect.line)),
                    message: problem,
                });
            }
        }
        report.actions.extend(editor.finish(Some(&package.name)));
    }
    results.actions.sort_by(|left, right| left.package.cmp(&right.package));
    Ok(results)
}

/// Returns what classification needs of a package.
pub fn script_input<'a>(package: &'a Unpacked, architecture: &'a str) -> ScriptInput<'a> {
    ScriptInput {
        format: package.format,
        package: &package.name,
        version: &package.version,
        architecture,
        scripts: &package.scripts,
        triggers: &package.triggers,
        templates: package.control_members.get("templates").map_or("", String::as_str),
    }
}

/// Says of an action that a finisher does it, unless there is nothing to do.
fn covered(action: ScriptAction, finisher: &str) -> ScriptAction {
    let treatment = match action.treatment {
        Treatment::Unhandled { .. } | Treatment::Handled { .. } => {
            Treatment::Handled { finisher: finisher.to_owned() }
        }
        other => other,
    };
    ScriptAction { treatment, ..action }
}

fn unhandled(action: &ScriptAction) -> Warning {
    let reason = match &action.treatment {
        Treatment::Unhandled { reason } => reason.as_str(),
        _ => "",
    };
    Warning {
        finisher: NAME,
        package: Some(action.package.clone()),
        file: Some(action.script.clone()),
        lines: Some((action.first_line, action.last_line)),
        message: format!("not done: {reason}"),
    }
}

/// Does one thing that a script would do; returns what is wrong with it.
fn one(
    editor: &mut Editor<'_>,
    owners: &mut dyn Owners,
    package: &Unpacked,
    effect: &Effect,
    inputs: &Inputs<'_>,
    results: &mut ScriptResults,
) -> Result<Option<String>, FinishError> {
    match &effect.operation {
        Operation::Alternative(alternative) => {
            results.alternatives.push((package.name.clone(), alternative.clone()));
        }
        Operation::PhpModules { version, interface, module } => {
            results.php_modules.insert(php_modules::Wish {
                version: version.clone(),
                interface: interface.clone(),
                module: module.clone(),
            });
        }
        Operation::User(user) => owners.offer_user(&package.name, user),
        Operation::Group(group) => owners.offer_group(&package.name, group),
        Operation::Member { user, group } => owners.offer_member(user, group),
        Operation::Shells { add } => {
            results.shells.extend(add.iter().map(|shell| (package.name.clone(), shell.clone())));
        }
        // These finishers look at all packages by themselves.
        Operation::Pam | Operation::Sysusers { .. } | Operation::Tmpfiles { .. } => {}
        operation => {
            let problem = operations::apply(editor, owners, inputs.contents, operation)?;
            let is_decided = operations::path_of(operation)
                .is_some_and(|path| is_decided_by_definition(inputs, path));
            return Ok(problem.filter(|_| !effect.may_fail && !is_decided));
        }
    }
    Ok(None)
}

/// Whether the definition's own `paths` say what stands at a path.
fn is_decided_by_definition(inputs: &Inputs<'_>, path: &str) -> bool {
    TreePath::parse(path).is_ok_and(|path| paths::is_decided(inputs.definition, &path))
}

/// A tree as scripts see it.
#[derive(Clone, Copy)]
pub struct TreeTests<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// The packages that it was merged from.
    pub packages: &'a [Arc<Unpacked>],
}

impl std::fmt::Debug for TreeTests<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeTests").field("nodes", &self.tree.len()).finish_non_exhaustive()
    }
}

impl FileTests for TreeTests<'_> {
    fn look(&self, path: &str, follow: bool) -> Look {
        let Ok(path) = TreePath::parse(path) else { return Look::Unknown };
        let found = if follow { self.tree.resolve(&path) } else { self.tree.resolve_parent(&path) };
        let Ok(found) = found else { return Look::Missing };
        if let Some((node, file)) = self.tree.file(&found) {
            let is_executable = node.metadata.mode & 0o100 != 0;
            return Look::File { is_executable, is_empty: file.size_bytes == 0 };
        }
        match self.tree.get(&found).map(|node| &node.kind) {
            Some(Kind::Directory) => {
                Look::Directory { is_empty: self.tree.children(&found).next().is_none() }
            }
            Some(Kind::Symlink(_)) => Look::Symlink,
            _ => Look::Missing,
        }
    }

    fn read_link(&self, path: &str) -> Option<String> {
        let path = self.tree.resolve_parent(&TreePath::parse(path).ok()?).ok()?;
        match &self.tree.get(&path)?.kind {
            Kind::Symlink(target) => String::from_utf8(target.clone()).ok(),
            _ => None,
        }
    }

    fn owner(&self, path: &str) -> Option<String> {
        let path = self.tree.resolve_parent(&TreePath::parse(path).ok()?).ok()?;
        let Origin::Package(number) = self.tree.get(&path)?.origin else { return None };
        Some(self.packages.get(number as usize)?.name.clone())
    }

    fn list(&self, directory: &str) -> Option<Vec<String>> {
        let path = TreePath::parse(directory).ok()?;
        let Ok(path) = self.tree.resolve(&path) else { return Some(Vec::new()) };
        let names = self.tree.children(&path);
        names.map(|(path, _)| String::from_utf8(path.name().to_vec()).ok()).collect()
    }
}

/// Returns packages in an order in which dpkg or apk would configure them: base-passwd and base-files, then
/// by name, but each after what it depends on. A cycle is cut where it is met.
pub(crate) fn order<'a>(packages: impl Iterator<Item = &'a Unpacked>) -> Vec<&'a Unpacked> {
    let packages: BTreeMap<&str, &Unpacked> =
        packages.map(|package| (package.name.as_str(), package)).collect();
    let providers = providers(&packages);
    let mut order = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let first = ["base-passwd", "base-files"];
    for start in first.into_iter().chain(packages.keys().copied()) {
        let Some(package) = packages.get(start) else { continue };
        if !seen.insert(start) {
            continue;
        }
        // Depth first, with a stack of its own: chains of dependencies may be long.
        let mut stack = vec![(*package, dependencies(package, &packages, &providers))];
        while let Some((package, waiting)) = stack.last_mut() {
            match waiting.pop() {
                Some(next) if seen.insert(&next.name) => {
                    stack.push((next, dependencies(next, &packages, &providers)));
                }
                Some(_) => {}
                None => {
                    order.push(*package);
                    stack.pop();
                }
            }
        }
    }
    order
}

/// Returns who provides what, besides its own name, of Alpine's packages: `so:libz.so.1`. In Debian a name is waited for
/// only where a package has it.
fn providers<'a>(packages: &BTreeMap<&str, &'a Unpacked>) -> BTreeMap<String, &'a Unpacked> {
    let mut providers = BTreeMap::new();
    for package in packages.values().filter(|package| package.format == Format::Apk) {
        let names = package.field("provides").unwrap_or_default();
        // What is not understood is waited for by nobody.
        for provide in parse_provides(&names).unwrap_or_default() {
            providers.insert(provide.name.to_owned(), *package);
        }
    }
    providers
}

/// Returns the packages here that a package names as its dependencies, the last name first.
fn dependencies<'a>(
    package: &Unpacked,
    packages: &BTreeMap<&str, &'a Unpacked>,
    providers: &BTreeMap<String, &'a Unpacked>,
) -> Vec<&'a Unpacked> {
    if package.format == Format::Apk {
        let relations = package.field("depend").unwrap_or_default();
        let relations = parse_dependencies(&relations).unwrap_or_default();
        let relations = relations.iter().filter(|relation| !relation.conflict);
        let names: BTreeSet<&str> = relations.map(|relation| relation.name).collect();
        let find = |name| packages.get(name).or_else(|| providers.get(name)).copied();
        return names.into_iter().rev().filter_map(find).collect();
    }
    let Ok(stanza) = control::parse_one(package.control.as_bytes(), Limits::default()) else {
        return Vec::new();
    };
    let values = ["Depends", "Pre-Depends"].into_iter().filter_map(|name| stanza.get(name));
    let relations = values.flat_map(|value| value.split([',', '|'])).map(str::trim);
    let names: BTreeSet<&str> = relations
        .filter_map(|relation| relation.split([' ', '(', ':', '[', '\n']).next())
        .collect();
    names.into_iter().rev().filter_map(|name| packages.get(name).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, dump};
    use crate::finish::{FinishError, run_all};
    use hardpan_testkit::deb::{Deb, deb};

    const REDIS: &str = "#!/bin/sh\nset -e\n\
        if ! getent passwd redis >/dev/null; then\n\
        adduser --system --home /var/lib/redis --group redis\nfi\n\
        mkdir -p /var/lib/redis\nchown redis:redis /var/lib/redis\nchmod 0750 /var/lib/redis\n\
        update-alternatives --install /usr/bin/kv kv /usr/bin/redis 10\n";

    fn redis() -> Deb {
        deb("redis", "8").file("/usr/bin/redis", "x").script("postinst", REDIS)
    }

    fn run(yaml: &str, packages: &[Deb]) -> Result<(Tree, super::super::Finished), FinishError> {
        let mut fixture = Fixture::default();
        fixture.yaml(yaml);
        let mut tree = fixture.install(packages);
        let finished = run_all(&mut tree, &fixture.inputs())?;
        Ok((tree, finished))
    }

    fn messages(finished: &super::super::Finished) -> Vec<String> {
        let text = |warning: &Warning| {
            let package = warning.package.as_deref().unwrap_or("-");
            format!("{package} {:?} {}", warning.lines, warning.message)
        };
        finished.warnings.iter().map(text).collect()
    }

    #[test]
    fn files_accounts_and_links_of_a_script() {
        let (tree, finished) = run("", &[redis()]).unwrap();
        assert_eq!(messages(&finished), Vec::<String>::new());
        let uid = crate::finish::accounts::stable_id("redis");
        let text = dump(&tree);
        assert!(text.contains(&format!("/var/lib/redis directory 0750 {uid}:{uid}\n")), "{text}");
        assert!(text.contains("/usr/bin/kv symlink 0777 0:0 -> /etc/alternatives/kv\n"), "{text}");
        let handled = finished.scripts.iter().filter(|action| {
            matches!(&action.treatment, Treatment::Handled { finisher } if finisher == NAME)
        });
        assert!(handled.count() > 0);
    }

    #[test]
    fn the_definition_decides_who_redis_is() {
        let yaml = "accounts:\n  users:\n    - name: redis\n      uid: 65532\n      gid: 65532\n  \
                    groups:\n    - name: redis\n      gid: 65532\n";
        let (tree, _) = run(yaml, &[redis()]).unwrap();
        let text = dump(&tree);
        assert!(text.contains("/var/lib/redis directory 0750 65532:65532\n"), "{text}");
    }

    #[test]
    fn nothing_is_lost_silently() {
        let script = "#!/bin/sh\nfrobnicate\nchown nobody-here /usr/bin/x\nrm -rf /etc/a/../b\n\
                      chown other /usr/bin/x || true\n";
        let package = deb("x", "1").file("/usr/bin/x", "x").script("postinst", script);
        let (_, finished) = run("", &[package]).unwrap();
        assert_eq!(
            messages(&finished),
            [
                "x Some((2, 2)) not done: frobnicate is not known",
                "x Some((3, 3)) no account is named nobody-here: the definition's accounts can add it",
                "x Some((4, 4)) path has a \"..\" component: \"/etc/a/../b\"",
            ]
        );
    }

    #[test]
    fn only_diversions_of_other_packages_matter() {
        let script = "#!/bin/sh\ndpkg-divert --add --divert /usr/bin/a.real /usr/bin/a\n";
        let own = deb("x", "1").file("/usr/bin/a", "x").script("preinst", script);
        let (_, finished) = run("", &[own]).unwrap();
        assert_eq!(messages(&finished), Vec::<String>::new());
        let other = deb("y", "1").file("/usr/bin/a", "y");
        let (_, finished) = run("", &[deb("x", "1").script("preinst", script), other]).unwrap();
        let expected = "x Some((2, 2)) not done: diverts /usr/bin/a to /usr/bin/a.real";
        assert_eq!(messages(&finished), [expected]);
    }

    #[test]
    fn scripts_can_be_left_out() {
        let (tree, finished) = run("x-hardpan:\n  scripts: none\n", &[redis()]).unwrap();
        assert!(finished.scripts.is_empty());
        assert!(!tree.contains(&TreePath::literal("var/lib/redis")));
    }

    #[test]
    fn dependencies_come_first_and_cycles_end() {
        let package = |name: &str, depends: &str| {
            let text = format!("#!/bin/sh\necho {name} >> /etc/order\n");
            deb(name, "1").depends(depends).script("postinst", &text)
        };
        let mut fixture = Fixture::default();
        let mut tree = fixture.install(&[
            package("a", "c (>= 1) | d, missing"),
            package("b", "a:any"),
            package("c", "d"),
            package("d", "c"),
            package("base-files", "z"),
            package("z", ""),
        ]);
        run_all(&mut tree, &fixture.inputs()).unwrap();
        // The scripts of base-files are another finisher's.
        assert_eq!(fixture.text(&tree, "etc/order"), "z\nd\nc\na\nb\n");
    }

    #[test]
    fn what_the_definition_decides_needs_no_warning() {
        let script = "#!/bin/sh\nchown nobody-here /srv/x\n";
        let yaml = "paths:\n  - type: directory\n    path: /srv/x\n    uid: 1\n    gid: 1\n";
        let package = deb("x", "1").directory("/srv/x").script("postinst", script);
        let (tree, finished) = run(yaml, &[package]).unwrap();
        assert_eq!(messages(&finished), Vec::<String>::new());
        assert!(dump(&tree).contains("/srv/x directory 0755 1:1\n"));
    }
}
