// SPDX-License-Identifier: Apache-2.0
//! Compiles the targets. `cargo` calls this very program in place of the compiler for the crates of the workspace, so that these
//! and no others are compiled for coverage.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::Places;

/// Says that this program is to be the compiler.
const AS_COMPILER: &str = "HARDPAN_FUZZ_COMPILER";
/// The compiler's pass that libFuzzer wants: a counter for each edge, and calls with what is compared.
const FLAGS: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Builds the program, and returns where it is.
pub(super) fn build(places: &Places) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find this program")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo says of this package to whom it runs would be news to build scripts, and have them run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    let status = command
        .current_dir(&places.root)
        .args(["build", "--locked", "--package", "hardpan-fuzz", "--features", "libfuzzer"])
        .env("RUSTC_WORKSPACE_WRAPPER", own)
        .env(AS_COMPILER, "1")
        // The development profile, so that crates of others are those that tests have; ours a little faster.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0")
        .status()
        .context("failed to start cargo")?;
    ensure!(status.success(), "the targets can't be built");
    let built = places.folder.with_file_name("debug").join("hardpan-fuzz");
    // What is built without libFuzzer has the same place.
    let program = places.folder.join("hardpan-fuzz");
    std::fs::create_dir_all(&places.folder).context("failed to make the folder")?;
    std::fs::copy(&built, &program)
        .with_context(|| format!("failed to copy {}", built.display()))?;
    Ok(program)
}

/// Is the compiler, if it was started as that: gives it the flags. Does not return then.
pub(crate) fn compile() -> anyhow::Result<()> {
    if std::env::var_os(AS_COMPILER).is_none() {
        return Ok(());
    }
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next().context("there is no compiler to start")?;
    let arguments: Vec<OsString> = arguments.collect();
    // Cargo also asks it what it is.
    let is_crate = arguments.iter().any(|argument| argument == "--crate-name");
    let flags: &[&str] = if is_crate { &FLAGS } else { &[] };
    let error = Command::new(&compiler).args(&arguments).args(flags).exec();
    Err(error).context("failed to start the compiler")
}
