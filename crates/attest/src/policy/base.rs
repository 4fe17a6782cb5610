// SPDX-License-Identifier: Apache-2.0
//! The rule about the images that an image is made of.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::predicate::{provenance, uri};
use crate::sbom::purl::PackageUrl;

use super::evaluate::{Outcome, named, statements};
use super::exceptions::Exceptions;
use super::{BaseRule, Evidence, Policy};

type Names = BTreeSet<String>;

/// How names of images begin where they stand as addresses.
const SCHEMES: [&str; 5] = ["docker-image://", "oci://", "docker://", "https://", "http://"];
/// Those of them that only images have.
const IMAGE_SCHEMES: usize = 3;

/// Whether all images that it is made of are allowed: those that the image names itself, and those of provenance. Neither
/// takes the other's word away.
pub(super) fn base(
    policy: &Policy,
    rule: &BaseRule,
    evidence: &Evidence,
    exceptions: &mut Exceptions<'_>,
) -> Outcome {
    let inputs = inputs(policy, evidence)?;
    let (own, built) = (&evidence.bases, inputs.as_ref());
    let by = match (own.is_empty(), built) {
        (true, None) => return Err("nothing says what it is made of".to_owned()),
        (false, None) => "its own label",
        (true, Some(_)) => "provenance",
        (false, Some(_)) => "its own label and provenance",
    };
    let bases: Names = own.iter().chain(built.into_iter().flatten()).cloned().collect();
    let is_allowed = |name: &String| rule.allow.iter().any(|pattern| pattern.matches(name));
    let mut excused = false;
    let mut bad = Names::new();
    for name in bases.iter().filter(|name| !is_allowed(name)) {
        if exceptions.excuse([name.as_str()]) {
            excused = true;
        } else {
            bad.insert(name.clone());
        }
    }
    let but = if excused { ", one of them excepted" } else { "" };
    match (bad.is_empty(), bases.is_empty()) {
        (true, true) => Ok("made of no other image, by provenance".to_owned()),
        (true, false) => Ok(format!("made of {}, by {by}{but}", named(&bases))),
        (false, _) => Err(format!("made of {}, by {by}", named(&bad))),
    }
}

/// Returns the images that signed provenance names among what the build used; `None` if none names anything: a build uses
/// something, so an empty list says that nobody wrote down what.
fn inputs(policy: &Policy, evidence: &Evidence) -> Result<Option<Names>, String> {
    let uris = [uri::PROVENANCE, uri::PROVENANCE_V0_2];
    let mut found: Option<Names> = None;
    for one in statements(evidence, &uris, &policy.keys) {
        let value = &one.statement.predicate;
        let used = if one.statement.predicate_type == uri::PROVENANCE {
            if provenance::Provenance::from_value(value).is_err() {
                continue;
            }
            value.pointer("/buildDefinition/resolvedDependencies")
        } else {
            if provenance::v0_2::Provenance::from_value(value).is_err() {
                continue;
            }
            value.get("materials")
        };
        let used = used.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for resource in used {
            found.get_or_insert_default().extend(image_of(resource)?);
        }
    }
    Ok(found)
}

/// Returns the name of an image among the inputs of a build; `None` of what is no image.
///
/// # Errors
/// If it is one whose name can't be read: it may be any.
fn image_of(resource: &Value) -> Result<Option<String>, String> {
    let Some(uri) = resource.get("uri").and_then(Value::as_str) else { return Ok(None) };
    if let Some(name) = SCHEMES[..IMAGE_SCHEMES].iter().find_map(|it| uri.strip_prefix(it)) {
        return Ok(Some(name.to_owned()));
    }
    let lower = uri.to_ascii_lowercase();
    if !["pkg:oci/", "pkg:docker/"].iter().any(|start| lower.starts_with(start)) {
        return Ok(None);
    }
    let purl: PackageUrl = uri
        .parse()
        .map_err(|error| format!("provenance names an image as nobody can read: {error}"))?;
    Ok(Some(name_of(&purl)))
}

/// Returns the name that a package URL of an image means.
fn name_of(purl: &PackageUrl) -> String {
    let place = purl.qualifier("repository_url").map(|place| {
        let bare = SCHEMES.iter().find_map(|scheme| place.strip_prefix(scheme)).unwrap_or(place);
        bare.trim_end_matches('/')
    });
    // A digest in the version's place says nothing about the name.
    let version = purl.version().filter(|version| !version.contains(':'));
    let (name, tag) = if purl.kind() == "oci" {
        (place.unwrap_or(purl.name()).to_owned(), purl.qualifier("tag"))
    } else {
        let folder = purl.namespace().map(|folder| format!("{folder}/")).unwrap_or_default();
        let own = format!("{folder}{}", purl.name());
        // The registry alone, as the type's definition has it, or all of it, as some write it.
        let name = match place {
            None => own,
            Some(place) if place.ends_with(&format!("/{own}")) => place.to_owned(),
            Some(place) => format!("{place}/{own}"),
        };
        (name, version)
    };
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    format!("{name}{tag}")
}
