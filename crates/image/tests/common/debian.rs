// SPDX-License-Identifier: Apache-2.0
//! Packages of Debian, fetched and unpacked but not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use hardpan_tree::Digest;

use super::tools::attempt;

/// One test at a time fetches, so that none sees half a package of another.
static FETCHING: Mutex<()> = Mutex::new(());

/// How long a list serves: an archive soon lacks the packages that older ones name.
const KEEP: Duration = Duration::from_hours(24);

/// A release of Debian in the archive that this machine's apt uses.
pub(crate) struct Suite {
    name: String,
    archive: String,
    packages: String,
}

impl Suite {
    /// Fetches a release's list of packages; says why if it can't be had.
    pub(crate) fn open(name: &str) -> Result<Self, String> {
        let _lock = FETCHING.lock();
        let targets = attempt(
            Command::new("apt-get")
                .args(["indextargets", "--format", "$(REPO_URI)"])
                .arg("Created-By: Packages"),
        )?;
        let archive = (targets.lines().map(|line| line.trim_end_matches('/')))
            .find(|line| line.ends_with("/debian"))
            .ok_or("apt has no Debian archive")?
            .to_owned();
        let index = directory().join(format!("{name}.packages.xz"));
        if age(&index).is_none_or(|age| age > KEEP) {
            fetch(&format!("{archive}/dists/{name}/main/binary-amd64/Packages.xz"), &index)?;
        }
        let packages = attempt(Command::new("xz").args(["--decompress", "--stdout"]).arg(&index))?;
        Ok(Self { name: name.to_owned(), archive, packages })
    }

    /// Fetches and unpacks a package once and returns where it is.
    pub(crate) fn unpack(&self, package: &str) -> Result<PathBuf, String> {
        let _lock = FETCHING.lock();
        let root = directory().join(format!("{}-{package}", self.name));
        if root.exists() {
            return Ok(root);
        }
        let stanza = (self.packages.split("\n\n"))
            .find(|stanza| stanza.lines().next() == Some(&format!("Package: {package}")))
            .ok_or_else(|| format!("{} has no package {package}", self.name))?;
        let field = |key: &str| {
            (stanza.lines().find_map(|line| line.strip_prefix(key)))
                .map(str::trim)
                .ok_or_else(|| format!("{package} has no {key}"))
        };
        let file = directory().join(format!("{}-{package}.deb", self.name));
        fetch(&format!("{}/{}", self.archive, field("Filename:")?), &file)?;
        let bytes = fs::read(&file).map_err(|error| error.to_string())?;
        if Digest::of(&bytes).to_hex() != field("SHA256:")? {
            return Err(format!("{package} has another digest than its archive says"));
        }
        let half = directory().join(format!("{}-{package}.half", self.name));
        let _ = fs::remove_dir_all(&half);
        attempt(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(&half))?;
        fs::rename(&half, &root).map_err(|error| error.to_string())?;
        fs::remove_file(&file).map_err(|error| error.to_string())?;
        Ok(root)
    }
}

/// Where packages stay from one run to the next: below Cargo's target directory.
fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
    let _ = fs::create_dir_all(&directory);
    directory
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

fn fetch(url: &str, target: &Path) -> Result<(), String> {
    let half = target.with_extension("half");
    attempt(
        Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--location", "--max-time", "300"])
            .args(["--retry", "5", "--retry-all-errors"])
            .arg("--output")
            .arg(&half)
            .arg(url),
    )?;
    fs::rename(&half, target).map_err(|error| error.to_string())
}
