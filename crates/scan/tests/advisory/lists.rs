// SPDX-License-Identifier: Apache-2.0
//! Debian's list files: from them comes what the tracker's JSON has.

use hardpan_scan::advisory::import::{
    ImportError, Imported, ListedRelease, Lists, debian_lists, debian_tracker,
};
use hardpan_scan::advisory::{Advisories, Collected};

use super::support::{Data, database, said, shared};

/// Imports lists for trixie and sid; the suites say what trixie has.
fn import(
    cve: &str,
    dsa: &str,
    dla: &str,
    sources: &[&str],
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let release =
        |codename: &str, sources: Vec<_>| ListedRelease { codename: codename.into(), sources };
    let sources = sources.iter().map(|text| text.as_bytes().into()).collect();
    let lists = Lists {
        cve: cve.as_bytes().into(),
        dsa: dsa.as_bytes().into(),
        dla: dla.as_bytes().into(),
        releases: vec![release("trixie", sources), release("sid", vec![])],
    };
    debian_lists(&lists, collected)
}

fn of_lists(cve: &str, dsa: &str, sources: &[&str]) -> Data {
    let mut collected = Collected::new();
    import(cve, dsa, "", sources, &mut collected).unwrap();
    database(&collected)
}

fn trixie(cve: &str, dsa: &str) -> Vec<String> {
    said(&of_lists(cve, dsa, &[]), "debian:13", "glibc")
}

#[test]
fn releases_that_nobody_knows_are_refused() {
    for codename in ["trixi", "Trixie", "13", ""] {
        let (mut collected, no) = (Collected::new(), || b"".into());
        let release = ListedRelease { codename: codename.into(), sources: vec![] };
        let lists = Lists { cve: no(), dsa: no(), dla: no(), releases: vec![release] };
        match debian_lists(&lists, &mut collected) {
            Err(ImportError::UnknownRelease { release, known }) => {
                assert_eq!(release, codename);
                assert!(known.contains("trixie"), "{known:?}");
            }
            other => panic!("{codename}: {other:?}"),
        }
        assert_eq!(database(&collected).sources(), []);
    }
}

#[test]
fn a_note_of_the_release_counts_above_the_one_without() {
    let cve = "CVE-2026-0001 (x)\n\t- glibc 2.42-1\n\t[trixie] - glibc 2.41-12+deb13u1\n";
    let database = of_lists(cve, "", &[]);
    assert_eq!(said(&database, "debian:13", "glibc"), ["CVE-2026-0001 fixed in 2.41-12+deb13u1"]);
    assert_eq!(said(&database, "debian:sid", "glibc"), ["CVE-2026-0001 fixed in 2.42-1"]);
    let cve = "CVE-2026-0001 (x)\n\t- glibc <unfixed>\n\t[trixie] - glibc <not-affected> (Later)\n";
    assert_eq!(trixie(cve, ""), ["CVE-2026-0001 not affected, unimportant"]);
}

#[test]
fn no_dsa_changes_nothing_of_who_is_affected() {
    for (word, kind) in [("no-dsa", "NoDsa"), ("ignored", "Ignored"), ("postponed", "Postponed")] {
        let cve = format!(
            "CVE-2026-0001 (x)\n\t- glibc <unfixed> (low)\n\t[trixie] - glibc <{word}> (Minor issue)\n"
        );
        assert_eq!(trixie(&cve, ""), [format!("CVE-2026-0001 open, low, {kind} (Minor issue)")]);
    }
    let cve = "CVE-2026-0001 (x)\n\t- glibc 1\n\t[trixie] - glibc <end-of-life> (No more)\n";
    assert_eq!(trixie(cve, ""), ["CVE-2026-0001 open, EndOfLife (No more)"]);
}

