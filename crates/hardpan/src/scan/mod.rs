// SPDX-License-Identifier: Apache-2.0
//! `scan`: the known vulnerabilities of an image, whoever built it, with what VEX says of them.
//!
//! What is in the image comes from the SBOM that is attached to it if a trusted key signed that, held against the files; from
//! the files themselves otherwise; or from an SBOM that the user names. The advisory database says the rest: nothing here
//! uses the network but to reach the image.

mod attest;
mod copied;
mod document;
mod error;
mod own;
mod rows;
mod statements;
mod warnings;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use hardpan_attest::predicate::Time;
use hardpan_attest::verify::Rules;
use hardpan_scan::advisory::{Advisories, Space};
use hardpan_scan::catalog::{Catalog, CatalogOptions};
use hardpan_scan::drift::{Drift, Drifted};
use hardpan_scan::inventory::{Inventory, Package};
use hardpan_scan::matching::{Absence, MatchOptions, absences, match_all};
use hardpan_scan::report::{
    DatabaseFacts, InventoryOrigin, ScanReport, SourceFacts, Subject, Warning,
};
use hardpan_scan::vex::{ImageNames, VexPolicy, VexSource, apply};

use crate::advisories::AdvisoryData;
use crate::error::Error;
use crate::sbom::{self, AttachedSboms, Known, SbomChoice, SbomSource, Target};
use crate::session::Session;

pub use attest::{AttestScans, AttestedScans};
pub use copied::{CopiedVex, copied_vex};
pub use error::ScanError;
pub use hardpan_scan::{advisory, matching, report};
pub use own::{StateRequest, StatedVex, UncheckedName, merge_vex};
pub use statements::read_vex_file;

/// Statements about findings.
pub mod vex {
    pub use hardpan_attest::predicate::Time;
    pub use hardpan_attest::predicate::vex::{
        Text, Trust, VexDocument, VexError, VexRead, VexRepository, VexStatement, repository,
    };
    pub use hardpan_scan::vex::own::{AbsenceClaim, Absent, FixedWanted, Refuted};
    pub use hardpan_scan::vex::{ImageNames, Lint, VexPolicy, VexSource, lint};
    pub use hardpan_tree::glob::{Glob, GlobError};
}

/// Digests of files are for SBOMs.
const OPTIONS: CatalogOptions = CatalogOptions { hash_files: false, ..CatalogOptions::DEFAULT };
const SECONDS_PER_DAY: i64 = 86_400;

/// What is scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanSource {
    /// An image or a root file system.
    Image(SbomSource),
    /// An SBOM in SPDX or CycloneDX, bare or in a statement.
    Document(std::path::PathBuf),
}

/// How it is scanned.
#[derive(Debug, Clone)]
pub struct ScanRequest<'r> {
    /// Which of several images and platforms.
    pub choice: SbomChoice<'r>,
    /// What is known of vulnerabilities.
    pub advisories: &'r AdvisoryData,
    /// Whose SBOMs and VEX documents count that are attached to the image; without any nobody's.
    pub rules: Option<Rules<'r>>,
    /// Whether attached SBOMs count for nothing.
    pub from_files: bool,
    /// Whether an attached SBOM is believed without a look at the files, which then need not be fetched.
    pub trusts_sbom: bool,
    /// VEX documents of the user.
    pub vex: &'r [VexSource],
    /// Which statements may excuse a row. The present is the session's.
    pub policy: VexPolicy,
    /// The release to look in, whatever the image says.
    pub release: Option<Space>,
    /// Whether packages of a distribution or release that is not known are left out, as are those that a damaged package
    /// database does not tell of.
    pub allows_unknown_distribution: bool,
    /// Whether it is no error if nothing could be looked up.
    pub allows_nothing: bool,
    /// After how many days the data of a source is old.
    pub max_age_days: u32,
}

impl<'r> ScanRequest<'r> {
    /// Looks at the files, excuses nothing, and believes nobody.
    pub fn of(advisories: &'r AdvisoryData) -> Self {
        Self {
            choice: SbomChoice::default(),
            advisories,
            rules: None,
            from_files: true,
            trusts_sbom: false,
            vex: &[],
            policy: VexPolicy::default(),
            release: None,
            allows_unknown_distribution: false,
            allows_nothing: false,
            max_age_days: u32::MAX,
        }
    }
}

