// SPDX-License-Identifier: Apache-2.0
//! One set of statements of several documents.

use std::collections::{BTreeMap, BTreeSet};

use super::super::time::Time;
use super::model::{Component, Product, Status, VexStatement};

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
    let mut worse: BTreeMap<(String, String), Time> = BTreeMap::new();
    for statement in merged.iter().filter(|one| !suppresses(&one.status)) {
        let parts = statement.products.iter().flat_map(|product| &product.subcomponents);
        for part in parts {
            let about = (statement.vulnerability.name.clone(), part.key());
            let newest = worse.entry(about).or_insert(statement.time);
            *newest = statement.time.max(*newest);
        }
    }
    for statement in merged.iter_mut().filter(|one| suppresses(&one.status)) {
        let (name, time) = (&statement.vulnerability.name, statement.time);
        statement.products.retain(|product| {
            let about = (name.clone(), product.component.key());
            !product.subcomponents.is_empty() || worse.get(&about).is_none_or(|it| *it < time)
        });
    }
    merged.retain(|statement| !statement.products.is_empty());
    merged
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
