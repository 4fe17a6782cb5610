// SPDX-License-Identifier: Apache-2.0
use hardpan_testkit::transparency::{RootFile, TransparencyLog};
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{SPDX, key, signed};
use crate::key::{PublicKey, Signer as _};
use crate::root::TrustedRoot;
use crate::signature::SignedStatement;

fn log() -> TransparencyLog {
    TransparencyLog::new("log.example", "log")
}

fn root() -> TrustedRoot {
    TrustedRoot::parse(&RootFile::default().log("https://log.example", &log()).to_bytes()).unwrap()
}

/// A statement and what the log says of its signature, which is neither its first nor its last entry.
fn logged() -> (SignedStatement, Value) {
    let statement = signed(SPDX, &key(1));
    let message = statement.message();
    let request = LogRequest::new(&statement.signed(&message)).unwrap();
    let mut log = log();
    for number in 0..5_u8 {
        log.add(vec![number]);
    }
    let entry = log.take(request.body()).unwrap();
    (statement, entry)
}

fn verify(statement: &SignedStatement, entry: &Value) -> Result<(), LogError> {
    let message = statement.message();
    let signed = statement.signed(&message);
    LogEntry::parse(entry)?.verify(&signed, &root(), &[]).map(drop)
}

#[test]
fn what_a_log_has_is_proven() {
    let (statement, entry) = logged();
    verify(&statement, &entry).unwrap();
    let read = LogEntry::parse_answer(entry.to_string().as_bytes()).unwrap();
    assert_eq!((read.index(), read.origin()), (5, "log.example"));
    assert_eq!(read.json(), &entry);
    // A log that does not say its id is found by its key.
    let mut unnamed = entry.clone();
    unnamed["logId"] = Value::Null;
    verify(&statement, &unnamed).unwrap();
    // The other way of writing names, and numbers as numbers.
    let mut other = entry.clone();
    other["inclusionProof"]["logIndex"] = 5.into();
    other["inclusion_proof"] = other.as_object_mut().unwrap().remove("inclusionProof").unwrap();
    verify(&statement, &other).unwrap();
}

#[test]
fn the_same_is_not_logged_twice() {
    let (statement, _) = logged();
    let message = statement.message();
    let request = LogRequest::new(&statement.signed(&message)).unwrap();
    let mut log = log();
    log.take(request.body()).unwrap();
    let (status, refusal) = log.take(request.body()).unwrap_err();
    assert_eq!(status, 409);
    let error = LogEntry::parse_answer(refusal.to_string().as_bytes()).unwrap_err();
    assert!(matches!(error, LogError::AlreadyThere(_)), "{error}");
}

#[test]
fn signatures_of_others_are_not_proven() {
    let (_, entry) = logged();
    for other in [signed(crate::fixtures::SLSA, &key(1)), signed(SPDX, &key(2))] {
        let error = verify(&other, &entry).unwrap_err();
        assert!(matches!(error, LogError::Other(_)) && error.is_tampering(), "{error}");
    }
}

#[test]
fn names_and_times_are_the_roots_matter() {
    let (statement, entry) = logged();
    let message = statement.message();
    let signed = statement.signed(&message);
    let read = LogEntry::parse(&entry).unwrap();
    // The id is made of the name, so only another id is called otherwise.
    let file = RootFile::default().log("https://other.example", &log());
    let elsewhere = |change: fn(&mut Value)| {
        TrustedRoot::parse(&file.clone().change(change).to_bytes()).unwrap()
    };
    read.verify(&signed, &elsewhere(|_| {}), &[]).unwrap();
    let error = read.verify(&signed, &TrustedRoot::default(), &[]).unwrap_err();
    assert!(matches!(error, LogError::UnknownLog { .. }) && !error.is_tampering(), "{error}");
    let late = elsewhere(|root| {
        root["tlogs"][0]["publicKey"]["validFor"] = json!({"start": "2026-01-01T00:00:00Z"});
    });
    read.verify(&signed, &late, &[]).unwrap();
    let error = read.verify(&signed, &late, &[0]).unwrap_err();
    assert!(matches!(error, LogError::NotThen { .. }), "{error}");
}

