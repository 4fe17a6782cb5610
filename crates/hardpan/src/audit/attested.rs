// SPDX-License-Identifier: Apache-2.0
//! Exceptions that somebody attested: `https://hardpan.dev/audit-exceptions/v1`.

use std::collections::BTreeSet;

use hardpan_attest::predicate::uri;
use hardpan_attest::verify::{Claim, Evidence};
use hardpan_scan::audit::exceptions::{SourcedException, of_predicate};

/// What is attested, and what of it does not count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AttestedExceptions {
    pub(super) exceptions: Vec<SourcedException>,
    pub(super) warnings: Vec<String>,
}

impl AttestedExceptions {
    /// Takes those that trusted keys state about the image. The same statement may lie there in several forms.
    pub(super) fn of(evidence: &[Evidence]) -> Self {
        let (mut exceptions, mut warnings) = (BTreeSet::new(), BTreeSet::new());
        for one in evidence {
            match &one.outcome {
                Ok(accepted) => {
                    let Claim::Attestation(statement) = &accepted.claim else { continue };
                    if statement.predicate_type != uri::AUDIT_EXCEPTIONS {
                        continue;
                    }
                    let source = format!("an attestation by {}", accepted.key_name);
                    match of_predicate(&statement.predicate) {
                        Ok(all) => {
                            exceptions.extend(all.into_iter().map(|it| (it, source.clone())));
                        }
                        Err(error) => {
                            warnings.insert(format!("{source} excepts nothing: {error}"));
                        }
                    }
                }
                Err(refusal) if one.announced.as_deref() == Some(uri::AUDIT_EXCEPTIONS) => {
                    warnings.insert(format!("attached exceptions do not count: {refusal}"));
                }
                Err(_) => {}
            }
        }
        let sourced = |(accepted, source)| SourcedException { accepted, source };
        Self {
            exceptions: exceptions.into_iter().map(sourced).collect(),
            warnings: warnings.into_iter().collect(),
        }
    }
}
