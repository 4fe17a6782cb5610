// SPDX-License-Identifier: Apache-2.0
//! Why a finding is one.

use std::fmt;

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
        write!(f, "{}", finding.id)?;
        for alias in &finding.aliases {
            write!(f, ", {alias}")?;
        }
        writeln!(f)?;
        self.package_lines(f)?;
        writeln!(f, "  rule: {}", self.rule())?;
        for record in &finding.records {
            write!(f, "  {} says of {}: ", record.source, record.id)?;
            match &record.outcome {
                RecordOutcome::Affected(ranges) => {
                    let ranges: Vec<_> =
                        ranges.iter().map(|range| self.comparison(range)).collect();
                    writeln!(f, "affected: {}", ranges.join("; "))?;
                }
                RecordOutcome::Fixed(version) => writeln!(f, "fixed since {version}")?,
                RecordOutcome::Outside => writeln!(f, "not among the affected versions")?,
                RecordOutcome::NotAffected => writeln!(f, "not affected")?,
                RecordOutcome::Undetermined => writeln!(f, "not known yet")?,
                RecordOutcome::Uncompared(why) => writeln!(f, "can't be compared: {why}")?,
            }
        }
        self.assessment_lines(f)?;
        for applied in &finding.statements {
            writeln!(f, "  vex: {applied}")?;
        }
        match &finding.standing {
            Standing::Open => writeln!(f, "  result: it counts"),
            Standing::Suppressed(why) => writeln!(f, "  result: suppressed: {why}"),
        }
    }
}

impl Explanation<'_> {
    fn package_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(package) = self.package else {
            return writeln!(f, "  package: {}", self.finding.package);
        };
        let version = package.version.as_deref().unwrap_or("of no known version");
        write!(f, "  package: {} {version}", package.name)?;
        if let Some(layer) = package.layer {
            write!(f, ", in layer {layer}")?;
        }
        if package.files > 0 {
            write!(f, ", {} files", package.files)?;
        }
        writeln!(f)?;
        for place in &package.evidence {
            match &package.inside {
                Some(inside) => writeln!(f, "  found in: {place}, in it {inside}")?,
                None => writeln!(f, "  found in: {place}")?,
            }
        }
        Ok(())
    }

    fn assessment_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = self.finding;
        let basis = match (finding.basis, &finding.score) {
            (Basis::Urgency, _) => "as the distribution says of this package".to_owned(),
            (Basis::Cvss, Some((score, vector))) => format!("CVSS {score}, {vector}"),
            (Basis::Cvss | Basis::Word, _) => "as a source says".to_owned(),
            (Basis::Nobody, _) => "nobody says".to_owned(),
        };
        writeln!(f, "  severity: {} ({basis})", finding.severity.as_str())?;
        match &finding.fix {
            Fix::In(version) => writeln!(f, "  fix: {version}")?,
            Fix::After(version) => writeln!(f, "  fix: in some version after {version}")?,
            Fix::None => writeln!(f, "  fix: none yet")?,
        }
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
            writeln!(f, "  decision: {kind}: {reason}")?;
        }
        for announcement in &finding.announcements {
            writeln!(f, "  announced: {announcement}")?;
        }
        if finding.exploited_since.is_some() {
            let ransomware = if finding.in_ransomware { ", in ransomware too" } else { "" };
            writeln!(f, "  known to be exploited{ransomware}")?;
        }
        Ok(())
    }
}
