// SPDX-License-Identifier: Apache-2.0
//! The scripts of real packages: which commands does nothing cover?

#![expect(clippy::print_stderr, reason = "says what is skipped, and counts")]

mod scripts_support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hardpan_package::scripts::{FileTests, Look, ScriptInput, ScriptReport, Treatment, classify};
use hardpan_package::segment::Format;
use scripts_support::{Apt, Listing, control_members, list};

/// The files of a set of packages.
struct Files(Listing, BTreeMap<String, String>);

impl Files {
    fn find(&self, path: &str, follow: bool, depth: u32) -> Option<String> {
        let mut done = String::new();
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        for (index, name) in names.iter().enumerate() {
            let next = format!("{done}/{name}");
            match self.0.get(&next) {
                Some(('l', _, _, target)) if follow || index + 1 < names.len() => {
                    if depth == 0 {
                        return None;
                    }
                    let target = if target.starts_with('/') {
                        target.clone()
                    } else {
                        format!("{done}/{target}")
                    };
                    let rest = names[index + 1..].join("/");
                    return self.find(&format!("{target}/{rest}"), follow, depth - 1);
                }
                _ => done = next,
            }
        }
        Some(done)
    }
}

impl FileTests for Files {
    fn look(&self, path: &str, follow: bool) -> Look {
        let Some(path) = self.find(path, follow, 20) else { return Look::Missing };
        match self.0.get(&path) {
            None if path.is_empty() => Look::Directory { is_empty: false },
            None => Look::Missing,
            Some(('d', ..)) => Look::Directory { is_empty: false },
            Some(('l', ..)) => Look::Symlink,
            Some((_, is_executable, size, _)) => {
                Look::File { is_executable: *is_executable, is_empty: *size == 0 }
            }
        }
    }

    fn read_link(&self, path: &str) -> Option<String> {
        let path = self.find(path, false, 20)?;
        self.0.get(&path).filter(|entry| entry.0 == 'l').map(|entry| entry.3.clone())
    }

    fn owner(&self, path: &str) -> Option<String> {
        self.1.get(path).cloned()
    }

    fn list(&self, directory: &str) -> Option<Vec<String>> {
        let prefix = format!("{}/", self.find(directory, true, 20)?);
        let below = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        Some(below.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }
}

/// Packages that runtime images of the catalog cut off.
const CUT: &[&str] = &[
    "adduser",
    "apt",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "mawk",
    "openssl",
    "original-awk",
    "perl",
    "perl-base",
    "tar",
];

/// Returns what is not covered in the closure of some packages, as `package script:line text`.
fn uncovered(apt: &Apt, packages: &[&str]) -> Result<Vec<String>, String> {
    let names: BTreeSet<String> = apt.closure(packages)?;
    let debs = apt.fetch(&names)?;
    let mut found = Vec::new();
    // Once with everything there, once with what runtime images have.
    for cut in [&[][..], CUT] {
        let debs: BTreeMap<&str, &PathBuf> = debs
            .iter()
            .map(|(name, path)| (name.as_str(), path))
            .filter(|(name, _)| !cut.contains(name) || packages.contains(name))
            .collect();
        let mut files = Files(BTreeMap::new(), BTreeMap::new());
        for (package, deb) in &debs {
            let listing = list(deb);
            files.1.extend(listing.keys().map(|path| (path.clone(), (*package).to_owned())));
            files.0.extend(listing);
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (package, deb) in &debs {
            let members = control_members(deb);
            let empty = String::new();
            let input = ScriptInput {
                format: Format::Deb,
                package,
                version: "",
                architecture: "amd64",
                scripts: &members,
                triggers: members.get("triggers").unwrap_or(&empty),
                templates: members.get("templates").unwrap_or(&empty),
            };
            let report = classify(&input, &files);
            check_lines(&input, &report);
            for action in &report.actions {
                *counts.entry(kind(&action.treatment)).or_default() += 1;
                if let Treatment::Unhandled { reason } = &action.treatment {
                    let text: String = action.text.chars().take(300).collect();
                    let place = format!("{package} {}:{}", action.script, action.first_line);
                    found.push(format!("{place} [{reason}] {}", text.trim()));
                }
            }
        }
        eprintln!("{packages:?}: {} packages, {counts:?}", debs.len());
    }
    Ok(found)
}

fn kind(treatment: &Treatment) -> &'static str {
    match treatment {
        Treatment::Ignored { .. } => "ignored",
        Treatment::Handled { .. } => "handled",
        Treatment::Denied { .. } => "denied",
        _ => "unhandled",
    }
}

/// Every line that holds a command belongs to exactly one action.
fn check_lines(input: &ScriptInput<'_>, report: &ScriptReport) {
    for script in ["preinst", "postinst"] {
        let Some(text) = input.scripts.get(script) else { continue };
        let mut owners = vec![0; text.lines().count() + 2];
        let actions = report.actions.iter().filter(|action| action.script == script);
        // A script known as a whole has its generated parts besides.
        let is_known = report.actions.iter().any(|action| {
            action.script == script
                && action.first_line == 1
                && action.last_line as usize == text.lines().count()
        });
        for action in actions {
            for line in action.first_line..=action.last_line {
                owners[line as usize] += 1;
            }
        }
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let is_command =
                ["mkdir ", "chown ", "chmod ", "ln ", "update-alternatives ", "adduser "]
                    .iter()
                    .any(|command| line.starts_with(command));
            let count = owners[index + 1];
            assert!(
                (!is_command || count >= 1) && (is_known || count <= 1),
                "{} {script}:{}: {count} actions: {line}",
                input.package,
                index + 1
            );
        }
    }
}

