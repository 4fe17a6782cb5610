// SPDX-License-Identifier: Apache-2.0
//! Fields of the kind `Name: value`, read as leniently as their own programs do: of dpkg's databases, and
//! of Python's metadata.
//!
//! The strict reader of control data is for what is verified and installed. Here a field that stands twice
//! or a line that is none must not hide the packages after it.

use std::borrow::Cow;

/// The most fields of one paragraph. Python distributions have a line for each dependency and classifier.
const FIELDS_MAX: usize = 4096;

/// A paragraph.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Fields<'t> {
    /// Returns the first field of that name that has a value, on one line.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'t, str>> {
        let value = self.raw(name)?;
        Some(if value.contains('\n') {
            let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
            Cow::Owned(lines.collect::<Vec<_>>().join(" "))
        } else {
            Cow::Borrowed(value)
        })
    }

    /// Returns the first line of the first field of that name.
    pub(super) fn first_line(&self, name: &str) -> Option<&'t str> {
        self.raw(name)?.lines().next().map(str::trim)
    }

    /// Returns the lines of the first field of that name, without those that are empty.
    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &'t str> {
        let lines = self.raw(name).unwrap_or_default().lines().map(str::trim);
        lines.filter(|line| !line.is_empty())
    }

    /// Returns all fields of that name, each on its first line.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'t str> {
        let is_it = move |(own, _): &&(&str, &str)| own.eq_ignore_ascii_case(name);
        self.0.iter().filter(is_it).filter_map(|(_, value)| value.lines().next()).map(str::trim)
    }

    fn raw(&self, name: &str) -> Option<&'t str> {
        let mut all = self
            .0
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim());
        all.find(|value| !value.is_empty())
    }
}

/// Reads the paragraphs of a text.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = Fields<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (fields, after) = paragraph(rest);
            rest = after;
            if !fields.0.is_empty() {
                return Some(fields);
            }
        }
        None
    })
}

/// Reads one paragraph; returns also what follows the empty line at its end.
pub(super) fn paragraph(text: &str) -> (Fields<'_>, &str) {
    let mut fields = Fields::default();
    let mut at = 0;
    // Where the last field's value begins.
    let mut open: Option<usize> = None;
    while at < text.len() {
        let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        let next = (line_end + 1).min(text.len());
        let line = &text[at..line_end];
        if line.trim().is_empty() {
            return (fields, &text[next..]);
        }
        if line.starts_with([' ', '\t']) {
            if let (Some(start), Some(field)) = (open, fields.0.last_mut()) {
                // Trimmed when it is asked for, so that no line costs more than itself.
                field.1 = &text[start..line_end];
            }
        } else if let Some(colon) = line.find(':')
            && fields.0.len() < FIELDS_MAX
        {
            let start = at + colon + 1;
            fields.0.push((line[..colon].trim(), &text[start..line_end]));
            open = Some(start);
        } else {
            open = None;
        }
        at = next;
    }
    (fields, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_paragraphs() {
        let text = "\n\nPackage: a\nVersion: 1\nVersion: 2\nno field\n goes nowhere\nDescription: short\n \
                    long\n .\n more\nEmpty:\nEmpty: late\r\n\n \nPACKAGE : b\nOnly: x";
        let all: Vec<_> = paragraphs(text).collect();
        assert_eq!(all.len(), 2);
        let get = |at: usize, name| all[at].get(name).map(Cow::into_owned);
        assert_eq!(get(0, "package").as_deref(), Some("a"));
        assert_eq!(get(0, "Version").as_deref(), Some("1"));
        assert_eq!(all[0].all("Version").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(get(0, "Description").as_deref(), Some("short long . more"));
        assert_eq!(all[0].first_line("Description"), Some("short"));
        assert_eq!(get(0, "Empty").as_deref(), Some("late"));
        assert_eq!(get(0, "Missing"), None);
        assert_eq!(get(1, "Package").as_deref(), Some("b"));
        assert_eq!(get(1, "Only").as_deref(), Some("x"));
        for nothing in ["", "\n", " \n\n", "words\n", " indented: x\n"] {
            assert_eq!(paragraphs(nothing).count(), 0, "{nothing:?}");
        }
        let many = "A: b\n".repeat(FIELDS_MAX + 10);
        assert_eq!(paragraph(&many).0.all("a").count(), FIELDS_MAX);
    }
}
