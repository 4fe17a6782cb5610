// SPDX-License-Identifier: Apache-2.0
//! `xtask fuzz`: builds the fuzz targets with libFuzzer and runs them.
//!
//! There is nothing to install: libFuzzer comes as a crate, and the coverage that it is guided by from the compiler's own pass,
//! which a stable toolchain has. Only crates of this workspace are compiled with it. What a parser does is what is to be
//! explored, and crates of others need not be compiled again.

mod build;
mod corpus;
mod run;

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use cargo_metadata::MetadataCommand;
use clap::Args;
use hardpan_fuzz::{TARGETS, Target};

pub(crate) use build::compile;

/// Arguments of `xtask fuzz`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Which targets [default: all].
    targets: Vec<String>,
    /// How long each of them runs, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// How many run at once.
    #[arg(long, default_value = "2")]
    jobs: NonZero<usize>,
    /// Where chance begins: the same seed and the same time try much the same.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Go on from what earlier runs found worth keeping, and keep what this one does.
    #[arg(long)]
    keep: bool,
    /// Only list the targets and their parts.
    #[arg(long)]
    list: bool,
}

/// Where everything is.
#[derive(Debug)]
struct Places {
    /// The repository.
    root: PathBuf,
    /// Where all that is written goes.
    folder: PathBuf,
    /// The folder with shared test data, if there is one.
    shared: Option<PathBuf>,
}

/// Runs the targets, and prints a line for each. The exit code is 1 if any found something.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let targets = chosen(&arguments.targets)?;
    if arguments.list {
        for target in targets {
            let parts: Vec<&str> = target.parts.iter().map(|part| part.name).collect();
            println!("{}: {}", target.name, parts.join(", "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let metadata =
        MetadataCommand::new().no_deps().exec().context("failed to read the cargo metadata")?;
    let root = metadata.workspace_root.into_std_path_buf();
    let shared = std::env::var_os("HARDPAN_SHARED").map_or(root.join("../shared"), PathBuf::from);
    let places = Places {
        folder: metadata.target_directory.into_std_path_buf().join("fuzz"),
        shared: shared.is_dir().then_some(shared),
        root,
    };
    let program = build::build(&places)?;
    for target in &targets {
        corpus::prepare(target, &places, arguments.keep)?;
    }
    let failures = run::all(&targets, &program, &places, arguments)?;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Target>> {
    for name in names {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        ensure!(
            Target::of(name).is_some(),
            "there is no target {name:?}, but {}",
            known.join(", ")
        );
    }
    let is_chosen = |target: &&Target| names.is_empty() || names.iter().any(|it| it == target.name);
    Ok(TARGETS.iter().filter(is_chosen).collect())
}
