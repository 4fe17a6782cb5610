// SPDX-License-Identifier: Apache-2.0
//! Build stages: steps that a definition's author wrote, run in the sandbox, and what of their results
//! goes into the image.

mod error;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use error::StageError;
use hardpan_remote::registry::Logins;

/// What build steps, tests and containers are given of this machine.
#[derive(Debug, Clone, Default)]
pub struct StageOptions {
    /// Secrets by id. Only a step that names one gets it.
    pub secrets: BTreeMap<String, Secret>,
    /// Refuse steps with network access, whatever the definition says.
    pub refuse_network: bool,
    /// Where to leave the root of a stage that failed; `None` removes it.
    pub keep_failed: Option<PathBuf>,
    /// Longest time of one step; `None` for no limit.
    pub step_time: Option<Duration>,
    /// Memory of one step; `None` for no limit.
    pub step_memory_bytes: Option<u64>,
    /// Emulators (static `qemu-user`) for programs of other machines, by ELF machine number.
    pub emulators: BTreeMap<u16, PathBuf>,
    /// OCI layouts that images of `artifacts` and `uses` are looked up in before any registry.
    pub artifact_layouts: Vec<PathBuf>,
    /// What lets hardpan in at registries.
    pub logins: Logins,
}

/// A secret's value. It is never printed, written or hashed.
#[derive(Clone)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
