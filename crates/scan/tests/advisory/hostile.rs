// SPDX-License-Identifier: Apache-2.0
//! Files that were changed at random: an importer gives records or an error, and what it gives can be written and read.

use std::io::Write as _;

use hardpan_scan::advisory::Collected;
use hardpan_scan::advisory::database::{Database, write};
use hardpan_scan::advisory::import::{
    ImportError, ListedRelease, Lists, alpine_secdb, cve5, debian_lists, debian_tracker,
    distro_info, epss, kev, nvd, osv, security_support, wolfi,
};
use hardpan_testkit::zip;

use super::support::{Import, Numbers};

const TRACKER: &str = r#"{"glibc":{"CVE-2026-0861":{"description":"x","releases":{"trixie":{"status":"resolved",
    "fixed_version":"2.41-12+deb13u1","urgency":"low**","nodsa":"Minor","nodsa_reason":"ignored"},"sid":{"status":"open"}}}}}"#;
const SECDB: &str = r#"{"distroversion":"v3.22","reponame":"main","packages":[{"pkg":{"name":"a","secfixes":
    {"1.2_rc1-r0":["CVE-2026-0001 XSA-1","CVE_2026-0002"],"0":["CVE-2026-0003"]}}}]}"#;
const OSV: &str = r#"{"id":"GHSA-aaaa-bbbb-cccc","aliases":["CVE-2026-0001"],"modified":"2026-01-02T03:04:05Z","summary":"x",
    "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":
    {"ecosystem":"PyPI","name":"a.b"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1"},{"fixed":"2"},{"introduced":"3"},
    {"last_affected":"4"}]}],"versions":["1","1.1"]}]}"#;
