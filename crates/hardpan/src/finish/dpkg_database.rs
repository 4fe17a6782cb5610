// SPDX-License-Identifier: Apache-2.0
//! `/var/lib/dpkg`: what is installed, as dpkg writes it.
//!
//! Every image has `status` and the packages' checksums, from which scanners learn what is in it and whose a
//! file is: without, they take programs of packages for others. An image with dpkg also has the rest of the database, so that `dpkg -L`, `dpkg -V` and `apt install` work: file lists and
//! checksums of what is really there (stripped and deleted files are not listed), scripts,
//! conffiles, triggers. Lock files come when dpkg runs. Packages that stages brought are in it, too.

mod brought;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hardpan_package::deb::control::{self, Field};
use hardpan_package::segment::{EntryKind, Unpacked};
use hardpan_tree::{Kind, Node, Origin, Tree, TreePath};
use md5::{Digest as _, Md5};

use self::brought::Brought;
use super::{Editor, FinishError, Inputs, Report, Warning, paths};

/// The finisher's name.
pub const NAME: &str = "dpkg-database";

/// The order in which dpkg writes the fields of a stanza; others follow in the package's own.
const FIELDS: [&str; 26] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Config-Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
    "Description",
];
/// Fields that only indexes of archives have, or that dpkg does not keep.
const DROPPED: [&str; 6] = ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "Status"];
/// Control members from which `dpkg-shlibdeps` learns who has a library.
const FOR_BUILDING: [&str; 2] = ["shlibs", "symbols"];

/// The checksums of packages' conffiles as they came, by package (its number) and path.
///
/// Taken before anything changes the tree: dpkg compares with what it installed.
#[derive(Debug, Clone, Default)]
pub struct ConffileSums(BTreeMap<(usize, TreePath), String>);

impl ConffileSums {
    fn has(&self, number: usize, path: &TreePath) -> bool {
        self.0.contains_key(&(number, path.clone()))
    }
}

/// Computes the checksums of all conffiles in a tree of merged packages.
pub fn conffile_sums(tree: &Tree, inputs: &Inputs<'_>) -> Result<ConffileSums, FinishError> {
    let mut sums = BTreeMap::new();
    for (number, package) in inputs.packages.iter().enumerate() {
        for path in &package.conffiles {
            let Ok(place) = tree.resolve_parent(path) else { continue };
            let Some((node, file)) = tree.file(&place) else { continue };
            if !is_from(node, number) {
                continue;
            }
            let bytes = inputs.contents.read(file).map_err(|source| FinishError::Read {
                finisher: NAME,
                path: path.clone(),
                source,
            })?;
            sums.insert((number, path.clone()), hex(&Md5::digest(&bytes)));
        }
    }
    Ok(ConffileSums(sums))
}

