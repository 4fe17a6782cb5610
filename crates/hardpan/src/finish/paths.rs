// SPDX-License-Identifier: Apache-2.0
//! The definition's `paths`, in order, and the workspace's second names of paths.
//!
//! * `directory`: made, or its owner set; `mode` too, if given. With `source`, a copy of a directory
//!   of the catalog: all in it gets the rule's owner, files its mode, and directories its mode with
//!   search permission for those who may read.
//! * `recursive`: owner and mode go to all below, as `chmod -R` with `X` for directories.
//! * `symlink`, `file`, `emptyfile`: in place of what stands there, be it a link, but not of a
//!   directory that is not empty. Files are 0644, or 0755 if the catalog's is executable.
//! * `delete`: with all below; a path that is missing is a warning, since packages change.
//!
//! Directories that are missing above a path are made, 0755 root:root.

use std::io;

use hardpan_definition::{Definition, PathKind, PathRule, Span, Spanned};
use hardpan_tree::{Kind, Metadata, Tree, TreePath};

use crate::config::{AddedKind, PathAddition};
use crate::distribution::Family;

use super::{CatalogSource, Editor, FinishError, Inputs, Report, Warning};

/// The finisher's name.
pub const NAME: &str = "paths";
/// The name of the finisher that makes the workspace's links.
pub const ALIASES: &str = "aliases";

/// How deep directories of the catalog may be nested.
const DEPTH_MAX: usize = 64;
/// How many files a rule may copy.
const COPIES_MAX: usize = 100_000;

/// Why a rule can't be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathsError {
    /// The path is not one, or is the root where that can't be.
    #[error("{path:?} can't be the path of this rule")]
    Path {
        /// The path.
        path: String,
    },
    /// A rule needs a `source`.
    #[error("a symbolic link needs a target in `source`")]
    NoSource,
    /// The source leads out of the catalog.
    #[error("the source {source_path:?} is not in the catalog")]
    Escape {
        /// The source.
        source_path: String,
    },
    /// The source can't be read.
    #[error("can't read {source_path:?} of the catalog")]
    Catalog {
        /// The source.
        source_path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The source of a file is a directory, or the other way round.
    #[error("{source_path:?} of the catalog is not a {expected}")]
    WrongKind {
        /// The source.
        source_path: String,
        /// `file` or `directory`.
        expected: &'static str,
    },
    /// More than a rule may copy.
    #[error("{source_path:?} of the catalog has too many files or directories in each other")]
    TooMuch {
        /// The source.
        source_path: String,
    },
    /// The tree does not allow it.
    #[error(transparent)]
    Tree(Box<FinishError>),
}

impl From<FinishError> for PathsError {
    fn from(error: FinishError) -> Self {
        Self::Tree(Box::new(error))
    }
}

/// Returns whether the definition's `paths` say what stands at a path: no default takes its place.
pub fn is_decided(definition: &Definition, path: &TreePath) -> bool {
    definition.paths.iter().any(|rule| {
        TreePath::parse(rule.path.value.as_bytes()).is_ok_and(|ruled| match rule.kind {
            PathKind::Delete => !ruled.is_root() && path.starts_with(&ruled),
            _ => *path == ruled,
        })
    })
}

/// Follows the definition's rules.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    follow(tree, &inputs.definition.paths, None, inputs, report)
        .map_err(|(span, source)| FinishError::Paths { package: None, span: Some(span), source })
}

/// Follows rules, the definition's or a package's; an error says which rule.
pub(super) fn follow(
    tree: &mut Tree,
    rules: &[Spanned<PathRule>],
    package: Option<&str>,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), (Span, PathsError)> {
    let mut editor = Editor::new(tree, NAME, inputs.epoch).for_definition();
    for rule in rules {
        let missing =
            apply_rule(&mut editor, rule, inputs).map_err(|error| (rule.path.span, error))?;
        report.warnings.extend(missing.map(|message| Warning {
            finisher: NAME,
            package: package.map(str::to_owned),
            file: None,
            lines: None,
            message,
        }));
    }
    report.actions.extend(editor.finish(package));
    Ok(())
}

