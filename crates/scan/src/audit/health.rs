// SPDX-License-Identifier: Apache-2.0
//! The score that Docker Scout gives images, from the same policies with the same weights.
//!
//! Scout takes what is not set up out of the total, and the letter from the share of points that are left. So do we: what an
//! audit can't measure is in neither number, it is listed, and the score is called partial. Without an answer about
//! vulnerabilities, which are 40 points of 100, there is no letter, as Scout has none without fresh data.

use serde::Serialize;

use super::model::{AuditReport, Grade, Outcome};
use crate::controls::ControlId;

/// The letters and the least share in per cent that gives them.
const STEPS: [(u32, Grade); 5] =
    [(91, Grade::A), (71, Grade::B), (51, Grade::C), (31, Grade::D), (11, Grade::E)];

/// The score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Scout's policies, in its order.
    pub policies: Vec<HealthPolicy>,
    /// The points of those that are met.
    pub points: u32,
    /// The points of those that were measured.
    pub total: u32,
    /// The share in per cent, rounded down; `None` where vulnerabilities were not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// The letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter: Option<Grade>,
    /// Whether something was not measured.
    pub partial: bool,
}

/// A policy of Scout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthPolicy {
    /// What it asks for.
    pub title: &'static str,
    /// What it weighs.
    pub weight: u32,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: HealthVerdict,
}

/// What became of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "status", content = "why")]
pub enum HealthVerdict {
    /// It is met.
    Met,
    /// It is not, and somebody accepted that: which controls. It counts as met, as for Scout.
    Excepted(String),
    /// It is met, and something was found that is worth knowing: by which controls.
    Info(String),
    /// It is not, and why.
    Missed(String),
    /// It could not be measured, and why.
    NotMeasured(String),
}

/// Computes the score.
pub fn health(report: &AuditReport) -> Health {
    let not = |why: &str| HealthVerdict::NotMeasured(why.to_owned());
    let fixable = of_controls(report, &[ControlId::VulnerabilityFixable]);
    let exploited = of_controls(report, &[ControlId::VulnerabilityExploited]);
    let knows_vulnerabilities = [&fixable, &exploited]
        .iter()
        .all(|verdict| !matches!(verdict, HealthVerdict::NotMeasured(_)));
    let policy = |title, weight, verdict| HealthPolicy { title, weight, verdict };
    let policies = vec![
        policy("no fixable critical or high vulnerabilities", 20, fixable),
        policy("no high-profile vulnerabilities", 20, exploited),
        policy(
            "supply chain attestations",
            15,
            of_controls(report, &[ControlId::Sbom, ControlId::Provenance]),
        ),
        policy("no unapproved base images", 15, not("which bases are approved is not known here")),
        policy("no outdated base images", 10, not("no registry is asked for a newer base")),
        policy(
            "SonarQube quality gates",
            10,
            not("it is about source code, and not set up in Scout either"),
        ),
        policy("default non-root user", 5, user(report)),
        policy("no AGPL v3 licences", 5, not("an audit does not judge licences")),
    ];
    let sum = |is_wanted: fn(&HealthVerdict) -> bool| {
        let wanted = policies.iter().filter(|policy| is_wanted(&policy.verdict));
        wanted.map(|policy| policy.weight).sum::<u32>()
    };
    let points = sum(|verdict| {
        matches!(verdict, HealthVerdict::Met | HealthVerdict::Excepted(_) | HealthVerdict::Info(_))
    });
    let total = sum(|verdict| !matches!(verdict, HealthVerdict::NotMeasured(_)));
    let percent = (knows_vulnerabilities && total > 0).then(|| points * 100 / total);
    let partial = policies.iter().any(|one| matches!(one.verdict, HealthVerdict::NotMeasured(_)));
    Health { points, total, percent, letter: percent.map(letter), partial, policies }
}

fn letter(percent: u32) -> Grade {
    let step = STEPS.iter().find(|(from, _)| percent >= *from);
    step.map_or(Grade::F, |(_, grade)| *grade)
}

