// SPDX-License-Identifier: Apache-2.0
//! SBOMs of real images, before the validators and scanners of others: `HARDPAN_TEST_SBOM_TOOLS` and
//! `HARDPAN_TEST_SYFT` say where these are.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "../runs_support/mod.rs"]
mod runs_support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use runs_support::alpine::{hello, write_archive};
use runs_support::catalog::Catalog;
use runs_support::tools::{Outcome, attempt, lack, remove, skip};

/// A program on musl, in an image without a shell.
const HELLO: &str = "\
# syntax=dhi.io/build:2-alpine3.24

name: Hello
image: example/hello
variant: runtime
tags:
  - 1-alpine3.24
platforms:
  - linux/amd64
includes:
  - common/alpine-3.24/runtime.yaml
  - common/nonroot.yaml
contents:
  packages:
    - busybox
    - hello
accounts:
  run-as: nonroot
entrypoint:
  - /usr/bin/hello
";

/// A catalog, and a folder for what tests write.
struct World {
    catalog: Catalog,
    root: PathBuf,
}

impl World {
    fn new(name: &str) -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            skip("the images are built for x86-64");
            return None;
        }
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trust-sbom").join(name);
        remove(&root);
        fs::create_dir_all(root.join("catalog")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
        let catalog = Catalog::copy_of(&source, &root.join("catalog"));
        let world = Self { catalog, root };
        hardpan(&["keygen".as_ref(), world.path("k").as_ref()]).ok();
        Some(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Builds and signs into a layout, and returns what the build says.
    fn build(&self, definition: &str, layout: &str, threads: &str) -> Value {
        let mut command = self.catalog.hardpan("build", definition);
        command.args(["--json", "--platform", "linux/amd64", "--threads", threads, "--sign"]);
        command.arg("--key").arg(self.path("k.key")).arg("--output").arg(self.path(layout));
        let output = attempt(command.env("HARDPAN_PASSWORD", "")).ok();
        serde_json::from_str(&output).unwrap()
    }

    /// Writes what is attested of an image, and returns the file.
    fn attested(&self, layout: &str, kind: &str) -> PathBuf {
        let (layout_path, key) = (self.path(layout), self.path("k.pub"));
        let text = hardpan(&[
            "attest".as_ref(),
            "get".as_ref(),
            "--type".as_ref(),
            kind.as_ref(),
            "--platform".as_ref(),
            "linux/amd64".as_ref(),
            "--key".as_ref(),
            key.as_ref(),
            layout_path.as_ref(),
        ])
        .ok();
        let path = self.path(&format!("{layout}.{kind}.json"));
        fs::write(&path, text).unwrap();
        path
    }

    /// Returns the packages that an SBOM of any image or directory lists.
    fn listed(image: &Path) -> BTreeSet<String> {
        let arguments: [&OsStr; 4] =
            ["sbom".as_ref(), image.as_ref(), "-o".as_ref(), "cyclonedx".as_ref()];
        purls(&serde_json::from_str(&hardpan(&arguments).ok()).unwrap())
    }
}

fn hardpan(arguments: &[&OsStr]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardpan"));
    command.args(arguments).env("HARDPAN_PASSWORD", "").env("HARDPAN_STORE", store());
    attempt(&mut command)
}

fn store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("runs-store")
}

fn purls(cyclonedx: &Value) -> BTreeSet<String> {
    let components = cyclonedx["components"].as_array().unwrap().iter();
    let is_package =
        |component: &&Value| component["type"] != "operating-system" && component["type"] != "file";
    components.filter(is_package).map(|component| bare(&component["purl"])).collect()
}

/// Returns a package URL without what tools write differently.
fn bare(purl: &Value) -> String {
    let purl = purl.as_str().unwrap_or("none");
    purl.split('?').next().unwrap_or_default().replace('+', "%2B").replace("%3A", ":")
}

/// Returns a tool's path, or says that it is not there.
fn tool(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("HARDPAN_TEST_SBOM_TOOLS").map(PathBuf::from);
    let tool = folder.map(|folder| folder.join(name)).filter(|tool| tool.is_file());
    if tool.is_none() {
        skip(&format!("{name} is not there: HARDPAN_TEST_SBOM_TOOLS"));
    }
    tool
}

/// Returns the packages that syft finds, if it is there.
fn found_by_syft(source: &OsStr) -> Option<BTreeSet<String>> {
    let syft = tool("syft")?;
    let mut command = Command::new(syft);
    command.arg("scan").arg(source).args(["-o", "json", "-q"]);
    let output = attempt(command.env("SYFT_CHECK_FOR_APP_UPDATE", "false")).ok();
    let document: Value = serde_json::from_str(&output).unwrap();
    Some(document["artifacts"].as_array().unwrap().iter().map(|one| bare(&one["purl"])).collect())
}

/// Exits with 1 and the error if a file is no strict CycloneDX 1.6.
const STRICT: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(error)[:2000] if error else 0)
";

