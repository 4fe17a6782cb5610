// SPDX-License-Identifier: Apache-2.0
//! Docker 20 and 26 (with both of its storages), crane and oras accept archives and layouts.
//!
//! The programs are Debian's packages, fetched from the archive that this machine uses and unpacked,
//! not installed. Each daemon runs in a network of its own with all of its state in a temporary
//! directory. Without root, an archive or a tool, the tests say so and do nothing.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::debian::Suite;
use common::tools::{attempt, find, is_root, lack, run, skip};
use common::{GREETING, sample_layout};
use hardpan_image::{ArchiveWarning, Compression, Platform, write_docker_archive};
use hardpan_tree::Digest;

const NAME: &str = "sample:1.2";

/// Where Docker keeps images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    Classic,
    Containerd,
}

/// A running daemon; stopped when dropped.
struct Docker {
    child: Child,
    directory: PathBuf,
    path: String,
}

impl Docker {
    /// Starts `dockerd` from `path`; says why if it does not come up.
    fn start(directory: &Path, path: &str, storage: Storage) -> Result<Self, String> {
        let at = |name: &str| directory.join(name).display().to_string();
        let settings = match storage {
            Storage::Classic => "{}",
            Storage::Containerd => r#"{"features": {"containerd-snapshotter": true}}"#,
        };
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("daemon.json"), settings).unwrap();
        let log = fs::File::create(directory.join("log")).unwrap();
        let child = Command::new(find("unshare").unwrap())
            .args(["--net", "--", "dockerd", "--bridge=none", "--iptables=false"])
            .arg("--ip6tables=false")
            .args(["--config-file", &at("daemon.json"), "--data-root", &at("data")])
            .args(["--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["--host", &format!("unix://{}", at("socket"))])
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut docker = Self { child, directory: directory.to_owned(), path: path.to_owned() };
        let start = Instant::now();
        while attempt(docker.command().args(["version", "--format", "{{.Server.Version}}"]))
            .is_err()
        {
            let is_dead = docker.child.try_wait().is_ok_and(|status| status.is_some());
            if is_dead || start.elapsed() > Duration::from_mins(3) {
                let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                return Err(lines[lines.len().saturating_sub(3)..].join("\n"));
            }
            sleep(Duration::from_millis(200));
        }
        Ok(docker)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env("PATH", &self.path)
            .env("DOCKER_HOST", format!("unix://{}", self.directory.join("socket").display()))
            .env("DOCKER_CONFIG", self.directory.join("client"))
            .env_remove("DOCKER_CONTEXT");
        command
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It stops its containerd and unmounts everything, if it is asked and not killed.
        let _ = attempt(Command::new("kill").arg(self.child.id().to_string()));
        let start = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if start.elapsed() > Duration::from_secs(30) {
                let containerd = self.directory.join("exec/containerd/containerd.pid");
                if let Ok(pid) = fs::read_to_string(containerd) {
                    let _ = attempt(Command::new("kill").args(["-9", pid.trim()]));
                }
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            sleep(Duration::from_millis(100));
        }
    }
}

/// Returns `PATH` with the programs of packages (release and name) before this machine's.
fn docker_path(packages: &[(&str, &str)]) -> Result<String, String> {
    let mut directories = Vec::new();
    for (suite, package) in packages {
        let root = Suite::open(suite)?.unpack(package)?;
        directories.extend(["usr/sbin", "usr/bin"].map(|bin| root.join(bin).display().to_string()));
    }
    directories.push(std::env::var("PATH").unwrap_or_default());
    directories.push("/usr/sbin:/sbin".to_owned());
    Ok(directories.join(":"))
}

/// Returns why Docker can't be tested here.
fn obstacle() -> Option<&'static str> {
    if !is_root() {
        return Some("dockerd needs root");
    }
    if !cfg!(target_arch = "x86_64") {
        return Some("the program in the image is for x86-64");
    }
    None
}

/// Loads the sample in both compressions, looks at it, runs it.
fn check_archives(docker: &Docker, storage: Storage, version: u32) {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let directory = tempfile::tempdir().unwrap();
        let (layout, index) =
            sample_layout(&directory.path().join("layout"), &["amd64", "arm64"], compression, &[]);
        let image = index.image(&Platform::linux("amd64")).unwrap();
        let archive = directory.path().join("archive.tar");
        let mut file = fs::File::create(&archive).unwrap();
        let names = [NAME.parse().unwrap(), "registry.example/team/sample".parse().unwrap()];
        let summary =
            write_docker_archive(image.manifest(), image.config(), &names, &layout, &mut file)
                .unwrap();

        let loaded = attempt(docker.command().args(["load", "--input"]).arg(&archive));
        if summary.warnings.contains(&ArchiveWarning::ZstdNeedsDocker23) && version < 23 {
            assert!(loaded.is_err(), "the warning is wrong: {loaded:?}");
            continue;
        }
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        assert!(loaded.contains(NAME), "{loaded}");
        for name in [NAME, "registry.example/team/sample:latest"] {
            let seen = run(docker
                .command()
                .args(["image", "inspect", name])
                .args(["--format", "{{.Id}} {{.Config.User}} {{json .RootFS.Layers}}"]));
            let id = match storage {
                Storage::Classic => summary.image_id,
                Storage::Containerd => summary.manifest_digest,
            };
            let layers = serde_json::to_string(&image.config().value().rootfs.diff_ids).unwrap();
            assert_eq!(seen.trim(), format!("{id} 65532:65532 {layers}"));
        }
        check_run_and_remove(docker, NAME);
    }
}

