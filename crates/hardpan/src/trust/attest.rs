// SPDX-License-Identifier: Apache-2.0
//! `build --sign`: what a build knows, stated and signed beside the image in its layout.

use std::collections::BTreeMap;
use std::path::Path;

use hardpan_attest::key::Signer;
use hardpan_attest::predicate::image_sources::{ImageSources, PackageSource};
use hardpan_attest::predicate::vex::{
    InstalledImage, InstalledPackage, InstalledPlatform, VexRead,
};
use hardpan_attest::predicate::{DigestSet, provenance, uri};
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_attest::sbom::{Component, Sbom, cyclonedx, spdx2};
use hardpan_attest::verify::Reusing;
use hardpan_attest::{Statement, Subject};
use hardpan_image::{Descriptor, Manifest, Raw, canonical_json};
use hardpan_package::segment::{SEGMENT_FORMAT_VERSION, Unpacked, segment_key};
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::Previous;
use super::record::BuiltBy;
use super::sign::{SignRequest, Signed, sign_and_attach};
use super::tested::TestedFile;
use super::verify::note_signatures;
use super::vex::{VexSummary, vex_statement};
use super::{Format, TrustError, in_index};
use crate::build::BuildSettings;
use crate::built::{Built, BuiltPlatform};
use crate::error::Error;
use crate::lock::{Lock, LockedPackage, LockedPlatform};
use crate::project::Project;
use crate::sbom::{self, FileOrigins, Known, Naming, Release, SbomReport};
use crate::session::Session;
use crate::shelf::{
    DerivedShelf, Destination as _, ImageSet, LayoutDestination, LayoutShelf, Location, Shelf,
    ShelfError, bring_attestations, identity,
};

/// Who signs what was built, and what else is said of it.
#[derive(Debug, Clone)]
pub struct AttestRequest<'k> {
    /// Who signs.
    pub sign: SignRequest<'k>,
    /// Who built.
    pub by: BuiltBy,
    /// Whether provenance is also stated in the older form that some tools read (SLSA 0.2).
    pub provenance_v0_2: bool,
    /// VEX documents of people; what they say of the image is stated in one.
    pub vex: Vec<VexRead>,
    /// Reports of tests of the image.
    pub tests: Vec<TestedFile>,
    /// An older build. What changed since it is stated.
    pub previous: Option<Location>,
}

/// What was stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attested {
    /// Digest of the image index as it is now: another one than was built if statements are in it.
    pub digest: Digest,
    /// Id of the key, or whose certificate it has.
    pub key: String,
    /// The types of the statements, with how many of each.
    pub statements: BTreeMap<String, usize>,
    /// What in the image could not be read for its SBOM.
    pub problems: Vec<String>,
    /// What came of VEX documents, if there were any.
    pub vex: Option<VexSummary>,
    /// Platforms that the older build is not for, and of which no changes are stated.
    pub without_changes: Vec<String>,
}

/// The kind of records that hold what was stated of a platform.
const STATED: &str = "stated";
/// Goes up whenever the same image is stated differently.
const STATED_FORMAT: u32 = 2;

/// What is stated of one platform, but for how it was built.
#[derive(Debug, Serialize, Deserialize)]
struct Stated {
    statements: Vec<Statement>,
    /// What could not be read.
    problems: Vec<String>,
    release: Release,
    /// The platform's manifest.
    digest: Digest,
    /// What is installed, for VEX.
    packages: Vec<StatedPackage>,
}

/// A package with a package URL.
#[derive(Debug, Serialize, Deserialize)]
struct StatedPackage {
    purl: String,
    /// Name and version of its source.
    source: Option<(String, String)>,
}

impl StatedPackage {
    fn of(component: &Component) -> Option<Self> {
        Some(Self { purl: component.purl.as_ref()?.to_string(), source: component.source.clone() })
    }
}

/// All that decides [`Stated`].
#[derive(Serialize)]
struct StatedKey<'k> {
    format: u32,
    hardpan: &'static str,
    manifest: Digest,
    locked: Option<&'k LockedPlatform>,
    epoch: i64,
    strip: &'k Digest,
    name: &'k (String, Option<String>),
    built: &'k BuiltPlatform,
}

