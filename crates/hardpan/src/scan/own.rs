// SPDX-License-Identifier: Apache-2.0
//! VEX of one's own: what can be stated of an image because its files and versions say so.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{
    Component, ID_BASE, ImageProducts, PackagePurl, Parts, Product, Scope, Status, Text,
    VexDocument, VexError, VexHeader, VexRead, VexStatement, assess, document_id, merge,
    merge_of_image,
};
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_scan::inventory::{Inventory, Package};
use hardpan_scan::matching::MatchOptions;
use hardpan_scan::vex::own::{AbsenceClaim, Absent, FixedWanted, Refuted, state};
use hardpan_tree::Digest;

use super::vex::Trust;
use super::{OPTIONS, ScanError};
use crate::advisories::AdvisoryData;
use crate::error::Error;
use crate::sbom::{SbomChoice, SbomSource};
use crate::session::Session;

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
    /// Names in claims that hold only if they are names of packages, which nothing says.
    pub unchecked: Vec<UncheckedName>,
}

/// A binary package that is claimed not to be installed. Databases tell of sources and images of what is installed, so that
/// nothing tells a name of a package from one that is mistyped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncheckedName {
    /// The name.
    pub name: String,
    /// The package that it is claimed to be of.
    pub package: String,
    /// An installed package of the same source that is called nearly so.
    pub near: Option<String>,
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
                let claims = claimed.get(&name).map_or(&[][..], Vec::as_slice);
                let is_claimed =
                    |package: &PackagePurl| claims.iter().any(|it| it.matches(package.as_purl()));
                one.packages.retain(|package| !is_claimed(package));
            }
        }
        own.assessments.retain(|one| !one.packages.is_empty());
        if digests.is_empty() {
            // Without a digest nothing names the image: what is stated is stated of the packages.
            own.assessments.iter_mut().for_each(|one| one.scope = Scope::Package);
        }
        let said = assess(&image, &own.assessments).map_err(wrap)?;
        let before = request.before.iter().flat_map(|document| document.statements.clone());
        let before = without(before, &said, request.time);
        let all = [(Trust::User, before.as_slice()), (Trust::User, said.as_slice())];
        let statements = merge_of_image(all);
        let version = request.before.iter().map(|document| document.version.unwrap_or(1));
        let version = version.max().unwrap_or(0).saturating_add(1);
        let digest = digests.first().copied().unwrap_or_else(|| request.advisories.digest());
        let document = (!statements.is_empty())
            .then(|| own_document(request, &target.name, &digest, version, statements))
            .transpose()
            .map_err(wrap)?;
        Ok(StatedVex {
            document,
            unchecked: unchecked(&Inventory::from(&catalog), request.claims, &own.refuted),
            refuted: own.refuted,
            unnamed: own.unnamed.into_iter().collect(),
        })
    }
}

fn unchecked(
    inventory: &Inventory,
    claims: &[AbsenceClaim],
    refuted: &[Refuted],
) -> Vec<UncheckedName> {
    let installed = || inventory.packages.iter().filter(|package| package.kind.is_distribution());
    let holds = |number: &usize| refuted.iter().all(|refuted| refuted.claim != *number);
    let mut unchecked = Vec::new();
    for (_, claim) in claims.iter().enumerate().filter(|(number, _)| holds(number)) {
        let Absent::Packages(names) = &claim.absent else { continue };
        let is_named = |package: &&Package| {
            package.name == claim.package || package.source_or_own().0 == claim.package
        };
        let sources: BTreeSet<&str> =
            installed().filter(is_named).map(|package| package.source_or_own().0).collect();
        let of_source = installed().filter(|package| sources.contains(package.source_or_own().0));
        let known: Vec<&str> = of_source.map(|package| package.name.as_str()).collect();
        unchecked.extend(names.iter().map(|name| UncheckedName {
            name: name.clone(),
            package: claim.package.clone(),
            near: hardpan_definition::nearest(name, known.iter().copied()).map(str::to_owned),
        }));
    }
    unchecked
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
        id: document_id(ID_BASE, name.trim_start_matches('/'), digest, version)?,
        author: Text::new(request.author)?,
        role: None,
        time: request.time,
        last_updated: None,
        version: NonZeroU32::new(version).unwrap_or(NonZeroU32::MIN),
        tooling: Some(Text::new(TOOLING)?),
    };
    VexDocument::new(header, statements)
}

