// SPDX-License-Identifier: Apache-2.0
//! Skopeo, umoci and podman accept layouts and archives, run the image, and agree on its digests.
//!
//! Each test is skipped where its tool is not installed, and keeps all of its state in a temporary
//! directory.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::tools::{attempt, find, lack, run, skip};
use common::{GREETING, sample_layout};
use hardpan_image::{
    ArchiveSummary, Compression, ImageIndex, Layout, Platform, write_docker_archive,
};
use hardpan_tree::Digest;

const NAME: &str = "sample:1.2";
const BOTH: [&str; 2] = ["amd64", "arm64"];
const COMPRESSIONS: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

fn write_archive(path: &Path, layout: &Layout, index: &ImageIndex) -> ArchiveSummary {
    let image = index.image(&Platform::linux("amd64")).unwrap();
    let mut file = fs::File::create(path).unwrap();
    let names = [NAME.parse().unwrap()];
    write_docker_archive(image.manifest(), image.config(), &names, layout, &mut file).unwrap()
}

/// Returns `oci:DIRECTORY:NAME`, as skopeo and podman write it.
fn oci(directory: &Path) -> String {
    format!("oci:{}:{NAME}", directory.display())
}

fn skopeo() -> Command {
    let mut command = Command::new(find("skopeo").unwrap());
    command.arg("--insecure-policy");
    command
}

#[test]
fn skopeo_reads_and_copies() {
    if lack(&["skopeo"]) {
        return;
    }
    for compression in COMPRESSIONS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("layout");
        let (layout, index) = sample_layout(&path, &BOTH, compression, &[NAME]);
        let digest = index.raw().digest().to_string();
        let raw = run(skopeo().args(["inspect", "--raw", &oci(&path)]));
        assert_eq!(Digest::of(raw.as_bytes()), index.raw().digest());
        for architecture in BOTH {
            let image = index.image(&Platform::linux(architecture)).unwrap();
            let inspect = || {
                let mut command = skopeo();
                command.args(["--override-arch", architecture, "inspect", &oci(&path)]);
                command
            };
            let seen = run(inspect().args(["--format", "{{.Digest}} {{.Architecture}}"]));
            assert_eq!(seen.trim(), format!("{digest} {architecture}"));
            let config = run(inspect().args(["--config", "--raw"]));
            assert_eq!(Digest::of(config.as_bytes()), image.config().digest());
        }
        // Everything is copied byte for byte: skopeo checks all digests on the way.
        let copy = directory.path().join("copy");
        run(skopeo().args(["copy", "--quiet", "--all", &oci(&path), &oci(&copy)]));
        let copied = Layout::open(&copy).unwrap();
        assert_eq!(copied.index().value().manifests[0].digest, index.raw().digest());
        let blobs = copied.verify_contents().unwrap().blobs;
        assert_eq!(blobs, layout.verify().unwrap().blobs);

        // An archive is read as what it is to Docker's older storage, and as a layout.
        let archive = directory.path().join("archive.tar");
        let summary = write_archive(&archive, &layout, &index);
        for transport in ["docker-archive", "oci-archive"] {
            let source = format!("{transport}:{}:{NAME}", archive.display());
            let config = run(skopeo().args(["inspect", "--config", "--raw", &source]));
            assert_eq!(Digest::of(config.as_bytes()), summary.image_id, "{source}");
            let target = format!("dir:{}/{transport}", directory.path().display());
            run(skopeo().args(["copy", "--quiet", &source, &target]));
        }
        let manifest = fs::read(directory.path().join("oci-archive/manifest.json")).unwrap();
        assert_eq!(Digest::of(&manifest), summary.manifest_digest);
    }
}

