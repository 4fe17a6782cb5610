// SPDX-License-Identifier: Apache-2.0
//! `hardpan diff`

use std::collections::BTreeMap;
use std::process::ExitCode;

use hardpan::scan::report::{ChangedVulnerability, VulnerabilityChanges};
use hardpan::scan::{ScanRequest, ScanSource};
use hardpan::trust::ImageDifference;
use hardpan::trust::predicate::changelog::{Changelog, PackageChange};
use hardpan::{Location, SbomChoice, SbomSource, Session};

use super::{place, scans};
use crate::args::Common;
use crate::args::trust::{Diff, DiffFormat};
use crate::failure;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, WARNING, count, say, size, styled, visible};

/// The exit code of `--exit-code` where something changed.
const CHANGED: u8 = 1;
/// The most paths of a kind that a table has; the other forms have more.
const PATHS_SHOWN_MAX: usize = 20;

/// Compares two images.
pub(crate) fn run(common: &Common, command: &Diff) -> anyhow::Result<ExitCode> {
    let (old, new) = (place::existing(&command.old)?, place::existing(&command.new)?);
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let difference = session.diff(&old, &new, command.platform.as_deref());
    let compared = difference.map_err(anyhow::Error::from).map(|difference| {
        let known = vulnerabilities(&session, command, &difference, [&old, &new]);
        (difference, known)
    });
    progress.clear();
    let (difference, known) = compared?;
    if common.json {
        return json(command, &difference, known);
    }
    match command.output {
        DiffFormat::Markdown => markdown(&difference),
        DiffFormat::Table => table(&difference),
    }
    // What else changed is told also where their vulnerabilities can't be.
    let known = known?;
    for (platform, changes) in &known {
        match command.output {
            DiffFormat::Markdown => {
                say!("\n### Vulnerabilities of {platform}\n");
                print_known(changes, "- ");
            }
            DiffFormat::Table => {
                say!("{}", styled(GOOD, &format!("vulnerabilities of {platform}")));
                print_known(changes, "  ");
            }
        }
    }
    Ok(exit_code(command, &difference, &known))
}

type Known = BTreeMap<String, VulnerabilityChanges>;

fn exit_code(command: &Diff, difference: &ImageDifference, known: &Known) -> ExitCode {
    let is_changed = !difference.is_empty() || known.values().any(|changes| !changes.is_empty());
    let is_no = command.exit_code && is_changed;
    if is_no { ExitCode::from(CHANGED) } else { ExitCode::SUCCESS }
}

/// Prints what changed as one document, also where vulnerabilities can't be told: then with the error that says why.
fn json(
    command: &Diff,
    difference: &ImageDifference,
    known: anyhow::Result<Known>,
) -> anyhow::Result<ExitCode> {
    let mut value = serde_json::to_value(difference)?;
    let code = match known {
        Ok(known) => {
            value["vulnerabilities"] = serde_json::to_value(&known)?;
            exit_code(command, difference, &known)
        }
        Err(error) => {
            let (error, code) = failure::to_json(&error);
            value["vulnerabilities"] = serde_json::Value::Null;
            value["error"] = error;
            code
        }
    };
    say!("{value}");
    Ok(code)
}

