// SPDX-License-Identifier: Apache-2.0
//! Package URLs (purl-spec 1.0): the names by which scanners, databases and VEX documents know packages.

mod make;
mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

pub use make::DistroPackage;

/// The longest package URL that is read, in bytes: a few URLs in qualifiers fit, a document does not.
pub const PURL_BYTES_MAX: usize = 8 << 10;
/// The longest part of an unknown text that an error shows, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// A package URL, always canonical: what is written parses to the same value again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageUrl {
    kind: String,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    /// Sorted by their keys, of which no two are equal.
    qualifiers: Vec<(String, String)>,
    subpath: Option<String>,
}

/// Why a text is no package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a package URL: {text:?}: {problem}")]
pub struct PurlError {
    /// The beginning of the text.
    pub text: String,
    /// What is wrong with it.
    pub problem: PurlProblem,
}

/// What can be wrong with a package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PurlProblem {
    /// Longer than [`PURL_BYTES_MAX`].
    #[error("it is longer than {PURL_BYTES_MAX} bytes")]
    TooLong,
    /// It does not begin with `pkg:`.
    #[error("it does not begin with \"pkg:\"")]
    Scheme,
    /// The type is missing or has other characters than letters, digits, `.`, `+` and `-`.
    #[error(
        "its type {0:?} must begin with a letter and have only letters, digits, \".\", \"+\" and \"-\""
    )]
    Type(String),
    /// There is no name.
    #[error("it has no name")]
    NoName,
    /// Its type demands a namespace.
    #[error("packages of the type {0:?} have a namespace")]
    NoNamespace(String),
    /// Its type has no namespaces.
    #[error("packages of the type {0:?} have no namespace")]
    Namespace(String),
    /// A percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("its {0} is badly percent-encoded")]
    Encoding(&'static str),
    /// A segment with an encoded slash.
    #[error("a segment of its {0} has a slash")]
    Slash(&'static str),
    /// A key of a qualifier with other characters than letters, digits, `.`, `-` and `_`.
    #[error(
        "its qualifier {0:?} must begin with a letter and have only letters, digits, \".\", \"-\" and \"_\""
    )]
    QualifierKey(String),
    /// A qualifier that stands there twice.
    #[error("its qualifier {0:?} stands there twice")]
    QualifierTwice(String),
    /// A qualifier that its type demands is missing.
    #[error("packages of the type {kind:?} have the qualifier {key:?}")]
    QualifierMissing {
        /// The type.
        kind: String,
        /// The key.
        key: &'static str,
    },
    /// A name or version that its type does not allow.
    #[error("its type does not allow the {0}")]
    Refused(&'static str),
}