#[test]
fn an_ed25519_key_signs_no_entry() {
    let spki = log().spki();
    let key = PublicKey::parse_der(&spki).unwrap();
    let signed = Signed { message: b"", signature: b"", verifier: Verifier::Key(&key) };
    assert!(matches!(LogRequest::new(&signed), Err(LogError::Algorithm(_))));
}

#[test]
fn other_answers_are_refused() {
    for (answer, says) in [
        (&b""[..], "no entry"),
        (b"[]", "no entry"),
        (b"{}", "no entry"),
        (b"<html>", "no entry"),
        (br#"{"code": 3, "message": "no"}"#, "the log refused: no"),
        (br#"{"message": "no"}"#, "the log refused: no"),
    ] {
        let error = LogEntry::parse_answer(answer).unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    let long = vec![b' '; ENTRY_BYTES_MAX + 1];
    assert!(matches!(LogEntry::parse_answer(&long), Err(LogError::TooLarge(_))));
}

#[test]
fn other_checkpoints_are_refused() {
    let good = log().checkpoint(7, &[1; 32]);
    let parsed = Checkpoint::parse(&good).unwrap();
    assert_eq!((parsed.origin.as_str(), parsed.size, parsed.root), ("log.example", 7, [1; 32]));
    let key = PublicKey::parse_der(&log().spki()).unwrap();
    parsed.verify(&key).unwrap();
    // Lines of others stand beside its own.
    let other = TransparencyLog::new("witness", "other").checkpoint(7, &[1; 32]);
    let line = other.rsplit_once("\n\n").unwrap().1;
    Checkpoint::parse(&format!("{good}{line}")).unwrap().verify(&key).unwrap();
    let stranger = TransparencyLog::new("log.example", "other").checkpoint(7, &[1; 32]);
    let error = Checkpoint::parse(&stranger).unwrap().verify(&key).unwrap_err();
    assert!(matches!(error, CheckpointError::Unsigned { .. }), "{error}");
    // What is signed is the whole text.
    let altered = good.replacen("\n7\n", "\n8\n", 1);
    let error = Checkpoint::parse(&altered).unwrap().verify(&key).unwrap_err();
    assert!(matches!(error, CheckpointError::BadSignature { .. }), "{error}");
    let altered = good.replacen("\n\n", "\nmore\n\n", 1);
    assert!(Checkpoint::parse(&altered).unwrap().verify(&key).is_err());
    for bad in [
        String::new(),
        "\n\n".to_owned(),
        good.replacen("\n\n", "\n", 1),
        good.trim_end().to_owned(),
        good.replacen("log.example\n", "\n", 1),
        good.replacen("\n7\n", "\n07\n", 1),
        good.replacen("\n7\n", "\n-7\n", 1),
        good.replacen("\n7\n", "\n99999999999999999999\n", 1),
        good.replacen("AQEB", "AQE", 1),
        good.replacen('\u{2014}', "-", 1),
        good.replacen("\u{2014} log.example ", "\u{2014} ", 1),
        format!("{good}\u{2014} a AAAA\n"),
        format!("{good}{}", "\u{2014} a AAAAAAAA\n".repeat(64)),
        format!("{good}{}", "x".repeat(CHECKPOINT_BYTES_MAX)),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad:.200}");
    }
}

#[test]
fn the_request_holds_nothing_of_the_content() {
    let statement = signed(SPDX, &key(1));
    let message = statement.message();
    let request = LogRequest::new(&statement.signed(&message)).unwrap();
    let text = String::from_utf8(request.body().to_vec()).unwrap();
    assert!(text.len() < 600 && !text.contains("spdx"), "{text}");
    assert_eq!(statement.key(), key(1).public_key().id());
}
