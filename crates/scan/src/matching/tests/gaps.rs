// SPDX-License-Identifier: Apache-2.0
//! What can't be looked up is told, and an image of which nothing was looked up is not clean.

use super::*;
use crate::advisory::{Support, SupportLimit};

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
        format!("pkg:deb/debian/a@1?arch=amd64&distro=debian-{release}").parse().ok().map(Arc::new)
    };
    mixed.packages[0].purl = purl("13.1");
    assert_eq!(found(&mixed, &memory), ["deb/a CVE-13"]);
    mixed.packages[0].purl = purl("12.9");
    assert_eq!(found(&mixed, &memory), ["deb/a CVE-12"]);
    // One that is chosen holds for all.
    mixed.packages[0].purl = purl("13.1");
    let chosen =
        |release: &str| MatchOptions { release: release.parse().ok(), ..MatchOptions::default() };
    let found = match_all(&mixed, &memory, &chosen("debian:12")).unwrap().findings;
    assert_eq!(found.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["CVE-12"]);
    mixed.packages[0].purl = purl("11");
    let found = match_all(&mixed, &memory, &chosen("debian:13")).unwrap();
    assert_eq!(found.findings[0].id, "CVE-13");
    assert_eq!(found.warnings, []);
}

#[test]
fn a_release_without_data_is_an_error_whoever_states_it() {
    let memory = Memory::about(&[("debian:12", "bookworm"), ("alpine:3.22", "")]).with(
        "debian:12",
        "a",
        record("CVE-12", "*"),
    );
    for (purl, missing) in [
        ("pkg:deb/debian/b@1?distro=debian-11", "debian:11"),
        ("pkg:deb/debian/b@1?distro=debian-13.1", "debian:13"),
        ("pkg:apk/alpine/b@1-r0?distro=alpine-3.18.4", "alpine:3.18"),
    ] {
        let mut mixed = inventory("debian-12", &["deb a 1", "deb b 1"]);
        mixed.packages[1].purl = purl.parse().ok().map(Arc::new);
        let missing: Space = missing.parse().unwrap();
        let error = MatchError::NoData(missing.clone());
        assert_eq!(match_all(&mixed, &memory, &MatchOptions::default()), Err(error.clone()));
        let absent = absences(&mixed, &memory, &MatchOptions::default(), "CVE-12");
        assert_eq!(absent, Err(error.clone()));
        // That an image may be empty says nothing of one that is not.
        let empty = MatchOptions { allows_nothing: true, ..MatchOptions::default() };
        assert_eq!(match_all(&mixed, &memory, &empty), Err(error));
        let options = MatchOptions { allows_unknown_distribution: true, ..MatchOptions::default() };
        let findings = match_all(&mixed, &memory, &options).unwrap();
        assert_eq!(findings.findings[0].id, "CVE-12");
        assert_eq!(findings.warnings, [Warning::NoData { space: missing, packages: 1 }]);
    }
}

#[test]
fn releases_of_packages_may_have_their_names() {
    let memory = Memory::about(&[("debian:12", "bookworm"), ("debian:13", "trixie")])
        .with("debian:12", "a", record("CVE-12", "*"))
        .with("debian:13", "a", record("CVE-13", "*"));
    // The image may be called by its name alone, too.
    for image in ["debian-12", "bookworm"] {
        let mut mixed = inventory("debian-12", &["deb a 1", "deb b 1"]);
        mixed.distribution = Some(Distribution::of_qualifier("debian", image));
        for (purl, expected) in [
            ("pkg:deb/debian/a@1?distro=trixie", "deb/a CVE-13"),
            ("pkg:deb/debian/a@1?distro=debian-13", "deb/a CVE-13"),
            ("pkg:deb/debian/a@1?distro=bookworm", "deb/a CVE-12"),
            ("pkg:deb/debian/a@1?distro=debian-12.9", "deb/a CVE-12"),
            ("pkg:deb/debian/a@1?distro=debian", "deb/a CVE-12"),
            ("pkg:deb/debian/a@1", "deb/a CVE-12"),
        ] {
            mixed.packages[0].purl = purl.parse().ok().map(Arc::new);
            assert_eq!(found(&mixed, &memory), [expected], "{image}, {purl}");
        }
        // A name that nobody knows is not the image's.
        mixed.packages[0].purl = "pkg:deb/debian/a@1?distro=jessie".parse().ok().map(Arc::new);
        let error = match_all(&mixed, &memory, &MatchOptions::default()).unwrap_err();
        let jessie = Distribution::of_qualifier("debian", "jessie");
        assert_eq!(error, MatchError::UnknownDistribution(jessie));
        let options = MatchOptions { allows_unknown_distribution: true, ..MatchOptions::default() };
        let found = match_all(&mixed, &memory, &options).unwrap();
        assert_eq!(found.findings, []);
        assert!(
            matches!(&found.warnings[..], [Warning::UnknownDistribution { packages: 1, .. }]),
            "{:?}",
            found.warnings
        );
        // Ubuntu's versions are no versions of Debian.
        mixed.packages[0].purl =
            "pkg:deb/ubuntu/a@1?distro=ubuntu-22.04".parse().ok().map(Arc::new);
        let found = match_all(&mixed, &memory, &MatchOptions::default()).unwrap();
        assert_eq!(found.findings, []);
        assert_eq!(
            found.warnings,
            [Warning::OtherDistribution { kind: PackageKind::Deb, packages: 1 }]
        );
    }
}

#[test]
fn support_is_that_of_the_release_a_package_is_looked_up_in() {
    let limit = |package: &'static str| SupportLimit {
        package: package.into(),
        is_pattern: false,
        support: Support::Ended,
        since: None,
        reason: "why".into(),
    };
    let memory = Memory::about(&[("debian:10", "buster"), ("debian:13", "trixie")])
        .ending("debian:10", 100, None)
        .limiting("debian:10", limit("a"))
        .limiting("debian:13", limit("b"));
    let mut mixed = inventory("debian-13", &["deb a 1", "deb b 1", "deb c 1"]);
    mixed.packages[1].purl = "pkg:deb/debian/b@1?distro=debian-10".parse().ok().map(Arc::new);
    let warnings = |inventory: &Inventory, release: Option<&str>| {
        let release = release.map(|release| release.parse().unwrap());
        let options = MatchOptions { today: Some(101), release, ..MatchOptions::default() };
        match_all(inventory, &memory, &options).unwrap().warnings
    };
    let space: Space = "debian:10".parse().unwrap();
    let ended = Warning::EndOfLife { space, since: 100, lts_until: None };
    let limited = |name: &str| Warning::LimitedSupport {
        source: name.into(),
        packages: vec![name.into()],
        is_unsupported: true,
        since: None,
        reason: "why".into(),
    };
    assert_eq!(warnings(&mixed, None), std::slice::from_ref(&ended));
    assert_eq!(warnings(&mixed, Some("debian:13")), [limited("b")]);
    assert_eq!(warnings(&mixed, Some("debian:10")), [ended.clone(), limited("a")]);
    // The release of an image ends whatever is known of its packages.
    let empty = inventory("debian-10", &[]);
    let options =
        MatchOptions { today: Some(101), allows_nothing: true, ..MatchOptions::default() };
    let findings = match_all(&empty, &memory, &options).unwrap();
    assert!(findings.warnings.contains(&ended), "{:?}", findings.warnings);
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