/// The sets of the catalog.
const SETS: &[&[&str]] = &[
    &["base-files", "tzdata", "ca-certificates", "netbase"],
    &[
        "base-files",
        "base-passwd",
        "bash",
        "ca-certificates",
        "coreutils",
        "dash",
        "debianutils",
        "findutils",
        "grep",
        "gzip",
        "hostname",
        "libc-bin",
        "login",
        "mawk",
        "netbase",
        "ncurses-base",
        "sed",
        "tar",
        "tzdata",
        "util-linux",
    ],
    &["python3.13", "python3-pip", "python3-venv"],
    &["nodejs"],
    &["openjdk-21-jre-headless"],
    &["ruby"],
    &["php8.4-cli", "php8.4-fpm", "php-cli"],
    &["postgresql-17"],
    &["redis-server", "valkey-server"],
    &["memcached"],
    &["haproxy"],
    &["curl"],
    &["nginx"],
    &["prometheus-alertmanager"],
    &["busybox", "perl", "tini"],
    &["apt", "dpkg", "bash", "build-essential", "dpkg-dev", "login", "passwd", "adduser", "git"],
];

#[test]
fn nothing_in_the_catalog_is_uncovered() {
    let apt = match Apt::new("scripts-apt") {
        Ok(apt) => apt,
        Err(reason) => {
            eprintln!("skipped: scripts of real packages, because {reason}");
            return;
        }
    };
    let mut found = BTreeSet::new();
    for set in SETS {
        match uncovered(&apt, set) {
            Ok(lines) => found.extend(lines),
            Err(reason) => {
                eprintln!("skipped: scripts of {set:?}, because {reason}");
                return;
            }
        }
    }
    for extra in std::env::var("HARDPAN_SCRIPT_SETS").unwrap_or_default().split(',') {
        let packages: Vec<&str> = extra.split_whitespace().collect();
        if !packages.is_empty() {
            match uncovered(&apt, &packages) {
                Ok(lines) => lines.iter().for_each(|line| eprintln!("extra: {line}")),
                Err(reason) => eprintln!("skipped: {packages:?}, because {reason}"),
            }
        }
    }
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{}\n{} uncovered", found.join("\n"), found.len());
}
