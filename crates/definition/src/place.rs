// SPDX-License-Identifier: Apache-2.0
//! Where a part of a scalar's text stands in the source.

use crate::source::Span;
use crate::yaml::{Scalar, Style};

/// The place of a part of a scalar's text, as exact as the notation allows; else the whole scalar.
pub(crate) fn inner_span(
    source: &str,
    span: Span,
    scalar: &Scalar,
    part: std::ops::Range<usize>,
) -> Span {
    let Some(raw) = source.get(span.range()) else {
        return span;
    };
    let exact = match scalar.style {
        Style::Plain => (raw == scalar.text).then(|| part.clone()),
        Style::Single => quoted(raw, &scalar.text, "''").and_then(|map| map(part.clone())),
        Style::Double => quoted(raw, &scalar.text, "\\").and_then(|map| map(part.clone())),
        Style::Literal => literal(raw, &scalar.text, &part),
        Style::Folded => None,
    };
    exact.map_or(span, |range| {
        let start = span.start as usize;
        Span::new(span.source, start + range.start..start + range.end)
    })
}

type PartMap<'a> = Box<dyn Fn(std::ops::Range<usize>) -> Option<std::ops::Range<usize>> + 'a>;

/// Maps text offsets of a quoted scalar on one line, whose only escapes are two bytes for one.
fn quoted<'a>(raw: &'a str, text: &'a str, escape: &'static str) -> Option<PartMap<'a>> {
    let inner = raw.get(1..raw.len().checked_sub(1)?)?;
    if inner.contains('\n') {
        return None;
    }
    // offsets[i] is the offset in `raw` of byte i of the text.
    let mut offsets = Vec::with_capacity(text.len() + 1);
    let mut at = 0;
    while at < inner.len() {
        offsets.push(at + 1);
        if inner[at..].starts_with(escape) {
            let simple = escape == "''"
                || inner[at + 1..].starts_with(['"', '\\', '/', 'n', 't', 'r', '0', ' ']);
            if !simple {
                return None;
            }
            at += 2;
        } else {
            let width = inner[at..].chars().next().map_or(1, char::len_utf8);
            for extra in 1..width {
                offsets.push(at + 1 + extra);
            }
            at += width;
        }
    }
    offsets.push(inner.len() + 1);
    (offsets.len() == text.len() + 1).then(|| {
        Box::new(move |part: std::ops::Range<usize>| {
            Some(*offsets.get(part.start)?..*offsets.get(part.end)?)
        }) as PartMap<'a>
    })
}

/// Maps a part of a `|` scalar that lies on one line: lines differ only in indentation.
fn literal(raw: &str, text: &str, part: &std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    let before = text.get(..part.start)?;
    let line = before.matches('\n').count();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_text = text[line_start..].split('\n').next()?;
    if part.end > line_start + line_text.len() {
        return None;
    }
    // The first raw line is the `|` header, unless the span begins after it.
    let header = usize::from(raw.starts_with('|'));
    let mut start = 0;
    for _ in 0..line + header {
        start += raw[start..].find('\n')? + 1;
    }
    let raw_line = raw[start..].split('\n').next()?.trim_end_matches('\r');
    let indentation = raw_line
        .len()
        .checked_sub(line_text.trim_end().len())
        .filter(|_| raw_line.trim_end().ends_with(line_text.trim_end()))?
        - (raw_line.len() - raw_line.trim_end().len());
    let offset = start + indentation;
    Some(offset + part.start - line_start..offset + part.end - line_start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use crate::yaml::{self, Kind};

    #[test]
    fn parts_of_scalars() {
        let text = "a: x-${V}-y\nb: 'it''s ${V}'\nc: \"a\\\"b ${V}\"\nd: |\n  one\n    two ${V} x\ne: >\n  f ${V}\n";
        let node = yaml::read(&Source::new("t", text), 0, &mut Vec::new()).expect("tree");
        for (key, exact) in [("a", true), ("b", true), ("c", true), ("d", true), ("e", false)] {
            let entry = node.get(key).expect("key");
            let Kind::Scalar(scalar) = &entry.value.kind else { panic!("{key} is no scalar") };
            let at = scalar.text.find("${V}").expect("part");
            let span = inner_span(text, entry.value.span, scalar, at..at + 4);
            if exact {
                assert_eq!(&text[span.range()], "${V}", "{key}");
            } else {
                assert_eq!(span, entry.value.span, "{key}");
            }
        }
    }
}