/// What is known of a vulnerability that was not found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotFound {
    /// Packages of the image that sources name with it, and why they don't have it.
    pub absences: Vec<Absence>,
    /// Whether the advisory database knows it at all.
    pub is_known: bool,
}

/// What is in an image, as it was found out.
struct Surveyed {
    subject: Subject,
    inventory: Arc<Inventory>,
    origin: InventoryOrigin,
    warnings: Vec<Warning>,
    vex: Vec<VexSource>,
}

impl Session<'_> {
    /// Scans.
    ///
    /// # Errors
    /// If it can't be read, or if its distribution is not known, so that finding nothing would mean nothing.
    pub fn scan(
        &self,
        source: &ScanSource,
        request: &ScanRequest<'_>,
    ) -> Result<ScanReport, Error> {
        self.report(self.surveyed(source, request)?, request)
    }

    /// Scans, and says of a vulnerability that was not found what is known of it.
    ///
    /// # Errors
    /// As [`Session::scan`] has them.
    pub fn scan_for(
        &self,
        source: &ScanSource,
        request: &ScanRequest<'_>,
        id: &str,
    ) -> Result<(ScanReport, NotFound), Error> {
        let surveyed = self.surveyed(source, request)?;
        let inventory = Arc::clone(&surveyed.inventory);
        let report = self.report(surveyed, request)?;
        let mut not_found = NotFound::default();
        if !report.rows.iter().any(|row| row.is_called(id)) {
            let database = request.advisories.database();
            let options = self.match_options(request);
            let absences = absences(&inventory, &database, &options, id);
            not_found.absences = absences.map_err(|source| ScanError::Match { source })?;
            let mut names = written(id).into_iter();
            not_found.is_known = names.any(|id| database.vulnerability(&id).is_some());
        }
        Ok((report, not_found))
    }

    /// Scans an image of which it is known what is in it.
    pub(crate) fn scan_known(
        &self,
        target: &Target<'_>,
        catalog: &Catalog,
        request: &ScanRequest<'_>,
    ) -> Result<ScanReport, Error> {
        self.report(self.survey(target, Some(catalog), request)?, request)
    }

    fn surveyed(&self, source: &ScanSource, request: &ScanRequest<'_>) -> Result<Surveyed, Error> {
        match source {
            ScanSource::Document(path) => document::survey(path),
            ScanSource::Image(image) => {
                self.survey(&self.target(image, request.choice)?, None, request)
            }
        }
    }

    fn match_options(&self, request: &ScanRequest<'_>) -> MatchOptions {
        let today = self.now_seconds() / SECONDS_PER_DAY;
        MatchOptions {
            release: request.release.clone(),
            allows_unknown_distribution: request.allows_unknown_distribution,
            allows_nothing: request.allows_nothing,
            today: u32::try_from(today).ok(),
        }
    }

    fn report(&self, surveyed: Surveyed, request: &ScanRequest<'_>) -> Result<ScanReport, Error> {
        let database = request.advisories.database();
        let options = self.match_options(request);
        let inventory = surveyed.inventory;
        let matched = match_all(&inventory, &database, &options);
        let mut findings = matched.map_err(|source| ScanError::Match { source })?;
        let names = ImageNames {
            name: surveyed.subject.name.clone(),
            digests: surveyed.subject.index.into_iter().chain(surveyed.subject.digest).collect(),
        };
        let mut vex = surveyed.vex;
        vex.extend(request.vex.iter().cloned());
        let now = Some(Time::from_seconds(self.now_seconds()));
        apply(&mut findings, &inventory, &names, &vex, &VexPolicy { now, ..request.policy });
        let mut warnings = surveyed.warnings;
        warnings.extend(vex.iter().filter_map(statements::left_out));
        warnings.extend(rows::warnings(&findings));
        warnings.extend(statements::warnings(&findings));
        warnings.extend(self.old_data(&database, request.max_age_days));
        let mut report = ScanReport {
            subject: surveyed.subject,
            distribution: findings.release.as_ref().map(ToString::to_string),
            inventory: surveyed.origin,
            packages: inventory.packages.len(),
            database: database_facts(request.advisories, &database),
            warnings,
            rows: rows::rows(findings.findings, &inventory),
        };
        report.sort();
        Ok(report)
    }

    /// Finds out what is in an image, where that is not `known` yet.
    fn survey(
        &self,
        target: &Target<'_>,
        known: Option<&Catalog>,
        request: &ScanRequest<'_>,
    ) -> Result<Surveyed, Error> {
        let catalog = || match known {
            Some(catalog) => Ok(Cow::Borrowed(catalog)),
            None => target.catalog(OPTIONS).map(Cow::Owned),
        };
        let (evidence, of_index) = match request.rules {
            Some(rules) => (target.evidence(self, rules)?, target.index_evidence(self, rules)?),
            None => (Vec::new(), Vec::new()),
        };
        let (vex, unread_vex) = statements::attached(evidence.iter().chain(&of_index));
        let attached = if request.from_files {
            AttachedSboms::default()
        } else {
            sbom::attached(&evidence, None)
        };
        let mut warnings = vec_of_problems(&attached.problems);
        warnings.extend(unread_vex);
        let subject = Subject {
            name: target.name.clone(),
            version: target.version.clone(),
            digest: target.digest,
            index: target.index.as_ref().map(|index| index.digest),
            platform: target.platform.clone(),
            epoch: target.epoch,
        };
        let Some(trusted) = attached.trusted else {
            let catalog = catalog()?;
            let inventory = Arc::new(Inventory::from(&*catalog));
            warnings.extend(unread(&catalog));
            let origin = InventoryOrigin::Files;
            return Ok(Surveyed { subject, inventory, origin, warnings, vex });
        };
        let is_checked = !request.trusts_sbom;
        let inventory = if is_checked {
            let catalog = catalog()?;
            let found = sbom::sbom_of(&catalog, &target.naming(), &Known::default());
            let drift = hardpan_scan::drift::compare(&trusted.listing, &found.sbom.components);
            warnings.extend(drifted(&drift));
            warnings.extend(unread(&catalog));
            // What the SBOM does not list is looked up as well: leaving it out would be a way to hide it.
            with_unlisted(Inventory::from(trusted.listing), Inventory::from(&*catalog))
        } else {
            Inventory::from(trusted.listing)
        };
        let inventory = Arc::new(inventory);
        let origin = InventoryOrigin::AttachedSbom { signed_by: trusted.key_name, is_checked };
        Ok(Surveyed { subject, inventory, origin, warnings, vex })
    }

    fn old_data(&self, advisories: &impl Advisories, max_age_days: u32) -> Vec<Warning> {
        let ages = crate::advisories::source_ages(advisories, self.now_seconds());
        let old = ages.into_iter().filter_map(|age| {
            let name = age.name;
            let text = match (age.age_days, age.time) {
                (Some(days), _) if days <= u64::from(max_age_days) => return None,
                (Some(days), _) => format!("the data of {name} is {days} days old"),
                (None, Some(time)) => format!(
                    "the data of {name} is of the future, {time}, so nobody knows how old it is"
                ),
                (None, None) => format!("nobody knows how old the data of {name} is"),
            };
            Some(Warning { kind: "old-data", text })
        });
        let mut old: Vec<Warning> = old.collect();
        // A source may come in many files, of which nothing else is said.
        old.dedup();
        old
    }
}

