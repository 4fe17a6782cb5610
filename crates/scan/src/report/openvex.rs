// SPDX-License-Identifier: Apache-2.0
//! OpenVEX: every row as a statement, for tools that read no other form, and to start a document from.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{
    Assessment, ID_BASE, ImageProducts, Justification, PackagePurl, Reason, Scope, Status, Text,
    VexDocument, VexError, VexHeader, Vulnerability, assess, document_id,
};
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_tree::Digest;

use super::{Row, RowStatus, ScanReport, VexFacts};

const AUTHOR: &str = "hardpan scan";

/// A report as a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexOfReport {
    /// The document; none if there is no statement to make.
    pub document: Option<VexDocument>,
    /// How many rows are about packages that statements can't name.
    pub left_out: usize,
}

/// Writes a report. What counts is `affected`, with what to do about it; what somebody excused is said as they said it.
///
/// # Errors
/// If the image has a name that statements can't have.
pub fn openvex(report: &ScanReport) -> Result<VexOfReport, VexError> {
    let subject = &report.subject;
    let digests: Vec<Digest> = subject.index.into_iter().chain(subject.digest).collect();
    let image = ImageProducts::new(&subject.name, &digests, &[])?;
    // A directory has no digest: of it only the packages can be named.
    let scope = if digests.is_empty() { Scope::Package } else { Scope::Image };
    let newest =
        report.database.sources.iter().filter_map(|source| source.time.as_deref()?.parse().ok());
    let known = newest.max().unwrap_or_else(|| Time::from_seconds(subject.epoch));
    let mut said: BTreeMap<(Vulnerability, PackagePurl), (bool, Status, Time)> = BTreeMap::new();
    let mut left_out = 0;
    for row in &report.rows {
        let Some(purl) = purl_of(row) else {
            left_out += 1;
            continue;
        };
        let mut vulnerability = Vulnerability::new(&row.id);
        vulnerability.aliases.extend(row.aliases.iter().cloned());
        let time = row.statement().and_then(|statement| statement.time.as_deref()?.parse().ok());
        let status = (row.counts(), status(row)?, time.unwrap_or(known));
        // A package that is there twice and excused once counts.
        let entry = said.entry((vulnerability, purl)).or_insert_with(|| status.clone());
        if status.0 && !entry.0 {
            *entry = status;
        }
    }
    let mut groups: BTreeMap<(Vulnerability, Status, Time), BTreeSet<PackagePurl>> =
        BTreeMap::new();
    for ((vulnerability, purl), (_, status, time)) in said {
        groups.entry((vulnerability, status, time)).or_default().insert(purl);
    }
    if groups.is_empty() {
        return Ok(VexOfReport { document: None, left_out });
    }
    let assessments: Vec<Assessment> = (groups.into_iter())
        .map(|((vulnerability, status, time), packages)| Assessment {
            vulnerability,
            status,
            packages,
            scope,
            time,
            notes: None,
        })
        .collect();
    let statements = assess(&image, &assessments)?;
    let time = statements.iter().map(|statement| statement.time).max().unwrap_or(known);
    let digest = digests.first().copied().unwrap_or(report.database.digest);
    let last = subject.name.rsplit('/').next().unwrap_or_default();
    let header = VexHeader {
        id: document_id(ID_BASE, &name_in_id(last), &digest, 1)?,
        author: Text::new(AUTHOR)?,
        role: None,
        time,
        last_updated: None,
        version: NonZeroU32::MIN,
        tooling: Some(Text::new(concat!("hardpan ", env!("CARGO_PKG_VERSION")))?),
    };
    Ok(VexOfReport { document: Some(VexDocument::new(header, statements)?), left_out })
}

fn name_in_id(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if name.is_empty() { "image".to_owned() } else { name }
}

fn purl_of(row: &Row) -> Option<PackagePurl> {
    let purl: PackageUrl = row.package.purl.as_deref()?.parse().ok()?;
    PackagePurl::trimmed(&purl).ok()
}

fn status(row: &Row) -> Result<Status, VexError> {
    match &row.status {
        RowStatus::UnderInvestigation { .. } => Ok(Status::UnderInvestigation),
        RowStatus::Suppressed { statement } if statement.status == "fixed" => Ok(Status::Fixed),
        RowStatus::Suppressed { statement } => Ok(Status::NotAffected(reason(statement)?)),
        RowStatus::Affected { .. } => affected(row),
    }
}

fn affected(row: &Row) -> Result<Status, VexError> {
    let source = row.package.source_name.as_deref().unwrap_or(&row.package.name);
    if let Some(version) = row.fix.version() {
        let action = Text::new(&format!("update {source} to {version}"))?;
        return Ok(Status::Affected { action, action_time: None });
    }
    if let Some(decision) = &row.decision {
        let reason = match decision.reason.as_str() {
            "" => String::new(),
            reason => format!(" ({reason})"),
        };
        return Status::accepted(&format!("{}: {}{reason}", row.source, decision.kind), None);
    }
    let action = Text::new("no version has a fix yet")?;
    Ok(Status::Affected { action, action_time: None })
}

/// Says again why somebody excused a row, unless that was no reason.
fn reason(statement: &VexFacts) -> Result<Reason, VexError> {
    let justification = statement.justification.as_deref().and_then(Justification::of);
    let text = statement.text.as_deref().and_then(|text| Text::new(text).ok());
    let fallback = || Text::new(&format!("{} says so", statement.author));
    match (justification, text) {
        (Some(justification), text) => {
            let said = Reason::justified(justification, text);
            said.or_else(|_| Reason::justified(justification, None))
        }
        (None, Some(text)) => Reason::explained(text).or_else(|_| Reason::explained(fallback()?)),
        (None, None) => Reason::explained(fallback()?),
    }
}
