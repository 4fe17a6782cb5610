// SPDX-License-Identifier: Apache-2.0
//! Images of the catalog beside what Debian's own packages come to without hardening: the same software, installed with all
//! that it recommends nothing of, is not hardened, and `compare` says by how much less of it there is.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(clippy::print_stdout, reason = "how much less there is is worth a line")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PLATFORM: &str = "linux/amd64";

/// A definition of the catalog, and the packages that somebody would install for the same.
const STOCK: [(&str, &str); 2] = [
    ("catalog/python/debian-13/3.13.yaml", "python3"),
    ("catalog/nginx/debian-13/1.26.yaml", "nginx"),
];

struct Bench(tempfile::TempDir);

impl Bench {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hardpan"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("HARDPAN_STORE", self.0.path().join("store"))
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
    }
}

/// A root file system as `mmdebstrap` makes one of the same release.
fn stock(to: &Path, packages: &str) {
    let output = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--quiet", &format!("--include={packages}"), "trixie"])
        .arg(to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Copies the catalog without locks, which may be anybody's.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&path, &to);
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            fs::copy(&path, to).unwrap();
        }
    }
}

fn failed(audit: &Value) -> Vec<&str> {
    let controls = audit["controls"].as_array().unwrap().iter();
    controls
        .filter(|one| one["outcome"]["result"] == "fail")
        .filter_map(|one| one["id"].as_str())
        .collect()
}

#[test]
fn hardened_images_beside_stock_ones() {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the images are built for x86-64");
        return;
    }
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    for (definition, packages) in STOCK {
        let bench = Bench(tempfile::tempdir().unwrap());
        let root: PathBuf = bench.0.path().join("stock");
        stock(&root, packages);
        copy(&catalog, &bench.0.path().join("catalog"));
        let built = bench.run(&["build", definition, "-o", "image", "--platform", PLATFORM]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

        let audit = bench.json(&["audit", "stock", "-o", "json"]);
        assert_eq!(audit["hardened"], false, "{packages}");
        let failed = failed(&audit);
        for control in ["shell", "package-manager", "setuid-file"] {
            assert!(failed.contains(&control), "{packages}: {control} is not in {failed:?}");
        }
        let grade = audit["grade"].as_str().unwrap();
        assert!(!["A", "B"].contains(&grade), "{packages} has grade {grade}");

        let table = bench.run(&["compare", "stock", "image"]);
        let table = String::from_utf8(table.stdout).unwrap();
        assert!(table.contains('−') && table.contains('%'), "{packages}: {table}");
        println!("{table}");
    }
}
