// SPDX-License-Identifier: Apache-2.0
//! Paragraphs of control data (deb822(5)): `Packages`, `Release`, `control`, `.sources`.
//!
//! Nothing is copied: names and values are slices of the text.

use std::borrow::Cow;

/// Limits on control data that comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in bytes.
    pub text_bytes_max: usize,
    /// The longest value of one field, in bytes. `Release` lists every file of a suite in one.
    pub value_bytes_max: usize,
    /// The most fields in one paragraph.
    pub fields_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Debian's biggest index (trixie/main) has 57 MB, its biggest Release field 250 kB.
        Self {
            text_bytes_max: 1024 * 1024 * 1024,
            value_bytes_max: 16 * 1024 * 1024,
            fields_max: 512,
        }
    }
}

/// Why a text is not control data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("control data, line {line}: {kind}")]
pub struct ControlError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub kind: ControlErrorKind,
}

/// What is wrong with a line of control data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlErrorKind {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// A line has no colon.
    #[error("expected \"Name: value\"")]
    NoColon,
    /// A field name is empty or has a character that is not allowed.
    #[error("not a field name: {0:?}")]
    Name(String),
    /// A continuation line stands where no field is.
    #[error("continuation line without a field")]
    Continuation,
    /// A field stands twice in a paragraph.
    #[error("field {0} stands twice")]
    Duplicate(String),
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// More than [`Limits::text_bytes_max`].
    #[error("text has {0} bytes, more than allowed")]
    TextTooLong(usize),
    /// More than [`Limits::value_bytes_max`].
    #[error("value of {0} is longer than allowed")]
    ValueTooLong(String),
    /// More than [`Limits::fields_max`].
    #[error("paragraph has more than {0} fields")]
    TooManyFields(usize),
}

/// One field of a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'t> {
    /// The name as written.
    pub name: &'t str,
    /// The value as written, without space around it; continuation lines keep their line feeds.
    pub raw: &'t str,
    /// The line of the name, counted from 1.
    pub line: usize,
}

impl<'t> Field<'t> {
    /// Returns the lines of the value, trimmed, without comment lines. The first is what stands
    /// after the colon and may be empty.
    pub fn lines(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let mut lines = self.raw.split('\n');
        // Only a continuation can be a comment: `Key: #value` is a value.
        lines
            .next()
            .map(str::trim)
            .into_iter()
            .chain(lines.filter(|line| !line.starts_with('#')).map(str::trim))
    }

    /// Returns the value on one line: continuation lines are joined with single spaces.
    pub fn folded(&self) -> Cow<'t, str> {
        if self.raw.contains('\n') {
            let lines: Vec<&str> = self.lines().filter(|line| !line.is_empty()).collect();
            Cow::Owned(lines.join(" "))
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// Returns the words of the value, over all its lines.
    pub fn words(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        self.lines().flat_map(str::split_ascii_whitespace)
    }
}

/// A group of fields, ended by an empty line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph<'t> {
    fields: Vec<Field<'t>>,
    line: usize,
}

impl<'t> Paragraph<'t> {
    /// Returns the field of that name; case does not matter (policy 5.1).
    pub fn field(&self, name: &str) -> Option<&Field<'t>> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// Returns the value of the field of that name, as written.
    pub fn get(&self, name: &str) -> Option<&'t str> {
        self.field(name).map(|field| field.raw)
    }

    /// Returns the field of that name, or the error that it is missing.
    pub fn require(&self, name: &'static str) -> Result<&Field<'t>, ControlError> {
        self.field(name)
            .ok_or(ControlError { line: self.line, kind: ControlErrorKind::Missing(name) })
    }

    /// Returns all fields in the order of the text.
    pub fn fields(&self) -> &[Field<'t>] {
        &self.fields
    }

    /// Returns the line of its first field, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

/// Reads the paragraphs of a text one after the other.
#[derive(Debug, Clone)]
pub struct Reader<'t> {
    rest: &'t str,
    line: usize,
    limits: Limits,
}

