// SPDX-License-Identifier: Apache-2.0
//! A tiny signed image of two platforms, its keys, and what tests do to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hardpan_testkit::fixture::Fixture;
use hardpan_testkit::registry::{Auth, ReferrersApi, Registry, Settings};
use hardpan_tree::Digest;
use serde_json::Value;

use crate::support::{Ran, hardpan, run};

/// The password of all keys.
pub(crate) const PASSWORD: &str = "secret";
/// The repository that images are published to.
pub(crate) const REPOSITORY: &str = "team/app";

/// What somebody says of a package of the image.
const VEX: &str = r#"{
    "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "Team",
    "timestamp": "2026-01-02T03:04:05Z", "version": 1, "statements": [{
        "vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/libc6@2.41-12"}],
        "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"
    }]
}"#;

/// A fixture with keys.
pub(crate) struct World {
    pub(crate) fixture: Fixture,
}

impl World {
    /// Makes the keys `release` and `other`.
    pub(crate) fn new() -> Self {
        let world = Self { fixture: Fixture::new() };
        for name in ["release", "other"] {
            world.run(&["keygen", name]).expect(0, &[]);
        }
        world
    }

    /// Makes keys and an image that `release` signed, in `out`.
    pub(crate) fn signed() -> Self {
        let world = Self::new();
        world.build("out", &["--sign", "--key", "release.key"]);
        world
    }

    /// Makes keys and an image that `release` signed, in `out`, with all that can be attested.
    pub(crate) fn with_vex() -> Self {
        let world = Self::new();
        world.fixture.write("work/vex.json", VEX);
        world.build("out", &["--sign", "--key", "release.key", "--vex", "vex.json"]);
        world
    }

    /// Builds the image into a layout below the fixture. Returns its digest.
    pub(crate) fn build(&self, out: &str, arguments: &[&str]) -> String {
        let mut command = self.command(&["build"]);
        command.arg(self.fixture.definition()).arg("--output").arg(self.path(out)).args(arguments);
        digest_of_build(&run(command))
    }

    /// Returns `hardpan` with the password, patient enough for a busy machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = hardpan(&self.fixture, arguments);
        command
            .env("HARDPAN_PASSWORD", PASSWORD)
            .env("HARDPAN_TIMEOUT_SECONDS", "20")
            .env("HARDPAN_RETRIES", "3");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.fixture.path(relative)
    }

    /// Returns a path as an argument.
    pub(crate) fn text(&self, relative: &str) -> String {
        self.path(relative).display().to_string()
    }

    pub(crate) fn key(&self) -> String {
        self.text("work/release.key")
    }

    pub(crate) fn public(&self) -> String {
        self.text("work/release.pub")
    }

    pub(crate) fn wrong_public(&self) -> String {
        self.text("work/other.pub")
    }

    /// Publishes the layout with the key, by the name `app:1`. Returns the image's name.
    pub(crate) fn publish(&self, registry: &str, more: &[&str]) -> String {
        let name = format!("{registry}/{REPOSITORY}:1");
        let (out, key) = (self.text("out"), self.key());
        let arguments = [&["publish", &out, &name, "--key", &key], more].concat();
        self.run(&arguments).expect(0, &["signed"]);
        name
    }

    /// Runs `hardpan verify` with the right key.
    pub(crate) fn verify(&self, image: &str, more: &[&str]) -> Ran {
        let key = self.public();
        self.run(&[&["verify", image, "--key", &key], more].concat())
    }

    /// Copies the signed layout.
    pub(crate) fn layout(&self, name: &str) -> PathBuf {
        let copy = self.path(name);
        copy_directory(&self.path("out"), &copy);
        copy
    }
}

/// Returns the digest that a build printed, before what it says of signatures.
pub(crate) fn digest_of_build(ran: &Ran) -> String {
    assert_eq!(ran.code, 0, "{ran}");
    let mut lines = ran.stdout.lines().rev();
    let digest = lines.find(|line| line.starts_with("sha256:") && line.len() == 71);
    digest.unwrap_or_else(|| panic!("no digest: {ran}")).to_owned()
}

