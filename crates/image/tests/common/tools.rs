// SPDX-License-Identifier: Apache-2.0
//! Running other people's tools.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns where a program is.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    (path.split(':').chain(["/usr/sbin", "/sbin"]))
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
}

/// Says why a test does nothing, if programs are missing.
pub(crate) fn lack(names: &[&str]) -> bool {
    let missing: Vec<&str> = names.iter().copied().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        skip(&format!("not installed: {}", missing.join(", ")));
    }
    !missing.is_empty()
}

#[allow(clippy::print_stderr, reason = "who runs the tests must see what did not run")]
pub(crate) fn skip(reason: &str) {
    eprintln!("skipped: because {reason}");
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Runs a program to its end; returns its output, or all that it said if it failed.
pub(crate) fn attempt(command: &mut Command) -> Result<String, String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{text}{errors}", output.status))
}

/// Runs a program that must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    attempt(command).unwrap_or_else(|error| panic!("{error}"))
}
