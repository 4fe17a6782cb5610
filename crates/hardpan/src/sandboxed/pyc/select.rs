// SPDX-License-Identifier: Apache-2.0
//! Which files of a tree are compiled, and for which interpreter.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_package::segment::Unpacked;
use hardpan_tree::{Digest, Kind, Tree, TreePath};

use crate::sandboxed::workshop::source_identity;

/// The largest source that is compiled, in bytes. Larger ones are data, and python takes minutes for them.
const SOURCE_BYTES_MAX: u64 = 16 << 20;
/// The most sources of an image.
pub(super) const SOURCES_MAX: usize = 500_000;

/// An interpreter of Debian.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interpreter {
    /// Its minor version: 13 for Python 3.13.
    pub(super) minor: u32,
    /// The package with the program: `python3.13-minimal`.
    pub(super) package: String,
    /// Its source package and that one's version. What it compiles depends on nothing else: not on
    /// the architecture that it was built for.
    pub(super) source: String,
}

/// A file to compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Where it is.
    pub(super) path: TreePath,
    /// Its content.
    pub(super) digest: Digest,
}

/// Returns the interpreters among an image's packages whose program is in the tree.
pub(super) fn interpreters<'p>(
    tree: &Tree,
    packages: impl Iterator<Item = &'p Unpacked>,
) -> Vec<Interpreter> {
    let mut found = Vec::new();
    for package in packages {
        let minor = package.name.strip_prefix("python3.").and_then(|rest| {
            let digits = rest.strip_suffix("-minimal")?;
            digits.parse::<u32>().ok()
        });
        let Some(minor) = minor else { continue };
        let program = TreePath::parse(format!("usr/bin/python3.{minor}"));
        if program.is_ok_and(|path| tree.file(&path).is_some()) {
            let (name, source) = (package.name.clone(), source_identity(package));
            found.push(Interpreter { minor, package: name, source });
        }
    }
    found.sort();
    found
}

/// Returns the directories whose modules an interpreter imports, or that a package's script compiles.
fn directories<'p>(minor: u32, packages: impl Iterator<Item = &'p Unpacked>) -> BTreeSet<TreePath> {
    let mut directories: BTreeSet<TreePath> = [
        "usr/lib/python3/dist-packages",
        "usr/share/python3",
        "usr/local/lib/python3/dist-packages",
    ]
    .map(TreePath::literal)
    .into();
    for root in ["usr/lib", "usr/local/lib"] {
        directories.extend(TreePath::parse(format!("{root}/python3.{minor}")));
    }
    for script in packages.filter_map(|package| package.scripts.get("postinst")) {
        directories.extend(private_directories(script));
    }
    directories
}

/// Returns the directories that a script gives to `py3compile`: those of modules that only one program
/// imports.
fn private_directories(script: &str) -> Vec<TreePath> {
    let lines = script.lines().map(str::trim_start).filter(|line| line.starts_with("py3compile "));
    let words = lines.flat_map(|line| line.split(['|', ';', '&']).next().into_iter());
    let words = words.flat_map(str::split_whitespace).filter(|word| word.starts_with('/'));
    let paths = words.filter_map(|word| TreePath::parse(word).ok());
    // Never all of `/usr`, whatever a script says.
    paths.filter(|path| path.components().count() > 2).collect()
}

/// Returns what is compiled for an interpreter, sorted by path.
///
/// Links are left out: they are configuration (`sitecustomize.py`), or what they lead to is compiled.
/// So are modules that have been compiled already.
pub(super) fn sources<'p>(
    tree: &Tree,
    minor: u32,
    packages: impl Iterator<Item = &'p Unpacked>,
) -> Vec<Source> {
    let mut sources: BTreeMap<TreePath, Source> = BTreeMap::new();
    for directory in directories(minor, packages) {
        let Ok(directory) = tree.resolve(&directory) else { continue };
        for (path, node) in tree.walk_below(&directory) {
            let is_file = matches!(node.kind, Kind::File(_) | Kind::HardLink(_));
            if !is_file || path.name().strip_suffix(b".py").is_none_or(<[u8]>::is_empty) {
                continue;
            }
            let Some((_, file)) = tree.file(path) else { continue };
            let is_compiled = compiled_path(path, minor).is_none_or(|path| tree.contains(&path));
            // The list of paths is separated by NUL, which no path has.
            if file.size_bytes <= SOURCE_BYTES_MAX && !is_compiled {
                sources.insert(path.clone(), Source { path: path.clone(), digest: file.digest });
            }
        }
    }
    sources.into_values().collect()
}

