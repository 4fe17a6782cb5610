// SPDX-License-Identifier: Apache-2.0
//! Package indexes: what an `APKINDEX` says about every package (apk-package(5)).
//!
//! Each line is a letter, a colon and a value; an empty line ends a package. As apk does, lower-case
//! letters that mean nothing here are skipped, for they may be new; any other letter that is not
//! known might change what the package is, so it is refused.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::dependency::{is_package_name, is_version_text};
use super::version::{VersionError, VersionRef};

/// The most packages in one index; Alpine's largest, `community`, has 25 thousand.
pub const PACKAGES_MAX: usize = 500_000;
/// The longest line, in bytes; the longest in Alpine has 8 kB.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// What an archive offers for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// What the archive says of the index, `v3.23.0-12-g…`; empty if nothing.
    pub description: String,
    /// The packages, sorted by name, of each name in the index's own order.
    pub packages: Vec<Package>,
}

/// One package of an index. Relations are kept as they are written, with one space between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version. Some of old releases are not valid (see [`VersionRef::of_package`]), but none
    /// has a character that could lead out of a folder.
    pub version: String,
    /// Its architecture, `x86_64` or `noarch`.
    pub architecture: String,
    /// What its control part has to hash to.
    pub checksum: Checksum,
    /// Length of its file.
    pub size_bytes: u64,
    /// Length of its files, unpacked.
    pub installed_size_bytes: u64,
    /// The source package, where the index names one.
    pub origin: Option<String>,
    /// Its licence, as it says.
    pub license: String,
    /// When it was made, in seconds since the epoch, where the index says so.
    pub build_time: Option<i64>,
    /// What it depends on and what it conflicts with (`!name`).
    pub depends: String,
    /// What it provides besides its name.
    pub provides: String,
    /// Names that bring it along once all of them are there; empty for most.
    pub install_if: String,
    /// Its rank among the providers of a name; 0 for most.
    pub provider_priority: u64,
    /// Path of its file below the archive, `x86_64/musl-1.2.5-r10.apk`.
    pub path: String,
}

/// What identifies a package: the hash of its control part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// `Q1…`
    Sha1([u8; 20]),
    /// `Q2…`, or that of a package of format 3.
    Sha256([u8; 32]),
}

impl Checksum {
    /// Reads `Q1…` or `Q2…`: a letter for the hash and the hash in base64.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, encoded) = text.split_at_checked(2)?;
        let bytes = BASE64_STANDARD.decode(encoded).ok()?;
        match kind {
            "Q1" => Some(Self::Sha1(bytes.try_into().ok()?)),
            "Q2" => Some(Self::Sha256(bytes.try_into().ok()?)),
            _ => None,
        }
    }
}

/// Why an index cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The name of the architecture, which is that of a folder, has characters it may not have.
    #[error("{0:?} does not name an architecture")]
    Architecture(String),
    /// A line is neither empty nor `X:value`.
    #[error("package index, line {line}: package {package:?}: not a letter, a colon and a value")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// The package's name; empty if it is not known yet.
        package: String,
    },
    /// A line is longer than [`LINE_BYTES_MAX`].
    #[error(
        "package index, line {line}: package {package:?}: more than {LINE_BYTES_MAX} bytes in a line"
    )]
    LineTooLong {
        /// The line, counted from 1.
        line: usize,
        /// The package's name; empty if it is not known yet.
        package: String,
    },
    /// A package was refused.
    #[error("package index, line {line}: package {package:?} can't be used")]
    Package {
        /// The line, counted from 1: that of the field, or where the package ends if one is missing.
        line: usize,
        /// The package's name; empty if it is not known yet.
        package: String,
        /// Why.
        #[source]
        source: PackageError,
    },
    /// More than [`PACKAGES_MAX`].
    #[error("package index, line {line}: package {package:?}: more than {PACKAGES_MAX} packages")]
    TooManyPackages {
        /// The line where the first that is too many ends.
        line: usize,
        /// Its name.
        package: String,
    },
}

