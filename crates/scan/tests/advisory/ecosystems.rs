// SPDX-License-Identifier: Apache-2.0
//! OSV, CVE records, NVD, scores, and what is exploited.

use hardpan_scan::advisory::database::{Database, write};
use hardpan_scan::advisory::import::{
    Parts, alpine_secdb, cve5, debian_tracker, epss, kev, nvd, osv,
};
use hardpan_scan::advisory::{Advisories, Collected, Epss, Severity};
use hardpan_testkit::zip;

use super::support::{Import, database, imported, said};

/// A record of one package.
fn record(id: &str, more: &str, ecosystem: &str, name: &str, affected: &str) -> String {
    format!(
        r#"{{"id":"{id}","modified":"2026-01-02T03:04:05Z",{more}"affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},{affected}}}]}}"#
    )
}

const FIXED: &str =
    r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]"#;

#[test]
fn every_ecosystem_has_its_space() {
    for (ecosystem, name, space, package) in [
        ("Debian:13", "glibc", "debian:13", "glibc"),
        ("Alpine:v3.22", "busybox", "alpine:3.22", "busybox"),
        ("Go", "golang.org/x/net", "golang", "golang.org/x/net"),
        ("Go", "stdlib", "golang", "stdlib"),
        ("PyPI", "Zope.Interface", "pypi", "zope-interface"),
        ("npm", "@a/b", "npm", "@a/b"),
        ("crates.io", "time", "cargo", "time"),
        ("Maven", "org.a:b", "maven", "org.a:b"),
    ] {
        let text = record("GHSA-aaaa-bbbb-cccc", "", ecosystem, name, FIXED);
        let database = imported(&[(|b, c| osv(b, c), &text)]);
        assert_eq!(said(&database, space, package), ["GHSA-aaaa-bbbb-cccc fixed in 1.2.3"]);
        let source = format!("osv:{}", space.split(':').next().unwrap());
        assert_eq!(database.sources()[0].name, source);
        assert_eq!(database.sources()[0].time, Some(1_767_323_045));
    }
}

