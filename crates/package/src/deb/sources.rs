// SPDX-License-Identifier: Apache-2.0
//! Where packages come from: apt's `sources.list` and `.sources` files.
//!
//! Both forms (sources.list(5): one line per archive, and deb822 stanzas) become [`Source`]s, one
//! for each URI and suite. Mistakes are reported with line and column, all at once.

mod deb822;
mod line;
mod mirror;
#[cfg(test)]
mod tests;

use std::fmt;

pub use mirror::{ArchiveKind, mirror_of};

use crate::openpgp::Fingerprint;

/// Longest text that is read, in bytes.
pub const SOURCES_BYTES_MAX: usize = 1 << 20;
/// Most [`Source`]s that one text may mean.
pub const SOURCES_MAX: usize = 4_096;

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// What is asked for: binary packages, source packages or both; sorted.
    pub types: Vec<SourceType>,
    /// Where the archive is, without slashes at the end.
    pub uri: String,
    /// The suite, such as `trixie`; or, for a flat archive, its folder with a slash at the end.
    pub suite: String,
    /// The components, in the order given; none for a flat archive.
    pub components: Vec<String>,
    /// Whose signatures count; if empty, the default keyring's.
    pub signed_by: Vec<SignedBy>,
    /// The architectures that it is meant for; if empty, all.
    pub architectures: Vec<String>,
    /// Further options.
    pub options: SourceOptions,
    /// The line where it stands, from 1.
    pub line: usize,
}

/// A kind of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceType {
    /// Binary packages (`deb`).
    Binary,
    /// Source packages (`deb-src`).
    Source,
}

/// Whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedBy {
    /// The keys of a file, by its absolute path.
    Path(String),
    /// The keys of an armoured block that stands in the source itself.
    Inline(String),
    /// The key, among those of the default keyring, with this fingerprint.
    Fingerprint(Fingerprint),
}

/// Options of a [`Source`] that change how it is fetched or checked; `None` if not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceOptions {
    /// `Check-Valid-Until`.
    pub check_valid_until: Option<bool>,
    /// `Valid-Until-Max`, in seconds.
    pub valid_until_max_seconds: Option<i64>,
    /// `Check-Date`.
    pub check_date: Option<bool>,
    /// `By-Hash`: whether to fetch files by their digest whatever the archive says.
    pub by_hash: Option<bool>,
    /// `Trusted: yes` asks to skip signature checks. It is not obeyed; it is kept so that it can be
    /// said.
    pub trusted: Option<bool>,
}

/// Sources, and the mistakes found beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What could be read, in the order of the text.
    pub sources: Vec<Source>,
    /// What could not, in the order of the text.
    pub errors: Vec<SourcesError>,
}

impl Parsed {
    /// Returns the sources if there was no mistake.
    pub fn into_result(self) -> Result<Vec<Source>, Vec<SourcesError>> {
        if self.errors.is_empty() { Ok(self.sources) } else { Err(self.errors) }
    }
}

