// SPDX-License-Identifier: Apache-2.0
//! What is known of an image beside its audit: for reports, statements and comparisons.

use std::collections::BTreeMap;

use hardpan_attest::predicate::Time;
use hardpan_scan::audit::compare::Side;
use hardpan_scan::audit::crypto::{self, CryptoModule, ModulePackage};
use hardpan_scan::catalog::{Catalog, Package};
use hardpan_scan::controls::image::VulnerabilityFacts;
use hardpan_tree::{Node, Tree, TreePath};

use super::AuditReport;
use crate::advisories::{AdvisoryData, source_ages};

/// An audit and what goes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Audited {
    /// The audit.
    pub report: AuditReport,
    /// The newest time of what it was made of: the image's, or the advisory database's.
    pub time: Time,
    /// How many bytes whoever pulls it gets; `None` for what nobody pulls.
    pub pull_bytes: Option<u64>,
    /// How many vulnerabilities of each severity count; `None` without an advisory database.
    pub vulnerabilities: Option<BTreeMap<String, u64>>,
    /// What was not looked up, so that there may be more of them.
    pub vulnerability_gaps: Vec<String>,
    /// The cryptographic modules that are in it.
    pub modules: Vec<CryptoModule>,
}

impl From<Audited> for Side {
    fn from(audited: Audited) -> Self {
        Self {
            report: audited.report,
            compressed: audited.pull_bytes,
            vulnerabilities: audited.vulnerabilities,
            gaps: audited.vulnerability_gaps,
        }
    }
}

/// Returns the newest time of what an audit is made of, so that the same says the same whenever it is audited.
pub(super) fn time(epoch: i64, advisories: Option<&AdvisoryData>) -> Time {
    let data = advisories.and_then(|advisories| {
        let ages = source_ages(&advisories.database(), 0);
        ages.into_iter().filter_map(|age| age.time?.parse().ok()).max()
    });
    Time::from_seconds(epoch).max(data.unwrap_or(Time::EPOCH))
}

pub(super) fn by_severity(facts: &VulnerabilityFacts) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in &facts.rows {
        *counts.entry(row.severity.clone()).or_insert(0) += 1;
    }
    counts
}

pub(super) fn modules(tree: &Tree, catalog: &Catalog) -> Vec<CryptoModule> {
    let (id, version) = catalog
        .os
        .as_ref()
        .map_or(("", ""), |os| (os.id.as_str(), os.version_id.as_deref().unwrap_or_default()));
    let known = |package: &Package| {
        Some(ModulePackage {
            name: package.name.clone(),
            version: package.version.clone()?,
            purl: package.purl(id, version).map(|purl| purl.to_string()),
        })
    };
    let owner = |path: &TreePath, _: &Node| {
        let owner = catalog.files.get(path)?.owner.as_ref()?;
        known(catalog.package(owner)?)
    };
    let mut modules = crypto::modules(tree, &owner);
    modules.extend(crypto::linked(catalog, &known));
    modules
}
