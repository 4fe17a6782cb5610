// SPDX-License-Identifier: Apache-2.0
//! Where tests find data of others.

use std::path::PathBuf;

/// Returns a file or folder of `$HARDPAN_SHARED`, or of `shared` beside the repository; says so where there is none.
pub(crate) fn shared(below: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let root = std::env::var_os("HARDPAN_SHARED").map_or_else(beside, PathBuf::from);
    let path = root.join(below);
    if !path.exists() {
        println!(
            "skipped: {below} is not there, because neither ../shared nor HARDPAN_SHARED has it"
        );
        return None;
    }
    Some(path)
}
