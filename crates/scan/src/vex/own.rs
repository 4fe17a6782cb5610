// SPDX-License-Identifier: Apache-2.0
//! What can be stated of an image of one's own, with evidence that is computed from its files and from the versions in it.
//!
//! Nothing is "not affected" because a distribution decided not to hurry: that is affected, with what was decided.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{
    Assessment, Justification, PackagePurl, Reason, Scope, Status, Text, VexError, Vulnerability,
};
use hardpan_package::deb;
use hardpan_tree::TreePath;
use hardpan_tree::glob::Glob;

use crate::advisory::{Advisories, Decision, DecisionKind, Order};
use crate::catalog::Catalog;
use crate::inventory::{Inventory, Package};
use crate::matching::{
    Judged, Lookup, MatchError, MatchOptions, RecordOutcome, Row, Until, Wanted, planned, rows,
};

/// Files that only an image with a kernel has.
const KERNEL_FILES: [&str; 8] = [
    "boot/vmlinu*",
    "boot/Image*",
    "lib/modules/*/vmlinu*",
    "lib/modules/**/*.ko",
    "lib/modules/**/*.ko.*",
    "usr/lib/modules/*/vmlinu*",
    "usr/lib/modules/**/*.ko",
    "usr/lib/modules/**/*.ko.*",
];
/// The most files that are told of those that refute a claim.
const FOUND_MAX: usize = 10;

/// What somebody claims of an image: that it has not what a vulnerability is in. It becomes a statement only if the files of
/// the image say so, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsenceClaim {
    /// The vulnerability, by its name in findings.
    pub vulnerability: String,
    /// The package, by its own or its source's name.
    pub package: String,
    /// What the image must not have.
    pub absent: Absent,
    /// Why that is where the vulnerability is: a text for whoever reads the statement.
    pub reason: Text,
}

/// What an image must not have, for a claim to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// The component: none of its files.
    Component(Vec<Glob>),
    /// What is built of the vulnerable code, where the rest of the package is there: none of those files.
    Built(Vec<Glob>),
    /// Binary packages of the source that have it.
    Packages(BTreeSet<String>),
}

/// A claim that the image contradicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuted {
    /// The claim, by its place in the list.
    pub claim: usize,
    /// What is there: files or packages, the first of them. Nothing if no installed package is affected by the
    /// vulnerability at all.
    pub found: Vec<String>,
}

/// Which vulnerabilities with a fix are stated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FixedWanted {
    /// Those whose fix was brought to an older version, which others who compare versions do not see.
    #[default]
    Backported,
    /// All.
    All,
    /// None.
    None,
}

/// What can be stated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnVex {
    /// For [`hardpan_attest::predicate::vex::assess`].
    pub assessments: Vec<Assessment>,
    /// Claims that do not hold.
    pub refuted: Vec<Refuted>,
    /// Packages without a package URL that statements can have, by their ids: nothing is stated of them.
    pub unnamed: BTreeSet<String>,
}

