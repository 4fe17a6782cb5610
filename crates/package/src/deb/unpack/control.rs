// SPDX-License-Identifier: Apache-2.0
//! Reading `control.tar`.

use std::collections::BTreeMap;
use std::io::Read;

use hardpan_tree::{Digest, TarEntryKind, TreePath};

use super::{Expected, MemberTar, UnpackError, merged_usr, tar_error};
use crate::deb::control;
use crate::deb::relation::check_name;
use crate::deb::version::VersionRef;

const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];
/// The longest package name, version or architecture, in bytes.
const FIELD_BYTES_MAX: usize = 255;

/// What `control.tar` holds.
#[derive(Debug, Default)]
pub(super) struct Control {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) stanza: String,
    pub(super) conffiles: Vec<TreePath>,
    pub(super) md5sums: String,
    pub(super) scripts: BTreeMap<String, String>,
    pub(super) script_digests: BTreeMap<String, Digest>,
    pub(super) triggers: String,
    pub(super) others: BTreeMap<String, String>,
}

pub(super) fn read(tar: &mut MemberTar<'_>, member: &str) -> Result<Control, UnpackError> {
    let mut control = Control::default();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    while let Some(entry) = tar.next_entry().map_err(|error| tar_error(member, error))? {
        let name = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        let bad = |problem| UnpackError::ControlFile { name: name.clone(), problem };
        match entry.kind {
            TarEntryKind::Directory => continue,
            TarEntryKind::File(_) if name.contains('/') => return Err(bad("in a directory")),
            TarEntryKind::File(_) => {}
            _ => return Err(bad("not a file")),
        }
        if files.contains_key(&name) {
            return Err(bad("there twice"));
        }
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).map_err(|error| tar_error(member, error.into()))?;
        files.insert(name, bytes);
    }
    for (name, bytes) in files {
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            "control" => control.set_stanza(&text())?,
            "conffiles" => control.conffiles = conffiles(&bytes)?,
            "md5sums" => control.md5sums = text(),
            "triggers" => control.triggers = text(),
            script if SCRIPTS.contains(&script) => {
                control.scripts.insert(script.to_owned(), text());
                control.script_digests.insert(script.to_owned(), Digest::of(&bytes));
            }
            _ => {
                control.others.insert(name, text());
            }
        }
    }
    if control.stanza.is_empty() {
        return Err(UnpackError::ControlFile { name: "control".into(), problem: "missing" });
    }
    Ok(control)
}

impl Control {
    fn set_stanza(&mut self, text: &str) -> Result<(), UnpackError> {
        let stanza = text.trim_matches('\n');
        let paragraph = control::parse_one(stanza.as_bytes(), control::Limits::default())
            .map_err(UnpackError::Control)?;
        let field = |field: &'static str, is_valid: fn(&str) -> bool| {
            let value = paragraph.get(field).unwrap_or_default();
            let is_valid = value.len() <= FIELD_BYTES_MAX && is_valid(value);
            if is_valid { Ok(value.to_owned()) } else { Err(UnpackError::ControlField { field }) }
        };
        self.name = field("Package", |name| check_name(name).is_ok())?;
        self.version = field("Version", |version| VersionRef::parse(version).is_ok())?;
        self.architecture = field("Architecture", |name| {
            let is_valid =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !name.is_empty() && name.bytes().all(is_valid)
        })?;
        self.stanza = format!("{stanza}\n");
        Ok(())
    }

    /// Checks that this is the package that was asked for.
    pub(super) fn expect(&self, expected: &Expected) -> Result<(), UnpackError> {
        let is_for_all = self.architecture == "all";
        for (field, expected, actual) in [
            ("Package", &expected.name, &self.name),
            ("Version", &expected.version, &self.version),
            ("Architecture", &expected.architecture, &self.architecture),
        ] {
            if expected != actual && !(field == "Architecture" && is_for_all) {
                let (expected, actual) = (expected.clone(), actual.clone());
                return Err(UnpackError::Unexpected { field, expected, actual });
            }
        }
        Ok(())
    }
}

/// Reads `conffiles` (deb-conffiles(5)). Those that are only to be removed are not in the package.
fn conffiles(bytes: &[u8]) -> Result<Vec<TreePath>, UnpackError> {
    let mut paths = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"remove-on-upgrade ") {
            continue;
        }
        if !line.starts_with(b"/") {
            let problem = "a path is not absolute";
            return Err(UnpackError::ControlFile { name: "conffiles".into(), problem });
        }
        paths.push(merged_usr(TreePath::parse(line)?, false)?);
    }
    Ok(paths)
}
