// SPDX-License-Identifier: Apache-2.0
//! SPDX 2.2 and 2.3.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpan_tree::Digest;

use super::collected::Collected;
use super::shape::{Any, Package, Relationship, SpdxFile};
use super::{
    Component, ComponentKind, Format, Listing, PackageUrl, ReadError, kind_of, known, upstream,
};

/// Reads a document.
pub(super) fn read(any: Any) -> Result<Listing, ReadError> {
    let subject = subject(&any);
    let sources: BTreeSet<&str> = (any.relationships.iter())
        .filter(|relationship| relationship.relationship_type == "GENERATED_FROM")
        .map(|relationship| relationship.related_spdx_element.as_str())
        .collect();
    let texts: BTreeMap<&str, &str> = (any.has_extracted_licensing_infos.iter())
        .filter_map(|license| Some((license, license.extracted_text.as_deref()?)))
        // A name in its place is no text.
        .filter(|(license, text)| license.name.as_deref() != Some(*text))
        .map(|(license, text)| (license.license_id.as_str(), text))
        .collect();
    let mut listing = Listing {
        format: Format::Spdx2,
        tools: any
            .creation_info
            .creators
            .iter()
            .filter_map(|creator| creator.strip_prefix("Tool: "))
            .map(str::to_owned)
            .collect(),
        name: None,
        components: BTreeMap::new(),
        files: BTreeMap::new(),
        skipped: 0,
    };
    let mut collected = Collected::default();
    for package in any.packages {
        let id = package.spdx_id.clone().unwrap_or_default();
        let is_source = package.primary_package_purpose.as_deref() == Some("SOURCE")
            && sources.contains(id.as_str());
        if subject.as_deref() == Some(id.as_str()) {
            listing.name = known(package.name);
        } else if is_source {
            // Its name and version stand in what was built from it.
        } else if let Some(read) = read_package(package, &texts) {
            collected.add(id, Box::new(read), None)?;
        } else {
            listing.skipped += 1;
        }
    }
    listing.components = collected.named();
    listing.name = listing.name.or(known(any.name));
    relate(&mut listing, &any.relationships);
    listing.files = owners(&listing.components, &any.files, &any.relationships);
    Ok(listing)
}

/// Returns the one package that the document is about, if it has others, too.
fn subject(any: &Any) -> Option<String> {
    let mut described: BTreeSet<&str> = any.document_describes.iter().map(String::as_str).collect();
    for relationship in &any.relationships {
        match relationship.relationship_type.as_str() {
            "DESCRIBES" if relationship.spdx_element_id == "SPDXRef-DOCUMENT" => {
                described.insert(&relationship.related_spdx_element);
            }
            "DESCRIBED_BY" if relationship.related_spdx_element == "SPDXRef-DOCUMENT" => {
                described.insert(&relationship.spdx_element_id);
            }
            _ => {}
        }
    }
    let mut described = described.into_iter();
    match (described.next(), described.next()) {
        (Some(one), None) if any.packages.len() > 1 => Some(one.to_owned()),
        _ => None,
    }
}

