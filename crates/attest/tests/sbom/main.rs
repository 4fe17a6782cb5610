// SPDX-License-Identifier: Apache-2.0
//! SBOMs as others see them: official schemas, validators of others, and what is written byte for byte.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking, and say what they skip"
)]

mod model;
mod reading;
mod schemas;
#[expect(clippy::too_many_lines, reason = "documents are long")]
mod snapshots;
mod tools;
