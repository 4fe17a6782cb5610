// SPDX-License-Identifier: Apache-2.0
//! Texts for people: sizes, counts, colours.

use anstyle::{AnsiColor, Style};

/// Style of what went well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Style of what deserves a look.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Style of what went wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Style of advice.
pub const HELP: Style = AnsiColor::Cyan.on_default().bold();
/// Style of what matters less.
pub const DIM: Style = Style::new().dimmed();

/// Returns a size in the largest unit that leaves a number of at least one: `41.2 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Returns a number with its noun: `1 package`, `2 packages`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Returns a text in a style, which the stream drops where colours are not wanted.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_951, "1.0 MB"),
            (41_200_000, "41.2 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((count(1, "layer"), count(0, "layer")), ("1 layer".into(), "0 layers".into()));
    }
}
