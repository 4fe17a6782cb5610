// SPDX-License-Identifier: Apache-2.0
//! `hardpan schema`

use std::process::ExitCode;

use crate::args::Schema;
use crate::text::say;

/// Prints the JSON Schema of definitions.
pub(crate) fn run(_command: &Schema) -> anyhow::Result<ExitCode> {
    let schema = serde_json::to_string_pretty(&hardpan::definition::json_schema())?;
    say!("{schema}");
    Ok(ExitCode::SUCCESS)
}
