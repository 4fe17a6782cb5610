// SPDX-License-Identifier: Apache-2.0
//! `includes`: loading and merging of other files, before variables are substituted.
//!
//! The files of the list are merged in order, then the including file on top: mappings merge deeply, lists are
//! appended (included entries first), and for everything else the later one wins, so the including file over all.
//! A file that is reached several times is merged once, at its first place.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Includes, Source, Span};
use crate::yaml::{self, Entry, Kind, Node};

/// Longest chain of files that include each other.
const MAX_DEPTH: usize = 16;
/// Most files of one definition.
const MAX_FILES: usize = 64;

/// Loads the includes of `root` and merges everything into one tree without the key `includes`.
/// New sources are appended to `sources`, whose first element is the definition itself.
pub(crate) fn merge(
    root: Node,
    includes: &dyn Includes,
    sources: &mut Vec<Source>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Node {
    let own = normalise(&sources[0].name).unwrap_or_else(|_| sources[0].name.clone());
    let mut merger =
        Merger { includes, sources, diagnostics, stack: vec![own], done: BTreeSet::new() };
    merger.file(root)
}

struct Merger<'a> {
    includes: &'a dyn Includes,
    sources: &'a mut Vec<Source>,
    diagnostics: &'a mut Vec<Diagnostic>,
    stack: Vec<String>,
    done: BTreeSet<String>,
}

impl Merger<'_> {
    fn file(&mut self, mut node: Node) -> Node {
        let Kind::Map(entries) = &mut node.kind else {
            return node;
        };
        let Some(at) = entries.iter().position(|entry| entry.key == "includes") else {
            return node;
        };
        let list = entries.remove(at).value;
        let mut base: Option<Node> = None;
        for (path, span) in self.paths(list) {
            if let Some(included) = self.load(&path, span) {
                base = Some(match base {
                    Some(base) => overlay(base, included),
                    None => included,
                });
            }
        }
        match base {
            Some(base) => overlay(base, node),
            None => node,
        }
    }

    fn paths(&mut self, list: Node) -> Vec<(String, Span)> {
        if list.is_null() {
            return Vec::new();
        }
        let Kind::List(items) = list.kind else {
            let found = list.describe();
            self.diagnostics.push(
                Diagnostic::error(
                    Code::WrongType,
                    list.span,
                    format!("`includes` is a list of paths, found {found}"),
                )
                .help("write `includes:` and one `- path` per line"),
            );
            return Vec::new();
        };
        let mut paths = Vec::new();
        for item in items {
            match item.kind {
                Kind::Scalar(scalar) if !scalar.is_null() => paths.push((scalar.text, item.span)),
                _ => self.diagnostics.push(Diagnostic::error(
                    Code::WrongType,
                    item.span,
                    format!("expected a path, found {}", item.describe()),
                )),
            }
        }
        paths
    }

    fn load(&mut self, path: &str, span: Span) -> Option<Node> {
        let path = match normalise(path) {
            Ok(path) => path,
            Err(reason) => {
                self.error(Code::BadInclude, span, reason);
                return None;
            }
        };
        if self.stack.contains(&path) {
            let circle = self.stack.join(" → ");
            self.error(
                Code::IncludeCycle,
                span,
                format!("`{path}` includes itself: {circle} → {path}"),
            );
            return None;
        }
        if self.stack.len() > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} files include each other");
            self.error(Code::IncludeCycle, span, message);
            return None;
        }
        if !self.done.insert(path.clone()) {
            return None;
        }
        if self.sources.len() > MAX_FILES {
            self.error(Code::Limit, span, format!("more than {MAX_FILES} included files"));
            return None;
        }
        let source = match self.includes.load(&path) {
            Ok(source) => source,
            Err(error) => {
                self.error(Code::BadInclude, span, format!("cannot include `{path}`: {error}"));
                return None;
            }
        };
        let index = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        self.sources.push(source.clone());
        let node = yaml::read(&source, index, self.diagnostics)?;
        if node.is_null() {
            return None;
        }
        if !matches!(node.kind, Kind::Map(_)) {
            let message = format!("an included file is a mapping, found {}", node.describe());
            self.error(Code::WrongType, node.span, message);
            return None;
        }
        self.stack.push(path);
        let node = self.file(node);
        self.stack.pop();
        Some(node)
    }

    fn error(&mut self, code: Code, span: Span, message: String) {
        let mut diagnostic = Diagnostic::error(code, span, message);
        if code == Code::BadInclude {
            diagnostic.help = Some("paths are relative to the root of the catalog".to_owned());
        }
        self.diagnostics.push(diagnostic);
    }
}

/// Removes `.` and doubled slashes; refuses what could leave the catalog.
fn normalise(path: &str) -> Result<String, String> {
    if path.starts_with('/') || path.contains('\\') || path.contains(':') {
        return Err(format!("`{}` is not a relative path", path.escape_debug()));
    }
    if path.chars().any(char::is_control) {
        return Err("the path has a control character".to_owned());
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(format!("`{path}` has `..`, which could leave the catalog"));
    }
    if parts.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(parts.join("/"))
}

