// SPDX-License-Identifier: Apache-2.0
//! Our catalog's definitions for Alpine, and the keys that are built in, against indexes that Alpine signed. They are of
//! older releases than the definitions, so one package goes by another name.
//!
//! The indexes are read from `../shared` beside the repository, or `HARDPAN_SHARED`.

use std::fs;
use std::path::{Path, PathBuf};

use hardpan_definition::{IncludeError, Includes, Platform, parse};
use hardpan_package::apk::key::Keys;
use hardpan_package::apk::signed::{SignedIndex, verify_index};

use super::*;
use crate::config::Workspace;
use crate::distribution::alpine::KEYS;

/// A name of the old release in place of the new one's.
const RULES: &str = "[[packages.substitute]]\nfrom = \"postgresql17\"\nto = \"postgresql14\"\n";

/// Returns an index, as Alpine signed it.
#[allow(clippy::print_stderr, reason = "who runs the tests must see what did not run")]
fn signed(release: &str) -> Option<Vec<u8>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("HARDPAN_SHARED").map_or_else(beside, PathBuf::from);
    let bytes = fs::read(root.join(format!("alpine/{release}/APKINDEX.tar.gz"))).ok();
    if bytes.is_none() {
        eprintln!("skipped: the indexes are not there: ../shared/alpine, or HARDPAN_SHARED");
    }
    bytes
}

/// Verifies an index with one of the keys that are built in.
fn verified(bytes: &[u8], key: usize) -> Option<SignedIndex> {
    let (name, pem) = KEYS[key];
    let mut keys = Keys::new();
    keys.add(name, pem).unwrap();
    verify_index(bytes, &keys).ok()
}

#[test]
fn the_keys_that_are_built_in_are_alpines() {
    for (release, own, other) in [("3.16", 0, 1), ("3.17", 1, 0)] {
        let Some(mut bytes) = signed(release) else { return };
        assert!(verified(&bytes, own).is_some(), "{release}");
        assert!(verified(&bytes, other).is_none(), "{release}");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(verified(&bytes, own).is_none(), "{release}, with another bit");
    }
}

struct Catalog(PathBuf);

impl Includes for Catalog {
    fn load(&self, path: &str) -> Result<hardpan_definition::Source, IncludeError> {
        let text = fs::read_to_string(self.0.join(path)).map_err(|_| IncludeError::NotFound)?;
        Ok(hardpan_definition::Source::new(path, text))
    }
}

/// Returns the catalog's definitions for Alpine: their paths, and what they ask for.
fn demands() -> Vec<(String, Demand)> {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let includes = Catalog(catalog.clone());
    let workspace = Workspace::parse(RULES).unwrap();
    let mut found = Vec::new();
    for image in fs::read_dir(&catalog).unwrap().flatten() {
        let folder = image.path().join("alpine-3.24");
        if image.file_name() == "common" || !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let name = entry.path().strip_prefix(&catalog).unwrap().display().to_string();
            let text = fs::read_to_string(entry.path()).unwrap();
            let parsed = parse(&hardpan_definition::Source::new(&name, text), &includes);
            for platform in Platform::ALL {
                let definition =
                    parsed.render(platform).unwrap_or_else(|e| panic!("{name}: {e:?}"));
                found.push((name.clone(), Demand::of(&definition, &workspace).unwrap()));
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[test]
fn the_catalog_is_solved_with_indexes_of_alpine() {
    // There is one for each architecture.
    let mut indexes = Vec::new();
    for (release, key, architecture) in [("3.16", 0, "x86_64"), ("3.17", 1, "aarch64")] {
        let Some(bytes) = signed(release) else { return };
        let text = verified(&bytes, key).unwrap().text;
        indexes.push((architecture, Index::parse("", text.as_bytes(), architecture).unwrap()));
    }
    let demands = demands();
    assert_eq!(demands.len(), 2 * 9);
    for (name, demand) in demands {
        let (_, index) = indexes.iter().find(|(name, _)| *name == demand.architecture).unwrap();
        let archive = &demand.archives[0];
        let sources = [Source { archive, index }];
        let chosen = choose(Platform::LinuxAmd64, &demand, &sources);
        let chosen = chosen.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let names: Vec<&str> = chosen.iter().map(|one| one.package.name.as_str()).collect();
        for asked in &demand.packages {
            assert!(names.contains(&asked.name.as_str()), "{name}: no {}", asked.name);
        }
        // A runtime image of the catalog has a shell only if it asks for one.
        let asks = |package: &str| demand.packages.iter().any(|asked| asked.name == package);
        for package in ["busybox", "apk-tools"] {
            assert_eq!(names.contains(&package), asks(package), "{name}: {package}");
        }
    }
}