/// Why a package of an index was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(char),
    /// A field is there twice.
    #[error("field {0} is there twice")]
    Repeated(char),
    /// A field is not text.
    #[error("field {0} is not UTF-8")]
    Text(char),
    /// A field that nothing is known of, and which may not be skipped.
    #[error("field {0} is unknown")]
    Unknown(char),
    /// The name has characters that a name may not have.
    #[error("{0:?} is not a package name")]
    Name(String),
    /// The version is bad.
    #[error("the version is not a version")]
    Version(#[source] VersionError),
    /// A field that must be a number is not.
    #[error("field {field} is not a number: {value:?}")]
    Number {
        /// The field.
        field: char,
        /// Its value.
        value: String,
    },
    /// The checksum is not one.
    #[error("{0:?} is not the checksum of a package")]
    Checksum(String),
    /// It is for another architecture than its index.
    #[error("it is for {package}, and the index for {index}")]
    Architecture {
        /// The package's architecture.
        package: String,
        /// The index's.
        index: String,
    },
    /// The same version of the same package is there twice.
    #[error("version {version} is already in line {line}")]
    Duplicate {
        /// The version.
        version: String,
        /// Where the other one ends.
        line: usize,
    },
}

impl Index {
    /// Reads the text of an `APKINDEX`. `description` is what stands beside it, and `architecture`
    /// the name of the folder it is from, which is also that of the packages' files.
    pub fn parse(description: &str, text: &[u8], architecture: &str) -> Result<Self, IndexError> {
        if !is_package_name(architecture) {
            return Err(IndexError::Architecture(architecture.to_owned()));
        }
        let mut packages: Vec<(Package, usize)> = Vec::new();
        let mut fields = Fields::default();
        let mut line = 0;
        for bytes in text.split(|byte| *byte == b'\n').chain([&b""[..]]) {
            line += 1;
            if !bytes.is_empty() {
                fields.read(line, bytes)?;
            } else if !fields.is_empty() {
                let package =
                    fields.finish(architecture).map_err(|source| fields.refused(line, source))?;
                if packages.len() == PACKAGES_MAX {
                    let package = package.name;
                    return Err(IndexError::TooManyPackages { line, package });
                }
                packages.push((package, line));
                fields = Fields::default();
            }
        }
        packages.sort_by(|(left, _), (right, _)| left.name.cmp(&right.name));
        refuse_duplicates(&packages)?;
        let packages = packages.into_iter().map(|(package, _)| package).collect();
        Ok(Self { description: description.trim().to_owned(), packages })
    }

    /// Returns all versions of a package, in the index's own order.
    pub fn versions_of(&self, name: &str) -> &[Package] {
        let start = self.packages.partition_point(|package| package.name.as_str() < name);
        let rest = &self.packages[start..];
        &rest[..rest.partition_point(|package| package.name == name)]
    }
}

fn refuse_duplicates(packages: &[(Package, usize)]) -> Result<(), IndexError> {
    for same in packages.chunk_by(|(left, _), (right, _)| left.name == right.name) {
        let mut seen = HashMap::new();
        for (package, line) in same.iter().filter(|_| same.len() > 1) {
            if let Some(first) = seen.insert(package.version.as_str(), *line) {
                let version = package.version.clone();
                return Err(IndexError::Package {
                    line: *line,
                    package: package.name.clone(),
                    source: PackageError::Duplicate { version, line: first },
                });
            }
        }
    }
    Ok(())
}

/// The fields that are read, by their letter.
const LETTERS: &[u8] = b"CPVASILotkDpi";

/// The fields of one package.
#[derive(Default)]
struct Fields<'t> {
    values: [Option<&'t [u8]>; LETTERS.len()],
    lines: [usize; LETTERS.len()],
    /// Whether there was any line, even of a field that is skipped.
    any: bool,
}

impl<'t> Fields<'t> {
    fn is_empty(&self) -> bool {
        !self.any
    }

