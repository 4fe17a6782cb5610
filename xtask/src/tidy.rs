// SPDX-License-Identifier: Apache-2.0
//! Checks the rules of the repository that the compiler does not: which crate may use which, licences,
//! where the outside world may be touched, and what every file must have or must not.

mod code;
mod graph;
mod licences;
mod sources;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

/// The platform whose dependencies are looked at: the only one that the program runs on.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// The largest file that is read; larger ones are data.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The file, from the root of the repository.
    file: String,
    /// Its line, from 1 on; 0 is the file as a whole.
    line: usize,
    /// What is wrong.
    message: String,
}

impl Violation {
    fn new(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.into(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line.max(1), self.message)
    }
}

/// Checks everything and prints every violation; the exit code is 1 if there are any.
#[expect(clippy::print_stdout, reason = "this is what the task prints")]
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let metadata = MetadataCommand::new()
        .features(CargoOpt::AllFeatures)
        .other_options(["--locked", "--filter-platform", PLATFORM].map(str::to_owned))
        .exec()
        .context("failed to read the cargo metadata")?;
    let root = metadata.workspace_root.as_std_path();
    let files = read_files(root)?;
    let violations = check(&metadata, &files);
    for violation in &violations {
        println!("{violation}");
    }
    println!("tidy: {} files, {} violations", files.len(), violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn check(metadata: &Metadata, files: &BTreeMap<String, String>) -> Vec<Violation> {
    let crates = graph::crates(metadata);
    let text = |path: &str| files.get(path).map_or("", String::as_str);
    let mut violations = graph::check(&crates, files);
    violations.extend(graph::check_banned(metadata));
    violations.extend(graph::check_documented(text("Cargo.toml"), text("docs/dependencies.md")));
    violations.extend(licences::check(metadata));
    violations.extend(sources::check(files, metadata.workspace_root.as_str()));
    violations.sort();
    violations.dedup();
    violations
}

/// Reads all text files that git has or would take.
fn read_files(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("failed to start git")?;
    ensure!(output.status.success(), "git ls-files failed: {}", output.status);
    let mut files = BTreeMap::new();
    for name in output.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let name = std::str::from_utf8(name).context("a file name is not UTF-8")?;
        let path = root.join(name);
        // A file may be deleted but still be known to git; a link is checked where it leads.
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            continue;
        }
        let bytes = std::fs::read(&path).with_context(|| format!("failed to read {name}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.insert(name.to_owned(), text);
        }
    }
    Ok(files)
}
