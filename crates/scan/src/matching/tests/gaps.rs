// SPDX-License-Identifier: Apache-2.0
//! What can't be looked up is told, and an image of which nothing was looked up is not clean.

use super::*;

#[test]
fn languages_without_data_are_told_and_not_passed_over() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("golang", "")]);
    let lines = [
        "npm a 1",
        "npm b 1",
        "generic redis 7.2",
        "golang main -",
        "apk x 1-r0",
        "maven nogroup 1",
    ];
    let allowing = MatchOptions { allows_nothing: true, ..MatchOptions::default() };
    let findings = match_all(&inventory("debian-13", &lines), &memory, &allowing).unwrap();
    assert!(findings.findings.is_empty());
    assert_eq!(
        findings.warnings,
        [
            Warning::OtherDistribution { kind: PackageKind::Apk, packages: 1 },
            Warning::NoData { space: Space::Npm, packages: 2 },
            Warning::NotCovered { kind: PackageKind::Maven, packages: vec!["nogroup".into()] },
            Warning::NotCovered { kind: PackageKind::Generic, packages: vec!["redis".into()] },
            Warning::NoVersion { kind: PackageKind::Golang, packages: vec!["main".into()] },
        ]
    );
}

#[test]
fn nothing_that_was_looked_up_is_no_clean_image() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("pypi", "")]);
    let of = |inventory: &Inventory| match match_all(inventory, &memory, &MatchOptions::default()) {
        Ok(_) => None,
        Err(MatchError::Nothing { warnings }) => Some(warnings.len()),
        Err(error) => panic!("{error}"),
    };
    let unread = Inventory { unread: 2, ..Inventory::default() };
    let uncovered = [("rpm".to_owned(), 3)].into();
    let uncovered = Inventory { uncovered, ..Inventory::default() };
    for (inventory, expected) in [
        (Inventory::default(), Some(0)),
        (unread, Some(1)),
        (uncovered.clone(), Some(1)),
        (Inventory { unnamed: 500, ..Inventory::default() }, Some(1)),
        (inventory("", &["npm a 1", "golang b 1", "pypi c -"]), Some(3)),
        // It says what it is, and not what it has.
        (inventory("debian-13", &[]), Some(1)),
        (inventory("debian-13", &["apk a 1"]), Some(1)),
        (inventory("debian-13", &["npm a 1", "pypi b 1"]), None),
        (inventory("", &["npm a 1", "pypi b 1"]), None),
    ] {
        assert_eq!(of(&inventory), expected, "{inventory:?}");
    }
    let warnings = all(&inventory("debian-13", &["pypi b 1"]), &memory).warnings;
    assert_eq!(warnings, [Warning::NoDatabase("debian 13".into())]);
    let beside = inventory("", &["pypi b 1"]);
    let beside = Inventory { uncovered: uncovered.uncovered, unnamed: 500, ..beside };
    let warnings = all(&beside, &memory).warnings;
    let expected =
        [Warning::OtherType { package_type: "rpm".into(), packages: 3 }, Warning::Unnamed(500)];
    assert_eq!(warnings, expected);
}

#[test]
fn a_package_database_that_can_not_be_read_is_no_warning() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("pypi", "")]);
    let broken = Inventory {
        unread_database: Some("/var/lib/dpkg/status: broken".to_owned()),
        ..inventory("debian-13", &["deb a 1", "pypi b 1"])
    };
    let found = match_all(&broken, &memory, &MatchOptions::default());
    assert_eq!(found, Err(MatchError::Database("/var/lib/dpkg/status: broken".to_owned())));
    let options = MatchOptions { allows_unknown_distribution: true, ..MatchOptions::default() };
    assert!(match_all(&broken, &memory, &options).is_ok());
}

#[test]
fn packages_of_other_releases_are_looked_up_in_these() {
    let memory = Memory::about(&[("debian:12", "bookworm"), ("debian:13", "trixie")])
        .with("debian:12", "a", record("CVE-12", "*"))
        .with("debian:13", "a", record("CVE-13", "*"));
    let mut mixed = inventory("debian-12", &["deb a 1", "deb b 1", "deb c 1"]);
    let purl = |release: &str| {
        format!("pkg:deb/debian/a@1?arch=amd64&distro=debian-{release}").parse().ok()
    };
    mixed.packages[0].purl = purl("13.1");
    assert_eq!(found(&mixed, &memory), ["deb/a CVE-13"]);
    mixed.packages[0].purl = purl("12.9");
    assert_eq!(found(&mixed, &memory), ["deb/a CVE-12"]);
    mixed.packages[0].purl = purl("11");
    let findings = all(&mixed, &memory);
    assert!(findings.findings.is_empty());
    let space = "debian:11".parse().unwrap();
    assert_eq!(findings.warnings, [Warning::NoData { space, packages: 1 }]);
}

#[test]
fn what_an_image_does_not_have_is_explained_as_well() {
    let memory = Memory::about(&[("debian:13", "trixie")])
        .with("debian:13", "glibc", record("CVE-1", "<2.40"))
        .with("debian:13", "glibc", record("CVE-2", "*"));
    let image = inventory("debian-13", &["deb libc6 2.41-12 glibc 2.41-12", "deb bash 5.2"]);
    let of = |id: &str| absences(&image, &memory, &MatchOptions::default(), id).unwrap();
    let found = of("cve-1");
    assert_eq!(found.len(), 1);
    let Absence { id, package, version, lines } = &found[0];
    assert_eq!((id.as_str(), package.as_str(), version.as_str()), ("CVE-1", "libc6", "2.41-12"));
    let lines = lines.join("\n");
    for expected in
        ["rule: looked up by glibc 2.41-12", "says of CVE-1", "2.40", "result: it does not have it"]
    {
        assert!(lines.contains(expected), "{expected}: {lines}");
    }
    // What it has is a finding, and of what nobody says anything nothing is said.
    assert_eq!((of("CVE-2"), of("CVE-3")), (Vec::new(), Vec::new()));
}
