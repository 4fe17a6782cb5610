// SPDX-License-Identifier: Apache-2.0
//! Repository tasks: tidy, gen, corpus, bench.

mod tidy;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("tidy") => tidy::run(),
        _ => anyhow::bail!("usage: xtask tidy"),
    }
}
