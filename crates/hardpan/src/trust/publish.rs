// SPDX-License-Identifier: Apache-2.0
//! `publish`: an image of a layout into a registry, signed, with its tags last.

use hardpan_attest::key::{Keyring, UtcTime};
use hardpan_attest::verify::{Claim, is_signed};
use hardpan_attest::{Statement, Subject};
use hardpan_image::{Descriptor, ImageName};
use hardpan_tree::Digest;
use serde::Serialize;

use super::{SignRequest, TrustError, sign::sign_and_attach, verify::evidence};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{
    Destination as _, ImageSet, Location, RegistryShelf, Shelf, bring_attached, bring_image,
    identity, transfers,
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
    pub fn publish(&self, request: &PublishRequest<'_>) -> Result<Published, Error> {
        let opened = self.open_shelf(&request.from)?;
        let shelf = opened.shelf();
        let set = ImageSet::read(shelf)?;
        let mut destination = RegistryShelf::new(self, &request.to)?;
        if let Location::Registry(from) = &request.from {
            destination = destination.mounting(from);
        }
        // What can't be signed is refused before anything is published.
        let name = request.identity.clone().unwrap_or_else(|| identity(&request.to));
        let statements = match request.sign {
            Some(sign) => Some((self.own_statements(shelf, &set, sign, &name)?, sign)),
            None => None,
        };
        let (blobs, size_bytes) = bring_image(self, shelf, &set, &destination)?;
        let attached = match &statements {
            Some((statements, sign)) => {
                sign_and_attach(self, &set, &name, statements.clone(), *sign, &destination)?
            }
            None => bring_attached(self, shelf, &set, &destination)?.0,
        };
        if let Some((_, sign)) = &statements {
            self.check_published(&destination, &set, *sign)?;
        }
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
            signed: statements.is_some(),
        })
    }

    /// Returns the statements that lie beside an image, about it by its new name. Only those of the same key are
    /// taken: nothing is signed because it lay there.
    fn own_statements(
        &self,
        shelf: &dyn Shelf,
        set: &ImageSet,
        sign: SignRequest<'_>,
        name: &str,
    ) -> Result<Vec<Statement>, Error> {
        let key = sign.signer.public_key().clone();
        let keyring = Keyring::of("the signing key", key);
        let now = UtcTime::of_seconds(self.now_seconds());
        let mut statements: Vec<Statement> = Vec::new();
        for subject in set.subjects() {
            let all = evidence(self, shelf, &subject, &keyring, &now)?;
            let mut refused = Vec::new();
            for one in &all {
                match &one.outcome {
                    Ok(accepted) => {
                        let Claim::Attestation(statement) = &accepted.claim else { continue };
                        let renamed = renamed(statement, name);
                        if !statements.contains(&renamed) {
                            statements.push(renamed);
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
        let keyring = Keyring::of("the signing key", sign.signer.public_key().clone());
        let now = UtcTime::of_seconds(self.now_seconds());
        let subjects: Vec<Descriptor> = set.subjects();
        crate::parallel::map(transfers(self), &subjects, |subject| {
            let all = evidence(self, destination, subject, &keyring, &now)?;
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
fn renamed(statement: &Statement, name: &str) -> Statement {
    let mut renamed = statement.clone();
    renamed.subject = (statement.subject.iter())
        .map(|subject| Subject { name: name.to_owned(), ..subject.clone() })
        .collect();
    renamed
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
