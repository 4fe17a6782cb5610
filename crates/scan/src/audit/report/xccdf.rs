// SPDX-License-Identifier: Apache-2.0
//! XCCDF 1.2: the controls as a benchmark, and what became of them as its result, in one document, as tools for compliance
//! read it.
//!
//! It is derived from the requirements guide for operating systems. It is no STIG, and nobody certified it; both stand in the
//! document.

use std::fmt::Write as _;

use hardpan_attest::predicate::Time;

use super::{Beside, severity};
use crate::audit::mappings::mapping;
use crate::audit::model::{AuditFinding, AuditReport, ControlResult, Outcome};
use crate::controls::{Group, Severity, controls};
use crate::report::html::escaped;

/// What the benchmark is called.
pub(super) const TITLE: &str = "hardpan image controls (SRG-derived)";
/// What it is made of.
pub(super) const BASIS: &str = "derived from DISA's General Purpose Operating System Security Requirements Guide; \
     not a STIG, and not certified by anybody";
const ID: &str = "xccdf_dev.hardpan";
/// Where the requirements are published.
const GUIDE: &str = "https://public.cyber.mil/stigs/";

/// Writes a report. Its time is the image's.
pub fn xccdf(report: &AuditReport, beside: &Beside<'_>) -> String {
    let time = beside.time.unwrap_or(Time::EPOCH).to_string();
    let day = time.split('T').next().unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Benchmark xmlns=\"http://checklists.nist.gov/xccdf/1.2\" id=\"{ID}_benchmark_image\" resolved=\"true\" xml:lang=\"en\">\n\
         <status date=\"{day}\">draft</status>\n<title>{}</title>\n<description>{}</description>\n<version>{version}</version>\n\
         <model system=\"urn:xccdf:scoring:default\"/>\n",
        escaped(TITLE),
        escaped(BASIS),
    );
    text += &profile(report);
    for group in Group::ALL {
        text += &group_of(report, group);
    }
    text += &result(report, &time);
    text += "</Benchmark>\n";
    text
}

/// The profile's id: what a user calls it may be no part of an id.
fn profile_id(report: &AuditReport) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    let name: String =
        report.profile.name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(100).collect();
    format!("{ID}_profile_{}", if name.is_empty() { "unnamed" } else { &name })
}

fn profile(report: &AuditReport) -> String {
    let mut text = format!(
        "<Profile id=\"{}\">\n<title>{}</title>\n",
        profile_id(report),
        escaped(&report.profile.name)
    );
    for control in &report.controls {
        let selected = control.outcome != Outcome::NotApplicable;
        let _ =
            writeln!(text, "<select idref=\"{ID}_rule_{}\" selected=\"{selected}\"/>", control.id);
    }
    text += "</Profile>\n";
    text
}

fn group_of(report: &AuditReport, group: Group) -> String {
    let name = group.to_string().replace(' ', "-");
    let mut text = format!("<Group id=\"{ID}_group_{name}\">\n<title>{group}</title>\n");
    for control in controls().iter().filter(|control| control.group == group) {
        let result = report.controls.iter().find(|one| one.id == control.id);
        let severity = result.map_or(control.runtime, severity);
        let _ = write!(
            text,
            "<Rule id=\"{ID}_rule_{}\" selected=\"true\" severity=\"{}\">\n<title>{}</title>\n<description>{}</description>\n",
            control.id,
            word(severity),
            escaped(control.title),
            escaped(control.why),
        );
        let guides = mapping(control.id);
        for requirement in guides.srg {
            let _ = writeln!(text, "<reference href=\"{GUIDE}\">{requirement}</reference>");
        }
        for item in guides.cis {
            let _ = writeln!(
                text,
                "<reference href=\"https://www.cisecurity.org/benchmark/docker\">{item}</reference>"
            );
        }
        for section in guides.nist {
            let _ = writeln!(
                text,
                "<reference href=\"https://doi.org/10.6028/NIST.SP.800-190\">{section}</reference>"
            );
        }
        let _ = write!(
            text,
            "<fixtext>{}</fixtext>\n<check system=\"https://hardpan.dev/controls\"><check-content-ref href=\"#{}\"/></check>\n</Rule>\n",
            escaped(control.fix),
            control.id,
        );
    }
    text += "</Group>\n";
    text
}

fn result(report: &AuditReport, time: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "<TestResult id=\"{ID}_testresult_image\" start-time=\"{time}\" end-time=\"{time}\" version=\"{version}\" test-system=\"cpe:/a:hardpan:hardpan:{version}\">\n\
         <title>{}</title>\n<profile idref=\"{}\"/>\n<target>{}</target>\n<target-facts>\n",
        escaped(TITLE),
        profile_id(report),
        escaped(&report.image.name),
    );
    let facts = [
        ("digest", report.image.digest.map(|digest| digest.to_string())),
        ("platform", report.image.platform.clone()),
        ("distribution", report.image.distribution.clone()),
        ("hardened", Some(report.hardened.to_string())),
        ("grade", Some(report.grade.to_string())),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(
                text,
                "<fact name=\"urn:hardpan:fact:{name}\" type=\"string\">{}</fact>",
                escaped(&value)
            );
        }
    }
    text += "</target-facts>\n";
    for control in &report.controls {
        text += &rule_result(control, time);
    }
    let _ = write!(
        text,
        "<score system=\"https://hardpan.dev/audit/points\" maximum=\"100\">{}</score>\n</TestResult>\n",
        report.sum.points
    );
    text
}

fn rule_result(control: &ControlResult, time: &str) -> String {
    let result = match &control.outcome {
        Outcome::Pass => "pass",
        Outcome::Fail | Outcome::Warn => "fail",
        Outcome::Info | Outcome::Excepted => "informational",
        Outcome::Unmeasured(_) => "notchecked",
        Outcome::NotApplicable => "notapplicable",
    };
    let mut text = format!(
        "<rule-result idref=\"{ID}_rule_{}\" time=\"{time}\" severity=\"{}\">\n<result>{result}</result>\n",
        control.id,
        word(severity(control)),
    );
    if let Outcome::Unmeasured(why) = &control.outcome {
        let _ = writeln!(text, "<message severity=\"info\">{}</message>", escaped(why));
    }
    for finding in &control.findings {
        text += &message(finding);
    }
    text += "</rule-result>\n";
    text
}

fn message(finding: &AuditFinding) -> String {
    let severity = match finding.severity {
        Severity::Fail => "error",
        Severity::Warn => "warning",
        Severity::Info => "info",
    };
    let mut said = finding.message.clone();
    for path in &finding.paths {
        let _ = write!(said, " {path}");
    }
    if let Some(accepted) = &finding.accepted {
        let _ = write!(said, " (accepted by {}: {})", accepted.source, accepted.reason);
    }
    format!("<message severity=\"{severity}\">{}</message>\n", escaped(&said))
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Fail => "high",
        Severity::Warn => "medium",
        Severity::Info => "info",
    }
}
