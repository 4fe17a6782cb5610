// SPDX-License-Identifier: Apache-2.0
use hardpan_testkit::authority::{Authority, CODE_SIGNING, Wanted};
use hardpan_testkit::timestamps::{Manner, TimestampAuthority, question};
use hardpan_testkit::transparency::RootFile;

use super::*;
use crate::certificate::CertificateError;
use crate::root::TrustedRoot;

/// 2026-11-26, and a day before and after.
const NOW: i64 = 1_795_651_200;
const PERIOD: (i64, i64) = (NOW - 86_400, NOW + 86_400);

fn authority() -> TimestampAuthority {
    TimestampAuthority::new("tsa", PERIOD)
}

fn root(authority: &TimestampAuthority) -> TrustedRoot {
    let file = RootFile::default().timestamps("https://tsa.example", &authority.chain());
    TrustedRoot::parse(&file.to_bytes()).unwrap()
}

fn answer(authority: &TimestampAuthority, manner: Manner) -> Vec<u8> {
    authority.answer(&question(b"signature"), &manner)
}

fn verify(der: &[u8], root: &TrustedRoot) -> Result<i64, TimestampError> {
    Ok(Timestamp::parse(der)?.verify(b"signature", root)?.seconds)
}

#[test]
fn a_time_is_proven() {
    let (authority, root) = (authority(), root(&authority()));
    assert_eq!(verify(&answer(&authority, Manner::at(NOW)), &root).unwrap(), NOW);
    let bare = Manner { has_certificate: false, ..Manner::at(NOW + 7) };
    assert_eq!(verify(&answer(&authority, bare), &root).unwrap(), NOW + 7);
    // The last of a chain is enough where the answer has the certificate.
    let file = RootFile::default().timestamps("", &[authority.root.certificate()]);
    let short = TrustedRoot::parse(&file.to_bytes()).unwrap();
    verify(&answer(&authority, Manner::at(NOW)), &short).unwrap();
    let error = verify(&answer(&authority, bare), &short).unwrap_err();
    assert!(matches!(error, TimestampError::NoCertificate), "{error}");
}

#[test]
fn an_answer_is_compared_with_the_question() {
    let authority = authority();
    let asked = TimestampRequest::new(b"signature", [0; 16]);
    let read = |manner: Manner| asked.read_answer(&authority.answer(asked.der(), &manner));
    assert_eq!(read(Manner::at(NOW)).unwrap().seconds(), NOW);
    let error = read(Manner { has_nonce: false, ..Manner::at(NOW) }).unwrap_err();
    assert!(matches!(error, TimestampError::Nonce), "{error}");
    let error = read(Manner { has_certificate: false, ..Manner::at(NOW) }).unwrap_err();
    assert!(matches!(error, TimestampError::NoCertificate), "{error}");
    let other = TimestampRequest::new(b"another", [0; 16]);
    let error = asked.read_answer(&authority.answer(other.der(), &Manner::at(NOW))).unwrap_err();
    assert!(matches!(error, TimestampError::OtherSignature), "{error}");
}

#[test]
fn others_prove_nothing() {
    let good = authority();
    let trusted = root(&good);
    let of = |authority: &TimestampAuthority, manner| verify(&answer(authority, manner), &trusted);
    let other = TimestampAuthority::new("other", PERIOD);
    let error = of(&other, Manner::at(NOW)).unwrap_err();
    assert!(matches!(error, TimestampError::UnknownAuthority(_)) && !error.is_tampering());
    for seconds in [PERIOD.0 - 1, PERIOD.1 + 1, 0] {
        let error = of(&good, Manner::at(seconds)).unwrap_err();
        assert!(
            matches!(error, TimestampError::UnknownAuthority(CertificateError::Chain(_))),
            "{error}"
        );
    }
    let wanted = Wanted { usage: CODE_SIGNING, ..Wanted::timestamps("tsa", PERIOD) };
    let wrong = TimestampAuthority::with(good.root.clone(), &wanted);
    assert!(of(&wrong, Manner::at(NOW)).is_err());
    let stranger = Authority::new("another root", PERIOD);
    let named = TimestampAuthority::with(stranger, &Wanted::timestamps("tsa", PERIOD));
    assert!(of(&named, Manner::at(NOW)).is_err());
    let error = of(&good, Manner { names_certificate: false, ..Manner::at(NOW) }).unwrap_err();
    assert!(matches!(error, TimestampError::Malformed("attributes")), "{error}");
    let error = verify(&answer(&good, Manner::at(NOW)), &TrustedRoot::default()).unwrap_err();
    assert!(matches!(error, TimestampError::NoAuthority), "{error}");
}

#[test]
fn every_bit_counts() {
    let (authority, root) = (authority(), root(&authority()));
    let der = answer(&authority, Manner::at(NOW));
    let mut proven = 0;
    for at in 0..der.len() {
        for bit in [1, 0x80] {
            let mut altered = der.clone();
            altered[at] ^= bit;
            if let Ok(seconds) = verify(&altered, &root) {
                assert_eq!(seconds, NOW, "{at}");
                proven += 1;
            }
        }
    }
    // What does not count: the status, which may be "granted with modifications", the list of algorithms outside of what is
    // signed, and a certificate that is not the one that the root has anyway.
    assert!(proven < der.len() / 8, "{proven} of {}", der.len());
    for end in 0..der.len() {
        assert!(verify(&der[..end], &root).is_err(), "{end}");
    }
}

#[test]
fn other_bytes_are_refused() {
    for bytes in [&b""[..], b"0", b"{}", &[0x30, 0], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
        assert!(Timestamp::parse(bytes).is_err(), "{bytes:?}");
    }
    let long = vec![0x30; TIMESTAMP_BYTES_MAX + 1];
    assert!(matches!(Timestamp::parse(&long), Err(TimestampError::TooLarge(_))));
    // "rejection", with a reason in words.
    let refused = [0x30, 11, 0x30, 9, 2, 1, 2, 0x30, 4, 12, 2, b'n', b'o'];
    let error = Timestamp::parse(&refused).unwrap_err();
    assert!(matches!(error, TimestampError::Refused { status: 2, .. }), "{error}");
}
