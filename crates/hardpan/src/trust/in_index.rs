// SPDX-License-Identifier: Apache-2.0
//! Statements inside of an image's index, as BuildKit has them.
//!
//! They decide the index's digest, so they are made before anything is signed. What names the index can't be among them.

use std::collections::BTreeMap;

use hardpan_attest::Statement;
use hardpan_attest::key::UtcTime;
use hardpan_attest::predicate::uri;
use hardpan_attest::signature::{
    Artifact, attestation_manifest, index_without, names, within_index,
};
use hardpan_attest::verify::Rules;
use hardpan_image::Descriptor;
use hardpan_tree::Digest;

use super::TrustError;
use super::verify::evidence;
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{ImageSet, Shelf, Stored};

/// Returns the image without statements in its index: what a build made, however often it was attested since.
pub(super) fn without(set: &ImageSet) -> Result<ImageSet, Error> {
    if set.attestations.is_empty() {
        return Ok(set.clone());
    }
    let digest = set.root.descriptor.digest;
    let index = index_without(&set.root.index()?)
        .map_err(|source| crate::shelf::ShelfError::Document { digest, source })?;
    let root = Stored::new(&set.root.descriptor.media_type, index.bytes().to_vec());
    Ok(ImageSet { root, platforms: set.platforms.clone(), attestations: Vec::new() })
}

/// Makes what the index of an image gets: for every platform one manifest with what is stated of it.
pub(super) fn make(set: &ImageSet, statements: &[Statement]) -> Result<Vec<Artifact>, Error> {
    let index = &set.root.descriptor;
    let is_oci = index.media_type == hardpan_image::media_type::INDEX;
    if !is_oci {
        return Err(TrustError::NoIndex { digest: index.digest }.into());
    }
    let mut artifacts = Vec::with_capacity(set.platforms.len());
    for (platform, _) in &set.platforms {
        // One order, whatever they were found in.
        let own: BTreeMap<(String, Vec<u8>), Statement> = (statements.iter())
            .filter_map(|statement| within_index(statement, &platform.digest, &index.digest))
            .map(|statement| ((statement.predicate_type.clone(), statement.to_bytes()), statement))
            .collect();
        if own.is_empty() {
            return Err(TrustError::NothingForIndex { platform: platform.digest }.into());
        }
        let own: Vec<Statement> = own.into_values().collect();
        artifacts.push(attestation_manifest(&own, platform).map_err(TrustError::from)?);
    }
    Ok(artifacts)
}

/// Returns the statements in an image's index that a key signed.
pub(super) fn signed_by(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    set: &ImageSet,
    rules: Rules<'_>,
) -> Result<Vec<Descriptor>, Error> {
    let now = UtcTime::of_seconds(session.now_seconds());
    let mut signed = Vec::new();
    for (platform, _) in &set.platforms {
        if set.attestations_of(platform.digest).next().is_none() {
            continue;
        }
        let found = evidence(session, shelf, set, platform, rules, &now)?;
        let is_signed = |entry: &&Descriptor| {
            let own: Vec<_> = found.iter().filter(|one| one.manifest == entry.digest).collect();
            !own.is_empty() && own.iter().all(|one| one.outcome.is_ok())
        };
        signed.extend(set.attestations_of(platform.digest).filter(is_signed).cloned());
    }
    Ok(signed)
}

/// Returns a statement about the same image whose index is another one now: it has got statements. What a VEX document says
/// of the index holds for the new one, as it is about the same platforms. Anything else that names the index within stays a
/// statement about the platforms, if it was one about them; a summary of what was verified is none of what was not.
pub(super) fn moved(statement: Statement, old: &Digest, new: &Digest) -> Option<Statement> {
    if old == new || !statement.is_about(old) && !names(&statement, old) {
        return Some(statement);
    }
    let (old_hex, new_hex) = (old.to_hex(), new.to_hex());
    let mut moved = statement;
    let stays = match moved.predicate_type.as_str() {
        uri::VEX => {
            // A digest is in no other word of a document than its own.
            let text = moved.predicate.to_string().replace(&old_hex, &new_hex);
            moved.predicate = serde_json::from_str(&text).ok()?;
            true
        }
        _ => !names(&moved, old),
    };
    if stays {
        for subject in &mut moved.subject {
            if subject.digest.get("sha256") == Some(&old_hex) {
                subject.digest.insert("sha256".to_owned(), new_hex.clone());
            }
        }
    } else {
        moved.subject.retain(|subject| subject.digest.get("sha256") != Some(&old_hex));
    }
    (!moved.subject.is_empty()).then_some(moved)
}

#[cfg(test)]
mod tests {
    use hardpan_attest::Subject;
    use serde_json::{Value, json};

    use super::*;

    /// Subjects, and what is said of them.
    type Said<'s> = (&'s [Digest], &'s Value);

    fn statement(kind: &str, subjects: &[Digest], predicate: &Value) -> Statement {
        let subjects = subjects.iter().map(|digest| Subject::new("app", *digest)).collect();
        Statement::new(subjects, kind, predicate).unwrap()
    }

    #[test]
    fn statements_about_another_index() {
        let [old, new, platform] = [b"old", b"new", b"of "].map(|bytes| Digest::of(bytes));
        let names_old = json!({"of": [format!("pkg:oci/app@sha256%3A{}", old.to_hex())]});
        let names_new = json!({"of": [format!("pkg:oci/app@sha256%3A{}", new.to_hex())]});
        let nothing = json!({"a": 1});
        let rows: [(&str, Said<'_>, Option<Said<'_>>); 8] = [
            (uri::SPDX, (&[platform], &nothing), Some((&[platform], &nothing))),
            (uri::PROVENANCE, (&[old, platform], &nothing), Some((&[new, platform], &nothing))),
            (uri::VEX, (&[old, platform], &names_old), Some((&[new, platform], &names_new))),
            (uri::VEX, (&[platform], &names_old), Some((&[platform], &names_new))),
            // It says something of the old index that nobody said of the new one.
            (uri::VSA, (&[old, platform], &names_old), Some((&[platform], &names_old))),
            (uri::VSA, (&[old], &names_old), None),
            ("https://example.org/x", (&[old], &names_old), None),
            ("https://example.org/x", (&[old], &nothing), Some((&[new], &nothing))),
        ];
        for (kind, (subjects, predicate), expected) in rows {
            let before = statement(kind, subjects, predicate);
            let expected = expected.map(|(subjects, said)| statement(kind, subjects, said));
            assert_eq!(moved(before.clone(), &old, &new), expected, "{kind} {predicate}");
            assert_eq!(moved(before.clone(), &old, &old), Some(before), "{kind}: nothing moved");
        }
    }
}
