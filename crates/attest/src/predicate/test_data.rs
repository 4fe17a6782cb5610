// SPDX-License-Identifier: Apache-2.0
//! Where tests find documents of others.

use std::path::PathBuf;

/// Returns a folder of `$HARDPAN_SHARED`, or of `shared` beside the repository; says so where there is none.
pub(super) fn shared(below: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let root = std::env::var_os("HARDPAN_SHARED").map_or_else(beside, PathBuf::from);
    let path = root.join(below);
    if !path.exists() {
        eprintln!("skipped: {below} is not there: ../shared, or HARDPAN_SHARED");
        return None;
    }
    Some(path)
}
