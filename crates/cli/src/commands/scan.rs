// SPDX-License-Identifier: Apache-2.0
//! `hardpan scan`

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use hardpan::Session;
use hardpan::advisories::AdvisoryData;
use hardpan::scan::advisory::{Severity, Space};
use hardpan::scan::matching::Absence;
use hardpan::scan::report::{self, InventoryOrigin, Row, RowStatus, ScanReport};
use hardpan::scan::vex::{Trust, VexPolicy, VexSource};
use hardpan::scan::{NotFound, ScanRequest, ScanSource, read_vex_file};

use super::place;
use crate::args::Common;
use crate::args::scan::{Scan, ScanData, ScanFormat, SeverityChoice};
use crate::failure::Named;
use crate::keys::{self, Trusted};
use crate::machine::Machine;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, HELP, WARNING, count, note, print_json, say, styled, visible};

/// The exit code where something counts.
const FOUND: u8 = 1;
/// After how many days data is old, where nobody says.
const AGE_DAYS_MAX: u32 = 7;
/// Below what share of a million EPSS is not worth a place in a table: 1 %.
const EPSS_SHOWN_MIN: u32 = 10_000;

/// Scans.
pub(crate) fn run(common: &Common, command: &Scan) -> anyhow::Result<ExitCode> {
    let machine = place::machine(common)?;
    let source = source(&command.image)?;
    let fail_on = fail_on(command, &machine);
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let scanned = scan(&session, &machine, command, &source);
    progress.clear();
    let (mut report, not_found) = scanned?;
    if let Some(id) = &command.explain {
        explain(common, &report, &not_found, id)?;
        return Ok(ExitCode::SUCCESS);
    }
    if command.only_fixed {
        report.rows.retain(|row| row.fix.version().is_some());
    }
    print(common, command, &report)?;
    let is_no = fail_on.is_some_and(|severity| report.at_least(severity, command.only_fixed) > 0);
    // The process ends now, and taking a million rows apart would take as long as finding them.
    std::mem::forget(report);
    Ok(ExitCode::from(if is_no { FOUND } else { 0 }))
}

/// Returns what is scanned: an SBOM if it is a file that begins as JSON does.
pub(super) fn source(text: &str) -> anyhow::Result<ScanSource> {
    let path = Path::new(text);
    if is_document(path) {
        return Ok(ScanSource::Document(path.to_owned()));
    }
    Ok(ScanSource::Image(place::source(text)?))
}

/// Returns whether a file is an SBOM, or whatever else begins as JSON does.
pub(super) fn is_document(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let mut begin = [0; 64];
    let read = File::open(path).and_then(|mut file| file.read(&mut begin));
    let begin = &begin[..read.unwrap_or(0)];
    begin.trim_ascii_start().starts_with(b"{")
}

fn fail_on(command: &Scan, machine: &Machine) -> Option<Severity> {
    let configured = machine.workspace().scan.fail_on.as_deref().and_then(Severity::of);
    let named = command.fail_on.map(|choice| match choice {
        SeverityChoice::Unknown => Severity::Unknown,
        SeverityChoice::Negligible => Severity::Negligible,
        SeverityChoice::Low => Severity::Low,
        SeverityChoice::Medium => Severity::Medium,
        SeverityChoice::High => Severity::High,
        SeverityChoice::Critical => Severity::Critical,
    });
    named.or(configured)
}

fn scan(
    session: &Session<'_>,
    machine: &Machine,
    command: &Scan,
    source: &ScanSource,
) -> anyhow::Result<(ScanReport, NotFound)> {
    let advisories = advisories(session, command)?;
    let trusted = keys::optional_trusted(&command.keys, machine)?;
    let vex = documents(&command.data, machine)?;
    let request = request(command, machine, &advisories, &trusted, &vex)?;
    Ok(match &command.explain {
        Some(id) => session.scan_for(source, &request, id)?,
        None => (session.scan(source, &request)?, NotFound::default()),
    })
}

fn advisories(session: &Session<'_>, command: &Scan) -> anyhow::Result<AdvisoryData> {
    Ok(match &command.data.db {
        Some(path) => AdvisoryData::read(path)?,
        None => session.advisories()?,
    })
}

fn request<'r>(
    command: &'r Scan,
    machine: &Machine,
    advisories: &'r AdvisoryData,
    trusted: &'r Trusted,
    vex: &'r [VexSource],
) -> anyhow::Result<ScanRequest<'r>> {
    let data = &command.data;
    Ok(ScanRequest {
        choice: place::choice(&command.chosen),
        advisories,
        rules: (!trusted.is_nobody()).then(|| trusted.rules()),
        from_files: data.from_files,
        trusts_sbom: data.trust_sbom,
        vex,
        policy: VexPolicy {
            needs_justification: data.vex_needs_justification,
            needs_version: data.vex_needs_version,
            ..VexPolicy::default()
        },
        release: data.release.as_deref().map(release).transpose()?,
        allows_unknown_distribution: data.allow_unknown_distribution,
        allows_nothing: data.allow_empty,
        max_age_days: (data.max_age)
            .or(machine.workspace().scan.max_age_days)
            .unwrap_or(AGE_DAYS_MAX),
    })
}

