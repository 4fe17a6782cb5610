// SPDX-License-Identifier: Apache-2.0
//! Statements in CycloneDX documents: vulnerabilities with an analysis, inside of an SBOM or beside it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::resource::{limited, shortened};
use super::super::time::Time;
use super::read::{
    DOCUMENT, KIND, NO_NAME, Reader, Unfit, VexRead, list, long_text, no_product, text,
};
use super::warning::VexWarning;
use super::{
    COMPONENTS_MAX, Component, Justification, Product, STATEMENTS_MAX, Status, Text, VexError,
    VexStatement, Vulnerability,
};
use crate::sbom::purl::PackageUrl;

/// Reads a document.
pub(super) fn read(document: &Value) -> Result<VexRead, VexError> {
    let metadata = &document["metadata"];
    let mut reader = Reader::default();
    reader.time = reader.time_in(metadata, "timestamp", DOCUMENT);
    let names = names(document)?;
    let subject =
        metadata["component"]["purl"].as_str().filter(|purl| purl.starts_with("pkg:oci/"));
    let mut statements = Vec::new();
    for vulnerability in list(document, "vulnerabilities") {
        // Without an analysis it is a finding of whoever wrote it, and states nothing.
        let Some(state) = text(&vulnerability["analysis"], "state") else { continue };
        let Some(named) = named(vulnerability) else {
            reader.leave_out("?", NO_NAME);
            continue;
        };
        let name = shortened(&named.name);
        let Some(status) = status(&vulnerability["analysis"], state, &name, &mut reader) else {
            continue;
        };
        let products = products(vulnerability, &names, subject, &name, &mut reader)?;
        if products.is_empty() {
            reader.leave_out(&name, no_product(list(vulnerability, "affects")));
            continue;
        }
        let time = time_of(vulnerability, &name, &mut reader);
        statements.push(VexStatement {
            vulnerability: named,
            time,
            status,
            products,
            notes: None,
            supplier: None,
            id: None,
        });
        limited(KIND, "statements", statements.len(), STATEMENTS_MAX).map_err(VexError::TooMany)?;
    }
    let version = document["version"].as_u64().and_then(|number| u32::try_from(number).ok());
    let id = text(document, "serialNumber").unwrap_or_default();
    Ok(reader.finish(id, author(metadata), version, statements))
}

fn author(metadata: &Value) -> Option<&str> {
    let authors = list(metadata, "authors").iter().filter_map(|author| text(author, "name"));
    let places = ["supplier", "manufacturer", "manufacture"];
    let others = places.iter().filter_map(|place| text(&metadata[*place], "name"));
    authors.chain(others).next()
}

fn named(vulnerability: &Value) -> Option<Vulnerability> {
    let mut named = Vulnerability::new(text(vulnerability, "id")?);
    let others = list(vulnerability, "references").iter().filter_map(|other| text(other, "id"));
    let others = others.take(64).filter(|other| *other != named.name);
    named.aliases = others.map(str::to_owned).collect();
    named.description = long_text(vulnerability, "description");
    Some(named)
}

fn time_of(vulnerability: &Value, name: &str, reader: &mut Reader) -> Time {
    let analysis = &vulnerability["analysis"];
    let mut first = |value: &Value, keys: [&str; 2]| {
        keys.iter().find_map(|key| reader.time_in(value, key, name))
    };
    let own = first(analysis, ["lastUpdated", "firstIssued"]);
    let of = first(vulnerability, ["updated", "published"]);
    // When the vulnerability was published says nothing of when somebody looked at the product.
    let time = own.or(reader.time).or(of);
    reader.known(time, name)
}

/// The words of the format, as those of OpenVEX. What protects from outside of the product has no word there.
fn justification(word: &str) -> Option<Justification> {
    Some(match word {
        "code_not_present" => Justification::VulnerableCodeNotPresent,
        "requires_dependency" => Justification::ComponentNotPresent,
        "code_not_reachable" | "requires_configuration" => {
            Justification::VulnerableCodeNotInExecutePath
        }
        "protected_by_compiler" | "protected_at_runtime" => {
            Justification::InlineMitigationsAlreadyExist
        }
        _ => return None,
    })
}

