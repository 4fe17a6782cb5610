// SPDX-License-Identifier: Apache-2.0
//! The `hardpan` command: parses arguments, draws progress and results, maps errors to exit codes.

mod args;
mod commands;
mod diagnostics;
mod failure;
mod logins;
mod machine;
mod progress;
mod stages;
mod text;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let common = &arguments.common;
    let result = match &arguments.command {
        Command::Build(command) => commands::build::run(common, command),
        Command::Test(command) => commands::test::run(common, command),
        Command::Run(command) => commands::run::run(common, command),
        Command::Resolve(command) => commands::resolve::run(common, command),
        Command::Check(command) => commands::check::run(common, command),
        Command::Explain(command) => commands::explain::run(common, command),
        Command::Schema(command) => commands::schema::run(command),
        Command::Init(command) => commands::init::run(command),
        Command::Store(command) => commands::store::run(common, command),
        Command::Completions(command) => commands::completions::run(command),
    };
    match result {
        Ok(code) => code,
        Err(error) => failure::report(&error, common.json),
    }
}
