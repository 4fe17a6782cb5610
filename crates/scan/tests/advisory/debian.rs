// SPDX-License-Identifier: Apache-2.0
//! Debian's tracker, support lists and releases, and Alpine's secdb.

use hardpan_scan::advisory::import::{
    alpine_secdb, debian_tracker, distro_info, security_support, wolfi,
};
use hardpan_scan::advisory::{Advisories, Collected, Space, Support};

use super::support::{Data, database, imported, said};

/// A tracker with one package, and one vulnerability in trixie.
fn tracker(release: &str) -> String {
    format!(r#"{{"glibc":{{"CVE-2026-0861":{{"releases":{{"trixie":{release}}}}}}}}}"#)
}

fn of_tracker(release: &str) -> String {
    let database = imported(&[(|b, c| debian_tracker(b, c), &tracker(release))]);
    said(&database, "debian:13", "glibc").join("; ")
}

#[test]
fn resolved_never_means_that_an_installed_version_has_the_fix() {
    // The fix is in security alone: whoever has the release's own version has the vulnerability.
    let release = r#"{"status":"resolved","repositories":{"trixie":"2.41-12","trixie-security":"2.41-12+deb13u1"},
        "fixed_version":"2.41-12+deb13u1","urgency":"not yet assigned"}"#;
    assert_eq!(of_tracker(release), "CVE-2026-0861 fixed in 2.41-12+deb13u1");
}

#[test]
fn fixed_in_0_means_never_affected() {
    let release = r#"{"status":"resolved","fixed_version":"0","urgency":"unimportant"}"#;
    assert_eq!(of_tracker(release), "CVE-2026-0861 not affected, unimportant");
}

