// SPDX-License-Identifier: Apache-2.0
//! The sandbox, with real programs in it.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

mod changes;
mod isolation;
mod limits;
mod mounts;
mod ordinary;
mod running;
mod support;
