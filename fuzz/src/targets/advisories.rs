// SPDX-License-Identifier: Apache-2.0
//! What is published about vulnerabilities: every importer, and the database that comes of what it took.

use hardpan_scan::advisory::database::{Database, DatabaseError, write};
use hardpan_scan::advisory::import::{
    ImportError, Imported, ListedRelease, Lists, alpine_secdb, cve5, debian_lists, debian_tracker,
    distro_info, epss, kev, nvd, osv, security_support, wolfi,
};
use hardpan_scan::advisory::{Advisories as _, Collected};
use hardpan_testkit::archive::gzip;
use hardpan_testkit::zip::zip;

use crate::input::{join, pieces, texts};
use crate::{Part, Target};

/// JSON.
pub(super) const JSON: Target = Target {
    name: "advisories-json",
    bytes_max: 8 << 10,
    parts: &[
        Part::new(
            "tracker",
            |bytes| import(bytes, |b, c| debian_tracker(b, c)),
            || packed(TRACKER),
        ),
        Part::new("secdb", |bytes| import(bytes, |b, c| alpine_secdb(b, c)), || packed(SECDB)),
        Part::new("wolfi", |bytes| import(bytes, |b, c| wolfi(b, c)), || texts(&[WOLFI])),
        Part::new("osv", |bytes| import(bytes, |b, c| osv(b, c)), osv_seeds),
        Part::new("cve5", |bytes| import(bytes, |b, c| cve5(b, c)), || packed(CVE)),
        Part::new("nvd", |bytes| import(bytes, |b, c| nvd(b, c)), || packed(NVD)),
        Part::new("kev", |bytes| import(bytes, |b, c| kev(b, c)), || texts(&[KEV])),
    ],
};

/// Texts with lines.
pub(super) const TEXT: Target = Target {
    name: "advisories-text",
    bytes_max: 4 << 10,
    parts: &[
        Part::new(
            "lists",
            |bytes| import(bytes, lists),
            || {
                vec![
                    join(&[LIST, DSA, b"", SUITE]),
                    join(&[LIST, b"", DSA, b""]),
                    join(&[b"", b"", DSA, SUITE]),
                ]
            },
        ),
        Part::new("epss", |bytes| import(bytes, |b, c| epss(b, c)), || packed(EPSS)),
        Part::new(
            "distro-info",
            |bytes| import(bytes, |b, c| distro_info(b, c)),
            || texts(&[INFO]),
        ),
        Part::new(
            "support",
            |bytes| import(bytes, |b, c| security_support(b, "13", c)),
            || texts(&[SUPPORT]),
        ),
    ],
};

