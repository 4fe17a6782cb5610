// SPDX-License-Identifier: Apache-2.0
//! The fields that packages and indexes have.

use super::AdbError;
use super::value::{Field, Slots, line};
use crate::apk::dependency::is_package_name;
use crate::apk::info::is_architecture;
use crate::apk::version::VersionRef;

const NAME: Field = Field(1, "name");
const VERSION: Field = Field(2, "version");
const HASHES: Field = Field(3, "hashes");
const DESCRIPTION: Field = Field(4, "description");
const ARCHITECTURE: Field = Field(5, "arch");
const LICENSE: Field = Field(6, "license");
const ORIGIN: Field = Field(7, "origin");
const MAINTAINER: Field = Field(8, "maintainer");
const URL: Field = Field(9, "url");
const REPOSITORY_COMMIT: Field = Field(10, "repo-commit");
const BUILD_TIME: Field = Field(11, "build-time");
const INSTALLED_SIZE: Field = Field(12, "installed-size");
const FILE_SIZE: Field = Field(13, "file-size");
const PROVIDER_PRIORITY: Field = Field(14, "provider-priority");
const DEPENDS: Field = Field(15, "depends");
const PROVIDES: Field = Field(16, "provides");
const REPLACES: Field = Field(17, "replaces");
const INSTALL_IF: Field = Field(18, "install-if");
const LAYER: Field = Field(20, "layer");

const RELATION_NAME: Field = Field(1, "name of a relation");
const RELATION_VERSION: Field = Field(2, "version of a relation");
const RELATION_MATCH: Field = Field(3, "match of a relation");

/// What a package says of itself, and an index of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Info<'a>(pub(super) Slots<'a>);

impl<'a> Info<'a> {
    /// Returns the name, which is valid.
    pub(super) fn name(self) -> Result<&'a str, AdbError> {
        let name = self.word(NAME)?;
        if !is_package_name(name) {
            return Err(AdbError::Value { field: NAME.1, problem: "not a package's name" });
        }
        Ok(name)
    }

    /// Returns the version, which is valid.
    pub(super) fn version(self) -> Result<&'a str, AdbError> {
        let version = self.word(VERSION)?;
        VersionRef::parse(version).map_err(AdbError::Version)?;
        Ok(version)
    }

    /// Returns the architecture.
    pub(super) fn architecture(self) -> Result<&'a str, AdbError> {
        let name = self.word(ARCHITECTURE)?;
        if !is_architecture(name) {
            let problem = "not an architecture";
            return Err(AdbError::Value { field: ARCHITECTURE.1, problem });
        }
        Ok(name)
    }

    fn word(self, field: Field) -> Result<&'a str, AdbError> {
        let text = self.0.line(field)?;
        if text.is_empty() {
            return Err(AdbError::Missing(field.1));
        }
        Ok(text)
    }

    pub(super) fn hashes(self) -> Result<Option<&'a [u8]>, AdbError> {
        self.0.bytes(HASHES)
    }

    /// Returns the description in one line.
    pub(super) fn description(self) -> Result<String, AdbError> {
        let bytes = self.0.bytes(DESCRIPTION)?.unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let lines = text.split(char::is_control).map(str::trim).filter(|line| !line.is_empty());
        Ok(lines.collect::<Vec<_>>().join(" "))
    }

    pub(super) fn license(self) -> Result<&'a str, AdbError> {
        self.0.line(LICENSE)
    }

    pub(super) fn origin(self) -> Result<Option<&'a str>, AdbError> {
        self.0.line(ORIGIN).map(|text| (!text.is_empty()).then_some(text))
    }

    pub(super) fn maintainer(self) -> Result<&'a str, AdbError> {
        self.0.line(MAINTAINER)
    }

    pub(super) fn url(self) -> Result<&'a str, AdbError> {
        self.0.line(URL)
    }

    pub(super) fn repository_commit(self) -> Result<Option<&'a [u8]>, AdbError> {
        self.0.bytes(REPOSITORY_COMMIT)
    }

    pub(super) fn build_time(self) -> Result<Option<i64>, AdbError> {
        let seconds = self.0.integer(BUILD_TIME)?;
        seconds.map(|seconds| time(seconds, BUILD_TIME)).transpose()
    }

    pub(super) fn installed_size_bytes(self) -> Result<u64, AdbError> {
        self.0.integer(INSTALLED_SIZE).map(Option::unwrap_or_default)
    }

    pub(super) fn file_size_bytes(self) -> Result<u64, AdbError> {
        self.0.integer(FILE_SIZE).map(Option::unwrap_or_default)
    }

    pub(super) fn provider_priority(self) -> Result<u64, AdbError> {
        self.0.integer(PROVIDER_PRIORITY).map(Option::unwrap_or_default)
    }

    pub(super) fn depends(self) -> Result<Vec<String>, AdbError> {
        relations(self.0, DEPENDS)
    }

    pub(super) fn provides(self) -> Result<Vec<String>, AdbError> {
        relations(self.0, PROVIDES)
    }

    pub(super) fn replaces(self) -> Result<Vec<String>, AdbError> {
        relations(self.0, REPLACES)
    }

    pub(super) fn install_if(self) -> Result<Vec<String>, AdbError> {
        relations(self.0, INSTALL_IF)
    }

    /// Checks that it belongs to the file system, not to the volumes of some devices.
    pub(super) fn check_layer(self) -> Result<(), AdbError> {
        match self.0.integer(LAYER)? {
            None | Some(0) => Ok(()),
            Some(_) => Err(AdbError::Value { field: LAYER.1, problem: "not the root file system" }),
        }
    }
}

