// SPDX-License-Identifier: Apache-2.0
//! Oracle: for real requests the solver chooses exactly what apt would install on a system without
//! packages and without `Recommends`.
//!
//! Uses the network for the package archive of this machine's apt sources only. Everything that
//! apt writes is below the target directory; indexes are kept there for a day.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hardpan_package::deb::control;
use hardpan_package::deb::index::{Origin, PackageIndex, ReadAt};
use hardpan_package::solve::{IndexRef, Request, SolveTask, solve};

const SUITE: &str = "trixie";
const KEEP: Duration = Duration::from_hours(24);
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// From a handful of packages to a thousand.
const REQUESTS_AMD64: &[&str] = &[
    "apache2",
    "bash",
    "chromium",
    "cmake",
    "coreutils",
    "curl",
    "default-jre-headless",
    "default-mta",
    "docker.io",
    "emacs-nox",
    "ffmpeg",
    "gcc g++ make curl git",
    "ghc",
    "git",
    "golang",
    "haproxy",
    "imagemagick",
    "kubernetes-client",
    "libreoffice",
    "mariadb-server",
    "memcached",
    "nginx",
    "nodejs npm",
    "openjdk-21-jdk",
    "openssh-client openssh-server",
    "perl",
    "php-fpm",
    "php8.4-cli php8.4-mysql php8.4-gd php8.4-intl",
    "postgresql-17",
    "python3 python3-pip python3-venv",
    "python3-numpy python3-scipy python3-matplotlib",
    "rabbitmq-server",
    "redis-server",
    "ruby ruby-bundler",
    "rustc cargo",
    "samba",
    "systemd systemd-sysv dbus",
    "texlive-full",
    "valkey-server",
    "vim",
    "wordpress",
    "zsh tmux htop strace",
];

const REQUESTS_ARM64: &[&str] = &[
    "default-jre-headless",
    "gcc g++ make curl git",
    "haproxy",
    "libreoffice",
    "nginx",
    "nodejs",
    "openjdk-21-jdk",
    "postgresql-17",
    "python3",
    "redis-server",
];

/// Requests for which apt takes more than it needs: it settles `container-network-stack` before it
/// learns that podman needs netavark, which provides that, and so takes another provider as well.
const SMALLER_THAN_APT: &[&str] = &["podman"];

#[test]
fn same_packages_as_apt_on_amd64() {
    compare("amd64", &[REQUESTS_AMD64, SMALLER_THAN_APT].concat());
}

#[test]
fn same_packages_as_apt_on_arm64() {
    compare("arm64", REQUESTS_ARM64);
}

fn compare(architecture: &str, requests: &[&str]) {
    let apt = match Apt::prepare(architecture) {
        Ok(apt) => apt,
        Err(reason) => {
            eprintln!("skipped: comparison with apt on {architecture} because {reason}");
            return;
        }
    };
    let index = open_index(&apt);
    let task_of = |request: &str| {
        let mut task = SolveTask::new(architecture);
        for (source, name) in request.split(' ').enumerate() {
            task.requests.push(Request { name: name.into(), version: None, source });
        }
        task
    };
    let outcomes = std::thread::scope(|scope| {
        let (apt, index) = (&apt, &index);
        let halves = requests.chunks(requests.len().div_ceil(2)).map(|half| {
            scope.spawn(move || {
                let outcome = |request: &&str| difference(apt, index, &task_of(request), request);
                half.iter().filter_map(outcome).collect::<Vec<String>>()
            })
        });
        let running: Vec<_> = halves.collect();
        running.into_iter().flat_map(|half| half.join().unwrap()).collect::<Vec<String>>()
    });
    assert!(
        outcomes.is_empty(),
        "{} of {}:\n{}",
        outcomes.len(),
        requests.len(),
        outcomes.join("\n")
    );
}

/// Parses the index, closes and opens it again, and says how long that took.
fn open_index(apt: &Apt) -> PackageIndex {
    let text = fs::read(&apt.packages).unwrap();
    let origin = Origin {
        archive: "debian".into(),
        suite: SUITE.into(),
        component: "main".into(),
        architecture: apt.architecture.clone(),
    };
    let start = Instant::now();
    let parsed = PackageIndex::parse(&text, origin).unwrap();
    let parse_time = start.elapsed();
    let cache = apt.packages.with_file_name("index");
    let bytes = parsed.to_bytes().unwrap();
    fs::write(&cache, &bytes).unwrap();
    let start = Instant::now();
    let file = fs::File::open(&cache).unwrap();
    let size_bytes = file.metadata().unwrap().len();
    let index = PackageIndex::open(Box::new(OnDisk(file)), size_bytes).unwrap();
    let open_time = start.elapsed();
    let start = Instant::now();
    PackageIndex::from_bytes(fs::read(&cache).unwrap()).unwrap();
    eprintln!(
        "{}: {} packages, {} MB; parsed in {parse_time:?}; cache of {} MB opened in {open_time:?}, \
         read as a whole in {:?}",
        apt.architecture,
        index.len(),
        text.len() / 1_000_000,
        bytes.len() / 1_000_000,
        start.elapsed(),
    );
    index
}

struct OnDisk(fs::File);

impl ReadAt for OnDisk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

