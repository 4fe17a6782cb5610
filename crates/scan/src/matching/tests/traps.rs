// SPDX-License-Identifier: Apache-2.0
//! What others got wrong, by what it is about.

use super::*;
use crate::advisory::{
    Advisory, DecisionKind, Severity, Support, SupportLimit, Urgency, Vulnerability,
};
use crate::vex::Suppression;

fn trixie() -> Memory {
    Memory::about(&[("debian:13", "trixie")])
}

#[test]
fn the_source_version_is_compared_and_not_that_of_a_rebuild() {
    let memory = trixie().with("debian:13", "foo", record("CVE-1", "<1.2-3.1"));
    for (line, expected) in [
        // The binary's version 1.2-3+b1 says nothing: its source is older than the fix.
        ("deb libfoo 1.2-3+b1 foo 1.2-3", true),
        // A binary version of its own, which is not the source's.
        ("deb libfoo 99:5 foo 1.2-3", true),
        ("deb libfoo 0.1 foo 1.2-3.1", false),
        ("deb foo 1.2-3.1+b2", false),
        ("deb foo 1.2-3+b2", true),
        // The version of a source that says none is the package's.
        ("deb libfoo 1.2-3 foo", true),
        ("deb libfoo 1.2-4 foo", false),
    ] {
        assert_eq!(
            !found(&inventory("debian-13", &[line]), &memory).is_empty(),
            expected,
            "{line}"
        );
    }
}

#[test]
fn epochs_tildes_and_security_suffixes_have_dpkgs_order() {
    for (fixed, affected, not) in [
        ("1:2.0-1", &["2.0-2", "1:1.9-9", "0:9-1"][..], &["1:2.0-1", "2:0-1"][..]),
        (
            "3.5.7-1~deb13u3",
            &["3.5.7-1~deb13u2", "3.5.7-1~bpo13+1"],
            &["3.5.7-1~deb13u3", "3.5.7-1"],
        ),
        (
            "1.0-1+deb13u2",
            &["1.0-1", "1.0-1+deb13u1", "1.0-1+b3"],
            &["1.0-1+deb13u2", "1.0-1+deb13u10", "1.0-1.1"],
        ),
        ("1.0~rc2-1", &["1.0~rc1-1", "1.0~beta-1"], &["1.0-1", "1.0~rc10-1"]),
    ] {
        let memory = trixie().with("debian:13", "foo", record("CVE-1", &format!("<{fixed}")));
        for version in affected {
            let line = format!("deb foo {version}");
            assert_eq!(
                found(&inventory("debian-13", &[&line]), &memory).len(),
                1,
                "{fixed} {version}"
            );
        }
        for version in not {
            let line = format!("deb foo {version}");
            assert!(
                found(&inventory("debian-13", &[&line]), &memory).is_empty(),
                "{fixed} {version}"
            );
        }
    }
}

#[test]
fn no_dsa_is_neither_wont_fix_nor_unaffected() {
    for (kind, state) in [
        (DecisionKind::NoDsa, "not-fixed"),
        (DecisionKind::Ignored, "wont-fix"),
        (DecisionKind::Postponed, "deferred"),
        (DecisionKind::NextPointRelease, "deferred"),
        (DecisionKind::EndOfLife, "end-of-life"),
    ] {
        let decided = decided(record("CVE-1", "*"), kind, "Minor issue");
        let memory = trixie().with("debian:13", "foo", decided);
        let findings = all(&inventory("debian-13", &["deb foo 1"]), &memory);
        let finding = &findings.findings[0];
        assert!(finding.is_open(), "{kind:?}");
        assert_eq!((finding.fix_state(), &finding.fix), (state, &Fix::None), "{kind:?}");
        assert_eq!(finding.decision.as_ref().unwrap().reason, "Minor issue");
    }
    // What is decided of a version that has the fix is of no interest.
    let decided = decided(record("CVE-1", "<2"), DecisionKind::NoDsa, "");
    let memory = trixie().with("debian:13", "foo", decided);
    let findings = all(&inventory("debian-13", &["deb foo 1"]), &memory);
    assert_eq!(findings.findings[0].fix_state(), "fixed");
}

#[test]
fn undetermined_is_neither_open_nor_gone() {
    let memory = trixie().with("debian:13", "foo", record("CVE-1", "?"));
    let findings = all(&inventory("debian-13", &["deb foo 1", "deb libfoo 1 foo"]), &memory);
    assert!(findings.findings.is_empty());
    assert_eq!(findings.undetermined["CVE-1"], ["deb/foo", "deb/libfoo"]);
}

