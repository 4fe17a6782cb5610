// SPDX-License-Identifier: Apache-2.0
//! Real packages, real advisories: an image made of Debian's main archive alone has the vulnerabilities that the security
//! archive has fixes for, and `scan` says which; built again with that archive it has none of them.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(clippy::print_stdout, reason = "how much was found is worth a line")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hardpan_testkit::archive::Files;
use hardpan_testkit::server::Server;
use serde_json::Value;

const PLATFORM: &str = "linux/amd64";
/// Packages that have had fixes in every release.
const PACKAGES: &str = "    - curl\n    - openssl\n    - git\n    - base-files\n";
/// An archive's URI as the definition has it; the workspace says where it is.
const MAIN: &str = "https://main.example/debian";

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

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn definition(&self, name: &str, repositories: &str) {
        let text = format!(
            "# syntax=dhi.io/build:2-debian12\n\nname: {name}\nimage: hardpan/{name}\nvariant: dev\ntags: ['1']\nplatforms:\n  - {PLATFORM}\ncontents:\n{repositories}  packages:\n{PACKAGES}accounts:\n  run-as: root\n"
        );
        self.write(&format!("{name}.yaml"), &text);
        self.good(&["build", &format!("{name}.yaml"), "--output", name]);
    }

    fn scan(&self, name: &str) -> Value {
        let arguments =
            ["scan", name, "--db", "a.hpdb", "--only-fixed", "--platform", PLATFORM, "--json"];
        serde_json::from_str(&self.good(&arguments)).unwrap()
    }
}

/// Returns the folder with the trial of Debian's tracker, if it is there.
fn tracker() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = ["../../../shared", "../../../../shared"].map(|path| manifest.join(path));
    let named = std::env::var_os("HARDPAN_SHARED").map(PathBuf::from);
    let files =
        named.into_iter().chain(beside).map(|it| it.join("vuln/debian-trial.tracker.json.gz"));
    files.into_iter().find(|path| path.is_file())
}

/// Returns the mirror that this machine's apt uses.
fn mirror() -> Option<String> {
    if let Some(mirror) = std::env::var("HARDPAN_DEBIAN_MIRROR").ok().filter(|it| !it.is_empty()) {
        return Some(mirror);
    }
    let arguments = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
    let output = Command::new("apt-get").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let found =
        text.lines().map(|line| line.trim_end_matches('/')).find(|it| it.ends_with("/debian"));
    found.map(str::to_owned)
}

fn ids(report: &Value) -> BTreeSet<String> {
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        format!("{} {}", row["id"].as_str().unwrap(), row["package"]["name"].as_str().unwrap())
    })
    .collect()
}

#[test]
fn what_the_security_archive_fixes_is_found_without_it_and_gone_with_it() {
    let (Some(tracker), Some(mirror)) = (tracker(), mirror()) else {
        println!(
            "skipped: no trial of Debian's tracker, or no mirror of Debian: HARDPAN_SHARED, HARDPAN_DEBIAN_MIRROR"
        );
        return;
    };
    let bench = Bench(tempfile::tempdir().unwrap());
    let keys = include_bytes!("../../hardpan/keys/debian-12.asc");
    let server = Server::start(Files::from([("keys.asc".to_owned(), keys.to_vec())]));
    bench.write(
        "hardpan.toml",
        &format!("[[archives.substitute]]\nfrom = \"{MAIN}\"\nto = \"{mirror}\"\n"),
    );
    bench.good(&["db", "build", "--debian-tracker", tracker.to_str().unwrap(), "-o", "a.hpdb"]);
    let repositories = format!(
        "  repositories:\n    - deb {MAIN} bookworm main\n  keyring:\n    - {}\n",
        server.url("keys.asc")
    );
    bench.definition("old", &repositories);
    bench.definition("new", "");
    let (old, new) = (bench.scan("old"), bench.scan("new"));
    assert_eq!(old["distribution"], "debian:12");
    let found = ids(&old);
    println!("{} rows with a fix in the image of main alone", found.len());
    // The trial knows fixes of openssl, expat and perl that are in the security archive alone.
    assert!(found.len() > 20, "{found:?}");
    assert!(found.iter().any(|row| row.ends_with(" openssl")), "{found:?}");
    for row in old["rows"].as_array().unwrap() {
        let why = row["why"].to_string();
        assert!(why.contains("which has the fix (order of dpkg)"), "{row}");
    }
    assert_eq!(ids(&new), BTreeSet::new());
    let failed = bench.run(&[
        "scan",
        "old",
        "--db",
        "a.hpdb",
        "--only-fixed",
        "--fail-on",
        "unknown",
        "--quiet",
    ]);
    assert_eq!(failed.status.code(), Some(1));
    // All of it is what the newer image fixed.
    let changes = bench.good(&["diff", "old", "new", "--db", "a.hpdb", "--json"]);
    let changes: Value = serde_json::from_str(&changes).unwrap();
    let changes = &changes["vulnerabilities"][PLATFORM];
    let fixed: BTreeSet<String> = (changes["fixed"].as_array().unwrap().iter())
        .map(|one| format!("{} {}", one["id"].as_str().unwrap(), one["package"].as_str().unwrap()))
        .collect();
    assert_eq!((&fixed, changes["introduced"].as_array().unwrap().len()), (&found, 0));
    // The same of the SBOM, and of the SBOM of the other.
    for (image, expected) in [("old", found), ("new", BTreeSet::new())] {
        bench.write("app.json", &bench.good(&["sbom", image, "-o", "spdx"]));
        let arguments = ["scan", "app.json", "--db", "a.hpdb", "--only-fixed", "--json"];
        let report: Value = serde_json::from_str(&bench.good(&arguments)).unwrap();
        assert_eq!(ids(&report), expected, "{image}");
    }
}
