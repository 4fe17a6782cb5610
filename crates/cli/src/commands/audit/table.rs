// SPDX-License-Identifier: Apache-2.0
//! An audit for people.

use std::collections::BTreeSet;

use hardpan::audit::{
    AuditFinding, AuditReport, ControlId, ControlResult, Grade, Outcome, ProfileSource, controls,
};

use crate::args::Common;
use crate::text::{BAD, DIM, GOOD, HELP, WARNING, count, note, say, size, styled, visible};

/// How many characters of arithmetic stand in a line.
const LINE_CHARACTERS_MAX: usize = 96;

/// Prints what failed and warns, then what was accepted, and what could not be measured.
pub(super) fn print(common: &Common, report: &AuditReport, with_passed: bool) {
    if !common.quiet {
        for warning in &report.warnings {
            note!("{} {}", styled(WARNING, "warning:"), visible(warning));
        }
    }
    heading(report);
    grade(report);
    for outcome in [Outcome::Fail, Outcome::Warn, Outcome::Info, Outcome::Excepted] {
        for control in report.controls.iter().filter(|control| control.outcome == outcome) {
            say!("");
            broken(control);
        }
    }
    unmeasured(report);
    if with_passed {
        passed(report);
    }
    say!("");
    summary(report);
}

fn heading(report: &AuditReport) {
    let image = &report.image;
    let about = [image.platform.as_deref(), image.distribution.as_deref()];
    let mut facts: Vec<String> = about.into_iter().flatten().map(visible).collect();
    facts.push(count(image.layers, "layer"));
    facts.push(size(report.surface.bytes));
    say!("{}  {}", styled(HELP, &visible(&image.name)), styled(DIM, &facts.join(" · ")));
    let source = match report.profile.source {
        ProfileSource::Flag => "as you said",
        ProfileSource::Definition => "as the image's definition says",
        ProfileSource::Label => "as a label of the image says",
        ProfileSource::Default => "nobody who is trusted says what it is for",
    };
    say!("profile {} {}", visible(&report.profile.name), styled(DIM, &format!("({source})")));
}

fn grade(report: &AuditReport) {
    let style = match report.grade {
        Grade::A | Grade::B => GOOD,
        Grade::C | Grade::D => WARNING,
        Grade::E | Grade::F => BAD,
    };
    let hardened =
        if report.hardened { styled(GOOD, "hardened") } else { styled(BAD, "not hardened") };
    let sum = &report.sum;
    say!(
        "{} {} points, {hardened}",
        styled(style, &format!("grade {:?}:", report.grade)),
        sum.points
    );
    let mut line = "100".to_owned();
    for deduction in &sum.deductions {
        let part = format!(" − {} {}", deduction.points, deduction.control);
        if line.chars().count() + part.chars().count() > LINE_CHARACTERS_MAX {
            say!("  {}", styled(DIM, &line));
            "   ".clone_into(&mut line);
        }
        line.push_str(&part);
    }
    if !sum.deductions.is_empty() {
        say!("  {}", styled(DIM, &format!("{line} = {}", sum.points)));
    }
    for gap in sum.gaps() {
        say!("  {}", styled(WARNING, &gap));
    }
    if let Some(cap) = &sum.cap {
        say!("  {}", styled(DIM, cap));
    }
}

fn broken(control: &ControlResult) {
    let (style, word) = match control.outcome {
        Outcome::Fail => (BAD, "FAIL"),
        Outcome::Warn => (WARNING, "WARN"),
        Outcome::Excepted => (DIM, "ACCEPTED"),
        _ => (HELP, "INFO"),
    };
    let title = control.id.control().title;
    say!("{} {} {}", styled(style, word), control.id, styled(DIM, &format!("({title})")));
    let printed = control.findings.iter().filter_map(|finding| self::finding(control.id, finding));
    // What is to be done comes after all that was found.
    helps(printed.collect());
}

/// Says what to do about findings, each thing once.
pub(super) fn helps(all: Vec<&str>) {
    let mut told = BTreeSet::new();
    for help in all.into_iter().filter(|help| told.insert(*help)) {
        say!("    {} {}", styled(HELP, "help:"), visible(help));
    }
}

/// Prints a finding: what is wrong, and where it comes from. Returns what to do.
pub(super) fn finding(control: ControlId, finding: &AuditFinding) -> Option<&str> {
    say!("  {}", visible(&finding.message));
    if let Some(accepted) = &finding.accepted {
        let until = accepted.until.as_ref().map(|day| format!(" until {day}")).unwrap_or_default();
        let text = format!("accepted{until} by {}: {}", accepted.source, accepted.reason);
        say!("    {}", styled(DIM, &visible(&text)));
        return None;
    }
    // The help begins with where it comes from, where that is known.
    let fix = control.control().fix;
    let origin = finding.help.strip_suffix(fix).and_then(|text| text.strip_suffix("; "));
    let is_told = origin.is_some_and(|text| text.starts_with("put there by layer"));
    let layer = finding.layer.filter(|_| !is_told).map(|layer| format!("layer {layer}"));
    let from: Vec<String> = layer.into_iter().chain(origin.map(str::to_owned)).collect();
    if !from.is_empty() {
        say!("    {}", styled(DIM, &visible(&from.join(" · "))));
    }
    Some(if origin.is_some() { fix } else { &finding.help })
}

fn unmeasured(report: &AuditReport) {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for control in &report.controls {
        let Outcome::Unmeasured(why) = &control.outcome else { continue };
        match by_reason.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, names)) => names.push(control.id.name()),
            None => by_reason.push((why, vec![control.id.name()])),
        }
    }
    if by_reason.is_empty() {
        return;
    }
    say!("");
    say!("{}", styled(WARNING, "NOT MEASURED"));
    for (reason, names) in by_reason {
        say!("  {}: {}", names.join(", "), visible(reason));
    }
}

fn passed(report: &AuditReport) {
    say!("");
    say!("{}", styled(GOOD, "PASSED"));
    for control in report.controls.iter().filter(|control| control.outcome == Outcome::Pass) {
        say!("  {} {}", control.id, styled(DIM, &format!("({})", control.id.control().title)));
    }
}

fn summary(report: &AuditReport) {
    let number = |is: fn(&Outcome) -> bool| {
        report.controls.iter().filter(|control| is(&control.outcome)).count()
    };
    let parts = [
        (number(|one| *one == Outcome::Fail), "failed", BAD),
        (number(|one| *one == Outcome::Warn), "to look at", WARNING),
        (number(|one| *one == Outcome::Info), "worth knowing", DIM),
        (number(|one| *one == Outcome::Excepted), "accepted", DIM),
        (number(|one| matches!(one, Outcome::Unmeasured(_))), "not measured", DIM),
        (number(|one| *one == Outcome::Pass), "passed", GOOD),
    ];
    let parts: Vec<String> = (parts.into_iter())
        .filter(|(number, _, _)| *number > 0)
        .map(|(number, what, style)| styled(style, &format!("{number} {what}")))
        .collect();
    let all = controls().len();
    say!("{} {}", parts.join(", "), styled(DIM, &format!("(of {})", count(all, "control"))));
}
