// SPDX-License-Identifier: Apache-2.0
//! CycloneDX 1.x.

use std::collections::BTreeMap;

use hardpan_tree::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::shape::{Any, CdxComponent, Dependency, Entity, LicenseChoice};
use super::{
    Component, ComponentKind, Format, Listing, PackageUrl, ReadError, add, kind_of, known, upstream,
};

/// Reads a document.
pub(super) fn read(any: Any) -> Result<Listing, ReadError> {
    let subject = any.metadata.component;
    let mut listing = Listing {
        format: Format::CycloneDx,
        tools: tools(&any.metadata.tools),
        name: subject.as_ref().and_then(|subject| known(subject.name.clone())),
        components: BTreeMap::new(),
        files: BTreeMap::new(),
        skipped: 0,
    };
    read_all(any.components, None, &mut listing)?;
    read_all(subject.map(|subject| subject.components).unwrap_or_default(), None, &mut listing)?;
    depend(&mut listing, any.dependencies);
    Ok(listing)
}

/// Reads components, and those that are in them: the reader of JSON lets them be 128 deep at most.
fn read_all(
    components: Vec<Read>,
    owner: Option<&str>,
    listing: &mut Listing,
) -> Result<(), ReadError> {
    for Read { reference, component, inner } in components {
        let id = if let Some(mut component) = component {
            component.part_of = owner.map(str::to_owned);
            Some(add(listing, reference, *component)?)
        } else {
            listing.skipped += 1;
            None
        };
        read_all(inner, id.as_deref().or(owner), listing)?;
    }
    Ok(())
}

/// A component, made of what the document says while that is read: documents say far more than is kept.
#[derive(Debug, Deserialize)]
#[serde(from = "CdxComponent")]
pub(super) struct Read {
    reference: String,
    /// Nothing if it is no component that can be known.
    component: Option<Box<Component>>,
    inner: Vec<Read>,
}

impl From<CdxComponent> for Read {
    fn from(mut one: CdxComponent) -> Self {
        let inner = std::mem::take(&mut one.components);
        let reference = one.bom_ref.take().unwrap_or_default();
        Self { reference, component: read_component(one).map(Box::new), inner }
    }
}

fn read_component(one: CdxComponent) -> Option<Component> {
    let name = known(one.name)?;
    let parsed: Option<PackageUrl> = one.purl.as_deref().and_then(|purl| purl.parse().ok());
    let property = |name: &str| {
        let found = one.properties.iter().find(|property| property.name == name);
        found.and_then(|property| property.value.clone()).filter(|value| !value.is_empty())
    };
    // Syft lists files, too.
    if one.kind.as_deref() == Some("file") && parsed.is_none() {
        return None;
    }
    let is_system = one.kind.as_deref() == Some("operating-system");
    let kind = property("hardpan:kind").and_then(|kind| kind.parse().ok());
    let kind = kind.or_else(|| is_system.then_some(ComponentKind::OperatingSystem));
    let kind = kind.or_else(|| kind_of(parsed.as_ref())).unwrap_or(ComponentKind::Stated);
    let name = match (&one.group, kind) {
        (Some(group), ComponentKind::Npm) if !group.is_empty() => format!("{group}/{name}"),
        _ => name,
    };
    let mut read = Component::new(kind, name);
    read.source = source(property).or_else(|| upstream(parsed.as_ref()));
    let places = (one.properties.iter())
        .filter(|property| {
            property.name == "aquasecurity:trivy:FilePath"
                || (property.name.starts_with("syft:location:") && property.name.ends_with(":path"))
        })
        .filter_map(|property| property.value.clone());
    let occurrences =
        one.evidence.occurrences.iter().filter_map(|occurrence| occurrence.location.clone());
    read.evidence =
        occurrences.chain(places).map(|place| place.trim_start_matches('/').to_owned()).collect();
    read.version = known(one.version);
    // A source without a version has the package's.
    if let (Some((_, version)), Some(own)) = (&mut read.source, &read.version)
        && version.is_empty()
    {
        version.clone_from(own);
    }
    read.purl = parsed.map(|purl| purl.to_string());
    read.supplier = one.supplier.and_then(entity);
    read.originator = one.authors.into_iter().find_map(entity).or(known(one.publisher));
    read.copyright = known(one.copyright);
    read.summary = known(one.description);
    for (kind, place) in
        [("website", &mut read.homepage), ("distribution", &mut read.download_location)]
    {
        let found = one
            .external_references
            .iter()
            .find(|reference| reference.kind.as_deref() == Some(kind));
        *place = found.and_then(|reference| known(reference.url.clone()));
    }
    read.sha256 = one.hashes.iter().find_map(|hash| {
        let is_sha256 = hash.algorithm.as_deref() == Some("SHA-256");
        Digest::from_hex(hash.checksum_value.as_deref().filter(|_| is_sha256)?).ok()
    });
    for choice in one.licenses {
        read.licenses.extend(license(choice, &mut read.license_texts));
    }
    for choice in one.evidence.licenses {
        // Only for the texts of what an expression refers to.
        license(choice, &mut read.license_texts);
    }
    Some(read)
}

/// Returns the source that ours, Trivy's or Syft's properties name.
fn source(property: impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
    if let Some(name) = property("hardpan:source:name") {
        return Some((name, property("hardpan:source:version").unwrap_or_default()));
    }
    if let Some(name) = property("aquasecurity:trivy:SrcName") {
        let mut version = property("aquasecurity:trivy:SrcVersion").unwrap_or_default();
        if let Some(release) = property("aquasecurity:trivy:SrcRelease") {
            version = format!("{version}-{release}");
        }
        match property("aquasecurity:trivy:SrcEpoch") {
            Some(epoch) if epoch != "0" => version = format!("{epoch}:{version}"),
            _ => {}
        }
        return Some((name, version));
    }
    let name =
        property("syft:metadata:source").or_else(|| property("syft:metadata:originPackage"))?;
    Some((name, property("syft:metadata:sourceVersion").unwrap_or_default()))
}

fn license(choice: LicenseChoice, texts: &mut BTreeMap<String, String>) -> Option<String> {
    if let Some(expression) = known(choice.expression) {
        return Some(expression);
    }
    let license = choice.license?;
    let name = known(license.id).or(known(license.name))?;
    let text =
        license.text.filter(|text| text.encoding.is_none()).and_then(|text| known(text.content));
    if let Some(text) = text {
        texts.insert(name.clone(), text);
    }
    Some(name)
}

fn entity(entity: Entity) -> Option<String> {
    let name = known(entity.name)?;
    Some(match entity.email {
        Some(email) => format!("{name} <{email}>"),
        None => name,
    })
}

fn tools(tools: &Value) -> Vec<String> {
    let list = tools.as_array().or_else(|| tools["components"].as_array());
    let name = |tool: &Value| {
        let name = tool["name"].as_str()?;
        Some(
            tool["version"]
                .as_str()
                .map_or_else(|| name.to_owned(), |version| format!("{name}-{version}")),
        )
    };
    list.into_iter().flatten().filter_map(name).collect()
}

fn depend(listing: &mut Listing, dependencies: Vec<Dependency>) {
    for dependency in dependencies {
        let needed: Vec<String> = dependency
            .depends_on
            .into_iter()
            .filter(|id| listing.components.contains_key(id) && *id != dependency.of)
            .collect();
        if let Some(component) = listing.components.get_mut(&dependency.of) {
            component.depends.extend(needed);
        }
    }
}
