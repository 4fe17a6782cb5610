// SPDX-License-Identifier: Apache-2.0
//! CycloneDX 1.6 and 1.7 in JSON.

mod dialects;
mod document;

use std::collections::BTreeSet;

use hardpan_image::rfc3339;
use hardpan_tree::Digest;

use super::facts::{self, AllFacts, Facts, Party};
use super::license::{Licensing, Reference};
use super::{ComponentKind, Sbom};
use document::{
    Component, Contact, Dependency, Document, Entity, ExternalReference, Hash, License,
    LicenseChoice, Metadata, Occurrence, Text, Tool, Tools,
};

/// Ids of licences that the program knows and CycloneDX's list, which both versions share, does not.
const UNLISTED: [&str; 20] = [
    "BSD-2-Clause-pos-unchanged",
    "BSD-3-Clause-OpenWebUI",
    "BSD-Source-Code-no-disclaimer",
    "BSD-Source-alt-GPL",
    "BSD-ask-to-endorse",
    "Brian-Gladman-3-Clause-no-conversion",
    "Bugroff",
    "CC-BY-NC-3.0-IGO",
    "FDK-MPEG-H",
    "GFDL-1.1-invariants",
    "GFDL-1.1-no-invariants",
    "GFDL-1.2-invariants",
    "GFDL-1.2-no-invariants",
    "GFDL-1.3-invariants",
    "GFDL-1.3-no-invariants",
    "Hippocratic-3.0-core",
    "Informatica",
    "MVT-1.1",
    "NOASSERTION",
    "atc-game",
];
const STATED: &str = "declared";

/// A version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SpecVersion {
    /// 1.6, which all tools read.
    V1_6,
    /// 1.7.
    V1_7,
}

/// Writes an SBOM as a CycloneDX document. The same SBOM has the same bytes, and another serial number than any other.
pub fn write(sbom: &Sbom, version: SpecVersion) -> Vec<u8> {
    let all = AllFacts::of(sbom);
    let image = image_reference(&all);
    let mut document = document(sbom, &all, &image, version);
    let to_bytes = |document: &Document<'_>| {
        serde_json::to_vec(document).expect("the document has strings only, and keys of ours")
    };
    let digest = Digest::of(&to_bytes(&document));
    document.serial_number = serial_number(&digest);
    to_bytes(&document)
}

/// A UUID made from a digest (RFC 9562, version 8).
pub fn serial_number(digest: &Digest) -> String {
    let hex = digest.to_hex();
    // The variant's two bits are 10.
    let variant = ["8", "9", "a", "b"][usize::from(digest.as_bytes()[8] & 3)];
    format!(
        "urn:uuid:{}-{}-8{}-{variant}{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

/// Returns a reference for the image that no component has.
fn image_reference(all: &AllFacts<'_>) -> String {
    let mut reference = "image".to_owned();
    while all.components.iter().any(|facts| facts.id == reference) {
        reference.push('-');
    }
    reference
}

fn document<'s>(
    sbom: &Sbom,
    all: &AllFacts<'s>,
    image: &'s str,
    version: SpecVersion,
) -> Document<'s> {
    let (schema, spec_version) = match version {
        SpecVersion::V1_6 => ("http://cyclonedx.org/schema/bom-1.6.schema.json", "1.6"),
        SpecVersion::V1_7 => ("http://cyclonedx.org/schema/bom-1.7.schema.json", "1.7"),
    };
    let (tool, tool_version) = &sbom.tool;
    let tool =
        Tool { kind: "application", name: facts::name(tool), version: facts::line(tool_version) };
    Document {
        schema,
        bom_format: "CycloneDX",
        spec_version,
        serial_number: String::new(),
        version: 1,
        metadata: Metadata {
            timestamp: rfc3339(sbom.epoch),
            tools: Tools { components: [tool] },
            authors: all.supplier.iter().map(contact).collect(),
            component: image_component(sbom, all, image),
            supplier: all.supplier.as_ref().map(entity),
        },
        components: all.components.iter().map(component).collect(),
        dependencies: dependencies(all, image),
    }
}

fn image_component(sbom: &Sbom, all: &AllFacts<'_>, reference: &str) -> Component {
    let subject = &sbom.subject;
    let mut component =
        Component::new("container", reference.to_owned(), facts::name(&subject.name));
    component.version = facts::image_version(subject);
    component.supplier = all.supplier.as_ref().map(entity);
    component.hashes.extend(subject.digest.map(sha256));
    component.purl = facts::image_purl(subject).map(|purl| purl.to_string());
    if let Some(platform) = &subject.platform {
        component.property("platform", &facts::line(platform));
    }
    component
}

