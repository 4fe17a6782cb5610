// SPDX-License-Identifier: Apache-2.0
//! What is stated of images of one's own, and what others make of it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{
    Component, ImageProducts, Status, Text, Trust, VexDocument, VexHeader, VexRead, assess,
    document_id, read_any,
};
use hardpan_testkit::deb::RawEntry;
use hardpan_tree::Digest;
use hardpan_tree::glob::Glob;

use super::own::{AbsenceClaim, Absent, FixedWanted, OwnVex, counts, state};
use super::{ImageNames, VexPolicy, VexSource, apply};
use crate::advisory::DecisionKind;
use crate::catalog::{Catalog, CatalogBuilder, CatalogOptions};
use crate::inventory::Inventory;
use crate::matching::memory::{Memory, decided, record};
use crate::matching::{MatchOptions, match_all};

const STATUS: &str = "Package: libssl3t64\nVersion: 3.5.1-1+deb13u2\nSource: openssl\nArchitecture: amd64\n\n\
    Package: linux-libc-dev\nVersion: 6.12.43-1\nSource: linux\nArchitecture: all\n";

pub(super) fn catalog(more: &[&str]) -> Catalog {
    let mut tar = Vec::new();
    let mut files = vec![
        ("etc/os-release", "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n"),
        ("var/lib/dpkg/status", STATUS),
        ("usr/lib/x86_64-linux-gnu/libssl.so.3", "x"),
    ];
    files.extend(more.iter().map(|path| (*path, "x")));
    for (path, data) in files {
        RawEntry::new(path, b'0').data(data.as_bytes()).write(&mut tar);
    }
    let mut builder = CatalogBuilder::new(CatalogOptions::default());
    builder.layer(tar.as_slice()).unwrap();
    builder.finish().unwrap()
}

pub(super) fn memory() -> Memory {
    Memory::about(&[("debian:13", "trixie")])
        .with("debian:13", "openssl", record("CVE-OPEN", "*"))
        .with(
            "debian:13",
            "openssl",
            decided(record("CVE-NODSA", "*"), DecisionKind::NoDsa, "Minor"),
        )
        .with(
            "debian:13",
            "openssl",
            decided(record("CVE-IGNORED", "*"), DecisionKind::Ignored, ""),
        )
        .with("debian:13", "openssl", record("CVE-UPDATE", "<3.5.1-1+deb13u3"))
        .with("debian:13", "openssl", record("CVE-BACKPORT", "<3.5.1-1+deb13u1"))
        .with("debian:13", "openssl", record("CVE-OLD", "<3.0.0-1"))
        .with("debian:13", "openssl", record("CVE-NEVER", "!"))
        .with("debian:13", "openssl", record("CVE-UNKNOWN", "?"))
        .with("debian:13", "linux", record("CVE-KERNEL", "*"))
}

pub(super) fn stated(catalog: &Catalog, claims: &[AbsenceClaim], fixed: FixedWanted) -> OwnVex {
    let time = Time::from_seconds(1_790_000_000);
    state(catalog, &memory(), &MatchOptions::default(), claims, fixed, time).unwrap()
}

/// Returns each assessment as `ID STATUS WHY`.
fn lines(own: &OwnVex) -> Vec<String> {
    let line = |one: &hardpan_attest::predicate::vex::Assessment| {
        let why = match &one.status {
            Status::NotAffected(reason) => reason.justification().unwrap().as_str().to_owned(),
            Status::Affected { action, .. } => action.to_string(),
            _ => one.notes.as_ref().unwrap().to_string(),
        };
        format!("{} {}: {why}", one.vulnerability.name, one.status.as_str())
    };
    own.assessments.iter().map(line).collect()
}

pub(super) fn claim(vulnerability: &str, package: &str, absent: Absent) -> AbsenceClaim {
    let reason = Text::new("it is in the program, not in the library").unwrap();
    AbsenceClaim { vulnerability: vulnerability.into(), package: package.into(), absent, reason }
}

pub(super) fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect()
}

