// SPDX-License-Identifier: Apache-2.0
//! Images of the corpus: layers as archives, a configuration, and what is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hardpan_image::ImageConfig;
use hardpan_scan::audit::evidence::{self, Evidence};
use hardpan_scan::controls::image::{ImageFacts, StatementFacts};
use hardpan_scan::controls::{ControlId, ControlPolicy, Finding, Measured, Profile, measure};
use hardpan_testkit::deb::RawEntry;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::programs;

/// The day on which the corpus is looked at: 2026-11-27.
pub(crate) const TODAY: u32 = 20_784;
const CREATED: &str = "2026-11-20T08:00:00Z";

/// What an image should be found to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) control: ControlId,
    pub(crate) path: Option<String>,
    pub(crate) layer: Option<u32>,
    pub(crate) package: Option<String>,
}

/// An image of the corpus.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) name: String,
    layers: Vec<Vec<RawEntry>>,
    /// By package: its files and their sums.
    packages: BTreeMap<String, Vec<(String, String)>>,
    is_changed: bool,
    config: Value,
    profile: Profile,
    facts: Vec<fn(&mut ImageFacts)>,
    pub(crate) expected: Vec<Expected>,
    /// Controls that can't be measured on it, whatever they find.
    pub(crate) unmeasured: Vec<ControlId>,
    owner: (u32, u32),
}

/// An image with Debian's accounts, C library and loader in its first layer, and a program in its second one: what is
/// planted comes in the third.
pub(crate) fn image(name: &str) -> Image {
    base(name)
        .layer()
        .packaged("app", "/usr/bin/app", 0o755, &programs::dynamic().build())
        .config("Entrypoint", json!(["/usr/bin/app"]))
        .layer()
}