/// Leaves out what is said anew at the same time: of two that are known of one second, what is said now counts, and not the
/// worse.
fn without(
    before: impl Iterator<Item = VexStatement>,
    said: &[VexStatement],
    time: Time,
) -> Vec<VexStatement> {
    let about = |statement: &VexStatement, product: &Product, part: Option<&Component>| {
        (
            statement.vulnerability.canonical().name,
            product.component.key(),
            part.map(Component::key),
        )
    };
    let mut anew = BTreeSet::new();
    // What is said now of a package in this image counts more than what was said of the package alone.
    let mut parts_anew: Parts<()> = Parts::default();
    for statement in said {
        let name = statement.vulnerability.canonical().name;
        for product in &statement.products {
            product.subcomponents.iter().for_each(|part| parts_anew.insert(&name, part, ()));
            let parts = product.subcomponents.iter().map(Some);
            let whole = product.subcomponents.is_empty().then_some(None);
            anew.extend(parts.chain(whole).map(|part| about(statement, product, part)));
        }
    }
    let left = |statement: &VexStatement, product: &Product| {
        let is_whole = product.subcomponents.is_empty();
        if is_whole {
            let own = about(statement, product, None);
            let is_part = parts_anew.of(&own.0, &product.component).next().is_some();
            return (!is_part && !anew.contains(&own)).then(|| product.clone());
        }
        let parts = product.subcomponents.iter();
        let parts = parts.filter(|part| !anew.contains(&about(statement, product, Some(part))));
        let subcomponents: BTreeSet<Component> = parts.cloned().collect();
        let component = product.component.clone();
        (!subcomponents.is_empty()).then_some(Product { component, subcomponents })
    };
    let kept = before.map(|mut statement| {
        if statement.time == time {
            let products = statement.products.iter();
            statement.products = products.filter_map(|product| left(&statement, product)).collect();
        }
        statement
    });
    kept.filter(|statement| !statement.products.is_empty()).collect()
}

