// SPDX-License-Identifier: Apache-2.0
//! JUnit's XML, as most servers that run tests read it: a suite for each group, a case for each control.

use std::fmt::Write as _;

use crate::audit::model::{AuditFinding, AuditReport, ControlResult, Outcome};
use crate::controls::Group;
use crate::report::html::escaped;

/// Writes a report.
pub fn junit(report: &AuditReport) -> String {
    let count =
        |is: fn(&ControlResult) -> bool| report.controls.iter().filter(|one| is(one)).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"hardpan audit of {}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">\n",
        escaped(&report.image.name),
        report.controls.len(),
        count(is_failure),
        count(is_skipped),
    );
    for group in Group::ALL {
        let of: Vec<&ControlResult> =
            report.controls.iter().filter(|one| one.group == group).collect();
        if !of.is_empty() {
            text += &suite(group, &of);
        }
    }
    text += "</testsuites>\n";
    text
}

fn is_failure(control: &ControlResult) -> bool {
    control.counts && control.outcome.is_broken()
}

fn is_skipped(control: &ControlResult) -> bool {
    matches!(control.outcome, Outcome::Unmeasured(_) | Outcome::NotApplicable)
}

fn suite(group: Group, controls: &[&ControlResult]) -> String {
    let count = |is: fn(&ControlResult) -> bool| controls.iter().filter(|one| is(one)).count();
    let mut text = format!(
        "<testsuite name=\"{group}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">\n",
        controls.len(),
        count(is_failure),
        count(is_skipped),
    );
    for control in controls {
        text += &case(control);
    }
    text += "</testsuite>\n";
    text
}

fn case(control: &ControlResult) -> String {
    let mut text = format!(
        "<testcase classname=\"hardpan.{}\" name=\"{}\">\n",
        control.group.to_string().replace(' ', "-"),
        control.id
    );
    match &control.outcome {
        Outcome::Unmeasured(why) => {
            let _ = writeln!(text, "<skipped message=\"not measured: {}\"/>", escaped(why));
        }
        Outcome::NotApplicable => {
            text += "<skipped message=\"it does not apply to the profile\"/>\n";
        }
        _ if is_failure(control) => {
            let (open, accepted): (Vec<&AuditFinding>, Vec<&AuditFinding>) =
                control.findings.iter().partition(|finding| finding.accepted.is_none());
            let _ = writeln!(
                text,
                "<failure type=\"{}\" message=\"it does not hold: {}\">{}</failure>",
                control.outcome.word(),
                escaped(control.id.control().title),
                lines(&open),
            );
            text += &output(&accepted);
        }
        _ => text += &output(&control.findings.iter().collect::<Vec<_>>()),
    }
    text += "</testcase>\n";
    text
}

fn output(findings: &[&AuditFinding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    format!("<system-out>{}</system-out>\n", lines(findings))
}

fn lines(findings: &[&AuditFinding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(text, "{}", escaped(&finding.message));
        for path in &finding.paths {
            let _ = writeln!(text, "  {}", escaped(&path.to_string()));
        }
        if let Some(accepted) = &finding.accepted {
            let (source, reason) = (escaped(&accepted.source), escaped(&accepted.reason));
            let _ = writeln!(text, "  accepted by {source}: {reason}");
        } else if !finding.help.is_empty() {
            let _ = writeln!(text, "  {}", escaped(&finding.help));
        }
    }
    text
}