/// Why nothing can be stated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnVexError {
    /// Nothing could be looked up.
    #[error("the image can't be matched")]
    Match(#[from] MatchError),
    /// A statement can't be.
    #[error("a statement can't be made")]
    Statement(#[from] VexError),
}

/// States what is known of all packages of an image, as of a time.
///
/// # Errors
/// If the image can't be matched.
pub fn state(
    catalog: &Catalog,
    advisories: &impl Advisories,
    options: &MatchOptions,
    claims: &[AbsenceClaim],
    fixed: FixedWanted,
    time: Time,
) -> Result<OwnVex, OwnVexError> {
    let inventory = Inventory::from(catalog);
    let lookups = planned(&inventory, advisories, options)?;
    let evidence = Evidence::new(catalog, &inventory, claims);
    let mut own = OwnVex::default();
    let mut used = BTreeSet::new();
    for (what, packages) in &lookups {
        let packages: Vec<&Package> = packages.iter().map(|&at| &inventory.packages[at]).collect();
        let purls = named(&packages, &mut own.unnamed);
        if purls.is_empty() {
            continue;
        }
        for row in rows(advisories, what, Wanted::All) {
            let held = evidence.claim(&row, what, &packages, &mut used);
            let said = said(&row, what, &evidence, held, fixed)?;
            let Some(Said { status, scope, notes }) = said else { continue };
            own.assessments.push(Assessment {
                vulnerability: Vulnerability {
                    aliases: row.aliases.clone(),
                    ..Vulnerability::new(&row.id)
                },
                status,
                packages: purls.clone(),
                scope,
                time,
                notes: Some(Text::new(&notes)?),
            });
        }
    }
    own.refuted = evidence.refuted(&used);
    Ok(own)
}

/// Returns packages as statements name them.
fn named(packages: &[&Package], unnamed: &mut BTreeSet<String>) -> BTreeSet<PackagePurl> {
    let mut purls = BTreeSet::new();
    for package in packages {
        match package.purl.as_deref().map(PackagePurl::trimmed) {
            Some(Ok(purl)) => {
                purls.insert(purl);
            }
            _ => {
                unnamed.insert(package.id.clone());
            }
        }
    }
    purls
}

struct Said {
    status: Status,
    scope: Scope,
    notes: String,
}

/// Says what a row means; `None` for what is of no interest.
fn said(
    row: &Row,
    what: &Lookup,
    evidence: &Evidence<'_>,
    held: Option<(&AbsenceClaim, String)>,
    fixed: FixedWanted,
) -> Result<Option<Said>, VexError> {
    if row.is_affected() {
        if let Some((claim, proof)) = held {
            let reason = Reason::justified(claim.justification(), Some(claim.reason.clone()))?;
            let status = Status::NotAffected(reason);
            return Ok(Some(Said { status, scope: Scope::Image, notes: proof }));
        }
        if what.is_kernel_without_image && evidence.kernel.is_empty() {
            let impact =
                "the package is built from the kernel's source, and the image has no kernel";
            let reason =
                Reason::justified(Justification::ComponentNotPresent, Some(Text::new(impact)?))?;
            let notes = format!(
                "none of the {} files of the image is a kernel or a module of one",
                evidence.files
            );
            let status = Status::NotAffected(reason);
            return Ok(Some(Said { status, scope: Scope::Image, notes }));
        }
        return affected(row, what).map(Some);
    }
    if row.is_undetermined() {
        let notes = "the distribution has not found out yet".to_owned();
        return Ok(Some(Said { status: Status::UnderInvestigation, scope: Scope::Package, notes }));
    }
    let is = |outcome: &RecordOutcome| row.records.iter().any(|record| record.outcome == *outcome);
    if is(&RecordOutcome::NotAffected) {
        let impact = format!("{}: its version of {} never had it", what.space, what.name);
        let reason =
            Reason::justified(Justification::VulnerableCodeNotPresent, Some(Text::new(&impact)?))?;
        let notes = format!("as the data about {} says of {}", what.space, what.name);
        let status = Status::NotAffected(reason);
        return Ok(Some(Said { status, scope: Scope::Package, notes }));
    }
    Ok(fix_of(row, what, fixed).map(|version| Said {
        status: Status::Fixed,
        scope: Scope::Package,
        notes: format!("{} {} has the fix of {version}", what.name, what.version),
    }))
}

/// Returns the fix that a version has, if it is to be stated.
fn fix_of<'r>(row: &'r Row, what: &Lookup, wanted: FixedWanted) -> Option<&'r str> {
    let fix = row.records.iter().find_map(|record| match &record.outcome {
        RecordOutcome::Fixed(version) => Some(version.as_str()),
        _ => None,
    })?;
    let is_wanted = match wanted {
        FixedWanted::None => false,
        FixedWanted::All => true,
        FixedWanted::Backported => {
            what.space.order() == Order::Deb && is_same_upstream(fix, &what.version)
        }
    };
    is_wanted.then_some(fix)
}

/// Returns whether only the distribution's part of two versions differs.
fn is_same_upstream(fix: &str, installed: &str) -> bool {
    let parse = deb::version::VersionRef::parse;
    let (Ok(fix), Ok(installed)) = (parse(fix), parse(installed)) else { return false };
    (fix.epoch(), fix.upstream()) == (installed.epoch(), installed.upstream())
}

/// Says that it is affected: what to do about it, or what was decided.
fn affected(row: &Row, what: &Lookup) -> Result<Said, VexError> {
    let records = || row.records.iter().filter(|record| record.is_affected());
    let decision = records().find_map(|record| record.decision.as_ref());
    let fix = records().find_map(fix_in);
    let status = match (decision, fix) {
        (_, Some(version)) => Status::Affected {
            action: Text::new(&format!("update {} to {version}", what.name))?,
            action_time: None,
        },
        (Some(decision), None) => Status::accepted(&decided(decision, what), None)?,
        (None, None) => Status::Affected {
            action: Text::new(&format!(
                "no version of {} in {} has a fix yet",
                what.name, what.space
            ))?,
            action_time: None,
        },
    };
    let notes = format!("{} {} is in an affected range", what.name, what.version);
    Ok(Said { status, scope: Scope::Package, notes })
}