/// The first layer alone.
pub(crate) fn base(name: &str) -> Image {
    let library =
        |soname: &str| programs::dynamic().soname(soname).symbol("__libc_start_main").build();
    let mut image = empty(name)
        .file("/etc/passwd", 0o644, b"root:x:0:0:root:/root:/usr/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/usr/sbin/nologin\n")
        .file("/etc/group", 0o644, b"root:x:0:\nshadow:x:42:\nnonroot:x:65532:\n")
        .packaged("base-files", "/usr/lib/os-release", 0o644, b"ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
        .symlink("/etc/os-release", "../usr/lib/os-release")
        .directory("/usr/bin", 0o755)
        .directory("/usr/sbin", 0o755)
        .directory("/tmp", 0o1777)
        .directory("/var/tmp", 0o1777)
        .packaged("libc6", "/usr/lib/x86_64-linux-gnu/libc.so.6", 0o755, &library("libc.so.6"))
        .packaged(
            "libc6",
            "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            0o755,
            &programs::loader(),
        )
        .symlink("/usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
    for directory in ["bin", "sbin", "lib", "lib64"] {
        image = image.symlink(&format!("/{directory}"), &format!("usr/{directory}"));
    }
    image
}

/// Nothing but a configuration.
pub(crate) fn empty(name: &str) -> Image {
    Image {
        name: name.to_owned(),
        layers: vec![Vec::new()],
        packages: BTreeMap::new(),
        is_changed: false,
        config: json!({
            "User": "65532:65532",
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.source": "https://git.example/app",
                "org.opencontainers.image.revision": "5e1f",
                "org.opencontainers.image.version": "1.2.3",
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.base.name": "registry.example/base:1",
                "org.opencontainers.image.base.digest": "sha256:00",
            },
        }),
        profile: Profile::Runtime,
        facts: Vec::new(),
        expected: Vec::new(),
        unmeasured: Vec::new(),
        owner: (0, 0),
    }
}

impl Image {
    /// Starts the next layer.
    pub(crate) fn layer(mut self) -> Self {
        self.write_database();
        self.layers.push(Vec::new());
        self
    }

    fn entry(mut self, mut entry: RawEntry) -> Self {
        entry.owner = self.owner;
        self.layers.last_mut().unwrap().push(entry);
        self
    }

    /// What follows belongs to these numbers.
    pub(crate) fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = (uid, gid);
        self
    }

    pub(crate) fn file(self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Self {
        let mut entry = RawEntry::new(&path[1..], b'0').data(bytes);
        entry.mode = mode;
        self.entry(entry)
    }

    pub(crate) fn text(self, path: &str, text: &str) -> Self {
        self.file(path, 0o644, text)
    }

    /// A program that no package has, which is a finding of its own.
    pub(crate) fn unlisted(self, path: &str, bytes: &[u8]) -> Self {
        self.file(path, 0o755, bytes).expect(ControlId::SbomIncomplete, path)
    }

    pub(crate) fn capable(self, path: &str, mode: u32, bytes: &[u8]) -> Self {
        let mut entry = RawEntry::new(&path[1..], b'0').data(bytes);
        entry.mode = mode;
        entry.xattrs = vec![("security.capability".to_owned(), vec![1, 0, 0, 2, 0, 4, 0, 0])];
        self.entry(entry)
    }

    pub(crate) fn directory(self, path: &str, mode: u32) -> Self {
        let mut entry = RawEntry::new(&path[1..], b'5');
        entry.mode = mode;
        self.entry(entry)
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(RawEntry::new(&path[1..], b'2').target(target))
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(RawEntry::new(&path[1..], b'1').target(&target[1..]))
    }

    /// A hard link whose entry says something else than its file's.
    pub(crate) fn hard_link_as(
        self,
        path: &str,
        target: &str,
        mode: u32,
        is_capable: bool,
    ) -> Self {
        let mut entry = RawEntry::new(&path[1..], b'1').target(&target[1..]);
        entry.mode = mode;
        if is_capable {
            entry.xattrs = vec![("security.capability".to_owned(), vec![1, 0, 0, 2, 0, 4, 0, 0])];
        }
        self.entry(entry)
    }

    /// A character device (`3`), a block device (`4`) or a pipe (`6`).
    pub(crate) fn special(self, path: &str, type_flag: u8) -> Self {
        self.entry(RawEntry::new(&path[1..], type_flag))
    }

    /// A file of a package, whose list and sums say so.
    pub(crate) fn packaged(mut self, package: &str, path: &str, mode: u32, bytes: &[u8]) -> Self {
        self.claim(package, path, bytes);
        self.file(path, mode, bytes)
    }

    pub(crate) fn packaged_link(mut self, package: &str, path: &str, target: &str) -> Self {
        self.claim(package, path, b"");
        self.symlink(path, target)
    }

    fn claim(&mut self, package: &str, path: &str, bytes: &[u8]) {
        let mut sum = String::new();
        for byte in Md5::digest(bytes) {
            let _ = write!(sum, "{byte:02x}");
        }
        let files = self.packages.entry(package.to_owned()).or_default();
        files.push((path[1..].to_owned(), sum));
        self.is_changed = true;
    }

    /// Writes the database of the packages that there are by now into the layer.
    fn write_database(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        let owner = std::mem::take(&mut self.owner);
        let mut status = String::new();
        let mut files = Vec::new();
        for (package, list) in &self.packages {
            let _ = write!(
                status,
                "Package: {package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\nMaintainer: x <x@example.org>\nDescription: x\n\n"
            );
            let names: String = list.iter().flat_map(|(path, _)| ["/", path, "\n"]).collect();
            let sums: String =
                list.iter().flat_map(|(path, sum)| [sum, "  ", path.as_str(), "\n"]).collect();
            files.push((format!("{package}.list"), names));
            files.push((format!("{package}.md5sums"), sums));
        }
        let mut image = std::mem::replace(self, empty(""));
        image = image.text("/var/lib/dpkg/status", &status);
        for (name, text) in files {
            image = image.text(&format!("/var/lib/dpkg/info/{name}"), &text);
        }
        image.owner = owner;
        *self = image;
    }

    /// Sets a field of the configuration.
    pub(crate) fn config(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    pub(crate) fn user(self, user: &str) -> Self {
        self.config("User", json!(user))
    }

    pub(crate) fn environment(mut self, variable: &str) -> Self {
        let name = variable.split('=').next().unwrap().to_owned() + "=";
        let set = self.config["Env"].as_array_mut().unwrap();
        set.retain(|other| !other.as_str().unwrap().starts_with(&name));
        set.push(json!(variable));
        self
    }

    pub(crate) fn entrypoint(self, words: &[&str]) -> Self {
        self.config("Entrypoint", json!(words))
    }

    pub(crate) fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Changes what is known beyond the layers.
    pub(crate) fn facts(mut self, change: fn(&mut ImageFacts)) -> Self {
        self.facts.push(change);
        self
    }

    /// Expects a finding about a path, with the layer and the package that it is from.
    pub(crate) fn expect(mut self, control: ControlId, path: &str) -> Self {
        let name = &path.as_bytes()[1..];
        let layer = self.layers.iter().rposition(|entries| {
            entries.iter().any(|entry| entry.name == name && entry.type_flag != b'5')
        });
        let layer = layer.or_else(|| {
            self.layers.iter().rposition(|entries| entries.iter().any(|entry| entry.name == name))
        });
        let owners = self.packages.iter();
        let package = owners
            .filter(|(_, files)| files.iter().any(|(file, _)| file == &path[1..]))
            .map(|(package, _)| package.clone())
            .next();
        self.expected.push(Expected {
            control,
            path: Some(path.to_owned()),
            layer: layer.map(|layer| u32::try_from(layer).unwrap()),
            package,
        });
        self
    }

    /// Expects a finding about a path in a layer that says so itself.
    pub(crate) fn expect_in(mut self, control: ControlId, path: &str, layer: u32) -> Self {
        let path = Some(path.to_owned());
        self.expected.push(Expected { control, path, layer: Some(layer), package: None });
        self
    }

    /// Expects a finding about a path that is in no layer.
    pub(crate) fn expect_path(mut self, control: ControlId, path: &str) -> Self {
        let path = Some(path.to_owned());
        self.expected.push(Expected { control, path, layer: None, package: None });
        self
    }

    /// Expects a finding about the image as a whole.
    pub(crate) fn expect_image(mut self, control: ControlId) -> Self {
        self.expected.push(Expected { control, path: None, layer: None, package: None });
        self
    }

    /// Expects that controls can't be measured.
    pub(crate) fn expect_unmeasured(mut self, controls: &[ControlId]) -> Self {
        self.unmeasured.extend(controls);
        self
    }

    /// Reads it as an audit does, and measures it.
    pub(crate) fn measure(&self) -> (Evidence, Measured) {
        let mut image = self.clone();
        image.write_database();
        let layers: Vec<Vec<u8>> = image
            .layers
            .iter()
            .map(|entries| {
                let mut tar = Vec::new();
                for entry in entries {
                    entry.write(&mut tar);
                }
                tar.extend([0; 1024]);
                tar
            })
            .collect();
        let mut created = CREATED;
        if let Some(other) = image.config.get("created") {
            created = other.as_str().unwrap();
        }
        let history: Vec<Value> = (0..layers.len())
            .map(|layer| json!({"created": created, "created_by": format!("layer {layer}")}))
            .collect();
        let config: ImageConfig = serde_json::from_value(json!({
            "architecture": "amd64", "os": "linux", "created": created, "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": []}, "history": history,
        }))
        .unwrap();
        let mut evidence = evidence::of_layers(Some(&config), &layers).unwrap();
        evidence.image.today = Some(TODAY);
        evidence.image.tag = Some("1.2.3".to_owned());
        for change in &image.facts {
            change(&mut evidence.image);
        }
        let measured = measure(&evidence.inspection(image.profile), &ControlPolicy::default());
        (evidence, measured)
    }
}

/// Statements as an image of ours has them.
pub(crate) fn statements() -> StatementFacts {
    let one = |text: &str| [text.to_owned()].into();
    StatementFacts {
        signers: one("key 1"),
        builders: one("https://build.example"),
        has_sbom: true,
        has_vex: true,
        scanned: Some(TODAY - 1),
        reproduced_by: one("key 2"),
    }
}

impl Expected {
    /// Whether a finding is the expected one, by all that is expected of it.
    pub(crate) fn is(&self, finding: &Finding, evidence: &Evidence) -> bool {
        let paths = finding.path.iter().chain(&finding.more_paths);
        let has_path = match &self.path {
            None => finding.path.is_none(),
            Some(path) => paths.into_iter().any(|found| found.to_string() == *path),
        };
        self.control == finding.control
            && has_path
            && self.layer == finding.layer
            && self.package.as_deref() == package(finding, evidence)
    }
}

pub(crate) fn package<'e>(finding: &Finding, evidence: &'e Evidence) -> Option<&'e str> {
    let number = usize::try_from(finding.package?).unwrap();
    Some(&evidence.packages[number].name)
}
