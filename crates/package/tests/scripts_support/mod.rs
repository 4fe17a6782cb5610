// SPDX-License-Identifier: Apache-2.0
//! Real packages from the machine's own mirror, for tests that look at real scripts.
//!
//! Everything goes through apt with a state of its own below the build directory; nothing of the machine's
//! own apt state is read but where its mirror is.

#![allow(dead_code, unreachable_pub)]
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// Tests of one binary run at the same time; apt's state takes one at a time.
static APT: Mutex<()> = Mutex::new(());

/// How long lists serve: an archive soon lacks the packages that older ones name.
const KEEP: Duration = Duration::from_hours(24);

const SUITE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt state for trixie.
#[derive(Debug, Clone)]
pub struct Apt {
    pub root: PathBuf,
    pub sources: PathBuf,
    config: PathBuf,
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// Returns the archive that the machine's apt uses.
fn mirror() -> Option<String> {
    let mut texts = Vec::new();
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    for path in folder.map(|entry| entry.path()).chain(["/etc/apt/sources.list".into()]) {
        texts.extend(fs::read_to_string(path));
    }
    let words = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#'));
    let mut addresses =
        words.flat_map(str::split_whitespace).filter(|word| word.starts_with("http"));
    addresses
        .find(|word| word.trim_end_matches('/').ends_with("/debian"))
        .map(|word| word.trim_end_matches('/').to_owned())
}

impl Apt {
    /// Makes the state, or says why there can be none.
    pub fn new(name: &str) -> Result<Self, String> {
        for tool in ["apt-get", "dpkg-deb", "tar"] {
            if Command::new(tool).arg("--version").output().is_err() {
                return Err(format!("there is no {tool}"));
            }
        }
        if !Path::new(KEYRING).exists() {
            return Err(format!("{KEYRING} does not exist"));
        }
        let mirror = mirror().ok_or("apt has no Debian mirror")?;
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _guard = APT.lock().expect("no test panics while it holds this");
        for folder in ["state/lists/partial", "cache/archives/partial", "debs"] {
            fs::create_dir_all(root.join(folder)).map_err(|error| error.to_string())?;
        }
        let mut sources = String::new();
        for (address, suite) in [
            (mirror.clone(), SUITE.to_owned()),
            (mirror.clone(), format!("{SUITE}-updates")),
            (format!("{mirror}-security"), format!("{SUITE}-security")),
        ] {
            writeln!(sources, "deb [signed-by={KEYRING}] {address} {suite} main").unwrap();
        }
        let apt = Self {
            sources: root.join("sources.list"),
            config: root.join("apt.conf"),
            root: root.clone(),
        };
        let root = root.display();
        let config = format!(
            "Dir::State \"{root}/state\";\nDir::State::status \"{root}/state/status\";\n\
             Dir::Cache \"{root}/cache\";\nDir::Etc::sourcelist \"{root}/sources.list\";\n\
             Dir::Etc::sourceparts \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
             APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"3\";\nAPT::Update::Error-Mode \"any\";\nAPT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n"
        );
        fs::write(apt.root.join("state/status"), "").map_err(|error| error.to_string())?;
        fs::write(&apt.sources, sources).map_err(|error| error.to_string())?;
        fs::write(&apt.config, config).map_err(|error| error.to_string())?;
        if age(&apt.root.join("updated")).is_none_or(|age| age > KEEP) {
            let output = apt.run("apt-get", &["update", "-q"])?;
            if !output.contains("Reading package lists") && !output.contains("Fetched") {
                return Err("apt-get update failed".to_owned());
            }
            fs::write(apt.root.join("updated"), "").map_err(|error| error.to_string())?;
        }
        Ok(apt)
    }

