// SPDX-License-Identifier: Apache-2.0
//! From the signature of an archive to its indexes, with archives made in memory.
#![expect(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::cell::RefCell;

use hardpan_package::deb::archive::{
    ArchiveError, Fetch, FetchError, FetchRequest, PackagesFile, SignedRelease, load_packages,
    load_release,
};
use hardpan_package::deb::sources::{self, Source};
use hardpan_package::openpgp::Keyring;
use hardpan_testkit::archive::{Archive, DATE_SECONDS, Files, gzip, xz};
use hardpan_testkit::pgp::Key;
use hardpan_tree::Digest;

const AT: i64 = DATE_SECONDS + 3_600;
const XZ: &str = "dists/trixie/main/binary-amd64/Packages.xz";

/// Files in memory, and a log of what was asked for.
struct Memory {
    files: Files,
    log: RefCell<Vec<String>>,
}

impl Memory {
    fn new(files: Files) -> Self {
        Self { files, log: RefCell::default() }
    }
}

impl Fetch for Memory {
    fn get(&self, request: &FetchRequest<'_>) -> Result<Vec<u8>, FetchError> {
        let path = request.url.strip_prefix("http://mirror/").unwrap().to_owned();
        self.log.borrow_mut().push(path.clone());
        match self.files.get(&path).cloned() {
            Some(bytes) if bytes == b"broken" => Err(FetchError::Failed("timeout".into())),
            Some(bytes) => Ok(bytes),
            None => Err(FetchError::NotFound),
        }
    }
}

fn archive() -> Archive {
    Archive::new("trixie")
        .package(b"one".to_vec(), "Package: one\nVersion: 1\nArchitecture: amd64\n")
        .package(b"two".to_vec(), "Package: two\nVersion: 2\nArchitecture: all\n")
        .package_in(
            "contrib",
            b"three".to_vec(),
            "Package: three\nVersion: 3\nArchitecture: arm64\n",
        )
}

fn source(line: &str) -> Source {
    sources::parse(line).into_result().unwrap().remove(0)
}

fn main_source() -> Source {
    source("deb http://mirror trixie main")
}

fn release(files: &Files, source: &Source) -> Result<SignedRelease, ArchiveError> {
    let keyring = Keyring::parse(&Key::new(1).public()).unwrap();
    load_release(&Memory::new(files.clone()), source, &keyring, AT)
}

fn packages(files: &Files, source: &Source) -> Result<Vec<PackagesFile>, ArchiveError> {
    let signed = release(files, source)?;
    load_packages(&Memory::new(files.clone()), source, &signed, "amd64")
}