/// Reads the documents of the workspace, and those that are named, which count more.
fn documents(data: &ScanData, machine: &Machine) -> anyhow::Result<Vec<VexSource>> {
    let mut all = Vec::new();
    for path in &machine.workspace().scan.vex {
        let path = machine.workspace_folder().join(path);
        all.push(read_vex_file(&path, Trust::Organization)?);
    }
    for path in &data.vex {
        all.push(read_vex_file(path, Trust::User)?);
    }
    Ok(all)
}

fn release(text: &str) -> anyhow::Result<Space> {
    let known = |error| Named {
        message: format!("{text:?} is no release: {error}"),
        help: Some("write it as debian:13, alpine:3.22 or wolfi".to_owned()),
    };
    Ok(text.parse().map_err(known)?)
}

fn explain(
    common: &Common,
    report: &ScanReport,
    not_found: &NotFound,
    id: &str,
) -> anyhow::Result<()> {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.is_called(id)).collect();
    if common.json {
        say!("{}", serde_json::to_string(&rows)?);
        return Ok(());
    }
    for row in &rows {
        say!(
            "{} in {} {}",
            styled(severity_style(row), &visible(&row.id)),
            visible(&row.package.name),
            visible(&row.package.version)
        );
        if let Some(summary) = &row.summary {
            say!("  {}", styled(DIM, &visible(summary)));
        }
        explain_lines(&row.why.lines());
    }
    for Absence { id, package, version, lines } in &not_found.absences {
        say!("{} is not in {} {}", visible(id), visible(package), visible(version));
        explain_lines(lines);
    }
    if rows.is_empty() && not_found.absences.is_empty() {
        explain_nothing(report, not_found, id);
    }
    Ok(())
}

fn explain_lines(lines: &[String]) {
    for line in lines {
        match line.split_once(": ") {
            Some((head, rest)) => {
                say!("  {} {}", styled(HELP, &format!("{}:", visible(head))), visible(rest));
            }
            None => say!("  {}", visible(line)),
        }
    }
}

fn explain_nothing(report: &ScanReport, not_found: &NotFound, id: &str) {
    let packages = report.packages;
    let why = if not_found.is_known {
        "the database knows it, and has nothing about any of them"
    } else {
        "the database does not know it"
    };
    say!("{} is no vulnerability of {packages} packages that were looked up: {why}", visible(id));
    let known = report.rows.iter().map(|row| row.id.as_str());
    if let Some(near) = hardpan::definition::nearest(id, known) {
        note!("  {} did you mean {}?", styled(HELP, "help:"), visible(near));
    }
}

fn print(common: &Common, command: &Scan, report: &ScanReport) -> anyhow::Result<()> {
    let format = if common.json { ScanFormat::Json } else { command.output };
    let bytes = match format {
        ScanFormat::Table => {
            table(common, report, command.show_suppressed);
            return Ok(());
        }
        ScanFormat::Json => {
            print_json(report);
            return Ok(());
        }
        ScanFormat::Sarif => report::sarif(report),
        ScanFormat::Cyclonedx => report::cyclonedx(report),
        ScanFormat::Markdown => report::markdown(report).trim_end().into(),
        ScanFormat::Html => report::html(report).trim_end().into(),
        ScanFormat::Openvex => openvex(report)?,
    };
    say!("{}", String::from_utf8_lossy(&bytes));
    Ok(())
}

fn openvex(report: &ScanReport) -> anyhow::Result<Vec<u8>> {
    let wrong = |error: String| Named {
        message: format!("{} can't be written as VEX: {error}", report.subject.name),
        help: None,
    };
    let made = report::openvex(report).map_err(|error| wrong(error.to_string()))?;
    if made.left_out > 0 {
        let rows = count(made.left_out, "row");
        note!(
            "{} {rows} left out: their packages have no package URL with a version",
            styled(WARNING, "warning:")
        );
    }
    let nothing =
        || wrong("nothing was found, and a document without statements is none".to_owned());
    Ok(made.document.ok_or_else(nothing)?.to_bytes())
}

