// SPDX-License-Identifier: Apache-2.0
//! The SBOM that is attached to an image, where a trusted key signed it, held against the image's files.

use std::collections::BTreeMap;

use hardpan_attest::predicate::{find_all, uri};
use hardpan_attest::sbom::read::{self, Listing};
use hardpan_attest::sbom::{Component, Sbom, SbomFile};
use hardpan_attest::verify::{Claim, Evidence};
use hardpan_scan::drift::{self, Drift};
use serde_json::Value;

use super::SbomReport;

/// The short name of all types of SBOMs.
const SBOM: &str = "sbom";

/// An SBOM that is attached to an image and that a trusted key signed.
#[derive(Debug, Clone)]
pub struct AttachedSbom {
    /// The type of its predicate: `https://spdx.dev/Document`.
    pub predicate_type: String,
    /// What the keyring calls the key.
    pub key_name: String,
    /// The document, as it was signed.
    pub document: Value,
    /// What it says.
    pub listing: Listing,
    /// Where it and the files of the image differ.
    pub drift: Drift,
}

/// What is attached to an image, as far as it says what is in it.
#[derive(Debug, Clone, Default)]
pub struct AttachedSboms {
    /// The first that is signed by a trusted key and can be read: in SPDX if there is one, for that also says whose
    /// files are whose.
    pub trusted: Option<Box<AttachedSbom>>,
    /// How many are not, or may be none: by an unknown key, of another image, altered.
    pub refused: usize,
    /// Why those that a trusted key signed can't be read.
    pub problems: Vec<String>,
}

/// An SBOM of an image's files, and the one that is attached to the image.
#[derive(Debug, Clone)]
pub struct CheckedSbom {
    /// What the files say.
    pub of_files: SbomReport,
    /// What is attached.
    pub attached: AttachedSboms,
}

impl CheckedSbom {
    /// Returns the SBOM that counts: the attached one, with the digests of the image's own files; or what these say.
    pub fn sbom(&self) -> Sbom {
        let own = &self.of_files.sbom;
        let Some(attached) = &self.attached.trusted else { return own.clone() };
        let Listing { components, files: owners, .. } = &attached.listing;
        let file = |(path, file): (&String, &SbomFile)| {
            let owner = owners.get(path).filter(|owner| components.contains_key(*owner)).cloned();
            (path.clone(), SbomFile { owner, ..file.clone() })
        };
        Sbom {
            components: (components.iter())
                .map(|(id, component)| (id.clone(), Component::clone(component)))
                .collect(),
            files: own.files.iter().map(file).collect(),
            ..own.clone()
        }
    }
}

/// Chooses among what was found beside an image. `found` are the components that the image's files tell of, if anybody looked
/// at them.
pub(crate) fn attached(
    evidence: &[Evidence],
    found: Option<&BTreeMap<String, Component>>,
) -> AttachedSboms {
    let types: Vec<&str> = find_all(SBOM).into_iter().map(|kind| kind.uri).collect();
    let refused = evidence.iter().filter(|one| {
        let is_sbom = one.announced.as_deref().is_none_or(|announced| types.contains(&announced));
        is_sbom && one.refusal().is_some()
    });
    let mut sboms = AttachedSboms { refused: refused.count(), ..AttachedSboms::default() };
    for wanted in types.into_iter().filter(|wanted| *wanted != uri::SPDX_3) {
        for accepted in evidence.iter().filter_map(|one| one.outcome.as_ref().ok()) {
            let Claim::Attestation(statement) = &accepted.claim else { continue };
            if statement.predicate_type != wanted {
                continue;
            }
            let document = &statement.predicate;
            match read::read(document.to_string().as_bytes()) {
                Ok(listing) => {
                    sboms.trusted = Some(Box::new(AttachedSbom {
                        predicate_type: wanted.to_owned(),
                        key_name: accepted.key_name.clone(),
                        document: document.clone(),
                        drift: found
                            .map(|found| drift::compare(&listing, found))
                            .unwrap_or_default(),
                        listing,
                    }));
                    return sboms;
                }
                Err(error) => {
                    let key = &accepted.key_name;
                    let problem = format!("the SBOM that {key} signed can't be used: {error}");
                    if !sboms.problems.contains(&problem) {
                        sboms.problems.push(problem);
                    }
                }
            }
        }
    }
    sboms
}