#[test]
fn ranges_and_versions() {
    for (affected, expected) in [
        (FIXED, "fixed in 1.2.3"),
        (
            r#""ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1"},{"last_affected":"2"}]}]"#,
            "from 1 up to 2",
        ),
        (r#""ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1"}]}]"#, "from 1 open"),
        (r#""versions":["1.0","1.1"]"#, "in 1.0 1.1"),
        // Commits are no versions; what they stand for is listed.
        (
            r#""ranges":[{"type":"GIT","events":[{"introduced":"0"},{"fixed":"abc"}]}],"versions":["1.0"]"#,
            "in 1.0",
        ),
    ] {
        let text = record("PYSEC-2026-1", "", "PyPI", "a", affected);
        let database = imported(&[(|b, c| osv(b, c), &text)]);
        assert_eq!(said(&database, "pypi", "a"), [format!("PYSEC-2026-1 {expected}")]);
    }
}

#[test]
fn what_is_left_out_is_counted() {
    for (id, ecosystem, name, affected, reason) in [
        ("1", "npm", "a", FIXED, "not a vulnerability's name"),
        ("GHSA-1", "Debian", "a", FIXED, "another ecosystem"),
        ("GHSA-1", "Ubuntu:24.04", "a", FIXED, "another ecosystem"),
        ("GHSA-1", "npm", "a b", FIXED, "not a package's name"),
        ("GHSA-1", "npm", "", FIXED, "not a package's name"),
        ("GHSA-1", "npm", "a", r#""versions":[]"#, "no versions"),
        (
            "GHSA-1",
            "npm",
            "a",
            r#""ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]"#,
            "no versions",
        ),
        (
            "GHSA-1",
            "npm",
            "a",
            r#""ranges":[{"type":"SEMVER","events":[{"fixed":"1"}]}]"#,
            "a range that makes no sense",
        ),
        (
            "RUSTSEC-2026-0001",
            "crates.io",
            "a",
            r#""database_specific":{"informational":"unmaintained"},"versions":["1"]"#,
            "only for information",
        ),
    ] {
        let mut collected = Collected::new();
        let text = record(id, "", ecosystem, name, affected);
        let imported = osv(text.as_bytes(), &mut collected).unwrap();
        assert_eq!((imported.skipped(reason), imported.records), (1, 0), "{text}");
    }
    let unsound = r#""database_specific":{"informational":"unsound"},"versions":["1"]"#;
    let text = record("RUSTSEC-2026-0001", "", "crates.io", "a", unsound);
    let database = imported(&[(|b, c| osv(b, c), &text)]);
    assert_eq!(said(&database, "cargo", "a"), ["RUSTSEC-2026-0001 in 1"]);
}

#[test]
fn debian_records_are_about_their_cve() {
    let text = record(
        "DEBIAN-CVE-2026-0861",
        r#""upstream":["CVE-2026-0861"],"#,
        "Debian:13",
        "glibc",
        FIXED,
    );
    let database = imported(&[(|b, c| osv(b, c), &text)]);
    assert_eq!(said(&database, "debian:13", "glibc"), ["CVE-2026-0861 fixed in 1.2.3"]);
}

#[test]
fn announcements_are_about_each_of_their_cves() {
    let upstream = r#""upstream":["CVE-2026-0002","CVE-2026-0001"],"#;
    let text = record("DSA-6113-1", upstream, "Debian:13", "glibc", FIXED);
    let alone = record("DLA-4583-1", "", "Debian:13", "bash", FIXED);
    let database = imported(&[(|b, c| osv(b, c), &text), (|b, c| osv(b, c), &alone)]);
    let expected =
        ["CVE-2026-0001", "CVE-2026-0002"].map(|id| format!("{id} fixed in 1.2.3, DSA-6113-1"));
    assert_eq!(said(&database, "debian:13", "glibc"), expected);
    assert_eq!(said(&database, "debian:13", "bash"), ["DLA-4583-1 fixed in 1.2.3"]);
}

#[test]
fn the_distribution_itself_counts_above_osv() {
    // OSV has "undetermined" and "never affected" as open or not at all, and no remarks.
    let open = r#""ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]"#;
    let osv_text = record("DEBIAN-CVE-2026-0861", "", "Debian:13", "glibc", open);
    let tracker =
        r#"{"glibc":{"CVE-2026-0861":{"releases":{"trixie":{"status":"undetermined"}}}}}"#;
    let imports: [(Import, &str); 2] =
        [(|b, c| osv(b, c), &osv_text), (|b, c| debian_tracker(b, c), tracker)];
    assert_eq!(said(&imported(&imports), "debian:13", "glibc"), ["CVE-2026-0861 undetermined"]);
}

#[test]
fn aliases_are_one_vulnerability() {
    let fixed = |version: &str| FIXED.replace("1.2.3", version);
    let ghsa = record(
        "GHSA-aaaa-bbbb-cccc",
        r#""aliases":["CVE-2026-0001"],"#,
        "Go",
        "a.org/b",
        &fixed("1.2.3"),
    );
    let go = record(
        "GO-2026-0001",
        r#""aliases":["CVE-2026-0001","GHSA-aaaa-bbbb-cccc"],"#,
        "Go",
        "a.org/b",
        &fixed("1.2.4"),
    );
    let database = imported(&[(|b, c| osv(b, c), &ghsa), (|b, c| osv(b, c), &go)]);
    // The ecosystem's own record counts.
    assert_eq!(said(&database, "golang", "a.org/b"), ["CVE-2026-0001 fixed in 1.2.4"]);
    let by_name = |name: &str| database.vulnerability(name).map(|known| known.aliases.len());
    for name in ["CVE-2026-0001", "GHSA-aaaa-bbbb-cccc", "GO-2026-0001"] {
        assert_eq!(by_name(name), Some(2), "{name}");
    }
}

#[test]
fn two_cves_never_become_one() {
    let one = record(
        "GHSA-aaaa-bbbb-cccc",
        r#""aliases":["CVE-2026-0001","CVE-2026-0002"],"#,
        "npm",
        "a",
        FIXED,
    );
    let secdb = r#"{"distroversion":"v3.22","reponame":"main","packages":[{"pkg":{"name":"a","secfixes":
        {"1-r0":["CVE-2026-0001"],"2-r0":["CVE-2026-0002"]}}}]}"#;
    let database = imported(&[(|b, c| osv(b, c), &one), (|b, c| alpine_secdb(b, c), secdb)]);
    let expected = ["CVE-2026-0001 fixed in 1-r0", "CVE-2026-0002 fixed in 2-r0"];
    assert_eq!(said(&database, "alpine:3.22", "a"), expected);
}

