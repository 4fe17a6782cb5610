// SPDX-License-Identifier: Apache-2.0
//! The shape of SPDX 3.0.1 documents in JSON-LD, as far as they are written (SPDX 3.0.1, JSON schema).

#![expect(
    clippy::struct_field_names,
    reason = "fields are called what they are called in documents"
)]

use serde::Serialize;

/// The one piece of creation information, which all elements share.
const CREATION: &str = "_:creation";

#[derive(Debug, Serialize)]
pub(super) struct Document {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@graph")]
    pub graph: Vec<Node>,
}

impl Document {
    pub(super) fn new(graph: Vec<Node>) -> Self {
        Self { context: "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", graph }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Node {
    Creation(CreationInfo),
    Element(Box<Element>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreationInfo {
    #[serde(rename = "type")]
    class: &'static str,
    #[serde(rename = "@id")]
    id: &'static str,
    spec_version: &'static str,
    created: String,
    created_by: [String; 1],
    created_using: [String; 1],
}

impl CreationInfo {
    pub(super) fn new(created: String, by: String, using: String) -> Self {
        Self {
            class: "CreationInfo",
            id: CREATION,
            spec_version: "3.0.1",
            created,
            created_by: [by],
            created_using: [using],
        }
    }
}

/// An element, with what elements of all classes may have.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Element {
    #[serde(rename = "type")]
    class: &'static str,
    spdx_id: String,
    creation_info: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_identifier: Vec<ExternalIdentifier>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified_using: Vec<Hash>,
    #[serde(flatten)]
    body: Body,
}

impl Element {
    pub(super) fn new(class: &'static str, spdx_id: String, body: Body) -> Self {
        Self {
            class,
            spdx_id,
            creation_info: CREATION,
            name: None,
            summary: None,
            comment: None,
            external_identifier: Vec::new(),
            verified_using: Vec::new(),
            body,
        }
    }

    pub(super) fn named(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }
}

impl From<Element> for Node {
    fn from(element: Element) -> Self {
        Self::Element(Box::new(element))
    }
}

/// What elements of one class have.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Body {
    /// Agents, tools and files have no more than every element.
    Plain {},
    Document(SpdxDocument),
    Sbom(SoftwareSbom),
    Package(Package),
    Relationship(Relationship),
    Expression(Expression),
    LicenseText(LicenseText),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpdxDocument {
    pub data_license: String,
    pub profile_conformance: [&'static str; 3],
    pub root_element: [String; 1],
}

#[derive(Debug, Serialize)]
pub(super) struct SoftwareSbom {
    #[serde(rename = "rootElement")]
    pub root_element: [String; 1],
    #[serde(rename = "software_sbomType")]
    pub sbom_type: [&'static str; 1],
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Package {
    #[serde(rename = "suppliedBy", skip_serializing_if = "Option::is_none")]
    pub supplied_by: Option<String>,
    #[serde(rename = "originatedBy", skip_serializing_if = "Vec::is_empty")]
    pub originated_by: Vec<String>,
    #[serde(rename = "software_packageVersion", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(rename = "software_packageUrl", skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    #[serde(rename = "software_downloadLocation", skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    #[serde(rename = "software_homePage", skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    #[serde(rename = "software_sourceInfo", skip_serializing_if = "Option::is_none")]
    pub source_info: Option<String>,
    #[serde(rename = "software_copyrightText", skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
    #[serde(rename = "software_primaryPurpose", skip_serializing_if = "Option::is_none")]
    pub purpose: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Relationship {
    pub from: String,
    pub relationship_type: &'static str,
    pub to: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Expression {
    #[serde(rename = "simplelicensing_licenseExpression")]
    pub expression: String,
    #[serde(rename = "simplelicensing_licenseListVersion")]
    pub list_version: &'static str,
    #[serde(rename = "simplelicensing_customIdToUri", skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<Entry>,
}

/// What a `LicenseRef-` of an expression stands for.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    class: &'static str,
    key: String,
    value: String,
}

impl Entry {
    pub(super) fn new(key: String, value: String) -> Self {
        Self { class: "DictionaryEntry", key, value }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct LicenseText {
    #[serde(rename = "simplelicensing_licenseText")]
    pub text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalIdentifier {
    #[serde(rename = "type")]
    class: &'static str,
    external_identifier_type: &'static str,
    identifier: String,
}

impl ExternalIdentifier {
    pub(super) fn new(kind: &'static str, identifier: String) -> Self {
        Self { class: "ExternalIdentifier", external_identifier_type: kind, identifier }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hash {
    #[serde(rename = "type")]
    class: &'static str,
    algorithm: &'static str,
    hash_value: String,
}

impl Hash {
    pub(super) fn sha256(hash_value: String) -> Self {
        Self { class: "Hash", algorithm: "sha256", hash_value }
    }
}