/// Has the validators of others look at what is attested of an image.
fn validate(world: &World, layout: &str) {
    let spdx = world.attested(layout, "spdx");
    let cyclonedx = world.attested(layout, "cyclonedx");
    let (Some(spdx_tools), Some(checker), Some(python)) =
        (tool("pyspdxtools"), tool("sbomcheck"), tool("python"))
    else {
        return;
    };
    let run = |program: &Path, arguments: &[&OsStr]| {
        attempt(Command::new(program).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1"))
    };
    run(&spdx_tools, &["-i".as_ref(), spdx.as_ref()]).ok();
    let ntia: [&OsStr; 5] =
        ["-c".as_ref(), "ntia".as_ref(), "-s".as_ref(), "spdx2".as_ref(), spdx.as_ref()];
    let text = run(&checker, &ntia).ok();
    assert!(text.contains("Conformant"), "{text}");
    run(&python, &["-c".as_ref(), STRICT.as_ref(), cyclonedx.as_ref()]).ok();
}

/// Every file of an image that was built here is of a component, and the policy says so.
fn is_complete(world: &World, layout: &str) {
    let policy = world.path("policy.yaml");
    let (layout, key) = (world.path(layout), world.path("k.pub"));
    fs::write(&policy, format!("keys: [{}]\ncomplete-sbom: true\n", key.display())).unwrap();
    let text = hardpan(&[
        "verify".as_ref(),
        layout.as_ref(),
        "--key".as_ref(),
        key.as_ref(),
        "--policy".as_ref(),
        policy.as_ref(),
    ])
    .ok();
    assert!(text.contains("every file is of one"), "{text}");
}

/// Builds twice, validates, and compares with what syft finds.
fn prove(world: &World, definition: &str) {
    // The store is one for all, and something is removed from it.
    static STORE: Mutex<()> = Mutex::new(());
    let _alone = STORE.lock().unwrap_or_else(PoisonError::into_inner);
    let first = world.build(definition, "first", "1");
    // What was stated before is made anew, and the same comes of it.
    remove(&store().join("stated"));
    world.build(definition, "second", "4");
    for kind in ["spdx", "cyclonedx", "provenance"] {
        let read = |layout| fs::read(world.attested(layout, kind)).unwrap();
        assert!(read("first") == read("second"), "{definition}: {kind} differs");
    }
    validate(world, "first");
    is_complete(world, "first");
    let archive = world.path("image.tar");
    world.catalog.build(definition, &archive);
    let listed = World::listed(&archive);
    let attested = fs::read(world.attested("first", "cyclonedx")).unwrap();
    assert_eq!(listed, purls(&serde_json::from_slice(&attested).unwrap()));
    let packages = &first["built"]["platforms"][0]["packages"];
    assert_eq!(Some(listed.len() as u64), packages.as_u64(), "{listed:?}");
    let source = [OsStr::new("docker-archive:"), archive.as_ref()].join(OsStr::new(""));
    if let Some(found) = found_by_syft(&source) {
        assert_eq!(found, listed);
    }
}

#[test]
fn others_agree_on_debian() {
    let Some(world) = World::new("debian") else { return };
    prove(&world, "python/debian-13/3.13");
}

#[test]
fn others_agree_on_alpine() {
    if lack(&["musl-gcc", "dpkg-query"]) || !Path::new("/lib/x86_64-linux-musl/libc.so").exists() {
        skip("musl is not installed");
        return;
    }
    let Some(world) = World::new("alpine") else { return };
    let catalog = world.path("catalog");
    let workspace = write_archive(&catalog, &[hello(&catalog)]);
    fs::write(catalog.join("hardpan.toml"), workspace).unwrap();
    fs::create_dir_all(catalog.join("own")).unwrap();
    fs::write(catalog.join("own/hello.yaml"), HELLO).unwrap();
    prove(&world, "own/hello");
}

#[test]
fn syft_finds_the_same_packages_of_python() {
    let Some(world) = World::new("python") else { return };
    let root = world.path("root");
    let site = root.join("opt/venv/lib/python3.13/site-packages");
    for (name, version) in [("Foo_Bar", "1.0"), ("ruamel.yaml", "0.18.6")] {
        let info = site.join(format!("{name}-{version}.dist-info"));
        fs::create_dir_all(&info).unwrap();
        let metadata =
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n");
        fs::write(info.join("METADATA"), metadata).unwrap();
        let record = format!("{name}-{version}.dist-info/METADATA,,\n{name}/__init__.py,,\n");
        fs::write(info.join("RECORD"), record).unwrap();
    }
    let listed = World::listed(&root);
    let expected = ["pkg:pypi/foo-bar@1.0", "pkg:pypi/ruamel-yaml@0.18.6"].map(str::to_owned);
    assert_eq!(listed, BTreeSet::from(expected));
    let source = [OsStr::new("dir:"), root.as_ref()].join(OsStr::new(""));
    if let Some(found) = found_by_syft(&source) {
        let normal = |purl: String| purl.to_lowercase().replace(['_', '.'], "-");
        let normal = |all: BTreeSet<String>| all.into_iter().map(normal).collect::<BTreeSet<_>>();
        assert_eq!(normal(found), normal(listed));
    }
}
