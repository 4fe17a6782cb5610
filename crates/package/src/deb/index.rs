// SPDX-License-Identifier: Apache-2.0
//! Package indexes: what a `Packages` file says about every package.
//!
//! An index is one byte buffer (see `index_cache.rs` for its form) in which packages are
//! found by name; a package is decoded when it is asked for and not before, so that opening the
//! cached index of a whole distribution costs next to nothing.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

use super::control::{ControlError, Limits, Paragraph, Reader};
use super::index_cache::Buffer;
pub use super::index_cache::ReadAt;
use super::index_writer::Writer;
use super::relation::{self, RelationError};
use super::version::{VersionError, VersionRef};

/// The most packages in one index; Debian's largest has 69 thousand.
pub const PACKAGES_MAX: usize = 2_000_000;
/// The longest archive path of a package, in bytes.
pub const FILENAME_BYTES_MAX: usize = 4096;
/// The longest value of a stored field, in bytes; the longest in Debian has 40 kB.
pub const FIELD_BYTES_MAX: usize = 1024 * 1024;

/// Which `Packages` file an index was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The caller's name for the archive; not a host.
    pub archive: String,
    /// The suite, `trixie-security`.
    pub suite: String,
    /// The component, `main`.
    pub component: String,
    /// The architecture whose `Packages` file it is, `amd64`.
    pub architecture: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{} {}", self.archive, self.suite, self.component, self.architecture)
    }
}

/// `Priority` (policy 2.5). The order is that of preference between providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Without it the system does not work.
    Required,
    /// Expected on any Unix-like system.
    Important,
    /// A small character-mode system.
    Standard,
    /// Everything else.
    Optional,
    /// Deprecated; like optional. Also stands for no or an unknown priority.
    Extra,
}

/// `Multi-Arch` (policy "Multi-Arch").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MultiArch {
    /// Not multi-arch.
    No,
    /// Installable for several architectures at once.
    Same,
    /// Satisfies dependencies of any architecture.
    Foreign,
    /// The dependent decides.
    Allowed,
}

/// What an index says about one version of a package, borrowing the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package<'i> {
    /// The name.
    pub name: &'i str,
    /// The version.
    pub version: &'i str,
    /// The architecture, or `all`.
    pub architecture: &'i str,
    /// How it behaves among several architectures.
    pub multi_arch: MultiArch,
    /// The name of its source package.
    pub source_name: &'i str,
    /// The version of its source package.
    pub source_version: &'i str,
    /// The section; may be empty.
    pub section: &'i str,
    /// The priority.
    pub priority: Priority,
    /// `Essential: yes`
    pub essential: bool,
    /// `Important: yes` or `Protected: yes`
    pub important: bool,
    /// `Pre-Depends`
    pub pre_depends: &'i str,
    /// `Depends`
    pub depends: &'i str,
    /// `Provides`
    pub provides: &'i str,
    /// `Conflicts`
    pub conflicts: &'i str,
    /// `Breaks`
    pub breaks: &'i str,
    /// `Replaces`
    pub replaces: &'i str,
    /// The path below the archive's root.
    pub filename: &'i str,
    /// The size of the `.deb`, in bytes.
    pub size_bytes: u64,
    /// `Installed-Size`, in KiB; 0 if not given.
    pub installed_size_kib: u64,
    /// The digest of the `.deb`.
    pub sha256: Digest,
}

/// What a lock keeps of a [`Package`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageRecord {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The architecture, or `all`.
    pub architecture: String,
    /// The path below the archive's root.
    pub filename: String,
    /// The digest of the `.deb`.
    pub sha256: Digest,
    /// The size of the `.deb`, in bytes.
    pub size_bytes: u64,
    /// `Installed-Size`, in KiB; 0 if not given.
    pub installed_size_kib: u64,
    /// The name of its source package.
    pub source_name: String,
    /// The version of its source package.
    pub source_version: String,
}

impl Package<'_> {
    /// Returns an owned copy of what a lock keeps.
    pub fn to_record(&self) -> PackageRecord {
        PackageRecord {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            architecture: self.architecture.to_owned(),
            filename: self.filename.to_owned(),
            sha256: self.sha256,
            size_bytes: self.size_bytes,
            installed_size_kib: self.installed_size_kib,
            source_name: self.source_name.to_owned(),
            source_version: self.source_version.to_owned(),
        }
    }
}

