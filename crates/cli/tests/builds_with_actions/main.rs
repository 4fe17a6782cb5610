// SPDX-License-Identifier: Apache-2.0
//! Built-in actions, as a user has them: `hardpan build` makes images from stages that use them, on packages of the
//! real archive. Steps have no network (`--no-network`), only hardpan fetches packages.
//!
//! Maintainer scripts of real packages, too.
//!
//! What each action does in detail is tested in `crates/hardpan/tests/actions`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod debian;
mod go;
mod manifests;
mod scripts;
mod sources;
mod support;
mod verify;
