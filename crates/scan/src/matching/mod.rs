// SPDX-License-Identifier: Apache-2.0
//! Which known vulnerabilities the packages of an image have.
//!
//! [`match_all`] looks up each package where advisories about it are: those of a distribution by release and source package,
//! those of languages by their own names. What can't be looked up is a [`Warning`] or a [`MatchError`], and
//! never a result that looks clean.

mod absent;
mod explain;
mod facts;
mod finding;
mod plan;
mod range;
mod remember;
mod row;
mod support;

#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::advisory::{Advisories, Space};
use crate::inventory::{Claim, Distribution, Inventory};

pub use absent::{Absence, absences};
pub use explain::Explanation;
pub use finding::{
    Basis, Finding, Findings, Fix, Issue, LeftOut, Record, RecordOutcome, Standing, Warning,
};
pub use range::{Compared, Until};

pub(crate) use plan::Lookup;
pub(crate) use row::{Judged, Row, Wanted, rows};

use facts::Facts;
use plan::Plan;
use remember::Remembered;
use row::Records;

/// The most findings of an image. One with every package of a release and no update for years has 200,000.
pub const FINDINGS_MAX: usize = 2_000_000;
/// Releases of Debian with numbers, among which a name is looked for.
const DEBIAN_RELEASES: std::ops::RangeInclusive<u32> = 7..=40;

/// What a run of matching should know beside the data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchOptions {
    /// The release to look in, whatever the image says.
    pub release: Option<Space>,
    /// Whether packages of a distribution or release that is not known are left out, as are those that a damaged package
    /// database does not tell of. It is an error otherwise.
    pub allows_unknown_distribution: bool,
    /// Whether it is no error if nothing in an image could be looked up.
    pub allows_nothing: bool,
    /// Today, as days since 1970; without it nothing is said of support that has ended.
    pub today: Option<u32>,
}

/// Why nothing was looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MatchError {
    /// There is no data about the distribution.
    #[error(
        "no advisories are known for {0}: what it has can't be told; name the release it is made from, or have only \
         the packages of languages looked up"
    )]
    UnknownDistribution(Distribution),
    /// There are packages of a distribution, and nothing says of which.
    #[error(
        "the image has {0} packages of a distribution, and nothing in it says which release it is: name the release"
    )]
    NoDistribution(usize),
    /// The data has nothing about the release.
    #[error("the vulnerability data has nothing about {0}: update it, or add that release to it")]
    NoData(Space),
    /// What should say which packages of the distribution there are can't be read.
    #[error("which packages of its distribution it has can't be told: {0}")]
    Database(String),
    /// There is nothing that could be looked up, or nothing of it could be.
    #[error("nothing of it could be looked up, so that finding nothing would mean nothing")]
    Nothing {
        /// What was not looked up, and why.
        warnings: Vec<Warning>,
    },
    /// More than [`FINDINGS_MAX`].
    #[error("there are more than {FINDINGS_MAX} findings")]
    TooMany,
}

/// Finds the known vulnerabilities of all packages.
///
/// # Errors
/// If the distribution of an image or its release is not known, so that nothing found would mean nothing.
pub fn match_all(
    inventory: &Inventory,
    advisories: &impl Advisories,
    options: &MatchOptions,
) -> Result<Findings, MatchError> {
    let (release, plan) = plan(inventory, advisories, options)?;
    let Plan { lookups, left_out, mut warnings, .. } = plan;
    warnings.extend(unlisted(inventory));
    if lookups.is_empty() && !options.allows_nothing {
        warnings.sort();
        return Err(MatchError::Nothing { warnings });
    }
    let sources = advisories.sources();
    // The same vulnerabilities are asked for again in every version of a package.
    let remembered = Remembered::new(advisories);
    let mut facts: BTreeMap<(String, BTreeSet<String>), Facts> = BTreeMap::new();
    // With the place of the package, which is in the order of ids.
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    let mut undetermined = BTreeMap::new();
    let mut records = Records::default();
    for (what, packages) in &lookups {
        records.read(&remembered, what);
        let mut ids: Vec<Arc<str>> = Vec::new();
        for row in records.rows(&remembered, what, Wanted::Affected) {
            row.warn(what, &mut warnings);
            if row.is_undetermined() {
                let names = undetermined.entry(row.id).or_insert_with(Vec::new);
                names.extend(packages.iter().map(|&at| inventory.packages[at].id.clone()));
                continue;
            }
            if !row.is_affected() {
                continue;
            }
            if findings.len() + packages.len() > FINDINGS_MAX {
                return Err(MatchError::TooMany);
            }
            let known = (facts.entry((row.id.clone(), row.aliases.clone())))
                .or_insert_with(|| facts::of(&remembered, &row));
            let issue = Arc::new(finding::issue(what, row, known, &sources));
            if ids.is_empty() {
                ids.extend(packages.iter().map(|&at| inventory.packages[at].id.as_str().into()));
            }
            let of_package = |(&at, id): (&usize, &Arc<str>)| {
                let (package, issue) = (Arc::clone(id), Arc::clone(&issue));
                let standing = finding::standing(what);
                (at, Finding { package, issue, standing, statements: Vec::new() })
            };
            findings.extend(packages.iter().zip(&ids).map(of_package));
        }
    }
    warnings.extend(support::warnings(inventory, advisories, release.as_ref(), &lookups, options));
    warnings.sort();
    warnings.dedup();
    findings.sort_by(|(at, a), (of, b)| at.cmp(of).then_with(|| a.id.cmp(&b.id)));
    let findings = findings.into_iter().map(|(_, finding)| finding).collect();
    Ok(Findings { release, findings, undetermined, left_out, warnings })
}

