// SPDX-License-Identifier: Apache-2.0
//! Links that switch modules of PHP on, as `phpenmod` makes them.

use std::collections::BTreeSet;

use hardpan_tree::{Kind, Tree, TreePath};

use super::{Editor, FinishError, Inputs, Report, Warning};

/// The finisher's name.
pub const NAME: &str = "php-modules";

/// The longest name of a version, interface or module, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A module to switch on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish {
    /// The version of PHP (`8.4`).
    pub version: String,
    /// The interface (`cli`, `fpm`), or all that are there.
    pub interface: Option<String>,
    /// The module, or all that are there.
    pub module: Option<String>,
}

/// Makes `/etc/php/VERSION/INTERFACE/conf.d/NN-MODULE.ini` for every version, interface and module
/// wished for. A module that is not there is a warning.
///
/// # Errors
/// If a module's file can't be read.
pub fn apply(
    tree: &mut Tree,
    wishes: &BTreeSet<Wish>,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    for wish in wishes {
        for (version, module) in modules(&editor, wish) {
            let file = format!("/etc/php/{version}/mods-available/{module}.ini");
            let Some(path) = parse(&file) else { continue };
            let Some(bytes) = editor.read(&path, inputs.contents)? else {
                let message = format!("PHP {version} has no module {module}");
                report.warnings.push(Warning {
                    finisher: NAME,
                    package: None,
                    file: None,
                    lines: None,
                    message,
                });
                continue;
            };
            let priority = priority(&String::from_utf8_lossy(&bytes));
            for interface in interfaces(&editor, wish) {
                let link =
                    format!("/etc/php/{version}/{interface}/conf.d/{priority:02}-{module}.ini");
                if let Some(link) = parse(&link).filter(|link| !editor.exists(link)) {
                    editor.symlink(&link, file.as_str())?;
                }
            }
        }
    }
    report.actions.extend(editor.finish(None));
    Ok(())
}

/// Lists the modules that are wished for.
fn modules(editor: &Editor<'_>, wish: &Wish) -> Vec<(String, String)> {
    let version = wish.version.clone();
    let names = match &wish.module {
        Some(module) => vec![module.clone()],
        None => names(editor, &format!("etc/php/{version}/mods-available"), ".ini"),
    };
    let good = names.into_iter().filter(|name| is_name(name) && is_name(&version));
    good.map(|name| (version.clone(), name)).collect()
}

/// Lists the interfaces that are wished for and that have a folder for links.
fn interfaces(editor: &Editor<'_>, wish: &Wish) -> Vec<String> {
    let version = &wish.version;
    let mut names = match &wish.interface {
        Some(interface) => vec![interface.clone()],
        None => names(editor, &format!("etc/php/{version}"), ""),
    };
    names.retain(|name| {
        let folder = parse(&format!("etc/php/{version}/{name}/conf.d"));
        is_name(name) && folder.is_some_and(|folder| editor.is_directory(&folder))
    });
    names
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains('/') && text != ".."
}

fn parse(path: &str) -> Option<TreePath> {
    TreePath::parse(path).ok()
}

/// Reads `; priority=20`; modules without it come at 20, as phpenmod has it.
fn priority(text: &str) -> u32 {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(';'));
    let found = lines
        .filter_map(|line| line.trim().strip_prefix("priority"))
        .find_map(|rest| rest.trim_start().strip_prefix('=')?.trim().parse().ok());
    found.filter(|priority| *priority < 100).unwrap_or(20)
}

/// Lists the names in a directory that end so, without that end; directories for an empty end.
fn names(editor: &Editor<'_>, directory: &str, end: &str) -> Vec<String> {
    let Some(directory) = parse(directory) else { return Vec::new() };
    let children = editor.tree().children(&directory);
    let children = children.filter(|(_, node)| end.is_empty() == (node.kind == Kind::Directory));
    let names = children.filter_map(|(path, _)| std::str::from_utf8(path.name()).ok());
    names.filter_map(|name| name.strip_suffix(end)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, add, dump, tree};

    fn run(wishes: &[(&str, Option<&str>, Option<&str>)]) -> (String, usize) {
        let mut root = tree(&["etc/php/8.4/cli/conf.d/", "etc/php/8.4/fpm/conf.d/"]);
        add(&mut root, "etc/php/8.4/mods-available/opcache.ini", "; priority=10\n");
        add(&mut root, "etc/php/8.4/mods-available/xml.ini", "");
        let wishes = wishes.iter().map(|(version, interface, module)| Wish {
            version: (*version).to_owned(),
            interface: interface.map(str::to_owned),
            module: module.map(str::to_owned),
        });
        let mut report = Report::default();
        let fixture = Fixture::default();
        apply(&mut root, &wishes.collect(), &fixture.inputs(), &mut report).unwrap();
        let links = dump(&root);
        let links: Vec<&str> = links.lines().filter(|line| line.contains("symlink")).collect();
        (links.join("\n"), report.warnings.len())
    }

    #[test]
    fn links_are_made_for_what_is_there() {
        let (links, warnings) = run(&[("8.4", None, Some("xml")), ("8.4", Some("cli"), None)]);
        insta::assert_snapshot!(links, @"
        /etc/php/8.4/cli/conf.d/10-opcache.ini symlink 0777 0:0 -> /etc/php/8.4/mods-available/opcache.ini
        /etc/php/8.4/cli/conf.d/20-xml.ini symlink 0777 0:0 -> /etc/php/8.4/mods-available/xml.ini
        /etc/php/8.4/fpm/conf.d/20-xml.ini symlink 0777 0:0 -> /etc/php/8.4/mods-available/xml.ini
        ");
        assert_eq!(warnings, 0);
    }

    #[test]
    fn what_is_not_there_is_no_link() {
        assert_eq!(run(&[("8.4", None, Some("gone"))]), (String::new(), 1));
        for wish in [
            ("9.9", None, None),
            ("8.4", Some("apache2"), Some("xml")),
            ("8.4", None, Some("../../../x")),
            ("..", None, None),
            ("8.4", Some(".."), Some("xml")),
        ] {
            assert_eq!(run(&[wish]), (String::new(), 0), "{wish:?}");
        }
    }

    #[test]
    fn priorities() {
        for (text, expected) in [
            ("; configuration\n; priority=10\nextension=x.so\n", 10),
            (";priority = 5\n", 5),
            ("; priority=many\n", 20),
            ("; priority=4000000000\n", 20),
            ("", 20),
        ] {
            assert_eq!(priority(text), expected, "{text}");
        }
    }
}