pub(super) const TRACKER: &str = r#"{"glibc":{"CVE-2026-0861":{"description":"x","scope":"local","releases":{"trixie":{"status":"resolved","repositories":{"trixie":"2.41-12"},"fixed_version":"2.41-12+deb13u1","urgency":"low**","nodsa":"Minor","nodsa_reason":"ignored"},"sid":{"status":"open","urgency":"not yet assigned","next_point_update":true}}},"TEMP-0000000-ABCDEF":{"releases":{"trixie":{"status":"undetermined","urgency":"end-of-life"}}}}}"#;
const SECDB: &str = r#"{"distroversion":"v3.22","reponame":"main","packages":[{"pkg":{"name":"a","secfixes":{"1.2_rc1-r0":["CVE-2026-0001 XSA-1","CVE_2026-0002"],"0":["CVE-2026-0003 (x)"]}}}]}"#;
const WOLFI: &str = r#"{"apkurl":"{{urlprefix}}/{{reponame}}","archs":["x86_64"],"reponame":"os","packages":[{"pkg":{"name":"b","secfixes":{"1.2.3-r0":["CVE-2026-0001","GHSA-aaaa-bbbb-cccc"]}}}]}"#;
pub(super) const OSV: &str = r#"{"id":"GHSA-aaaa-bbbb-cccc","aliases":["CVE-2026-0001"],"upstream":["CVE-2026-0002"],"related":[],"modified":"2026-01-02T03:04:05Z","published":"2026-01-01T00:00:00Z","summary":"x","details":"y","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":{"ecosystem":"PyPI","name":"a.b"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1"},{"fixed":"2"},{"introduced":"3"},{"last_affected":"4"}]}],"versions":["1","1.1"],"database_specific":{"severity":"HIGH"},"ecosystem_specific":{"severity":"LOW"}}],"database_specific":{"severity":"MODERATE","informational":"unsound"}}"#;
const CVE: &str = r#"{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2026-0001","state":"PUBLISHED","datePublished":"2026-01-14T00:00:00Z","dateUpdated":"2026-01-15T00:00:00Z"},"containers":{"cna":{"title":"t","descriptions":[{"lang":"en","value":"d"}],"metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","baseSeverity":"CRITICAL"}}]},"adp":[{"metrics":[{"cvssV4_0":{"baseSeverity":"HIGH"}}]}]}}"#;
const NVD: &str = r#"{"format":"NVD_CVE","timestamp":"2026-01-14T00:00:00.000","vulnerabilities":[{"cve":{"id":"CVE-2026-0001","vulnStatus":"Analyzed","published":"2026-01-14T00:00:00.000","descriptions":[{"lang":"en","value":"d"}],"metrics":{"cvssMetricV31":[{"source":"a","type":"Primary","cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","baseSeverity":"CRITICAL"}}]}}}]}"#;
const KEV: &str = r#"{"catalogVersion":"2025.08.25","dateReleased":"2025-08-25T17:04:19.9Z","vulnerabilities":[{"cveID":"CVE-2026-0001","dateAdded":"2026-01-27","knownRansomwareCampaignUse":"Known"}]}"#;
const EPSS: &str = "#model_version:v1,score_date:2026-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-2026-0001,0.5,0.9\nCVE-2026-0002,0.00042,1.0\n";
const SUPPORT: &str = "# c\nadns limited Stub\ngolang.* limited See\nconsul non-supported 1.10.12+dfsg1-1 2023-09-20 why\nxen 4.14.5-1 2023-09-30 no\nb supported\n";
const INFO: &str = "version,codename,series,created,release,eol,eol-lts\n13,Trixie,trixie,a,b,2028-08-09,2030-06-30\n,Sid,sid,x\n";
const LIST: &[u8] = b"CVE-2026-XXXX [x]\n\t{DSA-1-1}\n\t- glibc 2.42-1 (bug #1; low)\n\t[trixie] - glibc <no-dsa> (Minor)\nCVE-2026-0001 (y)\n\tRESERVED\n\tNOT-FOR-US: z\n\t[experimental] - glibc 1\n\t- glibc <unfixed> (unimportant)\n\t[trixie] - glibc <end-of-life> (z)\n\tNOTE: n\nCVE-2026-0002\n\tREJECTED\nCVE-2026-0003 (a)\n\t- glibc <not-affected> (b)\n\t- a <removed>\n\t- b <undetermined>\n\t[trixie] - b <postponed> (c)\n";
const DSA: &[u8] = b"[27 Jan 2026] DSA-1-1 glibc - security update\n\t{CVE-2026-0001 CVE-2026-0002}\n\t[trixie] - glibc 2.41-12+deb13u2\n\tNOTE: n\n";
const SUITE: &[u8] = b"Package: glibc\nVersion: 2.41-12\n\nPackage: a\nVersion: 1:1-1\n";

/// A text as it is, compressed, and in an archive.
fn packed(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    vec![bytes.to_vec(), gzip(bytes), zip(&[("a.json", bytes, true)])]
}

fn osv_seeds() -> Vec<Vec<u8>> {
    let mut seeds = packed(OSV);
    for (ecosystem, name) in [
        ("Debian:13", "glibc"),
        ("Alpine:v3.22", "busybox"),
        ("Go", "golang.org/x/net"),
        ("npm", "@a/b"),
        ("crates.io", "time"),
        ("Maven", "org.a:b"),
    ] {
        seeds.push(OSV.replace("PyPI", ecosystem).replace("a.b", name).into_bytes());
    }
    seeds
}

fn lists(bytes: &[u8], collected: &mut Collected) -> Result<Imported, ImportError> {
    let [cve, dsa, dla, suite] = pieces(bytes);
    let sources = if suite.is_empty() { vec![] } else { vec![suite.into()] };
    let release =
        |codename: &str, sources| ListedRelease { codename: codename.to_owned(), sources };
    let releases = vec![release("trixie", sources), release("sid", vec![])];
    debian_lists(&Lists { cve: cve.into(), dsa: dsa.into(), dla: dla.into(), releases }, collected)
}

/// Imports bytes. What an importer takes can be written and read, whatever it is.
fn import(
    bytes: &[u8],
    read: impl Fn(&[u8], &mut Collected) -> Result<Imported, ImportError>,
) -> bool {
    let mut collected = Collected::new();
    let Ok(imported) = read(bytes, &mut collected) else { return false };
    // Codenames have their numbers from somewhere else.
    distro_info(INFO.as_bytes(), &mut collected).expect("the table of releases is good");
    let written = match write(&collected) {
        Ok(written) => written,
        Err(DatabaseError::TooMany { .. } | DatabaseError::TooLarge { .. }) => return false,
        Err(error) => panic!("what was imported can't be written: {error}"),
    };
    let database = Database::open(written.as_slice()).expect("what was written can be opened");
    database.verify_all().expect("what was written is whole");
    let mut ids = Vec::new();
    database.vulnerabilities(&mut |id| ids.push(id.to_owned()));
    assert!(ids.iter().all(|id| database.vulnerability(id).is_some()), "a name is not found");
    // The same once more changes nothing.
    assert!(read(bytes, &mut collected).is_ok_and(|again| again.was_here), "it was not known");
    assert!(write(&collected).is_ok_and(|again| again == written), "the bytes depend on order");
    imported.records > 0
}