/// Returns what may be in an image beside the packages that are known.
fn unlisted(inventory: &Inventory) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = (inventory.uncovered.iter())
        .map(|(kind, &packages)| Warning::OtherType { package_type: kind.clone(), packages })
        .collect();
    if inventory.unnamed > 0 {
        warnings.push(Warning::Unnamed(inventory.unnamed));
    }
    if inventory.unread > 0 {
        warnings.push(Warning::Unread(inventory.unread));
    }
    if let Some(distribution) = &inventory.distribution
        && !inventory.has_distribution_packages()
    {
        warnings.push(Warning::NoDatabase(distribution.to_string()));
    }
    warnings
}

/// Says which packages are looked up by what, as indexes into the inventory's.
pub(crate) fn planned(
    inventory: &Inventory,
    advisories: &impl Advisories,
    options: &MatchOptions,
) -> Result<BTreeMap<Lookup, Vec<usize>>, MatchError> {
    Ok(plan(inventory, advisories, options)?.1.lookups)
}

/// Plans what is looked up, and says in which release the distribution's packages are.
fn plan(
    inventory: &Inventory,
    advisories: &impl Advisories,
    options: &MatchOptions,
) -> Result<(Option<Space>, Plan), MatchError> {
    let release = release(inventory, advisories, options)?;
    let plan = plan::plan(inventory, advisories, release.as_ref(), options);
    // SBOMs may say one release, and nearly all of their packages another one.
    let missing = plan.warnings.iter().find_map(|warning| match warning {
        Warning::NoData { space, .. } if space.is_distribution() => Some(space.clone()),
        _ => None,
    });
    if !options.allows_unknown_distribution {
        if let Some(space) = missing {
            return Err(MatchError::NoData(space));
        }
        if let Some(distribution) = plan.unnamed {
            return Err(MatchError::UnknownDistribution(distribution));
        }
    }
    Ok((release, plan))
}

/// Says in which release the distribution's packages are looked up; `None` if there is no distribution.
fn release(
    inventory: &Inventory,
    advisories: &impl Advisories,
    options: &MatchOptions,
) -> Result<Option<Space>, MatchError> {
    if let Some(database) = &inventory.unread_database
        && !options.allows_unknown_distribution
    {
        return Err(MatchError::Database(database.clone()));
    }
    let known = |space: Space| match advisories.release(&space) {
        Some(_) => Ok(Some(space)),
        None => Err(MatchError::NoData(space)),
    };
    if let Some(space) = &options.release {
        return known(space.clone());
    }
    let Some(distribution) = &inventory.distribution else {
        let packages = inventory.packages.iter().filter(|it| it.kind.is_distribution()).count();
        return match packages {
            0 => Ok(None),
            _ if options.allows_unknown_distribution => Ok(None),
            packages => Err(MatchError::NoDistribution(packages)),
        };
    };
    let found = match distribution.claim() {
        Claim::Space(space) => known(space),
        Claim::DebianNamed(name) => named(&name, advisories)
            .map(Some)
            .ok_or_else(|| MatchError::UnknownDistribution(distribution.clone())),
        Claim::Unknown => Err(MatchError::UnknownDistribution(distribution.clone())),
    };
    if options.allows_unknown_distribution { Ok(found.unwrap_or(None)) } else { found }
}

/// Returns the release of Debian with that name.
fn named(name: &str, advisories: &impl Advisories) -> Option<Space> {
    let releases = DEBIAN_RELEASES.map(|number| Space::Debian(number.to_string()));
    let mut releases = releases.chain([Space::Debian("sid".to_owned())]);
    releases.find(|space| advisories.release(space).is_some_and(|it| it.codename == name))
}
