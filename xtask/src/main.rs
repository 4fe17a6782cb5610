// SPDX-License-Identifier: Apache-2.0
//! Repository tasks: tidy, gen, corpus, bench.

mod r#gen;
mod tidy;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["tidy"] => tidy::run(),
        ["gen"] => r#gen::write(),
        ["gen", "--check"] => r#gen::check(),
        ["gen", "--man", folder] => r#gen::write_man(folder.as_ref()),
        _ => anyhow::bail!("usage: xtask tidy | gen [--check | --man FOLDER]"),
    }
}
