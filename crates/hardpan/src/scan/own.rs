// SPDX-License-Identifier: Apache-2.0
//! VEX of one's own: what can be stated of an image because its files and versions say so.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{
    Component, ImageProducts, Scope, Status, Text, VexDocument, VexError, VexHeader, VexRead,
    VexStatement, assess, document_id, merge,
};
use hardpan_scan::matching::MatchOptions;
use hardpan_scan::vex::own::{AbsenceClaim, FixedWanted, Refuted, state};
use hardpan_tree::Digest;

use super::vex::Trust;
use super::{OPTIONS, ScanError};
use crate::advisories::AdvisoryData;
use crate::error::Error;
use crate::sbom::{SbomChoice, SbomSource};
use crate::session::Session;

/// What ids of documents begin with.
const BASE: &str = "https://hardpan.dev";
const TOOLING: &str = concat!("hardpan ", env!("CARGO_PKG_VERSION"));

/// What is to be stated.
#[derive(Debug, Clone)]
pub struct StateRequest<'r> {
    /// Which of several images and platforms.
    pub choice: SbomChoice<'r>,
    /// What is known of vulnerabilities.
    pub advisories: &'r AdvisoryData,
    /// What is claimed not to be in the image. What the files contradict is not stated.
    pub claims: &'r [AbsenceClaim],
    /// Which vulnerabilities with a fix are stated.
    pub fixed: FixedWanted,
    /// What was stated before, and is kept where nothing newer is said of the same.
    pub before: &'r [VexRead],
    /// When it is known.
    pub time: Time,
    /// Who states it.
    pub author: &'r str,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct StatedVex {
    /// The document; none if there is nothing to state.
    pub document: Option<VexDocument>,
    /// Claims that do not hold, and why.
    pub refuted: Vec<Refuted>,
    /// Packages that statements can't name.
    pub unnamed: Vec<String>,
}

impl Session<'_> {
    /// States what can be stated of an image.
    ///
    /// # Errors
    /// If it can't be read or matched.
    pub fn state_vex(
        &self,
        source: &SbomSource,
        request: &StateRequest<'_>,
    ) -> Result<StatedVex, Error> {
        let target = self.target(source, request.choice)?;
        let catalog = target.catalog(OPTIONS)?;
        let options = MatchOptions::default();
        let database = request.advisories.database();
        let own = state(&catalog, &database, &options, request.claims, request.fixed, request.time);
        let mut own = own.map_err(|source| ScanError::State { source })?;
        let index = target.index.as_ref().map(|index| index.digest);
        let digests: Vec<Digest> = index.into_iter().chain(target.digest).collect();
        let wrap = |source| ScanError::Statement { source };
        let image = ImageProducts::new(&target.name, &digests, &[]).map_err(wrap)?;
        let claimed = claimed(request.before);
        for one in &mut own.assessments {
            // What somebody claimed with evidence before is not undone by the data saying what it said then.
            if matches!(one.status, Status::Affected { .. } | Status::UnderInvestigation) {
                let name = one.vulnerability.canonical().name;
                one.packages
                    .retain(|package| !claimed.contains(&(name.clone(), package.to_string())));
            }
        }
        own.assessments.retain(|one| !one.packages.is_empty());
        if digests.is_empty() {
            // Without a digest nothing names the image: what is stated is stated of the packages.
            own.assessments.iter_mut().for_each(|one| one.scope = Scope::Package);
        }
        let said = assess(&image, &own.assessments).map_err(wrap)?;
        let before: Vec<VexStatement> =
            request.before.iter().flat_map(|document| document.statements.clone()).collect();
        let statements = merge([(Trust::User, before.as_slice()), (Trust::User, said.as_slice())]);
        let version = request.before.iter().map(|document| document.version.unwrap_or(1));
        let version = version.max().unwrap_or(0).saturating_add(1);
        let digest = digests.first().copied().unwrap_or_else(|| request.advisories.digest());
        let document = (!statements.is_empty())
            .then(|| own_document(request, &target.name, &digest, version, statements))
            .transpose()
            .map_err(wrap)?;
        Ok(StatedVex { document, refuted: own.refuted, unnamed: own.unnamed.into_iter().collect() })
    }
}

fn own_document(
    request: &StateRequest<'_>,
    name: &str,
    digest: &Digest,
    version: u32,
    statements: Vec<VexStatement>,
) -> Result<VexDocument, VexError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/');
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let header = VexHeader {
        id: document_id(BASE, name.trim_start_matches('/'), digest, version)?,
        author: Text::new(request.author)?,
        role: None,
        time: request.time,
        last_updated: None,
        version: NonZeroU32::new(version).unwrap_or(NonZeroU32::MIN),
        tooling: Some(Text::new(TOOLING)?),
    };
    VexDocument::new(header, statements)
}

/// Returns vulnerabilities and packages of which a document says that they are not affected.
fn claimed(documents: &[VexRead]) -> BTreeSet<(String, String)> {
    let mut claimed = BTreeSet::new();
    let statements = documents.iter().flat_map(|document| &document.statements);
    for statement in statements.filter(|it| matches!(it.status, Status::NotAffected(_))) {
        let name = statement.vulnerability.canonical().name;
        for product in &statement.products {
            let parts = product.subcomponents.iter().chain([&product.component]);
            let purls = parts.filter_map(Component::purl);
            claimed.extend(purls.map(|purl| (name.clone(), purl.to_string())));
        }
    }
    claimed
}

/// Makes one document of several, in which the newest statement about the same counts.
///
/// # Errors
/// If it can't be: there is no statement, or the author or id is none.
pub fn merge_vex(
    documents: &[VexRead],
    author: &str,
    id: &str,
    time: Time,
) -> Result<VexDocument, Error> {
    let wrap = |source| ScanError::Statement { source };
    let all = documents.iter().map(|document| (Trust::User, document.statements.as_slice()));
    let statements = merge(all);
    let version = documents.iter().map(|document| document.version.unwrap_or(1));
    let version = version.fold(0, u32::saturating_add).max(1);
    let made = || -> Result<VexDocument, VexError> {
        let header = VexHeader {
            id: id.parse()?,
            author: Text::new(author)?,
            role: None,
            time,
            last_updated: None,
            version: NonZeroU32::new(version).unwrap_or(NonZeroU32::MIN),
            tooling: Some(Text::new(TOOLING)?),
        };
        VexDocument::new(header, statements)
    };
    Ok(made().map_err(wrap)?)
}
