// SPDX-License-Identifier: Apache-2.0
//! What a test's commands print.

use hardpan_attest::is_obeyed;

/// How many lines are shown of a test that failed.
const LINES_MAX: usize = 20;
/// How much of a line is shown, in characters.
const LINE_CHARACTERS_MAX: usize = 500;

/// The output of a test's commands. The sandbox limits each command's.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
}

impl Output {
    /// Takes a piece.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Notes that a command has ended: what the next one prints begins a line.
    pub(super) fn end(&mut self) {
        if self.bytes.last().is_some_and(|&last| last != b'\n') {
            self.bytes.push(b'\n');
        }
    }

    /// Takes all of another output behind its own.
    pub(super) fn append(&mut self, other: &Self) {
        self.end();
        self.take(&other.bytes);
        self.end();
    }

    /// Forgets what was printed so far.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// Returns whether a text was printed.
    pub(super) fn contains(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.bytes).contains(text)
    }

    /// Returns the last lines, without what a terminal would obey.
    pub(super) fn tail(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines: Vec<&str> = text.lines().collect();
        let skipped = lines.len().saturating_sub(LINES_MAX);
        lines[skipped..].iter().map(|line| clean(line)).collect()
    }
}

fn clean(line: &str) -> String {
    let plain = line.chars().map(|character| match character {
        '\t' => ' ',
        character if is_obeyed(character) => '\u{fffd}',
        character => character,
    });
    plain.take(LINE_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_clean() {
        let mut output = Output::default();
        for number in 0..30 {
            output.take(format!("line {number}\n").as_bytes());
        }
        output.take(b"\x1b[31mred\tand\xff");
        output.end();
        output.take(&[b'x'; 1_000]);
        let tail = output.tail();
        assert_eq!(tail.len(), LINES_MAX);
        assert_eq!(tail[0], "line 12");
        assert_eq!(tail[18], "\u{fffd}[31mred and\u{fffd}");
        assert_eq!(tail[19].len(), LINE_CHARACTERS_MAX);
    }

    #[test]
    fn texts_are_found_in_all_of_it() {
        let mut output = Output::default();
        output.take(b"one tw");
        output.take(b"o\nthree");
        output.end();
        assert!(output.contains("two\nthree\n") && !output.contains("four"));
        output.forget();
        assert!(!output.contains("two") && output.tail().is_empty());
    }
}