fn component(facts: &Facts<'_>) -> Component {
    let source = facts.component;
    let mut component =
        Component::new(kind(source.kind), reference(facts.id).to_owned(), facts.name.clone());
    component.supplier = facts.supplier.as_ref().map(entity);
    component.authors = facts.originator.iter().map(contact).collect();
    component.version.clone_from(&facts.version);
    component.description =
        source.summary.as_deref().map(facts::line).filter(|text| !text.is_empty());
    component.hashes.extend(source.sha256.map(sha256));
    component.copyright = source.copyright.clone().filter(|text| !text.trim().is_empty());
    component.cpe = super::cpe(source);
    component.purl = facts.purl.as_ref().map(ToString::to_string);
    for (kind, url) in [("website", &source.homepage), ("distribution", &source.download_location)]
    {
        let url = url.as_deref().and_then(facts::url);
        component
            .external_references
            .extend(url.map(|url| ExternalReference { kind, url: url.to_owned() }));
    }
    if let Some(licensing) = &facts.licensing {
        component.licenses.push(license(licensing));
        component.evidence.licenses = texts(licensing);
    }
    component.evidence.occurrences =
        source.evidence.iter().map(|path| Occurrence { location: format!("/{path}") }).collect();
    component.property("kind", source.kind.as_str());
    if let Some((name, version)) = &source.source {
        component.property("source:name", &facts::line(name));
        component.property("source:version", &facts::line(version));
    }
    component.properties.extend(dialects::source_properties(source));
    component
}

fn kind(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::OperatingSystem => "operating-system",
        ComponentKind::Elf | ComponentKind::Download | ComponentKind::Stated => "application",
        ComponentKind::Oci => "container",
        ComponentKind::Build => "file",
        _ => "library",
    }
}

/// A reference must not be empty.
fn reference(id: &str) -> &str {
    if id.is_empty() { "-" } else { id }
}

/// One licence by its id or name; everything else as an expression.
fn license(licensing: &Licensing) -> LicenseChoice {
    let expression = licensing.expression.as_str();
    if let Some(reference) = licensing.references.get(expression) {
        return named(&reference.name, reference.text.as_ref(), Some(STATED));
    }
    if spdx::license_id(expression).is_some_and(|id| id.name == expression)
        && !UNLISTED.contains(&expression)
    {
        let id = Some(expression.to_owned());
        return LicenseChoice::License {
            license: License { id, name: None, acknowledgement: Some(STATED), text: None },
        };
    }
    LicenseChoice::Expression { expression: expression.to_owned(), acknowledgement: STATED }
}

/// The texts of what an expression refers to. Expressions have no place for them.
fn texts(licensing: &Licensing) -> Vec<LicenseChoice> {
    let is_other = |(id, reference): &(&String, &Reference)| {
        **id != licensing.expression && reference.text.is_some()
    };
    let others = licensing.references.iter().filter(is_other);
    others.map(|(id, reference)| named(id, reference.text.as_ref(), None)).collect()
}

fn named(
    name: &str,
    text: Option<&String>,
    acknowledgement: Option<&'static str>,
) -> LicenseChoice {
    let text = text.map(|text| Text { content_type: "text/plain", content: text.clone() });
    let name = Some(facts::name(name));
    LicenseChoice::License { license: License { id: None, name, acknowledgement, text } }
}

/// What each needs or has in it; also of those that need nothing, as that is then known.
fn dependencies<'s>(all: &AllFacts<'s>, image: &'s str) -> Vec<Dependency<'s>> {
    let parts = all.parts();
    let none = BTreeSet::new();
    let parts_of = |owner: Option<&'s str>| parts.get(&owner).unwrap_or(&none);
    let references = |ids: BTreeSet<&'s str>| ids.into_iter().map(reference).collect();
    let mut dependencies =
        vec![Dependency { of: image, depends_on: references(parts_of(None).clone()) }];
    for facts in &all.components {
        let mut needed: BTreeSet<&str> =
            facts.depends.union(parts_of(Some(facts.id))).copied().collect();
        needed.remove(facts.id);
        dependencies.push(Dependency { of: reference(facts.id), depends_on: references(needed) });
    }
    dependencies
}

fn entity(party: &Party) -> Entity {
    let contact =
        party.email.iter().map(|email| Contact { name: None, email: Some(email.clone()) });
    Entity { name: party.name.clone(), contact: contact.collect() }
}

fn contact(party: &Party) -> Contact {
    Contact { name: Some(party.name.clone()), email: party.email.clone() }
}

fn sha256(digest: Digest) -> Hash {
    Hash { alg: "SHA-256", content: digest.to_hex() }
}
