// SPDX-License-Identifier: Apache-2.0
//! The shape of documents, as far as they are read. Texts of other types than text are taken as absent.

#![expect(
    clippy::struct_field_names,
    reason = "fields are called what they are called in documents"
)]

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::cyclonedx::Read;

/// Any document: fields of all formats have different names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Any {
    // SPDX.
    #[serde(deserialize_with = "text")]
    pub spdx_version: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "list")]
    pub document_describes: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub creation_info: CreationInfo,
    #[serde(deserialize_with = "list")]
    pub packages: Vec<Package>,
    #[serde(deserialize_with = "list")]
    pub files: Vec<SpdxFile>,
    #[serde(deserialize_with = "list")]
    pub relationships: Vec<Relationship>,
    #[serde(deserialize_with = "list")]
    pub has_extracted_licensing_infos: Vec<ExtractedLicense>,
    // CycloneDX.
    #[serde(deserialize_with = "text")]
    pub bom_format: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "list")]
    pub components: Vec<Read>,
    #[serde(deserialize_with = "list")]
    pub dependencies: Vec<Dependency>,
}

/// What has a document in it: a statement of in-toto, or a DSSE envelope with one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wrapper {
    pub predicate: Option<Any>,
    #[serde(deserialize_with = "text")]
    pub payload: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CreationInfo {
    #[serde(deserialize_with = "list")]
    pub creators: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Package {
    #[serde(rename = "SPDXID", deserialize_with = "text")]
    pub spdx_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub version_info: Option<String>,
    #[serde(deserialize_with = "text")]
    pub supplier: Option<String>,
    #[serde(deserialize_with = "text")]
    pub originator: Option<String>,
    #[serde(deserialize_with = "text")]
    pub download_location: Option<String>,
    #[serde(deserialize_with = "text")]
    pub homepage: Option<String>,
    #[serde(deserialize_with = "text")]
    pub source_info: Option<String>,
    #[serde(deserialize_with = "text")]
    pub license_concluded: Option<String>,
    #[serde(deserialize_with = "text")]
    pub license_declared: Option<String>,
    #[serde(deserialize_with = "text")]
    pub copyright_text: Option<String>,
    #[serde(deserialize_with = "text")]
    pub summary: Option<String>,
    #[serde(deserialize_with = "text")]
    pub comment: Option<String>,
    #[serde(deserialize_with = "text")]
    pub primary_package_purpose: Option<String>,
    #[serde(deserialize_with = "list")]
    pub checksums: Vec<Checksum>,
    #[serde(deserialize_with = "list")]
    pub external_refs: Vec<SpdxReference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SpdxFile {
    #[serde(rename = "SPDXID", deserialize_with = "text")]
    pub spdx_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub file_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Checksum {
    #[serde(alias = "alg", deserialize_with = "text")]
    pub algorithm: Option<String>,
    #[serde(alias = "content", deserialize_with = "text")]
    pub checksum_value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SpdxReference {
    #[serde(deserialize_with = "text")]
    pub reference_type: Option<String>,
    #[serde(deserialize_with = "text")]
    pub reference_locator: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Relationship {
    pub spdx_element_id: String,
    pub relationship_type: String,
    pub related_spdx_element: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ExtractedLicense {
    pub license_id: String,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub extracted_text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub component: Option<CdxComponent>,
    /// A list of tools until 1.4, an object with components since.
    pub tools: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CdxComponent {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(rename = "bom-ref", deserialize_with = "text")]
    pub bom_ref: Option<String>,
    #[serde(deserialize_with = "text")]
    pub group: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub version: Option<String>,
    #[serde(deserialize_with = "text")]
    pub description: Option<String>,
    #[serde(deserialize_with = "text")]
    pub copyright: Option<String>,
    #[serde(deserialize_with = "text")]
    pub purl: Option<String>,
    #[serde(deserialize_with = "text")]
    pub publisher: Option<String>,
    pub supplier: Option<Entity>,
    #[serde(deserialize_with = "list")]
    pub authors: Vec<Entity>,
    #[serde(deserialize_with = "list")]
    pub hashes: Vec<Checksum>,
    #[serde(deserialize_with = "list")]
    pub licenses: Vec<LicenseChoice>,
    #[serde(deserialize_with = "or_default")]
    pub evidence: Evidence,
    #[serde(deserialize_with = "list")]
    pub external_references: Vec<CdxReference>,
    #[serde(deserialize_with = "list")]
    pub properties: Vec<Property>,
    #[serde(deserialize_with = "list")]
    pub components: Vec<Read>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entity {
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub email: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LicenseChoice {
    pub license: Option<License>,
    #[serde(deserialize_with = "text")]
    pub expression: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct License {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    pub text: Option<LicenseText>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LicenseText {
    #[serde(deserialize_with = "text")]
    pub content: Option<String>,
    #[serde(deserialize_with = "text")]
    pub encoding: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Evidence {
    #[serde(deserialize_with = "list")]
    pub occurrences: Vec<Occurrence>,
    #[serde(deserialize_with = "list")]
    pub licenses: Vec<LicenseChoice>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Occurrence {
    #[serde(deserialize_with = "text")]
    pub location: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CdxReference {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "text")]
    pub url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Property {
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub of: String,
    #[serde(deserialize_with = "list")]
    pub depends_on: Vec<String>,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// What may be null.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A list that may be null.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    or_default(deserializer)
}