fn fix_in(record: &Judged) -> Option<&str> {
    let RecordOutcome::Affected(ranges) = &record.outcome else { return None };
    ranges.iter().find_map(|range| match &range.until {
        Until::Fixed(version) => Some(version.as_str()),
        _ => None,
    })
}

fn decided(decision: &Decision<'_>, what: &Lookup) -> String {
    let kind = match decision.kind {
        DecisionKind::NoDsa => "no-dsa",
        DecisionKind::Ignored => "ignored",
        DecisionKind::Postponed => "postponed",
        DecisionKind::EndOfLife => "end of life",
        DecisionKind::NextPointRelease => "next point release",
    };
    let reason = if decision.reason.is_empty() { "no reason given" } else { &decision.reason };
    format!("{}: {kind} ({reason})", what.space)
}

impl AbsenceClaim {
    /// Returns the justification that it becomes, if it holds.
    pub fn justification(&self) -> Justification {
        match self.absent {
            Absent::Component(_) | Absent::Packages(_) => Justification::ComponentNotPresent,
            Absent::Built(_) => Justification::VulnerableCodeNotPresent,
        }
    }
}

/// What the files of an image say of claims.
struct Evidence<'e> {
    claims: &'e [AbsenceClaim],
    /// What contradicts each, and what proves it if nothing does.
    found: Vec<(Vec<String>, String)>,
    /// Files of a kernel.
    kernel: Vec<String>,
    /// How many files the image has.
    files: usize,
}

impl<'e> Evidence<'e> {
    fn new(catalog: &Catalog, inventory: &Inventory, claims: &'e [AbsenceClaim]) -> Self {
        let kernel = KERNEL_FILES.map(|pattern| Glob::parse(pattern).ok());
        let kernel: Vec<Glob> = kernel.into_iter().flatten().collect();
        let check = |claim: &AbsenceClaim| match &claim.absent {
            Absent::Component(globs) | Absent::Built(globs) => {
                let proof =
                    format!("none of the {} files of the image is one of it", catalog.files.len());
                // Who names no file has shown nothing.
                let found = if globs.is_empty() {
                    vec!["no pattern".to_owned()]
                } else {
                    files(catalog, globs)
                };
                (found, proof)
            }
            Absent::Packages(names) => {
                let installed = inventory.packages.iter().filter(|it| it.kind.is_distribution());
                let found = installed.filter(|it| names.contains(&it.name));
                let found: Vec<String> = found.take(FOUND_MAX).map(|it| it.name.clone()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let names = names.join(", ");
                // Nothing says which packages a source has that are not installed.
                let claimed = "which whoever states this calls packages of";
                (found, format!("not installed: {names}, {claimed} {}", claim.package))
            }
        };
        Self {
            claims,
            found: claims.iter().map(check).collect(),
            kernel: files(catalog, &kernel),
            files: catalog.files.len(),
        }
    }

    /// Returns a claim about a row that holds, and the proof.
    fn claim(
        &self,
        row: &Row,
        what: &Lookup,
        packages: &[&Package],
        used: &mut BTreeSet<usize>,
    ) -> Option<(&'e AbsenceClaim, String)> {
        let is_package = |claim: &AbsenceClaim| match packages {
            // A claim about one binary package says nothing of the others of its source.
            [one] => claim.package == one.name || claim.package == what.name,
            _ => claim.package == what.name,
        };
        let names = |claim: &AbsenceClaim| {
            claim.vulnerability == row.id || row.aliases.contains(&claim.vulnerability)
        };
        let mut held = None;
        for (number, claim) in self.claims.iter().enumerate() {
            if !row.is_affected() || !names(claim) || !is_package(claim) {
                continue;
            }
            used.insert(number);
            let (found, proof) = &self.found[number];
            if found.is_empty() && held.is_none() {
                held = Some((claim, proof.clone()));
            }
        }
        held
    }

    /// Returns the claims that do not hold, or are about nothing.
    fn refuted(&self, used: &BTreeSet<usize>) -> Vec<Refuted> {
        let numbered = self.found.iter().enumerate();
        numbered
            .filter(|(number, (found, _))| !found.is_empty() || !used.contains(number))
            .map(|(claim, (found, _))| Refuted { claim, found: found.clone() })
            .collect()
    }
}

fn files(catalog: &Catalog, globs: &[Glob]) -> Vec<String> {
    let is_found = |path: &&TreePath| globs.iter().any(|glob| glob.covers(path));
    let found = catalog.files.keys().filter(is_found);
    found.take(FOUND_MAX).map(ToString::to_string).collect()
}

/// Returns what is stated in each status, for a summary.
pub fn counts(assessments: &[Assessment]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for assessment in assessments {
        *counts.entry(assessment.status.as_str()).or_default() += 1;
    }
    counts
}
