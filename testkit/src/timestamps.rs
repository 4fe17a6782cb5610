// SPDX-License-Identifier: Apache-2.0
//! A timestamp authority (RFC 3161), honest or not, and its server.

use std::sync::Arc;

use ring::digest::{SHA256, digest};

use crate::authority::{Authority, KeyPair, Period, Wanted};
use crate::der::{integer, octets, oid, read, sequence, set, time, tlv};
use crate::http::{HttpServer, Reply};

const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";
const YEAR: i64 = 365 * 86_400;
/// Where a server answers.
pub const PATH: &str = "/api/v1/timestamp";

/// How an answer is made.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// The time that is stated, in seconds since 1970.
    pub seconds: i64,
    /// Whether the certificate is in the answer.
    pub has_certificate: bool,
    /// Whether the certificate is named in what is signed, as it must be.
    pub names_certificate: bool,
    /// Whether the nonce of the question comes back.
    pub has_nonce: bool,
}

impl Manner {
    /// An honest answer at a time.
    pub fn at(seconds: i64) -> Self {
        Self { seconds, has_certificate: true, names_certificate: true, has_nonce: true }
    }
}

/// A timestamp authority with the certificate of an authority of its own.
#[derive(Debug, Clone)]
pub struct TimestampAuthority {
    /// Who issued its certificate.
    pub root: Authority,
    certificate: Vec<u8>,
    key: KeyPair,
}

impl TimestampAuthority {
    /// Makes an authority whose own certificate is valid for a time; the same name gives the same keys.
    pub fn new(name: &str, period: Period) -> Self {
        let of_root = (period.0 - YEAR, period.1 + YEAR);
        let root = Authority::new(&format!("{name} root"), of_root);
        Self::with(root, &Wanted::timestamps(name, period))
    }

    /// Makes an authority with a certificate of another kind.
    pub fn with(root: Authority, wanted: &Wanted) -> Self {
        let key = KeyPair::new(&format!("{} key", wanted.name));
        let certificate = root.issue(&key.spki(), wanted);
        Self { root, certificate, key }
    }

    /// Returns its certificates in DER, its own first.
    pub fn chain(&self) -> [&[u8]; 2] {
        [&self.certificate, self.root.certificate()]
    }

    /// Answers a question.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn answer(&self, question: &[u8], manner: &Manner) -> Vec<u8> {
        let (_, fields, _) = read(question);
        let (_, _, fields) = read(fields);
        let (_, imprint, fields) = read(fields);
        let (tag, nonce, _) = read(fields);
        let nonce = if tag == 2 && manner.has_nonce { integer(nonce) } else { Vec::new() };
        let serial = digest(&SHA256, question);
        let info = sequence(&[
            &integer(&[1]),
            &oid("1.2.3.4.1"),
            &sequence(&[imprint]),
            &integer(&serial.as_ref()[..8]),
            &time(manner.seconds),
            &nonce,
        ]);
        sequence(&[&sequence(&[&integer(&[0])]), &self.token(&info, manner)])
    }

    fn token(&self, info: &[u8], manner: &Manner) -> Vec<u8> {
        let sha_256 = sequence(&[&oid(SHA_256)]);
        let hash = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
        let attribute = |id: &str, value: &[u8]| sequence(&[&oid(id), &set(&[value])]);
        let mut attributes = vec![
            attribute(CONTENT_TYPE, &oid(TST_INFO)),
            attribute(MESSAGE_DIGEST, &octets(&hash(info))),
        ];
        if manner.names_certificate {
            let named = sequence(&[&octets(&hash(&self.certificate))]);
            let named = sequence(&[&sequence(&[&named])]);
            attributes.push(attribute(SIGNING_CERTIFICATE_V2, &named));
        }
        attributes.sort();
        let attributes = attributes.concat();
        let signature = self.key.sign(&set(&[&attributes]));
        // Of the certificate: its issuer and its number.
        let (_, certificate, _) = read(&self.certificate);
        let (_, fields, _) = read(certificate);
        let (_, _, fields) = read(fields);
        let (_, number, fields) = read(fields);
        let (_, _, fields) = read(fields);
        let (_, issuer, _) = read(fields);
        let signer = sequence(&[
            &integer(&[1]),
            &sequence(&[&sequence(&[issuer]), &integer(number)]),
            &sha_256,
            &tlv(0xa0, &[&attributes]),
            &sequence(&[&oid(ECDSA_WITH_SHA256)]),
            &octets(&signature),
        ]);
        let certificates =
            if manner.has_certificate { tlv(0xa0, &[&self.certificate]) } else { Vec::new() };
        let signed = sequence(&[
            &integer(&[3]),
            &set(&[&sha_256]),
            &sequence(&[&oid(TST_INFO), &tlv(0xa0, &[&octets(info)])]),
            &certificates,
            &set(&[&signer]),
        ]);
        sequence(&[&oid(SIGNED_DATA), &tlv(0xa0, &[&signed])])
    }
}

/// Writes a question for the time of a signature.
pub fn question(signature: &[u8]) -> Vec<u8> {
    let imprint = octets(digest(&SHA256, signature).as_ref());
    let imprint = sequence(&[&sequence(&[&oid(SHA_256)]), &imprint]);
    sequence(&[&integer(&[1]), &imprint, &integer(&[77]), &tlv(1, &[&[0xff]])])
}

/// A server of an authority on the loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct TimestampServer {
    server: HttpServer,
}

impl TimestampServer {
    /// Starts to answer, each question in the manner that `manner` says.
    pub fn start(
        authority: &TimestampAuthority,
        manner: impl Fn() -> Manner + Send + Sync + 'static,
    ) -> Self {
        let authority = Arc::new(authority.clone());
        let server = HttpServer::start(move |request| {
            let is_question = request.method == "POST"
                && request.header("content-type") == "application/timestamp-query";
            if request.path != PATH {
                return Reply::status(404);
            }
            if !is_question {
                return Reply::status(400);
            }
            let answer = authority.answer(&request.body, &manner());
            Reply { status: 201, ..Reply::body("application/timestamp-reply", answer) }
        });
        Self { server }
    }

    /// Returns the URL of where it answers.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.server.address())
    }
}
