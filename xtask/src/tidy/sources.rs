// SPDX-License-Identifier: Apache-2.0
//! What every file must have or must not.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use super::code;

/// The first line of every source.
const HEADER: &str = "// SPDX-License-Identifier: Apache-2.0";
/// A longer source has more than one subject.
const SOURCE_LINES_MAX: usize = 700;
/// A longer shell script belongs into a task.
const SHELL_LINES_MAX: usize = 50;

/// What library code may not touch: the outside world comes in through arguments.
const OUTSIDE: [&str; 4] = ["std::process", "std::env", "SystemTime::now", "Instant::now"];
/// Where it may: the programs, test support, tasks.
const OUTSIDE_ALLOWED: [&str; 5] = ["crates/cli/", "crates/serve/", "fuzz/", "testkit/", "xtask/"];
/// The one module that starts processes and makes system calls.
const SANDBOX: [&str; 2] = ["crates/hardpan/src/sandbox/", "crates/hardpan/src/sandbox.rs"];

/// Hosts of package archives and registries, label by label so that they do not stand here either.
/// Where packages come from is configuration; the one default is not in the list.
const HOSTS: [&[&str]; 20] = [
    &["deb", "debian", "org"],
    &["security", "debian", "org"],
    &["snapshot", "debian", "org"],
    &["httpredir", "debian", "org"],
    &["archive", "debian", "org"],
    &["deb", "freexian", "com"],
    &["archive", "ubuntu", "com"],
    &["dl-cdn", "alpinelinux", "org"],
    &["index", "crates", "io"],
    &["static", "crates", "io"],
    &["registry-1", "docker", "io"],
    &["index", "docker", "io"],
    &["ghcr", "io"],
    &["quay", "io"],
    &["gcr", "io"],
    &["registry", "npmjs", "org"],
    &["files", "pythonhosted", "org"],
    &["proxy", "golang", "org"],
    &["registry", "k8s", "io"],
    &["rubygems", "org"],
];
/// Folders of somebody's machine, in pieces for the same reason.
const MACHINE_PATHS: [&[&str]; 6] = [
    &["/work", "main"],
    &["/work", "shared"],
    &["/work", "wt"],
    &["", "Users", ""],
    &[".cargo", "registry"],
    &[".rustup", "toolchains"],
];
/// Files that a tool writes, with what it needs in them.
const WRITTEN_BY_TOOLS: [&str; 1] = ["Cargo.lock"];

/// Checks all files; `root` is where the repository is on this machine.
pub(super) fn check(files: &BTreeMap<String, String>, root: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let tests = test_files(files);
    for (path, text) in files {
        check_any(path, text, root, &mut violations);
        if has_extension(path, "rs") {
            check_source(path, text, tests.contains(path), &mut violations);
        }
        let lines = text.lines().count();
        if (has_extension(path, "sh") || is_shell_script(text)) && lines > SHELL_LINES_MAX {
            let message = format!("{lines} lines of shell; at most {SHELL_LINES_MAX}");
            violations.push(Violation::new(path, lines, message));
        }
    }
    violations
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

fn is_shell_script(text: &str) -> bool {
    text.starts_with("#!") && text.lines().next().is_some_and(|line| line.ends_with("sh"))
}

/// Returns the sources that only tests have, by their place or by `#[cfg(test)] mod name;`.
fn test_files(files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut tests: BTreeSet<String> = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| has_extension(path, "rs")) {
        if path.split('/').any(|name| matches!(name, "tests" | "benches" | "fuzz" | "examples")) {
            tests.insert(path.clone());
        }
        let (_, modules) = code::without_tests(&code::blank(text));
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let inner = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", file.trim_end_matches(".rs")),
        };
        for module in modules {
            let below = format!("{inner}/{module}/");
            tests.insert(format!("{inner}/{module}.rs"));
            tests.extend(files.keys().filter(|path| path.starts_with(&below)).cloned());
        }
    }
    tests
}