#[test]
fn withdrawn_records_are_no_findings() {
    let text =
        record("GHSA-aaaa-bbbb-cccc", r#""withdrawn":"2026-01-01T00:00:00Z","#, "npm", "a", FIXED);
    let database = imported(&[(|b, c| osv(b, c), &text)]);
    assert_eq!(said(&database, "npm", "a"), [""; 0]);
    assert!(database.vulnerability("GHSA-aaaa-bbbb-cccc").unwrap().is_withdrawn);
}

#[test]
fn an_archive_is_one_source() {
    let texts = ["GHSA-a", "GHSA-b"].map(|id| record(id, "", "npm", "a", FIXED));
    let members = [
        ("1.json", texts[0].as_bytes(), true),
        ("d/2.json", texts[1].as_bytes(), false),
        ("README", b"x", false),
    ];
    let archive = zip::zip(&members);
    let mut collected = Collected::new();
    let imported = osv(&archive, &mut collected).unwrap();
    assert_eq!((imported.records, imported.source.as_str()), (2, "osv:npm"));
    assert!(osv(&archive, &mut collected).unwrap().was_here);
    // The same records as files of a folder.
    let mut parts = Parts::osv();
    for text in &texts {
        parts.add(text.as_bytes()).unwrap();
    }
    let mut of_folder = Collected::new();
    parts.finish(&mut of_folder);
    let expected = ["GHSA-a fixed in 1.2.3", "GHSA-b fixed in 1.2.3"];
    for collected in [collected, of_folder] {
        assert_eq!(said(&database(&collected), "npm", "a"), expected);
    }
    for broken in [&archive[..archive.len() - 3], b"PK\x03\x04", b"PK"] {
        assert!(osv(broken, &mut Collected::new()).is_err());
    }
    let bad = zip::zip(&[("1.json", b"{}", false)]);
    assert_eq!(
        osv(&bad, &mut Collected::new()).unwrap_err().to_string(),
        "it is not a record in the OSV format"
    );
}

#[test]
fn one_odd_record_does_not_cost_an_archive() {
    let good = record("GHSA-a", r#""aliases":null,"severity":null,"#, "npm", "a", FIXED);
    let cve = r#"{"cveMetadata":{"cveId":"CVE-2026-0001"}}"#;
    let imports: [(Import, &str); 2] = [(|b, c| osv(b, c), &good), (|b, c| cve5(b, c), cve)];
    for (import, text) in imports {
        let odd: &[u8] = br#"{"fetchTime":"2026-01-01","new":[]}"#;
        let archive = zip::zip(&[("delta.json", odd, false), ("1.json", text.as_bytes(), true)]);
        let imported = import(&archive, &mut Collected::new()).unwrap();
        assert_eq!((imported.records, imported.skipped("not a record")), (1, 1));
        let nothing = zip::zip(&[("delta.json", odd, false)]);
        assert!(import(&nothing, &mut Collected::new()).is_err());
    }
}

/// Something that is about a CVE, so that facts of it are kept.
const ABOUT: &str = r#"{"a":{"CVE-2026-0001":{"releases":{"trixie":{"status":"open"}}},
    "CVE-2026-0002":{"releases":{"trixie":{"status":"open"}}}}}"#;

