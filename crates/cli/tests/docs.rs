// SPDX-License-Identifier: Apache-2.0
//! The pages of this repository are true: console blocks give what they show, commands and links exist,
//! and what the reference lists is what the code has.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Pages outside of `docs`.
const PAGES: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "examples/README.md",
    "crates/hardpan/keys/README.md",
];
/// What pages show of other programs. Such a command is not run.
const OTHER_PROGRAMS: [&str; 12] = [
    "podman",
    "docker",
    "skopeo",
    "git",
    "cp",
    "jq",
    "cargo",
    "./quickstart",
    "./run-tests",
    "ln",
    "cosign",
    "vault",
];

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("the crate is two folders deep").to_owned()
}

/// Returns every page by its path from the root.
fn pages() -> Vec<(String, String)> {
    let root = root();
    let mut paths: Vec<String> = PAGES.iter().map(ToString::to_string).collect();
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if Path::new(&path).extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// Returns the fenced blocks of a page: the word after the fence, and the lines.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind.to_owned(), String::new())),
            (None, None) => {}
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn page<'p>(pages: &'p [(String, String)], path: &str) -> &'p str {
    &pages.iter().find(|(known, _)| known == path).expect("the page is there").1
}

/// Makes a folder with what console blocks may use: the catalog, and the definition of the first guide, once as
/// it is printed there and once with the mistake that the guide speaks of; a root file system in `root`; and what a tracker
/// of vulnerabilities knows of it in `tracker.json`.
fn workspace(pages: &[(String, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("catalog"), &folder.path().join("catalog"));
    copy(&root().join("examples"), &folder.path().join("examples"));
    let guide = blocks(page(pages, "docs/guide/getting-started.md"));
    let (_, definition) = guide.iter().find(|(kind, _)| kind == "yaml").unwrap();
    fs::create_dir(folder.path().join("hello")).unwrap();
    fs::write(folder.path().join("hello/hello.yaml"), definition).unwrap();
    let root_files = [
        ("etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=13\n"),
        (
            "var/lib/dpkg/status",
            "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.41-12\nArchitecture: amd64\n",
        ),
        (
            "opt/venv/lib/python3.13/site-packages/flask-3.1.0.dist-info/METADATA",
            "Name: flask\nVersion: 3.1.0\nLicense-Expression: BSD-3-Clause\n",
        ),
    ];
    for (path, text) in root_files {
        let path = folder.path().join("root").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let tracker = r#"{"glibc": {
        "CVE-2026-0001": {"description": "a buffer overflow in a function that nobody calls", "releases": {"trixie": {
            "status": "resolved", "fixed_version": "2.41-12+deb13u1", "urgency": "high", "repositories": {}}}},
        "CVE-2026-0002": {"releases": {"trixie": {
            "status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue", "nodsa_reason": "", "repositories": {}}}}
    }}"#;
    fs::write(folder.path().join("tracker.json"), tracker).unwrap();
    let mistake = definition.replace("platforms:", "platfroms:");
    assert_ne!(&mistake, definition);
    fs::write(folder.path().join("hello/mistake.yaml"), mistake).unwrap();
    folder
}

/// Copies definitions and what belongs to them; locks stay behind, as they may be anybody's.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|extension| extension != "lock") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn console_blocks_give_what_they_show() {
    let pages = pages();
    let with_console: Vec<&(String, String)> = (pages.iter())
        .filter(|(_, text)| blocks(text).iter().any(|(kind, _)| kind == "console"))
        .collect();
    assert!(with_console.len() > 2, "console blocks are no longer found");
    let folder = workspace(&pages);
    // Only this test of this program depends on the current directory, and it uses no relative path of its own.
    std::env::set_current_dir(folder.path()).unwrap();
    let cases = trycmd::TestCases::new();
    cases
        .register_bin("hardpan", Path::new(env!("CARGO_BIN_EXE_hardpan")))
        .env("HARDPAN_STORE", folder.path().join("store").to_str().unwrap())
        .env("HARDPAN_DEBIAN_MIRROR", "http://mirror.example/debian")
        .env("NO_COLOR", "1");
    for (path, _) in with_console {
        cases.case(root().join(path));
    }
    cases.run();
}

