// SPDX-License-Identifier: Apache-2.0
//! Texts of others, shown to people: what they read is what is there.

/// Returns whether a character is obeyed rather than shown: control characters, line ends, and what turns the direction of text.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// Returns a text in one line, with a replacement character for each that would be obeyed by a terminal, a browser or an editor.
pub fn visible(text: &str) -> String {
    // Nearly all texts are, and reports have millions of them.
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obeyed_is_replaced_and_nothing_else() {
        for (text, expected) in [
            ("a\u{1b}[31m\r\n\tb", "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}b"),
            ("1\u{202e}2\u{202a}3\u{2066}4\u{2069}5", "1\u{fffd}2\u{fffd}3\u{fffd}4\u{fffd}5"),
            (
                "\u{61c}a\u{200e}b\u{200f}c\u{2028}d\u{2029}",
                "\u{fffd}a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}",
            ),
            ("\u{85}\u{9b}\u{7f}\u{0}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("", ""),
            (
                "עברית und a\u{308}, 👩\u{200d}💻 — \u{2027}\u{202f}\u{2065}",
                "עברית und a\u{308}, 👩\u{200d}💻 — \u{2027}\u{202f}\u{2065}",
            ),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
    }
}