#[test]
fn vectors_of_cve_records_and_nvd() {
    let cve = r#"{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2026-0001","state":"PUBLISHED","datePublished":"2026-01-14T00:00:00Z"},
        "containers":{"cna":{"title":"A title","descriptions":[{"lang":"en","value":"Long"}],
        "metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","baseSeverity":"HIGH"}}]},
        "adp":[{"metrics":[{"other":{"type":"ssvc"}},{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}]}}"#;
    let nvd_text = r#"{"format":"NVD_CVE","version":"2.0","timestamp":"2026-01-20T00:00:00.000","vulnerabilities":[
        {"cve":{"id":"CVE-2026-0001","vulnStatus":"Analyzed","metrics":{
        "cvssMetricV31":[{"source":"nvd@nist.gov","cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}],
        "cvssMetricV40":[{"source":"cna@example.org","cvssData":{"vectorString":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}}],
        "cvssMetricV2":[{"source":"nvd@nist.gov","cvssData":{"vectorString":"AV:N/AC:L/Au:N/C:P/I:P/A:P"}}]}}},
        {"cve":{"id":"CVE-2026-0002","vulnStatus":"Rejected"}}]}"#;
    let database = imported(&[
        (|b, c| nvd(b, c), nvd_text),
        (|b, c| cve5(b, c), cve),
        (|b, c| debian_tracker(b, c), ABOUT),
    ]);
    let known = database.vulnerability("CVE-2026-0001").unwrap();
    // The newest version first; of one version the assigner's, then who adds to records, then NVD's.
    let starts: Vec<&str> =
        known.cvss.iter().map(|vector| vector.split("/AC").next().unwrap()).collect();
    assert_eq!(
        starts,
        ["CVSS:4.0/AV:N", "CVSS:3.1/AV:L", "CVSS:3.1/AV:A", "CVSS:3.1/AV:N", "AV:N"]
    );
    assert_eq!(known.summary.as_deref(), Some("A title"));
    assert_eq!(known.published, Some(20_467));
    assert!(!known.is_withdrawn && database.vulnerability("CVE-2026-0002").unwrap().is_withdrawn);
}

#[test]
fn a_word_counts_where_there_is_no_vector() {
    let cve = r#"{"cveMetadata":{"cveId":"CVE-2026-0001","state":"PUBLISHED"},
        "containers":{"cna":{"metrics":[{"cvssV3_1":{"baseSeverity":"HIGH"}}]}}}"#;
    let ghsa = record(
        "GHSA-a",
        r#""aliases":["CVE-2026-0002"],"database_specific":{"severity":"MODERATE"},"#,
        "npm",
        "a",
        FIXED,
    );
    let database = imported(&[
        (|b, c| cve5(b, c), cve),
        (|b, c| osv(b, c), &ghsa),
        (|b, c| debian_tracker(b, c), ABOUT),
    ]);
    let severity = |id: &str| database.vulnerability(id).unwrap().severity;
    assert_eq!(severity("CVE-2026-0001"), Severity::High);
    assert_eq!(severity("CVE-2026-0002"), Severity::Medium);
}

#[test]
fn scores_and_what_is_exploited() {
    let scores = |day: &str, number: &str| {
        format!(
            "#model_version:v2026.03.01,score_date:{day}T00:00:00+0000\ncve,epss,percentile\nCVE-2026-0001,{number},0.9\nCVE-x,1,1\n"
        )
    };
    let kev_text = r#"{"dateReleased":"2025-08-25T17:04:19.9796Z","vulnerabilities":[
        {"cveID":"CVE-2026-0001","dateAdded":"2026-01-27","knownRansomwareCampaignUse":"Known"},
        {"cveID":"CVE-2026-0002","dateAdded":"2026-01-28","knownRansomwareCampaignUse":"Unknown"},
        {"cveID":"none","dateAdded":"2026-01-28"}]}"#;
    let (older, newer) = (scores("2026-01-01", "0.5"), scores("2026-01-02", "0.25"));
    let parts: [(Import, &str); 4] = [
        (|b, c| epss(b, c), &newer),
        (|b, c| epss(b, c), &older),
        (|b, c| kev(b, c), kev_text),
        (|b, c| debian_tracker(b, c), ABOUT),
    ];
    let database = imported(&parts);
    let known = database.vulnerability("CVE-2026-0001").unwrap();
    assert_eq!(known.epss, Some(Epss { probability: 250_000, percentile: 900_000 }));
    assert_eq!((known.exploited_since, known.in_ransomware), (Some(20_480), true));
    let known = database.vulnerability("CVE-2026-0002").unwrap();
    assert_eq!(
        (known.epss, known.exploited_since, known.in_ransomware),
        (None, Some(20_481), false)
    );
    let times: Vec<_> = database.sources().iter().map(|source| source.time.is_some()).collect();
    assert_eq!(times, [false, true, true, true]);
}