const CVE: &str = r#"{"cveMetadata":{"cveId":"CVE-2026-0001","state":"PUBLISHED","datePublished":"2026-01-14T00:00:00Z"},
    "containers":{"cna":{"title":"t","metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}}}"#;
const NVD: &str = r#"{"vulnerabilities":[{"cve":{"id":"CVE-2026-0001","metrics":{"cvssMetricV31":
    [{"source":"a","cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}}}]}"#;
const KEV: &str = r#"{"dateReleased":"2025-08-25T17:04:19.9Z","vulnerabilities":[{"cveID":"CVE-2026-0001","dateAdded":"2026-01-27"}]}"#;
const EPSS: &str = "#model_version:v1,score_date:2026-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-2026-0001,0.5,0.9\n";
const SUPPORT: &str = "# c\nadns limited Stub\ngolang.* limited See\nconsul non-supported 1.10.12+dfsg1-1 2023-09-20 why\n";
const INFO: &str = "version,codename,series,created,release,eol,eol-lts\n13,Trixie,trixie,a,b,2028-08-09,2030-06-30\n,Sid,sid,x\n";
const LIST: &str = "CVE-2026-XXXX [x]\n\t{DSA-1-1}\n\t- glibc 2.42-1 (bug #1; low)\n\t[trixie] - glibc <no-dsa> (Minor)\n\
    CVE-2026-0001 (y)\n\t[experimental] - glibc 1\n\t- glibc <unfixed>\n\t[trixie] - glibc <end-of-life> (z)\n";
const DSA: &str = "[27 Jan 2026] DSA-1-1 glibc - security update\n\t{CVE-2026-0001}\n\t[trixie] - glibc 2.41-12+deb13u2\n";

/// Imports a text as all three lists, of which two are good.
fn lists(place: usize, bytes: &[u8], collected: &mut Collected) -> Result<(), ImportError> {
    let pick = |own: usize, good: &'static str| -> &[u8] {
        if own == place { bytes } else { good.as_bytes() }
    };
    let suite = pick(2, "Package: glibc\nVersion: 2.41-12\n");
    let lists = Lists {
        cve: pick(0, LIST).into(),
        dsa: pick(1, DSA).into(),
        dla: b"".into(),
        releases: vec![
            ListedRelease { codename: "trixie".to_owned(), sources: vec![suite.into()] },
            ListedRelease { codename: "sid".to_owned(), sources: vec![] },
        ],
    };
    debian_lists(&lists, collected).map(drop)
}

/// Returns a text with a few things changed that break parsers: bytes, lengths, pieces cut out or doubled.
fn changed(good: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    const PIECES: [&[u8]; 14] = [
        b"\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\n",
        b"\0",
        b"-",
        b"0",
        b"\xff",
        b"null",
        b"\xc3\xa4",
        b"99999999999999999999",
        b",",
    ];
    let mut bytes = good.to_vec();
    for _ in 0..=numbers.below(3) {
        let (place, end) = (numbers.below(bytes.len()), numbers.below(bytes.len()));
        match numbers.below(5) {
            0 if !bytes.is_empty() => bytes[place] = u8::try_from(numbers.below(256)).unwrap(),
            1 => bytes.truncate(place),
            2 => drop(bytes.drain(place.min(end)..place.max(end).min(place.min(end) + 20))),
            3 => {
                let piece = bytes[place.min(end)..place.max(end)].to_vec();
                bytes.splice(place..place, piece);
            }
            _ => drop(
                bytes.splice(place..place, PIECES[numbers.below(PIECES.len())].iter().copied()),
            ),
        }
    }
    bytes
}

fn check(collected: &Collected) {
    let bytes = write(collected).unwrap();
    Database::open(&bytes).unwrap().verify_all().unwrap();
}

#[test]
fn changed_files_of_all_kinds() {
    let imports: [(Import, &str); 11] = [
        (|b, c| debian_tracker(b, c), TRACKER),
        (|b, c| alpine_secdb(b, c), SECDB),
        (|b, c| wolfi(b, c), &SECDB[26..]),
        (|b, c| osv(b, c), OSV),
        (|b, c| cve5(b, c), CVE),
        (|b, c| nvd(b, c), NVD),
        (|b, c| kev(b, c), KEV),
        (|b, c| epss(b, c), EPSS),
        (|b, c| security_support(b, "13", c), SUPPORT),
        (|b, c| distro_info(b, c), INFO),
        (|b, c| debian_tracker(b, c), "{}"),
    ];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for (import, good) in imports {
        let mut taken = 0;
        for _ in 0..1500 {
            let mut collected = Collected::new();
            let bytes = changed(good.as_bytes(), &mut numbers);
            taken += u32::from(import(&bytes, &mut collected).is_ok());
            check(&collected);
        }
        assert!(taken < 1500, "{good}");
    }
}

#[test]
fn changed_lists() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut taken = 0;
    for (place, good) in [(0, LIST), (1, DSA), (2, "Package: glibc\nVersion: 2.41-12\n\n")] {
        for _ in 0..1500 {
            let mut collected = Collected::new();
            let bytes = changed(good.as_bytes(), &mut numbers);
            taken += u32::from(lists(place, &bytes, &mut collected).is_ok());
            check(&collected);
        }
    }
    assert!((1000..4500).contains(&taken), "{taken}");
}

#[test]
fn changed_archives_and_packed_files() {
    let archive = zip::zip(&[("a.json", OSV.as_bytes(), true), ("b.json", OSV.as_bytes(), false)]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(TRACKER.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(TRACKER.as_bytes()).unwrap();
    let xz = encoder.finish().unwrap();
    for packed in [&packed, &xz] {
        let taken = debian_tracker(packed, &mut Collected::new()).unwrap();
        assert_eq!(
            taken.records,
            debian_tracker(TRACKER.as_bytes(), &mut Collected::new()).unwrap().records
        );
        let cut = debian_tracker(&packed[..packed.len() - 1], &mut Collected::new());
        assert!(matches!(cut, Err(ImportError::Unpack(_))), "{cut:?}");
    }
    let mut numbers = Numbers(7);
    for _ in 0..1500 {
        let mut collected = Collected::new();
        let _ = osv(&changed(&archive, &mut numbers), &mut collected);
        let _ = debian_tracker(&changed(&packed, &mut numbers), &mut collected);
        let _ = debian_tracker(&changed(&xz, &mut numbers), &mut collected);
        check(&collected);
    }
}

#[test]
fn deep_nesting_and_long_names_end_in_an_error_or_nothing() {
    let deep = "[".repeat(1_000_000);
    let imports: [Import; 6] = [
        |b, c| debian_tracker(b, c),
        |b, c| alpine_secdb(b, c),
        |b, c| osv(b, c),
        |b, c| cve5(b, c),
        |b, c| nvd(b, c),
        |b, c| kev(b, c),
    ];
    for import in imports {
        assert!(import(deep.as_bytes(), &mut Collected::new()).is_err());
        let inside = format!(r#"{{"id":"GHSA-1","database_specific":{deep}"#);
        assert!(import(inside.as_bytes(), &mut Collected::new()).is_err());
    }
    let long =
        TRACKER.replace("CVE-2026-0861", &"A".repeat(100_000)).replace("glibc", &"b".repeat(1000));
    let mut collected = Collected::new();
    let imported = debian_tracker(long.as_bytes(), &mut collected).unwrap();
    assert_eq!((imported.records, imported.skipped("not a package's name")), (0, 1));
}