/// Returns the words of a command, as far as quotes go.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for letter in line.chars() {
        match quote {
            Some(mark) if letter == mark => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter.is_whitespace() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            _ => word.push(letter),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Commands that need packages are not run, but their options must exist.
#[test]
fn commands_in_pages_are_accepted() {
    let mut checked = BTreeSet::new();
    for (path, text) in pages() {
        let blocks = blocks(&text).into_iter().filter(|(kind, _)| kind == "text");
        let lines: Vec<String> = blocks
            .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        for line in lines {
            let command = match line.strip_prefix("$ ") {
                Some(command) => command,
                None if path == "docs/reference/cli.md" && line.starts_with("hardpan ") => &line,
                None => continue,
            };
            let words = words(command);
            if OTHER_PROGRAMS.contains(&words[0].as_str()) {
                continue;
            }
            assert_eq!(words[0], "hardpan", "{path}: {command}");
            if !checked.insert(command.to_owned()) {
                continue;
            }
            // Options before `--help` are checked by clap, what comes after is not.
            let own = words[1..]
                .iter()
                .take_while(|word| !matches!(word.as_str(), "|" | ">" | "2>&1" | "--"));
            let output = Command::new(env!("CARGO_BIN_EXE_hardpan"))
                .args(own)
                .arg("--help")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{path}: {command}: {said}");
        }
    }
    assert!(checked.len() > 20, "commands are no longer found: {checked:?}");
}

/// Returns the anchor that a heading has.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let root = root();
    let pages = pages();
    let mut broken = Vec::new();
    let mut checked = 0;
    for (path, text) in &pages {
        let folder = Path::new(path).parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains('\n') {
                continue;
            }
            checked += 1;
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { join(folder, file) };
            if !root.join(&target).exists() {
                broken.push(format!("{path}: {link}"));
            } else if !fragment.is_empty() {
                let text = fs::read_to_string(root.join(&target)).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                if !headings.any(|heading| anchor(heading) == fragment) {
                    broken.push(format!("{path}: {link}: no such heading"));
                }
            }
        }
    }
    assert!(checked > 50, "links are no longer found");
    assert!(broken.is_empty(), "{broken:#?}");
}

fn join(folder: &Path, link: &str) -> String {
    let mut path = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{link} leads out of the repository"),
            part => path.push(part),
        }
    }
    path.to_str().unwrap().to_owned()
}

/// Returns the sources below a folder as one text.
fn sources(folder: &str) -> String {
    let mut text = String::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                text.push_str(&fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    text
}

/// Returns the first string literals after a marker.
fn literals(text: &str, marker: &str) -> BTreeSet<String> {
    let rest = text.split(marker).skip(1);
    rest.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// Returns the keys that decoders read.
fn keys(code: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for marker in ["fields.take(\"", "require(self, \"", "&mut fields, \""] {
        let found = literals(code, marker);
        assert!(!found.is_empty(), "{marker} is no longer how keys are read");
        keys.extend(found);
    }
    keys
}

#[test]
fn every_key_of_the_format_has_its_place() {
    let pages = pages();
    let actions =
        fs::read_to_string(root().join("crates/definition/src/decode/action.rs")).unwrap();
    let tests =
        fs::read_to_string(root().join("crates/definition/src/decode/structure.rs")).unwrap();
    let all = sources("crates/definition/src/decode");
    for (name, code) in [
        ("docs/reference/definition-format.md", all.replace(&actions, "").replace(&tests, "")),
        ("docs/guide/writing-actions.md", actions),
        ("docs/reference/structure-tests.md", tests),
    ] {
        let page = page(&pages, name);
        let keys = keys(&code);
        let missing: Vec<&String> =
            keys.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{name} says nothing of {missing:?}");
    }
}

#[test]
fn every_label_and_variable_has_its_place() {
    let pages = pages();
    let labels = page(&pages, "docs/reference/labels.md");
    let settings = fs::read_to_string(root().join("crates/hardpan/src/settings.rs")).unwrap();
    let mut names = literals(&settings, "label(\"");
    for measured in ["tools.rs", "files.rs"] {
        let path = root().join("crates/scan/src/controls").join(measured);
        let text = fs::read_to_string(path).unwrap();
        let measure = text.split("fn measure(").nth(1).unwrap().split("\n}").next().unwrap();
        names.extend(literals(measure, "        (\""));
    }
    assert!(names.len() > 12, "labels are no longer found: {names:?}");
    let missing: Vec<&String> =
        names.iter().filter(|name| !labels.contains(&format!("`dev.hardpan.{name}`"))).collect();
    assert!(missing.is_empty(), "labels.md says nothing of {missing:?}");

    let environment = page(&pages, "docs/reference/environment.md");
    let code = sources("crates/cli/src");
    let mut names = literals(&code, "variable(\"");
    names.extend(literals(&code, "env = \""));
    assert!(names.len() > 5, "variables are no longer found: {names:?}");
    let missing: Vec<&String> =
        names.iter().filter(|name| !environment.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "environment.md says nothing of {missing:?}");
}

#[test]
fn every_finisher_has_its_place() {
    let pages = pages();
    let page = page(&pages, "docs/concepts/maintainer-scripts.md");
    let code = sources("crates/hardpan/src/finish");
    let mut names = literals(&code, "const NAME: &str = \"");
    names.extend(literals(&code, "const FINISHER: &str = \""));
    assert!(names.len() > 10, "finishers are no longer found: {names:?}");
    let missing: Vec<&String> =
        names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "maintainer-scripts.md says nothing of {missing:?}");
}