#[test]
fn not_affected_is_no_finding_even_of_version_zero() {
    let memory = trixie().with("debian:13", "foo", record("CVE-1", "!")).with(
        "debian:13",
        "foo",
        record("CVE-2", "<0"),
    );
    assert!(found(&inventory("debian-13", &["deb foo 0", "deb libfoo 1 foo"]), &memory).is_empty());
    // That nobody is affected does not hang on a version that comes before all.
    let memory = trixie().with("debian:13", "foo", record("CVE-1", "!"));
    assert!(found(&inventory("debian-13", &["deb foo 0~1"]), &memory).is_empty());
}

#[test]
fn severity_is_of_the_package_and_release_before_that_of_the_vulnerability() {
    let critical = Vulnerability {
        cvss: vec!["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into()],
        ..Vulnerability::default()
    };
    let urgent = |urgency| Advisory { urgency, ..record("CVE-1", "*") };
    let memory = Memory::about(&[("debian:13", "trixie"), ("debian:12", "bookworm")])
        .with("debian:13", "foo", urgent(Urgency::Unimportant))
        .with("debian:13", "bar", urgent(Urgency::Unstated))
        .with("debian:12", "foo", urgent(Urgency::High))
        .knowing("CVE-1", critical);
    for (distribution, name, severity, basis) in [
        ("debian-13", "foo", Severity::Negligible, Basis::Urgency),
        ("debian-13", "bar", Severity::Critical, Basis::Cvss),
        ("debian-12", "foo", Severity::High, Basis::Urgency),
    ] {
        let line = format!("deb {name} 1");
        let findings = all(&inventory(distribution, &[&line]), &memory);
        let finding = &findings.findings[0];
        assert_eq!((finding.severity, finding.basis), (severity, basis), "{distribution} {name}");
    }
}

#[test]
fn what_dpkg_owns_is_found_under_the_package_of_the_distribution_alone() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("pypi", "")])
        .with("pypi", "django", record("GHSA-1", "<6"))
        .with("debian:13", "python-django", record("CVE-1", "<3:4.2.5-2"));
    let lines =
        ["deb python3-django 3:4.2.5-2 python-django", "pypi django 4.2.5 < deb/python3-django"];
    let findings = all(&inventory("debian-13", &lines), &memory);
    assert!(findings.findings.is_empty());
    assert_eq!(
        findings.left_out,
        [LeftOut { package: "pypi/django".into(), owned_by: "deb/python3-django".into() }]
    );
    // One that nobody brought is looked up.
    let findings = found(&inventory("debian-13", &["deb bash 1", "pypi django 4.2.5"]), &memory);
    assert_eq!(findings, ["pypi/django GHSA-1"]);
    // Who packages beside the distribution brings what the distribution knows nothing of.
    let mut foreign = inventory("debian-13", &lines);
    for (maintainer, expected) in [
        ("Docker <support@docker.com>", 1),
        ("X <x@eu.nvidia.com>", 1),
        ("X <x@notdocker.com>", 0),
        ("Debian Python Team <team+python@tracker.debian.org>", 0),
        ("docker.com", 0),
    ] {
        foreign.packages[0].maintainer = Some(maintainer.to_owned());
        assert_eq!(found(&foreign, &memory).len(), expected, "{maintainer}");
    }
}

#[test]
fn headers_and_tools_of_the_kernel_are_no_kernel() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("alpine:3.22", "")])
        .with("debian:13", "linux", record("CVE-1", "<6.12.50-1"))
        .with("debian:13", "linux-6.1", record("CVE-1", "<6.1.150-1"))
        .with("debian:13", "linux-firmware-free", record("CVE-2", "*"))
        .with("alpine:3.22", "linux-lts", record("CVE-1", "<6.12.50-r0"));
    for (distribution, line, is_open) in [
        ("debian-13", "deb linux-libc-dev 6.12.43-1 linux", false),
        ("debian-13", "deb linux-headers-amd64 6.12.43-1 linux", false),
        ("debian-13", "deb libcpupower1 6.12.43-1 linux", false),
        ("debian-13", "deb bpftool 7.5.0+6.12.43-1 linux 6.12.43-1", false),
        ("debian-13", "deb linux-image-6.12.43-amd64 6.12.43-1 linux-signed-amd64 6.12.43+1", true),
        ("debian-13", "deb linux-image-amd64-unsigned 6.12.43-1 linux", true),
        ("debian-13", "deb linux-image-6.1-amd64 6.1.140-1 linux-signed-6.1-amd64 6.1.140+1", true),
        ("debian-13", "deb linux-kbuild-6.1 6.1.140-1 linux-6.1", false),
        // Another source, whatever it is called.
        ("debian-13", "deb firmware 1 linux-firmware-free", true),
        ("alpine-3.22.1", "apk linux-lts 6.12.43-r0", true),
        ("alpine-3.22.1", "apk linux-virt 6.12.43-r0 linux-lts", true),
        ("alpine-3.22.1", "apk linux-lts-dev 6.12.43-r0 linux-lts", false),
        ("alpine-3.22.1", "apk bpftool 6.12.43-r0 linux-lts", false),
    ] {
        let findings = all(&inventory(distribution, &[line]), &memory);
        assert_eq!(findings.findings.len(), 1, "{line}");
        let standing = &findings.findings[0].standing;
        let expected =
            if is_open { Standing::Open } else { Standing::Suppressed(Suppression::NoKernel) };
        assert_eq!(*standing, expected, "{line}");
    }
}