/// Why a `Packages` file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The text is not control data.
    #[error("package index cannot be read")]
    Control(#[from] ControlError),
    /// A stanza was refused.
    #[error("package index, line {line}: package {package:?} cannot be used")]
    Stanza {
        /// The line of the stanza, counted from 1.
        line: usize,
        /// The package's name, or what stands in its place.
        package: String,
        /// Why.
        #[source]
        source: StanzaError,
    },
    /// More than [`PACKAGES_MAX`].
    #[error("package index has more than {0} packages")]
    TooManyPackages(usize),
    /// The binary form would be longer than its offsets can say.
    #[error("package index is too large")]
    TooLarge,
}

/// Why a stanza was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StanzaError {
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// The name is bad.
    #[error("the name is not a package name")]
    Name(#[source] RelationError),
    /// The version is bad.
    #[error("the version is not a version")]
    Version(#[source] VersionError),
    /// A field that must be a number is not.
    #[error("field {field} is not a number: {value:?}")]
    Number {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// `SHA256` is not 64 hexadecimal digits.
    #[error("field SHA256 is not a digest: {0:?}")]
    Sha256(String),
    /// `Filename` would lead out of the archive.
    #[error("field Filename is not a path below the archive: {0:?}")]
    Filename(String),
    /// `Provides` cannot be read.
    #[error("field Provides cannot be read")]
    Provides(#[source] RelationError),
    /// A value has a control character or is longer than [`FIELD_BYTES_MAX`].
    #[error("field {0} is too long or has control characters")]
    Value(&'static str),
}

/// Why a cached index was refused: it was damaged or written by another version of hardpan. Make
/// it again from the `Packages` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The bytes are not a cached index.
    #[error("not a cached package index")]
    Magic,
    /// The form is another version's.
    #[error("cached package index has format {0}, which this version does not read")]
    Format(u32),
    /// A length, offset or checksum does not fit.
    #[error("cached package index is damaged ({0})")]
    Damaged(&'static str),
    /// The file cannot be read.
    #[error("cached package index cannot be read ({0})")]
    Read(io::ErrorKind),
}

/// The packages of one archive × suite × component × architecture. Cloning is cheap.
#[derive(Clone)]
pub struct PackageIndex {
    buffer: Buffer,
    origin: Origin,
}

impl PackageIndex {
    /// Reads the text of a `Packages` file.
    pub fn parse(text: impl AsRef<[u8]>, origin: Origin) -> Result<Self, IndexError> {
        let writer = Self::read(text.as_ref())?;
        // The largest thing here, if it was given away: it makes room for the binary form.
        drop(text);
        let bytes = writer.finish(&origin)?;
        let buffer = Buffer::in_memory(bytes).map_err(|_| IndexError::TooLarge)?;
        Ok(Self { buffer, origin })
    }

    fn read(text: &[u8]) -> Result<Writer, IndexError> {
        let mut reader = Reader::new(text, Limits::default())?;
        let mut writer = Writer::default();
        let mut paragraph = Paragraph::default();
        let mut scratch = Scratch::default();
        while reader.read(&mut paragraph)? {
            if writer.len() == PACKAGES_MAX {
                return Err(IndexError::TooManyPackages(PACKAGES_MAX));
            }
            let stanza_error = |source| IndexError::Stanza {
                line: paragraph.line(),
                package: paragraph.get("Package").unwrap_or("").chars().take(80).collect(),
                source,
            };
            let stanza = Stanza::read(&paragraph);
            let package = stanza.check(&mut scratch).map_err(stanza_error)?;
            let provides = relation::parse_provides(package.provides)
                .map_err(|source| stanza_error(StanzaError::Provides(source)))?;
            writer.push(&package, &provides);
        }
        Ok(writer)
    }

    /// Opens the binary form that [`Self::to_bytes`] returned.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, CacheError> {
        let buffer = Buffer::in_memory(bytes.into())?;
        let origin = buffer.origin()?;
        Ok(Self { buffer, origin })
    }

    /// Opens the binary form in a file of that size. Only the tables are read now (5 of 27 MB for
    /// Debian's largest index); packages are read in blocks when they are asked for.
    pub fn open(file: Box<dyn ReadAt>, size_bytes: u64) -> Result<Self, CacheError> {
        let buffer = Buffer::open(file, size_bytes)?;
        let origin = buffer.origin()?;
        Ok(Self { buffer, origin })
    }

    /// Returns the binary form: equal for equal text and origin. Fails only for an opened index of
    /// which a part cannot be read.
    pub fn to_bytes(&self) -> Result<Cow<'_, [u8]>, CacheError> {
        self.buffer.bytes()
    }

    /// Returns what it was made from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the number of packages. Packages are numbered from 0, sorted by name and for one
    /// name by version, newest first.
    pub fn len(&self) -> u32 {
        self.buffer.package_count()
    }

    /// Returns whether there are no packages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decodes a package.
    pub fn package(&self, number: u32) -> Result<Package<'_>, CacheError> {
        self.buffer.package(number)
    }

    /// Returns the name of a package without decoding the rest.
    pub fn name(&self, number: u32) -> Result<&str, CacheError> {
        self.buffer.name(number)
    }

    /// Returns the numbers of all versions of a real package; empty if there is none.
    pub fn versions_of(&self, name: &str) -> Result<Range<u32>, CacheError> {
        self.buffer.versions_of(name)
    }

    /// Returns the numbers of the packages with that name in their `Provides`, ascending.
    pub fn providers_of(&self, name: &str) -> Result<Vec<u32>, CacheError> {
        self.buffer.providers_of(name)
    }
}

impl fmt::Debug for PackageIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackageIndex({}, {} packages)", self.origin, self.len())
    }
}