/// `top` over `base`.
fn overlay(base: Node, top: Node) -> Node {
    let span = top.span;
    let kind = match (base.kind, top.kind) {
        (Kind::Map(base), Kind::Map(top)) => Kind::Map(overlay_entries(base, top)),
        (Kind::List(mut base), Kind::List(top)) => {
            base.extend(top);
            Kind::List(base)
        }
        // Nothing, as in `packages:` without entries, adds nothing to a collection.
        (base @ (Kind::Map(_) | Kind::List(_)), Kind::Scalar(scalar)) if scalar.is_null() => base,
        (_, top) => top,
    };
    Node { kind, span }
}

fn overlay_entries(mut base: Vec<Entry>, top: Vec<Entry>) -> Vec<Entry> {
    for entry in top {
        match base.iter().position(|old| old.key == entry.key) {
            Some(at) => {
                let old = base.remove(at);
                let merged = Entry { value: overlay(old.value, entry.value), ..entry };
                base.insert(at, merged);
            }
            None => base.push(entry),
        }
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    fn show(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar(scalar) => scalar.text.clone(),
            Kind::List(items) => {
                let items: Vec<_> = items.iter().map(show).collect();
                format!("[{}]", items.join(" "))
            }
            Kind::Map(entries) => {
                let mut text = String::new();
                for entry in entries {
                    let _ = write!(text, "{}:{};", entry.key, show(&entry.value));
                }
                format!("{{{text}}}")
            }
        }
    }

    fn merged(root: &str, files: &[(&str, &str)]) -> (String, Vec<(Code, String)>) {
        let files: BTreeMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let mut sources = vec![Source::new("root.yaml", root)];
        let mut diagnostics = Vec::new();
        let node = yaml::read(&sources[0].clone(), 0, &mut diagnostics).expect("tree");
        let node = merge(node, &files, &mut sources, &mut diagnostics);
        let found = diagnostics
            .iter()
            .map(|diagnostic| {
                let (name, line, column) = diagnostic.locate(&sources).expect("place");
                (diagnostic.code, format!("{name}:{line}:{column}"))
            })
            .collect();
        (show(&node), found)
    }

    #[test]
    fn order_and_depth() {
        let (tree, diagnostics) = merged(
            "includes: [a.yaml, ./b.yaml]\nm: {x: root}\nl: [r]\ns: root\nn:\n",
            &[
                ("a.yaml", "m: {x: a, y: a, z: a}\nl: [a]\ns: a\nt: a\nn: [a]\n"),
                ("b.yaml", "includes: [dir/c.yaml, a.yaml]\nm: {y: b}\nl: [b]\nt: b\n"),
                ("dir/c.yaml", "l: [c]\n"),
            ],
        );
        assert_eq!(diagnostics, []);
        assert_eq!(tree, "{m:{x:root;y:b;z:a;};l:[a c b r];s:root;t:b;n:[a];}");
    }

    #[test]
    fn refusals() {
        let long: Vec<(String, String)> =
            (0..40).map(|n| (format!("f{n}"), format!("includes: [f{}]\n", n + 1))).collect();
        let long: Vec<(&str, &str)> =
            long.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        for (root, files, code, place) in [
            ("includes:\n  - a\n", &[][..], Code::BadInclude, "root.yaml:2:5"),
            ("includes:\n  - ../a\n", &[], Code::BadInclude, "root.yaml:2:5"),
            ("includes:\n  - x/../../a\n", &[], Code::BadInclude, "root.yaml:2:5"),
            ("includes:\n  - /a\n", &[], Code::BadInclude, "root.yaml:2:5"),
            ("includes:\n  - ''\n", &[], Code::BadInclude, "root.yaml:2:5"),
            ("includes: a\n", &[], Code::WrongType, "root.yaml:1:11"),
            ("includes: [{a: b}]\n", &[], Code::WrongType, "root.yaml:1:12"),
            ("includes: [root.yaml]\n", &[], Code::IncludeCycle, "root.yaml:1:12"),
            (
                "includes: [a]\n",
                &[("a", "x: 1\nincludes: [b]\n"), ("b", "includes: [a]")],
                Code::IncludeCycle,
                "b:1:12",
            ),
            ("includes: [a]\n", &[("a", "- x\n")], Code::WrongType, "a:1:1"),
            ("includes: [a]\n", &[("a", "x: [\n")], Code::BadYaml, "a:1:4"),
            ("includes: [f0]\n", &long, Code::IncludeCycle, "f15:1:12"),
        ] {
            let (_, diagnostics) = merged(root, files);
            assert_eq!(diagnostics, [(code, place.to_owned())], "{root}");
        }
    }
}
