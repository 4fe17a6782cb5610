// SPDX-License-Identifier: Apache-2.0
//! `hardpan compare`

use std::process::ExitCode;

use hardpan::audit::{AuditReport, AuditRequest, Grade, WantedProfile};
use hardpan::compare::{AuditComparison, Line, Meaning, comparison_html, comparison_markdown};
use hardpan::scan::ScanSource;
use hardpan::{SbomChoice, SbomSource};

use super::{audits, place, scan, scans};
use crate::args::Common;
use crate::args::compare::{Compare, CompareFormat};
use crate::failure::Usage;
use crate::keys;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, HELP, WARNING, note, say, styled, visible};

/// The exit code of `--exit-code` where the second image is worse.
const WORSE: u8 = 1;
/// The widest column of values, in characters: two of them, names and changes fit into 80.
const VALUE_WIDTH_MAX: usize = 22;

/// Compares two images.
pub(crate) fn run(common: &Common, command: &Compare) -> anyhow::Result<ExitCode> {
    let (first, second) = (source(&command.first)?, source(&command.second)?);
    let machine = place::machine(common)?;
    let trusted = keys::optional_trusted(&command.keys, &machine)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let advisories = scans::advisories(&session, command.db.as_deref())?;
    let request = |source: &SbomSource| AuditRequest {
        choice: SbomChoice {
            image: None,
            // A root file system has no platform that could be chosen.
            platform: match source {
                SbomSource::Rootfs(_) => None,
                SbomSource::Image(_) => command.platform.as_deref(),
            },
            manifest: None,
        },
        profile: Some(WantedProfile::Known(command.profile)),
        rules: (!trusted.is_nobody()).then(|| trusted.rules()),
        advisories: advisories.as_ref(),
        exceptions: audits::of_workspace(&machine),
        ..AuditRequest::default()
    };
    let compared = session.compare((&first, &request(&first)), (&second, &request(&second)));
    progress.clear();
    let compared = compared?;
    match command.output {
        CompareFormat::Json => say!("{}", serde_json::to_string(&compared)?),
        _ if common.json => say!("{}", serde_json::to_string(&compared)?),
        CompareFormat::Markdown => say!("{}", comparison_markdown(&compared).trim_end()),
        CompareFormat::Html => say!("{}", comparison_html(&compared).trim_end()),
        CompareFormat::Table => table(common, &compared),
    }
    let is_worse = command.exit_code && compared.is_worse();
    Ok(ExitCode::from(if is_worse { WORSE } else { 0 }))
}

fn source(text: &str) -> anyhow::Result<SbomSource> {
    match scan::source(text)? {
        ScanSource::Image(source) => Ok(source),
        ScanSource::Document(_) => Err(Usage("an SBOM has no files to compare").into()),
    }
}

fn table(common: &Common, compared: &AuditComparison) {
    if common.quiet {
        return;
    }
    let (first, second) = (&compared.first.report, &compared.second.report);
    for side in [&compared.first, &compared.second] {
        let report = &side.report;
        for warning in report.warnings.iter().chain(&side.gaps) {
            let name = visible(&report.image.name);
            note!("{} {name}: {}", styled(WARNING, "warning:"), visible(warning));
        }
    }
    say!("  first   {}  {}", seal(first), visible(&first.image.name));
    say!("  second  {}  {}", seal(second), visible(&second.image.name));
    let reduction = &compared.reduction;
    let style = match reduction.per_mille {
        1.. => GOOD,
        0 => HELP,
        _ => BAD,
    };
    say!("\n  {} to attack in the second image\n", styled(style, &reduction.text()));
    let lines = || compared.sections.iter().flat_map(|section| &section.lines);
    let longest = |of: fn(&Line) -> &str| lines().map(|line| of(line).chars().count()).max();
    let names = longest(|line| &line.name).unwrap_or(0);
    let width = |of: fn(&Line) -> &str| longest(of).unwrap_or(0).clamp(6, VALUE_WIDTH_MAX);
    let (firsts, seconds) = (width(|line| &line.first), width(|line| &line.second));
    for (number, section) in compared.sections.iter().enumerate() {
        let (head, other) = if number == 0 { ("first", "second") } else { ("", "") };
        let title = format!("{:<names$}  {head:<firsts$}  {other}", section.title.to_uppercase());
        say!("  {}", styled(HELP, title.trim_end()));
        for line in &section.lines {
            row(line, names, firsts, seconds);
        }
        say!("");
    }
    say!("  {}", styled(DIM, "how the reduction is measured: the reference, audit-reports.md"));
}

fn row(line: &Line, names: usize, firsts: usize, seconds: usize) {
    let (mark, style) = match line.meaning {
        Meaning::Better => ("✓", GOOD),
        Meaning::Worse => ("✗", BAD),
        Meaning::Same => ("", DIM),
        Meaning::Other => ("", anstyle::Style::new()),
    };
    let second = format!("{:<seconds$}", shortened(&line.second, seconds));
    let end = format!("{:>8}  {mark}", line.change);
    let text = format!(
        "  {:<names$}  {:<firsts$}  {}  {}",
        visible(&line.name),
        shortened(&line.first, firsts),
        styled(style, &second),
        styled(style, end.trim_end()),
    );
    say!("{}", text.trim_end());
}

/// Cuts a text that is too long for its column.
fn shortened(text: &str, width: usize) -> String {
    let text = visible(text);
    if text.chars().count() <= width {
        return text;
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The letter, in its colour.
fn seal(report: &AuditReport) -> String {
    let style = match report.grade {
        Grade::A | Grade::B => GOOD,
        Grade::C | Grade::D => WARNING,
        Grade::E | Grade::F => BAD,
    };
    styled(style, report.grade.letter())
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_values_are_cut() {
        for (text, width, expected) in [
            ("none", 6, "none"),
            ("123456", 6, "123456"),
            ("1234567", 6, "12345…"),
            ("größere", 6, "größe…"),
            ("a\u{1b}[1mb", 9, "a\u{fffd}[1mb"),
        ] {
            assert_eq!(shortened(text, width), expected);
        }
    }
}
