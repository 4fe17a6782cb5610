// SPDX-License-Identifier: Apache-2.0
//! An SBOM as rows for people. Drawing them is for the program.

use super::facts::AllFacts;
use super::{ComponentKind, Sbom};

/// A component in a table. Texts are on one line, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its version; empty if nothing says.
    pub version: String,
    /// What kind of thing it is.
    pub kind: ComponentKind,
    /// Its licences as an SPDX expression; empty if it states none.
    pub license: String,
    /// Where it was found: the first place, with a slash in front; empty if nothing says.
    pub evidence: String,
    /// In how many more places it was found.
    pub more_evidence: usize,
}

/// Returns the components as rows, by name, version and kind.
pub fn rows(sbom: &Sbom) -> Vec<Row> {
    let mut rows: Vec<Row> = (AllFacts::of(sbom).components.into_iter())
        .map(|facts| Row {
            name: facts.name,
            version: facts.version.unwrap_or_default(),
            kind: facts.component.kind,
            license: facts.licensing.map(|licensing| licensing.expression).unwrap_or_default(),
            evidence: facts
                .component
                .evidence
                .first()
                .map(|path| format!("/{}", super::facts::line(path)))
                .unwrap_or_default(),
            more_evidence: facts.component.evidence.len().saturating_sub(1),
        })
        .collect();
    rows.sort();
    rows
}