#[test]
fn an_unknown_distribution_is_an_error_and_not_zero_findings() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("pypi", "")]).with(
        "pypi",
        "a",
        record("CVE-1", "*"),
    );
    let of = |distribution: &str, lines: &[&str]| {
        match_all(&inventory(distribution, lines), &memory, &MatchOptions::default())
    };
    for (distribution, lines) in [
        ("ubuntu-24.04", &["deb a 1"][..]),
        ("dhi-13", &["deb a 1+dhi1"]),
        ("fedora-42", &[]),
        ("debian", &["deb a 1"]),
        ("debian-forky", &["deb a 1"]),
        ("chainguard", &["apk a 1-r0"]),
    ] {
        let found = of(distribution, lines);
        assert!(matches!(found, Err(MatchError::UnknownDistribution(_))), "{distribution}");
    }
    assert_eq!(
        of("debian-11", &["deb a 1"]),
        Err(MatchError::NoData("debian:11".parse().unwrap()))
    );
    assert_eq!(of("alpine-3.22.1", &[]), Err(MatchError::NoData("alpine:3.22".parse().unwrap())));
    assert_eq!(of("", &["deb a 1", "apk b 1"]), Err(MatchError::NoDistribution(2)));
    // Without packages of a distribution there is nothing to miss.
    assert_eq!(of("", &["pypi a 1"]).unwrap().findings.len(), 1);

    let options = MatchOptions { allows_unknown_distribution: true, ..MatchOptions::default() };
    let findings =
        match_all(&inventory("dhi-13", &["deb a 1", "pypi a 1"]), &memory, &options).unwrap();
    assert_eq!(findings.findings.len(), 1);
    let warning = Warning::UnknownDistribution { distribution: "dhi 13".into(), packages: 1 };
    assert!(findings.warnings.contains(&warning));
    let options = MatchOptions { release: "debian:13".parse().ok(), ..MatchOptions::default() };
    assert!(match_all(&inventory("dhi-13", &["deb a 1"]), &memory, &options).is_ok());
    let options = MatchOptions { release: "debian:12".parse().ok(), ..MatchOptions::default() };
    assert!(match_all(&inventory("debian-13", &["deb a 1"]), &memory, &options).is_err());
}

#[test]
fn releases_without_a_number_are_found_by_name() {
    let memory = Memory::about(&[("debian:14", "forky"), ("debian:sid", "sid")])
        .with("debian:14", "a", record("CVE-14", "*"))
        .with("debian:sid", "a", record("CVE-SID", "*"));
    for (name, expected) in [("debian-forky", "deb/a CVE-14"), ("debian-sid", "deb/a CVE-SID")] {
        assert_eq!(found(&inventory(name, &["deb a 1"]), &memory), [expected]);
    }
}

