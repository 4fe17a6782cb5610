// SPDX-License-Identifier: Apache-2.0
//! What signed statements say, for whoever decides by other rules than those of a [`Policy`].

use std::collections::BTreeSet;

use crate::predicate::audit::AuditPredicate;
use crate::sbom::read::Listing;

use super::{Evidence, FoundVulnerabilities, Policy, StatementEvidence, contents, vulnerabilities};

/// What statements by anybody who is trusted say of an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatedFacts {
    /// The SBOM, with what it lists.
    pub sbom: Option<(StatementEvidence, Listing)>,
    /// What the scan of the newest data found.
    pub vulnerabilities: Option<FoundVulnerabilities>,
    /// The newest audit.
    pub audit: Option<AuditPredicate>,
}

impl Evidence {
    /// Returns what its statements say.
    pub fn stated(&self) -> StatedFacts {
        let keys: BTreeSet<String> = self.statements.iter().map(|one| one.key.clone()).collect();
        if keys.is_empty() {
            return StatedFacts::default();
        }
        let everybody = Policy { keys, ..Policy::default() };
        StatedFacts {
            sbom: contents::sbom(&everybody, self).ok(),
            vulnerabilities: vulnerabilities::stated(&everybody, self),
            audit: contents::newest_audit(&everybody, self).ok(),
        }
    }
}
