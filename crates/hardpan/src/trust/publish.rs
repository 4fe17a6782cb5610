// SPDX-License-Identifier: Apache-2.0
//! `publish`: an image of a layout into a registry, signed, with its tags last.

use hardpan_attest::Statement;
use hardpan_attest::key::{Keyring, UtcTime};
use hardpan_attest::verify::{Claim, Reusing, Rules, is_signed};
use hardpan_image::{Descriptor, ImageName};
use hardpan_tree::Digest;
use serde::Serialize;

use super::sign::{Signed, sign_and_attach};
use super::verify::{evidence, note_signatures};
use super::{SignRequest, TrustError, in_index};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{
    DerivedShelf, Destination as _, ImageSet, Location, RegistryShelf, Shelf, bring_attached,
    bring_image, identity, transfers,
};

/// What to publish where.
#[derive(Debug, Clone)]
pub struct PublishRequest<'k> {
    /// Where the image is.
    pub from: Location,
    /// The repository, with one of the tags.
    pub to: ImageName,
    /// Further tags.
    pub tags: Vec<String>,
    /// Who signs; `None` publishes what is attached as it is.
    pub sign: Option<SignRequest<'k>>,
    /// What signatures say the image is called, where that is not where it is published: podman compares it with the
    /// name that is pulled.
    pub identity: Option<String>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// Digest of the index, or of the manifest of a single platform.
    pub digest: Digest,
    /// The tags that it has now.
    pub names: Vec<String>,
    /// How many platforms it has.
    pub platforms: usize,
    /// Layers and configurations.
    pub blobs: usize,
    /// Their bytes.
    pub size_bytes: u64,
    /// How many statements or manifests are attached.
    pub attached: usize,
    /// Whether it was signed and the signatures were read back.
    pub signed: bool,
}

