// SPDX-License-Identifier: Apache-2.0
//! Two images side by side, as a page and as Markdown.

use std::fmt::Write as _;

use super::html::{STYLE, seal};
use crate::audit::compare::{AuditComparison, Line, Meaning, Side};
use crate::audit::surface::FORMULA;
use crate::report::html::{document, escaped};
use crate::report::markdown;

/// Writes Markdown.
pub fn comparison_markdown(compared: &AuditComparison) -> String {
    let shown = |text: &str| markdown::escaped(text);
    let name = |side: &Side| shown(&side.report.image.name);
    let (first, second) = (name(&compared.first), name(&compared.second));
    let mut text = format!(
        "## {second} compared with {first}\n\n**{}** to attack.\n",
        compared.reduction.text()
    );
    for section in &compared.sections {
        let _ = write!(text, "\n| {} | {first} | {second} | |\n|---|---|---|---|\n", section.title);
        for line in &section.lines {
            let mark = match line.meaning {
                Meaning::Better => "✅",
                Meaning::Worse => "⚠️",
                Meaning::Same | Meaning::Other => "",
            };
            let change = format!("{} {mark}", line.change);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                shown(&line.name),
                shown(&line.first),
                shown(&line.second),
                change.trim()
            );
        }
    }
    let _ = writeln!(text, "\n{FORMULA}");
    text
}

/// Writes a page.
pub fn comparison_html(compared: &AuditComparison) -> String {
    let (first, second) = (&compared.first.report, &compared.second.report);
    let title = format!("{} and {}", escaped(&first.image.name), escaped(&second.image.name));
    let mut page = format!("<main class=\"grade-{}\">\n", second.grade);
    for (report, what) in [(first, "first"), (second, "second")] {
        let verdict = if report.hardened { "Hardened." } else { "Not hardened." };
        let _ = write!(
            page,
            "<header class=\"hero grade-{}\">\n{}<div>\n<p class=\"eyebrow\">{what} image</p>\n<h1>{}</h1>\n<p class=\"verdict\"><b>{verdict}</b></p>\n</div>\n</header>\n",
            report.grade,
            seal(report),
            escaped(&report.image.name),
        );
    }
    let _ = writeln!(
        page,
        "<p class=\"big\"><b>{}</b> to attack in the second one</p>\n<div class=\"bars\">",
        compared.reduction.text()
    );
    for factor in &compared.reduction.factors {
        page += &super::html::bar(factor);
    }
    let _ = writeln!(
        page,
        "</div>\n<p class=\"soft\">The upper bar is the second image, the lower one the first. {FORMULA}</p>"
    );
    for section in &compared.sections {
        let _ = write!(
            page,
            "<h2>{}</h2>\n<table class=\"sides\">\n<thead><tr><th></th><th>first</th><th>second</th><th class=\"number\"></th></tr></thead>\n<tbody>\n",
            section.title
        );
        for line in &section.lines {
            page += &row(line);
        }
        page += "</tbody>\n</table>\n";
    }
    page += "</main>\n";
    document(&title, STYLE, &page)
}

fn row(line: &Line) -> String {
    let class = match line.meaning {
        Meaning::Better => "better",
        Meaning::Worse => "worse",
        Meaning::Same | Meaning::Other => "",
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td class=\"{class}\">{}</td><td class=\"number {class}\">{}</td></tr>\n",
        escaped(&line.name),
        escaped(&line.first),
        escaped(&line.second),
        line.change
    )
}