#[test]
fn one_row_for_a_vulnerability_with_many_names() {
    let known = |aliases: &[&'static str]| Vulnerability {
        aliases: aliases.iter().map(|alias| (*alias).into()).collect(),
        ..Vulnerability::default()
    };
    let memory = Memory::about(&[("pypi", "")])
        .with("pypi", "a", also(record("GHSA-1", "<1.2"), &["CVE-1"]))
        .with("pypi", "a", also(record("PYSEC-1", "<1.3"), &["CVE-1", "GHSA-1"]))
        // Only another source knows which CVE this is.
        .with("pypi", "a", record("GHSA-2", "<1.2"))
        .with("pypi", "a", record("CVE-2", "<1.2"))
        .knowing("GHSA-2", known(&["CVE-2"]))
        // Nobody gave these one.
        .with("pypi", "a", also(record("GHSA-3", "*"), &["PYSEC-3"]))
        .with("pypi", "a", record("PYSEC-3", "<9"))
        // Its CVE knows of it, and it does not know of the CVE.
        .with("pypi", "a", record("CVE-4", "<2"))
        .with("pypi", "a", record("GHSA-4", "<2"))
        .knowing("CVE-4", known(&["GHSA-4"]));
    let findings = all(&inventory("", &["pypi a 1.0"]), &memory).findings;
    let rows: Vec<(&str, usize, &Fix)> =
        findings.iter().map(|it| (it.id.as_str(), it.records.len(), &it.fix)).collect();
    let fixed = |version: &str| Fix::In(version.to_owned());
    assert_eq!(
        rows,
        [
            ("CVE-1", 2, &fixed("1.3")),
            ("CVE-2", 2, &fixed("1.2")),
            ("CVE-4", 2, &fixed("2")),
            ("GHSA-3", 2, &fixed("9")),
        ]
    );
    assert!(findings[0].aliases.contains("GHSA-1") && findings[0].aliases.contains("PYSEC-1"));
    assert!(findings[3].aliases.contains("PYSEC-3"));
}

#[test]
fn aliases_never_join_two_cves() {
    let memory = Memory::about(&[("npm", "")])
        .with("npm", "a", also(record("GHSA-1", "<2"), &["CVE-1", "CVE-2"]))
        .with("npm", "a", also(record("CVE-3", "<2"), &["CVE-4"]))
        .knowing(
            "CVE-1",
            Vulnerability { aliases: ["CVE-9".into()].into(), ..Vulnerability::default() },
        );
    let findings = all(&inventory("", &["npm a 1.0.0"]), &memory).findings;
    let rows: Vec<&str> = findings.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(rows, ["CVE-1", "CVE-2", "CVE-3"]);
    assert!(findings.iter().all(|it| it.aliases.iter().all(|alias| !alias.starts_with("CVE-"))));
}

#[test]
fn an_end_of_life_release_is_a_warning() {
    let memory = Memory::about(&[("debian:12", "bookworm")]).ending("debian:12", 100, Some(200));
    let warnings = |today| {
        let options = MatchOptions { today, ..MatchOptions::default() };
        match_all(&inventory("debian-12", &["deb a 1"]), &memory, &options).unwrap().warnings
    };
    let space: Space = "debian:12".parse().unwrap();
    let ended = |lts_until| Warning::EndOfLife { space: space.clone(), since: 100, lts_until };
    assert_eq!(warnings(Some(100)), []);
    assert_eq!(warnings(Some(101)), [ended(Some(200))]);
    assert_eq!(warnings(Some(200)), [ended(Some(200))]);
    assert_eq!(warnings(Some(201)), [ended(None)]);
    // Nobody said which day it is.
    assert_eq!(warnings(None), []);
}

#[test]
fn a_package_that_is_supported_although_a_pattern_covers_it_is_no_warning() {
    let limit = |package: &'static str, is_pattern, support| SupportLimit {
        package: package.into(),
        is_pattern,
        support,
        since: None,
        reason: "why".into(),
    };
    let lines = ["deb sqv 1 rust-sequoia-sqv", "deb ripgrep 1 rust-ripgrep", "deb bat 1 rust-bat"];
    let inventory = inventory("debian-13", &lines);
    let sources = |limits: &[SupportLimit<'static>]| -> Vec<String> {
        let memory = limits.iter().cloned().fold(trixie(), |it, one| it.limiting("debian:13", one));
        let warnings = all(&inventory, &memory).warnings.into_iter();
        let sources = warnings.filter_map(|warning| match warning {
            Warning::LimitedSupport { source, .. } => Some(source),
            _ => None,
        });
        sources.collect()
    };
    let rust = limit("rust.*", true, Support::Limited);
    let all = ["rust-bat", "rust-ripgrep", "rust-sequoia-sqv"];
    assert_eq!(sources(std::slice::from_ref(&rust)), all);
    let sqv = limit("rust-sequoia-sqv", false, Support::Full);
    for limits in [[rust.clone(), sqv.clone()], [sqv.clone(), rust.clone()]] {
        assert_eq!(sources(&limits), all[..2]);
    }
    assert_eq!(sources(&[rust.clone(), limit("rust-[br].*", true, Support::Full)]), all[2..]);
    assert_eq!(sources(&[rust.clone(), limit("sqv", false, Support::Full)]), all);
    // What is said of the name itself holds.
    assert_eq!(
        sources(&[limit("rust-bat", false, Support::Ended), limit("rust.*", true, Support::Full)]),
        all[..1]
    );
    assert_eq!(sources(&[sqv]), [""; 0]);
}

