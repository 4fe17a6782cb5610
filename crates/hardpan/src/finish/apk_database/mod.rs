// SPDX-License-Identifier: Apache-2.0
//! apk's database of what is installed, `/lib/apk/db`, as apk would have written it.
//!
//! apk 2 and 3 both have it below `/lib`, which leads to `/usr/lib` where a release has merged the two. Every image has
//! `installed`: programs that look for known vulnerabilities read it. Where apk is to work, its scripts and triggers are
//! there too. `lock` is not: apk makes it when it needs it.
//!
//! A package's files are listed as far as they are in the tree, with their owners and modes there, and with the
//! checksums that they came with: so apk keeps what was changed when it upgrades the package.

mod installed;
mod scripts;

use hardpan_package::segment::{Format, Unpacked};
use hardpan_tree::{Origin, Tree, TreePath};

use super::{Editor, FinishError, Inputs, Report, Warning, apk_settings, paths};

/// The finisher's name.
pub const NAME: &str = "apk-database";

/// Where the database is.
const ROOT: &str = "lib/apk/db";

/// Writes the database: last of all finishers, since it lists what is there.
///
/// What the definition itself puts there stays so.
///
/// # Errors
/// If a file can't be put where it belongs.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    let mut packages: Vec<(u32, &Unpacked)> = (0..)
        .zip(inputs.packages)
        .filter(|(_, package)| package.format == Format::Apk)
        .map(|(number, package)| (number, &**package))
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    packages.sort_by_key(|(_, package)| &package.name);
    for (_, package) in packages.iter().filter(|(_, package)| package.identity.is_empty()) {
        let message = "the checksum that identifies it is not known, so apk would install it again";
        report.warnings.push(warning(package, message.to_owned()));
    }
    let mut installed = Vec::new();
    for (number, package) in &packages {
        installed.extend(installed::entry(tree, *number, package));
    }
    let mut files = vec![("installed", installed)];
    if apk_settings::is_wanted(inputs) {
        let packages: Vec<&Unpacked> = packages.iter().map(|(_, package)| *package).collect();
        files.push(("scripts.tar", scripts::archive(&packages)));
        files.push(("triggers", scripts::triggers(&packages).into_bytes()));
    }
    write(tree, files, inputs, report)
}

fn write(
    tree: &mut Tree,
    files: Vec<(&'static str, Vec<u8>)>,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let root = TreePath::literal(ROOT);
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    for (name, bytes) in files {
        let path = root.join(name).expect("a literal path is valid");
        let place = editor.place(&path)?;
        let origin = editor.tree().get(&place).map(|node| node.origin);
        let is_kept = matches!(origin, Some(Origin::Definition | Origin::Stage(_)));
        if !is_kept && !paths::is_decided(inputs.definition, &path) {
            let metadata = editor.metadata(0o644);
            editor.file(&path, bytes, metadata)?;
        }
    }
    report.actions.extend(editor.finish(None));
    Ok(())
}

fn warning(package: &Unpacked, message: String) -> Warning {
    let package = Some(package.name.clone());
    Warning { finisher: NAME, package, file: None, lines: None, message }
}

#[cfg(test)]
mod tests;
