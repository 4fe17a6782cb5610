// SPDX-License-Identifier: Apache-2.0
//! Why there is no scan.

use std::path::PathBuf;

use hardpan_attest::predicate::vex::VexError;
use hardpan_attest::sbom::read::ReadError;
use hardpan_scan::matching::MatchError;
use hardpan_scan::vex::own::OwnVexError;

use crate::error::Trouble;

/// Why there is no scan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// Nothing could be looked up.
    #[error("its vulnerabilities can't be told")]
    Match {
        /// Why.
        #[source]
        source: MatchError,
    },
    /// A document that is no SBOM.
    #[error("{path} is no SBOM that can be read", path = path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// Nothing can be stated.
    #[error("nothing can be stated of its vulnerabilities")]
    State {
        /// Why.
        #[source]
        source: OwnVexError,
    },
    /// A document that can't be written.
    #[error("the VEX document can't be written")]
    Statement {
        /// Why.
        #[source]
        source: VexError,
    },
    /// A document with statements of which none can be used.
    #[error("no statement of {name} can be used: {reasons}")]
    NothingUsed {
        /// The document.
        name: String,
        /// Why, of the first.
        reasons: String,
    },
    /// A document that is no VEX.
    #[error("{path} is no VEX document that can be read", path = path.display())]
    Vex {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VexError,
    },
}

impl ScanError {
    /// Returns what kind of trouble it is.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::Match { .. }
            | Self::Document { .. }
            | Self::State { .. }
            | Self::Statement { .. }
            | Self::NothingUsed { .. }
            | Self::Vex { .. } => Trouble::Usage,
        }
    }

    /// Returns what to do about it.
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Match { source: MatchError::Nothing { warnings } } => {
                return nothing(warnings);
            }
            Self::Match { source: MatchError::Database(_) } => {
                "`hardpan scan --allow-unknown-distribution` looks up what could be read"
            }
            Self::Match { source: MatchError::NoData(_) } => {
                "`hardpan db status` shows what there is; `hardpan db update` brings more; `hardpan scan --allow-unknown-distribution` leaves packages of that release out"
            }
            Self::Match {
                source: MatchError::UnknownDistribution(_) | MatchError::NoDistribution(_),
            } => {
                "`hardpan scan --release debian:13` looks there, whatever the image says; `--allow-unknown-distribution` looks up packages of languages only"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// Says why nothing was looked up, and how that is no error.
fn nothing(warnings: &[hardpan_scan::matching::Warning]) -> Vec<String> {
    let mut hints = reasons(warnings);
    hints.push(
        "`hardpan scan --allow-empty` takes that for an image without vulnerabilities".to_owned(),
    );
    hints
}

fn reasons(warnings: &[hardpan_scan::matching::Warning]) -> Vec<String> {
    let reasons: Vec<String> =
        warnings.iter().map(|it| super::warnings::warning(it).text).collect();
    if reasons.is_empty() {
        return vec!["nothing in it says which packages it is made of".to_owned()];
    }
    reasons
}

/// Says in one line why there are no findings.
pub(super) fn line(error: &MatchError) -> String {
    match error {
        MatchError::Nothing { warnings } => format!("{error}: {}", reasons(warnings).join("; ")),
        _ => error.to_string(),
    }
}