#[test]
fn removed_is_unfixed_and_undetermined_is_neither() {
    assert_eq!(trixie("CVE-2026-0001\n\t- glibc <removed>\n", ""), ["CVE-2026-0001 open"]);
    assert_eq!(
        trixie("CVE-2026-0001\n\t- glibc <undetermined>\n", ""),
        ["CVE-2026-0001 undetermined"]
    );
    assert_eq!(trixie("CVE-2026-0001\n\t- glibc <itp> (bug #1)\n", ""), [""; 0]);
}

#[test]
fn experimental_is_ignored() {
    let cve = "CVE-2025-6141 (x)\n\t[experimental] - glibc 6.5-1\n\t- glibc 6.5-2\n";
    assert_eq!(trixie(cve, ""), ["CVE-2025-6141 fixed in 6.5-2"]);
    assert_eq!(trixie("CVE-2025-6141 (x)\n\t[experimental] - glibc 6.5-1\n", ""), [""; 0]);
}

#[test]
fn the_larger_version_of_an_announcement_replaces_a_note() {
    let dsa = "[27 Jan 2026] DSA-6113-1 glibc - security update\n\t{CVE-2026-0001}\n\t[trixie] - glibc 2.41-12+deb13u2\n";
    let older =
        "CVE-2026-0001\n\t{DSA-6113-1}\n\t- glibc 2.42-1\n\t[trixie] - glibc 2.41-12+deb13u1\n";
    assert_eq!(trixie(older, dsa), ["CVE-2026-0001 fixed in 2.41-12+deb13u2, DSA-6113-1"]);
    let newer = older.replace("u1", "u10");
    assert_eq!(trixie(&newer, dsa), ["CVE-2026-0001 fixed in 2.41-12+deb13u10, DSA-6113-1"]);
    let none = "CVE-2026-0001\n\t{DSA-6113-1}\n\t- glibc 2.42-1\n";
    assert_eq!(trixie(none, dsa), ["CVE-2026-0001 fixed in 2.41-12+deb13u2, DSA-6113-1"]);
    // Two announcements of one CVE: a fix that was not whole.
    let both = format!("{dsa}{}", dsa.replace("6113-1", "6113-2").replace("u2", "u3"));
    assert_eq!(
        trixie(none, &both),
        ["CVE-2026-0001 fixed in 2.41-12+deb13u3, DSA-6113-1, DSA-6113-2"]
    );
}

#[test]
fn an_unfixed_note_of_the_release_wins_over_an_announcement() {
    let dsa = "[27 Jan 2026] DSA-6113-1 glibc - security update\n\t{CVE-2026-0001}\n\t[trixie] - glibc 2.41-12+deb13u2\n";
    let cve = "CVE-2026-0001\n\t- glibc 2.42-1\n\t[trixie] - glibc <unfixed>\n";
    assert_eq!(trixie(cve, dsa), ["CVE-2026-0001 open, DSA-6113-1"]);
}

#[test]
fn announcements_of_long_term_support_count_too() {
    let cve = "CVE-2026-0001\n\t- glibc 2.42-1\n";
    let dla = "[27 Jan 2026] DLA-4583-1 glibc - security update\n\t{CVE-2026-0001}\n\t[trixie] - glibc 2.41-12+deb13u9\n";
    let mut collected = Collected::new();
    let imported = import(cve, "", dla, &[], &mut collected).unwrap();
    let database = database(&collected);
    assert_eq!(
        said(&database, "debian:13", "glibc"),
        ["CVE-2026-0001 fixed in 2.41-12+deb13u9, DLA-4583-1"]
    );
    // The lists themselves say no time: it is not before that of the last announcement.
    assert_eq!(database.sources()[0].time, Some(20_480 * 86_400));
    assert!(imported.skipped.is_empty());
}

#[test]
fn an_announcement_without_a_cve_has_its_own_name() {
    let dsa =
        "[27 Jan 2026] DSA-6113-1 glibc - security update\n\t[trixie] - glibc 2.41-12+deb13u2\n";
    assert_eq!(trixie("", dsa), ["DSA-6113-1 fixed in 2.41-12+deb13u2"]);
}

