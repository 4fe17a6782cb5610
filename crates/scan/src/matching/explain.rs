// SPDX-License-Identifier: Apache-2.0
//! Why a finding is one.

use std::fmt;

use hardpan_attest::visible;

use crate::advisory::{DecisionKind, Order};
use crate::inventory::{Inventory, Package};

use super::finding::{Basis, Finding, Fix, Issue, RecordOutcome, Standing};
use super::range::{Compared, Until};

/// Everything that led to a finding, for people: printed, it is a few lines of text.
#[derive(Debug, Clone, Copy)]
pub struct Explanation<'f> {
    /// What is explained.
    pub finding: &'f Finding,
    /// The package.
    pub package: Option<&'f Package>,
}

impl Finding {
    /// Explains it.
    pub fn explain<'f>(&'f self, inventory: &'f Inventory) -> Explanation<'f> {
        Explanation { finding: self, package: inventory.package(&self.package) }
    }
}

impl Explanation<'_> {
    /// Returns by which rule the package was looked up.
    pub fn rule(&self) -> String {
        let Issue { space, looked_up: (name, version), .. } = &*self.finding.issue;
        let own = self.package.map(|package| package.name.as_str());
        if !space.is_distribution() {
            return format!("looked up as {name} {version} in {space}");
        }
        let what = if space.order() == Order::Deb { "source package" } else { "origin" };
        if own == Some(name) {
            format!("looked up by its {what} {name} {version} in {space}")
        } else {
            format!("looked up by {name} {version}, its {what}, in {space}")
        }
    }

    /// Returns how the versions compare: `openssl 3.5.1-1 is before 3.5.1-2 (order of dpkg)`.
    pub fn comparison(&self, compared: &Compared) -> String {
        let version = &self.finding.looked_up.1;
        let order = order_name(self.finding.space.order());
        let from = match &compared.introduced {
            Some(introduced) => format!("{version} is not before {introduced}"),
            None => String::new(),
        };
        let to = match &compared.until {
            Until::Fixed(fixed) => format!("{version} is before {fixed}, which has the fix"),
            Until::LastAffected(last) => {
                format!("{version} is not after {last}, the last that is affected")
            }
            Until::Open => "no version has a fix".to_owned(),
            Until::Listed => format!("{version} is among the versions that are listed"),
        };
        let and = if from.is_empty() { "" } else { " and " };
        format!("{from}{and}{to} ({order})")
    }
}

fn order_name(order: Order) -> &'static str {
    match order {
        Order::Deb => "order of dpkg",
        Order::Apk => "order of apk",
        Order::Golang => "semantic versions of Go",
        Order::Pep440 => "PEP 440",
        Order::Npm => "semantic versions of npm",
        Order::Cargo => "semantic versions",
        Order::Maven => "order of Maven",
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = self.finding;
        let names: Vec<&str> =
            std::iter::once(&finding.id).chain(&finding.aliases).map(String::as_str).collect();
        // Texts of others must not look like a line of ours.
        writeln!(f, "{}", visible(&names.join(", ")))?;
        for line in self.lines() {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl Explanation<'_> {
    /// Returns what led to it, each under the name of what is said, and each in one line.
    pub fn lines(&self) -> Vec<String> {
        let finding = self.finding;
        let mut lines = self.said_lines();
        lines.extend(self.assessment_lines());
        lines.extend(finding.statements.iter().map(|applied| format!("vex: {applied}")));
        lines.push(match &finding.standing {
            Standing::Open => "result: it counts".to_owned(),
            Standing::Suppressed(why) => format!("result: suppressed: {why}"),
        });
        for line in &mut lines {
            *line = visible(line);
        }
        lines
    }

    /// Returns the package, how it was looked up, and what sources say.
    pub(super) fn said_lines(&self) -> Vec<String> {
        let finding = self.finding;
        let mut lines = self.package_lines();
        lines.push(format!("rule: {}", self.rule()));
        for record in &finding.records {
            let what = match &record.outcome {
                RecordOutcome::Affected(ranges) => {
                    let ranges: Vec<_> =
                        ranges.iter().map(|range| self.comparison(range)).collect();
                    format!("affected: {}", ranges.join("; "))
                }
                RecordOutcome::Fixed(version) => format!("fixed since {version}"),
                RecordOutcome::Outside => "not among the affected versions".to_owned(),
                RecordOutcome::NotAffected => "not affected".to_owned(),
                RecordOutcome::Undetermined => "not known yet".to_owned(),
                RecordOutcome::Uncompared(why) => format!("can't be compared: {why}"),
            };
            lines.push(format!("{} says of {}: {what}", record.source, record.id));
        }
        lines
    }

    fn package_lines(&self) -> Vec<String> {
        let Some(package) = self.package else {
            return vec![format!("package: {}", self.finding.package)];
        };
        let version = package.version.as_deref().unwrap_or("of no known version");
        let layer = package.layer.map(|layer| format!(", in layer {layer}")).unwrap_or_default();
        let files = match package.files {
            0 => String::new(),
            files => format!(", {files} files"),
        };
        let found = package.evidence.iter().map(|place| match &package.inside {
            Some(inside) => format!("found in: {place}, in it {inside}"),
            None => format!("found in: {place}"),
        });
        let first = format!("package: {} {version}{layer}{files}", package.name);
        std::iter::once(first).chain(found).collect()
    }

    fn assessment_lines(&self) -> Vec<String> {
        let finding = self.finding;
        let basis = match (finding.basis, &finding.score) {
            (Basis::Urgency, _) => "as the distribution says of this package".to_owned(),
            (Basis::Cvss, Some((score, vector))) => format!("CVSS {score}, {vector}"),
            (Basis::Cvss | Basis::Word, _) => "as a source says".to_owned(),
            (Basis::Nobody, _) => "nobody says".to_owned(),
        };
        let mut lines = vec![format!("severity: {} ({basis})", finding.severity.as_str())];
        lines.push(match &finding.fix {
            Fix::In(version) => format!("fix: {version}"),
            Fix::After(version) => format!("fix: in some version after {version}"),
            Fix::None => "fix: none yet".to_owned(),
        });
        if let Some(decision) = &finding.decision {
            let kind = match decision.kind {
                DecisionKind::NoDsa => "no announcement of its own (no-dsa)",
                DecisionKind::Ignored => "will not be fixed in this release (ignored)",
                DecisionKind::Postponed => "waits for the next announcement (postponed)",
                DecisionKind::EndOfLife => "the release has no support any more",
                DecisionKind::NextPointRelease => "in the next point release",
            };
            let reason =
                if decision.reason.is_empty() { "no reason given" } else { &decision.reason };
            lines.push(format!("decision: {kind}: {reason}"));
        }
        lines.extend(finding.announcements.iter().map(|one| format!("announced: {one}")));
        if finding.exploited_since.is_some() {
            let ransomware = if finding.in_ransomware { ", in ransomware too" } else { "" };
            lines.push(format!("known to be exploited{ransomware}"));
        }
        lines
    }
}
