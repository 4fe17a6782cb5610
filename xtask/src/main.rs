// SPDX-License-Identifier: Apache-2.0
//! Repository tasks: tidy, gen, corpus, fuzz, bench.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tasks talk to whoever runs them")]

mod bench;
mod corpus;
mod fuzz;
mod r#gen;
mod layers;
mod tidy;

use std::process::ExitCode;

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
    /// Measure cold, warm and no-op builds.
    Bench(bench::Arguments),
    /// Measure scans and audits beside syft.
    BenchScan(bench::scan::Arguments),
    /// Measure signing and publishing beside cosign.
    BenchSigning(bench::signing::Arguments),
    /// Check every published definition.
    Corpus(corpus::Arguments),
    /// Measure how much images share under different layer plans.
    Layers(layers::Arguments),
    /// Run every parser on what a fuzzer makes up.
    Fuzz(fuzz::Arguments),
    /// Write the reference from the code.
    Gen(r#gen::Arguments),
    /// Check the rules that the compiler does not know.
    Tidy,
}

fn main() -> anyhow::Result<ExitCode> {
    fuzz::compile()?;
    match Cli::parse().task {
        Task::Bench(arguments) => bench::run(&arguments),
        Task::BenchScan(arguments) => bench::scan::run(&arguments),
        Task::BenchSigning(arguments) => bench::signing::run(&arguments),
        Task::Corpus(arguments) => corpus::run(&arguments).map(|()| ExitCode::SUCCESS),
        Task::Layers(arguments) => layers::run(&arguments).map(|()| ExitCode::SUCCESS),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Gen(arguments) => r#gen::run(&arguments),
        Task::Tidy => tidy::run(),
    }
}