/// Rules for all files.
fn check_any(path: &str, text: &str, root: &str, violations: &mut Vec<Violation>) {
    if WRITTEN_BY_TOOLS.contains(&path) {
        return;
    }
    let hosts: Vec<String> = HOSTS.iter().map(|labels| labels.join(".")).collect();
    let mut places: Vec<String> = MACHINE_PATHS.iter().map(|names| names.join("/")).collect();
    // A root such as "/src" says nothing about a machine.
    if root.matches('/').count() >= 2 {
        places.push(root.to_owned());
    }
    for (index, line) in text.lines().enumerate() {
        let mut report =
            |message: String| violations.push(Violation::new(path, index + 1, message));
        if let Some(host) = hosts.iter().find(|host| has_host(line, host)) {
            report(format!("names the host {host}; where packages come from is configuration"));
        }
        if let Some(place) = places.iter().find(|place| line.contains(place.as_str())) {
            report(format!("names the folder {place} of one machine"));
        }
    }
}

/// Whether a line names a host, and not one whose name only ends or starts like it.
fn has_host(line: &str, host: &str) -> bool {
    line.match_indices(host).any(|(start, _)| {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let before = line.as_bytes()[..start].last();
        let after = line.as_bytes().get(start + host.len());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Rules for sources.
fn check_source(path: &str, text: &str, is_test: bool, violations: &mut Vec<Violation>) {
    let mut report = |line, message: String| violations.push(Violation::new(path, line, message));
    if text.lines().next() != Some(HEADER) {
        report(1, format!("the first line must be {HEADER:?}"));
    }
    let lines = text.lines().count();
    if lines > SOURCE_LINES_MAX {
        report(lines, format!("{lines} lines; at most {SOURCE_LINES_MAX}"));
    }
    let blanked = code::blank(text);
    let is_sandbox = SANDBOX.iter().any(|place| path.starts_with(place));
    if !is_sandbox {
        for line in code::lines_with(&blanked, "unsafe") {
            report(line, "unsafe is only for hardpan::sandbox".to_owned());
        }
    }
    if is_test {
        return;
    }
    let (library, _) = code::without_tests(&blanked);
    if path.starts_with("crates/") {
        for line in code::lines_with(&library, ".unwrap()") {
            report(
                line,
                "unwrap in library code; return an error or expect an invariant".to_owned(),
            );
        }
    }
    if OUTSIDE_ALLOWED.iter().any(|place| path.starts_with(place)) {
        return;
    }
    for wanted in OUTSIDE {
        if is_sandbox && wanted == "std::process" {
            continue;
        }
        let mut found = code::lines_with(&library, wanted);
        if let Some(module) = wanted.strip_prefix("std::") {
            found.extend(code::lines_with_grouped_std(&library, module));
        }
        for line in found {
            report(line, format!("{wanted} in library code; take it as an argument"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let files = BTreeMap::from([(path.to_owned(), text.to_owned())]);
        check(&files, "/home/x/hardpan").iter().map(ToString::to_string).collect()
    }

    fn source(body: &str) -> String {
        format!("{HEADER}\n{body}\n")
    }

    #[test]
    fn sources() {
        const LIBRARY: &str = "crates/tree/src/a.rs";
        for (summary, path, body, expected) in [
            ("nothing", LIBRARY, "fn a() {}", None),
            ("unwrap", LIBRARY, "a.unwrap();", Some("crates/tree/src/a.rs:2: unwrap in")),
            ("unwrap in a comment", LIBRARY, "// a.unwrap()", None),
            ("unwrap in a text", LIBRARY, "let a = \".unwrap()\";", None),
            (
                "unwrap in a test",
                LIBRARY,
                "#[cfg(test)]\nmod tests { fn a() { b.unwrap(); } }",
                None,
            ),
            (
                "unwrap after a test",
                LIBRARY,
                "#[cfg(test)]\nmod t { }\na.unwrap();",
                Some("crates/tree/src/a.rs:4: unwrap in"),
            ),
            ("unwrap in tests", "crates/tree/tests/a.rs", "a.unwrap();", None),
            ("unwrap in a task", "xtask/src/a.rs", "a.unwrap();", None),
            (
                "clock",
                LIBRARY,
                "SystemTime::now()",
                Some("crates/tree/src/a.rs:2: SystemTime::now"),
            ),
            ("clock in the program", "crates/cli/src/a.rs", "SystemTime::now()", None),
            ("environment", LIBRARY, "std::env::var(x)", Some("crates/tree/src/a.rs:2: std::env")),
            ("a macro", LIBRARY, "env!(X)", None),
            (
                "grouped",
                LIBRARY,
                "use std::{io, process};",
                Some("crates/tree/src/a.rs:2: std::process"),
            ),
            ("sandbox", "crates/hardpan/src/sandbox/a.rs", "unsafe { std::process::id() }", None),
            (
                "sandbox's clock",
                "crates/hardpan/src/sandbox/a.rs",
                "Instant::now()",
                Some("crates/hardpan/src/sandbox/a.rs:2: Instant::now"),
            ),
            ("unsafe", LIBRARY, "unsafe { x }", Some("crates/tree/src/a.rs:2: unsafe is only")),
            (
                "unsafe in tests",
                "crates/tree/tests/a.rs",
                "unsafe { x }",
                Some("crates/tree/tests/a.rs:2: unsafe is only"),
            ),
            ("a lint's name", LIBRARY, "#![deny(unsafe_code)]", None),
        ] {
            let found = found(path, &source(body));
            match expected {
                None => assert!(found.is_empty(), "{summary}: {found:?}"),
                Some(start) => {
                    assert_eq!(found.len(), 1, "{summary}: {found:?}");
                    assert!(found[0].starts_with(start), "{summary}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn modules_of_tests_in_files() {
        let files = BTreeMap::from([
            ("crates/a/src/x/mod.rs".to_owned(), source("#[cfg(test)]\nmod checks;")),
            ("crates/a/src/x/checks.rs".to_owned(), source("a.unwrap();\nmod deep;")),
            ("crates/a/src/x/checks/deep.rs".to_owned(), source("a.unwrap();")),
            ("crates/a/src/checks.rs".to_owned(), source("a.unwrap();")),
        ]);
        let found = check(&files, "/");
        let files: Vec<&str> = found.iter().map(|found| found.file.as_str()).collect();
        assert_eq!(files, ["crates/a/src/checks.rs"]);
    }

    #[test]
    fn headers_and_lengths() {
        assert_eq!(found("crates/a/src/a.rs", "//! x\n").len(), 1);
        let long = source(&"\n".repeat(SOURCE_LINES_MAX));
        assert_eq!(found("crates/a/src/a.rs", &long).len(), 1);
        let script = format!("#!/bin/sh\n{}", "true\n".repeat(SHELL_LINES_MAX));
        assert_eq!(found(".ci/run", &script).len(), 1);
        assert!(found(".ci/run", "#!/bin/sh\ntrue\n").is_empty());
        assert!(found("notes.md", &"x\n".repeat(SOURCE_LINES_MAX + 1)).is_empty());
    }

    #[test]
    fn hosts_and_folders() {
        let host = HOSTS[0].join(".");
        let folder = MACHINE_PATHS[0].join("/");
        for (summary, text, count) in [
            ("the default archive", "http://ftp.debian.org/debian".to_owned(), 0),
            ("a mirror", format!("http://{host}/debian"), 1),
            ("a longer name", format!("x{host}"), 0),
            ("another domain below it", format!("{host}x"), 0),
            ("a folder", format!("see {folder}/x"), 1),
            ("the repository itself", "/home/x/hardpan/crates".to_owned(), 1),
            ("a home in an image", "/home/nonroot/.profile".to_owned(), 0),
        ] {
            assert_eq!(found("docs/a.md", &text).len(), count, "{summary}");
        }
        assert!(found("Cargo.lock", &host).is_empty());
    }
}