#[test]
fn open_undetermined_and_resolved_stay_distinct() {
    for (release, expected) in [
        (r#"{"status":"open","urgency":"low"}"#, "CVE-2026-0861 open, low"),
        (r#"{"status":"undetermined","urgency":"not yet assigned"}"#, "CVE-2026-0861 undetermined"),
        (r#"{"status":"resolved","fixed_version":"1:2-3"}"#, "CVE-2026-0861 fixed in 1:2-3"),
        // It says that some version has the fix, and not which: neither a finding nor none.
        (r#"{"status":"resolved"}"#, "CVE-2026-0861 undetermined"),
        // Nothing can be compared with it. A finding too many is better than one too few.
        (r#"{"status":"resolved","fixed_version":"see below"}"#, "CVE-2026-0861 open"),
    ] {
        assert_eq!(of_tracker(release), expected, "{release}");
    }
}

#[test]
fn asterisks_of_urgencies_say_whose_they_are() {
    for (word, expected) in [
        ("low", ", low"),
        ("low*", ", low"),
        ("medium**", ", medium"),
        ("high**", ", high"),
        ("not yet assigned", ""),
        ("unimportant", ", unimportant"),
        ("dreadful", ""),
    ] {
        let release = format!(r#"{{"status":"open","urgency":"{word}"}}"#);
        assert_eq!(of_tracker(&release), format!("CVE-2026-0861 open{expected}"), "{word}");
    }
}

#[test]
fn no_dsa_ignored_postponed_and_end_of_life_are_remarks() {
    for (more, expected) in [
        (r#""nodsa":"Minor issue","nodsa_reason":"""#, "NoDsa (Minor issue)"),
        (r#""nodsa":"Minor issue""#, "NoDsa (Minor issue)"),
        (r#""nodsa":"Too intrusive","nodsa_reason":"ignored""#, "Ignored (Too intrusive)"),
        (r#""nodsa":"Next time","nodsa_reason":"postponed""#, "Postponed (Next time)"),
        (r#""nodsa":"x","nodsa_reason":"","next_point_update":true"#, "NextPointRelease (x)"),
        (r#""urgency":"end-of-life""#, "EndOfLife ()"),
    ] {
        let open = of_tracker(&format!(r#"{{"status":"open",{more}}}"#));
        assert_eq!(open, format!("CVE-2026-0861 open, {expected}"));
        let fixed = of_tracker(&format!(r#"{{"status":"resolved","fixed_version":"2",{more}}}"#));
        assert_eq!(fixed, format!("CVE-2026-0861 fixed in 2, {expected}"));
    }
}

#[test]
fn urgency_is_of_a_package_and_a_release() {
    let text = r#"{"a":{"CVE-2026-0001":{"releases":{"trixie":{"status":"open","urgency":"unimportant"},
        "bookworm":{"status":"open","urgency":"high"}}}},
        "b":{"CVE-2026-0001":{"releases":{"trixie":{"status":"open","urgency":"medium"}}}}}"#;
    let database = imported(&[(|b, c| debian_tracker(b, c), text)]);
    assert_eq!(said(&database, "debian:13", "a"), ["CVE-2026-0001 open, unimportant"]);
    assert_eq!(said(&database, "debian:12", "a"), ["CVE-2026-0001 open, high"]);
    assert_eq!(said(&database, "debian:13", "b"), ["CVE-2026-0001 open, medium"]);
}

#[test]
fn what_is_in_no_release_and_odd_entries_are_counted() {
    let text = r#"{"a":{"CVE-2026-0001":{"releases":[]},"no name!":{"releases":{}},
        "TEMP-0841257-2BBD36":{"description":"x","releases":{"sid":{"status":"open"},"TRIXIE":{"status":"open"},
        "bookworm":{"status":"odd"},"warty":{"status":"open"}}}},"b b":{}}"#;
    let mut collected = Collected::new();
    let imported = debian_tracker(text.as_bytes(), &mut collected).unwrap();
    for (reason, count) in [
        ("in no release", 1),
        ("not a vulnerability's name", 1),
        ("not a release", 1),
        ("an unknown status", 1),
        ("not a package's name", 1),
    ] {
        assert_eq!(imported.skipped(reason), count, "{reason}");
    }
    assert_eq!(said(&database(&collected), "debian:sid", "a"), ["TEMP-0841257-2BBD36 open"]);
    // No source says which number it has. It is said and not left out silently.
    assert_eq!(Vec::from_iter(collected.unplaced()), [("warty".to_owned(), 1)]);
}

#[test]
fn releases_and_when_their_support_ends() {
    let table = "version,codename,series,created,release,eol,eol-lts,eol-elts\n\
        13,Trixie,trixie,2023-06-10,2025-08-09,2028-08-09,2030-06-30,2035-06-30\n\
        14,Forky,forky,2025-08-09\n,Sid,sid,1993-08-16\n,Experimental,experimental,1993-08-16\n";
    let tracker = tracker(r#"{"status":"open"}"#);
    let database =
        imported(&[(|b, c| distro_info(b, c), table), (|b, c| debian_tracker(b, c), &tracker)]);
    let release = database.release(&Space::Debian("13".to_owned())).unwrap();
    assert_eq!(release.codename, "trixie");
    assert_eq!((release.end_of_life, release.end_of_lts), (Some(21_405), Some(22_095)));
    // Nobody knows anything of it: no silent "nothing found".
    assert_eq!(database.release(&Space::Debian("14".to_owned())), None);
}

#[test]
fn a_fix_without_entries_is_nothing() {
    let text = secdb(r#"{"1.0-r0":{},"1.1-r0":null,"1.2-r0":["CVE-2026-0001"]}"#);
    let database = imported(&[(|b, c| alpine_secdb(b, c), &text)]);
    assert_eq!(said(&database, "alpine:3.22", "busybox"), ["CVE-2026-0001 fixed in 1.2-r0"]);
    let text = text.replace(r#"{"1.0-r0":{},"1.1-r0":null,"1.2-r0":["CVE-2026-0001"]}"#, "[]");
    let database = imported(&[(|b, c| alpine_secdb(b, c), &text)]);
    assert_eq!(said(&database, "alpine:3.22", "busybox"), [""; 0]);
}

fn secdb(fixes: &str) -> String {
    format!(
        r#"{{"distroversion":"v3.22","reponame":"main","packages":[{{"pkg":{{"name":"busybox","secfixes":{fixes}}}}}]}}"#
    )
}

#[test]
fn an_entry_may_have_several_names_and_notes() {
    let text = secdb(
        r#"{"1.0-r0":["CVE-2017-12122 TALOS-2017-0488","CVE-2017-16808 (AoE)","XSA-155","CVE-2026-0001 CVE-2026-0002","see below"]}"#,
    );
    let database = imported(&[(|b, c| alpine_secdb(b, c), &text)]);
    assert_eq!(
        said(&database, "alpine:3.22", "busybox"),
        [
            "CVE-2017-12122 fixed in 1.0-r0, alias TALOS-2017-0488",
            "CVE-2017-16808 fixed in 1.0-r0",
            "CVE-2026-0001 fixed in 1.0-r0",
            "CVE-2026-0002 fixed in 1.0-r0",
            "XSA-155 fixed in 1.0-r0",
        ]
    );
}

#[test]
fn of_several_versions_the_last_one_counts() {
    let text = secdb(
        r#"{"1.9-r0":["CVE-2026-0001"],"1.10-r1":["CVE-2026-0001"],"1.10_rc1-r0":["CVE-2026-0001"],"0":["CVE-2026-0001"]}"#,
    );
    let database = imported(&[(|b, c| alpine_secdb(b, c), &text)]);
    assert_eq!(said(&database, "alpine:3.22", "busybox"), ["CVE-2026-0001 fixed in 1.10-r1"]);
}

#[test]
fn version_0_means_never_affected() {
    let text = secdb(r#"{"0":["CVE-2026-0001"]}"#);
    let database = imported(&[(|b, c| alpine_secdb(b, c), &text)]);
    assert_eq!(said(&database, "alpine:3.22", "busybox"), ["CVE-2026-0001 not affected"]);
}

#[test]
fn community_counts_as_main_does() {
    let main = secdb(r#"{"1.0-r0":["CVE-2026-0001"]}"#);
    let community = main.replace("main", "community").replace("busybox", "nodejs");
    let database =
        imported(&[(|b, c| alpine_secdb(b, c), &main), (|b, c| alpine_secdb(b, c), &community)]);
    for package in ["busybox", "nodejs"] {
        assert_eq!(said(&database, "alpine:3.22", package), ["CVE-2026-0001 fixed in 1.0-r0"]);
    }
    let sources = database.sources();
    let names: Vec<_> = sources.iter().map(|source| source.name.as_ref()).collect();
    assert_eq!(names, ["alpine-secdb:v3.22/community", "alpine-secdb:v3.22/main"]);
}

#[test]
fn files_of_others_are_refused_and_add_nothing() {
    type Import = super::support::Import;
    let good = tracker(r#"{"status":"open"}"#);
    let alpine = secdb("{}");
    let imports: [(Import, &str, &str); 17] = [
        (|b, c| debian_tracker(b, c), "", "it is not the JSON of Debian's security tracker"),
        (|b, c| debian_tracker(b, c), "[]", "it is not the JSON of Debian's security tracker"),
        (|b, c| debian_tracker(b, c), "<html>", "it is not the JSON of Debian's security tracker"),
        (
            |b, c| debian_tracker(b, c),
            &good[..good.len() - 1],
            "it is not the JSON of Debian's security tracker",
        ),
        (
            |b, c| debian_tracker(b, c),
            r#"{"a":[]}"#,
            "it is not the JSON of Debian's security tracker",
        ),
        (
            |b, c| debian_tracker(b, c),
            "\u{1f}\u{8b}",
            "it is not the JSON of Debian's security tracker",
        ),
        (|b, c| alpine_secdb(b, c), "{", "it is not a secdb"),
        (|b, c| alpine_secdb(b, c), "{}", "it is not a secdb: its distroversion is \"\""),
        (
            |b, c| alpine_secdb(b, c),
            r#"{"distroversion":"v3.22","reponame":"../x"}"#,
            "it is not a secdb: its reponame is \"../x\"",
        ),
        (
            |b, c| alpine_secdb(b, c),
            r#"{"distroversion":"v3.22","reponame":"main"}"#,
            "it is not a secdb: it has no list of packages",
        ),
        (
            |b, c| wolfi(b, c),
            &alpine,
            "it is not Wolfi's secdb: it has a distroversion, so it is Alpine's",
        ),
        (|b, c| distro_info(b, c), "", "line 1: no columns version, series and eol: \"\""),
        (|b, c| distro_info(b, c), "a,b\n", "line 1: no columns version, series and eol: \"a,b\""),
        (
            |b, c| security_support(b, "13", c),
            "adns unlimited\n",
            "line 1: no package with `limited`, or with a version and a date: \"adns unlimited\"",
        ),
        (
            |b, c| security_support(b, "Trixie", c),
            "",
            "\"Trixie\" is no release of Debian that is known",
        ),
        (|b, c| security_support(b, "", c), "", "\"\" is no release of Debian that is known"),
        (
            |b, c| security_support(b, "foo", c),
            "adns limited x\n",
            "\"foo\" is no release of Debian that is known",
        ),
    ];
    for (import, text, expected) in imports {
        let mut collected = Collected::new();
        let error = import(text.as_bytes(), &mut collected).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(database(&collected).sources(), []);
    }
}

#[test]
fn distro_info_tells_of_newer_releases() {
    let table = "version,series,eol\n21,zurg,2040-01-01\n";
    let mut collected = Collected::new();
    let support =
        |collected: &mut Collected| security_support(b"adns limited x\n", "21", collected);
    assert!(support(&mut collected).is_err());
    distro_info(table.as_bytes(), &mut collected).unwrap();
    assert_eq!(support(&mut collected).unwrap().records, 1);
}

#[test]
fn a_package_that_is_supported_although_a_pattern_covers_it_is_kept() {
    let list = "rust.* limited See\nrust-sequoia-sqv supported It is\n";
    let mut collected = Collected::new();
    // What is said of a release is of use with records of it.
    let tracker = r#"{"a":{"CVE-2026-1":{"releases":{"trixie":{"status":"open","repositories":{"trixie":"1"},"urgency":"low"}}}}}"#;
    debian_tracker(tracker.as_bytes(), &mut collected).unwrap();
    let imported = security_support(list.as_bytes(), "13", &mut collected).unwrap();
    assert_eq!(imported.records, 2);
    let data: Data = database(&collected);
    let limits = data.limits(&Space::Debian("13".to_owned()));
    let said: Vec<_> = limits.iter().map(|it| (it.package.as_ref(), it.support)).collect();
    assert_eq!(said, [("rust-sequoia-sqv", Support::Full), ("rust.*", Support::Limited)]);
}