/// Returns what became of controls that stand for one policy.
fn of_controls(report: &AuditReport, wanted: &[ControlId]) -> HealthVerdict {
    let (mut missed, mut excepted, mut informed) = (Vec::new(), Vec::new(), Vec::new());
    let mut unmeasured = None;
    for id in wanted {
        match report.controls.iter().find(|one| one.id == *id).map(|one| &one.outcome) {
            Some(Outcome::Pass) => {}
            Some(Outcome::Excepted) => excepted.push(id.name()),
            Some(Outcome::Info) => informed.push(id.name()),
            Some(Outcome::Fail | Outcome::Warn) => missed.push(id.name()),
            Some(Outcome::Unmeasured(why)) => unmeasured = Some(why.clone()),
            Some(Outcome::NotApplicable) | None => {
                unmeasured = Some(format!("{id} does not apply to the profile"));
            }
        }
    }
    match unmeasured {
        _ if !missed.is_empty() => HealthVerdict::Missed(missed.join(", ")),
        Some(why) => HealthVerdict::NotMeasured(why),
        None if !excepted.is_empty() => HealthVerdict::Excepted(excepted.join(", ")),
        None if !informed.is_empty() => HealthVerdict::Info(informed.join(", ")),
        None => HealthVerdict::Met,
    }
}

/// Scout looks at the user alone, whatever the image is for.
fn user(report: &AuditReport) -> HealthVerdict {
    match report.traits.uid {
        Some(0) => HealthVerdict::Missed("it runs as root".to_owned()),
        Some(_) => HealthVerdict::Met,
        None => HealthVerdict::NotMeasured(format!(
            "the user {:?} has no number here",
            report.traits.user
        )),
    }
}

impl Health {
    /// Returns it in a line: `A (45 of 45 points that could be measured, 100 %)`.
    pub fn text(&self) -> String {
        let partial = if self.partial { " that could be measured" } else { "" };
        match (self.letter, self.percent) {
            (Some(letter), Some(percent)) => {
                format!("{letter} ({} of {} points{partial}, {percent} %)", self.points, self.total)
            }
            _ => "N/A (vulnerabilities were not measured)".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::report_of;

    #[test]
    fn the_weights_are_scouts() {
        let health = health(&report_of(&[]));
        let weights: Vec<u32> = health.policies.iter().map(|policy| policy.weight).collect();
        assert_eq!(weights, [20, 20, 15, 15, 10, 10, 5, 5]);
        assert_eq!(weights.iter().sum::<u32>(), 100);
        assert_eq!((health.points, health.total, health.partial), (60, 60, true));
        assert_eq!(health.text(), "A (60 of 60 points that could be measured, 100 %)");
    }

    #[test]
    fn shares_come_to_letters() {
        for (percent, expected) in [
            (100, Grade::A),
            (91, Grade::A),
            (90, Grade::B),
            (71, Grade::B),
            (70, Grade::C),
            (51, Grade::C),
            (50, Grade::D),
            (31, Grade::D),
            (30, Grade::E),
            (11, Grade::E),
            (10, Grade::F),
            (0, Grade::F),
        ] {
            assert_eq!(letter(percent), expected, "{percent}");
        }
    }

    #[test]
    fn what_is_not_measured_is_in_neither_number() {
        let none = || Outcome::Unmeasured("no database".to_owned());
        let (fixable, exploited) =
            (ControlId::VulnerabilityFixable, ControlId::VulnerabilityExploited);
        for (outcomes, points, total, expected) in [
            (vec![(fixable, Outcome::Fail)], 40, 60, Some(Grade::C)),
            (vec![(fixable, Outcome::Fail), (exploited, Outcome::Fail)], 20, 60, Some(Grade::D)),
            (vec![(ControlId::Sbom, none())], 45, 45, Some(Grade::A)),
            (
                vec![(ControlId::Sbom, none()), (ControlId::Provenance, Outcome::Warn)],
                45,
                60,
                Some(Grade::B),
            ),
            (vec![(fixable, none())], 40, 40, None),
            (vec![(fixable, none()), (exploited, none())], 20, 20, None),
            (vec![(exploited, Outcome::NotApplicable)], 40, 40, None),
            (vec![(fixable, Outcome::Excepted)], 60, 60, Some(Grade::A)),
            (vec![(fixable, Outcome::Info)], 60, 60, Some(Grade::A)),
        ] {
            let health = health(&report_of(&outcomes));
            assert_eq!(
                (health.points, health.total, health.letter),
                (points, total, expected),
                "{outcomes:?}"
            );
            assert_eq!(health.text().starts_with("N/A"), expected.is_none());
        }
        let of = |outcome| health(&report_of(&[(fixable, outcome)])).policies.remove(0).verdict;
        let name = || "vulnerability-fixable".to_owned();
        assert_eq!(of(Outcome::Excepted), HealthVerdict::Excepted(name()));
        assert_eq!(of(Outcome::Info), HealthVerdict::Info(name()));
        let mut root = report_of(&[]);
        root.traits.uid = Some(0);
        assert_eq!(health(&root).points, 55);
        root.traits.uid = None;
        assert_eq!((health(&root).points, health(&root).total), (55, 55));
    }
}
