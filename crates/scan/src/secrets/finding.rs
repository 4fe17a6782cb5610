// SPDX-License-Identifier: Apache-2.0
//! What was found, without the secret itself.

use std::fmt;
use std::str::FromStr;

use hardpan_tree::{Hasher, TreePath};
use serde::{Serialize, Serializer};

/// The most characters of a secret that are shown.
const SHOWN_CHARACTERS_MAX: usize = 4;
/// How many characters a secret has for each one that is shown, at least.
const CHARACTERS_FOR_EACH_SHOWN: usize = 4;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Place {
    /// In a file of a layer.
    File {
        /// The layer, counted from the lowest, which is 0.
        layer: usize,
        /// The file.
        path: TreePath,
        /// The line, from 1 on; none in a binary file, and where the file itself is what was found.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
    },
    /// In a variable of the image's environment.
    Environment {
        /// Its name.
        name: String,
    },
    /// In a label.
    Label {
        /// Its name.
        name: String,
    },
    /// In an annotation of the manifest or the index.
    Annotation {
        /// Its name.
        name: String,
    },
    /// In the history.
    History {
        /// Which entry, from 0 on.
        number: usize,
    },
    /// In what a container of the image runs, or a build on it.
    Command {
        /// `Entrypoint`, `Cmd`, `Shell`, `Healthcheck` or `OnBuild`.
        key: &'static str,
    },
}

impl Place {
    /// Returns a text that stays the same when lines and layers come or go.
    pub(super) fn stable(&self) -> String {
        match self {
            Self::File { path, .. } => format!("file:{path}"),
            Self::Environment { name } => format!("env:{name}"),
            Self::Label { name } => format!("label:{name}"),
            Self::Annotation { name } => format!("annotation:{name}"),
            // Entries move.
            Self::History { .. } => "history".to_owned(),
            Self::Command { key } => format!("command:{key}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { layer, path, line: Some(line) } => {
                write!(f, "{path}:{line} (layer {layer})")
            }
            Self::File { layer, path, line: None } => write!(f, "{path} (layer {layer})"),
            Self::Environment { name } => write!(f, "environment: {name}"),
            Self::Label { name } => write!(f, "label: {name}"),
            Self::Annotation { name } => write!(f, "annotation: {name}"),
            Self::History { number } => write!(f, "history: entry {number}"),
            Self::Command { key } => write!(f, "configuration: {key}"),
        }
    }
}

/// What may be shown of a secret: its first characters and its length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Excerpt {
    /// The first four characters; fewer of a short one, none that can't be printed.
    pub start: String,
    /// Its length in bytes.
    pub length_bytes: usize,
}

impl Excerpt {
    pub(super) fn of(secret: &[u8]) -> Self {
        let shown = (secret.len() / CHARACTERS_FOR_EACH_SHOWN).min(SHOWN_CHARACTERS_MAX);
        let start = secret[..shown].iter();
        let start = start.map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '.' });
        Self { start: start.collect(), length_bytes: secret.len() }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}… ({} bytes)", self.start, self.length_bytes)
    }
}

/// A name for a secret in its place, the same from build to build: 16 digits of a SHA-256 of rule, place and secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(rule: &str, place: &str, secret: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        for part in [rule.as_bytes(), place.as_bytes(), secret] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let digest = hasher.finish();
        let mut start = [0; 8];
        start.copy_from_slice(&digest.as_bytes()[..8]);
        Self(u64::from_be_bytes(start))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| FingerprintError(text.chars().take(64).collect()))
    }
}

/// Not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 16 hexadecimal digits: {0:?}")]
pub struct FingerprintError(pub String);

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A secret in an image. The secret itself is nowhere in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// The id of the rule that found it.
    pub rule: String,
    /// What the rule finds.
    pub description: String,
    /// What may be shown of it.
    pub excerpt: Excerpt,
    /// Its name in a baseline.
    pub fingerprint: Fingerprint,
    /// The layer that hides its file, so that a container does not see it. Whoever has the image can read it nevertheless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_in_layer: Option<usize>,
    /// The package that the file belongs to, which is not as the package brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How often it is there.
    pub count: u64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, description, excerpt, rule, .. } = self;
        write!(f, "{place}: {description}: {excerpt} [{rule}]")?;
        if let Some(layer) = self.deleted_in_layer {
            write!(f, ", deleted in layer {layer}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_do_not_tell_much() {
        for (secret, start) in [
            ("ghp_0123456789abcdef", "ghp_"),
            ("hunter2", "h"),
            ("abc", ""),
            ("", ""),
            ("\u{1b}[31mabcdefghijk", ".[31"),
        ] {
            let excerpt = Excerpt::of(secret.as_bytes());
            assert_eq!(excerpt.start, start, "{secret:?}");
            assert_eq!(excerpt.length_bytes, secret.len());
            assert!(secret.len() < 5 || !excerpt.to_string().contains(secret));
        }
    }

    #[test]
    fn fingerprints() {
        let one = Fingerprint::of("rule", "file:/a", b"secret");
        assert_eq!(one.to_string().parse(), Ok(one));
        for (rule, place, secret) in [
            ("rulef", "ile:/a", "secret"),
            ("rule", "file:/b", "secret"),
            ("rule", "file:/a", "other"),
        ] {
            assert_ne!(Fingerprint::of(rule, place, secret.as_bytes()), one);
        }
        for text in [
            "",
            "0",
            "00112233445566778",
            "001122334455667g",
            "+011223344556677",
            "0x11223344556677",
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
        let place = |layer, line| Place::File { layer, path: TreePath::literal("a"), line };
        assert_eq!(place(0, Some(1)).stable(), place(5, None).stable());
        assert_eq!(place(2, Some(7)).to_string(), "/a:7 (layer 2)");
    }
}
