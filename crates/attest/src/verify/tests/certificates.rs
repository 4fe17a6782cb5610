// SPDX-License-Identifier: Apache-2.0
//! Signatures with a certificate in place of a key.

use hardpan_testkit::authority::{Authority, KeyPair, TIME_STAMPING, Wanted};
use hardpan_testkit::timestamps::{Manner, TimestampAuthority, question};
use hardpan_testkit::transparency::{RootFile, TransparencyLog};

use super::super::*;
use crate::certificate::Identity;
use crate::fixtures::{image, key, now, statement};
use crate::key::{Keyring, Signer as _};
use crate::log::{LogEntry, LogRequest};
use crate::predicate::uri;
use crate::root::TrustedRoot;
use crate::signature::{SignedStatement, Witness, bundle_referrer};
use crate::timestamp::Timestamp;

/// 2026-11-26, noon.
const NOW: i64 = 1_795_694_400;
const MINUTES: (i64, i64) = (NOW - 300, NOW + 300);
const YEARS: (i64, i64) = (NOW - 100_000_000, NOW + 100_000_000);
const NAME: &str = "https://forge.example/team/app";
const ISSUER: &str = "https://issuer.example";

fn wanted() -> Wanted {
    Wanted::identity(NAME, ISSUER, MINUTES)
}

fn fulcio() -> Authority {
    Authority::new("fulcio", YEARS)
}

fn tsa() -> TimestampAuthority {
    TimestampAuthority::new("tsa", YEARS)
}

fn log() -> TransparencyLog {
    TransparencyLog::new("log.example", "log")
}

fn file() -> RootFile {
    RootFile::default()
        .log("https://log.example", &log())
        .timestamps("https://tsa.example", &tsa().chain())
        .certificates("https://fulcio.example", &[fulcio().certificate()])
}

/// A signature by a certificate, as somebody witnessed it.
struct Made {
    certificate: Vec<u8>,
    seconds: Option<i64>,
    is_logged: bool,
}

impl Made {
    fn good() -> Self {
        let certificate = fulcio().issue(key(1).public_key().der(), &wanted());
        Self { certificate, seconds: Some(NOW), is_logged: true }
    }

    fn with(wanted: &Wanted) -> Self {
        let certificate = fulcio().issue(key(1).public_key().der(), wanted);
        Self { certificate, ..Self::good() }
    }

    fn found(&self) -> Found {
        let statement = statement(uri::SIGN);
        let signed = SignedStatement::new(statement, &key(1)).unwrap();
        let signed = signed.with_certificate(self.certificate.clone());
        let mut witness = Witness::default();
        if self.is_logged {
            let message = signed.message();
            let request = LogRequest::new(&signed.signed(&message)).unwrap();
            let entry = log().take(request.body()).unwrap();
            witness.add_entry(&LogEntry::parse(&entry).unwrap());
        }
        if let Some(seconds) = self.seconds {
            let der = tsa().answer(&question(signed.signature()), &Manner::at(seconds));
            witness.add_timestamp(&Timestamp::parse(&der).unwrap());
        }
        Found::of(&bundle_referrer(&signed.with_witness(witness), &image()))
    }
}

fn check(made: &Made, file: &RootFile, (name, issuer): (&str, &str)) -> Result<Accepted, Refusal> {
    let root = TrustedRoot::parse(&file.to_bytes()).unwrap();
    let identity = Identity { name: name.to_owned(), issuer: issuer.to_owned() };
    let keys = Keyring::default();
    let rules = Rules { root: Some(&root), identity: Some(&identity), ..Rules::from(&keys) };
    let mut all = verify(&image(), &[made.found()], rules, &now());
    assert_eq!(all.len(), 1);
    all.remove(0).outcome
}

#[test]
fn an_identity_signs() {
    let accepted = check(&Made::good(), &file(), (NAME, ISSUER)).unwrap();
    assert_eq!(accepted.key_name, format!("{NAME} ({ISSUER})"));
    assert!(accepted.witnessed.is_checked && matches!(accepted.claim, Claim::Signature { .. }));
    // Without a log in the root there is none to look into.
    let without = file().change(|root| root["tlogs"] = serde_json::json!([]));
    let made = Made { is_logged: false, ..Made::good() };
    check(&made, &without, (NAME, ISSUER)).unwrap();
    // An address in place of a URI.
    let made = Made::with(&Wanted::identity("me@example.org", ISSUER, MINUTES));
    check(&made, &file(), ("me@example.org", ISSUER)).unwrap();
}

