// SPDX-License-Identifier: Apache-2.0
use std::cell::RefCell;
use std::io;

use serde_json::{Value, json};

use super::*;
use crate::fixtures::key;
use crate::key::sign_and_check;
use crate::signature::{PAYLOAD_TYPE, SimpleSigning, pre_authentication_encoding};

const TYPE: &str = "https://in-toto.io/Statement/v1";

fn digest() -> hardpan_tree::Digest {
    hardpan_tree::Digest::of(b"image")
}

fn statement() -> Value {
    json!({
        "_type": TYPE, "predicateType": "https://a.example/v1", "predicate": {"b": 1},
        "subject": [{"name": "a", "digest": {"sha256": digest().to_hex()}}],
    })
}

fn parse(value: &Value) -> Result<Signable, SignableError> {
    Signable::parse(Kind::Statement, value.to_string().into_bytes())
}

/// Stands in for the service behind its socket.
fn service(header: &[u8], payload: Option<&[u8]>) -> Reply {
    match (Header::parse(header).unwrap(), payload) {
        (Header::PublicKey, None) => Reply::PublicKey(key(2).public_key().clone()),
        (Header::Sign { kind, layout }, Some(payload)) => {
            assert_eq!(layout.as_deref(), Some("/images/out"));
            match Signable::parse(kind, payload.to_vec()) {
                Ok(it) => Reply::Signature(key(2).sign(&it.message()).unwrap()),
                Err(error) => Reply::Refused(error.to_string()),
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_come_back_as_they_were() {
    let asked = RefCell::new(0);
    let send = |header: &[u8], payload: Option<&[u8]>| {
        *asked.borrow_mut() += 1;
        Ok::<_, io::Error>(service(header, payload).to_bytes())
    };
    let signer = ServiceSigner::open(Some("/images/out".to_owned()), send).unwrap();
    assert_eq!(signer.public_key(), key(2).public_key());
    let text = statement().to_string();
    // As others write it: other order, white space.
    let spaced = serde_json::to_string_pretty(&statement()).unwrap();
    let simple = SimpleSigning { identity: "a.example/b".to_owned(), digest: digest() }.to_bytes();
    let noted = String::from_utf8(simple.clone()).unwrap().replace("null", "{\"a\":\"b\"}");
    for message in [
        pre_authentication_encoding(PAYLOAD_TYPE, text.as_bytes()),
        pre_authentication_encoding(PAYLOAD_TYPE, spaced.as_bytes()),
        simple,
        noted.into_bytes(),
    ] {
        let signature = sign_and_check(&signer, &message).unwrap();
        assert_eq!(signature, key(2).sign(&message).unwrap(), "it is the key's own");
        assert_eq!(Signable::of_message(&message).unwrap().message(), message);
    }
    assert_eq!(*asked.borrow(), 5);
}

#[test]
fn bytes_are_not_signed() {
    let text = statement().to_string();
    let pae = |kind: &str| pre_authentication_encoding(kind, text.as_bytes());
    let good = pae(PAYLOAD_TYPE);
    let longer = [good.as_slice(), b" "].concat();
    let send = |header: &[u8], payload: Option<&[u8]>| {
        assert!(payload.is_none(), "the service is not even asked");
        Ok::<_, io::Error>(service(header, payload).to_bytes())
    };
    let signer = ServiceSigner::open(None, send).unwrap();
    for (summary, message) in [
        ("nothing", b"".to_vec()),
        ("bytes", vec![0, 159, 146, 150]),
        ("a digest", digest().as_bytes().to_vec()),
        ("other type", pae("application/json")),
        ("longer than it says", longer),
        ("cut off", good[..good.len() - 1].to_vec()),
        ("no payload", b"DSSEv1 28 application/vnd.in-toto+json".to_vec()),
        ("statement without envelope", text.clone().into_bytes()),
        ("other json", b"{}".to_vec()),
    ] {
        let error = signer.sign(&message).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("statements and images' signatures only"), "{summary}: {source}");
    }
}

#[test]
fn statements_are_read_strictly() {
    assert_eq!(parse(&statement()).unwrap().subjects(), [digest()]);
    let hex = digest().to_hex();
    let with = |pointer: &str, name: &str, value: Value| {
        let mut changed = statement();
        changed.pointer_mut(pointer).unwrap()[name] = value;
        changed
    };
    for (summary, value, expected) in [
        ("no subject", with("", "subject", json!([])), "no subject"),
        ("type", with("", "_type", json!("x")), "type \"x\""),
        ("other case", with("", "Subject", json!([])), "not known"),
        ("unknown", with("", "extra", json!(1)), "not known"),
        ("subject's", with("/subject/0", "uri", json!("x")), "not known"),
        ("no digest", with("/subject/0", "digest", json!({})), "SHA-256"),
        ("other hash", with("/subject/0", "digest", json!({"sha512": hex})), "SHA-256"),
        ("two", with("/subject/0/digest", "sha1", json!("00")), "SHA-256"),
        ("short", with("/subject/0/digest", "sha256", json!("00")), "64 hexadecimal"),
        ("upper", with("/subject/0/digest", "sha256", json!(hex.to_uppercase())), "64 hexa"),
        ("no type", with("", "predicateType", json!("")), "type of the predicate"),
        ("long", with("", "predicateType", json!("x".repeat(2000))), "type of the predicate"),
        ("many", with("", "subject", json!(vec![statement()["subject"][0].clone(); 1001])), "1001"),
    ] {
        let error = parse(&value).unwrap_err().to_string();
        assert!(error.contains(expected), "{summary}: {error}");
    }
    // The same name twice: whose word counts is a matter of the reader.
    let text = statement().to_string();
    let other = "0".repeat(64);
    for (from, to) in [
        ("\"_type\"", "\"predicateType\":\"x\",\"_type\"".to_owned()),
        ("\"sha256\":", format!("\"sha256\":\"{other}\",\"sha256\":")),
        ("\"subject\":", "\"subject\":[],\"subject\":".to_owned()),
    ] {
        let twice = text.replacen(from, &to, 1);
        assert_ne!(twice, text);
        assert!(Signable::parse(Kind::Statement, twice.into_bytes()).is_err(), "{from}");
    }
    for bytes in [&b""[..], b"{", b"[]", b"\xff", &text.as_bytes()[..text.len() - 1]] {
        assert!(Signable::parse(Kind::Statement, bytes.to_vec()).is_err());
        assert!(Signable::parse(Kind::SimpleSigning, bytes.to_vec()).is_err());
    }
}

#[test]
fn payloads_are_read_strictly() {
    let good = SimpleSigning { identity: "a.example/b".to_owned(), digest: digest() };
    let text = String::from_utf8(good.to_bytes()).unwrap();
    let parse = |text: String| Signable::parse(Kind::SimpleSigning, text.into_bytes());
    assert_eq!(parse(text.clone()).unwrap().subjects(), [digest()]);
    for (from, to) in [
        ("{\"critical\"", "{\"Critical\":{},\"critical\""),
        ("{\"critical\"", "{\"critical\":{},\"critical\""),
        ("cosign container image signature", "atomic container signature"),
        ("sha256:", "sha512:"),
        ("\"optional\":null", "\"optional\":1"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(parse(changed.clone()).is_err(), "{changed}");
    }
}

#[test]
fn provenance_is_of_one_builder() {
    let rules = Rules { builder: Some("https://b.example/1".to_owned()) };
    let check = |kind: &str, predicate: Value| {
        let mut value = statement();
        value["predicateType"] = json!(kind);
        value["predicate"] = predicate;
        rules.check(&parse(&value).unwrap())
    };
    let (v1, v0) = ("https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2");
    let ours = json!({"id": "https://b.example/1"});
    let theirs = json!({"id": "https://b.example/10"});
    assert_eq!(check(v1, json!({"runDetails": {"builder": ours}})), Ok(()));
    assert_eq!(check(v0, json!({"builder": ours})), Ok(()));
    assert_eq!(check("https://spdx.dev/Document", json!({"builder": theirs})), Ok(()));
    for (kind, predicate) in [
        (v1, json!({"runDetails": {"builder": theirs}})),
        (v0, json!({"builder": theirs})),
        (v1, json!({})),
        (v1, json!({"runDetails": {"builder": {"id": 1}}})),
        (v1, json!({"runDetails": {"builder": theirs}, "builder": ours})),
        ("https://slsa.dev/provenance/v2", json!({"id": "https://b.example/1"})),
    ] {
        assert!(check(kind, predicate.clone()).is_err(), "{predicate}");
        let mut value = statement();
        value["predicateType"] = json!(kind);
        value["predicate"] = predicate;
        assert_eq!(Rules::default().check(&parse(&value).unwrap()), Ok(()));
    }
}

#[test]
fn questions_and_answers_are_read_strictly() {
    for header in [
        Header::PublicKey,
        Header::Sign { kind: Kind::Statement, layout: None },
        Header::Sign { kind: Kind::SimpleSigning, layout: Some("/a b".to_owned()) },
    ] {
        assert_eq!(Header::parse(&header.to_bytes()).unwrap(), header);
    }
    let long = "x".repeat(HEADER_BYTES_MAX + 1);
    for text in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        &long,
        r#"{"version":2,"ask":"public-key"}"#,
        r#"{"version":1,"ask":"bytes"}"#,
        r#"{"version":1,"ask":"public-key","kind":"statement"}"#,
        r#"{"version":1,"ask":"signature"}"#,
        r#"{"version":1,"ask":"signature","kind":"bytes"}"#,
        r#"{"version":1,"ask":"signature","kind":"statement","layout":"out"}"#,
        r#"{"version":1,"ask":"signature","kind":"statement","more":1}"#,
    ] {
        assert!(Header::parse(text.as_bytes()).is_err(), "{text}");
    }
    let long = " ".repeat(REPLY_BYTES_MAX + 1);
    for (text, expected) in [
        ("{}", "can't be read"),
        ("<html>", "can't be read"),
        (&long, "too long"),
        (r#"{"version":2,"error":"x"}"#, "version 2"),
        (r#"{"version":1}"#, "the answer"),
        (r#"{"version":1,"error":"no luck"}"#, "says: no luck"),
        (r#"{"version":1,"error":"x","signature":"AA=="}"#, "the answer"),
        (r#"{"version":1,"signature":""}"#, "the signature"),
        (r#"{"version":1,"signature":"%"}"#, "the signature"),
        (r#"{"version":1,"public-key":"x"}"#, "public key"),
    ] {
        let error = Reply::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let send = |_: &[u8], _: Option<&[u8]>| Err::<Vec<u8>, _>(io::Error::other("gone"));
    assert!(matches!(ServiceSigner::open(None, send), Err(ServiceError::Io(_))));
    let send =
        |_: &[u8], _: Option<&[u8]>| Ok::<_, io::Error>(Reply::Signature(vec![1]).to_bytes());
    assert!(matches!(ServiceSigner::open(None, send), Err(ServiceError::Missing("public key"))));
}
