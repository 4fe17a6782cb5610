// SPDX-License-Identifier: Apache-2.0
//! Builds images from definitions as users do and runs them in podman, hardened.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod alpine;
pub(crate) mod catalog;
pub(crate) mod dhi;
pub(crate) mod podman;
pub(crate) mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use catalog::{Built, Catalog};
use podman::Podman;
use tools::lack;

/// A catalog, a podman and the images that were built and loaded so far.
pub(crate) struct Suite {
    pub(crate) catalog: Catalog,
    pub(crate) podman: Podman,
    /// For files that tests mount into containers.
    pub(crate) directory: PathBuf,
    images: Mutex<BTreeMap<String, Arc<OnceLock<Built>>>>,
}

impl Suite {
    /// Makes the suite of a test program, or says why it can't run here. State of an earlier run goes.
    pub(crate) fn new(program: &str, catalog: impl FnOnce(&Path) -> Catalog) -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            tools::skip("the images are built for x86-64");
            return None;
        }
        if lack(&["podman", "runc", "openssl", "dpkg-query"]) {
            return None;
        }
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(program);
        let podman = Podman::new(&directory.join("podman"))?;
        for name in ["catalog", "files"] {
            tools::remove(&directory.join(name));
            std::fs::create_dir_all(directory.join(name)).unwrap();
        }
        let catalog = catalog(&directory.join("catalog"));
        let directory = directory.join("files");
        Some(Self { catalog, podman, directory, images: Mutex::default() })
    }

    /// Returns the image of a definition: built and loaded once, whoever asks first.
    pub(crate) fn image(&self, definition: &str) -> Built {
        let cell = {
            let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
            images.entry(definition.to_owned()).or_default().clone()
        };
        cell.get_or_init(|| {
            let archive = self.directory.join(format!("{}.tar", definition.replace('/', "_")));
            let built = self.catalog.build(definition, &archive);
            self.podman.load(&archive, &built);
            std::fs::remove_file(&archive).unwrap();
            built
        })
        .clone()
    }

    /// Makes an empty directory for a test's files.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.directory.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }
}