fn status(analysis: &Value, state: &str, name: &str, reader: &mut Reader) -> Option<Status> {
    let detail = text(analysis, "detail");
    match state {
        "resolved" | "resolved_with_pedigree" => Some(Status::Fixed),
        "in_triage" => Some(Status::UnderInvestigation),
        "exploitable" => {
            let responses: Vec<&str> =
                list(analysis, "response").iter().filter_map(Value::as_str).collect();
            let responses = Some(responses.join(", ")).filter(|text| !text.is_empty());
            let action = detail.map(str::to_owned).or(responses);
            let action = action.and_then(|action| Text::new(&action).ok());
            Some(reader.affected_with(action, None, name))
        }
        "false_positive" => {
            reader.not_affected_with(None, Some(detail.unwrap_or("a false positive")), name)
        }
        "not_affected" => {
            let word = text(analysis, "justification");
            // The word stays, as the format's own says more than what it becomes.
            let impact = match (word, detail) {
                (Some(word), Some(detail)) => Some(format!("{word}: {detail}")),
                (Some(word), None) => Some(word.to_owned()),
                (None, detail) => detail.map(str::to_owned),
            };
            reader.not_affected_with(word.and_then(justification), impact.as_deref(), name)
        }
        other => {
            reader.leave_out(name, format!("its state is {:?}", shortened(other)));
            None
        }
    }
}

/// Package URLs by references.
fn names(document: &Value) -> Result<BTreeMap<&str, &str>, VexError> {
    let mut names = BTreeMap::new();
    let mut open: Vec<&Value> = vec![&document["metadata"]["component"]];
    open.extend(list(document, "components"));
    let mut count = 0;
    while let Some(component) = open.pop() {
        count += 1;
        limited(KIND, "components", count, COMPONENTS_MAX).map_err(VexError::TooMany)?;
        if let (Some(reference), Some(purl)) = (text(component, "bom-ref"), text(component, "purl"))
        {
            names.insert(reference, purl);
        }
        open.extend(list(component, "components"));
    }
    Ok(names)
}

fn products(
    vulnerability: &Value,
    names: &BTreeMap<&str, &str>,
    subject: Option<&str>,
    name: &str,
    reader: &mut Reader,
) -> Result<BTreeSet<Product>, VexError> {
    let mut unfit = Unfit::default();
    let mut products = BTreeSet::new();
    for affected in list(vulnerability, "affects") {
        let Some(purl) = text(affected, "ref").and_then(|reference| resolve(reference, names))
        else {
            let reference = text(affected, "ref").unwrap_or_default();
            reader.warn(VexWarning::UndefinedProduct {
                vulnerability: name.to_owned(),
                product: shortened(reference),
            });
            continue;
        };
        for purl in versions(affected, &purl) {
            let component = reader.component(&Value::String(purl), name, &mut unfit)?;
            products.extend(component.map(|component| within(subject, component)));
        }
    }
    reader.tell(name, &unfit);
    Ok(products)
}

/// What a document about an image says of its parts it says of them in that image.
fn within(subject: Option<&str>, component: Component) -> Product {
    let own = component.id.as_ref().map(super::Iri::as_str);
    let image = subject.filter(|subject| own != Some(*subject));
    match image.and_then(|subject| subject.parse().ok()) {
        Some(id) => Product {
            component: Component { id: Some(id), ..Component::default() },
            subcomponents: BTreeSet::from([component]),
        },
        None => Product { component, subcomponents: BTreeSet::new() },
    }
}

/// Returns the package URL of a reference: of a component, or one that is a package URL itself, which may be the end of a
/// link to another document (`urn:cdx:SERIAL/VERSION#REF`).
fn resolve(reference: &str, names: &BTreeMap<&str, &str>) -> Option<String> {
    let last = match reference.strip_prefix("urn:cdx:").and_then(|link| link.split_once('#')) {
        Some((_, last)) => decoded(last),
        None => reference.to_owned(),
    };
    let named = names.get(reference).or_else(|| names.get(last.as_str())).copied();
    let purl = named.unwrap_or(&last);
    purl.parse::<PackageUrl>().is_ok().then(|| purl.to_owned())
}

/// Takes percent-encoding off; what is badly encoded stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) if byte == b'%' => {
                bytes.push(value);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Returns a package in each version that is listed as one that it is about, where its package URL has none.
fn versions(affected: &Value, purl: &str) -> Vec<String> {
    let Ok(parsed) = purl.parse::<PackageUrl>() else { return Vec::new() };
    let listed = list(affected, "versions");
    if parsed.version().is_some() || listed.is_empty() {
        return vec![purl.to_owned()];
    }
    // Ranges and versions that are not meant are left out.
    let is_meant = |one: &&Value| text(one, "status").is_none_or(|status| status == "affected");
    let versions = listed.iter().filter(is_meant).filter_map(|one| text(one, "version"));
    versions.map(|version| parsed.clone().with_version(version).to_string()).collect()
}