impl<'t> Reader<'t> {
    /// Starts at the beginning of a text, which must be UTF-8.
    pub fn new(text: &'t [u8], limits: Limits) -> Result<Self, ControlError> {
        if text.len() > limits.text_bytes_max {
            let kind = ControlErrorKind::TextTooLong(text.len());
            return Err(ControlError { line: 1, kind });
        }
        match std::str::from_utf8(text) {
            Ok(rest) => Ok(Self { rest, line: 0, limits }),
            Err(error) => {
                let line = text[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
                Err(ControlError { line, kind: ControlErrorKind::Encoding })
            }
        }
    }

    /// Reads the next paragraph into a reused one; false at the end of the text.
    pub fn read(&mut self, paragraph: &mut Paragraph<'t>) -> Result<bool, ControlError> {
        paragraph.fields.clear();
        while !self.rest.is_empty() {
            let (line, rest) = self.split_line();
            let number = self.line + 1;
            let error = |kind| ControlError { line: number, kind };
            match line.as_bytes().first() {
                _ if line.trim().is_empty() => {
                    (self.rest, self.line) = (rest, number);
                    if paragraph.fields.is_empty() {
                        continue;
                    }
                    return Ok(true);
                }
                Some(b'#') => (self.rest, self.line) = (rest, number),
                Some(b' ' | b'\t') => return Err(error(ControlErrorKind::Continuation)),
                _ => {
                    let field = self.read_field(line)?;
                    if paragraph.fields.is_empty() {
                        paragraph.line = field.line;
                    } else if paragraph.field(field.name).is_some() {
                        return Err(error(ControlErrorKind::Duplicate(field.name.to_owned())));
                    }
                    if paragraph.fields.len() == self.limits.fields_max {
                        return Err(error(ControlErrorKind::TooManyFields(self.limits.fields_max)));
                    }
                    paragraph.fields.push(field);
                }
            }
        }
        Ok(!paragraph.fields.is_empty())
    }

    /// Reads a field with its continuation lines; `first` is its first line.
    fn read_field(&mut self, first: &'t str) -> Result<Field<'t>, ControlError> {
        let number = self.line + 1;
        let error = |kind| ControlError { line: number, kind };
        let (name, _) = first.split_once(':').ok_or_else(|| error(ControlErrorKind::NoColon))?;
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(is_name_byte) {
            let name = name.chars().take(80).collect();
            return Err(error(ControlErrorKind::Name(name)));
        }
        let whole = self.rest;
        let mut end = first.len();
        (self.rest, self.line) = (self.split_line().1, number);
        let (mut rest_after_comments, mut line_after_comments) = (self.rest, self.line);
        loop {
            let (line, rest) = self.split_line();
            match line.as_bytes().first() {
                // A line of only spaces ends the paragraph (deb822(5)).
                Some(b' ' | b'\t') if !line.trim().is_empty() => {
                    end = whole.len() - self.rest.len() + line.len();
                    (self.rest, self.line) = (rest, self.line + 1);
                    (rest_after_comments, line_after_comments) = (self.rest, self.line);
                }
                // Comments stand in a value only if the value goes on after them.
                Some(b'#') => (self.rest, self.line) = (rest, self.line + 1),
                _ => break,
            }
        }
        (self.rest, self.line) = (rest_after_comments, line_after_comments);
        if end > self.limits.value_bytes_max {
            return Err(error(ControlErrorKind::ValueTooLong(name.to_owned())));
        }
        Ok(Field { name, raw: whole[name.len() + 1..end].trim(), line: number })
    }

    fn split_line(&self) -> (&'t str, &'t str) {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        (line.strip_suffix('\r').unwrap_or(line), rest)
    }
}

/// Field names are printable ASCII without space and colon (policy 5.1).
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b':'
}

impl<'t> Iterator for Reader<'t> {
    type Item = Result<Paragraph<'t>, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut paragraph = Paragraph::default();
        match self.read(&mut paragraph) {
            Ok(true) => Some(Ok(paragraph)),
            Ok(false) => None,
            Err(error) => {
                self.rest = "";
                Some(Err(error))
            }
        }
    }
}