/// The fields of a stanza that are kept, as written.
#[derive(Debug, Clone, Copy, Default)]
struct Stanza<'t> {
    name: Option<&'t str>,
    version: Option<&'t str>,
    architecture: Option<&'t str>,
    filename: Option<&'t str>,
    size: Option<&'t str>,
    sha256: Option<&'t str>,
    source: &'t str,
    section: &'t str,
    priority: &'t str,
    multi_arch: &'t str,
    essential: &'t str,
    important: &'t str,
    protected: &'t str,
    installed_size: &'t str,
    pre_depends: &'t str,
    depends: &'t str,
    provides: &'t str,
    conflicts: &'t str,
    breaks: &'t str,
    replaces: &'t str,
}

/// Where folded values live until they are written.
#[derive(Default)]
struct Scratch {
    folded: [String; 6],
}

impl<'t> Stanza<'t> {
    fn read(paragraph: &Paragraph<'t>) -> Self {
        let mut stanza = Self::default();
        for field in paragraph.fields() {
            let value = field.raw;
            let slot = match field.name {
                "Package" => stanza.name.insert(value),
                "Version" => stanza.version.insert(value),
                "Architecture" => stanza.architecture.insert(value),
                "Filename" => stanza.filename.insert(value),
                "Size" => stanza.size.insert(value),
                "SHA256" => stanza.sha256.insert(value),
                "Source" => &mut stanza.source,
                "Section" => &mut stanza.section,
                "Priority" => &mut stanza.priority,
                "Multi-Arch" => &mut stanza.multi_arch,
                "Essential" => &mut stanza.essential,
                "Important" => &mut stanza.important,
                "Protected" => &mut stanza.protected,
                "Installed-Size" => &mut stanza.installed_size,
                "Pre-Depends" => &mut stanza.pre_depends,
                "Depends" => &mut stanza.depends,
                "Provides" => &mut stanza.provides,
                "Conflicts" => &mut stanza.conflicts,
                "Breaks" => &mut stanza.breaks,
                "Replaces" => &mut stanza.replaces,
                _ => continue,
            };
            *slot = value;
        }
        stanza
    }

