// SPDX-License-Identifier: Apache-2.0
//! Bundles: ours for cosign, cosign's for us.

use std::collections::BTreeMap;

use hardpan_attest::key::{Keyring, Signer as _, UtcTime};
use hardpan_attest::signature::{
    BUNDLE_TYPE, Bundle, SIGN_TYPE, SignedStatement, bundle_referrer, signature_statement,
};
use hardpan_attest::verify::{Found, Source, is_signed, verify};
use hardpan_attest::{Statement, Subject};
use hardpan_image::{Descriptor, Manifest, Raw, media_type};
use hardpan_tree::Digest;
use serde_json::json;

use crate::{Clients, Cosign, attempt, clients, key, run, signing_config};

const SLSA: &str = "https://slsa.dev/provenance/v1";
/// What stands in for an image's manifest: cosign takes a file for it.
const IMAGE: &[u8] = br#"{"schemaVersion":2}"#;

/// All images of an index; the one that is looked for is not the first.
fn subjects() -> Vec<Subject> {
    [b"another".as_slice(), IMAGE]
        .map(|of| Subject::new("registry.example/a", Digest::of(of)))
        .into()
}

fn provenance(key: &hardpan_attest::key::PrivateKey) -> SignedStatement {
    // Fields as hardpan writes them, so that what cosign may dislike in them shows.
    let predicate = json!({
        "buildDefinition": {"buildType": "https://hardpan.example/v1", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://hardpan.example"}, "metadata": {"invocationId": "1"}},
    });
    SignedStatement::new(Statement::new(subjects(), SLSA, &predicate).unwrap(), key).unwrap()
}

/// Has cosign verify a bundle, with no network.
fn cosign_verifies(
    clients: &Clients,
    which: Cosign,
    [bundle, key, predicate_type, file]: [&str; 4],
) -> Result<(), String> {
    let mut arguments = vec!["verify-blob-attestation", "--bundle", bundle, "--key", key];
    arguments.extend(["--type", predicate_type, "--insecure-ignore-tlog"]);
    if which == Cosign::Two {
        clients.write(
            "root.json",
            br#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#,
        );
        arguments.extend([
            "--new-bundle-format",
            "--trusted-root",
            "root.json",
            "--private-infrastructure",
        ]);
    }
    arguments.push(file);
    attempt(clients.cosign(which, &arguments)).map(drop)
}

#[test]
fn cosign_verifies_our_bundles() {
    let clients = clients!();
    let (key, _) = (key(&clients, "ours", 1), key(&clients, "other", 2));
    clients.write("image", IMAGE);
    clients.write("another", b"another");
    clients.write("third", b"third");
    clients.write("slsa.json", &provenance(&key).to_bundle());
    let signature = SignedStatement::new(signature_statement(subjects()), &key).unwrap();
    clients.write("sign.json", &signature.to_bundle());
    for which in Cosign::BOTH {
        for (bundle, key, predicate_type, file, is_good) in [
            ("slsa.json", "ours.pub", SLSA, "image", true),
            ("slsa.json", "ours.pub", "slsaprovenance1", "another", true),
            ("sign.json", "ours.pub", SIGN_TYPE, "image", true),
            ("slsa.json", "other.pub", SLSA, "image", false),
            ("slsa.json", "ours.pub", SLSA, "third", false),
            // Of a bundle, cosign 2 does not look at the type.
            ("slsa.json", "ours.pub", "spdxjson", "image", which == Cosign::Two),
        ] {
            let outcome = cosign_verifies(&clients, which, [bundle, key, predicate_type, file]);
            assert_eq!(outcome.is_ok(), is_good, "{which:?} {bundle} {key} {file}: {outcome:?}");
        }
    }
}

#[test]
fn cosign_and_we_refuse_altered_bundles() {
    let clients = clients!();
    let key = key(&clients, "ours", 1);
    clients.write("image", IMAGE);
    let bundle = provenance(&key).to_bundle();
    let good: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
    let payload = good["dsseEnvelope"]["payload"].as_str().unwrap();
    let signature = good["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
    let mut altered: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
    let mut alter = |what, change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        change(&mut value);
        altered.insert(what, value);
    };
    // A letter in the middle, which no padding is near.
    let swap = |text: &str| {
        let at = text.len() / 2;
        let letter = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{letter}{}", &text[..at], &text[at + 1..])
    };
    alter("payload", &|it| it["dsseEnvelope"]["payload"] = json!(swap(payload)));
    alter("signature", &|it| it["dsseEnvelope"]["signatures"][0]["sig"] = json!(swap(signature)));
    alter("type", &|it| it["dsseEnvelope"]["payloadType"] = json!("text/plain"));
    alter("none", &|it| it["dsseEnvelope"]["signatures"] = json!([]));
    alter("two", &|it| {
        it["dsseEnvelope"]["signatures"] = json!([{"sig": signature}, {"sig": signature}]);
    });
    for (what, value) in altered {
        let text = value.to_string();
        clients.write("altered.json", text.as_bytes());
        for which in Cosign::BOTH {
            let outcome =
                cosign_verifies(&clients, which, ["altered.json", "ours.pub", SLSA, "image"]);
            assert!(outcome.is_err(), "{which:?} {what}");
        }
        assert_refused(&key, text.into_bytes());
    }
    clients.write("altered.json", &bundle[..bundle.len() - 1]);
    for which in Cosign::BOTH {
        let outcome = cosign_verifies(&clients, which, ["altered.json", "ours.pub", SLSA, "image"]);
        assert!(outcome.is_err(), "{which:?}");
    }
    assert_refused(&key, bundle[..bundle.len() - 1].to_vec());
}

fn image() -> Descriptor {
    Descriptor::new(media_type::MANIFEST, Digest::of(IMAGE), IMAGE.len() as u64)
}

/// A bundle in a manifest that refers to the image.
fn found(key: &hardpan_attest::key::PrivateKey, bundle: Vec<u8>) -> Found {
    let ours = bundle_referrer(&provenance(key), &image());
    let mut manifest: Manifest = ours.manifest.value().clone();
    manifest.annotations.clear();
    manifest.layers = vec![Descriptor::new(BUNDLE_TYPE, Digest::of(&bundle), bundle.len() as u64)];
    let blobs = BTreeMap::from([(Digest::of(&bundle), bundle)]);
    let manifest = Raw::new(manifest).bytes().to_vec();
    Found { source: Source::ReferrersApi, listed: None, manifest, blobs }
}

fn now() -> UtcTime {
    UtcTime::of_seconds(1_800_000_000)
}

fn assert_refused(key: &hardpan_attest::key::PrivateKey, bundle: Vec<u8>) {
    let keys = Keyring::of("ours", key.public_key().clone());
    let evidence = verify(&image(), &[found(key, bundle)], &keys, &now());
    assert!(matches!(&evidence[..], [one] if one.outcome.is_err()), "{evidence:?}");
}

#[test]
fn we_verify_cosign_s_bundles() {
    let clients = clients!();
    let (key, other) = (key(&clients, "ours", 1), key(&clients, "other", 2));
    let config = signing_config(&clients);
    clients.write("image", IMAGE);
    clients.write("predicate.json", br#"{"a":1}"#);
    for which in Cosign::BOTH {
        let mut arguments = vec!["attest-blob", "--yes", "--key", "ours.key"];
        arguments.extend(["--predicate", "predicate.json", "--type", "https://a.example/v1"]);
        arguments.extend(["--bundle", "theirs.json"]);
        match which {
            Cosign::Two => arguments.extend(["--tlog-upload=false", "--new-bundle-format"]),
            Cosign::Three => arguments.extend(["--signing-config", config]),
        }
        arguments.push("image");
        run(clients.cosign(which, &arguments));
        let bundle = clients.read("theirs.json");
        Bundle::parse(&bundle).unwrap();
        let check = |key: &hardpan_attest::key::PrivateKey| {
            let keys = Keyring::of("ours", key.public_key().clone());
            verify(&image(), &[found(key, bundle.clone())], &keys, &now())
        };
        let evidence = check(&key);
        let statement =
            evidence[0].statement().unwrap_or_else(|| panic!("{which:?}: {evidence:?}"));
        assert_eq!(statement.predicate_type, "https://a.example/v1");
        assert_eq!(statement.predicate, json!({"a": 1}));
        assert!(!is_signed(&evidence), "an attestation is no signature");
        assert!(check(&other)[0].outcome.is_err());
        assert_refused(&key, bundle[..bundle.len() - 1].to_vec());
    }
}
