// SPDX-License-Identifier: Apache-2.0
//! The rule that an SBOM has to know every file.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::predicate::uri;

use super::evaluate::{Outcome, statements};
use super::{Evidence, Policy};

/// What an SBOM covers.
struct Coverage {
    /// How many components it has.
    components: usize,
    /// How many files of the image belong to none of them.
    unknown_files: usize,
}

/// Whether an SBOM by one of the policy's keys says of every file what it belongs to.
pub(super) fn complete_sbom(policy: &Policy, evidence: &Evidence) -> Outcome {
    let mut problem = None;
    for one in statements(evidence, &[uri::SPDX], &policy.keys) {
        match coverage(&one.statement.predicate) {
            None => {
                problem.get_or_insert_with(|| "there is one, and it can't be read".to_owned());
            }
            Some(Coverage { components: 0, .. }) => {
                problem = Some("it has no component".to_owned());
            }
            Some(Coverage { components, unknown_files: 0 }) => {
                return Ok(format!("{components} components, and every file is of one"));
            }
            Some(Coverage { unknown_files, .. }) => {
                problem = Some(format!("{unknown_files} files belong to no component"));
            }
        }
    }
    Err(problem.unwrap_or_else(|| "there is no SPDX document that counts".to_owned()))
}

/// Counts in an SPDX document which files belong to a package of their own.
fn coverage(document: &Value) -> Option<Coverage> {
    let list = |name: &str| document.get(name).and_then(Value::as_array);
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let packages = list("packages")?;
    let relationships = list("relationships")?;
    let described: BTreeSet<String> = (relationships.iter())
        .filter(|one| text(one, "relationshipType").as_deref() == Some("DESCRIBES"))
        .filter_map(|one| text(one, "relatedSpdxElement"))
        .collect();
    let mut files: BTreeSet<String> =
        list("files").into_iter().flatten().filter_map(|file| text(file, "SPDXID")).collect();
    for one in relationships {
        let is_own = text(one, "spdxElementId").is_some_and(|id| !described.contains(&id));
        if is_own
            && text(one, "relationshipType").as_deref() == Some("CONTAINS")
            && let Some(file) = text(one, "relatedSpdxElement")
        {
            files.remove(&file);
        }
    }
    let components = packages.len().saturating_sub(described.len());
    Some(Coverage { components, unknown_files: files.len() })
}
