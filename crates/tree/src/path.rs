// SPDX-License-Identifier: Apache-2.0
//! Paths inside a tree.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes_text::{escape, unescape};

/// The longest path that a tree accepts, in bytes: Linux's `PATH_MAX` less the leading slash and the NUL.
pub const PATH_BYTES_MAX: usize = 4094;
/// The longest single name, in bytes: Linux's `NAME_MAX`.
pub const NAME_BYTES_MAX: usize = 255;

/// An absolute, normalised path in a tree: no empty, `.` or `..` components and no NUL.
///
/// It is held without the leading slash; the root is the empty path. Order is by bytes, in which
/// a directory always comes before what is in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Vec<u8>);

/// Why bytes are not a [`TreePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A `..` component: it could lead out of the tree.
    #[error("path has a \"..\" component: {0:?}")]
    Parent(String),
    /// A NUL byte.
    #[error("path has a NUL byte: {0:?}")]
    Nul(String),
    /// Too long, in whole or in one name.
    #[error("path is too long ({length_bytes} bytes)")]
    TooLong {
        /// Its length.
        length_bytes: usize,
    },
}

impl TreePath {
    /// Returns the root.
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// Parses a path as definitions and archives write them: leading slashes and `.` components mean
    /// nothing, repeated and trailing slashes are dropped, `..` is refused.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let bytes = bytes.as_ref();
        let lossy = || String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        if bytes.contains(&0) {
            return Err(PathError::Nul(lossy()));
        }
        let mut path = Vec::with_capacity(bytes.len());
        for name in bytes.split(|&byte| byte == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => return Err(PathError::Parent(lossy())),
                _ => {}
            }
            if name.len() > NAME_BYTES_MAX {
                return Err(PathError::TooLong { length_bytes: name.len() });
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong { length_bytes: path.len() });
        }
        Ok(Self(path))
    }

    /// Returns a path that the program itself names.
    ///
    /// # Panics
    /// If it is not a valid path. Only for literals.
    pub fn literal(text: &'static str) -> Self {
        Self::parse(text).expect("a literal path is valid")
    }

    /// Returns the bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last name; the root has an empty one.
    pub fn name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// Returns the directory that holds this path; the root has none.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// Returns all directories above this path, the nearest first, the root last.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Returns this path with a relative one added below it.
    pub fn join(&self, relative: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let mut bytes = self.0.clone();
        bytes.push(b'/');
        bytes.extend_from_slice(relative.as_ref());
        Self::parse(bytes)
    }

    /// Returns whether this path is `directory` or below it.
    pub fn starts_with(&self, directory: &Self) -> bool {
        self.strip_prefix(directory).is_some()
    }

    /// Returns what follows `directory/` in this path (empty for the directory itself).
    pub fn strip_prefix(&self, directory: &Self) -> Option<&[u8]> {
        if directory.is_root() {
            return Some(&self.0);
        }
        match self.0.strip_prefix(directory.0.as_slice())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// Returns the names from the root downwards.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Borrow<[u8]> for TreePath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Paths that are UTF-8 are written as they are; bytes outside it as `\xNN`, and `\` as `\\`.
impl Serialize for TreePath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len() + 1);
        text.push('/');
        escape(&self.0, &mut text);
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = unescape(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom(format!("bad escape in path {text:?}")))?;
        Self::parse(bytes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_normalise() {
        for (text, expected) in [
            ("", "/"),
            ("/", "/"),
            ("./usr/bin/", "/usr/bin"),
            ("usr//./bin", "/usr/bin"),
            ("/..data", "/..data"),
        ] {
            assert_eq!(TreePath::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn escapes_and_oversizes_are_refused() {
        let long_name = "a".repeat(NAME_BYTES_MAX + 1);
        let long_path = "ab/".repeat(PATH_BYTES_MAX / 3 + 2);
        for text in ["..", "a/../b", "/a/..", "a\0b", &long_name, &long_path] {
            assert!(TreePath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn parents_names_and_prefixes() {
        let path = TreePath::literal("/usr/lib/x");
        assert_eq!(path.name(), b"x");
        assert_eq!(path.parent(), Some(TreePath::literal("/usr/lib")));
        let above: Vec<String> = path.ancestors().map(|path| path.to_string()).collect();
        assert_eq!(above, ["/usr/lib", "/usr", "/"]);
        assert_eq!(path.strip_prefix(&TreePath::literal("/usr")), Some(&b"lib/x"[..]));
        assert_eq!(path.strip_prefix(&TreePath::literal("/us")), None);
        assert_eq!(TreePath::root().parent(), None);
    }

    proptest! {
        #[test]
        fn serialised_form_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(path) = TreePath::parse(&bytes) {
                let text = serde_json::to_string(&path).unwrap();
                prop_assert_eq!(serde_json::from_str::<TreePath>(&text).unwrap(), path);
            }
        }

        #[test]
        fn parents_sort_before_children(bytes in "[a-z./-]{1,30}") {
            if let Ok(path) = TreePath::parse(&bytes) {
                for parent in path.ancestors() {
                    prop_assert!(parent < path);
                    prop_assert!(path.starts_with(&parent));
                }
            }
        }
    }
}