    fn run(&self, tool: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(tool)
            .args(arguments)
            .current_dir(self.root.join("debs"))
            .env("APT_CONFIG", &self.config)
            .env("LC_ALL", "C")
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{tool}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns the packages that installing these would install, without Recommends.
    pub fn closure(&self, packages: &[&str]) -> Result<BTreeSet<String>, String> {
        let _guard = APT.lock().expect("no test panics while it holds this");
        let mut arguments = vec!["-s", "install", "--no-install-recommends"];
        arguments.extend(packages);
        let output = self.run("apt-get", &arguments)?;
        let names = output.lines().filter_map(|line| line.strip_prefix("Inst "));
        Ok(names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// Fetches packages; returns their files by name.
    pub fn fetch(&self, packages: &BTreeSet<String>) -> Result<BTreeMap<String, PathBuf>, String> {
        let _guard = APT.lock().expect("no test panics while it holds this");
        let known = self.files();
        let missing: Vec<&str> =
            packages.iter().filter(|name| !known.contains_key(*name)).map(String::as_str).collect();
        if !missing.is_empty() {
            let mut arguments = vec!["download", "-q"];
            arguments.extend(&missing);
            self.run("apt-get", &arguments)?;
        }
        let known = self.files();
        Ok(known.into_iter().filter(|(name, _)| packages.contains(name)).collect())
    }

    /// Fetches packages of these versions; returns their files by name.
    pub fn fetch_versions(
        &self,
        packages: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, PathBuf>, String> {
        let _guard = APT.lock().expect("no test panics while it holds this");
        let file = |name: &str, version: &str| {
            let escaped = version.replace(':', "%3a");
            let candidates = ["amd64", "all"].map(|architecture| {
                self.root.join("debs").join(format!("{name}_{escaped}_{architecture}.deb"))
            });
            candidates.into_iter().find(|path| path.exists())
        };
        let missing: Vec<String> = packages
            .iter()
            .filter(|(name, version)| file(name, version).is_none())
            .map(|(name, version)| format!("{name}={version}"))
            .collect();
        if !missing.is_empty() {
            let mut arguments = vec!["download", "-q"];
            arguments.extend(missing.iter().map(String::as_str));
            self.run("apt-get", &arguments)?;
        }
        let found = packages.iter().map(|(name, version)| {
            let path = file(name, version).ok_or_else(|| format!("{name} {version} is missing"))?;
            Ok((name.clone(), path))
        });
        found.collect()
    }

    fn files(&self) -> BTreeMap<String, PathBuf> {
        let entries = fs::read_dir(self.root.join("debs")).into_iter().flatten().flatten();
        let files = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "deb"));
        files
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.split('_').next()?.to_owned();
                Some((name, path))
            })
            .collect()
    }
}

/// Returns the members of a package's control archive. They are kept beside the package.
pub fn control_members(deb: &Path) -> BTreeMap<String, String> {
    let folder = deb.with_extension("control");
    if !folder.exists() {
        let status = Command::new("dpkg-deb").arg("-e").arg(deb).arg(&folder).status().unwrap();
        assert!(status.success(), "{}", deb.display());
    }
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| {
            let bytes = fs::read(entry.path()).unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

/// What stands at a path of a package: the first letter and fourth letter of `ls -l`, and a link's target.
pub type Listing = BTreeMap<String, (char, bool, u64, String)>;

/// Returns the paths in a package, absolute and without a slash at the end.
pub fn list(deb: &Path) -> Listing {
    let kept = deb.with_extension("list");
    let text = fs::read_to_string(&kept).unwrap_or_else(|_| {
        let output =
            Command::new("dpkg-deb").arg("-c").arg(deb).env("LC_ALL", "C").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        fs::write(&kept, &text).unwrap();
        text
    });
    text.lines()
        .map(|line| {
            let mut fields = line.splitn(6, char::is_whitespace).filter(|field| !field.is_empty());
            let mode = fields.next().unwrap_or_default().to_owned();
            let rest = line.split_whitespace().collect::<Vec<_>>();
            let size = rest.get(2).and_then(|text| text.parse().ok()).unwrap_or(0);
            let name = rest[5..].join(" ");
            let (path, target) = name.split_once(" -> ").unwrap_or((&name, ""));
            let path = path.trim_start_matches('.').trim_end_matches('/').to_owned();
            let kind = mode.chars().next().unwrap_or('-');
            (path, (kind, mode.chars().nth(3) == Some('x'), size, target.to_owned()))
        })
        .collect()
}
