// SPDX-License-Identifier: Apache-2.0
//! What steps print: cut into lines, without secrets, the last of it kept for error messages.

use std::collections::VecDeque;

/// How many lines are kept for the message of a step that failed.
const TAIL_LINES_MAX: usize = 30;
/// The longest line, in bytes; a longer one is cut into several.
const LINE_BYTES_MAX: usize = 4_096;
/// Shorter secrets are not looked for: they would be found everywhere.
pub(super) const SECRET_BYTES_MIN: usize = 4;

/// Takes what a step prints, in pieces, and gives it on in lines.
pub(super) struct StepLog<'l> {
    line: Vec<u8>,
    tail: VecDeque<String>,
    secrets: Vec<Vec<u8>>,
    give: &'l mut dyn FnMut(&str),
}

impl<'l> StepLog<'l> {
    /// Makes a log that hides these secrets.
    pub(super) fn new(secrets: Vec<&'l [u8]>, give: &'l mut dyn FnMut(&str)) -> Self {
        // A secret of several lines would never be found whole in one.
        let mut parts: Vec<Vec<u8>> = secrets
            .into_iter()
            .flat_map(|secret| secret.split(|&byte| byte == b'\n'))
            // As lines are, when they are looked through.
            .map(|part| part.trim_ascii().iter().copied().filter(|&byte| byte != b'\r').collect())
            .filter(|part: &Vec<u8>| part.len() >= SECRET_BYTES_MIN)
            .collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        Self { line: Vec::new(), tail: VecDeque::new(), secrets: parts, give }
    }

    /// Takes a piece.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        for &byte in piece {
            match byte {
                b'\n' => self.end_line(),
                // What a terminal would overwrite.
                b'\r' => {}
                _ => {
                    self.line.push(byte);
                    // A secret that begins before the cut is here whole.
                    let longest = self.secrets.first().map_or(0, Vec::len);
                    if self.line.len() >= LINE_BYTES_MAX + longest {
                        self.cut_line();
                    }
                }
            }
        }
    }

    /// Returns the last lines.
    pub(super) fn finish(mut self) -> Vec<String> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.tail.into()
    }

    /// Gives on the first part of a line that is too long, and keeps the rest.
    fn cut_line(&mut self) {
        let mut cut = LINE_BYTES_MAX;
        for secret in &self.secrets {
            // One that lies across the cut goes with what is before it.
            let from = cut.saturating_sub(secret.len() - 1);
            let across = self.line.get(from..).unwrap_or_default();
            let found = across.windows(secret.len()).position(|window| window == *secret);
            if let Some(at) = found.filter(|at| from + at < cut) {
                cut = from + at + secret.len();
            }
        }
        let rest = self.line.split_off(cut);
        self.end_line();
        self.line = rest;
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        for secret in &self.secrets {
            line = replaced(&line, secret);
        }
        // Nothing that steps print may move a cursor or change a title.
        let text: String = String::from_utf8_lossy(&line)
            .chars()
            .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
            .collect();
        (self.give)(&text);
        if self.tail.len() == TAIL_LINES_MAX {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
    }
}

fn replaced(line: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
        kept.extend_from_slice(&rest[..at]);
        kept.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    kept.extend_from_slice(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_without_secrets() {
        for (summary, pieces, secret, expected) in [
            ("pieces", &["a", "b\nc", "\n"][..], "", &["ab", "c"][..]),
            ("no newline at the end", &["a\nb"], "", &["a", "b"]),
            ("a secret in pieces", &["key=hun", "ter2!\n"], "hunter2", &["key=***!"]),
            ("twice", &["hunter2 hunter2\n"], "hunter2", &["*** ***"]),
            ("a secret of lines", &["x first y\n"], "first\nsecond", &["x *** y"]),
            ("too short to hide", &["abc\n"], "b", &["abc"]),
            ("no escapes", &["\x1b[31mred\r\n"], "", &["\u{fffd}[31mred"]),
        ] {
            let mut lines = Vec::new();
            let mut give = |line: &str| lines.push(line.to_owned());
            let mut log = StepLog::new(vec![secret.as_bytes()], &mut give);
            for piece in pieces {
                log.feed(piece.as_bytes());
            }
            let tail = log.finish();
            assert_eq!(lines, expected, "{summary}");
            assert_eq!(tail, expected, "{summary}");
        }
    }

    #[test]
    fn a_secret_across_a_cut_is_hidden() {
        let long = "s".repeat(LINE_BYTES_MAX + 100);
        for secret in ["hunter2", "a\rbcdef", &long] {
            for before in (LINE_BYTES_MAX - 10)..(LINE_BYTES_MAX + 2) {
                let mut lines = Vec::new();
                let mut give = |line: &str| lines.push(line.to_owned());
                let mut log = StepLog::new(vec![secret.as_bytes()], &mut give);
                log.feed("x".repeat(before).as_bytes());
                log.feed(secret.as_bytes());
                log.feed("y".repeat(LINE_BYTES_MAX * 3).as_bytes());
                log.finish();
                let hidden = format!("{}***{}", "x".repeat(before), "y".repeat(LINE_BYTES_MAX * 3));
                assert_eq!(lines.concat(), hidden, "{before} {}", secret.len());
            }
        }
    }

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut() {
        let mut count = 0;
        let mut give = |_: &str| count += 1;
        let mut log = StepLog::new(Vec::new(), &mut give);
        log.feed(&vec![b'x'; LINE_BYTES_MAX * 40]);
        assert_eq!(log.finish().len(), TAIL_LINES_MAX);
        assert_eq!(count, 40);
    }
}