/// Returns by vulnerability the packages of which a document says that they are not affected. A package URL that has less
/// in it than that of a package is about it, too.
fn claimed(documents: &[VexRead]) -> BTreeMap<String, Vec<PackageUrl>> {
    let mut claimed: BTreeMap<String, Vec<PackageUrl>> = BTreeMap::new();
    let statements = documents.iter().flat_map(|document| &document.statements);
    for statement in statements.filter(|it| matches!(it.status, Status::NotAffected(_))) {
        let of = claimed.entry(statement.vulnerability.canonical().name).or_default();
        for product in &statement.products {
            let parts = product.subcomponents.iter();
            let whole = product.subcomponents.is_empty().then_some(&product.component);
            of.extend(parts.chain(whole).filter_map(Component::purl));
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

#[cfg(test)]
mod tests {
    use hardpan_attest::predicate::vex::from_value;
    use serde_json::{Value, json};

    use super::*;

    fn said(id: &str, status: &str, products: &Value, second: u32) -> Vec<VexStatement> {
        document(id, status, products, second).statements
    }

    fn document(id: &str, status: &str, products: &Value, second: u32) -> VexRead {
        let mut statement = json!({
            "vulnerability": {"name": id}, "status": status, "products": products,
            "timestamp": format!("2026-01-01T00:00:{second:02}Z"),
        });
        match status {
            "affected" => statement["action_statement"] = "update".into(),
            "not_affected" => statement["justification"] = "component_not_present".into(),
            _ => {}
        }
        let document = json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "A",
            "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [statement],
        });
        from_value(&document).unwrap()
    }

    #[test]
    fn claims_are_about_packages_and_not_about_texts() {
        let claims = |status: &str, products: Value| {
            claimed(&[document("C", status, &products, 5)]).remove("C").unwrap_or_default()
        };
        let package: PackageUrl = "pkg:deb/debian/a@1?arch=amd64".parse().unwrap();
        for (summary, status, products, expected) in [
            ("the same", "not_affected", json!([{"@id": "pkg:deb/debian/a@1?arch=amd64"}]), true),
            ("less of it", "not_affected", json!([{"@id": "pkg:deb/debian/a@1"}]), true),
            ("any version", "not_affected", json!([{"@id": "pkg:deb/debian/a"}]), true),
            ("in another spelling", "not_affected", json!([{"@id": "pkg:DEB/Debian/a@1"}]), true),
            (
                "in an image",
                "not_affected",
                json!([{"@id": "pkg:oci/app", "subcomponents": [{"@id": "pkg:deb/debian/a@1"}]}]),
                true,
            ),
            (
                "of a part of it",
                "not_affected",
                json!([{"@id": "pkg:deb/debian/a@1", "subcomponents": [{"@id": "pkg:npm/b@1"}]}]),
                false,
            ),
            (
                "more than it",
                "not_affected",
                json!([{"@id": "pkg:deb/debian/a@1?arch=amd64&distro=debian-13"}]),
                false,
            ),
            (
                "another architecture",
                "not_affected",
                json!([{"@id": "pkg:deb/debian/a@1?arch=arm64"}]),
                false,
            ),
            ("another version", "not_affected", json!([{"@id": "pkg:deb/debian/a@2"}]), false),
            ("another status", "affected", json!([{"@id": "pkg:deb/debian/a@1"}]), false),
        ] {
            let found = claims(status, products).iter().any(|claim| claim.matches(&package));
            assert_eq!(found, expected, "{summary}");
        }
    }

    #[test]
    fn what_is_said_anew_in_the_same_second_counts() {
        let part = |names: &[&str]| -> Value {
            let parts: Vec<Value> = names.iter().map(|name| json!({"@id": name})).collect();
            json!([{"@id": "pkg:oci/app", "subcomponents": parts}])
        };
        let (a, b) = ("pkg:deb/debian/a@1", "pkg:deb/debian/b@1");
        let more = "pkg:deb/debian/a@1?arch=amd64";
        let whole = json!([{"@id": a}, {"@id": b}]);
        let time: Time = "2026-01-01T00:00:05Z".parse().unwrap();
        for (summary, before, anew, kept) in [
            ("all of it", said("C", "affected", &whole, 5), &whole, 0),
            ("a part of it", said("C", "affected", &part(&[a, b]), 5), &part(&[a]), 1),
            ("all parts", said("C", "affected", &part(&[a]), 5), &part(&[a, b]), 0),
            ("parts are no whole", said("C", "affected", &part(&[a]), 5), &whole, 1),
            ("alone, and now in the image", said("C", "affected", &whole, 5), &part(&[a]), 1),
            // A URL with more in it is of the same package.
            ("with more in its name", said("C", "affected", &whole, 5), &part(&[more]), 1),
            ("another one", said("C", "affected", &whole, 5), &part(&["pkg:deb/debian/a@2"]), 2),
            (
                "with less in its name",
                said("C", "affected", &json!([{"@id": more}]), 5),
                &part(&[a]),
                1,
            ),
            ("older", said("C", "affected", &whole, 4), &whole, 2),
            ("newer", said("C", "affected", &whole, 6), &whole, 2),
            ("another vulnerability", said("D", "affected", &whole, 5), &whole, 2),
        ] {
            let anew = said("C", "not_affected", anew, 5);
            let left = without(before.into_iter(), &anew, time);
            let count = |statement: &VexStatement| {
                let parts = |it: &Product| it.subcomponents.len().max(1);
                statement.products.iter().map(parts).sum::<usize>()
            };
            assert_eq!(left.iter().map(count).sum::<usize>(), kept, "{summary}");
        }
    }
}