impl Session<'_> {
    /// States what is known of a finished build, and signs the image and every statement, in its layout.
    ///
    /// The same build signed again gives the same bytes, but for what [`BuiltBy::run`] says. With
    /// [`super::AttachOptions::buildkit`] the index has statements in it, and so depends on them, too.
    pub fn attest(
        &self,
        project: &Project,
        lock: &Lock,
        settings: &BuildSettings,
        built: &Built,
        layout: &Path,
        request: &AttestRequest<'_>,
    ) -> Result<Attested, Error> {
        let shelf = LayoutShelf::open(layout)?;
        let there = ImageSet::read(&shelf)?;
        let set = in_index::without(&there)?;
        let digest = set.root.descriptor.digest;
        if digest != built.digest {
            let (expected, actual) = (built.digest, digest);
            return Err(ShelfError::Altered { expected, actual }.into());
        }
        let name = image_name(built)?;
        let previous = request.previous.as_ref();
        let previous = previous.map(|previous| Previous::open(self, previous)).transpose()?;
        let of_platforms = crate::parallel::map(self.threads, &set.platforms, |platform| {
            let (descriptor, manifest) = platform;
            let built = (built.platforms.iter()).find(|it| it.manifest == descriptor.digest);
            let built = built.ok_or(ShelfError::Lost {
                name: layout.display().to_string(),
                what: descriptor.digest.to_string(),
            })?;
            self.statements_of(&shelf, &name, (descriptor, manifest), built, lock, settings)
        })?;
        let release = of_platforms.first().map(|facts| facts.release.clone()).unwrap_or_default();
        let (mut statements, mut problems) = (Vec::new(), Vec::new());
        let mut platforms = Vec::with_capacity(of_platforms.len());
        for mut facts in of_platforms {
            statements.append(&mut facts.statements);
            problems.append(&mut facts.problems);
            platforms.push(InstalledPlatform {
                digest: facts.digest,
                packages: facts.packages.iter().filter_map(installed).collect(),
            });
        }
        let mut without_changes = Vec::new();
        if let Some(previous) = &previous {
            for (descriptor, manifest) in &set.platforms {
                let called = built.names.first().map_or(name.0.as_str(), String::as_str);
                match previous.changes(self, &shelf, (descriptor, manifest), called)? {
                    Some(changes) => {
                        let subject = vec![Subject::new(&name.0, descriptor.digest)];
                        statements.push(statement(subject, uri::CHANGELOG, &changes)?);
                    }
                    None => without_changes
                        .extend(descriptor.platform.as_ref().map(ToString::to_string)),
                }
            }
        }
        let record = self.build_record(project, lock, settings, built, &request.by, &release)?;
        let of_whole = |set: &ImageSet| -> Result<(Vec<Statement>, Option<VexSummary>), Error> {
            let root = set.root.descriptor.digest;
            let index = set.root.is_index().then_some(root);
            let platforms = platforms.clone();
            let image = InstalledImage { name: name.0.clone(), index, platforms };
            let (mut all, vex) = people_say(&image, &root, lock.epoch, request)?;
            all.extend(provenance(&record, set, &name.0, request.provenance_v0_2)?);
            Ok((all, vex))
        };
        let mut reusing = Reusing::new(request.sign.signer);
        note_signatures(self, &shelf, &there.members(), &mut reusing)?;
        let (shelf, set) = if request.sign.options.buildkit {
            let all: Vec<Statement> = [statements.clone(), of_whole(&set)?.0].concat();
            self.put_into_index(shelf, &set, &all, layout)?
        } else {
            (shelf, set)
        };
        let digest = set.root.descriptor.digest;
        let (of_whole, vex) = of_whole(&set)?;
        statements.extend(of_whole);
        let mut counts = BTreeMap::new();
        for statement in &statements {
            *counts.entry(statement.predicate_type.clone()).or_default() += 1;
        }
        let destination = LayoutDestination::open(layout, &shelf)?;
        let what = Signed { set: &set, in_index: &set.attestations, identity: &name.0, statements };
        let sign = SignRequest { signer: &reusing, ..request.sign };
        sign_and_attach(self, what, sign, &shelf, &destination)?;
        destination.finish()?;
        problems.sort();
        problems.dedup();
        let key = signed_by(request.sign.signer);
        Ok(Attested { digest, key, statements: counts, problems, vex, without_changes })
    }

    /// Puts statements into the index of an image and the index into the layout: a signer may look there for what it is
    /// asked to sign.
    fn put_into_index(
        &self,
        shelf: LayoutShelf,
        set: &ImageSet,
        statements: &[Statement],
        layout: &Path,
    ) -> Result<(LayoutShelf, ImageSet), Error> {
        let derived = DerivedShelf::new(&shelf, set, &in_index::make(set, statements)?)?;
        let set = ImageSet::read(&derived)?;
        if shelf.root()?.descriptor.digest == set.root.descriptor.digest {
            return Ok((shelf, set));
        }
        let destination = LayoutDestination::open_for(layout, &shelf, Some(&set.root))?;
        bring_attestations(self, &derived, &set, &destination)?;
        destination.put_document(&set.root)?;
        destination.finish()?;
        Ok((LayoutShelf::open(layout)?, set))
    }

    /// Returns what is stated of one platform: from the store where the same was stated before.
    fn statements_of(
        &self,
        shelf: &LayoutShelf,
        name: &(String, Option<String>),
        (descriptor, manifest): (&Descriptor, &Raw<Manifest>),
        built: &BuiltPlatform,
        lock: &Lock,
        settings: &BuildSettings,
    ) -> Result<Stated, Error> {
        let locked = lock.platforms.get(&built.platform);
        let key = Digest::of(&canonical_json(&StatedKey {
            format: STATED_FORMAT,
            hardpan: env!("CARGO_PKG_VERSION"),
            manifest: descriptor.digest,
            locked,
            epoch: lock.epoch,
            strip: &settings.strip.digest(),
            name,
            built,
        }));
        // One that can't be read is as good as none.
        if let Ok(Some(stated)) = self.store.read_record::<Stated>(STATED, &key) {
            return Ok(stated);
        }
        let (report, release) =
            self.sbom_of_built(shelf, name, (descriptor, manifest), built, lock, settings)?;
        let nothing = LockedPlatform::default();
        let locked = locked.unwrap_or(&nothing);
        let subject = || vec![Subject::new(&name.0, descriptor.digest)];
        let mut statements = vec![
            statement(subject(), uri::SPDX, &parsed(uri::SPDX, &spdx2::write(&report.sbom))?)?,
            statement(subject(), uri::CYCLONEDX, &cyclone(&report.sbom)?)?,
            statement(subject(), uri::IMAGE_SOURCES, &sources(&report.sbom, locked, &release))?,
        ];
        for own in &built.statements {
            let bytes = self.store.read_blob(&own.digest)?;
            let bytes = bytes.ok_or_else(|| ShelfError::Lost {
                name: format!("what stage {} states", own.stage),
                what: own.digest.to_string(),
            })?;
            let predicate = parsed(&own.predicate_type, &bytes)?;
            statements.push(statement(subject(), &own.predicate_type, &predicate)?);
        }
        let packages = report.sbom.components.values().filter_map(StatedPackage::of).collect();
        let digest = descriptor.digest;
        let stated = Stated { statements, problems: report.problems, release, digest, packages };
        self.store.write_record(STATED, &key, &stated)?;
        Ok(stated)
    }

    /// Returns the SBOM of a platform that was built here, and which release it is of.
    pub(super) fn sbom_of_built(
        &self,
        shelf: &dyn Shelf,
        name: &(String, Option<String>),
        (descriptor, manifest): (&Descriptor, &Raw<Manifest>),
        built: &BuiltPlatform,
        lock: &Lock,
        settings: &BuildSettings,
    ) -> Result<(SbomReport, Release), Error> {
        let nothing = LockedPlatform::default();
        let locked = lock.platforms.get(&built.platform).unwrap_or(&nothing);
        let catalog = sbom::catalog_of(shelf, manifest)?;
        let naming = Naming {
            name: &name.0,
            version: name.1.as_deref(),
            digest: Some(descriptor.digest),
            platform: Some(built.platform.clone()),
            epoch: lock.epoch,
        };
        let origins = self.origins_of(built, &locked.packages, settings)?;
        let owners = origins.by_path();
        let known = Known {
            packages: &locked.packages,
            downloads: &built.downloads,
            images: &locked.images,
            owners: Some(&owners),
        };
        let release = Release::of(catalog.os.as_ref());
        Ok((sbom::sbom_of(&catalog, &naming, &known), release))
    }

    /// Returns who brought which file. Where the store no longer knows of the build, its packages still have theirs; of
    /// those that are gone, too, the image's own files have to tell.
    fn origins_of(
        &self,
        built: &BuiltPlatform,
        packages: &[LockedPackage],
        settings: &BuildSettings,
    ) -> Result<FileOrigins, Error> {
        if let Some(digest) = &built.file_origins
            && let Some(bytes) = self.store.read_blob(digest)?
            && let Ok(origins) = serde_json::from_slice(&bytes)
        {
            return Ok(origins);
        }
        let mut origins = FileOrigins::default();
        for package in packages {
            let key = segment_key(&package.sha256, &settings.strip, SEGMENT_FORMAT_VERSION);
            if let Some((_, unpacked)) = self.store.segment_with_record::<Unpacked>(&key)? {
                origins.add_package(&unpacked);
            }
        }
        Ok(origins)
    }
}

