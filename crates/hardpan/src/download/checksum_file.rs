// SPDX-License-Identifier: Apache-2.0
//! Files that list the checksums of others, in the forms that people publish.

use hardpan_tree::Digest;

/// The largest checksum file, in bytes. The lists of whole releases have some 100 kB.
pub(super) const CHECKSUM_FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a checksum file does not say what a file must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChecksumFileError {
    /// No line is a checksum.
    #[error("has no checksum in it")]
    Empty,
    /// Checksums of other files only.
    #[error("has no checksum of {name:?}")]
    NoSuchFile {
        /// The file's name.
        name: String,
    },
    /// Only checksums that prove nothing.
    #[error("has only {algorithm} for {name:?}, which proves nothing; sha256 and sha512 do")]
    Weak {
        /// The algorithm.
        algorithm: &'static str,
        /// The file's name.
        name: String,
    },
    /// Two different ones for the same file.
    #[error("has several checksums of {name:?}")]
    Ambiguous {
        /// The file's name.
        name: String,
    },
}

/// What a file must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    Sha256(Digest),
    /// 128 hexadecimal digits in lower case.
    Sha512(String),
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha512(digits) => write!(f, "sha512:{digits}"),
        }
    }
}

/// A line: digits, and the name of the file if there is one.
struct Line<'t> {
    digits: &'t str,
    name: Option<&'t str>,
}

/// Finds the checksum of a file by its name.
///
/// Understood are the lists of `sha256sum` and `sha512sum` (`digits  name`, `digits *name`), the BSD
/// form (`SHA256 (name) = digits`), `name: digits`, and digits alone. A directory in front of a name
/// does not count. Digits alone are the file's only if there is but one such line.
pub(super) fn find(text: &str, name: &str) -> Result<Expected, ChecksumFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<Line<'_>> = text.lines().filter_map(parse).collect();
    if lines.is_empty() {
        return Err(ChecksumFileError::Empty);
    }
    let own = |line: &&Line<'_>| line.name.is_some_and(|path| last_name(path) == name);
    let mut found: Vec<&Line<'_>> = lines.iter().filter(own).collect();
    if found.is_empty() {
        found = lines.iter().filter(|line| line.name.is_none()).collect();
    }
    let no_file = || ChecksumFileError::NoSuchFile { name: name.to_owned() };
    let first = *found.first().ok_or_else(no_file)?;
    let (mut strong, mut weak) = (Vec::new(), algorithm(first.digits));
    for line in found {
        let digits = line.digits.to_ascii_lowercase();
        match digits.len() {
            64 => strong.extend(Digest::from_hex(&digits).ok().map(Expected::Sha256)),
            128 => strong.push(Expected::Sha512(digits)),
            _ => weak = algorithm(line.digits),
        }
    }
    // A list may give both; either of them is enough, but two of a kind must agree.
    strong.sort_by_key(|expected| matches!(expected, Expected::Sha512(_)));
    strong.dedup();
    let is_two_of_a_kind =
        |pair: &[Expected]| std::mem::discriminant(&pair[0]) == std::mem::discriminant(&pair[1]);
    if strong.windows(2).any(is_two_of_a_kind) {
        return Err(ChecksumFileError::Ambiguous { name: name.to_owned() });
    }
    let weak = ChecksumFileError::Weak { algorithm: weak, name: name.to_owned() };
    strong.into_iter().next().ok_or(weak)
}

fn algorithm(digits: &str) -> &'static str {
    match digits.len() {
        32 => "md5",
        40 => "sha1",
        56 => "sha224",
        96 => "sha384",
        _ => "an unknown algorithm",
    }
}

fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a word has the length of some checksum and only hexadecimal digits.
fn is_checksum(word: &str) -> bool {
    matches!(word.len(), 32 | 40 | 56 | 64 | 96 | 128)
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn parse(line: &str) -> Option<Line<'_>> {
    let line = line.trim();
    // BSD, and what openssl prints: `SHA256(name)= digits`.
    if let Some((front, digits)) = line.rsplit_once('=')
        && let Some((algorithm, name)) = front.trim().strip_suffix(')')?.split_once('(')
    {
        let digits = digits.trim();
        let is_named = algorithm.trim().to_ascii_uppercase().starts_with(['S', 'M', 'B']);
        // BLAKE2 has digits of the same length and is something else.
        let is_blake = algorithm.trim().to_ascii_uppercase().starts_with('B');
        return (is_named && !is_blake && is_checksum(digits))
            .then_some(Line { digits, name: Some(name) });
    }
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let first = first.strip_prefix("sha256:").or(first.strip_prefix("sha512:")).unwrap_or(first);
    if is_checksum(first) {
        let name = rest.strip_prefix('*').unwrap_or(rest);
        let is_nameless = name.is_empty() || name == "-";
        return Some(Line { digits: first, name: (!is_nameless).then_some(name) });
    }
    let name = first.strip_suffix(':')?;
    is_checksum(rest).then_some(Line { digits: rest, name: Some(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(digit: char, count: usize) -> String {
        digit.to_string().repeat(count)
    }

    #[test]
    fn published_forms_are_read() {
        let (a, b, long) = (digits('a', 64), digits('b', 64), digits('c', 128));
        let sha256 = |text: &str| Expected::Sha256(Digest::from_hex(text).unwrap());
        let sha512 = Expected::Sha512(long.clone());
        for (text, expected) in [
            (a.clone(), sha256(&a)),
            (format!("{}\r\n", a.to_uppercase()), sha256(&a)),
            (format!("\u{feff}{a}"), sha256(&a)),
            (format!("{a}  x.tar.gz\n"), sha256(&a)),
            (format!("{a} *x.tar.gz\n"), sha256(&a)),
            (format!("{a}  ./dist/x.tar.gz\n"), sha256(&a)),
            (format!("{a}  -\n"), sha256(&a)),
            (format!("{b}  y.tar.gz\n{a}  x.tar.gz\n{b}  x.tar.gz.asc\n"), sha256(&a)),
            (format!("SHA256 (x.tar.gz) = {a}\nSHA256 (y.tar.gz) = {b}\n"), sha256(&a)),
            (format!("SHA2-256(x.tar.gz)= {a}\n"), sha256(&a)),
            (format!("SHA512 (x.tar.gz) = {long}\n"), sha512.clone()),
            (format!("x.tar.gz: {a}\n"), sha256(&a)),
            (format!("sha256:{a}  x.tar.gz\n"), sha256(&a)),
            (format!("{long}  x.tar.gz\n"), sha512),
            (format!("{long}  x.tar.gz\n{a}  x.tar.gz\n"), sha256(&a)),
            (format!("{a}  x.tar.gz\n{a}  x.tar.gz\n"), sha256(&a)),
            (format!("{}  x.tar.gz\n{a}  x.tar.gz\n", digits('d', 32)), sha256(&a)),
            (
                format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{a}  x.tar.gz\n"),
                sha256(&a),
            ),
        ] {
            assert_eq!(find(&text, "x.tar.gz").as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        let (a, b) = (digits('a', 64), digits('b', 64));
        for (text, message) in [
            (String::new(), "no checksum in it"),
            ("<html>not found</html>".to_owned(), "no checksum in it"),
            (format!("{a}a  x.tar.gz"), "no checksum in it"),
            (format!("{}g  x.tar.gz", &a[1..]), "no checksum in it"),
            (format!("{a}  y.tar.gz"), "no checksum of \"x.tar.gz\""),
            (format!("{a}  x.tar.gz.sig"), "no checksum of \"x.tar.gz\""),
            (format!("{}  x.tar.gz", digits('a', 32)), "only md5"),
            (format!("MD5 (x.tar.gz) = {}", digits('a', 32)), "only md5"),
            (digits('a', 40), "only sha1"),
            (format!("BLAKE2b (x.tar.gz) = {a}"), "no checksum in it"),
            (format!("{a}  x.tar.gz\n{b}  x.tar.gz"), "several checksums"),
            (format!("{a}\n{b}"), "several checksums"),
        ] {
            let error = find(&text, "x.tar.gz").unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