impl PackageUrl {
    /// Makes a package URL of a type, a namespace (empty for none) and a name.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Result<Self, PurlProblem> {
        Parts { kind, namespace: namespace.into(), name: name.into(), ..Parts::default() }.check()
    }

    /// Returns the type: `deb`, `pypi`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the namespace, decoded: `debian`, `@angular`, `github.com/gorilla`.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Returns the name, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version, decoded.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns the value of a qualifier, decoded.
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        (self.qualifiers.iter()).find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// Returns all qualifiers, decoded, sorted by their keys.
    pub fn qualifiers(&self) -> &[(String, String)] {
        &self.qualifiers
    }

    /// Returns the path in the package, decoded.
    pub fn subpath(&self) -> Option<&str> {
        self.subpath.as_deref()
    }

    /// Sets the version; an empty one removes it.
    pub fn with_version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned()).filter(|version| !version.is_empty());
        rules::normalize(&mut self);
        self
    }

    /// Sets a qualifier; an empty value removes it. The key is one of this program's own.
    fn with(mut self, key: &'static str, value: &str) -> Self {
        let place = self.place(key);
        match (place, value.is_empty()) {
            (Ok(at), true) => drop(self.qualifiers.remove(at)),
            (Ok(at), false) => value.clone_into(&mut self.qualifiers[at].1),
            (Err(_), true) => {}
            (Err(at), false) => self.qualifiers.insert(at, (key.to_owned(), value.to_owned())),
        }
        self
    }

    /// Returns where a qualifier is, or else where it would be.
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.qualifiers.binary_search_by(|(own, _)| own.as_str().cmp(key))
    }

    /// Returns it with at most one of its qualifiers, and without a subpath.
    pub fn with_only(&self, key: &str) -> Self {
        let mut purl = Self { subpath: None, ..self.clone() };
        purl.qualifiers.retain(|(own, _)| own == key);
        purl
    }

    /// Returns it without some of its qualifiers.
    pub fn without(&self, keys: &[&str]) -> Self {
        let mut purl = self.clone();
        purl.qualifiers.retain(|(own, _)| !keys.contains(&own.as_str()));
        purl
    }

    /// Returns it without version, qualifiers and subpath: what names the package in any version.
    pub fn package(&self) -> Self {
        Self {
            version: None,
            qualifiers: Vec::new(),
            subpath: None,
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Returns whether `specific` is among what this URL is about, by the rules of VEX tools: type, namespace and
    /// name are equal, a version here must be the version there, and each qualifier here must be there, too.
    pub fn matches(&self, specific: &Self) -> bool {
        // Tools that read package URLs lower the case of Go modules, others don't.
        let is_same = |here: &str, there: &str| {
            here == there || (self.kind == "golang" && here.eq_ignore_ascii_case(there))
        };
        let is_same_namespace = match (&self.namespace, &specific.namespace) {
            (Some(here), Some(there)) => is_same(here, there),
            (None, None) => true,
            _ => false,
        };
        self.kind == specific.kind
            && is_same_namespace
            && is_same(&self.name, &specific.name)
            && (self.version.is_none() || self.version == specific.version)
            && (self.qualifiers.iter())
                .all(|(key, value)| specific.qualifier(key) == Some(value.as_str()))
    }
}

/// The parts of a package URL, decoded but not checked.
#[derive(Debug, Default)]
struct Parts<'p> {
    kind: &'p str,
    namespace: Cow<'p, str>,
    name: Cow<'p, str>,
    version: Cow<'p, str>,
    qualifiers: Vec<(&'p str, Cow<'p, str>)>,
    subpath: Cow<'p, str>,
}

impl Parts<'_> {
    /// Checks and normalizes the parts (purl-spec, "Rules for each purl component").
    fn check(self) -> Result<PackageUrl, PurlProblem> {
        let kind = self.kind.to_ascii_lowercase();
        if !is_word(&kind, |c| matches!(c, '.' | '+' | '-')) {
            return Err(PurlProblem::Type(shown(self.kind)));
        }
        if self.name.is_empty() {
            return Err(PurlProblem::NoName);
        }
        let filled = |text: Cow<'_, str>| Some(text.into_owned()).filter(|text| !text.is_empty());
        let mut purl = PackageUrl {
            kind,
            namespace: filled(without_empty(self.namespace)),
            name: self.name.into_owned(),
            version: filled(self.version),
            qualifiers: Vec::with_capacity(self.qualifiers.len()),
            subpath: filled(self.subpath),
        };
        for (key, value) in self.qualifiers {
            let key = key.to_ascii_lowercase();
            if !is_word(&key, |c| matches!(c, '.' | '-' | '_')) {
                return Err(PurlProblem::QualifierKey(shown(&key)));
            }
            if value.is_empty() {
                continue;
            }
            match purl.place(&key) {
                Ok(_) => return Err(PurlProblem::QualifierTwice(key)),
                Err(at) => purl.qualifiers.insert(at, (key, value.into_owned())),
            }
        }
        rules::check(&purl)?;
        rules::normalize(&mut purl);
        Ok(purl)
    }
}

/// Leaves out segments with nothing in them.
fn without_empty(path: Cow<'_, str>) -> Cow<'_, str> {
    if !path.starts_with('/') && !path.ends_with('/') && !path.contains("//") {
        return path;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Cow::Owned(segments.join("/"))
}

/// Whether a text begins with a letter and has only lower-case letters, digits and what else is allowed.
fn is_word(text: &str, is_allowed: impl Fn(char) -> bool) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || is_allowed(c))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

impl FromStr for PackageUrl {
    type Err = PurlError;

    fn from_str(text: &str) -> Result<Self, PurlError> {
        parse(text).map_err(|problem| PurlError { text: shown(text), problem })
    }
}

/// Parses from both ends, as the specification does ("How to parse a purl string").
fn parse(text: &str) -> Result<PackageUrl, PurlProblem> {
    if text.len() > PURL_BYTES_MAX {
        return Err(PurlProblem::TooLong);
    }
    let (rest, subpath) = text.rsplit_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once(':').ok_or(PurlProblem::Scheme)?;
    if !scheme.eq_ignore_ascii_case("pkg") {
        return Err(PurlProblem::Scheme);
    }
    let (kind, path) = rest.trim_start_matches('/').split_once('/').ok_or(PurlProblem::NoName)?;
    let (path, version) = split_version(path);
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
    let namespace = segments(namespace, "namespace", |_| true)?;
    let subpath = segments(subpath, "subpath", |segment| segment != "." && segment != "..")?;
    let mut qualifiers = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        qualifiers.push((key, decode(value, "qualifier")?));
    }
    let (name, version) = (decode(name, "name")?, decode(version, "version")?);
    Parts { kind, namespace, name, version, qualifiers, subpath }.check()
}