/// Returns what people say of an image: their VEX documents as one, and their reports of tests.
fn people_say(
    image: &InstalledImage,
    root: &Digest,
    epoch: i64,
    request: &AttestRequest<'_>,
) -> Result<(Vec<Statement>, Option<VexSummary>), Error> {
    let mut statements = Vec::new();
    let mut summary = None;
    if !request.vex.is_empty() {
        let (vex, found) = vex_statement(&request.vex, image, root, epoch)?;
        statements.extend(vex);
        summary = Some(found);
    }
    let digests: Vec<Digest> = image.platforms.iter().map(|platform| platform.digest).collect();
    for tested in &request.tests {
        let platforms = tested.platforms(&digests)?;
        for (predicate_type, predicate) in tested.predicates()? {
            let subjects = platforms.iter().map(|digest| Subject::new(&image.name, *digest));
            statements.push(statement(subjects.collect(), &predicate_type, &predicate)?);
        }
    }
    Ok((statements, summary))
}

/// Returns a component as VEX documents name it, if it has a package URL.
fn installed(package: &StatedPackage) -> Option<InstalledPackage> {
    let purl: PackageUrl = package.purl.parse().ok()?;
    let source = package.source.as_ref();
    let source = source.and_then(|(name, version)| purl.source_of(name, version).ok());
    Some(InstalledPackage { purl, source })
}

