// SPDX-License-Identifier: Apache-2.0
//! Documents, as they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use hardpan_image::canonical_json;
use hardpan_tree::Digest;
use serde::{Serialize, Serializer};

use super::super::resource::shortened;
use super::super::time::Time;
use super::iri::Iri;
use super::model::{
    Component, Justification, Product, Reason, Status, Text, VexError, VexStatement, Vulnerability,
};
use super::{STATEMENTS_MAX, URI};

/// What a document says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexHeader {
    /// Its id.
    pub id: Iri,
    /// Who states it.
    pub author: Text,
    /// What they are: `Document Creator`.
    pub role: Option<Text>,
    /// When it was first written.
    pub time: Time,
    /// When it was last changed.
    pub last_updated: Option<Time>,
    /// Its version. Each change of a statement makes a new one.
    pub version: NonZeroU32,
    /// What wrote it.
    pub tooling: Option<Text>,
}

/// A document. The same header and statements always give the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexDocument {
    header: VexHeader,
    statements: Vec<VexStatement>,
}

impl VexDocument {
    /// Makes a document of statements. Those without an id get one that is made of the document's, the
    /// vulnerability and the products: it stays the same from version to version.
    ///
    /// # Errors
    /// If there is no statement, one of them can't be, or two have one id.
    pub fn new(header: VexHeader, statements: Vec<VexStatement>) -> Result<Self, VexError> {
        if statements.is_empty() {
            return Err(VexError::NoStatement);
        }
        if statements.len() > STATEMENTS_MAX {
            return Err(VexError::TooManyStatements(statements.len()));
        }
        let mut statements = statements;
        statements.sort();
        let mut ids = BTreeSet::new();
        for statement in &mut statements {
            statement.check()?;
            let id = match statement.id.take() {
                Some(id) => id,
                None => statement_id(&header.id, statement)?,
            };
            if !ids.insert(id.clone()) {
                return Err(VexError::DuplicateStatement(shortened(id.as_str())));
            }
            statement.id = Some(id);
        }
        Ok(Self { header, statements })
    }

    /// Returns what it says of itself.
    pub fn header(&self) -> &VexHeader {
        &self.header
    }

    /// Returns its statements.
    pub fn statements(&self) -> &[VexStatement] {
        &self.statements
    }

    /// Returns it as bytes, for a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical_json(self)
    }
}

/// Returns an id that depends on what a statement is about, and not on what it says.
fn statement_id(document: &Iri, statement: &VexStatement) -> Result<Iri, VexError> {
    let mut keys = vec![statement.vulnerability.name.clone()];
    for product in &statement.products {
        keys.push(product.component.key());
        // A space is in no package URL, so a part is no product.
        keys.extend(product.subcomponents.iter().map(|part| format!(" {}", part.key())));
    }
    let hash = Digest::of(&canonical_json(&keys)).to_hex();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let name = statement.vulnerability.name.chars().map(|c| if is_plain(c) { c } else { '_' });
    let name: String = name.take(64).collect();
    let text = format!("{}#{name}/{}", document.without_fragment(), &hash[..16]);
    Ok(text.parse::<Iri>()?)
}

impl Serialize for VexDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let header = &self.header;
        let document = WireDocument {
            context: URI,
            id: &header.id,
            author: &header.author,
            role: header.role.as_ref(),
            timestamp: header.time,
            last_updated: header.last_updated,
            version: header.version,
            tooling: header.tooling.as_ref(),
            statements: self.statements.iter().map(wire_statement).collect(),
        };
        document.serialize(serializer)
    }
}

#[derive(Serialize)]
struct WireDocument<'d> {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@id")]
    id: &'d Iri,
    author: &'d Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'d Text>,
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated: Option<Time>,
    version: NonZeroU32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tooling: Option<&'d Text>,
    statements: Vec<WireStatement<'d>>,
}

#[derive(Serialize)]
struct WireStatement<'d> {
    #[serde(rename = "@id", skip_serializing_if = "Option::is_none")]
    id: Option<&'d Iri>,
    vulnerability: WireVulnerability<'d>,
    timestamp: Time,
    products: Vec<WireComponent<'d>>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<&'d Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_notes: Option<&'d Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impact_statement: Option<&'d Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_statement: Option<&'d Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_statement_timestamp: Option<Time>,
}

#[derive(Serialize)]
struct WireVulnerability<'d> {
    name: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'d Text>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    aliases: &'d BTreeSet<String>,
}

#[derive(Serialize)]
struct WireComponent<'d> {
    #[serde(rename = "@id", skip_serializing_if = "Option::is_none")]
    id: Option<&'d Iri>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    identifiers: &'d BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hashes: &'d BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subcomponents: Vec<WireComponent<'d>>,
}

fn wire_statement(statement: &VexStatement) -> WireStatement<'_> {
    let Vulnerability { name, aliases, description } = &statement.vulnerability;
    let (reason, action) = match &statement.status {
        Status::NotAffected(reason) => (Some(reason), None),
        Status::Affected { action, action_time } => (None, Some((action, *action_time))),
        Status::Fixed | Status::UnderInvestigation => (None, None),
    };
    let justification = reason.and_then(Reason::justification);
    WireStatement {
        id: statement.id.as_ref(),
        vulnerability: WireVulnerability { name, description: description.as_ref(), aliases },
        timestamp: statement.time,
        products: statement.products.iter().map(wire_product).collect(),
        status: statement.status.as_str(),
        supplier: statement.supplier.as_ref(),
        status_notes: statement.notes.as_ref(),
        justification: justification.map(Justification::as_str),
        impact_statement: reason.and_then(Reason::impact),
        action_statement: action.map(|(action, _)| action),
        action_statement_timestamp: action.and_then(|(_, time)| time),
    }
}

fn wire_product(product: &Product) -> WireComponent<'_> {
    let parts = product.subcomponents.iter().map(|part| wire_component(part, Vec::new()));
    wire_component(&product.component, parts.collect())
}

fn wire_component<'d>(
    component: &'d Component,
    subcomponents: Vec<WireComponent<'d>>,
) -> WireComponent<'d> {
    let Component { id, identifiers, hashes } = component;
    WireComponent { id: id.as_ref(), identifiers, hashes, subcomponents }
}
