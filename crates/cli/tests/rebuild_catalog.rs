// SPDX-License-Identifier: Apache-2.0
//! Every image of the catalog is built again from nothing but its own signed provenance, and has the same digest.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The platform that is built: that of the machines that tests run on. Layers of others are made in the same way.
const PLATFORM: &str = "linux/amd64";
/// Definitions whose packages no archive that tests can reach has.
const ALPINE: &str = "alpine-";

/// A folder with a copy of the catalog, a key and a store.
struct Bench(tempfile::TempDir);

impl Bench {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hardpan"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("HARDPAN_STORE", self.0.path().join("store"))
            .env("HARDPAN_PASSWORD", "test")
            .output()
            .unwrap()
    }

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Copies the catalog without locks, which may be anybody's.
fn copy(from: &Path, to: &Path, definitions: &mut Vec<PathBuf>, below: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), below.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&path, &to.join(entry.file_name()), definitions, &name);
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            fs::copy(&path, to.join(entry.file_name())).unwrap();
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.starts_with("# syntax=") && !name.to_string_lossy().contains(ALPINE) {
                definitions.push(name);
            }
        }
    }
}

#[test]
fn every_image_is_what_its_provenance_says() {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the images are built for x86-64");
        return;
    }
    let bench = Bench(tempfile::tempdir().unwrap());
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let mut definitions = Vec::new();
    copy(&catalog, &bench.0.path().join("catalog"), &mut definitions, Path::new("catalog"));
    // A -dev image is the runtime one and more packages: it would show nothing more.
    definitions.retain(|path| !path.to_string_lossy().ends_with("-dev.yaml"));
    definitions.sort();
    assert!(definitions.len() > 15, "definitions are no longer found: {definitions:?}");
    bench.good(&["keygen", "k"]);
    for definition in &definitions {
        let definition = definition.to_str().unwrap();
        let build = ["build", definition, "-o", "image", "--platform", PLATFORM, "-q"];
        bench.good(&[&build[..], &["--sign", "--key", "k.key"]].concat());
        // Nothing but the layout is left of the build.
        fs::rename(bench.0.path().join("catalog"), bench.0.path().join("gone")).unwrap();
        let said = bench.good(&["rebuild", "image", "--key", "k.pub"]);
        assert!(said.starts_with("reproduced image"), "{definition}: {said}");
        fs::rename(bench.0.path().join("gone"), bench.0.path().join("catalog")).unwrap();
        fs::remove_dir_all(bench.0.path().join("image")).unwrap();
    }
}
