// SPDX-License-Identifier: Apache-2.0
//! One question to the service.

use std::io::{self, Read, Write};

use hardpan_attest::STATEMENT_BYTES_MAX;
use hardpan_attest::key::service::{
    HEADER_BYTES_MAX, Header, Kind, Reply, Rules, ServiceError, Signable,
};
use hardpan_attest::key::{PublicKey, Signer, sign_and_check, with_causes};
use hardpan_tree::Digest;
use serde::Serialize;

use super::layout::Roots;
use super::{read_piece, write_piece};
use crate::sandbox::Peer;

/// What is written down about a question: one for each signature, and one for each refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Audit {
    /// Who asked, as the kernel says it.
    #[serde(flatten)]
    pub peer: Peer,
    /// `statement` or `simple-signing`, if that was understood.
    pub kind: Option<&'static str>,
    /// What a statement states, a URI.
    pub predicate_type: Option<String>,
    /// What it is about.
    pub subjects: Vec<Digest>,
    /// The SHA-256 of what was to be signed.
    pub payload: Option<Digest>,
    /// Where the image is said to be.
    pub layout: Option<String>,
    /// `signed` or `refused`.
    pub result: &'static str,
    /// Why it was refused.
    pub reason: Option<String>,
}

impl Audit {
    fn of(peer: Peer) -> Self {
        Self {
            peer,
            kind: None,
            predicate_type: None,
            subjects: Vec::new(),
            payload: None,
            layout: None,
            result: "refused",
            reason: None,
        }
    }
}

/// Writes an entry down; where that fails, nothing is signed.
pub(super) type Record<'r> = dyn Fn(&Audit) -> io::Result<()> + Sync + 'r;

/// What all connections share.
pub(super) struct Desk<'d> {
    pub(super) signer: &'d (dyn Signer + Sync),
    pub(super) uids: &'d [u32],
    pub(super) rules: &'d Rules,
    pub(super) roots: &'d Roots,
    pub(super) record: &'d Record<'d>,
}

impl Desk<'_> {
    /// Answers one question. That the other end is gone is its own matter.
    pub(super) fn answer(&self, peer: Peer, stream: &mut (impl Read + Write)) {
        let mut audit = Audit::of(peer);
        let reply = match self.ask(stream, &mut audit) {
            Ok(Answered::PublicKey(key)) => Reply::PublicKey(key),
            Ok(Answered::Signature(signature)) => {
                audit.result = "signed";
                match (self.record)(&audit) {
                    Ok(()) => Reply::Signature(signature),
                    Err(_) => Reply::Refused("it can't write its log".to_owned()),
                }
            }
            Err(reason) => {
                audit.reason = Some(reason.clone());
                // It is refused either way.
                let _ = (self.record)(&audit);
                Reply::Refused(reason)
            }
        };
        let _ = write_piece(stream, &reply.to_bytes());
    }

    fn ask(&self, stream: &mut impl Read, audit: &mut Audit) -> Result<Answered, String> {
        if !self.uids.contains(&audit.peer.uid) {
            return Err(format!("the user {} is not let in", audit.peer.uid));
        }
        let unread = |error: io::Error| format!("the question can't be read: {error}");
        let header = read_piece(stream, HEADER_BYTES_MAX).map_err(unread)?;
        let header = Header::parse(&header).map_err(|error| with_causes(&error))?;
        let Header::Sign { kind, layout } = header else {
            return Ok(Answered::PublicKey(self.signer.public_key().clone()));
        };
        audit.kind = Some(kind.as_str());
        audit.layout.clone_from(&layout);
        let payload = read_piece(stream, payload_bytes_max(kind)).map_err(unread)?;
        audit.payload = Some(Digest::of(&payload));
        let signable = Signable::parse(kind, payload)
            .map_err(|error| with_causes(&ServiceError::Signable(error)))?;
        audit.predicate_type = signable.predicate_type().map(str::to_owned);
        audit.subjects = signable.subjects().to_vec();
        self.rules.check(&signable)?;
        self.roots.check(layout.as_deref(), signable.subjects())?;
        let signature = sign_and_check(self.signer, &signable.message());
        signature.map(Answered::Signature).map_err(|error| with_causes(&error))
    }
}

enum Answered {
    PublicKey(PublicKey),
    Signature(Vec<u8>),
}

fn payload_bytes_max(kind: Kind) -> usize {
    match kind {
        Kind::Statement => STATEMENT_BYTES_MAX,
        // What is longer is refused where it is parsed; no name is that long.
        Kind::SimpleSigning => 1 << 20,
    }
}
