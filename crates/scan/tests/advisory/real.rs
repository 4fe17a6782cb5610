// SPDX-License-Identifier: Apache-2.0
//! Real data of sources, where it is there: all of it is imported, and is a small file that opens at once.

use std::time::Instant;

use hardpan_scan::advisory::database::{Database, apply, delta, write};
use hardpan_scan::advisory::import::{
    Imported, alpine_secdb, debian_tracker, distro_info, epss, kev, security_support, wolfi,
};
use hardpan_scan::advisory::{Advisories, Collected, DecisionKind, Space, Support};

use super::support::{Data, database, said, shared};

/// Imports all that is there, and says what came of it.
fn all() -> Option<Collected> {
    let mut collected = Collected::new();
    let show = |imported: Imported| {
        let skipped: Vec<String> = imported
            .skipped
            .iter()
            .map(|(reason, what)| format!("{} {reason}", what.count))
            .collect();
        eprintln!("{}: {} records; {}", imported.source, imported.records, skipped.join(", "));
    };
    show(distro_info(&shared("distro-info-debian.csv")?, &mut collected).unwrap());
    for (file, release) in [("security-support.deb12", "12"), ("security-support.deb13", "13")] {
        show(security_support(&shared(file)?, release, &mut collected).unwrap());
    }
    show(debian_tracker(&shared("debian-trial.tracker.json.gz")?, &mut collected).unwrap());
    show(kev(&shared("kev.json.xz")?, &mut collected).unwrap());
    show(wolfi(&shared("wolfi-secdb.json.xz")?, &mut collected).unwrap());
    for file in ["v3.10/main", "v3.10/community", "v3.11/main", "v3.11/community"] {
        let bytes = shared(&format!("alpine-secdb-2020/{file}.json"))?;
        show(alpine_secdb(&bytes, &mut collected).unwrap());
    }
    Some(collected)
}

#[test]
fn everything_is_imported_and_found_again() {
    let Some(collected) = all() else { return };
    let started = Instant::now();
    let bytes = write(&collected).unwrap();
    let written = started.elapsed();
    let started = Instant::now();
    let data = Database::open(bytes.as_slice()).unwrap();
    let opened = started.elapsed();
    data.verify_all().unwrap();
    let records = data.record_count();
    eprintln!(
        "{records} records of {} sources in {} bytes ({} compressed); written in {written:?}, opened in {opened:?}",
        data.sources().len(),
        bytes.len(),
        zstd::bulk::compress(&bytes, 19).unwrap().len(),
    );
    assert_eq!(data.sources().len(), 10);
    assert!(records > 40_000, "{records}");
    assert!((bytes.len() as u64) < records * 25, "{} bytes", bytes.len());
    assert!(collected.unplaced().is_empty());
    let count = |space: &Space| {
        let mut count = 0;
        data.packages(space, &mut |_| count += 1);
        count
    };
    assert_eq!(count(&Space::Wolfi), 1545);
}

#[test]
fn the_trial_tracker_has_what_its_json_has() {
    let Some(packed) = shared("debian-trial.tracker.json.gz") else { return };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut text)
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut collected = Collected::new();
    let imported = debian_tracker(text.as_bytes(), &mut collected).unwrap();
    assert!(imported.skipped.is_empty(), "{:?}", imported.skipped);
    let data = database(&collected);
    let mut compared = 0;
    for (package, entries) in json.as_object().unwrap() {
        for (codename, space) in [("bookworm", "debian:12"), ("trixie", "debian:13")] {
            let mut expected: Vec<String> = Vec::new();
            for (id, entry) in entries.as_object().unwrap() {
                let release = &entry["releases"][codename];
                let verdict = match (release["status"].as_str(), release["fixed_version"].as_str())
                {
                    (None, _) => continue,
                    (Some("resolved"), Some(version)) => format!("fixed in {version}"),
                    _ => "open".to_owned(),
                };
                let urgency =
                    if release["urgency"] == "unimportant" { ", unimportant" } else { "" };
                let decision = release["nodsa"].as_str().map(|why| format!(", NoDsa ({why})"));
                expected.push(format!("{id} {verdict}{urgency}{}", decision.unwrap_or_default()));
            }
            expected.sort();
            let mut found = said(&data, space, package);
            found.sort();
            compared += found.len();
            assert_eq!(found, expected, "{space} {package}");
        }
    }
    assert_eq!(compared, 16_506);
}