fn is_from(node: &Node, number: usize) -> bool {
    matches!(node.origin, Origin::Package(origin) if origin as usize == number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes the database: last of all finishers, since it lists what is there.
///
/// What the definition itself puts into or removes from the database stays so.
pub fn apply(
    tree: &mut Tree,
    sums: &ConffileSums,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let brought = brought::find(tree, inputs, report)?;
    if inputs.packages.is_empty() && brought.is_empty() {
        return Ok(());
    }
    let replaced: BTreeSet<&str> = brought.iter().map(|package| package.name.as_str()).collect();
    let mut order: Vec<usize> = (0..inputs.packages.len())
        .filter(|&number| !replaced.contains(inputs.packages[number].name.as_str()))
        .collect();
    order.sort_by_key(|&number| {
        let package = &inputs.packages[number];
        (package.name.clone(), package.architecture.clone())
    });
    let status = status(&order, &brought, sums, inputs, report);
    let mut files: BTreeMap<String, (String, u32)> = BTreeMap::new();
    files.insert("status".to_owned(), (status, 0o644));
    let is_complete = inputs.has("dpkg");
    if is_complete {
        for &number in &order {
            info_files(tree, number, sums, inputs, &mut files)?;
        }
        files.extend(brought.iter().flat_map(|package| package.info.clone()));
        trigger_files(&order, inputs, &mut files);
        let architecture = format!("{}\n", inputs.definition.platform.architecture());
        for (name, text) in [
            ("arch", architecture.as_str()),
            ("arch-native", &architecture),
            ("available", ""),
            ("diversions", ""),
            ("info/format", "1\n"),
            ("statoverride", ""),
        ] {
            files.insert(name.to_owned(), (text.to_owned(), 0o644));
        }
    } else {
        for &number in &order {
            let text = md5sums(tree, number, inputs)?;
            if !text.is_empty() {
                let name = info_name(&inputs.packages[number]);
                files.insert(format!("info/{name}.md5sums"), (text, 0o644));
            }
        }
        let sums = |(name, _): &(&String, _)| name.ends_with(".md5sums");
        let of_brought = brought.iter().flat_map(|package| package.info.iter().filter(sums));
        files.extend(of_brought.map(|(name, text)| (name.clone(), text.clone())));
    }
    write(tree, files, is_complete, &brought, inputs, report)
}

/// Returns the text of `status`: a stanza for each package, by name and architecture.
fn status(
    order: &[usize],
    brought: &[Brought],
    sums: &ConffileSums,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> String {
    let mut stanzas: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for &number in order {
        let package = &inputs.packages[number];
        match stanza(package, number, sums) {
            Some(text) => {
                stanzas.insert((&package.name, &package.architecture), text);
            }
            None => report.warnings.push(Warning {
                finisher: NAME,
                package: Some(package.name.clone()),
                file: None,
                lines: None,
                message: "its control stanza can't be read".to_owned(),
            }),
        }
    }
    for package in brought {
        stanzas.insert((&package.name, &package.architecture), package.stanza.clone());
    }
    stanzas.into_values().map(|text| text + "\n").collect()
}

fn write(
    tree: &mut Tree,
    files: BTreeMap<String, (String, u32)>,
    is_complete: bool,
    brought: &[Brought],
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let root = TreePath::literal("var/lib/dpkg");
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    brought::remove(&mut editor, brought)?;
    if is_complete {
        for name in ["alternatives", "info", "parts", "triggers", "updates"] {
            let path = root.join(name).expect("a literal path is valid");
            let metadata = editor.metadata(0o755);
            if !paths::is_decided(inputs.definition, &path) {
                editor.missing_directory(&path, metadata)?;
            }
        }
    }
    for (name, (text, mode)) in files {
        // Names of packages are no paths, but what is stored of a package comes from outside.
        let Ok(path) = root.join(&name) else { continue };
        let place = editor.place(&path)?;
        let origin = editor.tree().get(&place).map(|node| node.origin);
        let is_kept = matches!(origin, Some(Origin::Definition | Origin::Stage(_)));
        if !is_kept && !paths::is_decided(inputs.definition, &path) {
            let metadata = editor.metadata(mode);
            editor.file(&path, text.into_bytes(), metadata)?;
        }
    }
    report.actions.extend(editor.finish(None));
    Ok(())
}

/// Returns a package's stanza in `status`; `None` if its own can't be read.
fn stanza(package: &Unpacked, number: usize, sums: &ConffileSums) -> Option<String> {
    let parsed = control::parse_one(package.control.as_bytes(), control::Limits::default()).ok()?;
    Some(stanza_text(&parsed, &conffiles(package, number, sums)))
}

/// Returns a stanza of an installed package, with the fields in dpkg's order.
fn stanza_text(parsed: &control::Paragraph<'_>, conffiles: &str) -> String {
    let mut text = String::new();
    let written = |name: &str, field: Option<&Field<'_>>, text: &mut String| match name {
        "Status" => text.push_str("Status: install ok installed\n"),
        "Conffiles" => text.push_str(conffiles),
        _ => {
            let Some(field) = field else { return };
            let value = if name == "Description" { value(field) } else { one_line(field) };
            if !value.is_empty() {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
    };
    for name in FIELDS {
        written(name, parsed.field(name), &mut text);
    }
    for field in parsed.fields() {
        let is_known =
            FIELDS.iter().chain(&DROPPED).any(|name| field.name.eq_ignore_ascii_case(name));
        if !is_known {
            let _ = writeln!(text, "{}: {}", field.name, value(field));
        }
    }
    text
}

/// Relations and the like: dpkg writes them on one line.
fn one_line(field: &Field<'_>) -> String {
    field.words().collect::<Vec<_>>().join(" ")
}

/// A value as it is, its lines as they are.
fn value(field: &Field<'_>) -> String {
    let lines = field.raw.split('\n').map(str::trim_end);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn conffiles(package: &Unpacked, number: usize, sums: &ConffileSums) -> String {
    let mut text = String::new();
    for path in &package.conffiles {
        if let Some(sum) = sums.0.get(&(number, path.clone())) {
            if text.is_empty() {
                text.push_str("Conffiles:\n");
            }
            let _ = writeln!(text, " {path} {sum}");
        }
    }
    text
}

/// Returns the name that a package's files in `info` begin with: those that can be installed for
/// several architectures at once have theirs in it.
fn info_name(package: &Unpacked) -> String {
    let is_same = package.multi_arch().is_some_and(|text| text.trim() == "same");
    info_name_of(&package.name, &package.architecture, is_same)
}

fn info_name_of(name: &str, architecture: &str, is_same: bool) -> String {
    if is_same { format!("{name}:{architecture}") } else { name.to_owned() }
}

/// Returns whether something of a package is in the tree.
fn is_there(tree: &Tree, path: &TreePath, is_directory: bool, number: usize) -> bool {
    let Some(node) = tree.resolve_parent(path).ok().and_then(|place| tree.get(&place).cloned())
    else {
        return false;
    };
    // A file that another package replaced is that one's.
    is_directory
        || node.kind == Kind::Directory
        || match node.origin {
            Origin::Package(_) => is_from(&node, number),
            _ => true,
        }
}

fn info_files(
    tree: &Tree,
    number: usize,
    sums: &ConffileSums,
    inputs: &Inputs<'_>,
    files: &mut BTreeMap<String, (String, u32)>,
) -> Result<(), FinishError> {
    let package = &inputs.packages[number];
    let name = info_name(package);
    let md5sums = md5sums(tree, number, inputs)?;
    let mut add = |suffix: &str, text: String, mode: u32| {
        if !text.is_empty() {
            files.insert(format!("info/{name}.{suffix}"), (text, mode));
        }
    };
    let mut list = String::from("/.\n");
    for entry in package.entries.iter().filter(|entry| !entry.path.is_root()) {
        if is_there(tree, &entry.path, entry.kind == EntryKind::Directory, number) {
            let _ = writeln!(list, "{}", entry.path);
        }
    }
    add("list", list, 0o644);
    let mut conffiles = String::new();
    for path in package.conffiles.iter().filter(|path| sums.has(number, path)) {
        let _ = writeln!(conffiles, "{path}");
    }
    add("conffiles", conffiles, 0o644);
    add("triggers", package.triggers.clone(), 0o644);
    for (script, text) in &package.scripts {
        add(script, text.clone(), 0o755);
    }
    // What only the building of other packages needs is there where packages can be built.
    let is_for_building = inputs.has("dpkg-dev");
    let members = package
        .control_members
        .iter()
        .filter(|(member, _)| is_for_building || !FOR_BUILDING.contains(&member.as_str()));
    for (member, text) in members {
        add(member, text.clone(), 0o644);
    }
    // Even an empty one: dpkg takes a package without for damaged.
    files.insert(format!("info/{name}.md5sums"), (md5sums, 0o644));
    Ok(())
}

/// Returns the checksums of a package's files in the tree. As dpkg does, those of a package that
/// brings none are computed, of all its files but conffiles.
fn md5sums(tree: &Tree, number: usize, inputs: &Inputs<'_>) -> Result<String, FinishError> {
    let package = &inputs.packages[number];
    let mut text = String::new();
    if !package.md5sums.is_empty() {
        for line in package.md5sums.lines().filter(|line| is_listed(tree, line, number)) {
            let _ = writeln!(text, "{line}");
        }
        return Ok(text);
    }
    for entry in &package.entries {
        let is_file = matches!(entry.kind, EntryKind::File(_) | EntryKind::HardLink(_));
        let place = tree.resolve_parent(&entry.path).ok().filter(|_| is_file);
        let Some((node, file)) = place.and_then(|place| tree.file(&place)) else { continue };
        if !is_from(node, number) || package.conffiles.contains(&entry.path) {
            continue;
        }
        let bytes = inputs.contents.read(file).map_err(|source| FinishError::Read {
            finisher: NAME,
            path: entry.path.clone(),
            source,
        })?;
        let path = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        let _ = writeln!(text, "{}  {path}", hex(&Md5::digest(&bytes)));
    }
    Ok(text)
}

/// Returns whether a line of `md5sums` is about a file of the package that is in the tree as it came:
/// what the definition put in its place, such as os-release, has another checksum.
fn is_listed(tree: &Tree, line: &str, number: usize) -> bool {
    let Some((_, path)) = line.split_once(char::is_whitespace) else { return false };
    TreePath::parse(path.trim_start().trim_start_matches('*')).is_ok_and(|path| {
        let place = tree.resolve_parent(&path).ok();
        place.and_then(|place| tree.get(&place)).is_some_and(|node| is_from(node, number))
    })
}

/// Says who is interested in which trigger.
fn trigger_files(
    order: &[usize],
    inputs: &Inputs<'_>,
    files: &mut BTreeMap<String, (String, u32)>,
) {
    let mut of_files = String::new();
    for &number in order {
        let package = &inputs.packages[number];
        for line in package.triggers.lines() {
            let mut words = line.split_whitespace();
            let (Some(word), Some(trigger)) = (words.next(), words.next()) else { continue };
            let options = match word {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            let interested = format!("{}{options}", info_name(package));
            if trigger.starts_with('/') {
                let _ = writeln!(of_files, "{trigger} {interested}");
            } else if !trigger.contains('/') && trigger != "." && trigger != ".." {
                let file = files.entry(format!("triggers/{trigger}"));
                let (text, _) = file.or_insert_with(|| (String::new(), 0o644));
                let _ = writeln!(text, "{interested}");
            }
        }
    }
    files.insert("triggers/File".to_owned(), (of_files, 0o644));
    files.insert("triggers/Unincorp".to_owned(), (String::new(), 0o644));
}

#[cfg(test)]
mod tests;