#[test]
fn a_correction_of_an_update_is_no_vulnerability() {
    let dsa = "[17 Mar 2023] DSA-5356-2 glibc - regression update\n\t[trixie] - glibc 2\n\
        [20 Feb 2023] DSA-5356-1 glibc - security update\n\t{CVE-2026-0001}\n\t[trixie] - glibc 1\n";
    assert_eq!(
        trixie("CVE-2026-0001\n\t{DSA-5356-1}\n", dsa),
        ["CVE-2026-0001 fixed in 1, DSA-5356-1"]
    );
    let mut collected = Collected::new();
    let imported = import("", dsa, "", &[], &mut collected).unwrap();
    assert_eq!(imported.skipped("a correction of an update"), 1);
}

#[test]
fn a_fix_that_the_release_does_not_have_is_none_yet() {
    let cve = "CVE-2026-0001\n\t- glibc 2.42-1\n\t- bash 6-1\n";
    for (version, expected) in [
        ("2.41-12", vec!["CVE-2026-0001 open"]),
        ("2.42-1", vec!["CVE-2026-0001 fixed in 2.42-1"]),
        ("2.43-1", vec!["CVE-2026-0001 fixed in 2.42-1"]),
    ] {
        let main = "Package: glibc\nVersion: 2.41-1\n";
        let security = format!("Package: glibc\nVersion: {version}\n");
        let database = of_lists(cve, "", &[main, &security]);
        assert_eq!(said(&database, "debian:13", "glibc"), expected, "{version}");
        // The release has no such package.
        assert_eq!(said(&database, "debian:13", "bash"), [""; 0]);
    }
}

#[test]
fn what_has_no_cve_has_the_name_that_the_tracker_gives() {
    let cve = "CVE-2026-XXXX [abc]\n\t- glibc <unfixed> (bug #841257; low)\n";
    assert_eq!(trixie(cve, ""), ["TEMP-0841257-900150 open, low"]);
}

#[test]
fn rejected_and_foreign_entries_are_no_records() {
    let cve = "CVE-2026-0001\n\tREJECTED\n\t- glibc <unfixed>\nCVE-2026-0002 (x)\n\tNOT-FOR-US: y\nCVE-2026-0003\n\tRESERVED\n\
        CVE-2026-0004\n\tRESERVED\n\t- glibc <unfixed>\n";
    assert_eq!(trixie(cve, ""), ["CVE-2026-0004 open"]);
}

#[test]
fn lines_that_make_no_sense_are_counted() {
    let cve = "CVE-2026-0001 (x)\n\t{DSA-1-1}\n\t- glibc <unfixed>\n\t[hamm] - glibc 1\n\tWHAT: is this\n\t- glibc <no-dsa> (x)\n\
        what\n\t- glibc 1\n";
    let mut collected = Collected::new();
    let imported = import(cve, "", "", &[], &mut collected).unwrap();
    for reason in [
        "a note about an unknown release",
        "an unknown annotation",
        "a decision about no release",
        "not a record",
        "an announcement that is in no list",
    ] {
        assert_eq!(imported.skipped(reason), 1, "{reason}");
    }
    assert_eq!(said(&database(&collected), "debian:13", "glibc"), ["CVE-2026-0001 open"]);
    for (cve, dsa) in [("<html>\n", ""), ("", "CVE-2026-0001\n"), ("[27 Jan 2026] DSA-1-1 x\n", "")]
    {
        let error = import(cve, dsa, "", &[], &mut Collected::new()).unwrap_err();
        assert!(matches!(error, ImportError::Line { line: 1, .. }), "{error}");
    }
}

/// What the tracker's JSON says of the samples, by its rules, with the suites of `SUITES`.
const JSON_OF_SAMPLES: &str = r#"{
"glibc": {
  "CVE-2026-0861": {"releases": {
    "trixie": {"status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue", "nodsa_reason": ""},
    "sid": {"status": "open", "urgency": "not yet assigned"}}},
  "CVE-2026-0915": {"releases": {
    "trixie": {"status": "open", "urgency": "not yet assigned"},
    "sid": {"status": "open", "urgency": "not yet assigned"}}},
  "CVE-2025-0395": {"releases": {
    "trixie": {"status": "resolved", "fixed_version": "2.40-6", "urgency": "not yet assigned"},
    "sid": {"status": "resolved", "fixed_version": "2.40-6", "urgency": "not yet assigned"}}}},
