// SPDX-License-Identifier: Apache-2.0
//! The `hardpan` command: parses arguments, draws progress and results, maps errors to exit codes.

mod args;
mod commands;
mod diagnostics;
mod failure;
mod keys;
mod logins;
mod machine;
mod near;
mod progress;
mod stages;
mod text;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

/// What Sigstore's tools call the plugin for keys of hardpan.
const PLUGIN: &str = "sigstore-kms-hardpan";

/// Under the name of a plugin the program is one, with what it was given as the question.
fn called_as(arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    if name.is_none_or(|name| name != PLUGIN) {
        return arguments;
    }
    let before = ["hardpan", "signer", "kms-plugin", "--"].map(OsString::from);
    before.into_iter().chain(arguments.into_iter().skip(1)).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(called_as(std::env::args_os().collect()));
    let common = &arguments.common;
    let result = match &arguments.command {
        Command::Build(command) => commands::build::run(common, command),
        Command::Test(command) => commands::test::run(common, command),
        Command::Run(command) => commands::run::run(common, command),
        Command::Resolve(command) => commands::resolve::run(common, command),
        Command::Check(command) => commands::check::run(common, command),
        Command::Explain(command) => commands::explain::run(common, command),
        Command::Sbom(command) => commands::sbom::run(common, command),
        Command::Diff(command) => commands::diff::run(common, command),
        Command::Compare(command) => commands::compare::run(common, command),
        Command::Audit(command) => commands::audit::run(common, command),
        Command::Scan(command) => commands::scan::run(common, command),
        Command::Secrets(command) => commands::secrets::run(common, command),
        Command::Malware(command) => commands::malware::run(common, command),
        Command::Vex(command) => commands::vex::run(common, command),
        Command::Db(command) => commands::db::run(common, command),
        Command::Keygen(command) => commands::keygen::run(common, command),
        Command::Signer(command) => commands::signer::run(common, command),
        Command::Publish(command) => commands::publish::run(common, command),
        Command::Verify(command) => commands::verify::run(common, command),
        Command::Policy(command) => commands::policy::run(common, command),
        Command::Attest(command) => commands::attest::run(common, command),
        Command::Rebuild(command) => commands::rebuild::run(common, command),
        Command::Copy(command) => commands::copy::copy(common, command),
        Command::Export(command) => commands::copy::export(common, command),
        Command::Import(command) => commands::copy::import(common, command),
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