/// States how an image was built.
fn provenance(
    record: &provenance::BuildRecord,
    set: &ImageSet,
    name: &str,
    with_v0_2: bool,
) -> Result<Vec<Statement>, Error> {
    let subjects: Vec<Subject> =
        set.subjects().iter().map(|subject| Subject::new(name, subject.digest)).collect();
    let v1 = provenance::Provenance::of(record).map_err(TrustError::from)?;
    let mut statements = vec![statement(subjects.clone(), uri::PROVENANCE, &v1)?];
    if with_v0_2 {
        let old = provenance::v0_2::Provenance::of(record).map_err(TrustError::from)?;
        statements.push(statement(subjects, uri::PROVENANCE_V0_2, &old)?);
    }
    Ok(statements)
}

fn cyclone(sbom: &Sbom) -> Result<Value, Error> {
    parsed(uri::CYCLONEDX, &cyclonedx::write(sbom, cyclonedx::SpecVersion::V1_6))
}

fn parsed(predicate_type: &str, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|source| {
        TrustError::Json { predicate_type: predicate_type.to_owned(), source }.into()
    })
}

pub(super) fn statement(
    subject: Vec<Subject>,
    predicate_type: &str,
    predicate: &impl Serialize,
) -> Result<Statement, Error> {
    Statement::new(subject, predicate_type, predicate).map_err(|source| {
        TrustError::Json { predicate_type: predicate_type.to_owned(), source }.into()
    })
}

/// Returns the id of the key that signs, or whose certificate it has.
fn signed_by(signer: &dyn Signer) -> String {
    match signer.issued() {
        Some(issued) => issued.certificate.identity().to_string(),
        None => signer.public_key().id().to_string(),
    }
}

/// Returns registry and repository, and the first tag.
pub(super) fn image_name(built: &Built) -> Result<(String, Option<String>), Error> {
    let name = built.names.first().cloned().unwrap_or_else(|| "image".to_owned());
    let parsed: hardpan_image::ImageName =
        name.parse().map_err(|source| TrustError::Name { name, source })?;
    Ok((identity(&parsed), parsed.tag().map(str::to_owned)))
}

/// Returns where the sources of everything in the image are.
fn sources(sbom: &Sbom, locked: &LockedPlatform, release: &Release) -> ImageSources {
    let of_packages = locked.packages.iter().filter_map(|package| {
        let purl = super::record::purl_of(package, release)?;
        Some(PackageSource {
            name: package.source.clone().unwrap_or_else(|| package.name.clone()),
            version: Some(
                package.source_version.clone().unwrap_or_else(|| package.version.clone()),
            ),
            archive: Some(package.archive.clone()),
            location: None,
            digest: DigestSet::new(),
            packages: std::iter::once(purl.to_string()).collect(),
        })
    });
    let others = sbom.components.values().filter(|component| {
        !sbom::is_distribution(component.kind) && component.kind != sbom::OPERATING_SYSTEM
    });
    ImageSources::of(of_packages.chain(others.filter_map(source_of)))
}

fn source_of(component: &Component) -> Option<PackageSource> {
    Some(PackageSource {
        name: component.name.clone(),
        version: component.version.clone(),
        archive: None,
        location: component.download_location.clone(),
        digest: component.sha256.iter().map(digest).collect(),
        packages: std::iter::once(component.purl.as_ref()?.to_string()).collect(),
    })
}

fn digest(digest: &Digest) -> (String, String) {
    ("sha256".to_owned(), digest.to_hex())
}

/// Returns the forms by their names.
pub fn format_of(name: &str) -> Option<Format> {
    match name {
        "both" => Some(Format::Both),
        "bundle" => Some(Format::Bundle),
        "legacy" => Some(Format::Legacy),
        _ => None,
    }
}