/// Splits the version off. An `@` that begins a scope of npm, written as is, begins no version.
fn split_version(path: &str) -> (&str, &str) {
    match path.rsplit_once('@') {
        Some((before, after))
            if after.contains('/') && (before.is_empty() || before.ends_with('/')) =>
        {
            (path, "")
        }
        Some(parts) => parts,
        None => (path, ""),
    }
}

/// Decodes the segments of a path, and leaves out those that are not meant.
fn segments<'p>(
    text: &'p str,
    part: &'static str,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Cow<'p, str>, PurlProblem> {
    // Most paths have one segment, if any.
    if !text.contains(['%', '/']) && (text.is_empty() || is_meant(text)) {
        return Ok(Cow::Borrowed(text));
    }
    let mut segments = Vec::new();
    for segment in text.split('/').filter(|segment| !segment.is_empty()) {
        let segment = decode(segment, part)?;
        if segment.contains('/') {
            return Err(PurlProblem::Slash(part));
        }
        if is_meant(&segment) {
            segments.push(segment);
        }
    }
    Ok(Cow::Owned(segments.join("/")))
}

fn decode<'p>(text: &'p str, part: &'static str) -> Result<Cow<'p, str>, PurlProblem> {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default();
    if first.len() == text.len() {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend_from_slice(first.as_bytes());
    for piece in pieces.map(str::as_bytes) {
        let digit = |at: usize| piece.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(PurlProblem::Encoding(part));
        };
        bytes.push(u8::try_from(high * 16 + low).expect("two digits are a byte"));
        bytes.extend_from_slice(&piece[2..]);
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| PurlProblem::Encoding(part))
}

/// Appends a text with all encoded but letters, digits, `.`, `-`, `_`, `~`, the colon (purl-spec, "Character encoding"), and
/// what else is plain.
fn encode(text: &str, to: &mut String, plain: &[u8]) {
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) || plain.contains(&byte)
    };
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        to.push_str(&rest[..at]);
        let encoded = rest[at..].chars().next().map_or(0, char::len_utf8);
        for byte in rest[at..at + encoded].bytes() {
            to.push('%');
            for digit in [byte >> 4, byte & 15] {
                to.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
        rest = &rest[at + encoded..];
    }
    to.push_str(rest);
}

impl fmt::Display for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.namespace.as_deref().map_or(0, str::len) + self.name.len();
        let version = self.version.as_deref().map_or(0, str::len);
        let qualifiers = self.qualifiers.iter().map(|(key, value)| key.len() + value.len() + 8);
        let length = self.kind.len() + path + version + qualifiers.sum::<usize>() + 32;
        // At once: SBOMs have many of them, and a formatter takes long for little pieces.
        let mut text = String::with_capacity(length);
        text.push_str("pkg:");
        text.push_str(&self.kind);
        text.push('/');
        if let Some(namespace) = &self.namespace {
            encode(namespace, &mut text, b"/");
            text.push('/');
        }
        encode(&self.name, &mut text, b"");
        if let Some(version) = &self.version {
            text.push('@');
            encode(version, &mut text, b"");
        }
        for (number, (key, value)) in self.qualifiers.iter().enumerate() {
            text.push(if number == 0 { '?' } else { '&' });
            text.push_str(key);
            text.push('=');
            encode(value, &mut text, b"");
        }
        if let Some(subpath) = &self.subpath {
            text.push('#');
            encode(subpath, &mut text, b"/");
        }
        f.write_str(&text)
    }
}
