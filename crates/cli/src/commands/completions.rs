// SPDX-License-Identifier: Apache-2.0
//! `hardpan completions`

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Arguments, Completions, Shell};
use crate::text::say;

/// Prints completions for a shell.
pub(crate) fn run(command: &Completions) -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::command();
    let mut text = Vec::new();
    let generator = match command.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    clap_complete::generate(generator, &mut arguments, "hardpan", &mut text);
    say!("{}", String::from_utf8(text)?.trim_end());
    Ok(ExitCode::SUCCESS)
}
