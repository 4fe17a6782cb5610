// SPDX-License-Identifier: Apache-2.0
//! Signatures that others are told of: a transparency log and a timestamp authority.
//!
//! Both give something else each time they are asked. So that doing it again changes nothing, what they said once is used
//! again: it lies beside the image, or in the store.

use std::fmt;
use std::sync::atomic::AtomicU64;

use hardpan_attest::Statement;
use hardpan_attest::key::{Keyring, UtcTime};
use hardpan_attest::log::{ENTRY_BYTES_MAX, LogEntry, LogError, LogRequest};
use hardpan_attest::root::host;
use hardpan_attest::signature::{SignedStatement, Witness};
use hardpan_attest::timestamp::{TIMESTAMP_BYTES_MAX, TimestampError, TimestampRequest};
use hardpan_attest::verify;
use hardpan_image::{Descriptor, canonical_json};
use hardpan_remote::{Call, Cancel, Client, RemoteError};
use hardpan_tree::Digest;
use serde::Serialize;

use super::{SignRequest, TrustError};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{ATTACHED_BYTES_MAX, Shelf, attached, found, transfers};

/// The kind of records that hold what was signed and witnessed.
const WITNESSED: &str = "witnessed";
/// Goes up when records are read differently.
const WITNESSED_FORMAT: u32 = 1;
/// How many bytes of a seed and a signature are a nonce.
const NONCE_BYTES: usize = 16;

/// Who is told of signatures: nobody, unless somebody is named.
#[derive(Clone, Copy, Default)]
pub struct Witnesses<'w> {
    /// The URL of a transparency log, a Rekor of version 2.
    pub log: Option<&'w str>,
    /// The URL of a timestamp authority (RFC 3161).
    pub authority: Option<&'w str>,
    /// Random bytes, from which what an authority is asked can't be guessed.
    pub seed: [u8; 32],
}

impl fmt::Debug for Witnesses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, authority, .. } = self;
        f.debug_struct("Witnesses").field("log", log).field("authority", authority).finish()
    }
}

impl Witnesses<'_> {
    /// Returns whether nobody is told.
    pub fn is_empty(&self) -> bool {
        self.log.is_none() && self.authority.is_none()
    }

    fn are_satisfied(&self, signed: &SignedStatement) -> bool {
        signed.is_witnessed(self.log.map(host), self.authority.is_some())
    }
}

