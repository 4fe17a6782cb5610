// SPDX-License-Identifier: Apache-2.0
//! CycloneDX 1.x.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use hardpan_tree::Digest;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::collected::Collected;
use super::shape::{Any, CdxComponent, Dependency, Entity, LicenseChoice};
use super::{
    Component, ComponentKind, Format, Listing, PackageUrl, ReadError, kind_of, known, upstream,
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
    let of_subject = subject.map(|subject| subject.components).unwrap_or_default();
    let mut collected = Collected::default();
    for Components(components) in [any.components, of_subject] {
        listing.skipped += read_all(components, None, &mut collected)?;
    }
    listing.components = collected.named();
    depend(&mut listing, any.dependencies);
    Ok(listing)
}

/// Reads components, and those that are in them: the reader of JSON lets them be 128 deep at most. Returns how many can't be
/// known.
fn read_all(
    components: Vec<Read>,
    owner: Option<usize>,
    collected: &mut Collected,
) -> Result<usize, ReadError> {
    let mut skipped = 0;
    for Read { reference, component, inner } in components {
        let own = match component {
            Some(component) => Some(collected.add(reference, component, owner)?),
            None => None,
        };
        skipped += usize::from(own.is_none());
        skipped += read_all(inner, own.or(owner), collected)?;
    }
    Ok(skipped)
}

/// A component, and those that are in it.
#[derive(Debug)]
struct Read {
    reference: String,
    /// Nothing if it is no component that can be known.
    component: Option<Box<Component>>,
    inner: Vec<Read>,
}

/// Components, made of what the document says while that is read: documents say far more than is kept.
#[derive(Debug, Default)]
pub(super) struct Components(Vec<Read>);

impl<'de> Deserialize<'de> for Components {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(deserializer.deserialize_option(AnyComponents)?))
    }
}

struct AnyComponents;

impl<'de> Visitor<'de> for AnyComponents {
    type Value = Vec<Read>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of components")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut purls = Purls::default();
        let mut all = Vec::new();
        while let Some(mut one) = list.next_element::<CdxComponent<'de>>()? {
            let inner = std::mem::take(&mut one.components).0;
            let reference = one.bom_ref.take().unwrap_or_default().into_owned();
            let purl = one.purl.take().and_then(|purl| purls.parsed(purl));
            all.push(Read { reference, component: component(one, purl).map(Box::new), inner });
        }
        Ok(all)
    }
}

/// Package URLs that were parsed. In SBOMs of many images most are there many times.
#[derive(Default)]
struct Purls<'d>(HashMap<Cow<'d, str>, Option<Arc<PackageUrl>>>);

impl<'d> Purls<'d> {
    fn parsed(&mut self, text: Cow<'d, str>) -> Option<Arc<PackageUrl>> {
        if let Some(known) = self.0.get(&text) {
            return known.clone();
        }
        let parsed = text.parse().ok().map(Arc::new);
        self.0.insert(text, parsed.clone());
        parsed
    }
}

/// Makes a component; nothing of what can't be known.
fn component(one: CdxComponent<'_>, purl: Option<Arc<PackageUrl>>) -> Option<Component> {
    let name = known(one.name)?;
    let property = |name: &str| {
        let found = one.properties.iter().find(|property| property.name == name);
        found.and_then(|property| property.value.as_deref()).filter(|value| !value.is_empty())
    };
    // Syft lists files, too.
    if one.kind.as_deref() == Some("file") && purl.is_none() {
        return None;
    }
    let is_system = one.kind.as_deref() == Some("operating-system");
    let kind = property("hardpan:kind").and_then(|kind| kind.parse().ok());
    let kind = kind.or_else(|| is_system.then_some(ComponentKind::OperatingSystem));
    let kind = kind.or_else(|| kind_of(purl.as_deref())).unwrap_or(ComponentKind::Stated);
    let name = match (&one.group, kind) {
        (Some(group), ComponentKind::Npm) if !group.is_empty() => format!("{group}/{name}"),
        _ => name,
    };
    let mut read = Component::new(kind, name);
    read.source = source(property).or_else(|| upstream(purl.as_deref()));
    let places = (one.properties.iter())
        .filter(|property| {
            property.name == "aquasecurity:trivy:FilePath"
                || (property.name.starts_with("syft:location:") && property.name.ends_with(":path"))
        })
        .filter_map(|property| property.value.as_deref());
    let occurrences =
        one.evidence.occurrences.iter().filter_map(|occurrence| occurrence.location.as_deref());
    read.evidence =
        occurrences.chain(places).map(|place| place.trim_start_matches('/').to_owned()).collect();
    read.version = known(one.version);
    // A source without a version has the package's.
    if let (Some((_, version)), Some(own)) = (&mut read.source, &read.version)
        && version.is_empty()
    {
        version.clone_from(own);
    }
    read.purl = purl;
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
        *place = found.and_then(|reference| known(reference.url.as_deref()));
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
fn source<'p>(property: impl Fn(&str) -> Option<&'p str>) -> Option<(String, String)> {
    let stated = |name: &str| property(name).unwrap_or_default().to_owned();
    if let Some(name) = property("hardpan:source:name") {
        return Some((name.to_owned(), stated("hardpan:source:version")));
    }
    if let Some(name) = property("aquasecurity:trivy:SrcName") {
        let mut version = stated("aquasecurity:trivy:SrcVersion");
        if let Some(release) = property("aquasecurity:trivy:SrcRelease") {
            version = format!("{version}-{release}");
        }
        match property("aquasecurity:trivy:SrcEpoch") {
            Some(epoch) if epoch != "0" => version = format!("{epoch}:{version}"),
            _ => {}
        }
        return Some((name.to_owned(), version));
    }
    let name =
        property("syft:metadata:source").or_else(|| property("syft:metadata:originPackage"))?;
    Some((name.to_owned(), stated("syft:metadata:sourceVersion")))
}

fn license(choice: LicenseChoice<'_>, texts: &mut BTreeMap<String, String>) -> Option<String> {
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

fn entity(entity: Entity<'_>) -> Option<String> {
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
