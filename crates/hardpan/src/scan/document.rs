// SPDX-License-Identifier: Apache-2.0
//! Scans of SBOMs.

use std::path::Path;
use std::sync::Arc;

use hardpan_attest::sbom::read::{self, SBOM_BYTES_MAX};
use hardpan_scan::inventory::Inventory;
use hardpan_scan::report::{InventoryOrigin, Subject};

use super::{ScanError, Surveyed};
use crate::error::Error;

/// Takes the packages of an SBOM.
pub(super) fn survey(path: &Path) -> Result<Surveyed, Error> {
    let bytes = crate::trust::read_file(path, SBOM_BYTES_MAX)?;
    let wrap = |source| ScanError::Document { path: path.to_owned(), source };
    let listing = read::read(&bytes).map_err(wrap)?;
    Ok(Surveyed {
        subject: Subject {
            name: path.display().to_string(),
            version: None,
            digest: None,
            index: None,
            platform: None,
            epoch: 0,
        },
        inventory: Arc::new(Inventory::from(listing)),
        origin: InventoryOrigin::Document,
        warnings: Vec::new(),
        vex: Vec::new(),
    })
}
