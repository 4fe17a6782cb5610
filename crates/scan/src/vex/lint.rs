// SPDX-License-Identifier: Apache-2.0
//! What is wrong with VEX documents: for themselves, beside each other, and for one image.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{Component, VexWarning, duplicated_ids};

use crate::inventory::Inventory;

use super::subject::Subjects;
use super::{ImageNames, VexSource, is_in_future};

/// The most remarks of one document; those that follow are counted.
const LINTS_MAX: usize = 1_000;

/// A remark about a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lint {
    /// The document, by [`VexSource::name`].
    pub document: String,
    /// What is wrong.
    pub kind: LintKind,
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LintKind {
    /// What its reader says.
    Format(VexWarning),
    /// Another document, which says something else, has the same id: who has both can't tell them apart.
    SameId(String),
    /// Two statements of one time contradict each other.
    Contradiction {
        /// The vulnerability.
        vulnerability: String,
        /// What they are about.
        product: String,
        /// What they say.
        statuses: Vec<&'static str>,
    },
    /// A name is that of a source package, and not said to be one: no scanner finds it.
    SourceName {
        /// The vulnerability.
        vulnerability: String,
        /// The package URL.
        purl: String,
    },
    /// A statement is dated into the future: it excuses nothing.
    InFuture {
        /// The vulnerability.
        vulnerability: String,
        /// When it is said to be so.
        time: Time,
    },
    /// A statement is about nothing in the image.
    Absent(String),
    /// There are more remarks than are listed.
    More(usize),
}

impl fmt::Display for LintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(warning) => warning.fmt(f),
            Self::SameId(id) => write!(f, "the id {id:?} is that of another document, too"),
            Self::Contradiction { vulnerability, product, statuses } => {
                let statuses = statuses.join(" and ");
                write!(f, "{vulnerability}: {product} is {statuses} at the same time")
            }
            Self::SourceName { vulnerability, purl } => write!(
                f,
                "{vulnerability}: {purl} is a source package, which scanners do not find: name the binary packages, or \
                 say arch=source"
            ),
            Self::InFuture { vulnerability, time } => write!(
                f,
                "{vulnerability}: it is of {time}, which is in the future: it excuses nothing, and counts as older \
                 than all others"
            ),
            Self::Absent(name) => write!(f, "{name}: about nothing that is in the image"),
            Self::More(count) => write!(f, "and {count} more"),
        }
    }
}

/// Says what is wrong with documents at a time, and with an image at hand also what of them is about something else.
pub fn lint(
    documents: &[VexSource],
    image: Option<(&Inventory, &ImageNames)>,
    now: Time,
) -> Vec<Lint> {
    let read: Vec<_> = documents.iter().map(|source| source.document.clone()).collect();
    let duplicated: BTreeSet<String> =
        duplicated_ids(&read).into_iter().map(str::to_owned).collect();
    let mut lints = Vec::new();
    for source in documents {
        let mut kinds: Vec<LintKind> =
            source.document.warnings.iter().cloned().map(LintKind::Format).collect();
        if duplicated.contains(&source.document.id) {
            kinds.push(LintKind::SameId(source.document.id.clone()));
        }
        contradictions(source, &mut kinds);
        let statements = source.document.statements.iter();
        kinds.extend(statements.filter(|one| is_in_future(one.time, now)).map(|one| {
            LintKind::InFuture { vulnerability: one.vulnerability.name.clone(), time: one.time }
        }));
        if let Some((inventory, names)) = image {
            for_image(source, inventory, names, &mut kinds);
        }
        kinds.sort();
        kinds.dedup();
        let more = kinds.len().saturating_sub(LINTS_MAX);
        kinds.truncate(LINTS_MAX);
        if more > 0 {
            kinds.push(LintKind::More(more));
        }
        let lint = |kind| Lint { document: source.name.clone(), kind };
        lints.extend(kinds.into_iter().map(lint));
    }
    lints
}

fn contradictions(source: &VexSource, kinds: &mut Vec<LintKind>) {
    let mut said: BTreeMap<(String, String, Time), BTreeSet<&'static str>> = BTreeMap::new();
    for statement in &source.document.statements {
        let vulnerability = statement.vulnerability.canonical().name;
        for product in &statement.products {
            let whole = product.component.key();
            let parts =
                product.subcomponents.iter().map(|part| format!("{} in {whole}", part.key()));
            let mut about: Vec<String> = parts.collect();
            if about.is_empty() {
                about.push(whole);
            }
            for one in about {
                let key = (vulnerability.clone(), one, statement.time);
                said.entry(key).or_default().insert(statement.status.as_str());
            }
        }
    }
    for ((vulnerability, product, _), statuses) in said {
        if statuses.len() > 1 {
            let statuses = statuses.into_iter().collect();
            kinds.push(LintKind::Contradiction { vulnerability, product, statuses });
        }
    }
}

fn for_image(
    source: &VexSource,
    inventory: &Inventory,
    names: &ImageNames,
    kinds: &mut Vec<LintKind>,
) {
    let subjects = Subjects::new(inventory, names);
    let distribution = || inventory.packages.iter().filter(|it| it.kind.is_distribution());
    let binaries: BTreeSet<&str> = distribution().map(|it| it.name.as_str()).collect();
    let sources: BTreeSet<&str> = distribution().map(|it| it.source_or_own().0).collect();
    for statement in &source.document.statements {
        let name = &statement.vulnerability.name;
        if !statement.products.iter().any(|product| subjects.has(product)) {
            kinds.push(LintKind::Absent(name.clone()));
        }
        let components = statement
            .products
            .iter()
            .flat_map(|product| std::iter::once(&product.component).chain(&product.subcomponents));
        for purl in components.filter_map(Component::purl) {
            let is_source = matches!(purl.kind(), "deb" | "apk")
                && purl.qualifier("arch") != Some("source")
                && sources.contains(purl.name())
                && !binaries.contains(purl.name());
            if is_source {
                let (vulnerability, purl) = (name.clone(), purl.to_string());
                kinds.push(LintKind::SourceName { vulnerability, purl });
            }
        }
    }
}