#[test]
fn no_dsa_is_never_called_not_affected() {
    let own = stated(&catalog(&[]), &[], FixedWanted::Backported);
    assert_eq!(
        lines(&own),
        [
            "CVE-KERNEL not_affected: component_not_present",
            "CVE-BACKPORT fixed: openssl 3.5.1-1+deb13u2 has the fix of 3.5.1-1+deb13u1",
            "CVE-IGNORED affected: debian:13: ignored (no reason given); tracked, accepted until there is a fix",
            "CVE-NEVER not_affected: vulnerable_code_not_present",
            "CVE-NODSA affected: debian:13: no-dsa (Minor); tracked, accepted until there is a fix",
            "CVE-OPEN affected: no version of openssl in debian:13 has a fix yet",
            "CVE-UNKNOWN under_investigation: the distribution has not found out yet",
            "CVE-UPDATE affected: update openssl to 3.5.1-1+deb13u3",
        ]
    );
    assert_eq!(counts(&own.assessments)["affected"], 4);
    let packages: BTreeSet<String> =
        own.assessments.iter().flat_map(|it| &it.packages).map(ToString::to_string).collect();
    // The binary package, its exact version, and `arch`: what every scanner finds.
    assert_eq!(
        packages.into_iter().collect::<Vec<_>>(),
        [
            "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u2?arch=amd64",
            "pkg:deb/debian/linux-libc-dev@6.12.43-1?arch=all",
        ]
    );
}

#[test]
fn which_fixes_are_stated() {
    for (wanted, expected) in [
        (FixedWanted::None, &[][..]),
        (FixedWanted::Backported, &["CVE-BACKPORT"]),
        (FixedWanted::All, &["CVE-BACKPORT", "CVE-OLD"]),
    ] {
        let own = stated(&catalog(&[]), &[], wanted);
        let fixed = own.assessments.iter().filter(|it| it.status == Status::Fixed);
        let names: Vec<&str> = fixed.map(|it| it.vulnerability.name.as_str()).collect();
        assert_eq!(names, expected, "{wanted:?}");
    }
}

#[test]
fn a_kernel_in_the_image_is_one_whoever_brought_it() {
    for (file, is_kernel) in [
        ("boot/vmlinuz-6.12", true),
        ("usr/lib/modules/6.12/kernel/fs/ext4.ko.xz", true),
        ("lib/modules/6.12/extra.ko", true),
        ("usr/lib/modules/6.12/vmlinuz", true),
        ("usr/include/linux/version.h", false),
        ("boot/grub/grub.cfg", false),
    ] {
        let own = stated(&catalog(&[file]), &[], FixedWanted::None);
        let kernel =
            own.assessments.iter().find(|it| it.vulnerability.name == "CVE-KERNEL").unwrap();
        let expected = if is_kernel { "affected" } else { "not_affected" };
        assert_eq!(kernel.status.as_str(), expected, "{file}");
    }
}

#[test]
fn a_claim_holds_only_as_far_as_the_files_say_so() {
    let program = ["usr/bin/openssl"];
    for (summary, absent, more, justification) in [
        (
            "the program is not there",
            Absent::Component(globs(&["usr/bin/openssl"])),
            &[][..],
            Some("component_not_present"),
        ),
        (
            "what is built of it is not there",
            Absent::Built(globs(&["usr/lib/**/engines-3/*.so"])),
            &program,
            Some("vulnerable_code_not_present"),
        ),
        (
            "the package is not installed",
            Absent::Packages(["openssl".to_owned()].into()),
            &[],
            Some("component_not_present"),
        ),
        ("the program is there", Absent::Component(globs(&["usr/bin/openssl"])), &program, None),
        (
            "one of them is there",
            Absent::Built(globs(&["nothing", "usr/bin/open*"])),
            &program,
            None,
        ),
        ("the package is installed", Absent::Packages(["libssl3t64".to_owned()].into()), &[], None),
        ("nothing is claimed", Absent::Component(Vec::new()), &[], None),
    ] {
        let claims = [claim("CVE-OPEN", "openssl", absent)];
        let own = stated(&catalog(more), &claims, FixedWanted::None);
        let found = own.assessments.iter().find(|it| it.vulnerability.name == "CVE-OPEN").unwrap();
        match (&found.status, justification) {
            (Status::NotAffected(reason), Some(expected)) => {
                assert_eq!(reason.justification().unwrap().as_str(), expected, "{summary}");
                assert_eq!(own.refuted, [], "{summary}");
            }
            (Status::Affected { .. }, None) => {
                assert_eq!(own.refuted.len(), 1, "{summary}");
                assert!(!own.refuted[0].found.is_empty(), "{summary}");
            }
            (status, expected) => panic!("{summary}: {status:?} {expected:?}"),
        }
    }
}