/// Makes what the workspace adds to packages that are installed.
pub(crate) fn apply_additions(
    tree: &mut Tree,
    additions: &[PathAddition],
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    // Charts have no packages.
    let family = Family::of(inputs.definition.syntax.distribution).ok();
    let is_wanted = |addition: &&PathAddition| {
        let only = addition.distribution.as_deref();
        inputs.has(&addition.package)
            && only.is_none_or(|only| family.is_some_and(|family| family.name() == only))
    };
    for addition in additions.iter().filter(is_wanted) {
        let text = |text: &String| Spanned::new(text.clone(), Span::default());
        let rule = PathRule {
            kind: match addition.kind {
                AddedKind::Directory => PathKind::Directory,
                AddedKind::File => PathKind::File,
                AddedKind::Symlink => PathKind::Symlink,
            },
            path: text(&addition.path),
            source: addition.source.as_ref().map(text),
            content: addition.content.as_ref().map(text),
            uid: addition.uid,
            gid: addition.gid,
            mode: addition.mode(),
            recursive: false,
        };
        let rules = [Spanned::new(rule, Span::default())];
        let package = Some(addition.package.as_str());
        follow(tree, &rules, package, inputs, report).map_err(|(_, source)| {
            FinishError::Paths { package: package.map(str::to_owned), span: None, source }
        })?;
    }
    Ok(())
}

/// Makes the workspace's links where the target exists and nothing stands at the link.
pub fn apply_aliases(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let mut editor = Editor::new(tree, ALIASES, inputs.epoch);
    for alias in inputs.aliases {
        if !editor.exists(&alias.link) && editor.tree().resolve(&alias.target).is_ok() {
            editor.symlink(&alias.link, alias.target.to_string())?;
        }
    }
    report.actions.extend(editor.finish(None));
    Ok(())
}

/// Follows one rule; returns what did not need doing, if that is worth a warning.
fn apply_rule(
    editor: &mut Editor<'_>,
    rule: &PathRule,
    inputs: &Inputs<'_>,
) -> Result<Option<String>, PathsError> {
    let wrong = || PathsError::Path { path: rule.path.value.clone() };
    let path = TreePath::parse(rule.path.value.as_bytes()).map_err(|_| wrong())?;
    if path.is_root() && rule.kind != PathKind::Directory {
        return Err(wrong());
    }
    let owned =
        |mode| Metadata { uid: rule.uid, gid: rule.gid, ..Metadata::root(mode, inputs.epoch) };
    match rule.kind {
        PathKind::Directory => make_directory(editor, rule, &path, inputs)?,
        PathKind::Symlink => {
            let target = rule.source.as_ref().filter(|target| !target.is_empty());
            let target = target.ok_or(PathsError::NoSource)?.value.clone();
            editor.node(&path, Kind::Symlink(target.into_bytes()), owned(0o777))?;
        }
        PathKind::File => {
            let (bytes, is_executable) = match (&rule.content, &rule.source) {
                (Some(content), _) => (content.value.as_bytes().into(), false),
                (None, Some(source)) => match read(inputs, source)? {
                    CatalogSource::File { bytes, is_executable } => (bytes, is_executable),
                    CatalogSource::Directory(_) => return Err(wrong_kind(source, "file")),
                },
                (None, None) => (std::sync::Arc::from(&[][..]), false),
            };
            let mode = rule.mode.unwrap_or(if is_executable { 0o755 } else { 0o644 });
            editor.file(&path, bytes, owned(mode))?;
        }
        PathKind::EmptyFile => {
            editor.file(&path, Vec::new(), owned(rule.mode.unwrap_or(0o644)))?;
        }
        PathKind::Delete => {
            if !editor.exists(&path) {
                return Ok(Some(format!("{path} is to be deleted and does not exist")));
            }
            editor.remove(&path)?;
        }
        _ => return Err(wrong()),
    }
    Ok(None)
}