/// The registries of this process: with the list of what is attached, and without.
pub(crate) fn registries() -> [(&'static str, Registry); 2] {
    let with =
        |referrers| Registry::with(Auth::Open, Settings { referrers, ..Settings::default() });
    [("with the API", with(ReferrersApi::On)), ("without the API", with(ReferrersApi::Off))]
}

/// A registry without the list of what is attached.
pub(crate) fn without_api() -> Registry {
    let settings = Settings { referrers: ReferrersApi::Off, ..Settings::default() };
    Registry::with(Auth::Open, settings)
}

pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy_directory(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// A layout that is changed by hand.
pub(crate) struct Edited {
    pub(crate) directory: PathBuf,
    pub(crate) index: Value,
}

impl Edited {
    pub(crate) fn open(directory: &Path) -> Self {
        let index = fs::read(directory.join("index.json")).unwrap();
        Self { directory: directory.to_owned(), index: serde_json::from_slice(&index).unwrap() }
    }

    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        self.directory.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        fs::read(self.blob_path(digest)).unwrap()
    }

    pub(crate) fn json(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.blob(digest)).unwrap()
    }

    /// Writes a blob and returns its digest.
    pub(crate) fn put(&self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        fs::write(self.blob_path(&digest), bytes).unwrap();
        digest
    }

    /// Returns the digest of the image itself.
    pub(crate) fn image(&self) -> String {
        let entries = self.index["manifests"].as_array().unwrap();
        let is_image = |entry: &&Value| {
            entry.get("artifactType").is_none() && !tag(entry).starts_with("sha256-")
        };
        entries.iter().find(is_image).unwrap()["digest"].as_str().unwrap().to_owned()
    }

    /// Returns the image's platforms with their digests.
    pub(crate) fn platforms(&self) -> BTreeMap<String, String> {
        let index = self.json(&self.image());
        let entries = index["manifests"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = |entry: &Value| {
            let platform = &entry["platform"];
            format!("{}/{}", text(&platform["os"]), text(&platform["architecture"]))
        };
        let images = entries.iter().filter(|entry| !is_attestation(entry));
        images.map(|entry| (name(entry), text(&entry["digest"]))).collect()
    }

    /// Returns the entries of the image's index that are statements.
    pub(crate) fn attestations(&self) -> Vec<Value> {
        let index = self.json(&self.image());
        let entries = index["manifests"].as_array().unwrap();
        entries.iter().filter(|entry| is_attestation(entry)).cloned().collect()
    }

    /// Returns the index and every platform.
    pub(crate) fn subjects(&self) -> Vec<String> {
        std::iter::once(self.image()).chain(self.platforms().into_values()).collect()
    }

    /// Keeps the entries of `index.json` that this is true of; the image stays.
    pub(crate) fn keep(&mut self, keep: impl Fn(&Value, &Value) -> bool) {
        let image = self.image();
        let entries = self.index["manifests"].as_array().unwrap().clone();
        let kept: Vec<Value> = (entries.into_iter())
            .filter(|entry| {
                let digest = entry["digest"].as_str().unwrap();
                digest == image || keep(entry, &self.json(digest))
            })
            .collect();
        self.index["manifests"] = kept.into();
        self.write();
    }

    /// Changes manifests of `index.json` with their entries: `change` gets the entry and the manifest, and says whether
    /// it changed something. Digests are made right again.
    pub(crate) fn change(
        &mut self,
        mut change: impl FnMut(&Self, &mut Value, &mut Value) -> bool,
    ) -> usize {
        let image = self.image();
        let mut entries = self.index["manifests"].as_array().unwrap().clone();
        let mut count = 0;
        for entry in &mut entries {
            let digest = entry["digest"].as_str().unwrap().to_owned();
            if digest == image {
                continue;
            }
            let mut manifest = self.json(&digest);
            if !change(self, entry, &mut manifest) {
                continue;
            }
            count += 1;
            let bytes = manifest.to_string().into_bytes();
            entry["digest"] = self.put(&bytes).into();
            entry["size"] = bytes.len().into();
        }
        self.index["manifests"] = entries.into();
        self.write();
        count
    }

    /// Replaces the only layer's content, in its manifest, too.
    pub(crate) fn replace_layer(&self, manifest: &mut Value, number: usize, bytes: &[u8]) {
        let layer = &mut manifest["layers"][number];
        layer["digest"] = self.put(bytes).into();
        layer["size"] = bytes.len().into();
    }

    pub(crate) fn write(&self) {
        fs::write(self.directory.join("index.json"), self.index.to_string()).unwrap();
    }
}

fn is_attestation(entry: &Value) -> bool {
    entry["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
}

/// Returns the tag by which an entry of a layout is known.
pub(crate) fn tag(entry: &Value) -> &str {
    entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or_default()
}