/// Returns how the database may write a name that people write in any case: most have capitals alone, and those of GitHub
/// only in front.
fn written(id: &str) -> Vec<String> {
    let upper = id.to_ascii_uppercase();
    let github =
        upper.strip_prefix("GHSA-").map(|rest| format!("GHSA-{}", rest.to_ascii_lowercase()));
    [Some(id.to_owned()), github, Some(upper)].into_iter().flatten().collect()
}

/// Adds the packages that the files tell of and the SBOM does not, and what of the files can't be read, where others may be:
/// both are named as advisories name them.
fn with_unlisted(mut listed: Inventory, of_files: Inventory) -> Inventory {
    let key =
        |package: &Package| (package.kind.word(), package.name.clone(), package.version.clone());
    let known: BTreeSet<_> = listed.packages.iter().map(key).collect();
    let ids: BTreeSet<String> = listed.packages.iter().map(|package| package.id.clone()).collect();
    let unlisted = of_files.packages.into_iter().filter(|package| !known.contains(&key(package)));
    listed.packages.extend(unlisted.map(|package| {
        // The SBOM may have another version of it under the same id, and a row is of one of them.
        let id = if ids.contains(&package.id) {
            format!("{} of the files", package.id)
        } else {
            package.id
        };
        Package { id, ..package }
    }));
    listed.packages.sort_by(|one, other| one.id.cmp(&other.id));
    listed.distribution = listed.distribution.or(of_files.distribution);
    listed.unread += of_files.unread;
    listed.unread_database = listed.unread_database.or(of_files.unread_database);
    listed
}