/// Reads a time.
pub(super) fn time(seconds: u64, field: Field) -> Result<i64, AdbError> {
    i64::try_from(seconds).map_err(|_| AdbError::Value { field: field.1, problem: "out of range" })
}

/// Returns relations as `.PKGINFO` and the indexes of format 2 write them: `so:x=1`, `!y<2`.
fn relations(slots: Slots<'_>, field: Field) -> Result<Vec<String>, AdbError> {
    let Some(items) = slots.slots(field)? else { return Ok(Vec::new()) };
    items.objects(field.1).map(|relation| relation_text(relation?)).collect()
}

const EQUAL: u64 = 1;
const LESS: u64 = 2;
const GREATER: u64 = 4;
const FUZZY: u64 = 8;
const CONFLICT: u64 = 16;
const FUZZY_EQUAL: u64 = FUZZY | EQUAL;
const FUZZY_LESS: u64 = FUZZY | LESS | EQUAL;
const FUZZY_GREATER: u64 = FUZZY | GREATER | EQUAL;
const LESS_EQUAL: u64 = LESS | EQUAL;
const GREATER_EQUAL: u64 = GREATER | EQUAL;
// The version is a check sum.
const LESS_GREATER: u64 = LESS | GREATER;

fn relation_text(relation: Slots<'_>) -> Result<String, AdbError> {
    let name = relation.line(RELATION_NAME)?;
    // What these are for ends a name, so text with them would be read as something else.
    let ends_name = |char: char| char.is_whitespace() || "<>=~".contains(char);
    if name.is_empty() || name.starts_with('!') || name.contains(ends_name) {
        let problem = "would not be read back as it is";
        return Err(AdbError::Value { field: RELATION_NAME.1, problem });
    }
    let version = relation.line(RELATION_VERSION)?;
    if version.contains(|char: char| char.is_whitespace() || "<>".contains(char)) {
        let problem = "would not be read back as it is";
        return Err(AdbError::Value { field: RELATION_VERSION.1, problem });
    }
    let bits = relation.integer(RELATION_MATCH)?.filter(|bits| *bits != 0).unwrap_or(EQUAL);
    let conflict = if bits & CONFLICT == 0 { "" } else { "!" };
    if version.is_empty() {
        return Ok(format!("{conflict}{name}"));
    }
    let operator = match bits & !CONFLICT {
        EQUAL => "=",
        LESS => "<",
        LESS_EQUAL => "<=",
        GREATER => ">",
        GREATER_EQUAL => ">=",
        FUZZY | FUZZY_EQUAL => "~",
        FUZZY_LESS => "<~",
        FUZZY_GREATER => ">~",
        LESS_GREATER => "><",
        _ => {
            let problem = "unknown operator";
            return Err(AdbError::Value { field: RELATION_MATCH.1, problem });
        }
    };
    Ok(format!("{conflict}{name}{operator}{version}"))
}

/// An index.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexRoot<'a>(pub(super) Slots<'a>);

impl<'a> IndexRoot<'a> {
    pub(super) fn description(self) -> Result<&'a str, AdbError> {
        self.0.line(Field(1, "description"))
    }

    pub(super) fn packages(self) -> Result<Option<Slots<'a>>, AdbError> {
        self.0.slots(Field(2, "packages"))
    }

    pub(super) fn path_pattern(self) -> Result<&'a str, AdbError> {
        self.0.line(Field(3, "pkgname-spec"))
    }
}

/// A package.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackageRoot<'a>(pub(super) Slots<'a>);

