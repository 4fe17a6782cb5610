// SPDX-License-Identifier: Apache-2.0
//! Texts for people: sizes, counts, colours.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};

/// The exit code where results could not be written.
const EXIT_OUTPUT_LOST: i32 = 3;
/// How much of long results is written at once, in bytes.
const OUTPUT_BUFFER_BYTES: usize = 64 << 10;

/// Style of what went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Style of what deserves a look.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Style of what went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Style of advice.
pub(crate) const HELP: Style = AnsiColor::Cyan.on_default().bold();
/// Style of what matters less.
pub(crate) const DIM: Style = Style::new().dimmed();

/// Returns a size in the largest unit that leaves a number of at least one: `41.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
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
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Returns a text in a style, which the stream drops where colours are not wanted.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes a line to the standard output. A reader that went away (`| head`) ends the program as it
/// would end any other; a full disk behind a redirection is an error.
pub(crate) fn print_line(line: std::fmt::Arguments<'_>) {
    let mut stdout = anstream::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    if let Err(error) = written {
        end_without_output(&error);
    }
}

/// Writes something as a line of JSON to the standard output, as [`print_line`] does, without holding all of it in memory.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    let mut stdout = io::BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, io::stdout().lock());
    let written = serde_json::to_writer(&mut stdout, value).map_err(io::Error::from);
    let written = written.and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    if let Err(error) = written {
        // What is still in the buffer goes nowhere.
        let _ = stdout.into_parts();
        end_without_output(&error);
    }
}

fn end_without_output(error: &io::Error) -> ! {
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _ = writeln!(anstream::stderr(), "error: can't write to the standard output: {error}");
    }
    #[expect(clippy::exit, reason = "there is nobody left to tell")]
    std::process::exit(EXIT_OUTPUT_LOST);
}

/// Writes a line to the standard error; where that can't be done, nothing can.
pub(crate) fn print_note(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Prints a line of results.
macro_rules! say {
    ($($part:tt)*) => { $crate::text::print_line(format_args!($($part)*)) };
}

/// Prints a line beside the results.
macro_rules! note {
    ($($part:tt)*) => { $crate::text::print_note(format_args!($($part)*)) };
}

pub(crate) use hardpan::visible;
pub(crate) use {note, say};

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
