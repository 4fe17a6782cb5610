// SPDX-License-Identifier: Apache-2.0
//! SPDX 2.3 in JSON.

mod document;

use std::collections::BTreeMap;

use hardpan_image::rfc3339;
use hardpan_tree::Digest;

use super::Sbom;
use super::facts::{self, AllFacts, Facts, Party};
use super::ids::{self, Ids};
use super::license::Reference;
use document::{
    Checksum, CreationInfo, Document, ExternalReference, ExtractedLicense, File, Package,
    Relationship,
};

/// What SPDX has where nothing is known.
const UNKNOWN: &str = "NOASSERTION";
const IMAGE: &str = "SPDXRef-Image";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";

/// Writes an SBOM as an SPDX 2.3 document. The same SBOM has the same bytes, and another namespace than any other.
pub fn write(sbom: &Sbom) -> Vec<u8> {
    let mut document = document(sbom);
    let to_bytes = |document: &Document| {
        serde_json::to_vec(document).expect("the document has strings only, and keys of ours")
    };
    let digest = Digest::of(&to_bytes(&document));
    document.document_namespace =
        format!("https://spdx.org/spdxdocs/{}/{}", ids::plain(&sbom.tool.0), digest.to_hex());
    to_bytes(&document)
}

fn document(sbom: &Sbom) -> Document {
    let all = AllFacts::of(sbom);
    let mut ids = Ids::default();
    let packages: BTreeMap<&str, String> =
        all.components.iter().map(|facts| (facts.id, ids.of("Package", facts.id))).collect();
    let files: BTreeMap<&str, String> =
        sbom.files.keys().map(|path| (path.as_str(), ids.of("File", path))).collect();
    let sources = all.sources();
    let source_ids: Vec<String> =
        sources.all.iter().map(|source| ids.of("Source", &source.key())).collect();
    let codes = verification_codes(sbom, &packages);

    let mut document = Document::new(facts::name(&sbom.subject.name), creation_info(sbom, &all));
    document.packages.push(image_package(sbom, &all, codes.get(&None)));
    for facts in &all.components {
        let id = packages[facts.id].clone();
        document.packages.push(component_package(facts, id, codes.get(&Some(facts.id))));
    }
    document.packages.extend(sources.all.iter().zip(&source_ids).map(source_package));
    for (path, file) in &sbom.files {
        let checksums = [
            Checksum { algorithm: "SHA1", checksum_value: hex(&file.sha1) },
            Checksum { algorithm: "SHA256", checksum_value: file.sha256.to_hex() },
        ];
        let file_name = format!("./{path}");
        document.files.push(File { spdx_id: files[path.as_str()].clone(), file_name, checksums });
    }
    document.relationships = relationships(sbom, &all, &packages, &files);
    document.relationships.extend(sources.built.iter().map(|(binary, source)| {
        Relationship::new(&packages[binary], "GENERATED_FROM", &source_ids[*source])
    }));
    document.has_extracted_licensing_infos = extracted(&all);
    document
}

fn creation_info(sbom: &Sbom, all: &AllFacts<'_>) -> CreationInfo {
    let (name, version) = &sbom.tool;
    let mut creators = vec![facts::line(&format!("Tool: {name}-{version}"))];
    creators.extend(all.supplier.as_ref().map(party));
    CreationInfo {
        created: rfc3339(sbom.epoch),
        creators,
        license_list_version: spdx::license_version()
            .rsplit_once('.')
            .map(|(version, _)| version.to_owned()),
    }
}

fn image_package(sbom: &Sbom, all: &AllFacts<'_>, code: Option<&String>) -> Package {
    let subject = &sbom.subject;
    let mut package = Package::new(IMAGE.to_owned(), facts::name(&subject.name));
    package.version_info = facts::image_version(subject);
    package.supplier = Some(all.supplier.as_ref().map_or_else(|| UNKNOWN.to_owned(), party));
    package.primary_package_purpose = Some("CONTAINER");
    package.checksums.extend(subject.digest.map(sha256));
    let purl = facts::image_purl(subject);
    package.external_refs.extend(purl.map(|purl| ExternalReference::purl(purl.to_string())));
    package.comment =
        subject.platform.as_ref().map(|platform| format!("platform: {}", facts::line(platform)));
    package.analyzed(code);
    package
}