/// Reads a text of exactly one paragraph, such as a package's `control` file.
pub fn parse_one(text: &[u8], limits: Limits) -> Result<Paragraph<'_>, ControlError> {
    let mut reader = Reader::new(text, limits)?;
    let mut paragraph = Paragraph::default();
    if !reader.read(&mut paragraph)? {
        return Err(ControlError { line: 1, kind: ControlErrorKind::Missing("Package") });
    }
    Ok(paragraph)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Paragraph<'_>>, ControlError> {
        Reader::new(text.as_bytes(), Limits::default())?.collect()
    }

    #[test]
    fn paragraphs_fields_and_lines() {
        let text = "# head\n\nPackage: a\nDepends: b,\n c,\n# note\n\td\nTag:\n x\n .\n y\n\n \n\
                    Package:b\n# between\nVersion: 1 \nLast: #1";
        let paragraphs = read(text).unwrap();
        assert_eq!(paragraphs.len(), 2);
        let first = &paragraphs[0];
        assert_eq!((first.line(), first.get("package")), (3, Some("a")));
        let depends = first.field("DEPENDS").unwrap();
        assert_eq!((depends.line, depends.raw), (4, "b,\n c,\n# note\n\td"));
        assert_eq!(depends.folded(), "b, c, d");
        assert_eq!(first.field("Tag").unwrap().lines().collect::<Vec<_>>(), ["x", ".", "y"]);
        let second = &paragraphs[1];
        assert_eq!(second.line(), 14);
        assert_eq!((second.get("Package"), second.get("Version")), (Some("b"), Some("1")));
        let last = second.field("Last").unwrap();
        assert_eq!((last.line, last.folded()), (17, Cow::Borrowed("#1")));
        assert_eq!(last.words().collect::<Vec<_>>(), ["#1"]);
    }

    #[test]
    fn carriage_returns_are_space() {
        let paragraphs = read("A: 1\r\nB: 2\r\n 3\r\n\r\nA: 4\r\n").unwrap();
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].field("B").unwrap().folded(), "2 3");
        assert_eq!(paragraphs[1].get("A"), Some("4"));
    }

    #[test]
    fn nothing_is_no_paragraph() {
        for text in ["", "\n", "\n\n\n", " \n\t\n", "# only\n", "# a\n\n#b"] {
            assert_eq!(read(text).unwrap(), [], "{text:?}");
        }
    }

    #[test]
    fn bad_lines_are_named() {
        use ControlErrorKind as Kind;
        for (text, line, kind) in [
            ("A: 1\nB\n", 2, Kind::NoColon),
            (": 1\n", 1, Kind::Name(String::new())),
            ("A b: 1\n", 1, Kind::Name("A b".into())),
            (
                "-----BEGIN PGP SIGNED MESSAGE-----: \n",
                1,
                Kind::Name("-----BEGIN PGP SIGNED MESSAGE-----".into()),
            ),
            ("é: 1\n", 1, Kind::Name("é".into())),
            (" x\nA: 1\n", 1, Kind::Continuation),
            ("A: 1\n\n x\n", 3, Kind::Continuation),
            ("A: 1\nB: 2\na: 3\n", 3, Kind::Duplicate("a".into())),
        ] {
            assert_eq!(read(text), Err(ControlError { line, kind }), "{text:?}");
        }
        let error = Reader::new(b"A: 1\nB: \xff\n", Limits::default()).unwrap_err();
        assert_eq!(error, ControlError { line: 2, kind: Kind::Encoding });
        assert_eq!(error.to_string(), "control data, line 2: not UTF-8");
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { text_bytes_max: 40, value_bytes_max: 12, fields_max: 2 };
        let read = |text: &'static str| -> Result<Vec<_>, _> {
            Reader::new(text.as_bytes(), limits)?.collect()
        };
        assert!(read("A: 1\nB: 1\n\nA: 1\n").is_ok());
        for text in [
            "A: 1\nB: 1\nC: 1\n",
            "A: 0123456789\n",
            "A: 1234\n 1234\n 1\n",
            "A: 1\n\nB: 2\n\nC: 3\n\nD: 4\n\nE: 5\n\nF: 6\n\nG: 7\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_paragraph_is_required() {
        assert!(parse_one(b"\n\n", Limits::default()).is_err());
        let text = b"Package: a\n";
        let paragraph = parse_one(text, Limits::default()).unwrap();
        assert_eq!(paragraph.require("Package").unwrap().raw, "a");
        assert_eq!(
            paragraph.require("Version").unwrap_err().to_string(),
            "control data, line 1: field Version is missing"
        );
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "([A-C:# \t\r\n.-]|é){0,60}") {
            let count = Reader::new(text.as_bytes(), Limits::default()).unwrap().count();
            prop_assert!(count <= text.len());
        }
    }
}
