// SPDX-License-Identifier: Apache-2.0
//! Built-in actions do their work on small real projects, in a Debian root without network.

#![allow(clippy::unwrap_used, clippy::print_stderr, dead_code, reason = "these are tests")]

mod abuild;
mod abuild_build;
mod alpine;
mod debian;
mod go;
mod manifests;
mod patches;
mod sbom;
mod support;
mod verify;