/// The error with all that caused it.
fn explain<T: std::fmt::Debug>(result: Result<T, ArchiveError>) -> String {
    let error = result.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[test]
fn a_signed_archive_is_read() {
    let files = archive().build(&[&Key::new(1)]);
    let source = source("deb http://mirror trixie contrib main");
    let signed = release(&files, &source).unwrap();
    let evidence = &signed.evidence;
    assert_eq!((evidence.suite.as_str(), evidence.codename.as_deref()), ("trixie", Some("trixie")));
    assert_eq!(evidence.date_seconds, DATE_SECONDS);
    assert_eq!(evidence.digest, Digest::of(&files["dists/trixie/InRelease"]));
    assert_eq!(evidence.text_digest, Digest::of(&files["dists/trixie/Release"]));
    assert_eq!(evidence.signatures[0].key.to_string(), Key::new(1).fingerprint());
    let json = serde_json::to_string(evidence).unwrap();
    assert!(!json.contains("mirror"), "{json}");
    assert_eq!(&serde_json::from_str::<serde_json::Value>(&json).unwrap()["suite"], "trixie");

    let fetch = Memory::new(files.clone());
    let indexes = load_packages(&fetch, &source, &signed, "amd64").unwrap();
    let names: Vec<_> = indexes.iter().map(|i| (i.component.as_str(), i.name.as_str())).collect();
    assert_eq!(
        names,
        [
            ("contrib", "contrib/binary-amd64/Packages.xz"),
            ("main", "main/binary-amd64/Packages.xz"),
        ]
    );
    assert_eq!(indexes[0].text, "");
    assert!(indexes[1].text.contains("Package: one") && indexes[1].text.contains("Package: two"));
    assert_eq!(indexes[1].entry.digest, Digest::of(&files[XZ]));
    assert_eq!(indexes[1].text_digest, Digest::of(indexes[1].text.as_bytes()));
    assert!(fetch.log.borrow().iter().all(|path| path.contains("/by-hash/SHA256/")));
}

#[test]
fn release_with_a_signature_beside_it_is_as_good() {
    let mut files = archive().build(&[&Key::new(1)]);
    let with = release(&files, &main_source()).unwrap();
    files.remove("dists/trixie/InRelease");
    let without = release(&files, &main_source()).unwrap();
    assert_eq!(with.evidence.text_digest, without.evidence.text_digest);
    assert_eq!(without.evidence.digest, without.evidence.text_digest);
    assert_eq!(with.release, without.release);
}

#[test]
fn unsigned_and_wrongly_signed_archives_are_refused() {
    let good = archive().build(&[&Key::new(1)]);
    let change = |path: &str, from: &str, to: &str| {
        let mut files = good.clone();
        let path = format!("dists/trixie/{path}");
        let text = String::from_utf8(files[&path].clone()).unwrap();
        assert!(text.contains(from));
        files.insert(path, text.replace(from, to).into_bytes());
        files
    };
    let without = |names: &[&str]| {
        let mut files = good.clone();
        for name in names {
            files.remove(&format!("dists/trixie/{name}"));
        }
        files
    };
    let mut plain_inrelease = good.clone();
    let plain = good["dists/trixie/Release"].clone();
    plain_inrelease.insert("dists/trixie/InRelease".into(), plain);
    let mut tampered = change("Release", "Suite: stable", "Suite: stably");
    tampered.remove("dists/trixie/InRelease");
    let stranger = Key::new(2).fingerprint();
    for (files, expected) in [
        (archive().build(&[]), "http://mirror trixie main: the archive is not signed (no InRelease and no Release.gpg)".to_owned()),
        (without(&["InRelease", "Release.gpg"]), "http://mirror trixie main: the archive is not signed (no InRelease and no Release.gpg)".to_owned()),
        (Files::new(), "http://mirror trixie main: no such suite: there is neither InRelease nor Release".to_owned()),
        (plain_inrelease, "http://mirror trixie main: InRelease is not trusted: not signed: no OpenPGP signature found".to_owned()),
        (archive().build(&[&Key::new(2)]), format!("http://mirror trixie main: InRelease is not trusted: no valid signature: signature of {stranger}: the key is not in the keyring")),
        (change("InRelease", "Suite: stable", "Suite: stably"), format!("http://mirror trixie main: InRelease is not trusted: no valid signature: signature of {}: bad signature: the text or the signature was changed", Key::new(1).fingerprint())),
        (tampered, format!("http://mirror trixie main: Release is not trusted: no valid signature: signature of {}: bad signature: the text or the signature was changed", Key::new(1).fingerprint())),
    ] {
        assert_eq!(explain(release(&files, &main_source())), expected);
    }
    // A trusted=yes in the source changes nothing.
    let trusting = source("deb [trusted=yes] http://mirror trixie main");
    assert!(release(&archive().build(&[]), &trusting).unwrap_err().is_trust());
}

#[test]
fn outdated_and_foreign_releases_are_refused() {
    let key = Key::new(1);
    let old = archive().valid_until(AT - 7_200).build(&[&key]);
    assert_eq!(
        explain(release(&old, &main_source())),
        "http://mirror trixie main: refused: the Release file of trixie expired 2 hours ago \
         (2025-01-01T23:00:00Z); update the mirror, or, for an archive that is no longer updated, \
         switch the check off with \"Check-Valid-Until: no\""
    );
    assert!(release(&old, &source("deb [check-valid-until=no] http://mirror trixie main")).is_ok());
    let young = source("deb [valid-until-max=60] http://mirror trixie main");
    assert!(release(&archive().build(&[&key]), &young).unwrap_err().is_trust());
    let future = archive().date(AT + 20 * 3_600).build(&[&key]);
    assert!(release(&future, &main_source()).is_ok(), "clocks differ");
    let future = archive().date(AT + 48 * 3_600).build(&[&key]);
    assert!(release(&future, &main_source()).is_err());
    let files = Archive::new("bookworm").suite("oldstable").build(&[&key]);
    let moved: Files = files
        .into_iter()
        .map(|(path, bytes)| (path.replace("bookworm", "trixie"), bytes))
        .collect();
    assert_eq!(
        explain(release(&moved, &main_source())),
        "http://mirror trixie main: refused: conflicting distribution: asked for trixie, but the \
         Release file is of oldstable or bookworm"
    );
}

#[test]
fn what_a_suite_does_not_have_is_said() {
    let files = archive().build(&[&Key::new(1)]);
    let signed = release(&files, &main_source()).unwrap();
    let load = |line: &str, architecture: &str| {
        explain(load_packages(&Memory::new(files.clone()), &source(line), &signed, architecture))
    };
    assert_eq!(
        load("deb http://mirror trixie main non-free", "amd64"),
        "http://mirror trixie main non-free: no component \"non-free\"; the suite has: contrib, main"
    );
    assert_eq!(
        load("deb http://mirror trixie main", "riscv64"),
        "http://mirror trixie main: no architecture \"riscv64\"; the suite has: all, amd64, arm64"
    );
    let mut bare = files.clone();
    bare.retain(|path, _| !path.contains("Packages") && !path.contains("by-hash"));
    assert_eq!(
        explain(packages(&bare, &main_source())),
        "http://mirror trixie main: there is no index main/binary-amd64/Packages"
    );
    let mut broken = files.clone();
    broken.insert("dists/trixie/InRelease".into(), b"broken".to_vec());
    assert_eq!(
        explain(release(&broken, &main_source())),
        "http://mirror trixie main: can't fetch InRelease: timeout"
    );
    let secret = source("deb http://user:secret@mirror trixie main non-free");
    let error = load_packages(&Memory::new(files), &secret, &signed, "amd64").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn the_best_form_that_is_there_is_taken() {
    let key = Key::new(1);
    let fetched = |files: &Files, line: &str| {
        let source = source(line);
        let signed = release(files, &source).unwrap();
        let fetch = Memory::new(files.clone());
        let indexes = load_packages(&fetch, &source, &signed, "amd64").unwrap();
        assert!(indexes[0].text.contains("Package: one"));
        let asked: Vec<_> = fetch
            .log
            .borrow()
            .iter()
            .map(|p| {
                if p.contains("by-hash") {
                    "by-hash".into()
                } else {
                    p.replace("dists/trixie/main/binary-amd64/", "")
                }
            })
            .collect();
        asked.join(" ")
    };
    let line = "deb http://mirror trixie main";
    let all = archive().build(&[&key]);
    assert_eq!(fetched(&all, line), "by-hash");
    assert_eq!(fetched(&all, "deb [by-hash=no] http://mirror trixie main"), "Packages.xz");
    let plain = archive().by_hash(false).build(&[&key]);
    assert_eq!(fetched(&plain, line), "Packages.xz");
    assert_eq!(
        fetched(&plain, "deb [by-hash=force] http://mirror trixie main"),
        "by-hash Packages.xz"
    );
    let mut without = plain.clone();
    without.remove(XZ);
    assert_eq!(fetched(&without, line), "Packages.xz Packages.gz");
    without.remove("dists/trixie/main/binary-amd64/Packages.gz");
    assert_eq!(fetched(&without, line), "Packages.xz Packages.gz Packages");
    let gzip_only = archive().compressions(&[".gz"]).by_hash(false).build(&[&key]);
    assert_eq!(fetched(&gzip_only, line), "Packages.gz");
}

#[test]
fn tampered_indexes_are_refused() {
    let good = archive().by_hash(false).build(&[&Key::new(1)]);
    let with = |bytes: Vec<u8>| {
        let mut files = good.clone();
        files.insert(XZ.into(), bytes);
        explain(packages(&files, &main_source()))
    };
    let ending = "; the mirror may be in the middle of an update, or somebody changed the file";
    let prefix = "http://mirror trixie main: main/binary-amd64/Packages.xz is not what the Release file says";
    let mut flipped = good[XZ].clone();
    flipped[40] ^= 1;
    assert_eq!(with(flipped), format!("{prefix} (digest){ending}"));
    let truncated = good[XZ][..good[XZ].len() - 1].to_vec();
    assert_eq!(with(truncated), format!("{prefix} (size){ending}"));
    let mut longer = good[XZ].clone();
    longer.push(0);
    assert_eq!(with(longer), format!("{prefix} (size){ending}"));
    // The by-hash file too.
    let mut files = archive().build(&[&Key::new(1)]);
    for (path, bytes) in &mut files {
        if path.contains("main/binary-amd64/by-hash") {
            bytes[10] ^= 1;
        }
    }
    assert!(packages(&files, &main_source()).unwrap_err().is_trust());
}

#[test]
fn bombs_and_broken_data_are_refused() {
    let key = Key::new(1);
    let name = "main/binary-amd64/Packages.xz";
    let load = |archive: Archive| {
        let text = explain(packages(&archive.build(&[&key]), &main_source()));
        text.replace("http://mirror trixie main: can't decompress main/binary-amd64/", "")
    };
    let zeros = vec![b'\n'; 20 << 20];
    let plain_size = archive().release().1["main/binary-amd64/Packages"].len();
    // Larger than the listed size of the plain index.
    assert_eq!(
        load(archive().index_bytes(name, xz(&zeros))),
        format!("Packages.xz: larger than {plain_size} bytes")
    );
    let gz = archive().compressions(&[".gz", ""]);
    assert_eq!(
        load(gz.index_bytes("main/binary-amd64/Packages.gz", gzip(&zeros))),
        format!("Packages.gz: larger than {plain_size} bytes")
    );
    assert_eq!(
        load(archive().index_bytes(name, xz(b""))),
        format!("Packages.xz: 0 bytes instead of {plain_size}")
    );
    let truncated = xz(&zeros)[..100].to_vec();
    let only_xz = || archive().compressions(&[".xz"]);
    assert!(load(only_xz().index_bytes(name, truncated)).starts_with("Packages.xz: broken data"));
    assert!(
        load(only_xz().index_bytes(name, b"junk".to_vec())).starts_with("Packages.xz: broken data")
    );
    assert_eq!(load(only_xz().index_bytes(name, xz(b"\xff"))), "Packages.xz: not UTF-8");
    // As long as the plain one, but another text.
    let other = xz(&vec![b'x'; plain_size]);
    assert!(load(archive().index_bytes(name, other)).contains("digest when decompressed"));
}

#[test]
fn components_may_have_a_prefix_in_the_release_file() {
    let key = Key::new(1);
    let (text, indexes) = archive().release();
    let text = text.replace("Components: contrib main", "Components: updates/main updates/contrib");
    let mut files: Files =
        indexes.into_iter().map(|(name, bytes)| (format!("dists/trixie/{name}"), bytes)).collect();
    let options = hardpan_testkit::pgp::SignOptions::default();
    let message = hardpan_testkit::pgp::cleartext(&text, &[(&key, options)]);
    files.insert("dists/trixie/InRelease".into(), message);
    assert_eq!(packages(&files, &main_source()).unwrap().len(), 1);
    let error = packages(&files, &source("deb http://mirror trixie updates")).unwrap_err();
    assert!(matches!(error, ArchiveError::NoComponent { .. }), "{error}");
}

#[test]
fn packages_for_all_may_have_an_index_of_their_own() {
    let key = Key::new(1);
    let (text, indexes) = archive().release();
    let all = b"Package: four\nVersion: 4\nArchitecture: all\n".to_vec();
    let text = text.replace("No-Support-for-Architecture-all: Packages\n", "");
    let text =
        format!("{text} {} {} main/binary-all/Packages\n", Digest::of(&all).to_hex(), all.len());
    let mut files: Files =
        indexes.into_iter().map(|(name, bytes)| (format!("dists/trixie/{name}"), bytes)).collect();
    files.insert("dists/trixie/main/binary-all/Packages".into(), all);
    let options = hardpan_testkit::pgp::SignOptions::default();
    let message = hardpan_testkit::pgp::cleartext(&text, &[(&key, options)]);
    files.insert("dists/trixie/InRelease".into(), message);
    let indexes = packages(&files, &main_source()).unwrap();
    let names: Vec<_> = indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(names, ["main/binary-amd64/Packages.xz", "main/binary-all/Packages"]);
}

#[test]
fn flat_archives_are_one_folder() {
    let key = Key::new(1);
    let (text, indexes) = archive().release();
    let index = indexes["main/binary-amd64/Packages"].clone();
    let text = format!("{text} {} {} ./Packages\n", Digest::of(&index).to_hex(), index.len());
    let options = hardpan_testkit::pgp::SignOptions::default();
    let mut files = Files::new();
    files.insert("sub/Packages".into(), index);
    let message = hardpan_testkit::pgp::cleartext(&text, &[(&key, options)]);
    files.insert("sub/InRelease".into(), message);
    let indexes = packages(&files, &source("deb http://mirror sub/")).unwrap();
    assert_eq!((indexes.len(), indexes[0].component.as_str()), (1, ""));
    assert!(indexes[0].text.contains("Package: one"));
}