fn difference(apt: &Apt, index: &PackageIndex, task: &SolveTask, request: &str) -> Option<String> {
    let start = Instant::now();
    let solution = solve(&[IndexRef::new(index)], task);
    let time = start.elapsed();
    let theirs = match apt.install(request) {
        Ok(theirs) => theirs,
        Err(output) => return Some(format!("{request}: apt failed: {output}")),
    };
    let solution = match solution {
        Ok(solution) => solution,
        Err(error) => return Some(format!("{request}: {error}")),
    };
    let ours: BTreeSet<String> = solution
        .packages
        .iter()
        .map(|chosen| format!("{} {}", chosen.package.name, chosen.package.version))
        .collect();
    eprintln!("{}: {request}: {} = {} in {time:?}", apt.architecture, ours.len(), theirs.len());
    for chosen in &solution.packages {
        let name = &chosen.package.name;
        assert!(!solution.paths_to(name).is_empty(), "{request}: nothing needs {name}");
    }
    if ours == theirs || SMALLER_THAN_APT.contains(&request) && ours.is_subset(&theirs) {
        return None;
    }
    let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| -> String {
        left.difference(right).map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    Some(format!(
        "{request}: only we: {}; only apt: {}",
        only(&ours, &theirs),
        only(&theirs, &ours)
    ))
}

/// An apt of its own: other directories, no installed packages, one archive.
struct Apt {
    architecture: String,
    options: Vec<String>,
    packages: PathBuf,
}

impl Apt {
    fn prepare(architecture: &str) -> Result<Self, String> {
        if Command::new("apt-get").arg("--version").output().is_err() {
            return Err("there is no apt-get".into());
        }
        let keyring = KEYRINGS
            .iter()
            .find(|path| Path::new(path).exists())
            .ok_or("the archive's keyring is not installed")?;
        let archive = archive().ok_or("apt has no source of the distribution's archive")?;
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("apt-{architecture}"));
        for folder in ["state/lists/partial", "cache/archives/partial", "etc"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
        fs::write(path("status"), "").unwrap();
        let source = format!("deb [signed-by={keyring}] {archive} {SUITE} main\n");
        let source_changed =
            fs::read_to_string(path("etc/sources.list")).ok() != Some(source.clone());
        fs::write(path("etc/sources.list"), source).unwrap();
        let options = [
            format!("Dir::State={}", path("state")),
            format!("Dir::State::status={}", path("status")),
            format!("Dir::Cache={}", path("cache")),
            "Dir::Cache::pkgcache=pkgcache.bin".into(),
            "Dir::Cache::srcpkgcache=srcpkgcache.bin".into(),
            format!("Dir::Etc::sourcelist={}", path("etc/sources.list")),
            "Dir::Etc::sourceparts=/dev/null".into(),
            "Dir::Etc::preferences=/dev/null".into(),
            "Dir::Etc::preferencesparts=/dev/null".into(),
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures::={architecture}"),
            "APT::Install-Recommends=false".into(),
            "APT::Sandbox::User=root".into(),
            "APT::Solver=internal".into(),
            "Acquire::Languages=none".into(),
            "Acquire::GzipIndexes=false".into(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
            "Acquire::Retries=2".into(),
            "Debug::NoLocking=true".into(),
        ];
        let options: Vec<String> =
            options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect();
        let mut apt =
            Self { architecture: architecture.to_owned(), options, packages: PathBuf::new() };
        let lists = root.join("state/lists");
        let stamp = root.join("updated");
        if source_changed || age(&stamp).is_none_or(|age| age > KEEP) {
            apt.run(&["update"]).map_err(|output| format!("apt-get update failed: {output}"))?;
            fs::write(&stamp, "").unwrap();
        }
        apt.packages = fs::read_dir(lists)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().ends_with("_Packages"))
            .ok_or("apt fetched no package index")?;
        Ok(apt)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("apt-get")
            .env("LC_ALL", "C")
            .env_remove("APT_CONFIG")
            .args(&self.options)
            .args(arguments)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !stdout.contains("\nErr:") {
            Ok(stdout)
        } else {
            Err(format!("{stdout}{}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// Names and versions of what apt would install.
    fn install(&self, request: &str) -> Result<BTreeSet<String>, String> {
        let mut arguments = vec!["--simulate", "--no-install-recommends", "install"];
        arguments.extend(request.split(' '));
        let output = self.run(&arguments)?;
        // Inst libc6 (2.41-12 Debian:13.7/stable [amd64])
        let line = |line: &str| {
            let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
            let version = rest.strip_prefix('(')?.split(' ').next()?;
            Some(format!("{} {version}", name.split(':').next()?))
        };
        Ok(output.lines().filter_map(line).collect())
    }
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// Returns where this machine gets its distribution from: the first of apt's sources for the
/// suite that the machine itself runs, or for the one that the test is about.
fn archive() -> Option<String> {
    if let Ok(mirror) = std::env::var("HARDPAN_DEBIAN_MIRROR") {
        return Some(mirror);
    }
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suites = [codename.unwrap_or("stable"), SUITE, "stable"];
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        if file.extension().is_some_and(|extension| extension == "sources") {
            sources.extend(deb822_sources(&text));
        } else {
            sources.extend(text.lines().filter_map(one_line_source));
        }
    }
    let matching = |(_, suite): &&(String, String)| suites.contains(&suite.as_str());
    sources.iter().find(matching).map(|(uri, _)| uri.clone())
}

fn deb822_sources(text: &str) -> Vec<(String, String)> {
    let Ok(reader) = control::Reader::new(text.as_bytes(), control::Limits::default()) else {
        return Vec::new();
    };
    let mut sources = Vec::new();
    for paragraph in reader.flatten() {
        let words = |name: &str| -> Vec<&str> {
            paragraph.field(name).map(|field| field.words().collect()).unwrap_or_default()
        };
        for uri in words("URIs") {
            sources.extend(words("Suites").iter().map(|suite| (uri.into(), (*suite).into())));
        }
    }
    sources
}

fn one_line_source(line: &str) -> Option<(String, String)> {
    let rest = line.trim().strip_prefix("deb ")?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}
