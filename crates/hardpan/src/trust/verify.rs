// SPDX-License-Identifier: Apache-2.0
//! `verify`: who signed an image, what is proven about it, and what is missing.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;

use hardpan_attest::key::{Signer as _, UtcTime};
use hardpan_attest::verify::{self, Evidence, Found, Refusal, Reusing, Rules, Source, is_signed};
use hardpan_image::{
    ContainerConfig, Descriptor, ImageConfig, Manifest, Platform, Raw, media_type,
};

use crate::error::Error;
use crate::session::Session;
use crate::shelf::{
    ATTACHED_BYTES_MAX, Attached, ImageSet, Location, Shelf, Stored, Unread, attached, found,
    identity, transfers, unread,
};

/// What an image is called that another was made of, in its labels and annotations (OCI image specification).
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// What is proven about an image.
#[derive(Debug)]
pub struct VerifyReport {
    /// Where it was looked at.
    pub name: String,
    /// Registry and repository, if it was in one.
    pub repository: Option<String>,
    /// The index, if the name means one, and every manifest that it names.
    pub subjects: Vec<SubjectReport>,
}

/// What is proven about an index, or the manifest of a platform.
#[derive(Debug)]
pub struct SubjectReport {
    /// What it is.
    pub descriptor: Descriptor,
    /// The platform; `None` for an index, and for what is no image.
    pub platform: Option<Platform>,
    /// When it says that it was made, in seconds; `None` for an index, and for what is no image.
    pub created: Option<i64>,
    /// How it runs; `None` for an index, and for what is no image.
    pub config: Option<ContainerConfig>,
    /// The images that it says it was made of.
    pub bases: BTreeSet<String>,
    /// Everything that was found, proven or refused.
    pub evidence: Vec<Evidence>,
}

impl SubjectReport {
    /// Returns what it is called: its platform, or `index`, or `manifest` for what is no image.
    pub fn label(&self) -> String {
        let other = || if self.is_index() { "index" } else { "manifest" }.to_owned();
        self.platform.as_ref().map_or_else(other, ToString::to_string)
    }

    /// Returns whether it is an index.
    pub fn is_index(&self) -> bool {
        media_type::is_index(&self.descriptor.media_type)
    }

    /// Returns whether a trusted key signed it.
    pub fn is_signed(&self) -> bool {
        is_signed(&self.evidence)
    }
}

impl VerifyReport {
    /// Returns whether a trusted key signed the index and every platform.
    pub fn is_signed(&self) -> bool {
        !self.subjects.is_empty() && self.subjects.iter().all(SubjectReport::is_signed)
    }

    /// Returns why what was found and proves nothing does so.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.subjects.iter().flat_map(|subject| &subject.evidence).filter_map(Evidence::refusal)
    }

    /// Returns whether something has other bytes than its digest says. Nobody can push that: where it lies or on the way
    /// it was altered, so nothing that comes from there is to be trusted, whatever else is proven.
    pub fn is_damaged(&self) -> bool {
        self.refusals()
            .any(|refusal| matches!(refusal, Refusal::Altered(_) | Refusal::Listed { .. }))
    }

    /// Returns whether something was altered, or says of itself what it is not. Where not all is proven, that is worse
    /// than something that is missing or of somebody unknown. Where all is proven it says nothing about the image: anybody
    /// who can push beside it can put such a thing there.
    pub fn is_tampered_with(&self) -> bool {
        self.refusals().any(is_tampering)
    }
}

/// Returns whether a refusal tells of an attack or of damage, and not only of somebody else's key.
fn is_tampering(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Log(error) => return error.is_tampering(),
        Refusal::Timestamp(error) => return error.is_tampering(),
        _ => {}
    }
    matches!(
        refusal,
        Refusal::Listed { .. }
            | Refusal::Subject { .. }
            | Refusal::SubjectSize { .. }
            | Refusal::ArtifactType { .. }
            | Refusal::MixedLayers { .. }
            | Refusal::Altered(_)
            | Refusal::Size { .. }
            | Refusal::Bundle(_)
            | Refusal::Envelope(_)
            | Refusal::Payload(_)
            | Refusal::SignatureText
            | Refusal::BadSignature { .. }
            | Refusal::NotCertificates
            | Refusal::Statement(_)
            | Refusal::OtherImage(_)
            | Refusal::PredicateType { .. }
            | Refusal::Manifest(_)
    )
}