impl<'a> PackageRoot<'a> {
    pub(super) fn info(self) -> Result<Info<'a>, AdbError> {
        let info = self.0.slots(Field(1, "info"))?.ok_or(AdbError::Missing("info"))?;
        Ok(Info(info))
    }

    pub(super) fn directories(self) -> Result<Option<Slots<'a>>, AdbError> {
        self.0.slots(Field(2, "paths"))
    }

    /// Returns the scripts with the names that they have in packages of format 2.
    pub(super) fn scripts(self) -> Result<Vec<(&'static str, &'a [u8])>, AdbError> {
        let Some(slots) = self.0.slots(Field(3, "scripts"))? else { return Ok(Vec::new()) };
        let mut scripts = Vec::new();
        for (number, name) in (1..).zip(SCRIPTS) {
            scripts.extend(slots.bytes(Field(number, name))?.map(|bytes| (name, bytes)));
        }
        Ok(scripts)
    }

    pub(super) fn triggers(self) -> Result<Vec<&'a str>, AdbError> {
        let field = Field(4, "triggers");
        let Some(slots) = self.0.slots(field)? else { return Ok(Vec::new()) };
        let texts = slots.blobs(field.1).map(|bytes| line(bytes?, field.1));
        let triggers = texts.collect::<Result<Vec<_>, _>>()?;
        // They are put into one line, with spaces between them.
        if triggers.iter().any(|path| path.is_empty() || path.contains(char::is_whitespace)) {
            return Err(AdbError::Value { field: field.1, problem: "has white space" });
        }
        Ok(triggers)
    }

    pub(super) fn replaces_priority(self) -> Result<u64, AdbError> {
        self.0.integer(Field(5, "replaces-priority")).map(Option::unwrap_or_default)
    }
}

const SCRIPTS: [&str; 7] = [
    "trigger",
    "pre-install",
    "post-install",
    "pre-deinstall",
    "post-deinstall",
    "pre-upgrade",
    "post-upgrade",
];

/// Ownership and mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) mode: u32,
    pub(super) user: &'a str,
    pub(super) group: &'a str,
    pub(super) xattrs: Option<Slots<'a>>,
}

impl<'a> Access<'a> {
    fn read(slots: Slots<'a>) -> Result<Self, AdbError> {
        let slots = slots.slots(Field(2, "acl"))?.ok_or(AdbError::Missing("acl"))?;
        let mode = Field(1, "mode");
        let bits = slots.integer(mode)?.unwrap_or_default();
        let bits = u32::try_from(bits).ok().filter(|bits| *bits <= hardpan_tree::MODE_MASK);
        let problem = "not permission bits";
        let mode = bits.ok_or(AdbError::Value { field: mode.1, problem })?;
        let account = |field: Field| match slots.line(field)? {
            "" => Err(AdbError::Missing(field.1)),
            name => Ok(name),
        };
        let (user, group) = (account(Field(2, "user"))?, account(Field(3, "group"))?);
        Ok(Self { mode, user, group, xattrs: slots.slots(Field(4, "xattrs"))? })
    }
}

/// A directory and what is directly in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory<'a> {
    /// From the root and without slashes around it; empty for the root.
    pub(super) name: &'a [u8],
    pub(super) access: Access<'a>,
    pub(super) files: Option<Slots<'a>>,
}

impl<'a> Directory<'a> {
    pub(super) fn read(slots: Slots<'a>) -> Result<Self, AdbError> {
        Ok(Self {
            name: slots.bytes(Field(1, "name"))?.unwrap_or_default(),
            access: Access::read(slots)?,
            files: slots.slots(Field(3, "files"))?,
        })
    }
}

/// Anything in a directory that is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) name: &'a [u8],
    pub(super) access: Access<'a>,
    pub(super) size_bytes: u64,
    pub(super) mtime: i64,
    pub(super) hash: Option<&'a [u8]>,
    /// The type as in `st_mode`, in two bytes, and what it leads to. Files have none.
    pub(super) target: Option<&'a [u8]>,
}

impl<'a> File<'a> {
    pub(super) fn read(slots: Slots<'a>) -> Result<Self, AdbError> {
        Ok(Self {
            name: slots.bytes(Field(1, "name"))?.unwrap_or_default(),
            access: Access::read(slots)?,
            size_bytes: slots.integer(Field(3, "size"))?.unwrap_or_default(),
            mtime: Self::mtime(slots)?,
            hash: slots.bytes(Field(5, "hash"))?,
            target: slots.bytes(Field(6, "target"))?,
        })
    }

    /// Reads nothing but the time.
    pub(super) fn mtime(slots: Slots<'a>) -> Result<i64, AdbError> {
        let field = Field(4, "mtime");
        time(slots.integer(field)?.unwrap_or_default(), field)
    }
}
