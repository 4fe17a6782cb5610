// SPDX-License-Identifier: Apache-2.0
//! `scripts.tar`, the scripts of all packages for when they are upgraded or removed, and `triggers`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardpan_package::segment::Unpacked;
use hardpan_tree::{Metadata, TarKind, TarWriter, TreePath};

/// The scripts that a package may have, in apk's order.
const SCRIPTS: [&str; 7] = [
    "pre-install",
    "post-install",
    "pre-deinstall",
    "post-deinstall",
    "pre-upgrade",
    "post-upgrade",
    "trigger",
];

/// Returns `scripts.tar`: a file `NAME-VERSION.CHECKSUM.SCRIPT` for each script.
///
/// The checksum is in hexadecimal digits (`X1…`), as apk 3 writes it and apk 2 reads it: in base64 it may have slashes.
pub(super) fn archive(packages: &[&Unpacked]) -> Vec<u8> {
    let mut archive = TarWriter::new(Vec::new());
    for package in packages {
        let Some(identity) = hexadecimal(&package.identity) else { continue };
        for script in SCRIPTS {
            let Some(text) = package.scripts.get(script) else { continue };
            let name = format!("{}-{}.{identity}.{script}", package.name, package.version);
            // Names of packages are no paths, but what is stored of a package comes from outside.
            let Ok(path) = TreePath::parse(&name) else { continue };
            let metadata = Metadata::root(0o755, package.timestamp);
            let kind = TarKind::File(text.len() as u64);
            archive
                .write_entry(&path, &metadata, kind, &mut text.as_bytes())
                .expect("memory can be written to, and the text is as long as it is");
        }
    }
    archive.write_end_marker().expect("memory can be written to, and all entries are complete");
    archive.into_inner()
}

/// Returns `triggers`: for each package that has one, its checksum and the directories that it waits for.
pub(super) fn triggers(packages: &[&Unpacked]) -> String {
    let mut text = String::new();
    for package in packages {
        let directories: Vec<&str> = package.triggers.split_whitespace().collect();
        if !directories.is_empty() && !package.identity.is_empty() {
            let _ = writeln!(text, "{} {}", package.identity, directories.join(" "));
        }
    }
    text
}

/// Returns a checksum `Q1…` as `X1…`.
fn hexadecimal(identity: &str) -> Option<String> {
    let bytes = STANDARD.decode(identity.strip_prefix('Q')?.get(1..)?).ok()?;
    let digits = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Some(format!("X{}{digits}", &identity[1..2]))
}