fn make_directory(
    editor: &mut Editor<'_>,
    rule: &PathRule,
    path: &TreePath,
    inputs: &Inputs<'_>,
) -> Result<(), PathsError> {
    let existing = editor.tree().resolve(path).ok().and_then(|place| editor.tree().get(&place));
    let existing_mode = existing
        .filter(|node| node.kind == Kind::Directory)
        .map_or(0o755, |node| node.metadata.mode);
    let searchable = rule.source.is_some() || rule.recursive;
    let mode = match rule.mode {
        Some(mode) if searchable => search_where_readable(mode),
        Some(mode) => mode,
        None => existing_mode,
    };
    let metadata = Metadata { uid: rule.uid, gid: rule.gid, ..Metadata::root(mode, inputs.epoch) };
    let place = editor.directory(path, metadata.clone())?;
    if let Some(source) = &rule.source {
        let mut copies = 0;
        copy(editor, rule, source, &place, inputs, 0, &mut copies)?;
    }
    if rule.recursive {
        let below: Vec<TreePath> =
            editor.tree().walk_below(&place).map(|(path, _)| path.clone()).collect();
        for path in below {
            let Some(node) = editor.tree().get(&path) else { continue };
            let mode = match (&node.kind, rule.mode) {
                (Kind::Directory, Some(mode)) => search_where_readable(mode),
                (Kind::File(_), Some(mode)) => mode,
                _ => node.metadata.mode,
            };
            // A hard link's own metadata means nothing, and its file may be elsewhere.
            if !matches!(node.kind, Kind::HardLink(_)) {
                editor.set_metadata(&path, Metadata { mode, ..metadata.clone() });
            }
        }
    }
    Ok(())
}

/// Adds search permission for those who may read.
fn search_where_readable(mode: u32) -> u32 {
    mode | ((mode & 0o444) >> 2)
}

/// Copies a directory of the catalog to one of the tree.
fn copy(
    editor: &mut Editor<'_>,
    rule: &PathRule,
    source: &str,
    to: &TreePath,
    inputs: &Inputs<'_>,
    depth: usize,
    copies: &mut usize,
) -> Result<(), PathsError> {
    let CatalogSource::Directory(names) = read(inputs, source)? else {
        return Err(wrong_kind(source, "directory"));
    };
    let owned =
        |mode| Metadata { uid: rule.uid, gid: rule.gid, ..Metadata::root(mode, inputs.epoch) };
    for name in names {
        *copies += 1;
        if depth > DEPTH_MAX || *copies > COPIES_MAX {
            return Err(PathsError::TooMuch { source_path: source.to_owned() });
        }
        let is_name = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        let path = to.join(name.as_bytes()).ok().filter(|_| is_name);
        let path = path.ok_or_else(|| PathsError::Escape { source_path: name.clone() })?;
        let source = format!("{}/{name}", source.trim_end_matches('/'));
        match read(inputs, &source)? {
            CatalogSource::File { bytes, is_executable } => {
                let mode = rule.mode.unwrap_or(if is_executable { 0o755 } else { 0o644 });
                editor.file(&path, bytes, owned(mode))?;
            }
            CatalogSource::Directory(_) => {
                let mode = rule.mode.map_or(0o755, search_where_readable);
                let place = editor.directory(&path, owned(mode))?;
                copy(editor, rule, &source, &place, inputs, depth + 1, copies)?;
            }
        }
    }
    Ok(())
}

fn read(inputs: &Inputs<'_>, source: &str) -> Result<CatalogSource, PathsError> {
    let leads_out = source.starts_with('/')
        || source.contains(['\0', '\\'])
        || source.split('/').any(|name| name == "..");
    if leads_out {
        return Err(PathsError::Escape { source_path: source.to_owned() });
    }
    (inputs.catalog)(source)
        .map_err(|error| PathsError::Catalog { source_path: source.to_owned(), source: error })
}

