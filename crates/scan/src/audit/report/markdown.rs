// SPDX-License-Identifier: Apache-2.0
//! Markdown, for comments and summaries of runs.

use std::fmt::Write as _;

use super::{Beside, Totals, broken, size, source_text};
use crate::audit::benchmark::cis;
use crate::audit::health::health;
use crate::audit::model::{AuditReport, ControlResult};
use crate::audit::surface::FORMULA;
use crate::report::markdown::escaped;

/// The most paths of a finding that a table names; all are in the other forms.
const PATHS_MAX: usize = 3;

/// Writes a report: the verdict with its arithmetic, what failed, what was accepted, the surface, and the table of CIS.
pub fn markdown(report: &AuditReport, beside: &Beside<'_>) -> String {
    let verdict = if report.hardened { "hardened" } else { "not hardened" };
    let mut text =
        format!("## {} — grade {} ({verdict})\n\n", escaped(&report.image.name), report.grade);
    if let Some(digest) = &report.image.digest {
        let platform = report.image.platform.as_deref().unwrap_or_default();
        let _ = write!(text, "`{digest}` {}\n\n", escaped(platform));
    }
    let profile = &report.profile;
    let _ = writeln!(
        text,
        "Profile {}, {}. {}.\n",
        escaped(&profile.name),
        source_text(profile.source),
        Totals::of(report).text(),
    );
    let _ = writeln!(text, "```text\n{}\n```", report.sum.lines().join("\n"));
    let broken = broken(report);
    if !broken.is_empty() {
        text += "\n| Control | Severity | Found | What to do |\n|---|---|---|---|\n";
        for control in broken {
            text += &rows(control);
        }
    }
    text += &accepted(report);
    text += &surface(report, beside);
    let _ = writeln!(text, "\nHealth score as Docker Scout counts: **{}**", health(report).text());
    text += "\n<details><summary>CIS Docker Benchmark 1.6, section 4</summary>\n\n| Item | | | Why |\n|---|---|---|---|\n";
    for row in cis(report) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            row.item,
            escaped(row.title),
            row.verdict.word(),
            escaped(row.verdict.why())
        );
    }
    text += "\n</details>\n";
    if !report.warnings.is_empty() {
        text += "\n### Warnings\n\n";
        for warning in &report.warnings {
            let _ = writeln!(text, "- {}", escaped(warning));
        }
    }
    text
}

fn rows(control: &ControlResult) -> String {
    let known = control.id.control();
    let open = control.findings.iter().filter(|finding| finding.accepted.is_none());
    let mut text = String::new();
    for finding in open {
        let paths: Vec<String> =
            finding.paths.iter().take(PATHS_MAX).map(|path| escaped(&path.to_string())).collect();
        let more = match finding.paths.len().saturating_sub(PATHS_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let paths =
            if paths.is_empty() { String::new() } else { format!(" ({}{more})", paths.join(", ")) };
        let help = if finding.help.is_empty() { known.fix } else { &finding.help };
        let _ = writeln!(
            text,
            "| `{}` | {} | {}{paths} | {} |",
            control.id,
            finding.severity,
            escaped(&finding.message),
            escaped(help)
        );
    }
    if text.is_empty() {
        let outcome = control.outcome.word();
        let _ = writeln!(text, "| `{}` | {outcome} | | {} |", control.id, escaped(known.fix));
    }
    text
}

fn accepted(report: &AuditReport) -> String {
    let mut text = String::new();
    for control in &report.controls {
        for finding in &control.findings {
            let Some(accepted) = &finding.accepted else { continue };
            let until = accepted.until.as_deref().unwrap_or("—");
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} |",
                control.id,
                escaped(&finding.message),
                escaped(&accepted.reason),
                escaped(until),
                escaped(&accepted.source)
            );
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "\n### Accepted\n\n| Control | Found | Why | Until | Where |\n|---|---|---|---|---|\n{text}"
    )
}

fn surface(report: &AuditReport, beside: &Beside<'_>) -> String {
    let surface = &report.surface;
    let mut text = "\n### Attack surface\n\n".to_owned();
    let (Some((name, _)), Some(reduction)) = (beside.standard, beside.reduction(report)) else {
        let _ = writeln!(
            text,
            "{} packages, {} executables, {} ELF files, {} setuid files, {} interpreters, {} files of {}.",
            surface.packages,
            surface.executables,
            surface.elf,
            surface.setuid,
            surface.interpreters,
            surface.files,
            size(surface.bytes),
        );
        return text;
    };
    let _ = writeln!(text, "**{}** than {}.\n", reduction.text(), escaped(name));
    let _ = writeln!(text, "| | this image | {} | |\n|---|--:|--:|--:|", escaped(name));
    for factor in &reduction.factors {
        let shown = |number: u64| {
            if factor.measure == "bytes" { size(number) } else { number.to_string() }
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            factor.measure,
            shown(factor.image),
            shown(factor.standard),
            factor.change()
        );
    }
    let _ = writeln!(text, "\n{FORMULA}");
    text
}
