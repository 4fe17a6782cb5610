// SPDX-License-Identifier: Apache-2.0
//! Repository tasks: tidy, gen, corpus, bench.

mod corpus;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Repository tasks.
#[derive(Parser, Debug)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand, Debug)]
enum Task {
    /// Check every published definition.
    Corpus(corpus::Arguments),
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Corpus(arguments) => corpus::run(&arguments),
    }
}
