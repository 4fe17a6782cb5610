// SPDX-License-Identifier: Apache-2.0
//! What needs a program of the image's packages: compiled modules, indexes, scripts. Through the facade, with
//! real interpreters and tools.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test code: panics and output are for the one who runs it"
)]

#[path = "../../../package/tests/scripts_support/mod.rs"]
mod scripts_support;

mod builder;
mod caches;
mod pyc;
mod scripts;
mod support;
