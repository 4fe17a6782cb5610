// SPDX-License-Identifier: Apache-2.0
//! One page for a browser, which fetches nothing and runs nothing.

use std::fmt::Write as _;

use super::{InventoryOrigin, Row, RowStatus, ScanReport, link};

const STYLE: &str = include_str!("style.css");

/// Writes a report as a page.
pub fn html(report: &ScanReport) -> String {
    let subject = &report.subject;
    let title = format!("Vulnerabilities of {}", escaped(&subject.name));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    page += &facts(report);
    page += "<ul class=\"totals\">\n";
    for (severity, number) in report.totals() {
        let word = severity.as_str();
        let _ = writeln!(page, "<li class=\"{word}\"><b>{number}</b> {word}</li>");
    }
    page += "</ul>\n";
    for warning in &report.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escaped(&warning.text));
    }
    let (counting, excused): (Vec<&Row>, Vec<&Row>) =
        report.rows.iter().partition(|row| row.counts());
    if counting.is_empty() {
        page += "<p>No known vulnerability.</p>\n";
    }
    for row in counting {
        page += &article(row);
    }
    if !excused.is_empty() {
        let _ = writeln!(page, "<h2>Excused ({})</h2>", excused.len());
        for row in excused {
            page += &article(row);
        }
    }
    page += "</main>\n</body>\n</html>\n";
    page
}

fn facts(report: &ScanReport) -> String {
    let subject = &report.subject;
    let from = match &report.inventory {
        InventoryOrigin::Files => "the files of the image".to_owned(),
        InventoryOrigin::AttachedSbom { signed_by, .. } => {
            format!("the attached SBOM, signed by {}", escaped(signed_by))
        }
        InventoryOrigin::Document => "an SBOM".to_owned(),
    };
    let mut all = vec![
        ("Packages", format!("{} from {from}", report.packages)),
        ("Database", format!("<code>{}</code>", report.database.digest)),
    ];
    let sources = report.database.sources.iter().map(|source| {
        let time = source.time.as_deref().unwrap_or("of unknown age");
        format!("{} ({})", escaped(&source.name), escaped(time))
    });
    all.push(("Sources", sources.collect::<Vec<_>>().join(", ")));
    if let Some(distribution) = &report.distribution {
        all.insert(0, ("Distribution", escaped(distribution)));
    }
    if let Some(platform) = &subject.platform {
        all.insert(0, ("Platform", escaped(platform)));
    }
    if let Some(digest) = &subject.digest {
        all.insert(0, ("Digest", format!("<code>{digest}</code>")));
    }
    let rows = all.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>\n"));
    format!("<dl>\n{}</dl>\n", rows.collect::<String>())
}

fn article(row: &Row) -> String {
    let word = row.severity.as_str();
    let id = escaped(&row.id);
    let name = match link(&row.id) {
        Some(link) => format!("<a href=\"{}\" rel=\"noreferrer\">{id}</a>", escaped(&link)),
        None => id,
    };
    let score = row.score().map(|score| format!(" {score}")).unwrap_or_default();
    let fix = match row.fix.version() {
        Some(version) => format!("fixed in <code>{}</code>", escaped(version)),
        None => "no fix yet".to_owned(),
    };
    let mut text = format!(
        "<article class=\"{word}\">\n<h3>{name} <span class=\"badge\">{word}{score}</span></h3>\n<p><b>{}</b> <code>{}</code>, {fix}</p>\n",
        escaped(&row.package.name),
        escaped(&row.package.version),
    );
    if let Some(since) = &row.exploited_since {
        let _ = writeln!(
            text,
            "<p class=\"warning\">Known to be exploited since {}</p>",
            escaped(since)
        );
    }
    if let Some(summary) = &row.summary {
        let _ = writeln!(text, "<p>{}</p>", escaped(summary));
    }
    if let Some(decision) = &row.decision {
        let _ = writeln!(text, "<p>Decision: {} {}</p>", decision.kind, escaped(&decision.reason));
    }
    if let Some(statement) = row.statement() {
        let verb = match row.status {
            RowStatus::Suppressed { .. } => "Excused",
            RowStatus::UnderInvestigation { .. } | RowStatus::Affected { .. } => "Stated",
        };
        let words = [statement.justification.as_deref(), statement.text.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        let _ = writeln!(
            text,
            "<p>{verb} by {}: {} {}</p>",
            escaped(&statement.author),
            escaped(&statement.status),
            escaped(&words.join(": "))
        );
    }
    let steps = row.why.iter().map(|step| format!("<li>{}</li>\n", escaped(step)));
    let _ = writeln!(
        text,
        "<details><summary>Why</summary>\n<ol>\n{}</ol></details>\n</article>",
        steps.collect::<String>()
    );
    text
}

/// Makes a text harmless in elements and in attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