/// A mistake in a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct SourcesError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Longer than [`SOURCES_BYTES_MAX`], or more than [`SOURCES_MAX`] sources.
    #[error("too large")]
    TooLarge,
    /// Not `deb` or `deb-src`.
    #[error("expected \"deb\" or \"deb-src\", found {0:?}")]
    Type(String),
    /// Something is missing.
    #[error("{0} missing")]
    Missing(&'static str),
    /// Options without a closing bracket.
    #[error("options without a closing \"]\"")]
    OpenBracket,
    /// An option or field that is not known.
    #[error("unknown option {0:?}")]
    UnknownOption(String),
    /// An option that stands here twice.
    #[error("option {0:?} stands here twice")]
    Twice(String),
    /// A value that does not fit its option.
    #[error("bad value for {option}: {value:?}")]
    Value {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// Not a URI of a kind that can be fetched.
    #[error("not a URI of an archive (http:, https: or file:): {0:?}")]
    Uri(String),
    /// A bad suite or component name.
    #[error("bad {what}: {value:?}")]
    Name {
        /// Which one.
        what: &'static str,
        /// The name.
        value: String,
    },
    /// A flat archive with components, or another one without.
    #[error("a flat archive (a suite with \"/\" at its end) has no components, any other has some")]
    Components,
    /// A line that is no field.
    #[error("expected a field, \"Name: value\"")]
    Field,
    /// An armoured key that does not end.
    #[error("the key block is not complete")]
    KeyBlock,
}

impl Source {
    /// Whether this is a flat archive: one folder, with no components.
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// Returns the URL of a file beside the `Release` file, by its name there.
    pub fn suite_url(&self, name: &str) -> String {
        let folder = if self.is_flat() {
            self.suite.trim_start_matches("./").to_owned()
        } else {
            format!("dists/{}/", self.suite)
        };
        let folder = if folder == "/" { "" } else { &folder };
        format!("{}/{}{}", self.uri, encode(folder), encode(name))
    }

    /// Returns the URL of a package, by its `Filename` in the index.
    pub fn package_url(&self, filename: &str) -> String {
        format!("{}/{}", self.uri, encode(filename.strip_prefix("./").unwrap_or(filename)))
    }
}

impl fmt::Display for Source {
    /// Shows URI, suite and components, without user name and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = match self.uri.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
                format!("{scheme}://{}", &rest[host..])
            }
            None => self.uri.clone(),
        };
        write!(f, "{uri} {}", self.suite)?;
        self.components.iter().try_for_each(|component| write!(f, " {component}"))
    }
}

/// Percent-encodes a path as apt does: a `+` too, as some servers take it for a space.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    encoded
}

/// Parses a text in either form: deb822 if its first line that says something is a field.
pub fn parse(text: &str) -> Parsed {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or_default();
    let word = first.split([' ', '\t', '[']).next().unwrap_or_default();
    if word.contains(':') { parse_deb822(text) } else { parse_lines(text) }
}

/// Parses one-line sources: `deb [option=value …] URI suite component …`.
pub fn parse_lines(text: &str) -> Parsed {
    bounded(text, line::parse)
}

/// Parses deb822 stanzas, as in `.sources` files.
pub fn parse_deb822(text: &str) -> Parsed {
    bounded(text, deb822::parse)
}

fn bounded(text: &str, parse: impl Fn(&str) -> Parsed) -> Parsed {
    let too_large = || SourcesError { line: 1, column: 1, problem: Problem::TooLarge };
    if text.len() > SOURCES_BYTES_MAX {
        return Parsed { sources: Vec::new(), errors: vec![too_large()] };
    }
    let mut parsed = parse(text);
    if parsed.sources.len() > SOURCES_MAX {
        parsed.sources.truncate(SOURCES_MAX);
        parsed.errors.push(too_large());
    }
    parsed
}

/// A piece of the text with its place.
#[derive(Debug, Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    line: usize,
    column: usize,
}

impl Word<'_> {
    fn error(&self, problem: Problem) -> SourcesError {
        SourcesError { line: self.line, column: self.column, problem }
    }

    fn owned(&self) -> String {
        self.text.chars().take(200).collect()
    }
}

/// Splits a line at white space (and further separators) into words with their columns.
fn words<'t>(text: &'t str, line: usize, first_column: usize, separators: &str) -> Vec<Word<'t>> {
    let is_separator = |c: char| c.is_whitespace() || separators.contains(c);
    let mut words = Vec::new();
    let mut start = None;
    let mut start_column = first_column;
    for (column, (position, character)) in (first_column..).zip(text.char_indices()) {
        match (start, is_separator(character)) {
            (None, false) => (start, start_column) = (Some(position), column),
            (Some(begin), true) => {
                words.push(Word { text: &text[begin..position], line, column: start_column });
                start = None;
            }
            _ => {}
        }
    }
    if let Some(begin) = start {
        words.push(Word { text: &text[begin..], line, column: start_column });
    }
    words
}

fn parse_type(word: Word<'_>) -> Result<SourceType, SourcesError> {
    match word.text {
        "deb" => Ok(SourceType::Binary),
        "deb-src" => Ok(SourceType::Source),
        _ => Err(word.error(Problem::Type(word.owned()))),
    }
}