/// Returns what became of vulnerabilities of every platform that both have; nothing without an advisory database, and of
/// images that can't be scanned.
fn vulnerabilities(
    session: &Session<'_>,
    command: &Diff,
    difference: &ImageDifference,
    images: [&Location; 2],
) -> anyhow::Result<Known> {
    let Some(advisories) = scans::advisories(session, command.db.as_deref())? else {
        return Ok(BTreeMap::new());
    };
    let mut all = BTreeMap::new();
    for changes in &difference.platforms {
        let platform = changes.to.platform.as_deref();
        let scanned = images.map(|image| {
            let request = ScanRequest {
                choice: SbomChoice { platform, ..SbomChoice::default() },
                ..ScanRequest::of(&advisories)
            };
            session.scan(&ScanSource::Image(SbomSource::Image(image.clone())), &request)
        });
        match scanned {
            [Ok(old), Ok(new)] => {
                let name = platform.unwrap_or("image").to_owned();
                all.insert(name, VulnerabilityChanges::between(&old, &new));
            }
            // Whoever names a database wants to know why there is no answer.
            [Err(error), _] | [_, Err(error)] if command.db.is_some() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(all)
}

fn print_known(changes: &VulnerabilityChanges, indent: &str) {
    for (style, what, list) in
        [(GOOD, "fixed", &changes.fixed), (BAD, "introduced", &changes.introduced)]
    {
        for one in list {
            let ChangedVulnerability { id, package, severity, version } = one;
            let severity = severity.as_str();
            say!(
                "{indent}{} {id} ({severity}) in {} {}",
                styled(style, what),
                visible(package),
                visible(version)
            );
        }
    }
    let [fixed, introduced, remaining] =
        [&changes.fixed, &changes.introduced, &changes.remaining].map(Vec::len);
    say!("{indent}{fixed} fixed, {introduced} introduced, {remaining} remain");
}

fn markdown(difference: &ImageDifference) {
    for (number, changes) in difference.platforms.iter().enumerate() {
        let end = if number + 1 < difference.platforms.len() { "\n" } else { "" };
        say!("{}{end}", changes.to_markdown().trim_end());
    }
    for (platform, what) in platforms(difference) {
        say!("\n`{platform}` {what}");
    }
}

/// Returns the platforms that only one of the images has.
fn platforms(difference: &ImageDifference) -> impl Iterator<Item = (&str, &'static str)> {
    let added = difference.added_platforms.iter().map(|name| (name.as_str(), "is new"));
    added.chain(difference.removed_platforms.iter().map(|name| (name.as_str(), "is gone")))
}

fn table(difference: &ImageDifference) {
    for changes in &difference.platforms {
        platform(changes);
    }
    for (platform, what) in platforms(difference) {
        say!("{} {what}", styled(WARNING, &visible(platform)));
    }
}

fn platform(changes: &Changelog) {
    let name = changes.to.platform.as_deref().unwrap_or("image");
    say!("{}", styled(GOOD, &visible(name)));
    for (build, mark) in [(&changes.from, "-"), (&changes.to, "+")] {
        let digest = build.digest.map(|digest| digest.to_string()).unwrap_or_default();
        say!("  {}", styled(DIM, &format!("{mark} {} {digest}", visible(&build.name))));
    }
    if changes.is_empty() {
        say!("  nothing changed");
        return;
    }
    packages(changes);
    for change in &changes.config {
        let value = |value: &Option<serde_json::Value>| match value {
            Some(value) => visible(&value.to_string()),
            None => styled(DIM, "none"),
        };
        let key = visible(&change.key);
        say!("  ~ {key}: {} → {}", value(&change.from), value(&change.to));
    }
    files(changes);
    let sizes = &changes.size;
    say!(
        "  {} → {} compressed, {} → {} unpacked",
        size(sizes.compressed_from),
        size(sizes.compressed_to),
        size(sizes.from),
        size(sizes.to)
    );
}

fn packages(changes: &Changelog) {
    let all = &changes.packages;
    let lists = [&all.removed, &all.added, &all.changed];
    let names = lists.into_iter().flatten().map(|change| change.name.chars().count());
    let width = names.max().unwrap_or(0).min(40);
    let row = |mark: String, change: &PackageChange| {
        let versions = match (&change.from, &change.to) {
            (Some(from), Some(to)) if from == to => format!("{} built again", visible(to)),
            (Some(from), Some(to)) => format!("{} → {}", visible(from), visible(to)),
            (one, other) => visible(one.as_ref().or(other.as_ref()).map_or("", String::as_str)),
        };
        say!("  {mark} {:<width$}  {versions}", visible(&change.name));
    };
    all.removed.iter().for_each(|change| row(styled(BAD, "-"), change));
    all.added.iter().for_each(|change| row(styled(GOOD, "+"), change));
    all.changed.iter().for_each(|change| row(styled(WARNING, "~"), change));
}

fn files(changes: &Changelog) {
    let all = &changes.files;
    for (mark, what, paths, total) in [
        (styled(BAD, "-"), "gone", &all.removed, all.removed_count),
        (styled(GOOD, "+"), "new", &all.added, all.added_count),
        (styled(WARNING, "~"), "changed", &all.changed, all.changed_count),
        (
            styled(WARNING, "~"),
            "with other permissions or owners",
            &all.mode_changed,
            all.mode_changed_count,
        ),
    ] {
        if total == 0 {
            continue;
        }
        let number = usize::try_from(total).unwrap_or(usize::MAX);
        say!("  {} {what}", count(number, "file"));
        for path in paths.iter().take(PATHS_SHOWN_MAX) {
            say!("    {mark} {}", visible(path));
        }
        let shown = paths.len().min(PATHS_SHOWN_MAX);
        if number > shown {
            say!("    {}", styled(DIM, &format!("and {} more; see --json", number - shown)));
        }
    }
}
