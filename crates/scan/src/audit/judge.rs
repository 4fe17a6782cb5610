// SPDX-License-Identifier: Apache-2.0
//! From what controls found to what became of each: nothing is left out, whatever could not be measured or is accepted.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::TreePath;

use super::exceptions::SourcedException;
use super::grade::grade;
use super::model::{
    Acceptance, AuditFinding, AuditReport, AuditedImage, ControlResult, Outcome, ProfileChoice,
    Surface,
};
use super::traits;
use crate::controls::{
    self, Control, ControlId, ControlPolicy, Finding, Inspection, Measured, Profile, Severity,
};

/// By what an image is judged.
#[derive(Debug, Clone)]
pub struct AuditPolicy {
    /// The name of the profile, and who says that it is the one.
    pub choice: ProfileChoice,
    /// Severities in place of the profile's; `None` switches a control off.
    pub severities: BTreeMap<ControlId, Option<Severity>>,
    /// What is accepted.
    pub exceptions: Vec<SourcedException>,
}

/// Measures and judges. `packages` is the number of packages of the distribution and of languages; the inspection has the
/// profile on which the policy's is built.
pub fn audit(
    inspection: &Inspection<'_>,
    policy: &AuditPolicy,
    image: AuditedImage,
    packages: u64,
) -> AuditReport {
    let today = inspection.image.and_then(|image| image.today);
    let (over, present): (Vec<&SourcedException>, Vec<&SourcedException>) =
        policy.exceptions.iter().partition(|exception| exception.accepted.is_over(today));
    let control_policy = ControlPolicy {
        severities: policy.severities.clone(),
        exceptions: present.iter().map(|exception| exception.accepted.rule()).collect(),
    };
    let measured = controls::measure(inspection, &control_policy);
    let mut warnings: Vec<String> = over.into_iter().map(over_text).collect();
    warnings.extend(unused(&measured, &present));
    let judged = Judged { inspection, policy, exceptions: &present };
    let controls = judged.controls(measured);
    let (grade, sum, hardened) = grade(&controls);
    AuditReport {
        image,
        profile: policy.choice.clone(),
        hardened,
        grade,
        sum,
        controls,
        traits: traits::of(inspection),
        surface: Surface::of(inspection, packages),
        warnings,
    }
}

fn over_text(exception: &SourcedException) -> String {
    let SourcedException { accepted, source } = exception;
    let until = accepted.until.map(|day| day.to_string()).unwrap_or_default();
    format!("the exception for {accepted} ({source}) ended on {until} and does not count any more")
}

/// Says which exceptions nothing needs: they hide what comes later.
fn unused(measured: &Measured, exceptions: &[&SourcedException]) -> Vec<String> {
    let used: BTreeSet<usize> =
        measured.findings.iter().filter_map(|finding| finding.exception).collect();
    let unused = exceptions.iter().enumerate().filter(|(number, _)| !used.contains(number));
    unused
        .map(|(_, SourcedException { accepted, source })| {
            format!(
                "the exception for {accepted} ({source}) is not needed: nothing was found for it"
            )
        })
        .collect()
}

struct Judged<'j> {
    inspection: &'j Inspection<'j>,
    policy: &'j AuditPolicy,
    exceptions: &'j [&'j SourcedException],
}

impl Judged<'_> {
    fn controls(&self, measured: Measured) -> Vec<ControlResult> {
        let mut found: BTreeMap<ControlId, Vec<AuditFinding>> = BTreeMap::new();
        for finding in measured.findings {
            found.entry(finding.control).or_default().push(self.finding(finding));
        }
        let mut unmeasured = measured.unmeasured;
        let mut results: Vec<ControlResult> = controls::controls()
            .iter()
            .map(|control| {
                let findings = found.remove(&control.id).unwrap_or_default();
                self.result(control, findings, unmeasured.remove(&control.id))
            })
            .collect();
        results.sort_by_key(|result| result.group);
        results
    }

    fn result(
        &self,
        control: &Control,
        findings: Vec<AuditFinding>,
        unmeasured: Option<String>,
    ) -> ControlResult {
        let severity = effective(control, self.inspection.profile, &self.policy.severities);
        let open = findings.iter().filter(|finding| finding.accepted.is_none());
        let outcome = match (severity, open.map(|finding| finding.severity).max()) {
            (None, _) => Outcome::NotApplicable,
            (_, Some(Severity::Fail)) => Outcome::Fail,
            (_, Some(Severity::Warn)) => Outcome::Warn,
            // What is accepted or only informs says nothing of what could not be looked at.
            (_, worst) => match unmeasured {
                Some(why) => Outcome::Unmeasured(why),
                None if worst.is_some() => Outcome::Info,
                None if findings.is_empty() => Outcome::Pass,
                None => Outcome::Excepted,
            },
        };
        ControlResult {
            id: control.id,
            group: control.group,
            severity,
            counts: severity.is_some_and(|severity| severity > Severity::Info),
            outcome,
            findings,
        }
    }

    fn finding(&self, finding: Finding) -> AuditFinding {
        let accepted = finding.exception.and_then(|number| self.exceptions.get(number)).map(
            |SourcedException { accepted, source }| Acceptance {
                reason: accepted.reason.clone(),
                until: accepted.until.map(|day| day.to_string()),
                source: source.clone(),
            },
        );
        let package = finding.package.and_then(|number| usize::try_from(number).ok());
        let package = package.and_then(|number| self.inspection.packages.get(number));
        let paths: Vec<TreePath> = finding.path.into_iter().chain(finding.more_paths).collect();
        AuditFinding {
            severity: finding.severity,
            message: finding.message,
            paths,
            layer: finding.layer,
            package: package.map(|package| package.name.clone()),
            help: finding.help,
            accepted,
        }
    }
}

/// Returns how bad a broken control is, with what a policy changes.
pub(super) fn effective(
    control: &Control,
    profile: Profile,
    severities: &BTreeMap<ControlId, Option<Severity>>,
) -> Option<Severity> {
    match severities.get(&control.id) {
        Some(severity) => *severity,
        None => control.severity(profile),
    }
}
