// SPDX-License-Identifier: Apache-2.0
//! Which distribution it is: os-release(5), and the files that say the exact release.

use std::collections::BTreeMap;

use hardpan_tree::TreePath;

use super::FormatError;

/// The most lines of an os-release file.
const LINES_MAX: usize = 1024;
const FORMAT: &str = "os-release";

/// What an image says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`: `debian`, `alpine`; in lower case.
    pub id: String,
    /// `ID_LIKE`: what it is made from.
    pub id_like: Vec<String>,
    /// `VERSION_ID`: `13`, `3.22.1`.
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`: `trixie`.
    pub version_codename: Option<String>,
    /// `PRETTY_NAME`.
    pub pretty_name: Option<String>,
    /// `NAME`.
    pub name: Option<String>,
    /// `/etc/debian_version`: `13.2`, or `forky/sid`.
    pub debian_version: Option<String>,
    /// `/etc/alpine-release`: `3.22.1`.
    pub alpine_release: Option<String>,
    /// All that os-release says, as it says it.
    pub fields: BTreeMap<String, String>,
    /// The files that say so.
    pub evidence: Vec<TreePath>,
}

/// Reads an os-release file.
pub(super) fn read(bytes: &[u8]) -> Result<OsRelease, FormatError> {
    let text = String::from_utf8_lossy(bytes);
    let mut fields = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        if number >= LINES_MAX {
            return Err(FormatError::limit(FORMAT, "lines", LINES_MAX));
        }
        let line = line.trim();
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.is_empty() && name.chars().all(is_letter) {
            // Of a name that stands twice the last counts, as in a shell.
            fields.insert(name.to_owned(), unquote(value.trim()));
        }
    }
    let get = |name: &str| fields.get(name).filter(|value| !value.is_empty()).cloned();
    // What os-release(5) says of a file without it.
    let id = get("ID").map_or_else(|| "linux".to_owned(), |id| id.to_ascii_lowercase());
    let id_like = get("ID_LIKE").unwrap_or_default();
    Ok(OsRelease {
        id,
        id_like: id_like.split_whitespace().map(str::to_ascii_lowercase).collect(),
        version_id: get("VERSION_ID"),
        version_codename: get("VERSION_CODENAME"),
        pretty_name: get("PRETTY_NAME"),
        name: get("NAME"),
        fields,
        ..OsRelease::default()
    })
}

/// Takes the quotes of a shell off a value.
fn unquote(value: &str) -> String {
    let inner = |quote: char| {
        value.strip_prefix(quote).map(|rest| rest.strip_suffix(quote).unwrap_or(rest))
    };
    if let Some(inner) = inner('\'') {
        return inner.to_owned();
    }
    let value = inner('"').unwrap_or(value);
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => text.extend(characters.next()),
            c => text.push(c),
        }
    }
    text
}

/// Returns the first word of a file like `/etc/debian_version`.
pub(super) fn first_word(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split_whitespace().next().map(str::to_owned)
}

/// Returns the version that the `release` file of a Java runtime has, if it is one.
pub(super) fn java_version(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let line = text.lines().take(LINES_MAX).find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    let version = unquote(line.trim());
    let is_version = version.starts_with(|c: char| c.is_ascii_digit())
        && version.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
    is_version.then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_files() {
        let text = b"# comment=1\nID=Debian\nVERSION_ID=\"13\"\nPRETTY_NAME='A \"b\"'\nID=debian\n\
            NAME=\"a \\\"b\\\" \\$c\"\n bad name=x\nnothing\nID_LIKE=\"x Y\"\nVERSION_CODENAME=\n=x\n";
        let os = read(text).unwrap();
        assert_eq!(os.id, "debian");
        assert_eq!(os.version_id.as_deref(), Some("13"));
        assert_eq!(os.pretty_name.as_deref(), Some("A \"b\""));
        assert_eq!(os.name.as_deref(), Some("a \"b\" $c"));
        assert_eq!(os.id_like, ["x", "y"]);
        assert_eq!(os.version_codename, None);
        assert_eq!(os.fields.len(), 6);
        for text in [&b""[..], b"\xff\xfe", b"\0\0", b"ID=\n", b"ID"] {
            assert_eq!(read(text).unwrap().id, "linux", "{text:?}");
        }
        assert!(read("A=b\n".repeat(LINES_MAX + 1).as_bytes()).is_err());
        assert_eq!(unquote("\"a\\"), "a");
        assert_eq!(first_word(b" 13.2\nx"), Some("13.2".to_owned()));
        assert_eq!(first_word(b" \n"), None);
    }

    #[test]
    fn java_releases() {
        for (text, expected) in [
            ("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"21.0.4\"\n", Some("21.0.4")),
            ("JAVA_VERSION=1.8.0_392\n", Some("1.8.0_392")),
            ("JAVA_VERSION=\"\"\n", None),
            ("JAVA_VERSION=\"x\"\n", None),
            ("JAVA_VERSION=\"1 2\"\n", None),
            ("XJAVA_VERSION=\"1\"\n", None),
            ("", None),
        ] {
            assert_eq!(java_version(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }
}