fn parse_uri(word: Word<'_>) -> Result<String, SourcesError> {
    let bad = || word.error(Problem::Uri(word.owned()));
    let (scheme, rest) = word.text.split_once(':').ok_or_else(bad)?;
    let valid = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {
            rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        }
        "file" => rest.starts_with('/'),
        _ => false,
    };
    let characters = word.text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'$');
    if valid && characters && word.text.len() <= 2_048 && !word.text.contains(['#', '?']) {
        Ok(word.text.trim_end_matches('/').to_owned())
    } else {
        Err(bad())
    }
}

/// Checks the name of a suite or component: it becomes part of a URL.
fn parse_name(word: Word<'_>, what: &'static str) -> Result<String, SourcesError> {
    let text = word.text;
    let bytes = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._+~:/".contains(&b));
    let flat = what == "suite" && text.ends_with('/');
    let segments: Vec<_> = text.trim_end_matches('/').split('/').collect();
    let inside = !segments.contains(&"..")
        && (flat || segments.iter().all(|segment| !matches!(*segment, "" | ".")));
    if bytes && inside && text.len() <= 256 && !text.ends_with("//") {
        Ok(text.to_owned())
    } else {
        Err(word.error(Problem::Name { what, value: word.owned() }))
    }
}

fn parse_architectures(words: &[Word<'_>]) -> Result<Vec<String>, SourcesError> {
    words
        .iter()
        .map(|word| {
            let valid = word.text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if valid && !word.text.is_empty() {
                Ok(word.text.to_owned())
            } else {
                let value = word.owned();
                Err(word.error(Problem::Value { option: "Architectures", value }))
            }
        })
        .collect()
}

/// Parses one element of `Signed-By`: an absolute path or a fingerprint.
fn parse_signed_by(word: Word<'_>) -> Result<SignedBy, SourcesError> {
    if word.text.starts_with('/') && !word.text.split('/').any(|segment| segment == "..") {
        return Ok(SignedBy::Path(word.text.to_owned()));
    }
    // A fingerprint with "!" means that key alone, not its subkeys; ours always mean one key.
    match word.text.trim_end_matches('!').parse() {
        Ok(fingerprint) => Ok(SignedBy::Fingerprint(fingerprint)),
        Err(_) => Err(word.error(Problem::Value { option: "Signed-By", value: word.owned() })),
    }
}

fn parse_bool(word: Word<'_>, option: &'static str) -> Result<bool, SourcesError> {
    match word.text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Ok(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Ok(false),
        _ => Err(word.error(Problem::Value { option, value: word.owned() })),
    }
}

fn parse_seconds(word: Word<'_>, option: &'static str) -> Result<i64, SourcesError> {
    word.text
        .parse()
        .ok()
        .filter(|seconds| *seconds >= 0)
        .ok_or_else(|| word.error(Problem::Value { option, value: word.owned() }))
}

/// The options that both forms know, by their one-line names. Returns whether it is one.
fn set_option(
    name: &str,
    value: Word<'_>,
    options: &mut SourceOptions,
) -> Result<bool, SourcesError> {
    match name {
        "check-valid-until" => {
            options.check_valid_until = Some(parse_bool(value, "Check-Valid-Until")?);
        }
        "valid-until-max" => {
            options.valid_until_max_seconds = Some(parse_seconds(value, "Valid-Until-Max")?);
        }
        "check-date" => options.check_date = Some(parse_bool(value, "Check-Date")?),
        "by-hash" => {
            let forced = value.text.eq_ignore_ascii_case("force");
            options.by_hash = Some(forced || parse_bool(value, "By-Hash")?);
        }
        "trusted" => options.trusted = Some(parse_bool(value, "Trusted")?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Options that mean nothing here: they choose files that are never fetched, or how.
const IGNORED_OPTIONS: &[&str] = &[
    "allow-downgrade-to-insecure",
    "allow-insecure",
    "allow-weak",
    "compressiontypes",
    "date-max-future",
    "exclude",
    "include",
    "inrelease-path",
    "keepcompressedas",
    "lang",
    "languages",
    "pdiffs",
    "snapshot",
    "target",
    "targets",
    "valid-until-min",
];
