// SPDX-License-Identifier: Apache-2.0
//! `attest add`: somebody's own statement about an image.

use hardpan_attest::signature::{SignedStatement, Target, attach};
use hardpan_attest::verify::Reusing;
use hardpan_attest::{Statement, Subject};
use hardpan_image::Descriptor;
use hardpan_tree::Digest;
use serde_json::Value;

use super::verify::note_signatures;
use super::witness::sign_all;
use super::{SignRequest, TrustError};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{
    Destination, ImageSet, LayoutDestination, LayoutShelf, Location, RegistryShelf,
    bring_artifacts, bring_attached, identity,
};

/// What is stated, and by whom.
#[derive(Debug)]
pub struct AddRequest<'k> {
    /// The type of the predicate, a URI.
    pub predicate_type: String,
    /// The predicate.
    pub predicate: Value,
    /// The platform that it is about; `None` for the index and all of its platforms.
    pub platform: Option<String>,
    /// Who signs.
    pub sign: SignRequest<'k>,
}

/// What of an image something is stated about.
pub(crate) enum About {
    /// The index and all of its platforms.
    All,
    /// A platform by its name.
    Platform(String),
    /// A platform by its manifest.
    Manifest(Digest),
}

impl About {
    fn subjects(&self, set: &ImageSet) -> Result<Vec<Descriptor>, TrustError> {
        let mut subjects = set.subjects();
        let is_wanted = |entry: &Descriptor| match self {
            Self::All => true,
            Self::Platform(name) => {
                entry.platform.as_ref().is_some_and(|platform| platform.to_string() == *name)
            }
            Self::Manifest(digest) => entry.digest == *digest,
        };
        let wanted = set.platforms.iter().find(|(entry, _)| is_wanted(entry));
        match (self, wanted) {
            (Self::All, _) => {}
            (_, Some((wanted, _))) => subjects.retain(|subject| subject.digest == wanted.digest),
            (Self::Platform(platform), None) => {
                return Err(TrustError::Platform { platform: platform.clone() });
            }
            (Self::Manifest(digest), None) => {
                return Err(TrustError::Platform { platform: digest.to_string() });
            }
        }
        Ok(subjects)
    }
}

impl Session<'_> {
    /// Signs a statement about an image and attaches it. What is attached already stays. Returns what it is about.
    pub fn add_attestation(
        &self,
        location: &Location,
        request: &AddRequest<'_>,
    ) -> Result<Vec<Digest>, Error> {
        let about = request.platform.clone().map_or(About::All, About::Platform);
        let predicates = [(request.predicate_type.clone(), request.predicate.clone())];
        self.add_predicates(location, &predicates, &about, request.sign)
    }

    /// Signs statements of some types about the same and attaches them.
    pub(crate) fn add_predicates(
        &self,
        location: &Location,
        predicates: &[(String, Value)],
        about: &About,
        sign: SignRequest<'_>,
    ) -> Result<Vec<Digest>, Error> {
        let opened = self.open_shelf(location)?;
        let set = ImageSet::read(opened.shelf())?;
        let subjects = about.subjects(&set)?;
        let name = opened.image_name();
        let name = name.as_ref().map_or_else(|| location.to_string(), identity);
        let mut reusing = Reusing::new(sign.signer);
        note_signatures(self, opened.shelf(), &subjects, &mut reusing)?;
        let sign = SignRequest { signer: &reusing, ..sign };
        let named: Vec<Subject> =
            subjects.iter().map(|subject| Subject::new(&name, subject.digest)).collect();
        let mut statements = Vec::with_capacity(predicates.len());
        for (predicate_type, predicate) in predicates {
            let wrap = |source| TrustError::Json { predicate_type: predicate_type.clone(), source };
            let statement = Statement::new(named.clone(), predicate_type, predicate);
            statements.push(statement.map_err(wrap)?);
        }
        let signed = sign_all(self, opened.shelf(), &subjects, statements, sign)?;
        match location {
            Location::Registry(target) => {
                let destination = RegistryShelf::new(self, target)?;
                add(self, &subjects, &name, &signed, sign, &destination)?;
            }
            Location::Layout(path) | Location::Archive(path) => {
                let shelf = LayoutShelf::open(path)?;
                let destination = LayoutDestination::open(path, &shelf)?;
                bring_attached(self, &shelf, &set, &destination)?;
                add(self, &subjects, &name, &signed, sign, &destination)?;
                destination.finish()?;
            }
        }
        Ok(subjects.iter().map(|subject| subject.digest).collect())
    }
}

fn add(
    session: &Session<'_>,
    subjects: &[Descriptor],
    name: &str,
    signed: &[SignedStatement],
    sign: SignRequest<'_>,
    destination: &dyn Destination,
) -> Result<(), Error> {
    let SignRequest { signer, options, .. } = sign;
    let mut all = Vec::new();
    for subject in subjects {
        let target = Target { identity: name, subject, signatures: None, attestations: None };
        let artifacts = attach(&target, signer, None, signed, options);
        all.push((subject.clone(), artifacts.map_err(TrustError::from)?));
    }
    bring_artifacts(session, &all, destination)
}