#[test]
fn a_real_tracker_has_never_affected_and_end_of_life() {
    let Some(text) = shared("vunnel-debian-fixture.json") else { return };
    let mut collected = Collected::new();
    debian_tracker(&text, &mut collected).unwrap();
    let data = database(&collected);
    assert_eq!(
        said(&data, "debian:10", "prototypejs"),
        ["CVE-2007-2383 not affected, unimportant", "CVE-2008-7220 fixed in 1.6.0.2-1, high"]
    );
    assert_eq!(said(&data, "debian:10", "chromium"), ["CVE-2022-0456 open, EndOfLife ()"]);
    assert_eq!(
        said(&data, "debian:11", "chromium"),
        ["CVE-2022-0456 fixed in 98.0.4758.80-1~deb11u1"]
    );
    let mut kinds = Vec::new();
    data.each(&Space::Debian("9".to_owned()), "chromium", &mut |one| {
        kinds.extend(one.decision.map(|decision| decision.kind));
    });
    assert_eq!(kinds, [DecisionKind::EndOfLife]);
}

#[test]
fn support_that_is_limited_is_said() {
    let Some(collected) = all() else { return };
    let data: Data = database(&collected);
    let limits = data.limits(&Space::Debian("13".to_owned()));
    let find = |name: &str| limits.iter().find(|limit| limit.package == name).unwrap();
    assert!(find("golang.*").is_pattern && find("golang.*").support == Support::Limited);
    assert!(find("consul").support == Support::Ended && find("consul").since.is_some());
    assert_eq!(find("rust-sequoia-sqv").support, Support::Full);
    let release = data.release(&Space::Debian("12".to_owned())).unwrap();
    assert_eq!((release.codename.as_ref(), release.end_of_life), ("bookworm", Some(20_645)));
}

#[test]
fn a_day_later_the_difference_is_small() {
    let Some(packed) = shared("debian-trial.tracker.json.gz") else { return };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut text)
        .unwrap();
    let make = |text: &str| {
        let mut collected = Collected::new();
        debian_tracker(text.as_bytes(), &mut collected).unwrap();
        write(&collected).unwrap()
    };
    // Some 30 fixes that came, and some 30 records that are new.
    let next = text
        .replace("\"CVE-2025-1012\"", "\"CVE-2026-1012\"")
        .replace("\"3.5.5-1~deb13u2\"", "\"3.5.5-1~deb13u3\"");
    assert_ne!(text, next);
    let (old, new) = (make(&text), make(&next));
    let delta = delta(&old, &new).unwrap();
    eprintln!("{} bytes of difference between databases of {} bytes", delta.len(), new.len());
    assert_eq!(apply(&old, &delta).unwrap(), new);
    assert!(delta.len() * 20 < new.len(), "{} of {}", delta.len(), new.len());
}

/// Scores of a day for all vulnerabilities that a text names: EPSS scores every CVE anew each day, and percentiles move with
/// the scores of all others.
fn scores(text: &str, day: u32) -> String {
    let mut ids: Vec<&str> =
        text.split('"').filter(|word| word.starts_with("CVE-") && word.len() < 20).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut csv = format!(
        "#model_version:v2025.03.14,score_date:2026-11-{day:02}T00:00:00+0000\ncve,epss,percentile\n"
    );
    for (number, id) in (0_u32..).zip(&ids) {
        let spread = number.wrapping_mul(2_654_435_761) >> 12;
        // Every thirtieth score is another the next day, all percentiles are by some hundred thousandths.
        let moved = if number % 30 == 7 { (day - 1) * 130 } else { 0 };
        let (score, percentile) =
            (spread % 90_000 + 40 + moved, spread % 99_000 + (day - 1) * (3 + number % 5));
        csv.push_str(&[*id, ",", &format!("0.{score:05},0.{percentile:05}"), "\n"].concat());
    }
    csv
}

#[test]
fn a_day_later_the_difference_with_all_of_epss_is_a_part_of_it() {
    let Some(packed) = shared("debian-trial.tracker.json.gz") else { return };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut text)
        .unwrap();
    let make = |text: &str, day: u32| {
        let mut collected = Collected::new();
        debian_tracker(text.as_bytes(), &mut collected).unwrap();
        epss(scores(text, day).as_bytes(), &mut collected).unwrap();
        write(&collected).unwrap()
    };
    let next = text
        .replace("\"CVE-2025-1012\"", "\"CVE-2026-1012\"")
        .replace("\"3.5.5-1~deb13u2\"", "\"3.5.5-1~deb13u3\"");
    let (old, new) = (make(&text, 1), make(&next, 2));
    let delta = delta(&old, &new).unwrap();
    let scored = scores(&text, 1).lines().count() - 2;
    let whole = zstd::bulk::compress(&new, 19).unwrap().len();
    eprintln!(
        "{} bytes of difference with {scored} scores that moved, {} hundredths of a byte for each; the whole has {} bytes, {whole} compressed",
        delta.len(),
        delta.len() * 100 / scored,
        new.len()
    );
    assert_eq!(apply(&old, &delta).unwrap(), new);
    // No score takes more than the six bytes that it has in the whole, and the rest is as small as without them.
    assert!(scored > 5_000 && delta.len() < scored * 6 + 10_000, "{} of {scored}", delta.len());
    assert!(delta.len() < whole, "{} of {whole}", delta.len());
}
