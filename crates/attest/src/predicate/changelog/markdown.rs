// SPDX-License-Identifier: Apache-2.0
//! Changes as a text for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Changelog, PackageChange};
use crate::visible;

/// The most lines of a list; the predicate has all of them.
const LINES_MAX: usize = 200;

impl Changelog {
    /// Writes the changes as Markdown. Names and values of others can't change its form.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a text can't fail.
        let _ =
            writeln!(text, "# Changes of {} since {}", code(&self.to.name), code(&self.from.name));
        for (what, build) in [("Before", &self.from), ("After", &self.to)] {
            if let Some(digest) = build.digest {
                let _ = writeln!(text, "\n{what}: {}", code(&digest.to_string()));
            }
        }
        if self.is_empty() {
            let _ = writeln!(text, "\nNothing changed.");
            return text;
        }
        self.write_packages(&mut text);
        self.write_config(&mut text);
        self.write_files(&mut text);
        self.write_sizes(&mut text);
        text
    }

    fn write_packages(&self, text: &mut String) {
        let packages = &self.packages;
        let lists = [
            ("Changed packages", &packages.changed),
            ("New packages", &packages.added),
            ("Packages that are gone", &packages.removed),
        ];
        for (title, list) in lists {
            let line = |change: &PackageChange| {
                let name = code(&change.name);
                match (&change.from, &change.to) {
                    (Some(from), Some(to)) if from == to => {
                        format!("{name} {} built again", code(to))
                    }
                    (Some(from), Some(to)) => format!("{name} {} → {}", code(from), code(to)),
                    (Some(version), None) | (None, Some(version)) => {
                        format!("{name} {}", code(version))
                    }
                    (None, None) => name,
                }
            };
            write_list(text, title, list.iter().map(line), list.len() as u64);
        }
    }

    fn write_config(&self, text: &mut String) {
        let lines = self.config.iter().map(|change| {
            let value =
                |value: &Option<Value>| value.as_ref().map(|value| code(&value.to_string()));
            let key = code(&change.key);
            match (value(&change.from), value(&change.to)) {
                (Some(from), Some(to)) => format!("{key} {from} → {to}"),
                (None, Some(to)) => format!("{key} is new: {to}"),
                (Some(from), None) => format!("{key} is gone: {from}"),
                (None, None) => key,
            }
        });
        write_list(text, "Configuration", lines, self.config.len() as u64);
    }

    fn write_files(&self, text: &mut String) {
        let files = &self.files;
        for (title, list, count) in [
            ("New files", &files.added, files.added_count),
            ("Files that are gone", &files.removed, files.removed_count),
            ("Changed files", &files.changed, files.changed_count),
            (
                "Files with other permissions or owners",
                &files.mode_changed,
                files.mode_changed_count,
            ),
        ] {
            write_list(text, title, list.iter().map(|path| code(path)), count);
        }
    }

    fn write_sizes(&self, text: &mut String) {
        let size = self.size;
        if size.compressed_from == size.compressed_to && size.from == size.to {
            return;
        }
        let _ = writeln!(text, "\n## Size\n");
        for (what, from, to) in [
            ("compressed", size.compressed_from, size.compressed_to),
            ("unpacked", size.from, size.to),
        ] {
            let change = i128::from(to) - i128::from(from);
            let _ = writeln!(
                text,
                "- {what}: {} → {} ({change:+} bytes)",
                megabytes(from),
                megabytes(to)
            );
        }
    }
}

fn write_list(text: &mut String, title: &str, lines: impl Iterator<Item = String>, count: u64) {
    if count == 0 {
        return;
    }
    let _ = writeln!(text, "\n## {title} ({count})\n");
    let mut written = 0;
    for line in lines.take(LINES_MAX) {
        let _ = writeln!(text, "- {line}");
        written += 1;
    }
    if let Some(more) = count.checked_sub(written).filter(|more| *more > 0) {
        let _ = writeln!(text, "- and {more} more");
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// Writes a text as a code span, whatever is in it: one line, and more back quotes around it than in it.
fn code(text: &str) -> String {
    let text = visible(text);
    let (mut longest, mut current) = (0, 0);
    for c in text.chars() {
        current = if c == '`' { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 || text.is_empty() { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_code_span() {
        for (text, expected) in [
            ("a", "`a`"),
            ("a`b", "`` a`b ``"),
            ("``", "``` `` ```"),
            ("a\n# b", "`a\u{fffd}# b`"),
            ("", "`  `"),
        ] {
            assert_eq!(code(text), expected);
        }
    }
}
