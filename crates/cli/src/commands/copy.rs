// SPDX-License-Identifier: Apache-2.0
//! `hardpan copy`, `hardpan export`, `hardpan import`

use std::process::ExitCode;

use hardpan::{Copied, Location};

use super::place;
use crate::args::Common;
use crate::args::trust::{Copy, Export, Import};
use crate::progress::Progress;
use crate::text::{DIM, GOOD, WARNING, count, note, say, size, styled};

/// Copies an image.
pub(crate) fn copy(common: &Common, command: &Copy) -> anyhow::Result<ExitCode> {
    bring(common, &place::existing(&command.from)?, &place::target(&command.to)?)
}

/// Writes an image into a file.
pub(crate) fn export(common: &Common, command: &Export) -> anyhow::Result<ExitCode> {
    let to = Location::Archive(command.archive.clone());
    bring(common, &place::existing(&command.from)?, &to)
}

/// Brings an image of a file somewhere.
pub(crate) fn import(common: &Common, command: &Import) -> anyhow::Result<ExitCode> {
    let from = Location::Archive(command.archive.clone());
    bring(common, &from, &place::target(&command.to)?)
}

fn bring(common: &Common, from: &Location, to: &Location) -> anyhow::Result<ExitCode> {
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let copied = machine.session(&progress).copy(from, to);
    progress.clear();
    let copied = copied?;
    if common.json {
        say!("{}", serde_json::to_string(&copied)?);
    } else if !common.quiet {
        let Copied { platforms, size_bytes, attached, .. } = &copied;
        say!(
            "{} {from} → {to}: {}, {}, {}",
            styled(GOOD, "copied"),
            count(*platforms, "platform"),
            size(*size_bytes),
            count(*attached, "attached manifest"),
        );
        if copied.left_out > 0 {
            let left_out = count(copied.left_out, "attached manifest");
            note!("{} {left_out} left out: not whole where it lies", styled(WARNING, "warning:"));
        }
        say!("{}", styled(DIM, &copied.digest.to_string()));
    }
    Ok(ExitCode::SUCCESS)
}
