// SPDX-License-Identifier: Apache-2.0
//! Docker Hardened Images' own definitions: read from `../shared` beside the repository, or `HARDPAN_SHARED`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{attempt, find, lack, skip};

/// Returns where the definitions are, or says why there are none.
pub(crate) fn shared() -> Option<PathBuf> {
    let named = std::env::var("HARDPAN_SHARED").map(|path| vec![PathBuf::from(path)]);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let above = || manifest.ancestors().map(|above| above.join("shared")).collect();
    let shared = named.unwrap_or_else(|_| above()).into_iter();
    let Some(shared) = shared.into_iter().find(|path| path.join("dhi").is_dir()) else {
        skip("the public catalog is not there: ../shared/dhi, or HARDPAN_SHARED");
        return None;
    };
    (!lack(&["tar", "xz"])).then_some(shared)
}

/// Unpacks a part of the catalog's definitions and their files, with our substitutions at the root.
pub(crate) fn unpack(shared: &Path, root: &Path, archives: &[&str], part: &str) {
    for archive in archives {
        let mut tar = Command::new(find("tar").unwrap());
        tar.arg("--extract").arg("--file").arg(shared.join("dhi").join(archive));
        attempt(tar.arg("--directory").arg(root).arg(part)).ok();
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/dhi/hardpan.toml");
    fs::copy(example, root.join("hardpan.toml")).unwrap();
}
