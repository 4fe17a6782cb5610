// SPDX-License-Identifier: Apache-2.0
//! Who states what about an image, how old it is, and what is known of its vulnerabilities.

use hardpan_tree::{Kind, Origin};
use jiff::Timestamp;

use super::image::{ImageFacts, StatementFacts, VulnerabilityFact};
use super::libraries::elf_of;
use super::report::{Observation, Report};
use super::view::View;
use super::{ControlId, Severity};

/// After how many days what was found since is likely to matter.
const AGE_DAYS_MAX: u32 = 90;
const SCAN_AGE_DAYS_MAX: u32 = 30;
const SECONDS_OF_DAY: i64 = 86_400;
/// The last day, since 1970, that builders write who do not want to say when (1980-01-02).
const NO_DAY: u32 = 3_653;
const BASE: [&str; 2] =
    ["org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"];
/// What programs of Java come in.
const ARCHIVES: [&[u8]; 3] = [b".jar", b".war", b".ear"];

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let facts = match view.facts() {
        Ok(facts) => facts,
        Err(why) => {
            let controls = [
                ControlId::ImageAge,
                ControlId::Signature,
                ControlId::Provenance,
                ControlId::Sbom,
                ControlId::SbomIncomplete,
                ControlId::Vex,
                ControlId::ScanAge,
                ControlId::BaseDigest,
                ControlId::DistributionEnd,
                ControlId::Reproducible,
                ControlId::VulnerabilityFixable,
                ControlId::VulnerabilityExploited,
            ];
            return report.all_unmeasured(&controls, why);
        }
    };
    check_age(facts, report);
    if let Some(statements) = &facts.statements {
        check_statements(facts, statements, report);
    } else {
        let controls = [
            ControlId::Signature,
            ControlId::Provenance,
            ControlId::Sbom,
            ControlId::Vex,
            ControlId::ScanAge,
            ControlId::Reproducible,
        ];
        report.all_unmeasured(&controls, "nobody's key or name is trusted here");
    }
    check_base(facts, report);
    check_support(facts, report);
    check_list(view, facts, report);
    check_vulnerabilities(view, facts, report);
}

fn check_age(facts: &ImageFacts, report: &mut Report<'_>) {
    let control = ControlId::ImageAge;
    let Some(today) = facts.today else { return report.unmeasured(control, "no day is given") };
    let Some(config) = &facts.config else {
        return report.unmeasured(control, "a root file system has no time");
    };
    let Some(created) = config.created.as_deref().and_then(day) else {
        return report.unmeasured(control, "the image does not say when it was made");
    };
    if created <= NO_DAY {
        let why = "the image says that it was made before 1981, as builds do that can be repeated";
        return report.unmeasured(control, why);
    }
    if created > today.saturating_add(1) {
        let days = created - today;
        return report
            .image(control, format!("the image says that it is made {days} days from now"));
    }
    let days = today.saturating_sub(created);
    if days > AGE_DAYS_MAX {
        report.image(control, format!("the image is {days} days old"));
    }
}

/// Returns the day since 1970 of a time in RFC 3339.
fn day(text: &str) -> Option<u32> {
    let seconds = text.parse::<Timestamp>().ok()?.as_second();
    u32::try_from(seconds.div_euclid(SECONDS_OF_DAY)).ok()
}

fn check_statements(facts: &ImageFacts, statements: &StatementFacts, report: &mut Report<'_>) {
    if statements.signers.is_empty() {
        report.image(ControlId::Signature, "nobody who is trusted signed the image");
    }
    if statements.builders.is_empty() {
        let text = "nobody who is trusted says who built the image";
        report.image(ControlId::Provenance, text);
    }
    if !statements.has_sbom {
        report.image(ControlId::Sbom, "nobody who is trusted lists what is in the image");
    }
    if !statements.has_vex {
        let text = "nobody who is trusted says which vulnerabilities matter";
        report.image(ControlId::Vex, text);
    }
    if statements.reproduced_by.is_empty() {
        let text = "nobody who is trusted built the image again";
        report.image(ControlId::Reproducible, text);
    }
    match (statements.scanned, facts.today) {
        (None, _) => report.image(ControlId::ScanAge, "nobody who is trusted scanned the image"),
        (Some(_), None) => report.unmeasured(ControlId::ScanAge, "no day is given"),
        (Some(scanned), Some(today)) => {
            let days = today.saturating_sub(scanned);
            if days > SCAN_AGE_DAYS_MAX {
                report
                    .image(ControlId::ScanAge, format!("the last signed scan is {days} days old"));
            }
        }
    }
}

