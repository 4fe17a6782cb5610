// SPDX-License-Identifier: Apache-2.0
//! Packages that build stages brought, as the action `deb/install` leaves them with `root`: below
//! `/var/lib/dpkg/status.d` the control file under the package's name, and its other control members as `NAME.MEMBER`.
//!
//! They become a part of the database, in place of a package of the same name, and their files go.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hardpan_package::deb::control;
use hardpan_tree::{Origin, Tree, TreePath};
use md5::{Digest as _, Md5};

use super::{NAME, hex, info_name_of, stanza_text};
use crate::finish::{Editor, FinishError, Inputs, Report, Warning};

/// Where stages leave them.
const FOLDER: &str = "var/lib/dpkg/status.d";
/// The control members that dpkg keeps, and the list of the package's paths.
const MEMBERS: [&str; 12] = [
    "conffiles",
    "config",
    "list",
    "md5sums",
    "postinst",
    "postrm",
    "preinst",
    "prerm",
    "shlibs",
    "symbols",
    "templates",
    "triggers",
];
/// Those of them that are programs.
const PROGRAMS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

/// A package that a stage brought.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) name: String,
    pub(super) architecture: String,
    /// What `status` says of it.
    pub(super) stanza: String,
    /// Its files in `info`, with their modes.
    pub(super) info: BTreeMap<String, (String, u32)>,
    files: Vec<TreePath>,
}

/// Finds what stages brought.
pub(super) fn find(
    tree: &Tree,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<Vec<Brought>, FinishError> {
    let folder = TreePath::literal(FOLDER);
    let mut texts: BTreeMap<String, (TreePath, String)> = BTreeMap::new();
    for (path, node) in tree.walk_below(&folder) {
        if !matches!(node.origin, Origin::Stage(_)) || path.parent().as_ref() != Some(&folder) {
            continue;
        }
        if let Some(bytes) = read(tree, path, inputs)? {
            let name = String::from_utf8_lossy(path.name()).into_owned();
            texts.insert(name, (path.clone(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let mut found = Vec::new();
    for (name, (path, text)) in &texts {
        let is_member = name.rsplit_once('.').is_some_and(|(package, member)| {
            MEMBERS.contains(&member) && texts.contains_key(package)
        });
        if is_member {
            continue;
        }
        match brought(name, path, text, &texts, tree, inputs)? {
            Some(package) => found.push(package),
            None => report.warnings.push(Warning {
                finisher: NAME,
                package: None,
                file: Some(path.to_string()),
                lines: None,
                message: "is no control file of the package whose name it has".to_owned(),
            }),
        }
    }
    Ok(found)
}

fn brought(
    name: &str,
    path: &TreePath,
    text: &str,
    texts: &BTreeMap<String, (TreePath, String)>,
    tree: &Tree,
    inputs: &Inputs<'_>,
) -> Result<Option<Brought>, FinishError> {
    let Ok(control) = control::parse_one(text.as_bytes(), control::Limits::default()) else {
        return Ok(None);
    };
    let (Some(package), Some(architecture), Some(_)) =
        (control.get("Package"), control.get("Architecture"), control.get("Version"))
    else {
        return Ok(None);
    };
    if package != name {
        return Ok(None);
    }
    let is_same = control.get("Multi-Arch").is_some_and(|text| text.trim() == "same");
    let info_name = info_name_of(package, architecture, is_same);
    let mut files = vec![path.clone()];
    let mut info = BTreeMap::new();
    for member in MEMBERS {
        let Some((path, text)) = texts.get(&format!("{name}.{member}")) else { continue };
        files.push(path.clone());
        let mode = if PROGRAMS.contains(&member) { 0o755 } else { 0o644 };
        info.insert(format!("info/{info_name}.{member}"), (text.clone(), mode));
    }
    // Even an empty one: dpkg takes a package without for damaged.
    info.entry(format!("info/{info_name}.md5sums")).or_insert((String::new(), 0o644));
    let listed = texts.get(&format!("{name}.conffiles")).map_or("", |(_, text)| text.as_str());
    let stanza = stanza_text(&control, &conffiles(listed, tree, inputs)?);
    Ok(Some(Brought {
        name: package.to_owned(),
        architecture: architecture.to_owned(),
        stanza,
        info,
        files,
    }))
}

/// Returns the field of configuration files with the checksums of what is there.
fn conffiles(listed: &str, tree: &Tree, inputs: &Inputs<'_>) -> Result<String, FinishError> {
    let mut text = String::new();
    // Lines with flags before the path name files that are no longer the package's.
    for line in listed.lines().filter(|line| line.starts_with('/')) {
        let Ok(path) = TreePath::parse(line) else { continue };
        if let Some(bytes) = read(tree, &path, inputs)? {
            if text.is_empty() {
                text.push_str("Conffiles:\n");
            }
            let _ = writeln!(text, " {line} {}", hex(&Md5::digest(&bytes)));
        }
    }
    Ok(text)
}

fn read(tree: &Tree, path: &TreePath, inputs: &Inputs<'_>) -> Result<Option<Vec<u8>>, FinishError> {
    let Ok(place) = tree.resolve_parent(path) else { return Ok(None) };
    let Some((_, file)) = tree.file(&place) else { return Ok(None) };
    let bytes = inputs.contents.read(file).map_err(|source| FinishError::Read {
        finisher: NAME,
        path: path.clone(),
        source,
    })?;
    Ok(Some(bytes.to_vec()))
}

/// Removes the files that are a part of the database now.
pub(super) fn remove(editor: &mut Editor<'_>, packages: &[Brought]) -> Result<(), FinishError> {
    let folder = TreePath::literal(FOLDER);
    for path in packages.iter().flat_map(|package| &package.files) {
        editor.remove(path)?;
    }
    if !packages.is_empty() && editor.tree().children(&folder).next().is_none() {
        editor.remove(&folder)?;
    }
    Ok(())
}
