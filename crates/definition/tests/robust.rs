// SPDX-License-Identifier: Apache-2.0
//! No input makes the reader panic, and every diagnostic points into its source.

mod common;

use std::fmt::Write as _;

use common::{GOOD, parse_text};
use hardpan_definition::{Parsed, Platform, Source, parse_info};
use proptest::prelude::*;

fn check(parsed: &Parsed) {
    for diagnostic in parsed.diagnostics() {
        assert!(!diagnostic.labels.is_empty() && !diagnostic.message.is_empty());
        for label in &diagnostic.labels {
            let text = &parsed.sources()[label.span.source as usize].text;
            assert!(text.get(label.span.range()).is_some(), "{diagnostic:?}");
        }
    }
    for platform in Platform::ALL {
        let listed = parsed.platforms().contains(&platform);
        assert_eq!(parsed.render(platform).is_ok(), parsed.is_ok() && listed);
    }
}

/// Pieces that mean something to the format.
const PIECES: [&str; 24] = [
    "${",
    "}",
    "#{",
    "${VERSION",
    ":",
    "- ",
    "\n",
    "  ",
    "'",
    "\"",
    "!",
    "&a ",
    "*a",
    "<<: *a",
    "|",
    ">",
    "[",
    "{",
    "null",
    "if: ",
    "target.arch",
    "\u{0}",
    "ä",
    "99999999999999999999",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_definitions(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..40, prop::sample::select(PIECES.to_vec())),
            1..6,
        )
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, length, piece) in edits {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        check(&parse_text(&text));
    }

    #[test]
    fn moved_lines(pairs in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4)) {
        let mut lines: Vec<&str> = GOOD.lines().collect();
        for (from, to) in pairs {
            let line = lines.remove(from.index(lines.len()));
            lines.insert(to.index(lines.len() + 1), line);
        }
        check(&parse_text(&lines.join("\n")));
    }

    #[test]
    fn anything(text in "\\PC{0,200}") {
        check(&parse_text(&text));
        check(&parse_text(&format!("# syntax=dhi.io/build:2-debian13\n{text}")));
        let _ = parse_info(&Source::new("info.yaml", text));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        check(&parse_text(&text));
    }
}

#[test]
fn truncated_definitions() {
    for end in (0..GOOD.len()).step_by(23).filter(|&end| GOOD.is_char_boundary(end)) {
        check(&parse_text(&GOOD[..end]));
    }
}

#[test]
fn growth_is_bounded() {
    let head = "# syntax=dhi.io/build:2-debian13\nimage: a\nvars:\n  V0: xxxxxxxxxxxxxxxx\n";
    let mut doubling = head.to_owned();
    let mut chain = head.to_owned();
    for n in 1..60 {
        let _ = writeln!(doubling, "  V{n}: ${{V{0}}}${{V{0}}}", n - 1);
    }
    for n in 1..5000 {
        let _ = writeln!(chain, "  V{n}: ${{V{}}}", n - 1);
    }
    for text in [doubling, chain, "a:\n".repeat(100_000), "[".repeat(100_000)] {
        let parsed = parse_text(&text);
        assert!(!parsed.is_ok());
        check(&parsed);
    }
}
