// SPDX-License-Identifier: Apache-2.0
//! Diagnostics drawn over the lines of a definition, as rustc does.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use hardpan::definition::{Diagnostic, Severity, Source, Span};
use serde_json::json;

/// Draws one diagnostic. Colours are written and left to the stream to drop.
pub(crate) fn draw(diagnostic: &Diagnostic, sources: &[Source]) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let labels: Vec<(Span, &str)> =
        diagnostic.labels.iter().map(|label| (label.span, label.text.as_str())).collect();
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code.name());
    draw_labels(Group::with_title(title), &labels, diagnostic.help.as_deref(), sources)
}

/// Draws an error that is about places in a definition.
pub(crate) fn draw_error(
    message: &str,
    spans: &[Span],
    help: &[String],
    sources: &[Source],
) -> String {
    let labels: Vec<(Span, &str)> = spans.iter().map(|span| (*span, "")).collect();
    let help = (!help.is_empty()).then(|| help.join("\n"));
    let group = Group::with_title(Level::ERROR.primary_title(message));
    draw_labels(group, &labels, help.as_deref(), sources)
}

fn draw_labels<'t>(
    mut group: Group<'t>,
    labels: &[(Span, &'t str)],
    help: Option<&'t str>,
    sources: &'t [Source],
) -> String {
    for (number, source) in sources.iter().enumerate() {
        let mut snippet = Snippet::source(source.text.as_ref()).path(&source.name);
        let mut is_empty = true;
        for (position, (span, text)) in labels.iter().enumerate() {
            if span.source as usize != number {
                continue;
            }
            is_empty = false;
            let kind =
                if position == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(within(&source.text, span.range()));
            let annotation = if text.is_empty() { annotation } else { annotation.label(*text) };
            snippet = snippet.annotation(annotation);
        }
        if !is_empty {
            group = group.element(snippet);
        }
    }
    let mut report = vec![group];
    if let Some(help) = help {
        report.push(Group::with_title(Level::HELP.secondary_title(help)));
    }
    Renderer::styled().render(&report).clone()
}

/// Returns a diagnostic as JSON, with lines and columns from 1.
pub(crate) fn to_json(diagnostic: &Diagnostic, sources: &[Source]) -> serde_json::Value {
    let labels: Vec<serde_json::Value> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let source = sources.get(label.span.source as usize)?;
            let (line, column) = source.line_column(label.span.range().start);
            let (end_line, end_column) = source.line_column(label.span.range().end);
            Some(json!({
                "file": source.name, "line": line, "column": column,
                "end-line": end_line, "end-column": end_column, "text": label.text,
            }))
        })
        .collect();
    json!({
        "code": diagnostic.code.name(),
        "severity": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": diagnostic.message,
        "labels": labels,
        "help": diagnostic.help,
    })
}

/// Keeps a range inside its text and off the middle of characters.
fn within(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let clamp = |mut offset: usize| {
        offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = clamp(range.start);
    start..clamp(range.end).max(start)
}