fn check_run_and_remove(docker: &Docker, name: &str) {
    let output = run(docker
        .command()
        .args(["run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"])
        .args(["--security-opt=no-new-privileges", name]));
    assert_eq!(output, GREETING);
    run(docker.command().args(["image", "rm", "--force", &image_id(docker, name)]));
}

/// Copies the sample's layout to a registry that only the daemon can reach, and pulls it from there by
/// the digest that it has in the layout.
fn check_layouts(docker: &Docker, storage: Storage, version: u32) {
    if lack(&["nsenter", "ip"]) {
        return;
    }
    let Some(program) = client("docker-registry", "docker-registry") else { return };
    let Some(crane) = client("crane", "crane") else { return };
    let directory = tempfile::tempdir().unwrap();
    let inside = |program: &Path| {
        let mut command = Command::new(find("nsenter").unwrap());
        command.args(["--net", "--target", &docker.child.id().to_string(), "--"]).arg(program);
        command
    };
    run(inside(&find("ip").unwrap()).args(["link", "set", "lo", "up"]));
    let address = "127.0.0.1:5000";
    let registry = Registry::start(inside(&program), directory.path(), address);
    let is_up = || attempt(inside(&find("curl").unwrap()).args(["-sSf", &registry.url])).is_ok();
    let start = Instant::now();
    while !is_up() {
        assert!(start.elapsed() < Duration::from_secs(30), "the registry does not start");
        sleep(Duration::from_millis(100));
    }
    for compression in [Compression::Gzip, Compression::Zstd] {
        let path = directory.path().join(compression.to_string());
        let (_, index) = sample_layout(&path, &["amd64", "arm64"], compression, &[NAME]);
        let digest = index.raw().digest();
        let tag = format!("{address}/sample:{compression}");
        run(inside(&crane).arg("push").arg(&path).arg(tag));
        let name = format!("{address}/sample@{digest}");
        let pulled = attempt(docker.command().args(["pull", "--quiet", &name]));
        if compression == Compression::Zstd && version < 23 {
            assert!(pulled.is_err(), "Docker {version} can read zstd: {pulled:?}");
            continue;
        }
        pulled.unwrap_or_else(|error| panic!("{error}"));
        let id = match storage {
            Storage::Classic => index.images()[0].config().digest(),
            Storage::Containerd => digest,
        };
        assert_eq!(image_id(docker, &name), id.to_string());
        check_run_and_remove(docker, &name);
    }
}

/// A running registry; stopped when dropped.
struct Registry {
    child: Child,
    address: String,
    url: String,
}

