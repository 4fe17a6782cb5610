// SPDX-License-Identifier: Apache-2.0
//! The shape of CycloneDX documents, as far as they are written. 1.6 and 1.7 do not differ in it.

use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'s> {
    #[serde(rename = "$schema")]
    pub schema: &'static str,
    pub bom_format: &'static str,
    pub spec_version: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub serial_number: String,
    pub version: u32,
    pub metadata: Metadata,
    pub components: Vec<Component>,
    pub dependencies: Vec<Dependency<'s>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    pub timestamp: String,
    pub tools: Tools,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Contact>,
    pub component: Component,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Entity>,
}

#[derive(Debug, Serialize)]
pub(super) struct Tools {
    pub components: [Tool; 1],
}

#[derive(Debug, Serialize)]
pub(super) struct Tool {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub name: String,
    pub version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Component {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(rename = "bom-ref")]
    pub bom_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Entity>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Contact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<LicenseChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_references: Vec<ExternalReference>,
    #[serde(skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
}

impl Component {
    pub(super) fn new(kind: &'static str, bom_ref: String, name: String) -> Self {
        Self {
            kind,
            bom_ref,
            supplier: None,
            authors: Vec::new(),
            group: None,
            name,
            version: None,
            description: None,
            hashes: Vec::new(),
            licenses: Vec::new(),
            copyright: None,
            cpe: None,
            purl: None,
            external_references: Vec::new(),
            evidence: Evidence::default(),
            properties: Vec::new(),
        }
    }

    /// Adds a property of ours.
    pub(super) fn property(&mut self, name: &str, value: &str) {
        self.properties.push(Property { name: format!("hardpan:{name}"), value: value.to_owned() });
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Entity {
    pub name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<Contact>,
}

#[derive(Debug, Serialize)]
pub(super) struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Hash {
    pub alg: &'static str,
    pub content: String,
}

/// All of a list are licences, or there is one expression: the formats do not allow both.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum LicenseChoice {
    License { license: License },
    Expression { expression: String, acknowledgement: &'static str },
}

#[derive(Debug, Serialize)]
pub(super) struct License {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Text {
    pub content_type: &'static str,
    pub content: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ExternalReference {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub url: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Evidence {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub occurrences: Vec<Occurrence>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<LicenseChoice>,
}

impl Evidence {
    fn is_empty(&self) -> bool {
        self.occurrences.is_empty() && self.licenses.is_empty()
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Occurrence {
    pub location: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Property {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency<'s> {
    #[serde(rename = "ref")]
    pub of: &'s str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<&'s str>,
}
