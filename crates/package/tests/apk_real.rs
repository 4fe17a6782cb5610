// SPDX-License-Identifier: Apache-2.0
//! Real packages and indexes of Alpine, Wolfi and melange.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests")]

mod apk_support;

use std::fs;
use std::path::{Path, PathBuf};

use apk_support::{chain, identified, shared, unpacked};
use hardpan_package::apk::index::Index;
use hardpan_package::apk::key::Keys;
use hardpan_package::apk::signed::verify_index;

/// Indexes, and where their keys are.
const INDEXES: [(&str, &str); 4] = [
    ("melange/x86_64", "melange"),
    ("melange/aarch64", "melange"),
    ("rsa256", "rsa256"),
    ("signing", "signing/keys"),
];
/// The folders with packages, and the keys of those that are signed by one that is there.
const PACKAGES: [(&str, Option<&str>); 5] = [
    ("3.16", None),
    ("3.17", None),
    ("apk", None),
    ("melange/aarch64", Some("melange")),
    ("melange/x86_64", Some("melange")),
];

fn folder(test: &str) -> Option<PathBuf> {
    let folder = shared();
    if folder.is_none() {
        eprintln!("skipped: {test} because the shared data is not there");
    }
    folder
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.to_str().is_some_and(|text| text.ends_with(ending))).collect();
    paths.sort();
    paths
}

fn keys(folder: &Path) -> Keys {
    let mut keys = Keys::new();
    for path in files(folder, ".rsa.pub") {
        let name = path.file_name().unwrap().to_str().unwrap();
        keys.add(name, &fs::read(&path).unwrap()).unwrap();
    }
    assert!(!keys.is_empty(), "{}", folder.display());
    keys
}

fn packages(root: &Path) -> Vec<(PathBuf, Vec<u8>, Option<Keys>)> {
    let mut packages = Vec::new();
    for (folder, of) in PACKAGES {
        for path in files(&root.join(folder), ".apk") {
            let bytes = fs::read(&path).unwrap();
            packages.push((path, bytes, of.map(|of| keys(&root.join(of)))));
        }
    }
    assert_eq!(packages.len(), 13);
    packages
}

#[test]
fn indexes_are_verified() {
    let Some(root) = folder("indexes_are_verified") else { return };
    for (folder, of) in INDEXES {
        let file = fs::read(root.join(folder).join("APKINDEX.tar.gz")).unwrap();
        let keys = keys(&root.join(of));
        let index = verify_index(&file, &keys).unwrap();
        assert_eq!(index.signatures.len(), keys.iter().count(), "{folder}");
        assert!(index.signatures.iter().all(|signature| signature.algorithm == "RSA256"));
        assert!(index.text.starts_with("C:Q1") && index.text.contains("\nP:"), "{folder}");
        assert!(verify_index(&file, &Keys::new()).is_err());
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            if let Ok(accepted) = verify_index(&changed, &keys) {
                assert_eq!(accepted.signed_digest, index.signed_digest, "{folder} {at}");
                assert_eq!(accepted.text, index.text, "{folder} {at}");
            }
        }
    }
}

#[test]
fn indexes_of_alpine_are_signed_by_somebody_else() {
    let Some(root) = folder("indexes_of_alpine_are_signed_by_somebody_else") else { return };
    for (folder, key) in [("3.16", "6165ee59"), ("3.17", "616ae350")] {
        let file = fs::read(root.join(folder).join("APKINDEX.tar.gz")).unwrap();
        let error = chain(&verify_index(&file, &keys(&root.join("keys"))).unwrap_err());
        let name = format!("RSA by alpine-devel@lists.alpinelinux.org-{key}.rsa.pub");
        assert!(error.ends_with(&name), "{error}");
        // The other key, under the name that is asked for, has not made this signature.
        let other = &files(&root.join("keys"), ".rsa.pub")[0];
        let mut keys = Keys::new();
        let name = format!("alpine-devel@lists.alpinelinux.org-{key}.rsa.pub");
        keys.add(&name, &fs::read(other).unwrap()).unwrap();
        let error = chain(&verify_index(&file, &keys).unwrap_err());
        assert!(error.contains("is wrong"), "{error}");
    }
}

