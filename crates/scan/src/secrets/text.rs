// SPDX-License-Identifier: Apache-2.0
//! What of a file is text: all of it, or the strings of a binary file, in windows that overlap.

use std::ops::Range;

/// How much is looked at together, in bytes. What is longer goes through windows.
const WINDOW_BYTES: usize = 512 << 10;
/// How long something may be to be found wherever it stands, in bytes. RSA keys of 16,384 bits have 13 kB.
const OVERLAP_BYTES: usize = 16 << 10;
/// How much before that is kept, in bytes, so that what is before something can be seen.
const CONTEXT_BYTES: usize = 1 << 10;
/// The shortest string of a binary file that is looked at, in bytes.
const STRING_BYTES_MIN: usize = 8;
/// How much of a file decides what it is, in bytes.
const START_BYTES: usize = 8 << 10;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Nature {
    /// Not known yet.
    #[default]
    Unknown,
    Text,
    /// Text of two bytes a character, as Windows has it.
    Wide,
    Binary,
}

impl Nature {
    fn of(start: &[u8]) -> Self {
        match start {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Self::Wide,
            _ if memchr::memchr(0, &start[..start.len().min(START_BYTES)]).is_some() => {
                Self::Binary
            }
            _ => Self::Text,
        }
    }
}

/// A file's text, as far as it is there.
#[derive(Debug, Default)]
pub(super) struct Window {
    nature: Nature,
    text: Vec<u8>,
    /// Where the string that is being read starts, in a binary file.
    string_start: usize,
    /// How much of the text was looked at already.
    seen: usize,
    /// How many bytes of text went before this window.
    before_bytes: u64,
    /// How many ends of lines went before this window.
    before_lines: u64,
}

/// A piece of text to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'t> {
    pub(super) nature: Nature,
    pub(super) text: &'t [u8],
    /// Where what is found has to start; the rest had its turn before or has it later.
    pub(super) fresh: (usize, usize),
    /// How many bytes and ends of lines went before.
    pub(super) before_bytes: u64,
    pub(super) before_lines: u64,
}

impl Window {
    /// Starts with another file.
    pub(super) fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        *self = Self { text, ..Self::default() };
    }

    /// Takes bytes. Returns whether it is full.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        if self.nature == Nature::Unknown {
            self.nature = Nature::of(bytes);
        }
        match self.nature {
            Nature::Unknown | Nature::Text => self.text.extend_from_slice(bytes),
            Nature::Wide => self.text.extend(bytes.iter().filter(|&&byte| byte != 0)),
            Nature::Binary => self.feed_strings(bytes),
        }
        self.text.len() >= WINDOW_BYTES
    }

    fn feed_strings(&mut self, bytes: &[u8]) {
        let mut at = 0;
        if self.text.len() > self.string_start {
            // The string that the bytes before end with.
            let end = printable(bytes);
            self.text.extend_from_slice(&bytes[..end]);
            if end == bytes.len() {
                return;
            }
            self.end_string();
            at = end;
        }
        while let Some(start) = next_string(bytes, at) {
            let end = start + printable(&bytes[start..]);
            self.text.extend_from_slice(&bytes[start..end]);
            if end == bytes.len() {
                return;
            }
            self.end_string();
            at = end;
        }
    }

    fn end_string(&mut self) {
        if self.text.len() - self.string_start < STRING_BYTES_MIN {
            self.text.truncate(self.string_start);
        } else {
            // No byte of a string, so that nothing reaches from one into the next.
            self.text.push(0);
        }
        self.string_start = self.text.len();
    }

    /// Returns what is to be looked at: at the end all, before that what does not reach into what is missing.
    pub(super) fn piece(&self, is_end: bool) -> Piece<'_> {
        let end =
            if is_end { self.text.len() } else { self.text.len().saturating_sub(OVERLAP_BYTES) };
        Piece {
            nature: self.nature,
            text: &self.text,
            fresh: (self.seen, end.max(self.seen)),
            before_bytes: self.before_bytes,
            before_lines: self.before_lines,
        }
    }

    /// Forgets what was looked at.
    pub(super) fn advance(&mut self) {
        let Range { end: seen, .. } = 0..self.piece(false).fresh.1;
        let cut = seen.saturating_sub(CONTEXT_BYTES);
        self.before_lines += memchr::memchr_iter(b'\n', &self.text[..cut]).count() as u64;
        self.before_bytes += cut as u64;
        self.text.drain(..cut);
        self.seen = seen - cut;
        self.string_start = self.string_start.saturating_sub(cut);
    }
}

