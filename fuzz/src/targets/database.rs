// SPDX-License-Identifier: Apache-2.0
//! Advisory databases and differences between them that nobody vouches for.

use std::sync::LazyLock;

use hardpan_attest::sbom::read::read;
use hardpan_scan::advisory::database::{Database, apply, delta, write};
use hardpan_scan::advisory::import::{alpine_secdb, debian_tracker, distro_info, osv};
use hardpan_scan::advisory::{Advisories, Collected};
use hardpan_scan::inventory::Inventory;
use hardpan_scan::matching::{MatchOptions, match_all};
use hardpan_tree::Digest;

use super::advisories::{OSV, TRACKER};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "database",
    bytes_max: 16 << 10,
    parts: &[
        Part::new("open", open, || vec![OLD.clone(), NEW.clone(), empty()]),
        Part::new("delta", difference, || {
            vec![
                delta(&OLD, &NEW).expect("both are databases"),
                delta(&OLD, &OLD).expect("it is a database"),
            ]
        }),
    ],
};

const INFO: &str = "version,codename,series,created,release,eol,eol-lts\n13,Trixie,trixie,a,b,2028-08-09,2030-06-30\n,Sid,sid,x\n";
const SECDB: &str = r#"{"distroversion":"v3.22","reponame":"main","packages":[{"pkg":{"name":"busybox","secfixes":{"1.2-r0":["CVE-2026-0001"]}}}]}"#;

fn made(names: &[&str]) -> Vec<u8> {
    let mut collected = Collected::new();
    distro_info(INFO.as_bytes(), &mut collected).expect("the table of releases is good");
    alpine_secdb(SECDB.as_bytes(), &mut collected).expect("it is a secdb");
    for name in names {
        let tracker = TRACKER.replace("glibc", name);
        debian_tracker(tracker.as_bytes(), &mut collected).expect("it is a tracker");
        osv(OSV.replace("a.b", name).as_bytes(), &mut collected).expect("it is a record");
    }
    write(&collected).expect("it is small")
}

fn empty() -> Vec<u8> {
    write(&Collected::new()).expect("it is small")
}

/// A database.
static OLD: LazyLock<Vec<u8>> = LazyLock::new(|| made(&["glibc", "a.b"]));
/// A newer one.
static NEW: LazyLock<Vec<u8>> = LazyLock::new(|| made(&["glibc", "a.b", "bash", "curl"]));

/// [`OLD`], opened.
pub(super) static MATCHED: LazyLock<Database<&[u8]>> =
    LazyLock::new(|| Database::open(OLD.as_slice()).expect("it was just written"));

/// What is looked up.
static INVENTORY: LazyLock<Inventory> = LazyLock::new(|| {
    let names = [
        "pkg:deb/debian/glibc@2.41-1?distro=debian-13",
        "pkg:pypi/a-b@1.5",
        "pkg:deb/debian/bash@5",
    ];
    let components: Vec<serde_json::Value> = (names.iter())
        .map(|purl| serde_json::json!({"type": "library", "name": "x", "version": "1", "purl": purl}))
        .collect();
    let sbom = serde_json::json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components});
    Inventory::from(read(sbom.to_string().as_bytes()).expect("it is an SBOM"))
});

/// Where the header ends, and the check of it that follows (`docs/reference/database-format.md`).
const HEADER_BYTES: usize = 48 + 8 * 7;
const CHECK_BYTES: usize = 8;
const CONTENT_DIGEST: std::ops::Range<usize> = 16..48;
/// The digest of the database that a difference is from.
const BASE_DIGEST: std::ops::Range<usize> = 12..44;

/// Computes the digests again, as an attacker would.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let content = HEADER_BYTES + CHECK_BYTES;
    if bytes.len() >= content {
        let digest = Digest::of(&bytes[content..]);
        bytes[CONTENT_DIGEST].copy_from_slice(digest.as_bytes());
        let digest = Digest::of(&bytes[..HEADER_BYTES]);
        bytes[HEADER_BYTES..content].copy_from_slice(&digest.as_bytes()[..CHECK_BYTES]);
    }
    bytes
}

/// Opens a database and asks it for all that it has. What it says of a name that was given out is there, if it is whole.
fn open(bytes: &[u8]) -> bool {
    let bytes = sealed(bytes);
    let Ok(database) = Database::open(bytes.as_slice()) else { return false };
    let is_whole = database.verify_all().is_ok();
    for space in database.spaces() {
        assert!(database.release(space).is_some(), "a space is not found");
        database.limits(space);
        let mut packages = Vec::new();
        database.packages(space, &mut |package| packages.push(package.to_owned()));
        for package in packages {
            let mut count = 0;
            database.each(space, &package, &mut |record| {
                count += 1;
                database.vulnerability(&record.id);
            });
            assert!(count > 0 || !is_whole, "nothing is known of {package}");
        }
    }
    let mut ids = Vec::new();
    database.vulnerabilities(&mut |id| ids.push(id.to_owned()));
    let known = ids.iter().filter(|id| database.vulnerability(id).is_some()).count();
    assert!(known == ids.len() || !is_whole, "a name is not found");
    database.sources();
    let options = MatchOptions {
        allows_unknown_distribution: true,
        allows_nothing: true,
        today: Some(20_000),
        ..MatchOptions::default()
    };
    match_all(&INVENTORY, &database, &options).ok();
    is_whole
}

/// Applies a difference to a database that it says it is for.
fn difference(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    if let Some(base) = bytes.get_mut(BASE_DIGEST) {
        base.copy_from_slice(Digest::of(&OLD).as_bytes());
    }
    apply(&OLD, &bytes).is_ok()
}