    fn read(&mut self, line: usize, bytes: &'t [u8]) -> Result<(), IndexError> {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(IndexError::LineTooLong { line, package: self.name() });
        }
        let [letter, b':', value @ ..] = bytes else {
            return Err(IndexError::Line { line, package: self.name() });
        };
        self.any = true;
        let Some(position) = LETTERS.iter().position(|known| known == letter) else {
            // Description, URL, and the files of an installed package, which apk skips, too.
            let skipped = letter.is_ascii_lowercase() || b"TUFMRZ".contains(letter);
            let unknown = PackageError::Unknown(char::from(*letter));
            return if skipped { Ok(()) } else { Err(self.refused_at(line, unknown)) };
        };
        if self.values[position].is_some() {
            return Err(self.refused_at(line, PackageError::Repeated(char::from(*letter))));
        }
        self.values[position] = Some(value);
        self.lines[position] = line;
        Ok(())
    }

    fn value(&self, letter: u8) -> Option<&'t [u8]> {
        LETTERS.iter().position(|known| *known == letter).and_then(|at| self.values[at])
    }

    /// The package's name for errors, however bad it is.
    fn name(&self) -> String {
        String::from_utf8_lossy(self.value(b'P').unwrap_or_default()).chars().take(80).collect()
    }

    fn refused_at(&self, line: usize, source: PackageError) -> IndexError {
        IndexError::Package { line, package: self.name(), source }
    }

    /// Makes the error of a finished package, at the line of the field it is about.
    fn refused(&self, end: usize, source: PackageError) -> IndexError {
        let letter = match &source {
            PackageError::Text(letter) | PackageError::Number { field: letter, .. } => *letter,
            PackageError::Name(_) => 'P',
            PackageError::Version(_) => 'V',
            PackageError::Checksum(_) => 'C',
            PackageError::Architecture { .. } => 'A',
            _ => '\0',
        };
        let position = LETTERS.iter().position(|known| char::from(*known) == letter);
        self.refused_at(position.map_or(end, |position| self.lines[position]), source)
    }

    fn text(&self, letter: u8) -> Result<Option<&'t str>, PackageError> {
        let not_text = |_| PackageError::Text(char::from(letter));
        self.value(letter).map(|bytes| str::from_utf8(bytes).map_err(not_text)).transpose()
    }

    fn required(&self, letter: u8) -> Result<&'t str, PackageError> {
        self.text(letter)?.ok_or(PackageError::Missing(char::from(letter)))
    }

    fn number<N: std::str::FromStr>(&self, letter: u8) -> Result<Option<N>, PackageError> {
        let Some(text) = self.text(letter)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| PackageError::Number {
            field: char::from(letter),
            value: text.chars().take(80).collect(),
        })
    }

    fn relations(&self, letter: u8) -> Result<String, PackageError> {
        let text = self.text(letter)?.unwrap_or_default();
        Ok(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Makes the package of the fields.
    fn finish(&self, architecture: &str) -> Result<Package, PackageError> {
        let name = self.required(b'P')?;
        if !is_package_name(name) {
            return Err(PackageError::Name(self.name()));
        }
        let version = self.required(b'V')?;
        if !is_version_text(version) {
            VersionRef::parse(version).map_err(PackageError::Version)?;
        }
        let own_architecture = self.required(b'A')?;
        if own_architecture != architecture && own_architecture != "noarch" {
            return Err(PackageError::Architecture {
                package: own_architecture.chars().take(80).collect(),
                index: architecture.to_owned(),
            });
        }
        let checksum = self.required(b'C')?;
        let checksum = Checksum::parse(checksum)
            .ok_or_else(|| PackageError::Checksum(checksum.chars().take(80).collect()))?;
        let missing = |letter| move || PackageError::Missing(letter);
        let origin = self.text(b'o')?.filter(|origin| !origin.is_empty());
        Ok(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: own_architecture.to_owned(),
            checksum,
            size_bytes: self.number(b'S')?.ok_or_else(missing('S'))?,
            installed_size_bytes: self.number(b'I')?.ok_or_else(missing('I'))?,
            origin: origin.map(str::to_owned),
            license: self.text(b'L')?.unwrap_or_default().to_owned(),
            build_time: self.number(b't')?,
            depends: self.relations(b'D')?,
            provides: self.relations(b'p')?,
            install_if: self.relations(b'i')?,
            provider_priority: self.number(b'k')?.unwrap_or(0),
            // Neither has a slash, and the name begins with a letter or digit.
            path: format!("{architecture}/{name}-{version}.apk"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MUSL: &str = "C:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\nP:musl\nV:1.2.5-r10\nA:x86_64\nS:400\n\
                        I:700\nT:the C library\nU:https://musl\nL:MIT\no:musl\nm:A <a>\nt:1700000000\n\
                        c:0123\nD:a  b\tso:c>1\np:so:libc.musl-x86_64.so.1=1\ni:x y=1\nk:10\n";

    fn parse(text: &str) -> Result<Index, IndexError> {
        Index::parse("v3\n", text.as_bytes(), "x86_64")
    }

    fn package(name: &str, version: &str) -> String {
        format!("C:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\nP:{name}\nV:{version}\nA:noarch\nS:1\nI:2\n")
    }

    #[test]
    fn all_fields_are_read() {
        let index = parse(MUSL).unwrap();
        let wanted = Package {
            name: "musl".into(),
            version: "1.2.5-r10".into(),
            architecture: "x86_64".into(),
            checksum: Checksum::Sha1(std::array::from_fn(|i| u8::try_from(i).unwrap())),
            size_bytes: 400,
            installed_size_bytes: 700,
            origin: Some("musl".into()),
            license: "MIT".into(),
            build_time: Some(1_700_000_000),
            depends: "a b so:c>1".into(),
            provides: "so:libc.musl-x86_64.so.1=1".into(),
            install_if: "x y=1".into(),
            provider_priority: 10,
            path: "x86_64/musl-1.2.5-r10.apk".into(),
        };
        assert_eq!(index, Index { description: "v3".into(), packages: vec![wanted] });
    }

    #[test]
    fn fields_may_be_absent_new_or_without_a_last_line_feed() {
        let text = package("a", "1") + "z:new\nq:9\nr:b\nF:usr";
        let package = &parse(&text).unwrap().packages[0];
        assert_eq!(package.path, "x86_64/a-1.apk");
        let absent = (package.origin.as_deref(), package.build_time, package.depends.as_str());
        assert_eq!(absent, (None, None, ""));
        assert_eq!(parse("").unwrap().packages, []);
        assert_eq!(parse("\n\n\n").unwrap().packages, []);
    }

    #[test]
    fn packages_are_sorted_by_name() {
        let order = [("b", "2"), ("a", "1"), ("b", "10"), ("b", "1")];
        let text: Vec<String> =
            order.iter().map(|(name, version)| package(name, version)).collect();
        let index = parse(&text.join("\n")).unwrap();
        let found: Vec<&str> = index.packages.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(
            found,
            ["x86_64/a-1.apk", "x86_64/b-2.apk", "x86_64/b-10.apk", "x86_64/b-1.apk"]
        );
        let versions = |name| index.versions_of(name).iter().map(|p| p.version.as_str());
        assert_eq!(versions("b").collect::<Vec<_>>(), ["2", "10", "1"]);
        assert_eq!(versions("aa").count() + versions("c").count(), 0);
    }

    #[test]
    fn bad_packages_are_refused_with_line_and_name() {
        let long = format!("T:{}", "x".repeat(LINE_BYTES_MAX));
        let a = package("a", "1");
        let replaced =
            |from: &str, to: &str| format!("{}\n{}", package("b", "1"), a.replace(from, to));
        for (text, wanted) in [
            (replaced("P:a\n", ""), "line 13: package \"\": field P is missing"),
            (replaced("V:1\n", ""), "line 13: package \"a\": field V is missing"),
            (replaced("S:1\n", ""), "line 13: package \"a\": field S is missing"),
            (replaced("V:1", "V:1x2/3"), "line 10: package \"a\": the version is not a version"),
            (replaced("V:1", "V:"), "line 10: package \"a\": the version is not a version"),
            (replaced("V:1", "V:1 2"), "line 10: package \"a\": the version is not a version"),
            (replaced("V:1", "V:../1"), "line 10: package \"a\": the version is not a version"),
            (replaced("P:a", "P:../a"), "line 9: package \"../a\": \"../a\" is not a package name"),
            (replaced("P:a", "P:a/b"), "line 9: package \"a/b\": \"a/b\" is not a package name"),
            (replaced("P:a", "P:"), "line 9: package \"\": \"\" is not a package name"),
            (replaced("P:a", "P:a\nP:c"), "line 10: package \"a\": field P is there twice"),
            (replaced("S:1", "S:-1"), "line 12: package \"a\": field S is not a number: \"-1\""),
            (replaced("I:2", "I:"), "line 13: package \"a\": field I is not a number: \"\""),
            (replaced("I:2", "I:2\nk:x"), "line 14: package \"a\": field k is not a number: \"x\""),
            (replaced("I:2", "I:2\nX:x"), "line 14: package \"a\": field X is unknown"),
            (replaced("I:2", "I:2\n7:x"), "line 14: package \"a\": field 7 is unknown"),
            (replaced("I:2", "I2"), "line 13: package \"a\": not a letter, a colon and a value"),
            (replaced("I:2", " "), "line 13: package \"a\": not a letter, a colon and a value"),
            (
                replaced("Q1AA", "Q1A"),
                "line 8: package \"a\": \"Q1AECAwQFBgcICQoLDA0ODxAREhM=\" is not the checksum of a package",
            ),
            (
                replaced("C:Q1", "C:Q2"),
                "line 8: package \"a\": \"Q2AAECAwQFBgcICQoLDA0ODxAREhM=\" is not the checksum of a package",
            ),
            (
                replaced("A:noarch", "A:arm"),
                "line 11: package \"a\": it is for arm, and the index for x86_64",
            ),
            (replaced("P:a", "P:b"), "line 14: package \"b\": version 1 is already in line 7"),
            (replaced("I:2", &long), "line 13: package \"a\": more than 1048576 bytes in a line"),
        ] {
            let error = parse(&text).unwrap_err();
            let reason = match &error {
                IndexError::Package { line, package, source } => {
                    format!("line {line}: package {package:?}: {source}")
                }
                other => other.to_string().replace("package index, ", ""),
            };
            assert_eq!(reason, wanted, "{text:.300}");
        }
        for architecture in ["", "..", "x86_64/..", "a b"] {
            let error = Index::parse("", b"", architecture).unwrap_err();
            assert_eq!(error, IndexError::Architecture(architecture.into()));
        }
        let not_text = Index::parse("", &[a.as_bytes(), b"D:\xff\n"].concat(), "x86_64");
        assert_eq!(
            not_text,
            Err(IndexError::Package {
                line: 7,
                package: "a".into(),
                source: PackageError::Text('D')
            })
        );
    }

    #[test]
    fn checksums_are_sha1_or_sha256() {
        let sha256 = BASE64_STANDARD.encode([7; 32]);
        assert_eq!(Checksum::parse(&format!("Q2{sha256}")), Some(Checksum::Sha256([7; 32])));
        for bad in ["", "Q", "Q1", "Q3AAECAwQFBgcICQoLDA0ODxAREhM=", "Q1AAECAwQ=", "ü1AA", "Q1****"]
        {
            assert_eq!(Checksum::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(lines in prop::collection::vec("[CPVASIDpik]:[a1-9Q=./]{0,9}|\\PC{0,5}", 0..30)) {
            let _ = parse(&lines.join("\n"));
        }
    }
}