fn table(common: &Common, report: &ScanReport, show_suppressed: bool) {
    for warning in &report.warnings {
        note!("{} {}", styled(WARNING, "warning:"), visible(&warning.text));
    }
    let shown = lines(report.rows.iter().filter(|row| show_suppressed || row.counts()));
    let width = |of: &dyn Fn(&Line<'_>) -> usize, max: usize| {
        shown.iter().map(of).max().unwrap_or(0).min(max)
    };
    let ids = width(&|line| line.row.id.chars().count(), 24);
    let packages = width(&|line| line.package.chars().count(), 40);
    let versions = width(&|line| line.version.chars().count(), 28);
    let fixes = width(&|line| fix(line.row).chars().count(), 28);
    for Line { row, package, version } in &shown {
        let severity = match row.score() {
            Some(score) => format!("{} {score}", row.severity.as_str()),
            None => row.severity.as_str().to_owned(),
        };
        let line = format!(
            "{}  {severity:<13}  {:<packages$}  {:<versions$}  {:<fixes$}  {}",
            styled(severity_style(row), &format!("{:<ids$}", visible(&row.id))),
            visible(package),
            visible(version),
            visible(&fix(row)),
            remarks(row),
        );
        say!("{}", line.trim_end());
    }
    if !common.quiet {
        summary(report, show_suppressed);
    }
}

/// A line of the table: a row, or all of a vulnerability in the packages of one source.
struct Line<'r> {
    row: &'r Row,
    package: String,
    version: String,
}

/// Puts rows about packages of one source together, in the order of rows.
fn lines<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<Line<'r>> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for row in rows {
        let package = &row.package;
        let source = package.source_name.as_deref().unwrap_or(&package.name);
        let version = package.source_version.as_deref().unwrap_or(&package.version);
        let status = match &row.status {
            // Nearly all of them.
            RowStatus::Affected { statement: None } => String::new(),
            other => format!("{other:?}"),
        };
        let same = (row.id.as_str(), source, version, &package.kind, row.fix.version(), status);
        let place = *places.entry(same).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.iter().map(|group| line(group)).collect()
}

fn line<'r>(group: &[&'r Row]) -> Line<'r> {
    let row = group[0];
    let package = &row.package;
    if group.len() == 1 {
        return Line { row, package: package.name.clone(), version: package.version.clone() };
    }
    let source = package.source_name.as_deref().unwrap_or(&package.name);
    let version = package.source_version.as_deref().unwrap_or(&package.version);
    Line {
        row,
        package: format!("{source} ({})", count(group.len(), "package")),
        version: version.to_owned(),
    }
}

fn fix(row: &Row) -> String {
    row.fix.version().map_or_else(|| "no fix".to_owned(), str::to_owned)
}

fn remarks(row: &Row) -> String {
    let mut all = Vec::new();
    if row.exploited_since.is_some() {
        let word = if row.in_ransomware { "exploited, in ransomware" } else { "exploited" };
        all.push(styled(BAD, word));
    }
    if let Some(epss) = row.epss_millionths.filter(|epss| *epss >= EPSS_SHOWN_MIN) {
        all.push(format!("EPSS {} %", epss / 10_000));
    }
    if let Some(decision) = &row.decision {
        all.push(decision.kind.to_owned());
    }
    match &row.status {
        RowStatus::UnderInvestigation { .. } => all.push("under investigation".to_owned()),
        RowStatus::Suppressed { statement } => {
            let why = statement.justification.as_deref().unwrap_or(&statement.status);
            all.push(styled(
                DIM,
                &format!("suppressed: {}, by {}", visible(why), visible(&statement.author)),
            ));
        }
        RowStatus::Affected { .. } => {}
    }
    all.join(", ")
}

fn summary(report: &ScanReport, show_suppressed: bool) {
    let totals: Vec<String> = (report.totals().into_iter())
        .filter(|(_, number)| *number > 0)
        .map(|(severity, number)| format!("{number} {}", severity.as_str()))
        .collect();
    let found =
        if totals.is_empty() { styled(GOOD, "no known vulnerability") } else { totals.join(", ") };
    let from = match &report.inventory {
        InventoryOrigin::Files => "the files".to_owned(),
        InventoryOrigin::AttachedSbom { signed_by, is_checked: true } => {
            format!("the SBOM signed by {} and the files", visible(signed_by))
        }
        InventoryOrigin::AttachedSbom { signed_by, is_checked: false } => {
            format!("the SBOM signed by {}", visible(signed_by))
        }
        InventoryOrigin::Document => "the SBOM".to_owned(),
    };
    let distribution = report.distribution.as_deref().unwrap_or("no distribution");
    let packages = count(report.packages, "package");
    say!(
        "{found} {}",
        styled(DIM, &format!("({packages} of {}, from {from})", visible(distribution)))
    );
    let suppressed = report.rows.iter().filter(|row| !row.counts()).count();
    if suppressed > 0 && !show_suppressed {
        let text = format!("{suppressed} suppressed; --show-suppressed shows them");
        say!("{}", styled(DIM, &text));
    }
}

fn severity_style(row: &Row) -> anstyle::Style {
    match row.severity {
        Severity::Critical | Severity::High if row.counts() => BAD,
        Severity::Medium if row.counts() => WARNING,
        _ => anstyle::Style::new(),
    }
}
