// SPDX-License-Identifier: Apache-2.0
//! Makes small package indexes for tests.

#![allow(dead_code, reason = "every test binary uses another part")]

use hardpan_package::deb::index::{Origin, PackageIndex};
use hardpan_package::solve::{IndexRef, Request, Solution, SolveError, SolveTask, solve};

/// Returns the text of a `Packages` file. Each line of `lines` is `name version` and then fields
/// as `; Field: value`; what is not given has a plain default.
pub(crate) fn packages(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text += &format!("Package: {name}\nVersion: {version}\n");
        let fields: Vec<&str> = parts.collect();
        for (field, value) in [
            ("Architecture", "amd64".to_owned()),
            ("Priority", "optional".to_owned()),
            ("Filename", format!("pool/main/{name}_{version}.deb").replace(':', "%3a")),
            ("Size", "1000".to_owned()),
            ("SHA256", format!("{:064x}", text.len())),
        ] {
            if !fields.iter().any(|given| given.starts_with(&format!("{field}:"))) {
                text += &format!("{field}: {value}\n");
            }
        }
        for field in fields {
            text += &format!("{field}\n");
        }
        text += "\n";
    }
    text
}

pub(crate) fn origin(suite: &str) -> Origin {
    Origin {
        archive: "test".into(),
        suite: suite.into(),
        component: "main".into(),
        architecture: "amd64".into(),
    }
}

pub(crate) fn index(lines: &str) -> PackageIndex {
    PackageIndex::parse(packages(lines).as_bytes(), origin("trixie")).unwrap()
}

/// Makes a task from words: `name`, `name=version`, `!excluded`, `~name=version` (preferred).
pub(crate) fn task(words: &str) -> SolveTask {
    let mut task = SolveTask::new("amd64");
    for (source, word) in words.split_whitespace().enumerate() {
        if let Some(name) = word.strip_prefix('!') {
            task.exclusions.insert(name.to_owned());
        } else if let Some(preferred) = word.strip_prefix('~') {
            let (name, version) = preferred.split_once('=').unwrap();
            task.preferred.push((name.to_owned(), version.to_owned()));
        } else {
            let (name, version) = match word.split_once('=') {
                Some((name, version)) => (name, Some(version.to_owned())),
                None => (word, None),
            };
            task.requests.push(Request { name: name.to_owned(), version, source });
        }
    }
    task
}

pub(crate) fn try_solve(indexes: &[&PackageIndex], words: &str) -> Result<Solution, SolveError> {
    let indexes: Vec<IndexRef<'_>> = indexes.iter().map(|index| IndexRef::new(index)).collect();
    solve(&indexes, &task(words))
}

/// Returns `name=version` of every chosen package, on one line.
pub(crate) fn names(solution: &Solution) -> String {
    let names: Vec<String> = solution
        .packages
        .iter()
        .map(|chosen| format!("{}={}", chosen.package.name, chosen.package.version))
        .collect();
    names.join(" ")
}

/// Solves over one index and returns the packages, or the text of the error.
pub(crate) fn result(lines: &str, words: &str) -> String {
    match try_solve(&[&index(lines)], words) {
        Ok(solution) => names(&solution),
        Err(error) => error.to_string(),
    }
}