impl Registry {
    /// Starts it, and waits until it says where it listens: with port 0 that is a free one.
    fn start(mut command: Command, directory: &Path, address: &str) -> Self {
        let settings = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            directory.join("registry").display()
        );
        let path = directory.join("registry.yml");
        fs::write(&path, settings).unwrap();
        let path_of_log = directory.join("registry.log");
        let log = fs::File::create(&path_of_log).unwrap();
        let child = command
            .arg("serve")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut registry = Self { child, address: String::new(), url: String::new() };
        let host = address.rsplit_once(':').unwrap().0;
        let start = Instant::now();
        let port = loop {
            let log = fs::read_to_string(&path_of_log).unwrap();
            // The quote at its end says that the number is whole.
            let rest = log.split_once(&format!("listening on {host}:")).map(|(_, rest)| rest);
            if let Some((port, _)) = rest.and_then(|rest| rest.split_once('"')) {
                break port.to_owned();
            }
            let is_dead = registry.child.try_wait().is_ok_and(|status| status.is_some());
            assert!(!is_dead && start.elapsed() < Duration::from_mins(1), "{log}");
            sleep(Duration::from_millis(100));
        };
        registry.address = format!("{host}:{port}");
        registry.url = format!("http://{}/v2/", registry.address);
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn image_id(docker: &Docker, name: &str) -> String {
    run(docker.command().args(["image", "inspect", name, "--format", "{{.Id}}"])).trim().to_owned()
}

/// The packages of Docker 20. Newer ones' `runc` and client may need a newer libc than there is here,
/// so these serve behind newer daemons too.
const BOOKWORM: [(&str, &str); 3] =
    [("bookworm", "docker.io"), ("bookworm", "containerd"), ("bookworm", "runc")];
const TRIXIE: [(&str, &str); 2] = [("trixie", "docker.io"), ("trixie", "containerd")];

fn test(packages: &[(&str, &str)], storage: Storage, version: u32) {
    if let Some(obstacle) = obstacle() {
        return skip(obstacle);
    }
    if lack(&["unshare", "kill", "dpkg-deb", "curl", "xz", "apt-get"]) {
        return;
    }
    let path = match docker_path(&[packages, &BOOKWORM].concat()) {
        Ok(path) => path,
        Err(error) => return skip(&format!("the packages of Docker can't be had: {error}")),
    };
    let directory = tempfile::tempdir().unwrap();
    let docker = match Docker::start(&directory.path().join("docker"), &path, storage) {
        Ok(docker) => docker,
        Err(error) => return skip(&format!("dockerd does not start here: {error}")),
    };
    let found = run(docker.command().args(["version", "--format", "{{.Server.Version}}"]));
    assert!(found.starts_with(&format!("{version}.")), "{found}");
    check_archives(&docker, storage, version);
    check_layouts(&docker, storage, version);
}

#[test]
fn docker_20_loads_pulls_and_runs() {
    test(&BOOKWORM, Storage::Classic, 20);
}

#[test]
fn docker_26_loads_pulls_and_runs() {
    test(&TRIXIE, Storage::Classic, 26);
}

#[test]
fn docker_26_with_containerd_loads_pulls_and_runs() {
    test(&TRIXIE, Storage::Containerd, 26);
}

/// Returns a program of a package, if it can be had and runs here.
fn client(package: &str, program: &str) -> Option<PathBuf> {
    if lack(&["dpkg-deb", "curl", "xz", "apt-get"]) {
        return None;
    }
    let unpacked = Suite::open("sid").and_then(|suite| suite.unpack(package));
    let program = match unpacked {
        Ok(root) => root.join("usr/bin").join(program),
        Err(error) => {
            skip(&format!("{package} can't be had: {error}"));
            return None;
        }
    };
    match attempt(Command::new(&program).arg("--help")) {
        Ok(_) => Some(program),
        Err(error) => {
            skip(&format!("{package} does not run here: {error}"));
            None
        }
    }
}

#[test]
fn crane_pushes_and_validates() {
    let Some(crane) = client("crane", "crane") else { return };
    let crane = || Command::new(&crane);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let (layout, index) = sample_layout(&path, &["amd64", "arm64"], Compression::Gzip, &[NAME]);
    let image = &index.images()[0];
    let archive = directory.path().join("archive.tar");
    let mut file = fs::File::create(&archive).unwrap();
    let names = [NAME.parse().unwrap()];
    write_docker_archive(image.manifest(), image.config(), &names, &layout, &mut file).unwrap();
    let validated = run(crane().args(["validate", "--tarball"]).arg(&archive));
    assert!(validated.starts_with("PASS"), "{validated}");

    let Some(program) = client("docker-registry", "docker-registry") else { return };
    let registry = Registry::start(Command::new(program), directory.path(), "127.0.0.1:0");
    let address = &registry.address;
    let start = Instant::now();
    while attempt(Command::new("curl").args(["-sSf", &registry.url])).is_err() {
        assert!(start.elapsed() < Duration::from_secs(30), "the registry does not start");
        sleep(Duration::from_millis(100));
    }
    // crane's validation knows no zstd, but it pushes it.
    let zstd = directory.path().join("zstd");
    let (_, zstd_index) = sample_layout(&zstd, &["amd64", "arm64"], Compression::Zstd, &[NAME]);
    for (path, tag, index) in [(&path, "gzip", &index), (&zstd, "zstd", &zstd_index)] {
        let name = format!("{address}/sample:{tag}");
        run(crane().arg("push").arg(path).arg(&name));
        assert_eq!(run(crane().args(["digest", &name])).trim(), index.raw().digest().to_string());
    }
    let name = format!("{address}/sample:gzip");
    let validated = run(crane().args(["validate", "--remote", &name]));
    assert!(validated.starts_with("PASS"), "{validated}");
}

#[test]
fn oras_reads_and_copies_layouts() {
    let Some(oras) = client("oras", "oras") else { return };
    for compression in [Compression::Gzip, Compression::Zstd] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("layout");
        let (_, index) = sample_layout(&path, &["amd64", "arm64"], compression, &[NAME]);
        let digest = index.raw().digest();
        let source = format!("{}@{digest}", path.display());
        let manifest =
            run(Command::new(&oras).args(["manifest", "fetch", "--oci-layout", &source]));
        assert_eq!(Digest::of(manifest.as_bytes()), digest);
        let copy = directory.path().join("copy");
        let target = format!("{}:copied", copy.display());
        run(Command::new(&oras).args([
            "copy",
            "--from-oci-layout",
            "--to-oci-layout",
            &source,
            &target,
        ]));
        let copied = hardpan_image::Layout::open(&copy).unwrap();
        copied.verify_contents().unwrap();
        assert_eq!(copied.index().value().manifests[0].digest, digest);
    }
}
