// SPDX-License-Identifier: Apache-2.0
//! Every image of the catalog is built again from nothing but its own signed provenance, and has the same digest. Its
//! attested SBOM has every file of its layers, each as a part of something, and the minimum elements of the NTIA. All of
//! them, and their -dev images, are audited with the best grade.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(clippy::print_stdout, reason = "how much was looked at is worth a line")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hardpan_image::{Layout, decompress};
use hardpan_tree::{Kind, Origin, TarLimits, Tree};
use serde_json::Value;

/// The platform that is built: that of the machines that tests run on. Layers of others are made in the same way.
const PLATFORM: &str = "linux/amd64";
/// How many images are built at the same time.
const WORKERS: usize = 2;
/// Definitions whose packages no archive that tests can reach has.
const ALPINE: &str = "alpine-";

/// A folder with a copy of the catalog and a key, and a store that others use at the same time.
struct Bench<'s> {
    folder: tempfile::TempDir,
    store: &'s Path,
}

impl Bench<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hardpan"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HARDPAN_STORE", self.store)
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

impl Bench<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns what is attested of the image.
    fn attested(&self, kind: &str) -> String {
        let get = ["attest", "get", "image", "--type", kind, "--platform", PLATFORM];
        self.good(&[&get[..], &["--key", "k.pub"]].concat())
    }
}

/// The SHA-256 of every file in the layers of a layout's only image, by path. Read without anything of what the
/// SBOM was made with.
fn files_of(layout: &Path) -> BTreeMap<String, String> {
    let layout = Layout::open(layout).unwrap();
    let images = layout.images().unwrap();
    let image = images.iter().find(|image| !image.manifest.value().layers.is_empty()).unwrap();
    let mut files = BTreeMap::new();
    for layer in &image.manifest.value().layers {
        let blob = BufReader::new(layout.open_blob(layer).unwrap());
        let compression = if layer.media_type.ends_with("zstd") {
            hardpan_image::Compression::Zstd
        } else {
            hardpan_image::Compression::Gzip
        };
        let tar = decompress(blob, compression).unwrap();
        let tree = Tree::from_tar(tar, TarLimits::default(), Origin::Definition).unwrap();
        for (path, node) in tree.walk() {
            let name = path.to_string();
            assert!(
                !name.contains("/.wh."),
                "a layer of ours takes away what one below has: {name}"
            );
            let target = if let Kind::HardLink(target) = &node.kind { target } else { path };
            if let Some((_, file)) = tree.file(target)
                && !matches!(node.kind, Kind::Symlink(_) | Kind::Directory)
            {
                files.insert(format!(".{name}"), file.digest.to_hex());
            }
        }
    }
    files
}

fn list<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Returns what an SBOM (SPDX 2.3) lacks: of the image's files, and of the NTIA's minimum elements.
fn lacks(spdx: &Value, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut lacks = Vec::new();
    let mut listed = BTreeMap::new();
    for file in list(spdx, "files") {
        let sha256 = list(file, "checksums").iter().find(|sum| sum["algorithm"] == "SHA256");
        let sha256 = sha256.map(|sum| text(sum, "checksumValue")).unwrap_or_default();
        listed.insert(text(file, "fileName"), (text(file, "SPDXID"), sha256));
    }
    let is_listed = |(path, sha256): &(&String, &String)| {
        listed.get(path.as_str()).is_some_and(|(_, own)| own == sha256)
    };
    lacks.extend((files.iter().filter(|file| !is_listed(file))).map(|(path, _)| path.clone()));
    let unknown = listed.keys().filter(|path| !files.contains_key(**path));
    lacks.extend(unknown.map(|path| format!("{path} is not in the image")));
    // Whose each file is.
    let relationships = list(spdx, "relationships");
    let of = |kind: &str| -> Vec<(&str, &str)> {
        let found = relationships.iter().filter(|one| one["relationshipType"] == kind);
        found.map(|one| (text(one, "spdxElementId"), text(one, "relatedSpdxElement"))).collect()
    };
    let described = of("DESCRIBES");
    let image = described.first().map_or("", |(_, image)| image);
    let contained: BTreeMap<&str, &str> =
        of("CONTAINS").into_iter().map(|(owner, part)| (part, owner)).collect();
    for (path, (id, _)) in &listed {
        if contained.get(id).is_none_or(|owner| *owner == image) {
            lacks.push(format!("{path} is of no component"));
        }
    }
    // Author and time.
    if text(&spdx["creationInfo"], "created").len() != "2026-01-01T00:00:00Z".len() {
        lacks.push("when it was made".to_owned());
    }
    if list(&spdx["creationInfo"], "creators").is_empty() {
        lacks.push("who made it".to_owned());
    }
    if described.len() != 1 {
        lacks.push("what it is about".to_owned());
    }
    // Supplier, name, version, an identity of its own, and how it belongs to the others.
    let related: BTreeSet<&str> = (relationships.iter())
        .flat_map(|one| [text(one, "spdxElementId"), text(one, "relatedSpdxElement")])
        .collect();
    let mut ids = BTreeSet::new();
    for package in list(spdx, "packages") {
        let (id, name, supplier) =
            (text(package, "SPDXID"), text(package, "name"), text(package, "supplier"));
        for (what, is_there) in [
            ("name", !name.is_empty()),
            ("version", !text(package, "versionInfo").is_empty()),
            ("supplier", supplier.contains(": ")),
            ("identity", !id.is_empty() && ids.insert(id)),
            ("relationship", related.contains(id)),
        ] {
            if !is_there {
                lacks.push(format!("{what} of {name:?}"));
            }
        }
    }
    if ids.len() < 2 {
        lacks.push("components".to_owned());
    }
    lacks
}

