// SPDX-License-Identifier: Apache-2.0
//! One key file for both.

use hardpan_attest::key::{PrivateKey, PublicKey, Signer as _};

use crate::{Cosign, PASSWORD, attempt, clients, key, run, signing_config};

/// The signature in base64 that a command printed or wrote.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap()
}

#[test]
fn cosign_signs_with_our_key() {
    let clients = clients!();
    let key = key(&clients, "ours", 1);
    let config = signing_config(&clients);
    clients.write("message", b"message");
    for which in Cosign::BOTH {
        let pem = run(clients.cosign(which, &["public-key", "--key", "ours.key"]));
        assert_eq!(PublicKey::parse_pem(&pem).unwrap(), *key.public_key(), "{which:?}");
        let mut wrong = clients.cosign(which, &["public-key", "--key", "ours.key"]);
        wrong.env("COSIGN_PASSWORD", "wrong");
        assert!(attempt(wrong).is_err(), "{which:?}");
    }
    let sign = ["sign-blob", "--yes", "--key", "ours.key", "message"];
    let two = run(clients.cosign(Cosign::Two, &[&sign[..], &["--tlog-upload=false"]].concat()));
    let two = decode(&String::from_utf8(two).unwrap());
    key.public_key().verify(b"message", &two).unwrap();
    let options = ["--signing-config", config, "--bundle", "message.json"];
    run(clients.cosign(Cosign::Three, &[&sign[..], &options].concat()));
    let bundle: serde_json::Value = serde_json::from_slice(&clients.read("message.json")).unwrap();
    let three = decode(bundle["messageSignature"]["signature"].as_str().unwrap());
    key.public_key().verify(b"message", &three).unwrap();
    assert!(key.public_key().verify(b"massage", &three).is_err());
}

#[test]
fn we_sign_with_cosign_s_key() {
    let clients = clients!();
    clients.write("message", b"message");
    for which in Cosign::BOTH {
        for file in ["cosign.key", "cosign.pub"] {
            let _ = std::fs::remove_file(clients.path(file));
        }
        run(clients.cosign(which, &["generate-key-pair"]));
        let pem = clients.read("cosign.key");
        let key = PrivateKey::parse(&pem, Some(PASSWORD.as_bytes())).unwrap();
        assert!(PrivateKey::parse(&pem, Some(b"wrong")).is_err());
        assert_eq!(clients.read("cosign.pub"), key.public_key().to_pem().as_bytes());
        let signature = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(key.sign(b"message").unwrap())
        };
        clients.write("message.sig", signature.as_bytes());
        let verify = ["verify-blob", "--key", "cosign.pub", "--signature", "message.sig"];
        let ignore = "--insecure-ignore-tlog";
        // This form of a signature, without a bundle, is what only version 2 still takes.
        run(clients.cosign(Cosign::Two, &[&verify[..], &[ignore, "message"]].concat()));
        clients.write("other", b"other");
        let other = clients.cosign(Cosign::Two, &[&verify[..], &[ignore, "other"]].concat());
        assert!(attempt(other).is_err(), "{which:?}");
    }
}