#[test]
fn everything_else_proves_nothing() {
    let stranger = Authority::new("stranger", YEARS);
    let key = key(1);
    let spki = key.public_key().der();
    let stolen = fulcio().issue(&KeyPair::new("other").spki(), &wanted());
    let rows: Vec<(&str, Made, &str)> = vec![
        ("no timestamp", Made { seconds: None, ..Made::good() }, "no timestamp proves"),
        ("not logged", Made { is_logged: false, ..Made::good() }, "no entry in a transparency log"),
        ("too early", Made { seconds: Some(MINUTES.0 - 1), ..Made::good() }, "not valid yet"),
        ("too late", Made { seconds: Some(MINUTES.1 + 1), ..Made::good() }, "had expired"),
        (
            "by another authority",
            Made { certificate: stranger.issue(spki, &wanted()), ..Made::good() },
            "somebody else issued it",
        ),
        (
            "an authority's own",
            Made { certificate: fulcio().certificate().to_vec(), is_logged: false, ..Made::good() },
            "proves nothing",
        ),
        (
            "for timestamps",
            Made::with(&Wanted { usage: TIME_STAMPING, ..wanted() }),
            "for another use",
        ),
        (
            "a name that may be ignored",
            Made::with(&Wanted { is_critical: false, ..wanted() }),
            "names no identity",
        ),
        ("no name", Made::with(&Wanted { identity: None, ..wanted() }), "names no identity"),
        (
            "of another key",
            Made { certificate: stolen, is_logged: false, ..Made::good() },
            "not by the key",
        ),
        (
            "none",
            Made { certificate: b"0".to_vec(), is_logged: false, ..Made::good() },
            "can't be read",
        ),
        (
            "somebody else",
            Made::with(&Wanted::identity("https://forge.example/team/app2", ISSUER, MINUTES)),
            "somebody else than the identity",
        ),
        (
            "another issuer",
            Made::with(&Wanted::identity(NAME, "https://issuer.example.org", MINUTES)),
            "not the issuer that is trusted",
        ),
    ];
    for (what, made, says) in rows {
        let result = check(&made, &file(), (NAME, ISSUER));
        let error = crate::key::with_causes(&result.expect_err(what));
        assert!(error.contains(says), "{what}: {says:?}: {error}");
    }
}

#[test]
fn a_root_that_trusts_nobody_else() {
    let over = |root: &mut serde_json::Value, kind: &str| {
        root[kind][0]["validFor"]["end"] = "2021-01-01T00:00:00Z".into();
    };
    for (what, file, says) in [
        (
            "no authority",
            file().change(|root| root["certificateAuthorities"] = serde_json::json!([])),
            "no certificate authority",
        ),
        (
            "no longer",
            file().change(|root| over(root, "certificateAuthorities")),
            "was not trusted at the time",
        ),
        (
            "no timestamps",
            file().change(|root| root["timestampAuthorities"] = serde_json::json!([])),
            "no timestamp authority",
        ),
    ] {
        let error = check(&Made::good(), &file, (NAME, ISSUER)).expect_err(what);
        let error = crate::key::with_causes(&error);
        assert!(error.contains(says), "{what}: {says:?}: {error}");
    }
    // Who names no identity, or has no root, trusts none.
    let root = TrustedRoot::parse(&file().to_bytes()).unwrap();
    let identity = Identity { name: NAME.to_owned(), issuer: ISSUER.to_owned() };
    let keys = Keyring::default();
    for rules in [
        Rules { root: Some(&root), ..Rules::from(&keys) },
        Rules { identity: Some(&identity), ..Rules::from(&keys) },
    ] {
        let all = verify(&image(), &[Made::good().found()], rules, &now());
        assert!(matches!(all[0].outcome, Err(Refusal::Certificate)), "{all:?}");
    }
}
