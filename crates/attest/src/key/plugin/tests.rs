// SPDX-License-Identifier: Apache-2.0

use serde_json::{Value, json};

use super::*;
use crate::fixtures::key;
use crate::key::base64;

/// What cosign 2.5.0 and 3.1.1 ask for the key `qtest://a/b`.
const SIGN_2: &str = r#"{"initOptions":{"ctxDeadline":"2026-11-26T17:37:20.25129138Z","protocolVersion":"v1","keyResourceID":"a/b","hashFunc":5,"rpcOptions":{"keyVersion":"","remoteVerification":false}},"methodName":"signMessage","signMessage":{"signOptions":{"rpcOptions":{"ctxDeadline":"2026-11-26T17:37:20.25129138Z","keyVersion":"","remoteVerification":false},"messageOptions":{"digest":null}}}}"#;
const SIGN_3: &str = r#"{"initOptions":{"ctxDeadline":"2026-11-26T17:37:20.531071238Z","protocolVersion":"v1","keyResourceID":"a/b","hashFunc":5,"rpcOptions":{"keyVersion":"","remoteVerification":false}},"methodName":"signMessage","signMessage":{"signOptions":{"rpcOptions":{"keyVersion":"","remoteVerification":false},"messageOptions":{"digest":"mOpuTyFvL7S2n/+bOkSELDhobKaF8/VdxIxdP7EQe+Q="}}}}"#;
const PUBLIC: &str = r#"{"initOptions":{"protocolVersion":"v1","keyResourceID":"a/b","hashFunc":5,"rpcOptions":{"keyVersion":"","remoteVerification":false}},"methodName":"publicKey","publicKey":{"publicKeyOptions":{"rpcOptions":{"keyVersion":"","remoteVerification":false}}}}"#;
const DEFAULT: &str = r#"{"initOptions":{"protocolVersion":"v1","keyResourceID":"a/b","hashFunc":5,"rpcOptions":{"keyVersion":"","remoteVerification":false}},"methodName":"defaultAlgorithm","defaultAlgorithm":{}}"#;

#[test]
fn questions_of_cosign_are_read() {
    for (text, method) in [
        (SIGN_2, Method::SignMessage { digest: None }),
        (SIGN_3, Method::SignMessage { digest: Some(Digest::of(b"hi\n")) }),
        (PUBLIC, Method::PublicKey),
        (DEFAULT, Method::DefaultAlgorithm),
    ] {
        let request = Request { key: "a/b".to_owned(), method };
        assert_eq!(Request::parse(&["v1", text]).unwrap(), request);
        if !text.contains("ctxDeadline") {
            let [version, ours] = request.arguments();
            assert_eq!(version, "v1");
            let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(parse(&ours), parse(text), "ours is the same");
        }
    }
}

#[test]
fn every_question_survives_the_way_through_arguments() {
    let digest = Some(Digest::of(b"x"));
    for method in [
        Method::DefaultAlgorithm,
        Method::SupportedAlgorithms,
        Method::PublicKey,
        Method::CreateKey { algorithm: "a".to_owned() },
        Method::SignMessage { digest: None },
        Method::SignMessage { digest },
        Method::VerifySignature { signature: b"s".to_vec(), digest },
    ] {
        let request = Request { key: "k \"q\" ä".to_owned(), method };
        assert_eq!(Request::parse(&request.arguments()).unwrap(), request);
    }
}

#[test]
fn other_questions_are_refused() {
    let change = |from: &str, to: &str| SIGN_3.replace(from, to);
    let long = " ".repeat(REQUEST_BYTES_MAX + 1);
    for (summary, arguments, expected) in [
        ("none", vec![], "expected the arguments"),
        ("one", vec!["v1".to_owned()], "expected the arguments"),
        ("version", vec!["v2".to_owned(), SIGN_3.to_owned()], "expected the arguments"),
        (
            "inner version",
            vec!["v1".to_owned(), change(":\"v1\"", ":\"v2\"")],
            "expected the arguments",
        ),
        ("no JSON", vec!["v1".to_owned(), "{".to_owned()], "can't be read"),
        ("hash", vec!["v1".to_owned(), change("hashFunc\":5", "hashFunc\":7")], "hash function 7"),
        (
            "inner hash",
            vec!["v1".to_owned(), change("{\"digest\"", "{\"hashFunc\":6,\"digest\"")],
            "hash function 6",
        ),
        ("method", vec!["v1".to_owned(), change("signMessage", "eat")], "\"eat\""),
        (
            "no arguments",
            vec!["v1".to_owned(), change("\"signMessage\":{", "\"other\":{")],
            "arguments is malformed",
        ),
        ("digest", vec!["v1".to_owned(), change("mOpu", "")], "digest is malformed"),
        ("long", vec!["v1".to_owned(), long], "too long"),
    ] {
        let error = Request::parse(&arguments).unwrap_err().to_string();
        assert!(error.contains(expected), "{summary}: {error}");
    }
}