#[test]
fn packages_with_less_support_are_warnings() {
    let limit = |package: &'static str, is_pattern| SupportLimit {
        package: package.into(),
        is_pattern,
        support: Support::Limited,
        since: None,
        reason: "why".into(),
    };
    let memory = trixie()
        .limiting("debian:13", limit("binutils", false))
        .limiting("debian:13", limit("golang.*", true))
        .limiting("debian:13", limit("c.t", false))
        .limiting("debian:13", limit("(", true));
    let lines = ["deb libbfd 1 binutils", "deb gold 1 golang-1.24", "deb agolang 1", "deb cat 1"];
    let warnings = all(&inventory("debian-13", &lines), &memory).warnings;
    let limited = |source: &str, package: &str| Warning::LimitedSupport {
        source: source.into(),
        packages: vec![package.into()],
        is_unsupported: false,
        since: None,
        reason: "why".into(),
    };
    assert_eq!(
        warnings,
        [
            limited("binutils", "libbfd"),
            limited("golang-1.24", "gold"),
            Warning::Pattern("(".into()),
        ]
    );
}

#[test]
fn versions_that_can_not_be_compared_are_told() {
    let memory = trixie()
        .with("debian:13", "a", record("CVE-1", "<1_2"))
        .with("debian:13", "b", record("CVE-2", "<1_2 <3"))
        .with("debian:13", "c", record("CVE-3", "*"));
    let findings = all(&inventory("debian-13", &["deb a 1", "deb b 1", "deb c x_y"]), &memory);
    let ids: Vec<&str> = findings.findings.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["CVE-2", "CVE-3"]);
    assert!(
        matches!(&findings.warnings[..], [Warning::Uncompared { id, .. }] if id == "CVE-1"),
        "{:?}",
        findings.warnings
    );
}

#[test]
fn of_several_fixes_in_alpine_the_greatest_counts() {
    let memory = Memory::about(&[("alpine:3.22", "")]).with(
        "alpine:3.22",
        "curl",
        record("CVE-1", "<8.14.0-r0 <8.14.1-r2"),
    );
    for (version, is_affected) in
        [("8.13.0-r0", true), ("8.14.0-r0", true), ("8.14.1-r2", false), ("8.14.1-r10", false)]
    {
        let line = format!("apk libcurl {version} curl");
        let findings = all(&inventory("alpine-3.22.1", &[&line]), &memory).findings;
        assert_eq!(!findings.is_empty(), is_affected, "{version}");
        assert!(findings.iter().all(|it| it.fix == Fix::In("8.14.1-r2".into())), "{version}");
    }
}

#[test]
fn what_was_withdrawn_is_no_finding() {
    let withdrawn = || Vulnerability { is_withdrawn: true, ..Vulnerability::default() };
    let memory = Memory::about(&[("pypi", "")])
        .with("pypi", "a", record("CVE-1", "*"))
        .with("pypi", "a", also(record("GHSA-2", "*"), &["CVE-2"]))
        .with("pypi", "a", record("CVE-2", "<2"))
        .knowing("CVE-1", withdrawn())
        .knowing("GHSA-2", withdrawn());
    let findings = all(&inventory("", &["pypi a 1"]), &memory).findings;
    assert_eq!(findings.len(), 1);
    // Without the one that was withdrawn there is a fix.
    assert_eq!((findings[0].id.as_str(), findings[0].records.len()), ("CVE-2", 1));
}

#[test]
fn names_are_those_of_the_source_and_never_those_of_a_binary_package() {
    let memory = trixie().with("debian:13", "libfoo", record("CVE-1", "*")).with(
        "debian:13",
        "foo",
        record("CVE-2", "*"),
    );
    let findings = found(&inventory("debian-13", &["deb libfoo 1 foo 1"]), &memory);
    assert_eq!(findings, ["deb/libfoo CVE-2"]);
}

#[test]
fn other_releases_say_nothing() {
    let memory = Memory::about(&[("debian:13", "trixie"), ("debian:12", "bookworm")]).with(
        "debian:12",
        "foo",
        record("CVE-1", "*"),
    );
    assert!(found(&inventory("debian-13", &["deb foo 1"]), &memory).is_empty());
    assert_eq!(found(&inventory("debian-12", &["deb foo 1"]), &memory).len(), 1);
}
