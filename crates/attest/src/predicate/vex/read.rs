// SPDX-License-Identifier: Apache-2.0
//! Documents of others, of OpenVEX 0.2.0 and 0.0.1, with what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::resource::{PredicateError, limited, shortened};
use super::super::time::Time;
use super::iri::Iri;
use super::model::{
    Component, Justification, Product, Reason, Status, Text, VexError, VexStatement, Vulnerability,
    says_accepted,
};
use super::warning::VexWarning;
use super::{COMPONENTS_MAX, STATEMENTS_MAX, VEX_BYTES_MAX};
use crate::sbom::purl::PackageUrl;

/// The most warnings of a document: whoever reads more has other worries.
const WARNINGS_MAX: usize = 1_000;
/// The most aliases of a vulnerability that are read.
const ALIASES_MAX: usize = 1_000;
pub(super) const KIND: &str = "VEX";
/// What times that are of no statement are the times of.
pub(super) const DOCUMENT: &str = "the document";
pub(super) const NO_NAME: &str = "the vulnerability has no name";
/// Versions of the format.
const KNOWN_CONTEXTS: [&str; 3] =
    ["https://openvex.dev/ns", "https://openvex.dev/ns/v0.0.1", super::URI];
/// Hashes that the format knows.
const HASHES: [&str; 12] = [
    "md5",
    "sha1",
    "sha-256",
    "sha-384",
    "sha-512",
    "sha3-224",
    "sha3-256",
    "sha3-384",
    "sha3-512",
    "blake2s-256",
    "blake2b-256",
    "blake2b-512",
];
/// Identifiers that the format knows.
const IDENTIFIERS: [&str; 3] = ["purl", "cpe22", "cpe23"];

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexRead {
    /// What it calls itself, IRI or not.
    pub id: String,
    /// Who states it.
    pub author: String,
    /// When it was written.
    pub time: Option<Time>,
    /// Its version, which grows with every change.
    pub version: Option<u32>,
    /// What it states, as far as it can be used.
    pub statements: Vec<VexStatement>,
    /// How many statements can't be used, and so are none of these; of CSAF, how many products of statements.
    pub left_out: usize,
    /// What is wrong with it.
    pub warnings: Vec<VexWarning>,
}

impl VexRead {
    /// Returns why statements can't be used, of the first of them.
    pub fn reasons(&self) -> impl Iterator<Item = &VexWarning> {
        self.warnings.iter().filter(|warning| matches!(warning, VexWarning::LeftOut { .. }))
    }
}

/// Reads a document from a file.
///
/// # Errors
/// If it is none. What is wrong with single statements becomes warnings.
pub fn read(bytes: &[u8]) -> Result<VexRead, VexError> {
    if bytes.len() > VEX_BYTES_MAX {
        return Err(VexError::TooLarge(bytes.len()));
    }
    from_value(&serde_json::from_slice(bytes).map_err(VexError::NotJson)?)
}

/// Reads a document that is a predicate.
///
/// # Errors
/// As of [`read`].
pub fn from_value(document: &Value) -> Result<VexRead, VexError> {
    let context = text(document, "@context").unwrap_or_default();
    let is_context = context == "https://openvex.dev/ns"
        || context.strip_prefix("https://openvex.dev/ns/").is_some_and(|rest| !rest.is_empty());
    if !is_context {
        let reason = format!("its @context is {:?}", shortened(context));
        return Err(VexError::NotOpenVex(reason));
    }
    let Some(statements) = document["statements"].as_array() else {
        return Err(VexError::NotOpenVex("it has no statements".to_owned()));
    };
    limited(KIND, "statements", statements.len(), STATEMENTS_MAX).map_err(VexError::TooMany)?;
    let mut reader = Reader::default();
    if !KNOWN_CONTEXTS.contains(&context) {
        reader.warn(VexWarning::UnknownContext(shortened(context)));
    }
    reader.time = reader.time_in(document, "timestamp", DOCUMENT);
    let id = text(document, "@id").unwrap_or_default();
    reader.iri(id);
    // Older documents write the number as a text.
    let version = &document["version"];
    let number = version.as_u64().or_else(|| version.as_str().and_then(|text| text.parse().ok()));
    if number.is_none_or(|number| number == 0) {
        reader.warn(VexWarning::NoVersion);
    }
    let mut read = Vec::new();
    let mut ids = BTreeSet::new();
    for statement in statements {
        let Some(statement) = reader.statement(statement)? else { continue };
        if let Some(id) = &statement.id
            && !ids.insert(id.clone())
        {
            reader.warn(VexWarning::DuplicateId(shortened(id.as_str())));
        }
        read.push(statement);
    }
    let version = number.and_then(|number| u32::try_from(number).ok());
    Ok(reader.finish(id, text(document, "author"), version, read))
}