    fn check<'p>(&self, scratch: &'p mut Scratch) -> Result<Package<'p>, StanzaError>
    where
        't: 'p,
    {
        let name = one_line("Package", self.name.ok_or(StanzaError::Missing("Package"))?)?;
        relation::check_name(name).map_err(StanzaError::Name)?;
        let version = self.version.ok_or(StanzaError::Missing("Version"))?;
        VersionRef::parse(version).map_err(StanzaError::Version)?;
        let architecture = self.architecture.ok_or(StanzaError::Missing("Architecture"))?;
        let sha256 = self.sha256.ok_or(StanzaError::Missing("SHA256"))?;
        let filename = self.filename.ok_or(StanzaError::Missing("Filename"))?;
        let filename = check_filename(filename)?;
        let (source_name, source_version) = split_source(self.source, name, version);
        let values = [
            ("Pre-Depends", self.pre_depends),
            ("Depends", self.depends),
            ("Provides", self.provides),
            ("Conflicts", self.conflicts),
            ("Breaks", self.breaks),
            ("Replaces", self.replaces),
        ];
        for (slot, (field, value)) in scratch.folded.iter_mut().zip(values) {
            fold(field, value, slot)?;
        }
        let [pre_depends, depends, provides, conflicts, breaks, replaces] = &scratch.folded;
        Ok(Package {
            name,
            version,
            architecture: one_line("Architecture", architecture)?,
            multi_arch: match self.multi_arch {
                "same" => MultiArch::Same,
                "foreign" => MultiArch::Foreign,
                "allowed" => MultiArch::Allowed,
                _ => MultiArch::No,
            },
            source_name: one_line("Source", source_name)?,
            source_version: one_line("Source", source_version)?,
            section: one_line("Section", self.section)?,
            priority: match self.priority {
                "required" => Priority::Required,
                "important" => Priority::Important,
                "standard" => Priority::Standard,
                "optional" => Priority::Optional,
                _ => Priority::Extra,
            },
            essential: self.essential == "yes",
            important: self.important == "yes" || self.protected == "yes",
            pre_depends,
            depends,
            provides,
            conflicts,
            breaks,
            replaces,
            filename,
            size_bytes: number("Size", self.size.ok_or(StanzaError::Missing("Size"))?)?,
            installed_size_kib: match self.installed_size {
                "" => 0,
                text => number("Installed-Size", text)?,
            },
            sha256: Digest::from_hex(sha256)
                .map_err(|_| StanzaError::Sha256(sha256.chars().take(80).collect()))?,
        })
    }
}

/// `Source: name (version)`; both default to the binary package's (policy 5.6.1).
fn split_source<'t>(source: &'t str, name: &'t str, version: &'t str) -> (&'t str, &'t str) {
    match source.split_once('(') {
        _ if source.is_empty() => (name, version),
        None => (source, version),
        Some((source_name, rest)) => {
            (source_name.trim(), rest.split(')').next().unwrap_or(rest).trim())
        }
    }
}

/// Refuses what would leave the archive's directory or change the meaning of an URL.
fn check_filename(filename: &str) -> Result<&str, StanzaError> {
    // Apt's own flat archives write `./name.deb`.
    let path = filename.strip_prefix("./").unwrap_or(filename);
    let fine = |part: &str| !matches!(part, "" | "." | "..");
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'?' | b'#');
    if filename.len() <= FILENAME_BYTES_MAX && path.split('/').all(fine) && path.bytes().all(plain)
    {
        Ok(path)
    } else {
        Err(StanzaError::Filename(filename.chars().take(200).collect()))
    }
}

fn one_line<'t>(field: &'static str, value: &'t str) -> Result<&'t str, StanzaError> {
    if value.len() > FIELD_BYTES_MAX || value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(StanzaError::Value(field));
    }
    Ok(value)
}

/// Joins the lines of a value in a reused string.
fn fold(field: &'static str, value: &str, folded: &mut String) -> Result<(), StanzaError> {
    folded.clear();
    if value.contains('\n') {
        let mut lines = value.split('\n').filter(|line| !line.starts_with('#')).map(str::trim);
        folded.push_str(lines.next().unwrap_or(""));
        for line in lines {
            folded.push(' ');
            folded.push_str(line);
        }
    } else {
        folded.push_str(value);
    }
    one_line(field, folded).map(|_| ())
}

fn number(field: &'static str, value: &str) -> Result<u64, StanzaError> {
    // `u64::from_str` takes a plus sign.
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(number) if digits => Ok(number),
        _ => Err(StanzaError::Number { field, value: value.chars().take(80).collect() }),
    }
}