/// Returns where the next string starts that has at least [`STRING_BYTES_MIN`] bytes, or that may go on in the next bytes.
///
/// A string has a printable byte wherever as many bytes are looked at, so most bytes of a program need no look: of those
/// before one that is not printable, none can be the start.
fn next_string(bytes: &[u8], mut start: usize) -> Option<usize> {
    // Up to here all are known to be printable.
    let mut known = start;
    while start < bytes.len() {
        let end = (start + STRING_BYTES_MIN).min(bytes.len());
        match bytes[known..end].iter().rposition(|&byte| !is_printable(byte)) {
            None => return Some(start),
            Some(gap) => {
                start = known + gap + 1;
                known = end;
            }
        }
    }
    None
}

/// Returns how many of the first bytes are printable.
fn printable(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !is_printable(byte)).unwrap_or(bytes.len())
}

/// Whether a byte may be in a string of a binary file. Tabs and ends of lines are in keys that are in programs.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natures() {
        for (bytes, nature, text) in [
            (&b"plain text"[..], Nature::Text, &b"plain text"[..]),
            (b"caf\xe9 \xff", Nature::Text, b"caf\xe9 \xff"),
            (b"", Nature::Text, b""),
            (b"\xff\xfea\0b\0", Nature::Wide, b"\xff\xfeab"),
            (
                b"\x7fELF\0\0long enough\0short\0\x01another one",
                Nature::Binary,
                b"long enough\0another one",
            ),
            (b"\0\0\0", Nature::Binary, b""),
        ] {
            let mut window = Window::default();
            assert!(!window.feed(bytes));
            let piece = window.piece(true);
            assert_eq!((piece.nature, piece.text), (nature, text));
        }
    }

    #[test]
    fn strings_go_on_in_the_next_bytes() {
        let mut window = Window::default();
        for bytes in [&b"\0abcdef"[..], b"ghijkl", b"\0\0xy", b"z\0"] {
            window.feed(bytes);
        }
        assert_eq!(window.piece(true).text, b"abcdefghijkl\0");
    }

    #[test]
    fn every_byte_is_fresh_once() {
        let bytes: Vec<u8> =
            (0..3_000_000u32).map(|n| if n % 50 == 0 { b'\n' } else { b'x' }).collect();
        let (mut window, mut next) = (Window::default(), 0);
        let mut check = |piece: Piece<'_>| {
            let at = |offset: usize| piece.before_bytes + offset as u64;
            assert_eq!(at(piece.fresh.0), next);
            assert_eq!(piece.before_lines, piece.before_bytes.div_ceil(50));
            next = at(piece.fresh.1);
        };
        for chunk in bytes.chunks(100_000) {
            if window.feed(chunk) {
                check(window.piece(false));
                window.advance();
            }
        }
        check(window.piece(true));
        assert_eq!(next, bytes.len() as u64);
    }

    /// What [`Window`] should take of a binary file: every string that is long enough, however the bytes come.
    fn strings(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for string in bytes.split(|&byte| !is_printable(byte)) {
            if string.len() >= STRING_BYTES_MIN {
                text.extend_from_slice(string);
                text.push(0);
            }
        }
        text
    }

    proptest::proptest! {
        #[test]
        fn strings_are_found_however_the_bytes_come(
            runs in proptest::collection::vec((0usize..20, 0usize..20), 1..60),
            cuts in proptest::collection::vec(1usize..40, 1..40),
        ) {
            let mut bytes = vec![0];
            for (printable, other) in runs {
                bytes.extend(std::iter::repeat_n(b'x', printable));
                bytes.extend(std::iter::repeat_n(1, other));
            }
            // So that nothing waits for more.
            bytes.push(0);
            let mut window = Window::default();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                window.feed(now);
                rest = later;
            }
            window.feed(rest);
            proptest::prop_assert_eq!(window.piece(true).text, strings(&bytes));
        }
    }
}
