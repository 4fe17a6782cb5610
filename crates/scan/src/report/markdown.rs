// SPDX-License-Identifier: Apache-2.0
//! Markdown, for comments and release notes.

use std::fmt::Write as _;

use hardpan_attest::is_obeyed;

use super::{Row, RowStatus, ScanReport, link};

/// Writes a report: totals, a table, and what was excused.
pub fn markdown(report: &ScanReport) -> String {
    let mut text = format!("## Vulnerabilities of {}\n\n", escaped(&report.subject.name));
    if let Some(digest) = &report.subject.digest {
        let platform = report.subject.platform.as_deref().unwrap_or_default();
        let _ = write!(text, "`{digest}` {platform}\n\n");
    }
    let totals: Vec<String> = (report.totals().into_iter())
        .filter(|(_, number)| *number > 0)
        .map(|(severity, number)| format!("{number} {}", severity.as_str()))
        .collect();
    let packages = report.packages;
    let found = if totals.is_empty() {
        "No known vulnerability".to_owned()
    } else {
        format!("**{}**", totals.join(", "))
    };
    let _ = writeln!(text, "{found} in {packages} packages.");
    let (counting, excused): (Vec<&Row>, Vec<&Row>) =
        report.rows.iter().partition(|row| row.counts());
    if !counting.is_empty() {
        text += "\n| Vulnerability | Severity | Package | Version | Fixed in | Remarks |\n|---|---|---|---|---|---|\n";
        for row in counting {
            text += &table_row(row);
        }
    }
    if !excused.is_empty() {
        text += "\n### Excused\n\n| Vulnerability | Package | Version | Why | By |\n|---|---|---|---|---|\n";
        for row in excused {
            text += &excused_row(row);
        }
    }
    if !report.warnings.is_empty() {
        text += "\n### Warnings\n\n";
        for warning in &report.warnings {
            let _ = writeln!(text, "- {}", escaped(&warning.text));
        }
    }
    text
}

fn table_row(row: &Row) -> String {
    let mut remarks = Vec::new();
    if let Some(since) = &row.exploited_since {
        remarks.push(format!("**exploited** since {since}"));
    }
    if let Some(decision) = &row.decision {
        let reason = match decision.reason.as_str() {
            "" => String::new(),
            reason => format!(" ({})", escaped(reason)),
        };
        remarks.push(format!("{}{reason}", decision.kind));
    }
    if matches!(row.status, RowStatus::UnderInvestigation { .. }) {
        remarks.push("under investigation".to_owned());
    }
    let score = row.score().map(|score| format!(" ({score})")).unwrap_or_default();
    format!(
        "| {} | {}{score} | {} | {} | {} | {} |\n",
        linked(&row.id),
        row.severity.as_str(),
        escaped(&row.package.name),
        escaped(&row.package.version),
        row.fix.version().map_or_else(|| "—".to_owned(), escaped),
        remarks.join("; "),
    )
}

fn excused_row(row: &Row) -> String {
    let statement = row.statement();
    let why = statement.map(|statement| {
        let words = [statement.justification.as_deref(), statement.text.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        format!("{}: {}", statement.status, words.join(": "))
    });
    format!(
        "| {} | {} | {} | {} | {} |\n",
        linked(&row.id),
        escaped(&row.package.name),
        escaped(&row.package.version),
        escaped(why.unwrap_or_default().trim_end_matches([':', ' '])),
        escaped(statement.map_or("", |statement| &statement.author)),
    )
}

fn linked(id: &str) -> String {
    match link(id) {
        Some(link) => format!("[{}]({link})", escaped(id)),
        None => escaped(id),
    }
}

/// Makes a text one that is shown as it is, on one line of a table. What images hold is somebody else's.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c if is_obeyed(c) => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
