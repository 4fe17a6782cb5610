// SPDX-License-Identifier: Apache-2.0
//! Statements in CSAF 2.0 documents, of the profile for VEX and of any other that has a status for products.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::resource::{limited, shortened};
use super::super::time::Time;
use super::read::{DOCUMENT, KIND, NO_NAME, Reader, Unfit, VexRead, list, long_text, text};
use super::warning::VexWarning;
use super::{
    COMPONENTS_MAX, Component, Justification, Product, STATEMENTS_MAX, Status, Text, VexError,
    VexStatement, Vulnerability,
};

/// How deep branches are followed; those of real documents are five deep, and the reader of JSON stops at 128.
const BRANCHES_DEEP_MAX: usize = 64;
/// The most groups of products of a document.
const GROUPS_MAX: usize = 100_000;
/// Lists of products by what is said of them.
const STATUSES: [(&str, &str); 7] = [
    ("known_not_affected", "not_affected"),
    ("fixed", "fixed"),
    ("first_fixed", "fixed"),
    ("known_affected", "affected"),
    ("first_affected", "affected"),
    ("last_affected", "affected"),
    ("under_investigation", "under_investigation"),
];

/// What somebody can do about it.
const REMEDIES: [&str; 5] =
    ["vendor_fix", "mitigation", "workaround", "none_available", "no_fix_planned"];

/// Reads a document.
pub(super) fn read(document: &Value) -> Result<VexRead, VexError> {
    let head = &document["document"];
    let tracking = &head["tracking"];
    let released = ["current_release_date", "initial_release_date"];
    let mut reader = Reader::default();
    reader.time = released.iter().find_map(|key| reader.time_in(tracking, key, DOCUMENT));
    if text(tracking, "status") == Some("draft") {
        reader.warn(VexWarning::Draft);
    }
    let names = Names::of(&document["product_tree"])?;
    let mut statements = Vec::new();
    for vulnerability in list(document, "vulnerabilities") {
        let Some(named) = named(vulnerability) else {
            reader.leave_out("?", NO_NAME);
            continue;
        };
        let said = Said::new(vulnerability, named, &names, &mut reader)?;
        for (list_name, word) in STATUSES {
            said.statements(list_name, word, &names, &mut reader, &mut statements)?;
        }
        limited(KIND, "statements", statements.len(), STATEMENTS_MAX).map_err(VexError::TooMany)?;
    }
    // `3`, or `3.1.0` of those who count in another way.
    let version = text(tracking, "version").and_then(|text| text.split('.').next()?.parse().ok());
    let id = text(tracking, "id").unwrap_or_default();
    Ok(reader.finish(id, text(&head["publisher"], "name"), version, statements))
}

/// Returns the vulnerability: its CVE, or the first of its other ids.
fn named(vulnerability: &Value) -> Option<Vulnerability> {
    let ids = list(vulnerability, "ids").iter().filter_map(|id| text(id, "text"));
    let mut ids: Vec<&str> = text(vulnerability, "cve").into_iter().chain(ids).collect();
    ids.truncate(64);
    let (first, others) = ids.split_first()?;
    let mut named = Vulnerability::new(first);
    let others = others.iter().filter(|other| *other != first);
    named.aliases = others.map(|other| (*other).to_owned()).collect();
    named.description = long_text(vulnerability, "title");
    Some(named)
}

/// What a document calls products.
struct Names<'d> {
    /// Package URLs of products. One can have several.
    purls: BTreeMap<&'d str, Vec<&'d str>>,
    /// Products that are a part of another: which, and of what.
    parts: BTreeMap<&'d str, (&'d str, &'d str)>,
    groups: BTreeMap<&'d str, Vec<&'d str>>,
}

