// SPDX-License-Identifier: Apache-2.0
//! From the layers of an image to findings, and what they say of themselves.

use hardpan_testkit::deb::RawEntry;

use super::*;
use crate::advisory::{DecisionKind, Epss, Vulnerability};
use crate::catalog::{CatalogBuilder, CatalogOptions};
use crate::shared::shared;

fn catalog(files: &[(&str, &[u8])]) -> crate::catalog::Catalog {
    let mut tar = Vec::new();
    for (path, data) in files {
        RawEntry::new(path, b'0').data(data).write(&mut tar);
    }
    let mut builder = CatalogBuilder::new(CatalogOptions::default());
    builder.layer(tar.as_slice()).unwrap();
    builder.finish().unwrap()
}

const STATUS: &[u8] = b"Package: libssl3t64\nStatus: install ok installed\nVersion: 3.5.1-1+b1\n\
    Source: openssl (3.5.1-1)\nArchitecture: amd64\n\nPackage: python3-idna\nVersion: 3.10-1\n\
    Source: python-idna\nArchitecture: all\n";

fn image() -> Inventory {
    Inventory::from(&catalog(&[
        ("etc/os-release", b"ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n"),
        ("var/lib/dpkg/status", STATUS),
        (
            "var/lib/dpkg/info/python3-idna.list",
            b"/usr/lib/python3/dist-packages/idna-3.10.dist-info/METADATA\n",
        ),
        (
            "usr/lib/python3/dist-packages/idna-3.10.dist-info/METADATA",
            b"Name: idna\nVersion: 3.10\n",
        ),
        (
            "opt/venv/lib/python3.13/site-packages/Ruamel_Yaml-0.18.dist-info/METADATA",
            b"Name: Ruamel_Yaml\nVersion: 0.18\n",
        ),
    ]))
}

#[test]
fn from_layers_to_findings() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("pypi", "")])
        .with("debian:13", "openssl", record("CVE-1", "<3.5.1-1+deb13u1"))
        .with("debian:13", "openssl", record("CVE-2", "<3.5.1-1"))
        .with("pypi", "idna", record("CVE-3", "*"))
        .with("pypi", "ruamel-yaml", record("CVE-4", "<1.0"));
    let inventory = image();
    let findings = all(&inventory, &memory);
    let rows: Vec<(&str, &str)> =
        findings.findings.iter().map(|it| (it.id.as_str(), &*it.package)).collect();
    assert_eq!(
        rows,
        [
            ("CVE-1", "deb/libssl3t64/amd64"),
            (
                "CVE-4",
                "pypi/Ruamel_Yaml@0.18:opt/venv/lib/python3.13/site-packages/Ruamel_Yaml-0.18.dist-info/METADATA"
            ),
        ]
    );
    assert_eq!(findings.left_out.len(), 1);
    assert_eq!(findings.left_out[0].owned_by, "deb/python3-idna/all");
    assert_eq!(findings.warnings, []);
    assert_eq!(findings.release.unwrap().to_string(), "debian:13");
}

/// A source, its version in the suite, and the newest of all its suites.
type Versions = (String, String, String);

/// Reads what Debian publishes, as far as the trial data has it: nothing but versions with a fix, or none.
fn trial(release: &str) -> Option<(Memory, Vec<Versions>)> {
    let path = shared("vuln/debian-trial.tracker.json.gz")?;
    let file = flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap());
    let json: serde_json::Value = serde_json::from_reader(file).unwrap();
    let mut memory = Memory::about(&[("debian:13", "trixie"), ("debian:12", "bookworm")]);
    let space = if release == "trixie" { "debian:13" } else { "debian:12" };
    let mut sources = BTreeSet::new();
    for (source, vulnerabilities) in json.as_object().unwrap() {
        for (id, one) in vulnerabilities.as_object().unwrap() {
            let one = &one["releases"][release];
            let Some(repositories) = one["repositories"].as_object() else { continue };
            let verdict = match one["fixed_version"].as_str() {
                Some("0") => "!".to_owned(),
                Some(version) => format!("<{version}"),
                None => "*".to_owned(),
            };
            memory = memory.with(space, source, record(id, &verdict));
            let version = |suite: &str| repositories.get(suite).and_then(|it| it.as_str());
            let Some(main) = version(release) else { continue };
            let newest = repositories.values().filter_map(|version| version.as_str());
            let newest = range::greatest(space.parse::<Space>().unwrap().order(), newest).unwrap();
            sources.insert((source.clone(), main.to_owned(), newest.to_owned()));
        }
    }
    Some((memory, sources.into_iter().collect()))
}

#[test]
fn updates_of_a_release_leave_nothing_that_has_a_fix() {
    for (release, distribution) in [("trixie", "debian-13"), ("bookworm", "debian-12")] {
        let Some((memory, sources)) = trial(release) else { return };
        let fixable = |pick: fn(&Versions) -> &String| {
            let lines: Vec<String> =
                sources.iter().map(|source| format!("deb {} {}", source.0, pick(source))).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let findings = all(&inventory(distribution, &lines), &memory).findings;
            let has_fix = |finding: &&Finding| matches!(finding.fix, Fix::In(_));
            (findings.iter().filter(has_fix).count(), findings.len())
        };
        let (before, after) = (fixable(|source| &source.1), fixable(|source| &source.2));
        println!(
            "{release}: {} sources, (fixable, all): {before:?}, updated: {after:?}",
            sources.len()
        );
        assert!(before.0 > 100, "{release}: {before:?}");
        assert_eq!(after.0, 0, "{release}");
        // What has no fix stays, whatever is updated.
        assert_eq!(before.1 - before.0, after.1, "{release}");
    }
}

#[test]
fn a_file_that_can_not_be_read_is_told() {
    let mut inventory = image();
    inventory.unread = 2;
    let memory = Memory::about(&[("debian:13", "trixie"), ("pypi", "")]);
    assert_eq!(all(&inventory, &memory).warnings, [Warning::Unread(2)]);
}

#[test]
fn a_finding_explains_itself() {
    let known = Vulnerability {
        cvss: vec!["not a vector".into(), "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into()],
        epss: Some(Epss { probability: 900_000, percentile: 990_000 }),
        exploited_since: Some(20_000),
        in_ransomware: true,
        aliases: ["GHSA-x".into()].into(),
        ..Vulnerability::default()
    };
    let mut other = record("CVE-1", "!");
    other.source = 1;
    let decided = decided(record("CVE-1", "..3.5.1-1+deb13u1"), DecisionKind::NoDsa, "Minor issue");
    let memory = Memory::about(&[("debian:13", "trixie"), ("pypi", "")])
        .with("debian:13", "openssl", decided)
        .with("debian:13", "openssl", other)
        .knowing("CVE-1", known);
    let inventory = image();
    let findings = all(&inventory, &memory);
    insta::assert_snapshot!(findings.findings[0].explain(&inventory), @r"
    CVE-1, GHSA-x
      package: libssl3t64 3.5.1-1+b1, in layer 0
      found in: var/lib/dpkg/status
      rule: looked up by openssl 3.5.1-1, its source package, in debian:13
      first says of CVE-1: affected: 3.5.1-1 is before 3.5.1-1+deb13u1, which has the fix (order of dpkg)
      second says of CVE-1: not affected
      severity: critical (CVSS 9.8, CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H)
      fix: 3.5.1-1+deb13u1
      decision: no announcement of its own (no-dsa): Minor issue
      known to be exploited, in ransomware too
      result: it counts
    ");
}