#[test]
fn the_order_of_imports_makes_no_difference() {
    let ghsa = record("GHSA-a", r#""aliases":["CVE-2026-0001"],"#, "npm", "a", FIXED);
    let go = record("GO-1", r#""aliases":["GHSA-a"],"#, "npm", "a", &FIXED.replace("1.2.3", "2"));
    let parts: [(Import, &str); 4] = [
        (|b, c| osv(b, c), &ghsa),
        (|b, c| osv(b, c), &go),
        (|b, c| debian_tracker(b, c), ABOUT),
        (|b, c| epss(b, c), "#score_date:2026-01-01\ncve,epss,percentile\nCVE-2026-0001,0.1,0.2\n"),
    ];
    let bytes = |order: [usize; 4]| {
        let mut collected = Collected::new();
        for place in order {
            let (import, text) = parts[place];
            import(text.as_bytes(), &mut collected).unwrap();
        }
        write(&collected).unwrap()
    };
    let first = bytes([0, 1, 2, 3]);
    for order in [[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1], [1, 2, 0, 3]] {
        assert_eq!(bytes(order), first, "{order:?}");
    }
}

#[test]
fn files_of_others_are_refused() {
    let imports: [(Import, &str, &str); 13] = [
        (|b, c| osv(b, c), "", "it is not a record in the OSV format"),
        (|b, c| osv(b, c), "[]", "it is not a record in the OSV format"),
        (|b, c| osv(b, c), r#"{"id":1}"#, "it is not a record in the OSV format"),
        (
            |b, c| osv(b, c),
            r#"{"id":"GHSA-1","affected":{}}"#,
            "it is not a record in the OSV format",
        ),
        (|b, c| cve5(b, c), "{}", "it is not a CVE record (CVE JSON 5)"),
        (|b, c| cve5(b, c), "x", "it is not a CVE record (CVE JSON 5)"),
        (|b, c| nvd(b, c), r#"{"CVE_Items":[]}"#, "it is not a feed of NVD (version 2.0)"),
        (
            |b, c| nvd(b, c),
            r#"{"format":"NVD_CPE","vulnerabilities":[]}"#,
            "it is not a feed of NVD (version 2.0): its format is \"NVD_CPE\"",
        ),
        (|b, c| kev(b, c), "{}", "it is not the catalog of known exploited vulnerabilities"),
        (|b, c| kev(b, c), "", "it is not the catalog of known exploited vulnerabilities"),
        (|b, c| epss(b, c), "", "line 1: it ends before the names of its columns: \"\""),
        (
            |b, c| epss(b, c),
            "cve,score\n",
            "line 1: no columns cve, epss and percentile: \"cve,score\"",
        ),
        (
            |b, c| epss(b, c),
            "#a\n<html>\n",
            "line 2: no columns cve, epss and percentile: \"<html>\"",
        ),
    ];
    for (import, text, expected) in imports {
        let error = import(text.as_bytes(), &mut Collected::new()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn records_of_a_folder_are_one_source() {
    let cve = |number: u32, updated: &str| {
        format!(
            r#"{{"cveMetadata":{{"cveId":"CVE-2026-000{number}","state":"REJECTED","dateUpdated":"{updated}"}}}}"#
        )
    };
    let (one, other) = (cve(1, "2026-01-02T00:00:00Z"), cve(2, "2026-01-01T00:00:00Z"));
    let make = |texts: [&str; 2]| {
        let mut collected = Collected::new();
        debian_tracker(ABOUT.as_bytes(), &mut collected).unwrap();
        let mut parts = Parts::cve5();
        for text in &texts {
            parts.add(text.as_bytes()).unwrap();
        }
        assert!(parts.add(b"no").is_err());
        let mut parts = Parts::cve5();
        for text in &texts {
            parts.add(text.as_bytes()).unwrap();
        }
        assert_eq!(parts.finish(&mut collected).records, 2);
        write(&collected).unwrap()
    };
    let bytes = make([&one, &other]);
    assert_eq!(bytes, make([&other, &one]));
    let database = Database::open(bytes).unwrap();
    let source = &database.sources()[0];
    assert_eq!((source.name.as_ref(), source.time), ("cve", Some(1_767_312_000)));
    for id in ["CVE-2026-0001", "CVE-2026-0002"] {
        assert!(database.vulnerability(id).unwrap().is_withdrawn);
    }
}