impl<'d> Names<'d> {
    fn of(tree: &'d Value) -> Result<Self, VexError> {
        let mut names =
            Self { purls: BTreeMap::new(), parts: BTreeMap::new(), groups: BTreeMap::new() };
        for product in list(tree, "full_product_names") {
            names.add(product);
        }
        let mut open: Vec<(&Value, usize)> = vec![(tree, 0)];
        while let Some((branch, depth)) = open.pop() {
            if let Some(product) = branch.get("product") {
                names.add(product);
            }
            let inner = list(branch, "branches");
            if depth < BRANCHES_DEEP_MAX {
                open.extend(inner.iter().map(|inner| (inner, depth + 1)));
            }
        }
        for relation in list(tree, "relationships") {
            let whole = &relation["full_product_name"];
            names.add(whole);
            if let (Some(id), Some(part), Some(of)) = (
                text(whole, "product_id"),
                text(relation, "product_reference"),
                text(relation, "relates_to_product_reference"),
            ) {
                names.parts.insert(id, (part, of));
            }
        }
        let groups = list(tree, "product_groups");
        limited(KIND, "groups of products", groups.len(), GROUPS_MAX).map_err(VexError::TooMany)?;
        for group in groups {
            let ids = list(group, "product_ids").iter().filter_map(Value::as_str);
            if let Some(id) = text(group, "group_id") {
                names.groups.insert(id, ids.collect());
            }
        }
        let count = names.purls.len() + names.parts.len();
        limited(KIND, "products", count, COMPONENTS_MAX).map_err(VexError::TooMany)?;
        Ok(names)
    }

    fn add(&mut self, product: &'d Value) {
        let Some(id) = text(product, "product_id") else { return };
        let helper = &product["product_identification_helper"];
        let many = list(helper, "purls").iter().filter_map(Value::as_str);
        let purls = text(helper, "purl").into_iter().chain(many);
        self.purls.entry(id).or_default().extend(purls);
    }

    /// Returns what flags, threats or remediations say of each product, the first that says something; under `None`
    /// what is said of all.
    ///
    /// # Errors
    /// If there is more of it than is read.
    fn index<T: Clone>(
        &self,
        values: &'d [Value],
        mut say: impl FnMut(&'d Value) -> Option<T>,
    ) -> Result<BTreeMap<Option<&'d str>, T>, VexError> {
        let mut said = BTreeMap::new();
        let mut count = 0;
        for value in values {
            let Some(what) = say(value) else { continue };
            let (ids, groups) = (list(value, "product_ids"), list(value, "group_ids"));
            if ids.is_empty() && groups.is_empty() {
                said.entry(None).or_insert(what);
                continue;
            }
            let groups = groups.iter().filter_map(|id| self.groups.get(id.as_str()?)).flatten();
            for id in ids.iter().filter_map(Value::as_str).chain(groups.copied()) {
                count += 1;
                limited(KIND, "products of flags", count, COMPONENTS_MAX)
                    .map_err(VexError::TooMany)?;
                said.entry(Some(id)).or_insert_with(|| what.clone());
            }
        }
        Ok(said)
    }

    /// Says why a product can't be used.
    fn unusable(&self, id: &str) -> String {
        let why = match (self.purls.contains_key(id), self.parts.contains_key(id)) {
            (false, _) => "is not defined in the document",
            (true, true) => "consists of what has no package URL",
            (true, false) => "has no package URL",
        };
        format!("the product {:?} {why}", shortened(id))
    }

    fn product(
        &self,
        id: &str,
        name: &str,
        reader: &mut Reader,
        unfit: &mut Unfit,
    ) -> Result<Vec<Product>, VexError> {
        let mut components = |id: &str, reader: &mut Reader| -> Result<Vec<Component>, VexError> {
            let mut components = Vec::new();
            for purl in self.purls.get(id).into_iter().flatten() {
                let value = Value::String((*purl).to_owned());
                components.extend(reader.component(&value, name, unfit)?);
            }
            Ok(components)
        };
        // What a part is called as a whole counts before what it consists of.
        let own = components(id, reader)?;
        if let (true, Some((part, of))) = (own.is_empty(), self.parts.get(id)) {
            let parts: BTreeSet<Component> = components(part, reader)?.into_iter().collect();
            let wholes = components(of, reader)?;
            if parts.is_empty() {
                return Ok(Vec::new());
            }
            if !wholes.is_empty() {
                let whole = |component| Product { component, subcomponents: parts.clone() };
                return Ok(wholes.into_iter().map(whole).collect());
            }
            // Of something that nobody can identify: the part alone would be more than what is stated.
            return Ok(Vec::new());
        }
        let alone = |component| Product { component, subcomponents: BTreeSet::new() };
        Ok(own.into_iter().map(alone).collect())
    }
}