impl Session<'_> {
    /// Publishes an image: layers, manifests of platforms, the index, signatures and attestations, a look whether they
    /// verify, and only then the tags. Publishing the same again changes nothing.
    ///
    /// With [`super::AttachOptions::buildkit`] the index is one that has statements in it, if it is not already.
    pub fn publish(&self, request: &PublishRequest<'_>) -> Result<Published, Error> {
        let opened = self.open_shelf(&request.from)?;
        let shelf = opened.shelf();
        let there = ImageSet::read(shelf)?;
        let mut destination = RegistryShelf::new(self, &request.to)?;
        if let Location::Registry(from) = &request.from {
            destination = destination.mounting(from);
        }
        // What can't be signed is refused before anything is published.
        let own = match request.sign {
            Some(sign) => Some((self.own_statements(shelf, &there, sign)?, sign)),
            None => None,
        };
        let derived = match &own {
            Some((statements, sign)) => self.derived(shelf, &there, statements, *sign)?,
            None => None,
        };
        let (shelf, set) = match &derived {
            Some(derived) => (derived as &dyn Shelf, ImageSet::read(derived)?),
            None => (shelf, there.clone()),
        };
        let signed = own.is_some();
        let in_index = match &own {
            Some(_) if derived.is_some() => set.attestations.clone(),
            Some((_, sign)) => in_index::signed_by(
                self,
                shelf,
                &set,
                Rules::of_signer(sign.signer, &keyring(*sign)),
            )?,
            None => Vec::new(),
        };
        let (blobs, size_bytes) = bring_image(self, shelf, &set, &destination)?;
        let attached = match own {
            Some((statements, sign)) => {
                let mut reusing = Reusing::new(sign.signer);
                let places: [&dyn Shelf; 2] = [shelf, &destination];
                for place in places {
                    note_signatures(self, place, &set.members(), &mut reusing)?;
                }
                let (old, new) = (there.root.descriptor.digest, set.root.descriptor.digest);
                let name = request.identity.clone().unwrap_or_else(|| identity(&request.to));
                let statements = (statements.into_iter())
                    .filter_map(|statement| in_index::moved(statement, &old, &new))
                    .map(|statement| renamed(statement, &name));
                let statements = each_once(statements);
                let what = Signed { set: &set, in_index: &in_index, identity: &name, statements };
                let request = SignRequest { signer: &reusing, ..sign };
                let attached = sign_and_attach(self, what, request, &destination, &destination)?;
                self.check_published(&destination, &set, sign)?;
                attached
            }
            None => bring_attached(self, shelf, &set, &destination)?.0,
        };
        let mut names = Vec::new();
        for tag in tags(request) {
            destination.put_tag(&tag, &set.root)?;
            names.push(format!("{}:{tag}", identity(&request.to)));
        }
        Ok(Published {
            digest: set.root.descriptor.digest,
            names,
            platforms: set.platforms.len(),
            blobs,
            size_bytes,
            attached,
            signed,
        })
    }

    /// Returns the image with statements in its index, where that is asked for and there are none. An index that has them
    /// stays as it is, so that the image has one digest wherever it is published.
    fn derived<'s>(
        &self,
        shelf: &'s dyn Shelf,
        set: &ImageSet,
        statements: &[Statement],
        sign: SignRequest<'_>,
    ) -> Result<Option<DerivedShelf<'s>>, Error> {
        if !sign.options.buildkit {
            return Ok(None);
        }
        if set.attestations.is_empty() {
            let made = in_index::make(set, statements)?;
            return DerivedShelf::new(shelf, set, &made).map(Some);
        }
        let own =
            in_index::signed_by(self, shelf, set, Rules::of_signer(sign.signer, &keyring(sign)))?;
        let is_attested = |digest: Digest| set.attestations_of(digest).next().is_some();
        if own.len() == set.attestations.len()
            && set.platforms.iter().all(|(platform, _)| is_attested(platform.digest))
        {
            return Ok(None);
        }
        let key = sign.signer.public_key().id().to_string();
        Err(TrustError::InIndex { digest: set.root.descriptor.digest, key }.into())
    }

    /// Returns the statements that lie beside an image. Only those of the same key, or identity, are taken: nothing is signed
    /// because it lay there. What is in the index stays there.
    fn own_statements(
        &self,
        shelf: &dyn Shelf,
        set: &ImageSet,
        sign: SignRequest<'_>,
    ) -> Result<Vec<Statement>, Error> {
        let keyring = keyring(sign);
        let rules = Rules::of_signer(sign.signer, &keyring);
        let now = UtcTime::of_seconds(self.now_seconds());
        let mut statements: Vec<Statement> = Vec::new();
        for subject in set.subjects() {
            let all = evidence(self, shelf, set, &subject, rules, &now)?;
            let mut refused = Vec::new();
            for one in all.iter().filter(|one| !set.is_in_index(&one.manifest)) {
                match &one.outcome {
                    Ok(accepted) => {
                        let Claim::Attestation(statement) = &accepted.claim else { continue };
                        if !statements.contains(statement) {
                            statements.push(statement.clone());
                        }
                    }
                    Err(refusal) => refused.push(refusal),
                }
            }
            if let Some(first) = refused.first() {
                let (count, reason) = (refused.len(), first.to_string());
                let key = sign.signer.public_key().id().to_string();
                let subject = subject.digest;
                return Err(TrustError::NotOurs { subject, key, count, reason }.into());
            }
        }
        statements.sort_by(|a, b| a.predicate_type.cmp(&b.predicate_type));
        Ok(statements)
    }

    /// Reads signatures back and verifies them.
    fn check_published(
        &self,
        destination: &RegistryShelf<'_>,
        set: &ImageSet,
        sign: SignRequest<'_>,
    ) -> Result<(), Error> {
        let keyring = keyring(sign);
        let rules = Rules::of_signer(sign.signer, &keyring);
        let now = UtcTime::of_seconds(self.now_seconds());
        let subjects: Vec<Descriptor> = set.subjects();
        crate::parallel::map(transfers(self), &subjects, |subject| {
            let all = evidence(self, destination, set, subject, rules, &now)?;
            if is_signed(&all) {
                return Ok(());
            }
            let reason = match all.iter().find_map(|one| one.outcome.as_ref().err()) {
                Some(refusal) => refusal.to_string(),
                None => "nothing was found".to_owned(),
            };
            Err(Error::from(TrustError::NotVerified { subject: subject.digest, reason }))
        })?;
        Ok(())
    }
}

/// The same statement about an image that is called something else.
fn renamed(mut statement: Statement, name: &str) -> Statement {
    for subject in &mut statement.subject {
        name.clone_into(&mut subject.name);
    }
    statement
}

/// Two that had different names may be the same now.
fn each_once(all: impl Iterator<Item = Statement>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for statement in all {
        if !statements.contains(&statement) {
            statements.push(statement);
        }
    }
    statements
}

/// Trusts the signer alone.
fn keyring(sign: SignRequest<'_>) -> Keyring {
    Keyring::of("the signing key", sign.signer.public_key().clone())
}

/// Returns all tags, each once.
fn tags(request: &PublishRequest<'_>) -> Vec<String> {
    let own = match (request.to.tag(), request.to.digest()) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, Some(_)) => None,
        (None, None) => request.tags.is_empty().then(|| "latest".to_owned()),
    };
    let mut tags: Vec<String> = Vec::new();
    for tag in own.into_iter().chain(request.tags.iter().cloned()) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}
