// SPDX-License-Identifier: Apache-2.0
//! What is known of a vulnerability under any of its names.

use std::collections::BTreeSet;

use crate::advisory::{Advisories, Epss, Severity, Vulnerability};
use crate::cvss::{self, Score};

use super::row::{Row, is_cve};

/// What several names of a vulnerability come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) aliases: BTreeSet<String>,
    pub(super) score: Option<(Score, String)>,
    pub(super) severity: Severity,
    pub(super) epss: Option<Epss>,
    pub(super) exploited_since: Option<u32>,
    pub(super) in_ransomware: bool,
    pub(super) published: Option<u32>,
    pub(super) summary: Option<String>,
}

/// Collects what is known; of what several names say that of the row's own name counts, then that of the others in order.
pub(super) fn of(advisories: &impl Advisories, row: &Row) -> Facts {
    let mut facts = Facts { aliases: row.aliases.clone(), ..Facts::default() };
    let names = std::iter::once(&row.id).chain(&row.aliases);
    for known in names.filter_map(|name| advisories.vulnerability(name)) {
        facts.add(&known);
    }
    facts.aliases.remove(&row.id);
    facts
}

impl Facts {
    fn add(&mut self, known: &Vulnerability<'_>) {
        // Another CVE is another vulnerability, whoever lists it.
        let aliases = known.aliases.iter().filter(|alias| !is_cve(alias));
        self.aliases.extend(aliases.map(ToString::to_string));
        let scored = known
            .cvss
            .iter()
            .find_map(|vector| cvss::score(vector).ok().map(|score| (score, vector.to_string())));
        self.score = self.score.take().or(scored);
        if self.severity == Severity::Unknown {
            self.severity = known.severity;
        }
        self.epss = self.epss.or(known.epss);
        self.exploited_since = self.exploited_since.or(known.exploited_since);
        self.in_ransomware |= known.in_ransomware;
        self.published = self.published.or(known.published);
        let summary = known.summary.as_ref().map(ToString::to_string);
        self.summary = self.summary.take().or(summary);
    }
}
