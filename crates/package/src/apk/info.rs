// SPDX-License-Identifier: Apache-2.0
//! What a package says of itself. In format 2 it is the control member: `.PKGINFO` and scripts.

use std::collections::BTreeMap;
use std::io::Read;

use hardpan_tree::{Digest, TarEntryKind, TarLimits, TarReader};

use super::dependency::is_package_name;
use super::version::VersionRef;
use crate::segment::{Format, Unpacked};
use crate::unpack::data::Data;
use crate::unpack::{Expected, UnpackError, tar_error};

/// The maintainer scripts, by their names without the dot before.
pub(super) const SCRIPTS: [&str; 7] = [
    "post-deinstall",
    "post-install",
    "post-upgrade",
    "pre-deinstall",
    "pre-install",
    "pre-upgrade",
    "trigger",
];
/// What the control member is called in errors.
pub(super) const CONTROL: &str = "the control member";
const INFO: &str = ".PKGINFO";
/// How many files the control member may have. There are seven scripts, and tools add one or two files.
const CONTROL_FILES_MAX: u64 = 100;
/// The longest architecture, in bytes; apk's longest has 11.
const ARCHITECTURE_BYTES_MAX: usize = 64;

/// What a package says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Control {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    /// The lines of `.PKGINFO` that say something.
    pub(super) info: String,
    pub(super) build_time: Option<i64>,
    /// What the bytes of the data member have to hash to.
    pub(super) data_hash: Option<Digest>,
    pub(super) triggers: String,
    pub(super) scripts: BTreeMap<String, String>,
    pub(super) script_digests: BTreeMap<String, Digest>,
    pub(super) others: BTreeMap<String, String>,
}

impl Control {
    /// Reads the archive in the control member.
    pub(super) fn read(content: &[u8], size_bytes_max: u64) -> Result<Self, UnpackError> {
        let limits = TarLimits {
            entries_max: CONTROL_FILES_MAX,
            size_bytes_max,
            end_marker_required: false,
            ..TarLimits::default()
        };
        let mut tar = TarReader::new(content, limits);
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        while let Some(entry) = tar.next_entry().map_err(|error| tar_error(CONTROL, error))? {
            let name = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
            let bad = |problem| UnpackError::ControlFile { name: name.clone(), problem };
            match entry.kind {
                _ if !name.starts_with('.') || name.contains('/') => {
                    return Err(bad("does not belong there"));
                }
                TarEntryKind::File(_) => {}
                _ => return Err(bad("not a file")),
            }
            if files.contains_key(&name) {
                return Err(bad("there twice"));
            }
            let mut bytes = Vec::new();
            tar.read_to_end(&mut bytes).map_err(|error| tar_error(CONTROL, error.into()))?;
            files.insert(name, bytes);
        }
        tar.finish().map_err(|error| tar_error(CONTROL, error))?;
        Self::of_files(files)
    }

    fn of_files(files: BTreeMap<String, Vec<u8>>) -> Result<Self, UnpackError> {
        let mut control = Self::default();
        for (name, bytes) in files {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let bad = |problem| UnpackError::ControlFile { name: name.clone(), problem };
            match name.strip_prefix('.').unwrap_or_default() {
                "PKGINFO" => control.set_info(&text)?,
                // The script of format 1; apk refuses it, too.
                "INSTALL" => return Err(bad("scripts of this kind are too old")),
                other if other.starts_with("SIGN.") => {
                    return Err(bad("a signature that is not in front"));
                }
                script if SCRIPTS.contains(&script) => {
                    control.script_digests.insert(script.to_owned(), Digest::of(&bytes));
                    control.scripts.insert(script.to_owned(), text);
                }
                _ => {
                    control.others.insert(name, text);
                }
            }
        }
        if control.info.is_empty() {
            return Err(UnpackError::ControlFile { name: INFO.into(), problem: "missing" });
        }
        Ok(control)
    }

    fn set_info(&mut self, text: &str) -> Result<(), UnpackError> {
        let bad = |problem| UnpackError::ControlFile { name: INFO.into(), problem };
        if text.contains('\0') {
            return Err(bad("has a NUL"));
        }
        let mut once: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            // Like apk, which looks for the spaces, too. What else stands there says nothing to anybody.
            let Some((key, value)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) else {
                continue;
            };
            let is_twice = ONCE.contains(&key) && once.insert(key, value.trim()).is_some();
            if is_twice {
                return Err(bad("a field that has to be there once is there twice"));
            }
            self.info.push_str(line);
            self.info.push('\n');
        }
        let field = |field: &'static str, is_valid: fn(&str) -> bool| {
            let value = once.get(field).copied().unwrap_or_default();
            if is_valid(value) {
                Ok(value.to_owned())
            } else {
                Err(UnpackError::ControlField { field })
            }
        };
        self.name = field("pkgname", is_package_name)?;
        self.version = field("pkgver", |version| VersionRef::parse(version).is_ok())?;
        self.architecture = field("arch", is_architecture)?;
        let invalid = |field| move |_| UnpackError::ControlField { field };
        let build_time = once.get("builddate").map(|value| value.parse::<u32>());
        // Seconds that fit 32 bits without a sign: until 2106.
        self.build_time = build_time.transpose().map_err(invalid("builddate"))?.map(i64::from);
        let data_hash = once.get("datahash").map(|value| Digest::from_hex(value));
        self.data_hash =
            data_hash.transpose().map_err(|_| UnpackError::ControlField { field: "datahash" })?;
        let triggers = once.get("triggers").copied().unwrap_or_default();
        self.triggers = triggers.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(())
    }

    /// Checks that this is the package that was asked for.
    pub(super) fn expect(&self, expected: &Expected) -> Result<(), UnpackError> {
        let is_for_all = self.architecture == "noarch";
        for (field, expected, actual) in [
            ("pkgname", &expected.name, &self.name),
            ("pkgver", &expected.version, &self.version),
            ("arch", &expected.architecture, &self.architecture),
        ] {
            if expected != actual && !(field == "arch" && is_for_all) {
                let (expected, actual) = (expected.clone(), actual.clone());
                return Err(UnpackError::Unexpected { field, expected, actual });
            }
        }
        Ok(())
    }

    /// Puts together what is known of the package, its files included.
    pub(super) fn unpacked(self, timestamp: i64, data: Data, identity: String) -> Unpacked {
        Unpacked {
            format: Format::Apk,
            name: self.name,
            version: self.version,
            architecture: self.architecture,
            control: self.info,
            timestamp,
            entries: data.entries,
            conffiles: Vec::new(),
            md5sums: String::new(),
            sha1sums: data.sha1sums,
            identity,
            owner_names: data.owner_names,
            // Whoever read the file knows.
            file_size_bytes: 0,
            scripts: self.scripts,
            script_digests: self.script_digests,
            triggers: self.triggers,
            control_members: self.others,
            stripped: data.stripped,
            changed: data.changed,
            segment_digest: data.segment_digest,
            segment_size_bytes: data.segment_size_bytes,
        }
    }
}

/// Fields that mean nothing definite when they are there twice.
const ONCE: [&str; 7] =
    ["arch", "builddate", "datahash", "origin", "pkgname", "pkgver", "triggers"];

fn is_key(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !text.is_empty() && text.bytes().all(is_valid)
}

/// Returns whether a text can be an architecture.
pub(crate) fn is_architecture(text: &str) -> bool {
    let is_valid =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=ARCHITECTURE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_valid)
}