/// Returns where an interpreter looks for a compiled module: `__pycache__/os.cpython-313.pyc`.
pub(super) fn compiled_path(source: &TreePath, minor: u32) -> Option<TreePath> {
    let stem = source.name().strip_suffix(b".py")?;
    let mut name = stem.to_vec();
    name.extend(format!(".cpython-3{minor}.pyc").bytes());
    source.parent()?.join(b"__pycache__").ok()?.join(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, tree};
    use hardpan_testkit::deb::deb;

    fn paths(sources: &[Source]) -> Vec<String> {
        sources.iter().map(|source| source.path.to_string()).collect()
    }

    #[test]
    fn modules_are_found_where_the_interpreter_looks() {
        let tree = tree(&[
            "usr/lib/python3.13/os.py",
            "usr/lib/python3.13/.py",
            "usr/lib/python3.13/data.txt",
            "usr/lib/python3.13/email/__init__.py",
            "usr/lib/python3.13/sitecustomize.py->/etc/python3.13/sitecustomize.py",
            "etc/python3.13/sitecustomize.py",
            "usr/lib/python3.12/os.py",
            "usr/lib/python3.13-extra/x.py",
            "usr/lib/python3/dist-packages/yaml/__init__.py",
            "usr/lib/python3/dist-packages/yaml/done.py",
            "usr/lib/python3/dist-packages/yaml/__pycache__/done.cpython-313.pyc",
            "usr/local/lib/python3.13/dist-packages/app.py",
            "usr/share/python3/debpython/version.py",
            "usr/share/other/private.py",
            "opt/app/main.py",
        ]);
        assert_eq!(
            paths(&sources(&tree, 13, std::iter::empty())),
            [
                "/usr/lib/python3.13/email/__init__.py",
                "/usr/lib/python3.13/os.py",
                "/usr/lib/python3/dist-packages/yaml/__init__.py",
                "/usr/local/lib/python3.13/dist-packages/app.py",
                "/usr/share/python3/debpython/version.py",
            ]
        );
    }

    #[test]
    fn modules_of_one_program_are_found_by_its_script() {
        let script = "#!/bin/sh\nif command -v py3compile >/dev/null 2>&1; then\n\
                      \tpy3compile -p tool /usr/share/tool -V 3.13-\nfi\n";
        let mut fixture = Fixture::default();
        let tool =
            deb("tool", "1").file("/usr/share/tool/a.py", "x = 1\n").script("postinst", script);
        let tree = fixture.install(&[tool]);
        let packages = fixture.packages.iter().map(|package| &**package);
        assert_eq!(paths(&sources(&tree, 13, packages)), ["/usr/share/tool/a.py"]);
    }

    #[test]
    fn directories_of_scripts_are_plain_words_below_usr() {
        for (script, expected) in [
            ("py3compile -p x", vec![]),
            ("py3compile -p x /usr/share/x || true", vec!["/usr/share/x"]),
            (
                "    py3compile -p x:amd64 -V 3.13 /usr/lib/x /usr/lib/y; rm /usr/lib/z",
                vec!["/usr/lib/x", "/usr/lib/y"],
            ),
            ("py3compile /", vec![]),
            ("py3compile /usr/lib", vec![]),
            ("py3compile /usr/lib/../../etc", vec![]),
            ("# py3compile /usr/share/x", vec![]),
            ("py3clean -p x /usr/share/x", vec![]),
        ] {
            let found: Vec<String> =
                private_directories(script).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{script}");
        }
    }

    #[test]
    fn an_interpreter_is_a_package_whose_program_is_there() {
        let mut fixture = Fixture::default();
        let tree = fixture.install(&[
            deb("python3.13-minimal", "3.13.5-2+b1")
                .field("Source", "python3.13 (3.13.5-2)")
                .file("/usr/bin/python3.13", "x"),
            deb("python3.12-minimal", "3.12.1-1").file("/usr/bin/other", "x"),
            deb("python3-minimal", "3.13.5-1").file("/usr/bin/python3.11", "x"),
        ]);
        let found = interpreters(&tree, fixture.packages.iter().map(|package| &**package));
        let expected = Interpreter {
            minor: 13,
            package: "python3.13-minimal".to_owned(),
            source: "python3.13 3.13.5-2".to_owned(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn compiled_modules_stand_beside_their_source() {
        let path = |text: &str| TreePath::parse(text).unwrap();
        assert_eq!(
            compiled_path(&path("usr/lib/x.y.py"), 13),
            Some(path("usr/lib/__pycache__/x.y.cpython-313.pyc"))
        );
        assert_eq!(compiled_path(&path("usr/lib/x"), 13), None);
    }
}