#[test]
fn umoci_unpacks() {
    if lack(&["umoci"]) {
        return;
    }
    // umoci takes no index of several platforms ("tag is ambiguous"), and version 0.4 no zstd.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let (_, index) = sample_layout(&path, &["amd64"], Compression::Gzip, &[NAME]);
    let bundle = directory.path().join("bundle");
    let image = format!("{}:{NAME}", path.display());
    run(Command::new(find("umoci").unwrap())
        .args(["unpack", "--rootless", "--image", &image])
        .arg(&bundle));
    let root = bundle.join("rootfs");
    assert_eq!(fs::read(root.join("usr/bin/hello")).unwrap(), common::program("amd64"));
    assert_eq!(fs::read(root.join("usr/share/data")).unwrap(), common::varied(5 << 20));
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("tmp"), 0o1777);
    assert_eq!(mode("usr/bin/hello"), 0o755);
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["process"]["user"]["uid"], common::USER);
    assert_eq!(config["process"]["cwd"], "/tmp");
    assert_eq!(config["process"]["args"], serde_json::json!(["/usr/bin/hello", "argument"]));
    assert_eq!(config["annotations"]["org.opencontainers.image.created"], "2026-01-01T00:00:00Z");
    assert_eq!(index.images().len(), 1);
}

/// A podman with all of its state in a directory.
struct Podman {
    directory: PathBuf,
}

impl Podman {
    fn new(directory: &Path) -> Self {
        // Small machines: no network, limits that need no privilege, and the runtime that also knows
        // version 1 of control groups.
        let runtime = if find("runc").is_some() { "runtime = \"runc\"\n" } else { "" };
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
             netns = \"none\"\ncgroups = \"enabled\"\n\
             [engine]\n{runtime}cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"
        );
        fs::write(directory.join("containers.conf"), settings).unwrap();
        fs::write(
            directory.join("policy.json"),
            r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
        )
        .unwrap();
        Self { directory: directory.to_owned() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(find("podman").unwrap());
        command
            .env("CONTAINERS_CONF", self.directory.join("containers.conf"))
            .env("XDG_RUNTIME_DIR", &self.directory)
            .arg("--root")
            .arg(self.directory.join("storage"))
            .arg("--runroot")
            .arg(self.directory.join("run"))
            .args(["--storage-driver", "vfs"]);
        command
    }

    fn check_image_and_remove(&self, name: &str, image_id: &Digest, digest: &Digest) {
        let seen = run(self
            .command()
            .args(["image", "inspect", name])
            .args(["--format", "{{.Id}} {{.Digest}} {{.User}} {{.Config.StopSignal}}"]));
        let hex = image_id.to_hex();
        assert_eq!(seen.trim(), format!("{hex} {digest} 65532:65532 SIGTERM"));
        let output = run(self
            .command()
            .args(["run", "--rm", "--network=none", "--read-only", "--cap-drop=all"])
            .args(["--security-opt=no-new-privileges", name]));
        assert_eq!(output, GREETING);
        run(self.command().args(["rmi", "--all", "--force"]));
    }
}

#[test]
fn podman_loads_pulls_and_runs() {
    if lack(&["podman"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let podman = Podman::new(directory.path());
    if let Err(error) = attempt(podman.command().arg("info")) {
        return skip(&format!("podman does not work here: {error}"));
    }
    if !cfg!(target_arch = "x86_64") {
        return skip("the program in the image is for x86-64");
    }
    for compression in COMPRESSIONS {
        let path = directory.path().join(compression.to_string());
        let (layout, index) = sample_layout(&path, &BOTH, compression, &[NAME]);
        let archive = directory.path().join("archive.tar");
        let summary = write_archive(&archive, &layout, &index);

        // From the archive. podman takes the full name, which is written for containerd, and finds it by
        // the short one.
        let loaded = run(podman.command().args(["load", "--quiet", "--input"]).arg(&archive));
        assert!(loaded.contains(NAME), "{loaded}");
        podman.check_image_and_remove(NAME, &summary.image_id, &summary.manifest_digest);

        // From the layout, which has both platforms: the digest is that of the index.
        let policy = directory.path().join("policy.json");
        let pulled = run(podman
            .command()
            .args(["pull", "--quiet", "--signature-policy"])
            .arg(&policy)
            // podman makes a name from the path, which then must look like one.
            .current_dir(directory.path())
            .arg(oci(Path::new(&compression.to_string()))));
        assert_eq!(pulled.trim(), summary.image_id.to_hex());
        podman.check_image_and_remove(pulled.trim(), &summary.image_id, &index.raw().digest());
    }
}