/// Looks whether the SBOM is complete: here, as a policy says it, and by the NTIA's checker of others if it is there.
fn check_sbom(bench: &Bench<'_>, definition: &str) -> Value {
    let files = files_of(&bench.path("image"));
    assert!(!files.is_empty(), "{definition} has no files");
    let attested = bench.attested("spdx");
    let spdx: Value = serde_json::from_str(&attested).unwrap();
    let lacking = lacks(&spdx, &files);
    let some = &lacking[..lacking.len().min(20)];
    assert!(lacking.is_empty(), "{definition}: {} things: {some:#?}", lacking.len());
    let said = bench.good(&["verify", "image", "--key", "k.pub", "--policy", "policy.yaml"]);
    assert!(said.contains("every file is of one"), "{definition}: {said}");
    let tools = std::env::var_os("HARDPAN_TEST_SBOM_TOOLS").map(PathBuf::from);
    if let Some(checker) = tools.map(|tools| tools.join("sbomcheck")).filter(|it| it.is_file()) {
        fs::write(bench.path("spdx.json"), attested).unwrap();
        let mut command = Command::new(checker);
        command.args(["-c", "ntia", "-s", "spdx2"]).arg(bench.path("spdx.json"));
        let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("Conformant"), "{definition}: {said}");
    }
    println!(
        "{definition}: {} files, {} packages, nothing is lacking",
        files.len(),
        list(&spdx, "packages").len()
    );
    spdx
}

/// What is taken from an SBOM is missed.
fn check_the_check(spdx: &Value, layout: &Path) {
    let files = files_of(layout);
    for (list, field, lost) in [
        ("files", "fileName", None),
        ("packages", "versionInfo", None),
        ("packages", "supplier", None),
        ("relationships", "relatedSpdxElement", Some("SPDXRef-nothing")),
    ] {
        let mut other = spdx.clone();
        let last = other[list].as_array_mut().unwrap().last_mut().unwrap();
        last[field] = lost.into();
        assert!(!lacks(&other, &files).is_empty(), "{list} {field}");
    }
    let mut more = files.clone();
    more.insert("./usr/bin/more".to_owned(), "0".repeat(64));
    assert_eq!(lacks(spdx, &more), ["./usr/bin/more"]);
}

/// Audits the image by what its definition says it is for, and by its signer's statements.
fn check_audit(bench: &Bench<'_>, definition: &str, profile: &str) {
    let output =
        bench.run(&["audit", "image", "--key", "k.pub", "--platform", PLATFORM, "-o", "json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let audit: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{definition}: {error}: {said}"));
    assert_eq!(audit["profile"]["name"], profile, "{definition}");
    let is_best = audit["hardened"] == true && audit["grade"] == "A";
    let failed: Vec<&Value> = list(&audit, "controls")
        .iter()
        .filter(|one| ["fail", "warn"].contains(&text(&one["outcome"], "result")))
        .collect();
    assert!(is_best && output.status.success(), "{definition}: {}: {failed:#?}", audit["sum"]);
    println!("{definition}: grade A with {} points as {profile}", audit["sum"]["points"]);
}

/// Copies the catalog without locks, which may be anybody's. Returns its definitions, sorted.
fn copy(from: &Path, to: &Path, below: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(to).unwrap();
    let mut definitions = Vec::new();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), below.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            definitions.extend(copy(&path, &to.join(entry.file_name()), &name));
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            fs::copy(&path, to.join(entry.file_name())).unwrap();
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.starts_with("# syntax=") && !name.to_string_lossy().contains(ALPINE) {
                definitions.push(name);
            }
        }
    }
    definitions.sort();
    definitions
}

/// Builds an image, and looks at all of it.
fn check(bench: &Bench<'_>, definition: &str, is_first: bool) {
    let build = ["build", definition, "-o", "image", "--platform", PLATFORM, "-q"];
    bench.good(&[&build[..], &["--sign", "--key", "k.key"]].concat());
    let is_dev = definition.ends_with("-dev.yaml");
    check_audit(bench, definition, if is_dev { "dev" } else { "runtime" });
    // A -dev image is the runtime one and more packages: what follows would show nothing more.
    if !is_dev {
        let spdx = check_sbom(bench, definition);
        if is_first {
            check_the_check(&spdx, &bench.path("image"));
        }
        // Nothing but the layout is left of the build.
        fs::rename(bench.path("catalog"), bench.path("gone")).unwrap();
        let said = bench.good(&["rebuild", "image", "--key", "k.pub"]);
        assert!(said.starts_with("reproduced image"), "{definition}: {said}");
        fs::rename(bench.path("gone"), bench.path("catalog")).unwrap();
    }
    fs::remove_dir_all(bench.path("image")).unwrap();
}

#[test]
fn every_image_is_what_its_provenance_says() {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the images are built for x86-64");
        return;
    }
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let store = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    // Much of a build waits for one thread of it, so that two at a time take less than one after the other.
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let bench = Bench { folder: tempfile::tempdir().unwrap(), store: store.path() };
                let definitions = copy(&catalog, &bench.path("catalog"), Path::new("catalog"));
                assert!(definitions.len() > 15, "they are no longer found: {definitions:?}");
                bench.good(&["keygen", "k"]);
                let policy = "keys: [k.pub]\ncomplete-sbom: true\n";
                fs::write(bench.path("policy.yaml"), policy).unwrap();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(definition) = definitions.get(at) else { break };
                    check(&bench, definition.to_str().unwrap(), at == 0);
                }
            });
        }
    });
}