/// Reads a document of any of the formats: OpenVEX, CSAF 2, or CycloneDX with analyses; bare, or as the predicate of an
/// in-toto statement.
///
/// # Errors
/// As of [`read`].
pub fn read_any(bytes: &[u8]) -> Result<VexRead, VexError> {
    if bytes.len() > VEX_BYTES_MAX {
        return Err(VexError::TooLarge(bytes.len()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let document: Value = serde_json::from_slice(bytes).map_err(VexError::NotJson)?;
    let is_statement = text(&document, "_type").is_some() && document["predicate"].is_object();
    let document = if is_statement { &document["predicate"] } else { &document };
    if text(&document["document"], "csaf_version").is_some_and(|version| version.starts_with("2."))
    {
        return super::csaf::read(document);
    }
    if text(document, "bomFormat") == Some("CycloneDX") {
        return super::cyclonedx::read(document);
    }
    from_value(document)
}

/// Returns ids that several different documents have: whoever made them numbers none of them.
pub fn duplicated_ids(documents: &[VexRead]) -> BTreeSet<&str> {
    let mut first: BTreeMap<&str, &VexRead> = BTreeMap::new();
    let mut duplicated = BTreeSet::new();
    for document in documents {
        let other = first.entry(&document.id).or_insert(document);
        if other.statements != document.statements {
            duplicated.insert(document.id.as_str());
        }
    }
    duplicated
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

pub(super) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn long_text(value: &Value, key: &str) -> Option<Text> {
    Text::new(text(value, key)?).ok()
}

#[derive(Default)]
pub(super) struct Reader {
    warnings: Vec<VexWarning>,
    /// Statements that can't be used.
    left_out: usize,
    components: usize,
    /// Names that were warned of.
    image_names: BTreeSet<String>,
    /// The document's.
    pub(super) time: Option<Time>,
}

impl Reader {
    /// Ends with what the document says of itself.
    pub(super) fn finish(
        mut self,
        id: &str,
        author: Option<&str>,
        version: Option<u32>,
        statements: Vec<VexStatement>,
    ) -> VexRead {
        if author.is_none() {
            self.warn(VexWarning::NoAuthor);
        }
        if statements.is_empty() && self.left_out == 0 {
            self.warn(VexWarning::NoStatement);
        }
        VexRead {
            id: id.to_owned(),
            author: author.unwrap_or_default().to_owned(),
            time: self.time,
            version: version.filter(|number| *number > 0),
            statements,
            left_out: self.left_out,
            warnings: self.warnings,
        }
    }

    /// Reads a time; `place` is what it is the time of.
    pub(super) fn time_in(&mut self, value: &Value, key: &str, place: &str) -> Option<Time> {
        let value = value.get(key).filter(|value| !value.is_null())?;
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        if text.is_empty() {
            return None;
        }
        let time = text.parse().ok();
        if time.is_none() {
            self.warn(VexWarning::BadTime { place: place.to_owned(), text: shortened(&text) });
        }
        time
    }

    pub(super) fn warn(&mut self, warning: VexWarning) {
        match self.warnings.len() {
            0..WARNINGS_MAX => self.warnings.push(warning),
            WARNINGS_MAX => self.warnings.push(VexWarning::More),
            _ => {}
        }
    }

    fn iri(&mut self, text: &str) -> Option<Iri> {
        let iri = text.parse().ok();
        if iri.is_none() {
            self.warn(VexWarning::NotAnIri(shortened(text)));
        }
        iri
    }

    pub(super) fn leave_out(&mut self, vulnerability: &str, reason: impl Into<String>) {
        self.left_out += 1;
        let vulnerability = shortened(vulnerability);
        self.warn(VexWarning::LeftOut { vulnerability, reason: reason.into() });
    }

    fn statement(&mut self, value: &Value) -> Result<Option<VexStatement>, VexError> {
        let Some(vulnerability) = vulnerability(value)? else {
            self.leave_out("?", NO_NAME);
            return Ok(None);
        };
        let name = shortened(&vulnerability.name);
        let id = match text(value, "@id") {
            Some(id) => self.iri(id),
            None => None,
        };
        let Some(status) = self.status(value, &name) else { return Ok(None) };
        let products = self.products(value, &name)?;
        if products.is_empty() {
            // The format allows it where something else names the product; nothing does here.
            self.leave_out(&name, no_product(list(value, "products")));
            return Ok(None);
        }
        let own = ["last_updated", "timestamp"].map(|key| self.time_in(value, key, &name));
        let time = own.into_iter().flatten().next().or(self.time);
        let time = self.known(time, &name);
        let (notes, supplier) = (long_text(value, "status_notes"), long_text(value, "supplier"));
        Ok(Some(VexStatement { vulnerability, time, status, products, notes, supplier, id }))
    }

    fn status(&mut self, value: &Value, name: &str) -> Option<Status> {
        let word = text(value, "status").unwrap_or_default();
        let status = match word {
            "not_affected" => self.not_affected(value, name)?,
            "affected" => self.affected(value, name),
            "fixed" => Status::Fixed,
            "under_investigation" => Status::UnderInvestigation,
            _ => {
                self.leave_out(name, format!("its status is {:?}", shortened(word)));
                return None;
            }
        };
        let wrong: &[&'static str] = match word {
            "not_affected" => &["action_statement"],
            "affected" => &["justification", "impact_statement"],
            _ => &["justification", "impact_statement", "action_statement"],
        };
        for field in wrong {
            if text(value, field).is_some() {
                self.warn(VexWarning::WrongField { vulnerability: name.to_owned(), field });
            }
        }
        Some(status)
    }

    /// Returns a time, or what stands for none.
    pub(super) fn known(&mut self, time: Option<Time>, name: &str) -> Time {
        time.unwrap_or_else(|| {
            self.warn(VexWarning::NoTime(name.to_owned()));
            Time::EPOCH
        })
    }

    fn not_affected(&mut self, value: &Value, name: &str) -> Option<Status> {
        let accepted = text(value, "status_notes").filter(|notes| says_accepted(notes));
        if let Some(words) = accepted {
            return self.accepted(words, name);
        }
        let word = text(value, "justification");
        let justification = word.and_then(Justification::of);
        if let (Some(word), None, None) = (word, justification, text(value, "impact_statement")) {
            let word = shortened(word);
            self.leave_out(name, format!("not_affected needs a reason, and has {word:?}"));
            return None;
        }
        self.not_affected_with(justification, text(value, "impact_statement"), name)
    }

    /// States that something is not affected, for the reasons that somebody gives. An accepted risk is none.
    pub(super) fn not_affected_with(
        &mut self,
        justification: Option<Justification>,
        impact: Option<&str>,
        name: &str,
    ) -> Option<Status> {
        if let Some(words) = impact.filter(|impact| says_accepted(impact)) {
            return self.accepted(words, name);
        }
        let impact = impact.and_then(|impact| Text::new(impact).ok());
        let reason = match (justification, impact) {
            (Some(justification), impact) => Reason::justified(justification, impact),
            (None, Some(impact)) => Reason::explained(impact),
            (None, None) => {
                self.leave_out(name, "not_affected needs a reason, and has none");
                return None;
            }
        };
        reason.ok().map(Status::NotAffected)
    }

    fn accepted(&mut self, words: &str, name: &str) -> Option<Status> {
        self.warn(VexWarning::AcceptedRisk(name.to_owned()));
        let action = Text::new(&format!("accepted: {}", shortened(words))).ok()?;
        Some(Status::Affected { action, action_time: None })
    }

    fn affected(&mut self, value: &Value, name: &str) -> Status {
        let action_time = self.time_in(value, "action_statement_timestamp", name);
        self.affected_with(long_text(value, "action_statement"), action_time, name)
    }

    pub(super) fn affected_with(
        &mut self,
        action: Option<Text>,
        action_time: Option<Time>,
        name: &str,
    ) -> Status {
        let action = action.unwrap_or_else(|| {
            self.warn(VexWarning::NoAction(name.to_owned()));
            Text::none_stated()
        });
        Status::Affected { action, action_time }
    }

    fn products(&mut self, value: &Value, name: &str) -> Result<BTreeSet<Product>, VexError> {
        let mut state = Unfit::default();
        let mut products = BTreeSet::new();
        // In the oldest documents the parts stand beside the products.
        let common = list(value, "subcomponents");
        for product in list(value, "products") {
            let own = list(product, "subcomponents");
            let Some(component) = self.component(product, name, &mut state)? else { continue };
            let mut subcomponents = BTreeSet::new();
            for part in own.iter().chain(common) {
                subcomponents.extend(self.component(part, name, &mut state)?);
            }
            // If none of its parts can be identified, it must not become a statement about all of it.
            if subcomponents.is_empty() && !(own.is_empty() && common.is_empty()) {
                continue;
            }
            products.insert(Product { component, subcomponents });
        }
        self.tell(name, &state);
        Ok(products)
    }

    /// Warns of components that do not fit what scanners compare them with.
    pub(super) fn tell(&mut self, name: &str, unfit: &Unfit) {
        if unfit.versionless > 0 {
            let (vulnerability, count) = (name.to_owned(), unfit.versionless);
            self.warn(VexWarning::NoProductVersion { vulnerability, count });
        }
        if unfit.narrow > 0 {
            let (vulnerability, count) = (name.to_owned(), unfit.narrow);
            self.warn(VexWarning::TooNarrow { vulnerability, count });
        }
    }

    pub(super) fn component(
        &mut self,
        value: &Value,
        name: &str,
        unfit: &mut Unfit,
    ) -> Result<Option<Component>, VexError> {
        self.components += 1;
        limited(KIND, "products and subcomponents", self.components, COMPONENTS_MAX)
            .map_err(VexError::TooMany)?;
        let id = value.as_str().or_else(|| text(value, "@id"));
        let id = id.and_then(|id| id.parse::<Iri>().ok());
        let named = |key: &str, names: &[&str]| -> BTreeMap<String, String> {
            let fields = value[key].as_object().into_iter().flatten();
            fields
                .filter(|(name, _)| names.contains(&name.as_str()))
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect()
        };
        let component = Component {
            id,
            identifiers: named("identifiers", &IDENTIFIERS),
            hashes: named("hashes", &HASHES),
        };
        if component.key().is_empty() {
            self.warn(VexWarning::NoProductId(name.to_owned()));
            return Ok(None);
        }
        if let Some(purl) = component.purl() {
            unfit.count(&purl);
            if purl.kind() == "oci" && purl.name().contains('/') {
                let name = shortened(purl.name());
                if self.warnings.len() <= WARNINGS_MAX && self.image_names.insert(name.clone()) {
                    self.warn(VexWarning::ImageName(name));
                }
            }
        }
        Ok(Some(component))
    }
}

/// Says why a statement is about no product.
pub(super) fn no_product(products: &[Value]) -> &'static str {
    if products.is_empty() {
        "it names no product"
    } else {
        "none of its products can be identified"
    }
}

/// Components that do not fit what scanners compare them with.
#[derive(Default)]
pub(super) struct Unfit {
    versionless: usize,
    narrow: usize,
}

impl Unfit {
    fn count(&mut self, purl: &PackageUrl) {
        let is_image = matches!(purl.kind(), "oci" | "docker");
        if purl.version().is_none() {
            self.versionless += 1;
        }
        if !is_image && purl.qualifiers().iter().any(|(key, _)| key != "arch") {
            self.narrow += 1;
        }
    }
}

fn vulnerability(statement: &Value) -> Result<Option<Vulnerability>, VexError> {
    let value = &statement["vulnerability"];
    // A text in the oldest documents; some have `@id` alone, an address that ends with the name.
    let last = |iri: &str| iri.rsplit('/').next().unwrap_or_default().to_owned();
    let name = (value.as_str().map(str::trim).map(str::to_owned))
        .or_else(|| text(value, "name").map(str::to_owned))
        .or_else(|| text(value, "@id").map(last));
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    let aliases = value["aliases"].as_array().into_iter().flatten();
    let aliases: Vec<&str> = aliases.filter_map(Value::as_str).collect();
    limited(KIND, "aliases", aliases.len(), ALIASES_MAX).map_err(VexError::TooMany)?;
    let aliases = aliases.into_iter().map(|alias| alias.trim().to_owned());
    let aliases = aliases.filter(|alias| !alias.is_empty() && *alias != name).collect();
    let description = long_text(value, "description");
    Ok(Some(Vulnerability { name, aliases, description }))
}

impl From<VexError> for PredicateError {
    fn from(error: VexError) -> Self {
        match error {
            VexError::TooMany(error) => error,
            error => Self::invalid(KIND, "document", error.to_string()),
        }
    }
}