/// Runs the plugin side in place of a program.
#[expect(clippy::unnecessary_wraps, reason = "programs can fail to run")]
fn run(call: Call<'_>) -> io::Result<Vec<u8>> {
    assert_eq!(call.program, "sigstore-kms-test");
    let request = Request::parse(call.arguments).unwrap();
    assert_eq!(request.key, "k/1");
    Ok(answer(&request, call.input, &key(1)).to_bytes())
}

fn reference() -> Reference {
    "test://k/1".parse().unwrap()
}

#[test]
fn both_sides_understand_each_other() {
    let signer = PluginSigner::open(reference(), run).unwrap();
    assert_eq!(signer.public_key(), key(1).public_key());
    let signature = crate::key::sign_and_check(&signer, b"message").unwrap();
    let ask = |method| {
        let request = Request { key: "k/1".to_owned(), method };
        let reply = answer(&request, b"message", &key(1)).to_bytes();
        Reply::parse(&reply, &request.method)
    };
    let good = Some(Digest::of(b"message"));
    let verify = |digest| Method::VerifySignature { signature: signature.clone(), digest };
    assert_eq!(ask(verify(None)).unwrap(), Reply::Verified);
    assert_eq!(
        ask(Method::SignMessage { digest: good }).unwrap(),
        Reply::Signature(signature.clone())
    );
    let algorithm = "ecdsa-p256-sha256".to_owned();
    assert_eq!(ask(Method::DefaultAlgorithm).unwrap(), Reply::DefaultAlgorithm(algorithm.clone()));
    assert_eq!(
        ask(Method::SupportedAlgorithms).unwrap(),
        Reply::SupportedAlgorithms(vec![algorithm])
    );
    let other = Some(Digest::of(b"other"));
    for (method, expected) in [
        (Method::SignMessage { digest: other }, "not that of the message"),
        (verify(other), "not that of the message"),
        (Method::VerifySignature { signature: b"x".to_vec(), digest: None }, "is not the key's"),
        (Method::CreateKey { algorithm: String::new() }, "not made on the way"),
    ] {
        let error = ask(method).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn wrong_replies_are_refused() {
    let pem = |bytes: &[u8]| json!({"publicKey": {"publicKeyPEM": base64::encode(bytes)}});
    let signature = |text: &str| json!({"signMessage": {"signature": text}});
    let sign = Method::SignMessage { digest: None };
    for (summary, method, reply, expected) in [
        ("an error", &sign, json!({"errorMessage": "sealed"}), "says: sealed"),
        ("nothing", &sign, json!({}), "no signMessage"),
        ("another reply", &sign, pem(b"x"), "no signMessage"),
        ("not base64", &sign, signature("%"), "signature is malformed"),
        ("no signature", &sign, signature(""), "signature is malformed"),
        ("long", &sign, signature(&"A".repeat(4000)), "signature is malformed"),
        ("no key", &Method::PublicKey, pem(b"x"), "public key can't be used"),
        (
            "key not base64",
            &Method::PublicKey,
            json!({"publicKey": {"publicKeyPEM": "%"}}),
            "base64",
        ),
        ("no object", &Method::PublicKey, json!("x"), "can't be read"),
        (
            "algorithms",
            &Method::SupportedAlgorithms,
            json!({"supportedAlgorithms": {"supportedAlgorithms": 1}}),
            "can't be read",
        ),
    ] {
        let error = Reply::parse(reply.to_string().as_bytes(), method).unwrap_err().to_string();
        assert!(error.contains(expected), "{summary}: {error}");
    }
    assert!(Reply::parse(&vec![b' '; REPLY_BYTES_MAX + 1], &sign).is_err());
    assert!(Reply::parse(b"", &sign).is_err());
}

#[test]
fn a_plugin_that_fails_or_lies_is_noticed() {
    let missing =
        PluginSigner::open(reference(), |_: Call<'_>| Err(io::ErrorKind::NotFound.into()));
    let error = missing.unwrap_err().to_string();
    assert_eq!(error, "sigstore-kms-test can't be run");
    let liar = PluginSigner::open(reference(), |call: Call<'_>| {
        let request = Request::parse(call.arguments).unwrap();
        let signs = matches!(request.method, Method::SignMessage { .. });
        Ok(answer(&request, call.input, &key(if signs { 2 } else { 1 })).to_bytes())
    });
    let error = crate::key::sign_and_check(&liar.unwrap(), b"m").unwrap_err();
    assert!(matches!(error, SignError::DoesNotVerify { .. }));
}

#[test]
fn references() {
    let good = reference();
    assert_eq!((good.program().as_str(), good.id()), ("sigstore-kms-test", "k/1"));
    assert_eq!(good.to_string(), "test://k/1");
    let long = format!("a://{}", "x".repeat(1024));
    for text in [
        "", "k", "://k", "test://", "../x://k", "a/b://k", "A://k", "-a://k", "a b://k", "a://\0",
        &long,
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text:?}");
    }
}
