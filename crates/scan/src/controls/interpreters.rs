// SPDX-License-Identifier: Apache-2.0
//! Interpreters of languages, and whether what the image starts needs them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hardpan_tree::{Kind, Origin, TreePath};

use super::libraries::elf_of;
use super::report::Report;
use super::view::{self, Program, View};
use super::{ControlId, Profile, Severity, commands};

/// The largest script that is read to see what it starts, in bytes.
const SCRIPT_BYTES_MAX: u64 = 256 * 1024;
/// The most scripts that are read for it.
const SCRIPTS_MAX: usize = 64;

/// Reports the interpreters of languages in which nothing is written that the image starts.
pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let found = find(view);
    if found.is_empty() {
        return;
    }
    let words = commands::words(view);
    if words.is_empty() {
        let why = "the image starts nothing by itself, so that nothing says what it needs";
        report.unmeasured(ControlId::UnneededInterpreter, why);
        return;
    }
    let needed = needed(view, &words, &found);
    for (path, language) in &found {
        let origin = view.tree.get(path).map(|node| node.origin);
        let is_asked_for = origin.is_some_and(|origin| view.is_requested(path, origin));
        if needed.contains(language) || is_asked_for {
            continue;
        }
        let by = if by_name(path.name()) == Some(*language) { "" } else { ", by its content" };
        let text = format!("runs {language}{by}, which the entrypoint does not need");
        // A build has the packages that its own ask for.
        let is_packaged = matches!(origin, Some(Origin::Package(_)));
        let most = if is_packaged { view.noted_in_a_build() } else { Severity::Fail };
        report.path_at_most(ControlId::UnneededInterpreter, path, text, most);
    }
}

/// Reports loaders and libraries where the image's purpose is to do without.
pub(super) fn check_loader(view: &View<'_>, report: &mut Report<'_>) {
    if view.input.profile != Profile::RuntimeStatic {
        return;
    }
    for (path, node) in view.tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        let Some(elf) = elf_of(file) else { continue };
        let is_loader = elf.soname.as_deref().is_some_and(is_loader_name)
            || std::str::from_utf8(path.name()).is_ok_and(is_loader_name);
        if is_loader {
            report.path(ControlId::DynamicLoader, path, "is a dynamic loader");
        } else if elf.soname.is_some() || elf.file_type == 3 && path.name().ends_with(b".so") {
            report.path(ControlId::DynamicLoader, path, "is a shared library");
        }
    }
}

fn is_loader_name(name: &str) -> bool {
    name.starts_with("ld-linux")
        || name.starts_with("ld-musl-")
        || name.starts_with("ld.so")
        || name.starts_with("ld64.so")
        || name.starts_with("ld-2.")
}

/// Returns all interpreters and their languages.
fn find(view: &View<'_>) -> BTreeMap<TreePath, &'static str> {
    let mut found = BTreeMap::new();
    for (path, node) in view.tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        if !view::is_executable(node) || !view::is_started(file) {
            continue;
        }
        // The libraries of languages have what the interpreters have, and are none.
        let is_program = matches!(view::program(file), Some(Program::Elf(_) | Program::OpaqueElf));
        let in_directory = path.parent().is_some_and(|parent| view.is_program_directory(&parent));
        let language = by_name(path.name())
            .filter(|_| in_directory)
            .or_else(|| view.traits_of(node, file).language().filter(|_| is_program));
        if let Some(language) = language {
            found.insert(path.clone(), language);
        }
    }
    // A name of its own that leads to something without one: a link called python3.
    for (path, node) in view.tree.walk() {
        let is_link = matches!(node.kind, Kind::Symlink(_) | Kind::HardLink(_));
        let Some(language) = by_name(path.name()).filter(|_| is_link) else { continue };
        let in_directory = path.parent().is_some_and(|parent| view.is_program_directory(&parent));
        let Ok(target) = view.tree.resolve(path) else { continue };
        let Some((node, file)) = view.tree.file(&target) else { continue };
        let is_program = view::is_executable(node) && view::is_started(file);
        let is_itself =
            matches!(node.origin, Origin::Package(_)) || by_name(target.name()).is_none();
        if in_directory && is_program && is_itself {
            let target = match &view.tree.get(&target).map(|node| &node.kind) {
                Some(Kind::HardLink(file)) => file.clone(),
                _ => target,
            };
            found.entry(target).or_insert(language);
        }
    }
    found
}