#[test]
fn packages_are_what_they_say() {
    let Some(root) = folder("packages_are_what_they_say") else { return };
    for (path, bytes, keys) in packages(&root) {
        let name = path.display();
        let identity = identified(&bytes, keys.as_ref()).unwrap();
        assert_eq!(identity.signatures.len(), usize::from(keys.is_some()), "{name}");
        assert!(identity.data_digest.is_some(), "{name}");
        let (unpacked, _) = unpacked(&bytes).unwrap();
        assert_eq!(unpacked.name, identity.name, "{name}");
        assert_eq!(unpacked.version, identity.version, "{name}");
        assert!(!unpacked.entries.is_empty() && !unpacked.sha1sums.is_empty(), "{name}");
        let datahash = unpacked.field("datahash").unwrap();
        assert_eq!(identity.data_digest.unwrap().to_hex(), datahash, "{name}");
    }
}

#[test]
fn packages_are_those_of_their_index() {
    let Some(root) = folder("packages_are_those_of_their_index") else { return };
    for architecture in ["x86_64", "aarch64"] {
        let folder = root.join("melange").join(architecture);
        let file = fs::read(folder.join("APKINDEX.tar.gz")).unwrap();
        let signed = verify_index(&file, &keys(&root.join("melange"))).unwrap();
        let index = Index::parse("", signed.text.as_bytes(), architecture).unwrap();
        assert_eq!(index.packages.len(), 4);
        for package in &index.packages {
            let bytes = fs::read(root.join("melange").join(&package.path)).unwrap();
            let identity = identified(&bytes, None).unwrap();
            identity.check(&package.checksum).unwrap();
            assert_eq!(identity.name, package.name);
            assert_eq!(identity.version, package.version);
            assert_eq!(identity.architecture, package.architecture);
            assert_eq!(identity.size_bytes, package.size_bytes);
            for other in index.packages.iter().filter(|other| other.name != package.name) {
                assert!(identity.check(&other.checksum).is_err());
            }
        }
    }
}

#[test]
fn packages_with_a_flipped_byte_are_refused() {
    let Some(root) = folder("packages_with_a_flipped_byte_are_refused") else { return };
    for (path, bytes, keys) in packages(&root) {
        let name = path.display();
        let good = identified(&bytes, keys.as_ref()).unwrap();
        let (good_unpacked, _) = unpacked(&bytes).unwrap();
        // A prime number of bytes from one to the next, so that all places in a structure have their turn.
        for at in (0..bytes.len()).step_by(if bytes.len() > 10_000 { 997 } else { 13 }) {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            if let Ok(identity) = identified(&changed, keys.as_ref()) {
                assert_ne!(identity.digest, good.digest, "{name} {at}");
                assert_eq!(identity.data_digest, good.data_digest, "{name} {at}");
                assert!(keys.is_none() || identity.control_digest == good.control_digest);
            }
            if let Ok((mut unpacked, _)) = unpacked(&changed) {
                // It is the hash of the control member's bytes, whatever is in them.
                unpacked.identity.clone_from(&good_unpacked.identity);
                assert_eq!(unpacked, good_unpacked, "{name} {at}");
            }
        }
    }
}

#[test]
fn a_real_package_looks_like_this() {
    let Some(root) = folder("a_real_package_looks_like_this") else { return };
    let bytes = fs::read(root.join("3.17/alpine-baselayout-3.4.0-r0.apk")).unwrap();
    let (package, _) = unpacked(&bytes).unwrap();
    assert_eq!((package.name.as_str(), package.timestamp), ("alpine-baselayout", 1_662_926_906));
    let scripts: Vec<&str> = package.scripts.keys().map(String::as_str).collect();
    assert_eq!(scripts, ["post-install", "post-upgrade", "pre-install", "pre-upgrade"]);
    let modes: Vec<String> = package
        .entries
        .iter()
        .filter(|entry| {
            ["/root", "/tmp", "/var/empty", "/etc/motd"].contains(&&*entry.path.to_string())
        })
        .map(|entry| format!("{} {:o}", entry.path, entry.metadata.mode))
        .collect();
    assert_eq!(modes, ["/etc/motd 644", "/root 700", "/tmp 1777", "/var/empty 555"]);
}