fn read_package(package: Package, texts: &BTreeMap<&str, &str>) -> Option<Component> {
    let name = known(package.name)?;
    let locator =
        package.external_refs.into_iter().find(|one| one.reference_type.as_deref() == Some("purl"));
    let purl = locator.and_then(|one| one.reference_locator);
    let parsed: Option<PackageUrl> = purl.as_deref().and_then(|purl| purl.parse().ok());
    let comment = package.comment.unwrap_or_default();
    let own = comment.lines().find_map(|line| line.strip_prefix("kind: ")?.parse().ok());
    let is_system = matches!(
        package.primary_package_purpose.as_deref(),
        Some("OPERATING_SYSTEM" | "OPERATING-SYSTEM")
    );
    let by_purpose = is_system.then_some(ComponentKind::OperatingSystem);
    let kind =
        own.or(by_purpose).or_else(|| kind_of(parsed.as_ref())).unwrap_or(ComponentKind::Stated);

    let mut read = Component::new(kind, name);
    let info = package.source_info.unwrap_or_default();
    read.version = known(package.version_info);
    read.source = built_from(&info).or_else(|| upstream(parsed.as_ref()));
    read.purl = parsed.map(Arc::new);
    read.supplier = known(package.supplier);
    read.originator = known(package.originator);
    read.copyright = known(package.copyright_text);
    read.summary = known(package.summary);
    read.homepage = known(package.homepage);
    read.download_location = known(package.download_location);
    read.sha256 = package.checksums.iter().find_map(|checksum| {
        let is_sha256 = checksum.algorithm.as_deref() == Some("SHA256");
        Digest::from_hex(checksum.checksum_value.as_deref().filter(|_| is_sha256)?).ok()
    });
    read.licenses.extend(known(package.license_declared).or(known(package.license_concluded)));
    for id in read.licenses.iter().flat_map(|license| license.split([' ', '(', ')'])) {
        if let Some(text) = texts.get(id) {
            read.license_texts.insert(id.to_owned(), (*text).to_owned());
        }
    }
    read.evidence = comment
        .lines()
        .filter_map(|line| line.strip_prefix("found in: "))
        .map(str::to_owned)
        .collect();
    // Syft: "acquired package info from DPKG DB: /var/lib/dpkg/status, /…".
    if let Some((_, places)) =
        info.rsplit_once(": ").filter(|_| info.starts_with("acquired package info"))
    {
        let places = places.split(", ").map(|place| place.trim_start_matches('/').to_owned());
        read.evidence.extend(places.filter(|place| !place.is_empty()));
    }
    Some(read)
}

/// Reads `built package from: glibc 2.41-12`.
fn built_from(info: &str) -> Option<(String, String)> {
    let rest = info.strip_prefix("built package from: ")?;
    let (name, version) = rest.split_once(' ').unwrap_or((rest, ""));
    (!name.is_empty()).then(|| (name.to_owned(), version.to_owned()))
}

fn relate(listing: &mut Listing, relationships: &[Relationship]) {
    for relationship in relationships {
        let (from, to) = (&relationship.spdx_element_id, &relationship.related_spdx_element);
        if !listing.components.contains_key(from)
            || !listing.components.contains_key(to)
            || from == to
        {
            continue;
        }
        let (one, other) = match relationship.relationship_type.as_str() {
            "DEPENDS_ON" | "CONTAINS" => (from, to),
            "DEPENDENCY_OF" | "CONTAINED_BY" => (to, from),
            _ => continue,
        };
        if relationship.relationship_type.starts_with("DEPEND") {
            if let Some(component) = listing.components.get_mut(one) {
                component.depends.insert(other.clone());
            }
        } else if let Some(component) = listing.components.get_mut(other) {
            component.part_of.get_or_insert_with(|| one.clone());
        }
    }
}

/// Returns the component of each file that has one. What several have is the first one's.
fn owners(
    components: &BTreeMap<String, Box<Component>>,
    files: &[SpdxFile],
    relationships: &[Relationship],
) -> BTreeMap<String, String> {
    let paths: BTreeMap<&str, &str> = (files.iter())
        .filter_map(|file| Some((file.spdx_id.as_deref()?, file.file_name.as_deref()?)))
        .map(|(id, path)| (id, path.trim_start_matches("./").trim_start_matches('/')))
        .collect();
    let mut owners = BTreeMap::new();
    for relationship in relationships {
        let (from, to) = (&relationship.spdx_element_id, &relationship.related_spdx_element);
        let (owner, file) = match relationship.relationship_type.as_str() {
            "CONTAINS" => (from, to),
            "CONTAINED_BY" => (to, from),
            _ => continue,
        };
        if let Some(path) = paths.get(file.as_str()).filter(|_| components.contains_key(owner)) {
            owners.entry((*path).to_owned()).or_insert_with(|| owner.clone());
        }
    }
    owners
}