#[test]
fn a_claim_about_nothing_is_told() {
    let absent = || Absent::Component(globs(&["usr/bin/openssl"]));
    for (vulnerability, package) in [
        ("CVE-ELSEWHERE", "openssl"),
        ("CVE-OPEN", "curl"),
        // What is not affected needs no claim.
        ("CVE-NEVER", "openssl"),
        ("CVE-BACKPORT", "openssl"),
    ] {
        let own =
            stated(&catalog(&[]), &[claim(vulnerability, package, absent())], FixedWanted::All);
        assert_eq!(own.refuted.len(), 1, "{vulnerability} {package}");
        assert_eq!(own.refuted[0].found, [""; 0], "{vulnerability} {package}");
        let open = own.assessments.iter().find(|it| it.vulnerability.name == "CVE-OPEN").unwrap();
        assert_eq!(open.status.as_str(), "affected");
    }
}

#[test]
fn what_is_stated_suppresses_what_is_found_and_nothing_else() {
    let catalog = catalog(&[]);
    let digest = Digest::of(b"image");
    let claims = [claim("CVE-OPEN", "openssl", Absent::Component(globs(&["usr/bin/openssl"])))];
    let own = stated(&catalog, &claims, FixedWanted::All);
    let image = ImageProducts::new("registry.example/app", &[digest], &[]).unwrap();
    let statements = assess(&image, &own.assessments).unwrap();
    let document = VexRead {
        id: "https://a.example/1".into(),
        author: "A".into(),
        time: None,
        version: Some(1),
        statements,
        left_out: 0,
        warnings: Vec::new(),
    };
    let source =
        VexSource { name: "own".into(), trust: Trust::ImageAuthor, is_signed: true, document };
    let inventory = Inventory::from(&catalog);
    let mut findings = match_all(&inventory, &memory(), &MatchOptions::default()).unwrap();
    let names = ImageNames { name: "registry.example/app".into(), digests: vec![digest] };
    let strict = VexPolicy {
        needs_justification: true,
        needs_signature: true,
        needs_version: true,
        now: Some(Time::from_seconds(1_790_000_000)),
        overdue: None,
    };
    apply(&mut findings, &inventory, &names, &[source], &strict);
    let open: Vec<&str> =
        findings.findings.iter().filter(|it| it.is_open()).map(|it| it.id.as_str()).collect();
    assert_eq!(open, ["CVE-IGNORED", "CVE-NODSA", "CVE-UPDATE"]);
    assert!(findings.findings.iter().all(|it| it.statements.len() == 1));
    assert_eq!(super::lint(&[], Some((&inventory, &names)), Time::EPOCH), []);
}

#[test]
fn our_own_documents_have_no_fault_and_every_scanner_finds_the_packages() {
    let catalog = catalog(&[]);
    let own = stated(&catalog, &[], FixedWanted::All);
    let digest = Digest::of(b"image");
    let image = ImageProducts::new("registry.example/app", &[digest], &[]).unwrap();
    let header = VexHeader {
        id: document_id("https://vex.example", "app", &digest, 1).unwrap(),
        author: Text::new("A").unwrap(),
        role: None,
        time: Time::from_seconds(1_790_000_000),
        last_updated: None,
        version: NonZeroU32::MIN,
        tooling: None,
    };
    let document = VexDocument::new(header, assess(&image, &own.assessments).unwrap()).unwrap();
    let document = read_any(&document.to_bytes()).unwrap();
    assert_eq!(document.warnings, []);
    assert_eq!(document.statements.len(), own.assessments.len());
    let source =
        VexSource { name: "own".into(), trust: Trust::ImageAuthor, is_signed: true, document };
    let names = ImageNames { name: "registry.example/app".into(), digests: vec![digest] };
    assert_eq!(
        super::lint(
            std::slice::from_ref(&source),
            Some((&Inventory::from(&catalog), &names)),
            Time::from_seconds(1_790_000_000),
        ),
        []
    );

    // As Syft and as Trivy write the package, compared as VEX tools do.
    let version = "3.5.1-1%2Bdeb13u2?arch=amd64";
    for more in ["&distro=debian-13&upstream=openssl", "&distro=debian-13.7", ""] {
        let theirs = format!("pkg:deb/debian/libssl3t64@{version}{more}").parse().unwrap();
        let fixed =
            source.document.statements.iter().find(|it| it.status == Status::Fixed).unwrap();
        let mut parts = fixed.products.iter().flat_map(|it| {
            it.subcomponents.iter().chain([&it.component]).filter_map(Component::purl)
        });
        assert!(parts.any(|purl| purl.matches(&theirs)), "{more}");
    }
}
