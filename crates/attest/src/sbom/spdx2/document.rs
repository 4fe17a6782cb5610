// SPDX-License-Identifier: Apache-2.0
//! The shape of SPDX 2.3 documents, as far as they are written (SPDX 2.3, JSON schema).

#![expect(
    clippy::struct_field_names,
    reason = "fields are called what they are called in documents"
)]

use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    spdx_id: &'static str,
    name: String,
    pub document_namespace: String,
    creation_info: CreationInfo,
    pub packages: Vec<Package>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub has_extracted_licensing_infos: Vec<ExtractedLicense>,
    pub relationships: Vec<Relationship>,
}

impl Document {
    pub(super) fn new(name: String, creation_info: CreationInfo) -> Self {
        Self {
            spdx_version: "SPDX-2.3",
            data_license: "CC0-1.0",
            spdx_id: super::DOCUMENT,
            name,
            document_namespace: String::new(),
            creation_info,
            packages: Vec::new(),
            files: Vec::new(),
            has_extracted_licensing_infos: Vec::new(),
            relationships: Vec::new(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreationInfo {
    pub created: String,
    pub creators: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_list_version: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    #[serde(rename = "SPDXID")]
    spdx_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originator: Option<String>,
    pub download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_verification_code: Option<VerificationCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_info: Option<String>,
    pub license_concluded: String,
    pub license_declared: String,
    pub copyright_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<ExternalReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_package_purpose: Option<&'static str>,
}

impl Package {
    /// A package of which nothing more is known.
    pub(super) fn new(spdx_id: String, name: String) -> Self {
        Self {
            spdx_id,
            name,
            version_info: None,
            supplier: None,
            originator: None,
            download_location: super::UNKNOWN.to_owned(),
            files_analyzed: false,
            package_verification_code: None,
            checksums: Vec::new(),
            homepage: None,
            source_info: None,
            license_concluded: super::UNKNOWN.to_owned(),
            license_declared: super::UNKNOWN.to_owned(),
            copyright_text: super::UNKNOWN.to_owned(),
            summary: None,
            comment: None,
            external_refs: Vec::new(),
            primary_package_purpose: None,
        }
    }

    /// Its files are in the document, and this is their code.
    pub(super) fn analyzed(&mut self, code: Option<&String>) {
        self.files_analyzed = code.is_some();
        self.package_verification_code =
            code.map(|code| VerificationCode { package_verification_code_value: code.clone() });
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerificationCode {
    pub package_verification_code_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    pub algorithm: &'static str,
    pub checksum_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalReference {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

impl ExternalReference {
    pub(super) fn purl(locator: String) -> Self {
        Self {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: locator,
        }
    }

    pub(super) fn cpe(locator: String) -> Self {
        Self {
            reference_category: "SECURITY",
            reference_type: "cpe23Type",
            reference_locator: locator,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    #[serde(rename = "SPDXID")]
    pub spdx_id: String,
    pub file_name: String,
    pub checksums: [Checksum; 2],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

impl Relationship {
    pub(super) fn new(from: &str, relationship_type: &'static str, to: &str) -> Self {
        Self {
            spdx_element_id: from.to_owned(),
            relationship_type,
            related_spdx_element: to.to_owned(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExtractedLicense {
    pub license_id: String,
    pub extracted_text: String,
    pub name: String,
}
