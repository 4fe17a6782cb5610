// SPDX-License-Identifier: Apache-2.0
//! Source texts, spans into them, and the loading of included files.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// Largest accepted definition, in bytes. The largest published one has 66 kB.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// A named text: a definition, an included file or an `info.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The name shown in diagnostics, usually a path relative to the catalog root.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// Makes a source from a name and its text.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The line and column (both from 1, columns in characters) of a byte offset in this text.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        line_column(&self.text, offset)
    }
}

/// The line and column (both from 1, columns in characters) of a byte offset in `text`.
/// Offsets beyond the end or inside a character are moved back to a valid one.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// A byte range in one of the sources of a parse: `source` is the index into
/// [`Parsed::sources`](crate::Parsed::sources) (0 is the definition itself, the others are its includes).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Span {
    /// Index of the source.
    pub source: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span. Offsets fit into 32 bits because of [`MAX_SOURCE_BYTES`]; larger ones saturate.
    pub fn new(source: u32, range: Range<usize>) -> Self {
        let start = u32::try_from(range.start).unwrap_or(u32::MAX);
        let end = u32::try_from(range.end).unwrap_or(u32::MAX).max(start);
        Self { source, start, end }
    }

    /// The byte range within the source text.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The empty span at the start of this one.
    #[must_use]
    pub fn at_start(self) -> Self {
        Self { end: self.start, ..self }
    }
}

/// A value with the place it was written at.
///
/// Two spanned values are equal when their values are: a definition that moved by a line is the same definition.
/// The span is skipped when serialising, too, so that the canonical form only depends on meaning.
#[derive(Clone, Copy, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Applies `function` to the value and keeps the place.
    pub fn map<U>(self, function: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: function(self.value), span: self.span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: PartialOrd> PartialOrd for Spanned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<T: Ord> Ord for Spanned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: Hash> Hash for Spanned<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// Why an included file could not be loaded. The text ends up in a diagnostic at the `includes` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncludeError {
    /// There is no such file.
    NotFound,
    /// The file is not UTF-8.
    NotUtf8,
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for IncludeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => formatter.write_str("no such file"),
            Self::NotUtf8 => formatter.write_str("not UTF-8 text"),
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for IncludeError {}

/// Loads the files named by `includes`.
pub trait Includes {
    /// Loads `path`, which is normalised, relative to the catalog root and free of `..`.
    ///
    /// # Errors
    /// Any reason why there is no text.
    fn load(&self, path: &str) -> Result<Source, IncludeError>;
}

/// Refuses every include: for definitions that stand alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoIncludes;

impl Includes for NoIncludes {
    fn load(&self, _path: &str) -> Result<Source, IncludeError> {
        Err(IncludeError::NotFound)
    }
}

impl Includes for std::collections::BTreeMap<String, String> {
    fn load(&self, path: &str) -> Result<Source, IncludeError> {
        self.get(path).map(|text| Source::new(path, text.as_str())).ok_or(IncludeError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::line_column;

    #[test]
    fn lines_and_columns() {
        let text = "ab\nçd\n";
        for (offset, expected) in [
            (0, (1, 1)),
            (2, (1, 3)),
            (3, (2, 1)),
            (4, (2, 1)), // inside ç
            (5, (2, 2)),
            (7, (3, 1)),
            (99, (3, 1)),
        ] {
            assert_eq!(line_column(text, offset), expected, "offset {offset}");
        }
    }
}