fn vec_of_problems(problems: &[String]) -> Vec<Warning> {
    problems.iter().map(|text| Warning { kind: "sbom", text: text.clone() }).collect()
}

fn unread(catalog: &Catalog) -> impl Iterator<Item = Warning> {
    catalog.problems.iter().map(|problem| {
        let text = format!("{} can't be read: {}", problem.path, problem.error);
        Warning { kind: "unreadable", text }
    })
}

fn drifted(drift: &Drift) -> impl Iterator<Item = Warning> {
    let of = |components: &BTreeSet<Drifted>, what: &str| {
        let say = |one: &Drifted| {
            let version = one.version.as_deref().unwrap_or("of no known version");
            Warning { kind: "drift", text: format!("{} {version} {what}", one.name) }
        };
        components.iter().map(say).collect::<Vec<_>>()
    };
    let missing = of(&drift.missing, "is in the attached SBOM and not in the image's files");
    let unlisted = of(&drift.unlisted, "is in the image's files and not in the attached SBOM");
    missing.into_iter().chain(unlisted)
}

fn database_facts(data: &AdvisoryData, advisories: &impl Advisories) -> DatabaseFacts {
    // Ages depend on today, and so are no part of a report.
    let ages = crate::advisories::source_ages(advisories, 0);
    let sources = ages.into_iter().map(|age| SourceFacts { name: age.name, time: age.time });
    DatabaseFacts { digest: data.digest(), sources: sources.collect() }
}

#[cfg(test)]
mod tests {
    use hardpan_scan::catalog::PackageKind;

    use super::*;

    fn inventory(packages: &[(&str, PackageKind, &str, &str)]) -> Inventory {
        let package = |(id, kind, name, version): &(&str, PackageKind, &str, &str)| Package {
            id: (*id).to_owned(),
            kind: *kind,
            name: (*name).to_owned(),
            version: Some((*version).to_owned()),
            source: None,
            purl: None,
            maintainer: None,
            evidence: BTreeSet::new(),
            inside: None,
            files: 0,
            layer: None,
            owned_by: None,
        };
        Inventory { packages: packages.iter().map(package).collect(), ..Inventory::default() }
    }

    #[test]
    fn what_an_sbom_does_not_list_is_looked_up_as_well() {
        use PackageKind::{Deb, Npm, Pypi};
        let listed = inventory(&[
            ("SPDXRef-1", Pypi, "foo-bar", "1"),
            ("deb/libc6/amd64", Deb, "libc6", "2.41-12"),
        ]);
        let of_files = inventory(&[
            ("deb/libc6/amd64", Deb, "libc6", "2.41-11"),
            ("npm/foo-bar", Npm, "foo-bar", "1"),
            ("pypi/foo-bar", Pypi, "foo-bar", "1"),
            ("pypi/hidden", Pypi, "hidden", "3"),
        ]);
        let merged = with_unlisted(listed, of_files);
        let all: Vec<String> = (merged.packages.iter())
            .map(|one| format!("{} {}", one.id, one.version.as_deref().unwrap_or_default()))
            .collect();
        // Another version, another kind, and another package; not what only has another id.
        let expected = [
            "SPDXRef-1 1",
            "deb/libc6/amd64 2.41-12",
            "deb/libc6/amd64 of the files 2.41-11",
            "npm/foo-bar 1",
            "pypi/hidden 3",
        ];
        assert_eq!(all, expected);
        for package in &merged.packages {
            assert_eq!(merged.package(&package.id), Some(package));
        }
    }

    #[test]
    fn what_can_not_be_read_stays_so_whatever_an_sbom_lists() {
        let listed = inventory(&[("SPDXRef-1", PackageKind::Pypi, "foo", "1")]);
        let database = Some("/var/lib/dpkg/status: broken".to_owned());
        let of_files =
            Inventory { unread: 2, unread_database: database.clone(), ..Inventory::default() };
        let merged = with_unlisted(listed, of_files);
        assert_eq!((merged.unread, merged.unread_database), (2, database));
    }

    #[test]
    fn names_in_any_case() {
        for (id, expected) in [
            ("cve-2026-0001", &["cve-2026-0001", "CVE-2026-0001"][..]),
            ("ghsa-JFH8-c2jp", &["ghsa-JFH8-c2jp", "GHSA-jfh8-c2jp", "GHSA-JFH8-C2JP"]),
        ] {
            assert_eq!(written(id), expected, "{id}");
        }
    }
}