fn component_package(facts: &Facts<'_>, id: String, code: Option<&String>) -> Package {
    let component = facts.component;
    let mut package = Package::new(id, facts.name.clone());
    package.version_info.clone_from(&facts.version);
    package.supplier = Some(facts.supplier.as_ref().map_or_else(|| UNKNOWN.to_owned(), party));
    package.originator = facts.originator.as_ref().map(party);
    if let Some(url) = component.download_location.as_deref().and_then(facts::url) {
        url.clone_into(&mut package.download_location);
    }
    package.homepage = component.homepage.as_deref().and_then(facts::url).map(str::to_owned);
    package.checksums.extend(component.sha256.map(sha256));
    if let Some(licensing) = &facts.licensing {
        package.license_concluded.clone_from(&licensing.expression);
        package.license_declared.clone_from(&licensing.expression);
    }
    if let Some(copyright) = component.copyright.as_deref().filter(|text| !text.trim().is_empty()) {
        copyright.clone_into(&mut package.copyright_text);
    }
    package.summary = component.summary.as_deref().map(facts::line).filter(|text| !text.is_empty());
    let purl = facts.purl.as_ref().map(|purl| ExternalReference::purl(purl.to_string()));
    package.external_refs.extend(purl);
    package.external_refs.extend(super::cpe(component).map(ExternalReference::cpe));
    package.primary_package_purpose = facts::purpose(component.kind).map(|purpose| purpose.spdx2);
    package.source_info = facts.source_info();
    package.comment = Some(facts.comment());
    package.analyzed(code);
    package
}

fn relationships(
    sbom: &Sbom,
    all: &AllFacts<'_>,
    packages: &BTreeMap<&str, String>,
    files: &BTreeMap<&str, String>,
) -> Vec<Relationship> {
    let mut relationships = vec![Relationship::new(DOCUMENT, "DESCRIBES", IMAGE)];
    for (owner, parts) in all.parts() {
        let owner = owner.map_or(IMAGE, |owner| &packages[owner]);
        relationships
            .extend(parts.iter().map(|part| Relationship::new(owner, "CONTAINS", &packages[part])));
    }
    for facts in &all.components {
        let depends = facts.depends.iter().filter(|id| **id != facts.id);
        relationships.extend(
            depends.map(|id| Relationship::new(&packages[facts.id], "DEPENDS_ON", &packages[id])),
        );
    }
    for (path, file) in &sbom.files {
        let owner = file.owner.as_deref().and_then(|owner| packages.get(owner));
        let owner = owner.map_or(IMAGE, String::as_str);
        relationships.push(Relationship::new(owner, "CONTAINS", &files[path.as_str()]));
    }
    relationships
}

/// A package that packages were built from. It has no package URL: scanners take what has one as installed.
fn source_package((source, id): (&facts::Source<'_>, &String)) -> Package {
    let mut package = Package::new(id.clone(), source.name.clone());
    package.version_info.clone_from(&source.version);
    package.supplier = Some(source.supplier.map_or_else(|| UNKNOWN.to_owned(), party));
    package.primary_package_purpose = Some("SOURCE");
    package
}

/// The codes of packages with files, and of the image, which has those of nobody (SPDX 2.3, 7.9): SHA-1 of the sorted
/// SHA-1 of the files.
fn verification_codes<'s>(
    sbom: &'s Sbom,
    packages: &BTreeMap<&str, String>,
) -> BTreeMap<Option<&'s str>, String> {
    let mut sums: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for file in sbom.files.values() {
        let owner = file.owner.as_deref().filter(|owner| packages.contains_key(owner));
        sums.entry(owner).or_default().push(hex(&file.sha1));
    }
    let code = |mut sums: Vec<String>| {
        sums.sort_unstable();
        let code =
            ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, sums.concat().as_bytes());
        hex(code.as_ref())
    };
    sums.into_iter().map(|(owner, sums)| (owner, code(sums))).collect()
}

/// Licences without an SPDX id, each once.
fn extracted(all: &AllFacts<'_>) -> Vec<ExtractedLicense> {
    let extracted = |(id, reference): (&str, &Reference)| ExtractedLicense {
        license_id: id.to_owned(),
        name: facts::name(&reference.name),
        // Without a text it is what the package says.
        extracted_text: reference.text.clone().unwrap_or_else(|| facts::name(&reference.name)),
    };
    all.references().into_iter().map(extracted).collect()
}

fn party(party: &Party) -> String {
    party.key()
}

fn sha256(digest: Digest) -> Checksum {
    Checksum { algorithm: "SHA256", checksum_value: digest.to_hex() }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
