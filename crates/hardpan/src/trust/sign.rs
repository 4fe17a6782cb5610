// SPDX-License-Identifier: Apache-2.0
//! Statements about an image, signed and attached to it.

use hardpan_attest::key::Signer;
use hardpan_attest::signature::{
    Artifact, AttachOptions, SignedStatement, Target, attach, sign_attestations,
    signature_statement,
};
use hardpan_attest::{Statement, Subject};
use hardpan_image::Descriptor;

use super::TrustError;
use super::witness::{Witnesses, sign_all};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{Destination, ImageSet, Shelf, bring_artifacts, plain};

/// Who signs, and in which form.
#[derive(Clone, Copy)]
pub struct SignRequest<'k> {
    /// The key.
    pub signer: &'k dyn Signer,
    /// The form.
    pub options: AttachOptions,
    /// Who is told of signatures. They are in bundles only: older forms have no room for them.
    pub witnesses: Witnesses<'k>,
}

impl std::fmt::Debug for SignRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { options, witnesses, .. } = self;
        let mut shown = f.debug_struct("SignRequest");
        shown.field("options", options).field("witnesses", witnesses).finish_non_exhaustive()
    }
}

/// What is signed.
pub(crate) struct Signed<'s> {
    /// The image: its index and each of its platforms.
    pub(crate) set: &'s ImageSet,
    /// Those of the statements in the index that are the signer's: they are signed like images.
    pub(crate) in_index: &'s [Descriptor],
    /// Registry and repository.
    pub(crate) identity: &'s str,
    /// What is stated about it.
    pub(crate) statements: Vec<Statement>,
}

/// Signs an image and statements about it, and attaches all of it. Returns how many statements each is attached to.
/// `shelf` is the destination as it was.
pub(crate) fn sign_and_attach(
    session: &Session<'_>,
    what: Signed<'_>,
    request: SignRequest<'_>,
    shelf: &dyn Shelf,
    destination: &dyn Destination,
) -> Result<usize, Error> {
    let SignRequest { signer, options, .. } = request;
    let Signed { set, in_index, identity, statements } = what;
    let subjects = set.subjects();
    let named = (subjects.iter().chain(in_index))
        .map(|subject| Subject::new(identity, subject.digest))
        .collect();
    let mut all = vec![signature_statement(named)];
    all.extend(statements);
    let mut signed = sign_all(session, shelf, &subjects, all, request)?;
    let signature = signed.remove(0);
    let mut count = 0;
    let mut made: Vec<(Descriptor, Vec<Artifact>)> = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        let about: Vec<SignedStatement> = (signed.iter())
            .filter(|signed| signed.statement().is_about(&subject.digest))
            .cloned()
            .collect();
        count += about.len();
        let target = Target { identity, subject, signatures: None, attestations: None };
        let artifacts = attach(&target, signer, Some(&signature), &about, options);
        made.push((subject.clone(), artifacts.map_err(TrustError::from)?));
    }
    for manifest in in_index.iter().map(plain) {
        let artifacts = sign_attestations(identity, &manifest, signer, &signature, options);
        made.push((manifest, artifacts.map_err(TrustError::from)?));
    }
    bring_artifacts(session, &made, destination)?;
    Ok(count)
}
