// SPDX-License-Identifier: Apache-2.0
//! The links by which the applets of busybox are programs: `/bin/ls` to `/bin/busybox`.
//!
//! Alpine's busybox makes them with `busybox --install -s` when it is installed. Here the same is read from the program's
//! file: which applets it has, and in which directory each belongs. What packages bring is never replaced.

mod applets;
mod table;

use std::collections::BTreeMap;

use hardpan_package::segment::Unpacked;
use hardpan_tree::{Tree, TreePath};

use self::applets::Applets;
use super::{Editor, FinishError, Inputs, Report, Warning};

/// The finisher's name.
pub const NAME: &str = "busybox";

/// The scripts with which packages make links.
const SCRIPTS: [&str; 2] = ["post-install", "trigger"];
/// The largest program that is looked into, in bytes. Those of Alpine are about 1 MB.
const PROGRAM_BYTES_MAX: usize = 32 << 20;
/// Applets without which a program of this name is not understood.
const EXPECTED: [(&str, &[&str]); 1] = [("busybox", &["sh", "ls"])];

/// Makes the links of all programs whose packages make them when they are installed.
///
/// # Errors
/// If a program can't be read, or a link not be put where it belongs.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    let mut programs: BTreeMap<&str, &Unpacked> = BTreeMap::new();
    for package in inputs.packages {
        programs.extend(installed_by(package).map(|program| (program, &**package)));
    }
    for (program, package) in programs {
        one(tree, program, package, inputs, report)?;
    }
    Ok(())
}

/// Returns the programs for which a package's scripts say `/bin/busybox --install -s`.
fn installed_by(package: &Unpacked) -> impl Iterator<Item = &str> {
    let scripts = SCRIPTS.iter().filter_map(|name| package.scripts.get(*name));
    scripts.flat_map(|text| text.lines()).filter_map(|line| {
        let mut words = line.split_whitespace();
        let program = words.next()?;
        let name = program.rsplit('/').next().unwrap_or_default();
        let is_busybox = program.starts_with('/') && name.starts_with("busybox");
        (is_busybox && words.next() == Some("--install") && words.any(|word| word == "-s"))
            .then_some(program)
    })
}

fn one(
    tree: &mut Tree,
    program: &str,
    package: &Unpacked,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let warning = |message: String| Warning {
        finisher: NAME,
        package: Some(package.name.clone()),
        file: Some(program.to_owned()),
        lines: None,
        message,
    };
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    let Ok(path) = TreePath::parse(program) else { return Ok(()) };
    let Some(bytes) = editor.read(&path, inputs.contents)? else {
        report.warnings.push(warning("is not there, so its applets have no links".to_owned()));
        return Ok(());
    };
    let applets = Some(&*bytes).filter(|bytes| bytes.len() <= PROGRAM_BYTES_MAX);
    let applets = applets.and_then(applets::find).filter(|applets| is_expected(program, applets));
    let Some(applets) = applets else {
        report.warnings.push(warning("has no table of applets that is understood".to_owned()));
        return Ok(());
    };
    let mut unknown = Vec::new();
    for (name, directory) in &applets {
        let Some(directory) = directory else {
            unknown.push(name.as_str());
            continue;
        };
        let Ok(link) = TreePath::parse(format!("{}/{name}", directory.path())) else { continue };
        if !editor.exists(&link) {
            editor.symlink(&link, program)?;
        }
    }
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        report.warnings.push(warning(format!("applets with no known directory: {names}")));
    }
    report.actions.extend(editor.finish(Some(&package.name)));
    Ok(())
}

fn is_expected(program: &str, applets: &Applets) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    let expected =
        EXPECTED.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, all)| all);
    expected.iter().all(|applet| applets.contains_key(*applet))
}

#[cfg(test)]
mod tests;