"openssl": {
  "CVE-2025-15467": {"releases": {
    "trixie": {"status": "resolved", "fixed_version": "3.5.4-1~deb13u2", "urgency": "not yet assigned"},
    "sid": {"status": "resolved", "fixed_version": "3.5.5-1", "urgency": "not yet assigned"}}},
  "CVE-2025-9230": {"releases": {
    "trixie": {"status": "open", "urgency": "not yet assigned"},
    "sid": {"status": "open", "urgency": "not yet assigned"}}}},
"ncurses": {"CVE-2025-6141": {"releases": {
    "trixie": {"status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue", "nodsa_reason": ""},
    "sid": {"status": "resolved", "fixed_version": "6.5+20251115-2", "urgency": "not yet assigned"}}}},
"python3.13": {"CVE-2026-0672": {"releases": {
    "trixie": {"status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue", "nodsa_reason": ""},
    "sid": {"status": "resolved", "fixed_version": "3.13.12-1", "urgency": "not yet assigned"}}}},
"util-linux": {"CVE-2025-14104": {"releases": {
    "trixie": {"status": "open", "urgency": "not yet assigned"},
    "sid": {"status": "open", "urgency": "not yet assigned"}}}}
}"#;

const SUITES: [(&str, &str, &str); 5] = [
    ("glibc", "2.41-12", "2.42-5"),
    ("openssl", "3.5.4-1~deb13u2", "3.5.5-1"),
    ("ncurses", "6.5+20250216-2", "6.5+20251123-1"),
    ("python3.13", "3.13.5-2", "3.13.12-1"),
    ("util-linux", "2.41-5", "2.41.3-3"),
];

#[test]
fn the_lists_give_what_the_json_gives_on_the_samples() {
    let Some(cve) = shared("tracker-CVE-list.txt") else { return };
    let cve = String::from_utf8(cve).unwrap();
    let dsa = "[27 Jan 2026] DSA-6113-1 openssl - security update\n\t{CVE-2025-15467}\n\t[trixie] - openssl 3.5.4-1~deb13u2\n";
    let suite = |place: usize| -> String {
        let stanza = |(name, trixie, sid): &(&str, &str, &str)| {
            format!("Package: {name}\nVersion: {}\n\n", [trixie, sid][place])
        };
        SUITES.iter().map(stanza).collect()
    };
    let (trixie, sid) = (suite(0), suite(1));
    let lists = Lists {
        cve: cve.as_bytes().into(),
        dsa: dsa.as_bytes().into(),
        dla: b"".into(),
        releases: [("trixie", &trixie), ("sid", &sid)]
            .map(|(codename, sources)| ListedRelease {
                codename: codename.to_owned(),
                sources: vec![sources.as_bytes().into()],
            })
            .into(),
    };
    let mut collected = Collected::new();
    debian_lists(&lists, &mut collected).unwrap();
    let of_lists = database(&collected);
    let mut collected = Collected::new();
    debian_tracker(JSON_OF_SAMPLES.as_bytes(), &mut collected).unwrap();
    let of_json = database(&collected);
    assert_eq!(of_lists.record_count(), of_json.record_count());
    for (package, ..) in SUITES {
        for space in ["debian:13", "debian:sid"] {
            // The JSON does not say which announcement has the fix.
            let lists = said(&of_lists, space, package);
            let lists: Vec<_> = lists.iter().map(|line| line.replace(", DSA-6113-1", "")).collect();
            assert_eq!(lists, said(&of_json, space, package), "{space} {package}");
            assert!(!lists.is_empty(), "{space} {package}");
        }
    }
}
