// SPDX-License-Identifier: Apache-2.0
//! Matching of whole inventories. Each trap that others fell into has a test with its name.

mod gaps;
mod images;
mod traps;

use std::collections::BTreeSet;

use super::memory::{Memory, also, decided, record};
use super::*;
use crate::catalog::PackageKind;
use crate::inventory::Package;

/// An inventory of lines like `deb libc6 2.41-12+b1 glibc 2.41-12` or `pypi django 5.0 < deb/python3-django`.
pub(crate) fn inventory(distribution: &str, lines: &[&str]) -> Inventory {
    let packages = lines.iter().map(|line| package(distribution, line));
    let mut packages: Vec<Package> = packages.collect();
    packages.sort_by(|a, b| a.id.cmp(&b.id));
    let (id, version) = distribution.split_once('-').unwrap_or((distribution, ""));
    let distribution = (!distribution.is_empty())
        .then(|| Distribution::of_qualifier(id, &format!("{id}-{version}")));
    Inventory { distribution, packages, ..Inventory::default() }
}

fn package(distribution: &str, line: &str) -> Package {
    let (line, owner) = line.split_once(" < ").map_or((line, None), |(l, o)| (l, Some(o)));
    let words: Vec<&str> = line.split(' ').collect();
    let (kind, name) = (words[0], words[1]);
    let version = words.get(2).filter(|version| **version != "-").map(|it| (*it).to_owned());
    let source = words.get(3).map(|source| {
        (source.to_string(), words.get(4).map_or_else(String::new, ToString::to_string))
    });
    let kind = match kind {
        "deb" => PackageKind::Deb,
        "apk" => PackageKind::Apk,
        "golang" => PackageKind::Golang,
        "cargo" => PackageKind::Cargo,
        "pypi" => PackageKind::Pypi,
        "npm" => PackageKind::Npm,
        "maven" => PackageKind::Maven,
        "generic" => PackageKind::Generic,
        other => panic!("{other}"),
    };
    let text = version.clone().unwrap_or_default().replace('+', "%2B");
    let namespace = distribution.split('-').next().unwrap_or_default();
    let purl = match kind {
        PackageKind::Deb | PackageKind::Apk => {
            let upstream = source.as_ref().map(|(name, _)| format!("&upstream={name}"));
            let upstream = upstream.unwrap_or_default();
            let word = kind.word();
            format!(
                "pkg:{word}/{namespace}/{name}@{text}?arch=amd64&distro={distribution}{upstream}"
            )
        }
        _ => format!("pkg:{}/{}@{text}", kind.word(), name.replace('@', "%40").replace(':', "/")),
    };
    Package {
        id: format!("{}/{name}", kind.word()),
        kind,
        name: name.to_owned(),
        version,
        source,
        purl: purl.trim_end_matches('@').parse().ok().map(Arc::new),
        maintainer: None,
        evidence: BTreeSet::from([format!("evidence/{name}")]),
        inside: None,
        files: 3,
        layer: Some(0),
        owned_by: owner.map(str::to_owned),
    }
}

/// Matches, and returns each finding as `PACKAGE ID`.
fn found(inventory: &Inventory, memory: &Memory) -> Vec<String> {
    let findings = match_all(inventory, memory, &MatchOptions::default()).unwrap();
    let line = |finding: &Finding| format!("{} {}", finding.package, finding.id);
    findings.findings.iter().filter(|it| it.is_open()).map(line).collect()
}

fn all(inventory: &Inventory, memory: &Memory) -> Findings {
    match_all(inventory, memory, &MatchOptions::default()).unwrap()
}