fn check_base(facts: &ImageFacts, report: &mut Report<'_>) {
    let labels = facts.config.as_ref().map(|config| &config.config.labels);
    let has = |name: &str| {
        facts.annotations.contains_key(name)
            || labels.is_some_and(|labels| labels.contains_key(name))
    };
    let missing: Vec<&str> = BASE.into_iter().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        report
            .image(ControlId::BaseDigest, format!("the image has no {}", missing.join(" and no ")));
    }
}

fn check_support(facts: &ImageFacts, report: &mut Report<'_>) {
    let control = ControlId::DistributionEnd;
    match (&facts.distribution_end, facts.today) {
        (None, _) => {
            report.unmeasured(control, "nothing is known of the support of a distribution");
        }
        (_, None) => report.unmeasured(control, "no day is given"),
        (Some((name, end)), Some(today)) if *end < today => {
            let text = format!("{name} is not supported since {} days", today - end);
            report.image(control, text);
        }
        _ => {}
    }
}

/// What no list has. Programs matter, as scanners would look them up; all else is only counted.
fn check_list(view: &View<'_>, facts: &ImageFacts, report: &mut Report<'_>) {
    let control = ControlId::SbomIncomplete;
    let Some(unlisted) = &facts.unlisted else {
        return report.unmeasured(control, "nobody looked which files are listed");
    };
    let mut others = 0_usize;
    for path in unlisted {
        let Some(node) = view.tree.get(path) else { continue };
        let Kind::File(file) = &node.kind else { continue };
        let is_program = elf_of(file).is_some_and(|elf| matches!(elf.file_type, 2 | 3))
            || ARCHIVES.iter().any(|ending| path.name().ends_with(ending));
        if is_program {
            let text = "is a program that no package and no SBOM of the image lists";
            report.path(control, path, text);
        } else {
            others += 1;
        }
    }
    if others > 0 {
        let text = format!("{others} files that are no programs are listed by nothing");
        report.image_at_most(control, text, Severity::Info);
    }
}

fn check_vulnerabilities(view: &View<'_>, facts: &ImageFacts, report: &mut Report<'_>) {
    let controls = [ControlId::VulnerabilityFixable, ControlId::VulnerabilityExploited];
    let Some(known) = &facts.vulnerabilities else {
        return report.all_unmeasured(&controls, "there is no advisory database");
    };
    for row in &known.rows {
        if row.is_exploited {
            let text = format!("{} of {} is being exploited", row.id, row.package);
            add(view, report, ControlId::VulnerabilityExploited, row, text, Severity::Fail);
        }
        if let Some(fixed) = &row.fixed {
            let VulnerabilityFact { id, package, severity, .. } = row;
            let text = format!("{id} of {package} is {severity} and fixed in {fixed}");
            add(view, report, ControlId::VulnerabilityFixable, row, text, row.weight);
        }
    }
    if !known.gaps.is_empty() {
        report.all_unmeasured(&controls, &known.gaps.join("; "));
    }
}

fn add(
    view: &View<'_>,
    report: &mut Report<'_>,
    control: ControlId,
    row: &VulnerabilityFact,
    text: String,
    most: Severity,
) {
    let names = view.input.packages.iter().map(|package| package.name.as_str());
    let is_its = |name: &str| {
        row.package.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let number = names.into_iter().position(is_its).and_then(|number| u32::try_from(number).ok());
    let origin = number.map(Origin::Package);
    let seen = Observation { control, path: None, origin, text, is_asked_for: false };
    report.add_at_most(seen, most, None);
}