/// Returns the language that a program's name, with a version after it, stands for.
pub(super) fn by_name(name: &[u8]) -> Option<&'static str> {
    let name = std::str::from_utf8(name).ok()?;
    let name = name.split_once("-x86_64").map_or(name, |(name, _)| name);
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let stem = stem.strip_suffix('-').unwrap_or(stem);
    Some(match stem {
        "python" | "pypy" => "python",
        "perl" | "suidperl" => "perl",
        "ruby" | "jruby" | "truffleruby" => "ruby",
        "node" | "nodejs" | "deno" | "bun" | "qjs" | "d8" => "javascript",
        "php" | "php-cgi" | "php-fpm" | "php-cli" | "phpdbg" => "php",
        "lua" | "luajit" | "texlua" => "lua",
        "tclsh" | "wish" | "jimsh" => "tcl",
        "java" | "jshell" | "jrunscript" | "jjs" => "java",
        "guile" | "racket" | "csi" => "scheme",
        "R" | "Rscript" => "R",
        "erl" | "escript" | "beam.smp" => "erlang",
        "julia" => "julia",
        "groovy" => "groovy",
        _ => return None,
    })
}

/// Returns the languages of what the image starts: of each word that names a program, of its `#!` lines, and of the
/// words in scripts among them, and in scripts that these name.
fn needed(
    view: &View<'_>,
    words: &[&str],
    found: &BTreeMap<TreePath, &'static str>,
) -> BTreeSet<&'static str> {
    let mut needed = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut scripts = VecDeque::new();
    for word in words {
        // A text for a shell is one word.
        for word in word.split(is_between).chain([*word]) {
            needed.extend(by_name(last(word).as_bytes()));
            // A script that an interpreter is given need not be executable, and says by its ending what it is for.
            needed.extend(by_ending(word));
        }
        scripts.extend(commands::chain(view, word));
    }
    while let Some(path) = scripts.pop_front() {
        if seen.len() >= SCRIPTS_MAX || !seen.insert(path.clone()) {
            continue;
        }
        needed.extend(found.get(&path).copied());
        needed.extend(by_name(path.name()));
        let Some((_, file)) = view.tree.file(&path) else { continue };
        if elf_of(file).is_some() {
            continue;
        }
        let Some(bytes) = view::small_content(view.input.contents, file, SCRIPT_BYTES_MAX) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for word in text.split(is_between).filter(|word| !word.is_empty()) {
            needed.extend(by_name(last(word).as_bytes()));
            // What stands in a directory is named by its path.
            if word.starts_with('/') && scripts.len() < SCRIPTS_MAX {
                scripts.extend(commands::chain(view, word));
            }
        }
    }
    needed
}

/// Whether a letter can't be in a path.
fn is_between(letter: char) -> bool {
    !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | '/' | '+'))
}

fn last(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn by_ending(word: &str) -> Option<&'static str> {
    Some(match word.rsplit_once('.')?.1 {
        "py" | "pyz" => "python",
        "pl" => "perl",
        "rb" => "ruby",
        "js" | "mjs" | "cjs" => "javascript",
        "php" | "phar" => "php",
        "lua" => "lua",
        "tcl" => "tcl",
        "jar" => "java",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_language() {
        for (name, expected) in [
            ("python3.13", Some("python")),
            ("python", Some("python")),
            ("pypy3", Some("python")),
            ("perl5.36-x86_64-linux-gnu", Some("perl")),
            ("perl5.36.0", Some("perl")),
            ("php8.2", Some("php")),
            ("php-fpm8.2", Some("php")),
            ("lua5.4", Some("lua")),
            ("tclsh8.6", Some("tcl")),
            ("guile-3.0", Some("scheme")),
            ("java", Some("java")),
            ("python3-config", None),
            ("perldoc", None),
            ("nodeagent", None),
            ("javac", None),
            ("", None),
            ("3.13", None),
        ] {
            assert_eq!(by_name(name.as_bytes()), expected, "{name}");
        }
    }
}