fn wrong_kind(source: &str, expected: &'static str) -> PathsError {
    PathsError::WrongKind { source_path: source.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::PathAlias;
    use crate::finish::testing::{Fixture, dump, tree};

    fn rules(text: &str) -> Fixture {
        let mut fixture = Fixture::default();
        fixture.yaml(&format!("paths:\n  - {}\n", text.replace("; ", "\n    ")));
        fixture.files(&[
            ("image/x/run.sh", "#!/bin/sh\n"),
            ("image/x/conf.d/a", "a"),
            ("image/x/conf.d/sub/b", "b"),
        ]);
        fixture
    }

    #[test]
    fn rules_do_what_they_say() {
        for (rule, expected) in [
            (
                "type: directory; path: /a/b",
                &["/a directory 0755 0:0", "/a/b directory 0755 0:0"][..],
            ),
            ("type: directory; path: /d; uid: 5; gid: 6", &["/d directory 0711 5:6"]),
            ("type: directory; path: /d; mode: \"0700\"", &["/d directory 0700 0:0"]),
            ("type: directory; path: /via", &["/via symlink", "/d directory 0711 0:0"]),
            (
                "type: directory; path: /d; uid: 5; gid: 5; mode: \"0640\"; recursive: true",
                &["/d directory 0750 5:5", "/d/f file 0640 5:5", "/d/l symlink 0777 5:5"],
            ),
            (
                "type: directory; path: /etc/x; source: image/x/conf.d; mode: \"0644\"; uid: 7",
                &[
                    "/etc/x directory 0755 7:0",
                    "/etc/x/a file 0644 7:0 1 ",
                    "/etc/x/sub directory 0755 7:0",
                    "/etc/x/sub/b file 0644 7:0 1 ",
                ],
            ),
            ("type: symlink; path: /s; source: d/f", &["/s symlink 0777 0:0 -> d/f"]),
            ("type: symlink; path: /d/l; source: x", &["/d/l symlink 0777 0:0 -> x"]),
            ("type: symlink; path: /empty; source: x", &["/empty symlink 0777 0:0 -> x"]),
            ("type: file; path: /f; content: abc", &["/f file 0644 0:0 3"]),
            ("type: file; path: /via/n; content: abc", &["/d/n file 0644 0:0 3"]),
            (
                "type: file; path: /d/l; content: abc",
                &["/d/l file 0644 0:0 3", "/d/f file 0644 0:0 3"],
            ),
            ("type: file; path: /r; source: image/x/run.sh", &["/r file 0755 0:0 10"]),
            (
                "type: file; path: /r; source: image/x/run.sh; mode: \"0500\"; uid: 3",
                &["/r file 0500 3:0 10"],
            ),
            ("type: emptyfile; path: /e/f; gid: 4", &["/e/f file 0644 0:4 0"]),
        ] {
            let mut root = tree(&["d/f", "d/l->f", "via->d", "empty/"]);
            root.metadata_mut(&TreePath::literal("d")).unwrap().mode = 0o711;
            let mut report = Report::default();
            apply(&mut root, &rules(rule).inputs(), &mut report).unwrap();
            assert_eq!(report.warnings, [], "{rule}");
            for line in expected {
                assert!(dump(&root).contains(line), "{rule}: {line}\n{}", dump(&root));
            }
        }
    }

    #[test]
    fn deleting_takes_links_not_what_they_lead_to() {
        let mut root = tree(&["d/f", "d/g/h", "l->d", "k"]);
        let mut report = Report::default();
        let fixture = rules("type: delete; path: /l");
        apply(&mut root, &fixture.inputs(), &mut report).unwrap();
        assert!(
            root.contains(&TreePath::literal("d/f")) && !root.contains(&TreePath::literal("l"))
        );
        apply(&mut root, &rules("type: delete; path: /d").inputs(), &mut report).unwrap();
        assert_eq!(root.len(), 2);
        assert_eq!(report.warnings, []);
        apply(&mut root, &fixture.inputs(), &mut report).unwrap();
        assert_eq!(report.warnings.len(), 1);
        assert!(report.warnings[0].message.contains("/l"));
    }

    #[test]
    fn bad_rules_are_errors_with_their_place() {
        for (rule, expected) in [
            ("type: file; path: /d; content: x", "paths can't make /d"),
            ("type: symlink; path: /d; source: x", "paths can't make /d"),
            ("type: directory; path: /d/f", "paths can't make /d/f"),
            ("type: directory; path: /d/f/x", "paths can't make /d/f/x"),
            ("type: directory; path: /dangling", "paths can't make /dangling"),
            ("type: file; path: /loop/x; content: x", "paths can't follow /loop/x"),
            (
                "type: file; path: /x; source: image/missing",
                "can't read \"image/missing\" of the catalog",
            ),
            (
                "type: file; path: /x; source: image/x/conf.d",
                "\"image/x/conf.d\" of the catalog is not a file",
            ),
            (
                "type: directory; path: /x; source: image/x/run.sh",
                "\"image/x/run.sh\" of the catalog is not a directory",
            ),
            ("type: delete; path: /", "\"/\" can't be the path of this rule"),
        ] {
            let mut root = tree(&["d/f", "dangling->nowhere", "loop->loop"]);
            let fixture = rules(rule);
            let mut report = Report::default();
            let error = apply(&mut root, &fixture.inputs(), &mut report).unwrap_err();
            assert!(error.span().is_some_and(|span| span.end > span.start), "{rule}");
            let FinishError::Paths { source, .. } = error else { panic!("{rule}") };
            assert_eq!(source.to_string(), expected, "{rule}");
        }
    }

    #[test]
    fn sources_stay_in_the_catalog() {
        let fixture = Fixture::default();
        for source in ["../x", "a/../../x", "/etc/passwd", "a\\b", ".."] {
            let error = read(&fixture.inputs(), source).unwrap_err();
            assert!(matches!(error, PathsError::Escape { .. }), "{source}");
        }
        let mut fixture = rules("type: directory; path: /x; source: evil");
        for name in ["..", ".", "a/b", ""] {
            fixture.catalog = Box::new(move |_| Ok(CatalogSource::Directory([name.into()].into())));
            let error = apply(&mut tree(&[]), &fixture.inputs(), &mut Report::default());
            assert!(error.is_err(), "{name:?}");
        }
        // A directory that contains itself.
        fixture.catalog = Box::new(|_| Ok(CatalogSource::Directory(["a".to_owned()].into())));
        let error = apply(&mut tree(&[]), &fixture.inputs(), &mut Report::default()).unwrap_err();
        assert!(
            matches!(error, FinishError::Paths { source: PathsError::TooMuch { .. }, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_file_in_place_of_a_hard_linked_one_leaves_the_links() {
        let mut root = tree(&["a"]);
        let path = TreePath::literal("a");
        let link = hardpan_tree::Node {
            kind: Kind::HardLink(path.clone()),
            ..root.get(&path).unwrap().clone()
        };
        root.insert(TreePath::literal("b"), link).unwrap();
        let fixture = rules("type: file; path: /a; content: new");
        apply(&mut root, &fixture.inputs(), &mut Report::default()).unwrap();
        assert_eq!(fixture.text(&root, "b"), "a");
        assert_eq!(fixture.text(&root, "a"), "new");
    }

    #[test]
    fn aliases_need_a_target_and_a_free_place() {
        let mut root = tree(&["usr/bin/long", "usr/bin/taken"]);
        let alias = |link, target| PathAlias {
            link: TreePath::literal(link),
            target: TreePath::literal(target),
        };
        let fixture = Fixture {
            aliases: vec![
                alias("usr/local/bin/short", "usr/bin/long"),
                alias("usr/bin/taken", "usr/bin/long"),
                alias("usr/bin/none", "usr/bin/missing"),
            ],
            ..Fixture::default()
        };
        apply_aliases(&mut root, &fixture.inputs(), &mut Report::default()).unwrap();
        let text = dump(&root);
        assert!(text.contains("/usr/local/bin/short symlink 0777 0:0 -> /usr/bin/long"));
        assert!(text.contains("/usr/bin/taken file"));
        assert!(!text.contains("/usr/bin/none"));
    }

    #[test]
    fn the_definition_decides_on_what_it_names() {
        let fixture =
            rules("type: delete; path: /etc/x\n  - type: file\n    path: /a\n    content: x");
        for (path, expected) in
            [("/etc/x", true), ("/etc/x/y", true), ("/etc", false), ("/a", true), ("/a/b", false)]
        {
            let path = TreePath::parse(path).unwrap();
            assert_eq!(is_decided(&fixture.definition, &path), expected, "{path}");
        }
    }
}
