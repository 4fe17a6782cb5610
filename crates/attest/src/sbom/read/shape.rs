// SPDX-License-Identifier: Apache-2.0
//! The shape of documents, as far as they are read. Texts of other types than text are taken as absent.

#![expect(
    clippy::struct_field_names,
    reason = "fields are called what they are called in documents"
)]

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::cyclonedx::Components;

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
    pub components: Components,
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
    pub component: Option<Subject>,
    /// A list of tools until 1.4, an object with components since.
    pub tools: Value,
}

/// What a document of CycloneDX is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Subject {
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    pub components: Components,
}

/// A component. There may be many, and little of each is kept, so that its texts stay where they are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CdxComponent<'d> {
    #[serde(borrow, rename = "type", deserialize_with = "text")]
    pub kind: Option<Cow<'d, str>>,
    #[serde(borrow, rename = "bom-ref", deserialize_with = "text")]
    pub bom_ref: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub group: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub name: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub version: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub description: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub copyright: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub purl: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub publisher: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub supplier: Option<Entity<'d>>,
    #[serde(borrow, deserialize_with = "list")]
    pub authors: Vec<Entity<'d>>,
    #[serde(deserialize_with = "list")]
    pub hashes: Vec<Checksum>,
    #[serde(borrow, deserialize_with = "list")]
    pub licenses: Vec<LicenseChoice<'d>>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub evidence: Evidence<'d>,
    #[serde(borrow, deserialize_with = "list")]
    pub external_references: Vec<CdxReference<'d>>,
    #[serde(borrow, deserialize_with = "list")]
    pub properties: Vec<Property<'d>>,
    pub components: Components,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entity<'d> {
    #[serde(borrow, deserialize_with = "text")]
    pub name: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub email: Option<Cow<'d, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LicenseChoice<'d> {
    #[serde(borrow)]
    pub license: Option<License<'d>>,
    #[serde(borrow, deserialize_with = "text")]
    pub expression: Option<Cow<'d, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct License<'d> {
    #[serde(borrow, deserialize_with = "text")]
    pub id: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub name: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub text: Option<LicenseText<'d>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LicenseText<'d> {
    #[serde(borrow, deserialize_with = "text")]
    pub content: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub encoding: Option<Cow<'d, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Evidence<'d> {
    #[serde(borrow, deserialize_with = "list")]
    pub occurrences: Vec<Occurrence<'d>>,
    #[serde(borrow, deserialize_with = "list")]
    pub licenses: Vec<LicenseChoice<'d>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Occurrence<'d> {
    #[serde(borrow, deserialize_with = "text")]
    pub location: Option<Cow<'d, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CdxReference<'d> {
    #[serde(borrow, rename = "type", deserialize_with = "text")]
    pub kind: Option<Cow<'d, str>>,
    #[serde(borrow, deserialize_with = "text")]
    pub url: Option<Cow<'d, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Property<'d> {
    #[serde(borrow)]
    pub name: Cow<'d, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub value: Option<Cow<'d, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub of: String,
    #[serde(deserialize_with = "list")]
    pub depends_on: Vec<String>,
}

/// A text, borrowed where it stands in the document as it is.
fn text<'de, D: Deserializer<'de>, T: From<Cow<'de, str>>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(deserializer.deserialize_any(AnyText)?.map(T::from))
}

/// Takes whatever there is.
struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(list)?;
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(object)?;
        Ok(None)
    }
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
