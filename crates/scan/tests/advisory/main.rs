// SPDX-License-Identifier: Apache-2.0
//! What sources publish becomes what they say, in a database.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod debian;
mod ecosystems;
mod hostile;
mod lists;
mod real;
mod support;