/// What is said of products of one vulnerability.
struct Said<'d> {
    vulnerability: &'d Value,
    named: Vulnerability,
    name: String,
    flags: BTreeMap<Option<&'d str>, Justification>,
    dates: BTreeMap<Option<&'d str>, Time>,
    impacts: BTreeMap<Option<&'d str>, &'d str>,
    actions: BTreeMap<Option<&'d str>, &'d str>,
}

fn of<'m, 'd, T>(said: &'m BTreeMap<Option<&'d str>, T>, id: &'d str) -> Option<&'m T> {
    said.get(&Some(id)).or_else(|| said.get(&None))
}

impl<'d> Said<'d> {
    fn new(
        vulnerability: &'d Value,
        named: Vulnerability,
        names: &Names<'d>,
        reader: &mut Reader,
    ) -> Result<Self, VexError> {
        let name = shortened(&named.name);
        let details = |categories: &'static [&str]| {
            move |value: &'d Value| {
                let category = text(value, "category").unwrap_or_default();
                text(value, "details").filter(|_| categories.contains(&category))
            }
        };
        let flags = list(vulnerability, "flags");
        let label = |flag: &'d Value| Justification::of(text(flag, "label")?);
        Ok(Self {
            vulnerability,
            flags: names.index(flags, label)?,
            dates: names.index(flags, |flag| reader.time_in(flag, "date", &name))?,
            name,
            named,
            impacts: names.index(list(vulnerability, "threats"), details(&["impact"]))?,
            actions: names.index(list(vulnerability, "remediations"), details(&REMEDIES))?,
        })
    }

    /// Makes a statement for all products of which the same is said.
    fn statements(
        &self,
        list_name: &str,
        word: &str,
        names: &Names<'_>,
        reader: &mut Reader,
        statements: &mut Vec<VexStatement>,
    ) -> Result<(), VexError> {
        let mut by_face: BTreeMap<(Status, Time), BTreeSet<Product>> = BTreeMap::new();
        let mut unfit = Unfit::default();
        for id in list(&self.vulnerability["product_status"], list_name) {
            let Some(id) = id.as_str() else {
                reader.leave_out(&self.name, "the name of a product is no text");
                continue;
            };
            let products = names.product(id, &self.name, reader, &mut unfit)?;
            if products.is_empty() {
                reader.leave_out(&self.name, names.unusable(id));
                continue;
            }
            let Some(status) = self.status(word, id, reader) else { continue };
            // A flag can be dated, and so be newer than the document.
            let date = of(&self.dates, id).copied().filter(|_| word == "not_affected");
            let time = reader.known(date.or(reader.time), &self.name);
            by_face.entry((status, time)).or_default().extend(products);
        }
        reader.tell(&self.name, &unfit);
        for ((status, time), products) in by_face {
            statements.push(VexStatement {
                vulnerability: self.named.clone(),
                time,
                status,
                products,
                notes: None,
                supplier: None,
                id: None,
            });
        }
        Ok(())
    }

    fn status(&self, word: &str, id: &'d str, reader: &mut Reader) -> Option<Status> {
        match word {
            "fixed" => Some(Status::Fixed),
            "under_investigation" => Some(Status::UnderInvestigation),
            "affected" => {
                let action = of(&self.actions, id).and_then(|action| Text::new(action).ok());
                Some(reader.affected_with(action, None, &self.name))
            }
            _ => {
                let (flag, impact) = (of(&self.flags, id), of(&self.impacts, id));
                reader.not_affected_with(flag.copied(), impact.copied(), &self.name)
            }
        }
    }
}