impl Session<'_> {
    /// Says what is proven about an image, wherever it lies. Nobody but those whom the rules name is believed.
    pub fn verify<'r>(
        &self,
        location: &Location,
        rules: impl Into<Rules<'r>>,
    ) -> Result<VerifyReport, Error> {
        let rules = rules.into();
        let opened = self.open_shelf(location)?;
        let shelf = opened.shelf();
        let set = ImageSet::read(shelf)?;
        let now = UtcTime::of_seconds(self.now_seconds());
        let subjects = set.subjects();
        let subjects = crate::parallel::map(transfers(self), &subjects, |subject| {
            let own = set.platforms.iter().find(|(entry, _)| entry.digest == subject.digest);
            // What is no image, a chart say, has neither platform nor time.
            let manifest = own.map(|(_, manifest)| manifest).filter(|it| has_image_config(it));
            let config = manifest.map(|it| crate::sbom::config_of(shelf, it)).transpose()?;
            let config = config.as_ref().map(Raw::value);
            Ok::<_, Error>(SubjectReport {
                descriptor: subject.clone(),
                platform: config.map(ImageConfig::platform),
                created: config.map(crate::sbom::epoch_of),
                config: config.map(|config| config.config.clone()),
                bases: bases_of(own.map(|(_, manifest)| manifest), config),
                evidence: evidence(self, shelf, &set, subject, rules, &now)?,
            })
        })?;
        let repository = match location {
            Location::Registry(name) => Some(identity(name)),
            Location::Layout(_) | Location::Archive(_) => None,
        };
        Ok(VerifyReport { name: location.to_string(), repository, subjects })
    }
}

/// Returns the images that a manifest and its labels say it was made of: they may say different things.
fn bases_of(manifest: Option<&Raw<Manifest>>, config: Option<&ImageConfig>) -> BTreeSet<String> {
    let annotations = manifest.map(|manifest| &manifest.value().annotations);
    let labels = config.map(|config| &config.config.labels);
    [labels, annotations]
        .into_iter()
        .flatten()
        .filter_map(|all| all.get(BASE_NAME))
        .cloned()
        .collect()
}

/// Returns whether a manifest's configuration is that of an image.
fn has_image_config(manifest: &Raw<Manifest>) -> bool {
    let media_type = manifest.value().config.media_type.as_str();
    matches!(media_type, media_type::CONFIG | media_type::DOCKER_CONFIG)
}

/// Says what all that is attached to an image proves, and what of the index is about it.
pub(crate) fn evidence(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    set: &ImageSet,
    subject: &Descriptor,
    rules: Rules<'_>,
    now: &UtcTime,
) -> Result<Vec<Evidence>, Error> {
    let attached = all_about(shelf, set, subject)?;
    let found = contents(session, shelf, &attached)?;
    let mut evidence = verify::verify(subject, &found, rules, now);
    for one in attached.iter().filter(|one| one.document.is_none()) {
        let digest = one.listed.as_ref().map_or(subject.digest, |listed| listed.digest);
        evidence.push(Evidence::not_there(one.source, digest));
    }
    Ok(evidence)
}

/// Returns what is attached to an image, and the statements about it that are in the index, with what is attached to them.
fn all_about(
    shelf: &dyn Shelf,
    set: &ImageSet,
    subject: &Descriptor,
) -> Result<Vec<Attached>, Error> {
    let mut all = attached(shelf, subject)?;
    let mut in_index = Vec::new();
    for entry in set.attestations_of(subject.digest) {
        // It refers to the image, so a registry may list it as well.
        all.retain(|one| {
            one.document.as_ref().is_none_or(|it| it.descriptor.digest != entry.digest)
        });
        let document = match shelf.document(entry) {
            Ok(document) => Some(document),
            Err(error) if unread(&error) == Some(Unread::NotThere) => None,
            Err(error) => return Err(error),
        };
        let (source, listed) = (Source::Index, Some(entry.clone()));
        in_index.push(Attached { source, listed, tag: None, document });
        // Where a registry listed it, these are there already.
        let is_new = |one: &Attached| {
            let digest = |one: &Attached| one.document.as_ref().map(|it| it.descriptor.digest);
            !all.iter().any(|known| digest(known).is_some() && digest(known) == digest(one))
        };
        in_index.extend(shelf.referrers(entry)?.into_iter().filter(is_new));
    }
    all.extend(in_index);
    Ok(all)
}

/// Reads what was found.
fn contents(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    attached: &[Attached],
) -> Result<Vec<Found>, Error> {
    let bytes_left = AtomicU64::new(ATTACHED_BYTES_MAX);
    let there: Vec<(&Attached, &Stored)> =
        attached.iter().filter_map(|one| Some((one, one.document.as_ref()?))).collect();
    crate::parallel::map(transfers(session), &there, |(one, document)| {
        found(shelf, one, document, &bytes_left)
    })
}

/// Takes note of the signatures that lie beside an image: a key that gives another signature each time would else make
/// something new of the same.
pub(super) fn note_signatures(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    members: &[Descriptor],
    reusing: &mut Reusing<'_>,
) -> Result<(), Error> {
    if reusing.is_deterministic() {
        return Ok(());
    }
    for member in members {
        let attached = attached(shelf, member)?;
        for found in &contents(session, shelf, &attached)? {
            reusing.note(found);
        }
    }
    Ok(())
}
