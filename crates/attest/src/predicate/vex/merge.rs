// SPDX-License-Identifier: Apache-2.0
//! One set of statements of several documents.

use std::collections::{BTreeMap, BTreeSet};

use super::super::time::Time;
use super::model::{Component, Product, Status, VexStatement};
use crate::sbom::purl::PackageUrl;

/// How much a source of statements is trusted; the later counts more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// The makers of what is in the image.
    Upstream,
    /// Who made the image.
    ImageAuthor,
    /// The organization that uses it.
    Organization,
    /// The user, who names the file.
    User,
}

/// Merges statements: for each vulnerability, product and part of it the one of the most trusted source counts, of
/// those the newest, of those the worse.
///
/// A source that says nothing about something never hides what another says. The result does not depend on the
/// order of the sources, and merging it again changes nothing. Ids of statements are dropped: a merged one may be a part
/// of what had it.
///
/// Times are believed as far as their source is: one that dates its statements into the future stands before
/// others of its own rank, and never before those of a higher one.
pub fn merge<'s>(
    sources: impl IntoIterator<Item = (Trust, &'s [VexStatement])>,
) -> Vec<VexStatement> {
    let said: Vec<(Trust, &VexStatement, VexStatement)> = (sources.into_iter())
        .flat_map(|(trust, statements)| statements.iter().map(move |one| (trust, one, face(one))))
        .collect();
    // By number, because a text may be long and stand for a million products.
    let mut faces: Vec<&VexStatement> = said.iter().map(|(_, _, face)| face).collect();
    faces.sort();
    faces.dedup();
    let mut winners: BTreeMap<Key, Candidate> = BTreeMap::new();
    for (trust, statement, face) in &said {
        let Ok(number) = faces.binary_search(&face) else { continue };
        for product in &statement.products {
            let component = &product.component;
            let key = component.key();
            let mut stand = |part: Option<&'s Component>| {
                let about =
                    (face.vulnerability.name.as_str(), key.clone(), part.map(Component::key));
                let merit = (*trust, face.time, face.status.exploitability(), number);
                let candidate = Candidate { merit, component, part };
                let winner = winners.entry(about).or_insert(candidate);
                *winner = candidate.max(*winner);
            };
            if product.subcomponents.is_empty() {
                stand(None);
            }
            product.subcomponents.iter().for_each(|part| stand(Some(part)));
        }
    }
    together(&faces, winners.into_values())
}

/// Merges statements that are about one image and its packages, as [`merge`] does.
///
/// Scanners ask for a package alone, and for the package in the image, and believe whichever answer suppresses. So what is
/// said of a package alone is left out where something newer says worse of the same package in the image.
pub fn merge_of_image<'s>(
    sources: impl IntoIterator<Item = (Trust, &'s [VexStatement])>,
) -> Vec<VexStatement> {
    let mut merged = merge(sources);
    let mut worse: Parts<Time> = Parts::default();
    for statement in merged.iter().filter(|one| !suppresses(&one.status)) {
        let parts = statement.products.iter().flat_map(|product| &product.subcomponents);
        parts.for_each(|part| worse.insert(&statement.vulnerability.name, part, statement.time));
    }
    for statement in merged.iter_mut().filter(|one| suppresses(&one.status)) {
        let (name, time) = (&statement.vulnerability.name, statement.time);
        statement.products.retain(|product| {
            let newest = || worse.of(name, &product.component).max();
            !product.subcomponents.is_empty() || newest().is_none_or(|newest| newest < time)
        });
    }
    merged.retain(|statement| !statement.products.is_empty());
    merged
}

/// What is said of parts of images, for the question which of them a component is about. Scanners take a package URL for
/// one that has less in it, so that a text that differs may be about the same package.
#[derive(Debug)]
pub struct Parts<T> {
    /// By vulnerability and by what any URL for the package has: type, namespace, name, and the version or none.
    families: BTreeMap<(String, String), Vec<(Named, T)>>,
}

/// What a component is called.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Package(PackageUrl),
    Other(String),
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self { families: BTreeMap::new() }
    }
}

impl<T: Copy> Parts<T> {
    /// Adds what is said of a part.
    pub fn insert(&mut self, vulnerability: &str, part: &Component, said: T) {
        let mut add = |family: String, named| {
            let family = (vulnerability.to_owned(), family);
            self.families.entry(family).or_default().push((named, said));
        };
        match part.purl() {
            Some(purl) => {
                if purl.version().is_some() {
                    add(family(&purl, None), Named::Package(purl.clone()));
                }
                add(family(&purl, purl.version()), Named::Package(purl));
            }
            None => add(part.key(), Named::Other(part.key())),
        }
    }

    /// Returns what is said of the parts that a component is about, itself or with more in their names.
    pub fn of(&self, vulnerability: &str, component: &Component) -> impl Iterator<Item = T> {
        let (family, named) = match component.purl() {
            Some(purl) => (family(&purl, purl.version()), Named::Package(purl)),
            None => (component.key(), Named::Other(component.key())),
        };
        let parts = self.families.get(&(vulnerability.to_owned(), family));
        let is_about = move |part: &Named| match (&named, part) {
            (Named::Package(general), Named::Package(part)) => general.matches(part),
            (general, part) => general == part,
        };
        let parts = parts.into_iter().flatten().filter(move |(part, _)| is_about(part));
        parts.map(|(_, said)| *said)
    }
}

/// What two package URLs have in common if one can be about the other; tools lower the case of some.
fn family(purl: &PackageUrl, version: Option<&str>) -> String {
    format!("{}@{}", purl.package().to_string().to_ascii_lowercase(), version.unwrap_or_default())
}

fn suppresses(status: &Status) -> bool {
    matches!(status, Status::NotAffected(_) | Status::Fixed)
}

/// What a statement is about, once for each product and part of it.
type Key<'m> = (&'m str, String, Option<String>);

/// Returns what a statement says, without what it is about.
fn face(statement: &VexStatement) -> VexStatement {
    VexStatement {
        vulnerability: statement.vulnerability.canonical(),
        time: statement.time,
        status: statement.status.clone(),
        products: BTreeSet::new(),
        notes: statement.notes.clone(),
        supplier: statement.supplier.clone(),
        id: None,
    }
}

/// A statement, for one product and part. The greater counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<'s> {
    /// Trust, time, status; and the number of what it says, so that between those that say the same in other words
    /// the order of sources does not decide.
    merit: (Trust, Time, u8, usize),
    component: &'s Component,
    part: Option<&'s Component>,
}

/// Joins what says the same about several products.
fn together<'s>(
    faces: &[&VexStatement],
    winners: impl Iterator<Item = Candidate<'s>>,
) -> Vec<VexStatement> {
    type Products<'s> = BTreeMap<(&'s Component, bool), BTreeSet<Component>>;
    let mut by_face: BTreeMap<usize, Products<'s>> = BTreeMap::new();
    for winner in winners {
        let products = by_face.entry(winner.merit.3).or_default();
        let parts = products.entry((winner.component, winner.part.is_some())).or_default();
        parts.extend(winner.part.cloned());
    }
    (by_face.into_iter())
        .map(|(number, products)| {
            let products = products.into_iter().map(|((component, _), subcomponents)| Product {
                component: component.clone(),
                subcomponents,
            });
            VexStatement { products: products.collect(), ..faces[number].clone() }
        })
        .collect()
}