/// Why nobody is told of a signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The network is off.
    #[error("it is on the network, which is off")]
    Offline,
    /// No answer.
    #[error("it does not answer as it should")]
    Remote(#[from] RemoteError),
    /// An answer that is no entry of a log, or that of another signature.
    #[error("its answer is no proof that the signature is in the log")]
    Log(#[from] LogError),
    /// An answer that is no timestamp, or that of another signature.
    #[error("its answer is no timestamp of the signature")]
    Timestamp(#[from] TimestampError),
}

impl WitnessError {
    /// Returns whether nobody answered, or nobody was asked.
    pub(super) fn is_of_network(&self) -> bool {
        matches!(self, Self::Offline | Self::Remote(_))
    }

    /// Returns what the user can do, where there is something.
    pub(super) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Offline => "run it without `--offline`, or without `--tlog` and `--tsa`",
            Self::Remote(_) => {
                "is the URL that of a Rekor of version 2, or of a timestamp authority with its path?"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// All that decides what is signed and who is told.
#[derive(Serialize)]
struct WitnessedKey<'k> {
    format: u32,
    statement: Digest,
    key: String,
    log: Option<&'k str>,
    authority: Option<&'k str>,
}

/// Signs statements about some images, and tells those who are to be told. What is signed and witnessed already, beside an
/// image or in the store, is taken as it is.
pub(super) fn sign_all(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    subjects: &[Descriptor],
    statements: Vec<Statement>,
    request: SignRequest<'_>,
) -> Result<Vec<SignedStatement>, Error> {
    let witnesses = request.witnesses;
    if witnesses.is_empty() {
        let sign = |statement| SignedStatement::new(statement, request.signer);
        let signed: Result<_, _> = statements.into_iter().map(sign).collect();
        return Ok(signed.map_err(TrustError::from)?);
    }
    let mut there = existing(session, shelf, subjects, request)?;
    there.retain(|signed| witnesses.are_satisfied(signed));
    // Of several that are as good, always the same one is taken.
    there.sort_by_cached_key(SignedStatement::to_bundle);
    // Those that hold keys are asked one after the other, as ever; those that witness, at once.
    let mut all = Vec::with_capacity(statements.len());
    for statement in statements {
        // What this machine was told comes before what lies there: that anybody may have put there.
        let known = remembered(session, &statement, request);
        let of_statement = |signed: &&SignedStatement| *signed.statement() == statement;
        let known = known.or_else(|| there.iter().find(of_statement).cloned());
        all.push(match known {
            Some(known) => known,
            None => SignedStatement::new(statement, request.signer).map_err(TrustError::from)?,
        });
    }
    let witnessed = crate::parallel::map(transfers(session), &all, |signed| {
        if witnesses.are_satisfied(signed) {
            return Ok(Some(signed.clone()));
        }
        match witnessed_by(session, signed, witnesses) {
            Ok(witnessed) => Ok(Some(witnessed)),
            Err(error) if is_there_already(&error) => Ok(None),
            Err(error) => Err(Error::from(error)),
        }
    })?;
    let mut result = Vec::with_capacity(all.len());
    for (signed, found) in all.into_iter().zip(witnessed) {
        let found = if let Some(found) = found {
            found
        } else {
            // The same bytes signed again have the same signature, and whoever brought it to the log has the only proof. A
            // statement with white space behind it says the same, and has a signature of its own.
            let (statement, seed) = (signed.statement().clone(), &witnesses.seed);
            let signed = SignedStatement::with_padding(statement, request.signer, seed);
            witnessed_by(session, &signed.map_err(TrustError::from)?, witnesses)?
        };
        // A key for minutes is never used again.
        if request.signer.issued().is_none() {
            remember(session, &found, request)?;
        }
        result.push(found);
    }
    Ok(result)
}

/// Returns what the key signed about some images, as it lies beside them.
fn existing(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    subjects: &[Descriptor],
    request: SignRequest<'_>,
) -> Result<Vec<SignedStatement>, Error> {
    let keyring = Keyring::of("the signing key", request.signer.public_key().clone());
    let rules = verify::Rules::of_signer(request.signer, &keyring);
    let now = UtcTime::of_seconds(session.now_seconds());
    let of_subjects = crate::parallel::map(transfers(session), subjects, |subject| {
        let bytes_left = AtomicU64::new(ATTACHED_BYTES_MAX);
        let mut all = Vec::new();
        for one in attached(shelf, subject)?.iter().filter(|one| one.tag.is_none()) {
            let Some(document) = &one.document else { continue };
            all.push(found(shelf, one, document, &bytes_left)?);
        }
        Ok::<_, Error>(verify::signed_by(subject, &all, rules, &now))
    })?;
    Ok(of_subjects.into_iter().flatten().collect())
}

fn record_key(statement: &Statement, request: SignRequest<'_>) -> Digest {
    let Witnesses { log, authority, .. } = request.witnesses;
    Digest::of(&canonical_json(&WitnessedKey {
        format: WITNESSED_FORMAT,
        statement: Digest::of(&statement.to_bytes()),
        key: request.signer.public_key().id().to_string(),
        log,
        authority,
    }))
}

/// Returns what was signed and witnessed on this machine before.
fn remembered(
    session: &Session<'_>,
    statement: &Statement,
    request: SignRequest<'_>,
) -> Option<SignedStatement> {
    // One that can't be read is as good as none.
    let key = record_key(statement, request);
    let bundle = session.store.read_record::<String>(WITNESSED, &key).ok()??;
    let signed = SignedStatement::of_signed_bundle(bundle.as_bytes(), request.signer.public_key())?;
    (signed.statement() == statement && request.witnesses.are_satisfied(&signed)).then_some(signed)
}

fn remember(
    session: &Session<'_>,
    signed: &SignedStatement,
    request: SignRequest<'_>,
) -> Result<(), Error> {
    let key = record_key(signed.statement(), request);
    let bundle = String::from_utf8(signed.to_bundle()).expect("a bundle is JSON");
    Ok(session.store.write_record(WITNESSED, &key, &bundle)?)
}

fn is_there_already(error: &TrustError) -> bool {
    let is = |source: &WitnessError| matches!(source, WitnessError::Log(LogError::AlreadyThere(_)));
    matches!(error, TrustError::Log { source, .. } if is(source.as_ref()))
}

/// Tells the log and the authority of a signature.
fn witnessed_by(
    session: &Session<'_>,
    signed: &SignedStatement,
    witnesses: Witnesses<'_>,
) -> Result<SignedStatement, TrustError> {
    let Witnesses { log, authority, seed } = witnesses;
    let mut witness = Witness::default();
    if let Some(url) = log {
        let wrap = |source| TrustError::Log { url: url.to_owned(), source: Box::new(source) };
        let entry = logged(session, signed, url);
        witness.add_entry(&entry.map_err(wrap)?);
    }
    if let Some(url) = authority {
        let wrap = |source| TrustError::Timestamp { url: url.to_owned(), source: Box::new(source) };
        let digest = Digest::of(&[&seed[..], signed.signature()].concat());
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&digest.as_bytes()[..NONCE_BYTES]);
        let question = TimestampRequest::new(signed.signature(), nonce);
        let media_types = [TimestampRequest::MEDIA_TYPE, TimestampRequest::ANSWER_MEDIA_TYPE];
        let limit = TIMESTAMP_BYTES_MAX as u64;
        let answer = ask(session, url, question.der(), media_types, limit).map_err(wrap)?;
        let stamp = question.read_answer(&answer);
        witness.add_timestamp(&stamp.map_err(WitnessError::from).map_err(wrap)?);
    }
    Ok(signed.clone().with_witness(witness))
}

/// Brings a signature to a log.
fn logged(
    session: &Session<'_>,
    signed: &SignedStatement,
    url: &str,
) -> Result<LogEntry, WitnessError> {
    let message = signed.message();
    let signed = signed.signed(&message);
    let question = LogRequest::new(&signed)?;
    let url = format!("{}{}", url.trim_end_matches('/'), LogRequest::PATH);
    let json = ["application/json"; 2];
    let answer = ask(session, &url, question.body(), json, ENTRY_BYTES_MAX as u64)?;
    let entry = LogEntry::parse_answer(&answer)?;
    entry.check(&signed)?;
    Ok(entry)
}

fn ask(
    session: &Session<'_>,
    url: &str,
    question: &[u8],
    media_types: [&'static str; 2],
    limit_bytes: u64,
) -> Result<Vec<u8>, WitnessError> {
    let client: &Client = session.remote.ok_or(WitnessError::Offline)?;
    let mut call = Call::new(url, Some(question.to_vec()), limit_bytes)?;
    call.media_types = media_types;
    Ok(client.call(&call, &session.progress(), &Cancel::new())?)
}
