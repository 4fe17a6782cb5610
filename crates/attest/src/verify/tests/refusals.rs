// SPDX-License-Identifier: Apache-2.0
//! What proves nothing says why.

use hardpan_image::{Manifest, Raw, canonical_json, media_type};
use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::*;
use crate::key::{Signer as _, Standing};
use crate::signature::{
    BUNDLE_BYTES_MAX, Envelope, SimpleSigning, bundle_referrer, signature_referrer,
    signature_statement, statement_referrer,
};
use crate::verify::{FOUND_MAX, is_signed};
use crate::{Statement, Subject};

/// Puts another content in place of an artifact's layer, so that all digests fit.
fn with_content(found: &Found, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Found {
    let manifest: Raw<Manifest> = Raw::parse(found.manifest.clone()).unwrap();
    let mut manifest = manifest.value().clone();
    let layer = &mut manifest.layers[0];
    let content = change(found.blobs[&layer.digest].clone());
    (layer.digest, layer.size_bytes) = (Digest::of(&content), content.len() as u64);
    let mut blobs = found.blobs.clone();
    blobs.insert(layer.digest, content);
    Found { manifest: canonical_json(&manifest), blobs, listed: None, ..found.clone() }
}

fn with_json(found: &Found, change: impl FnOnce(&mut Value)) -> Found {
    with_content(found, |content| {
        let mut value = serde_json::from_slice(&content).unwrap();
        change(&mut value);
        canonical_json(&value)
    })
}

fn with_manifest(found: &Found, change: impl FnOnce(&mut Manifest)) -> Found {
    let manifest: Raw<Manifest> = Raw::parse(found.manifest.clone()).unwrap();
    let mut manifest = manifest.value().clone();
    change(&mut manifest);
    Found { manifest: canonical_json(&manifest), listed: None, ..found.clone() }
}

/// The refusal of a single piece, with its causes.
fn refusal(found: Found, keys: &Keyring) -> String {
    let evidence = check(&[found], keys);
    let [one] = &evidence[..] else { panic!("{}", lines(&evidence)) };
    assert!(!is_signed(&evidence));
    let error = one.outcome.as_ref().map(|accepted| panic!("{accepted:?}")).unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn assert_refused(cases: Vec<(&str, Found, &str)>, keys: &Keyring) {
    for (summary, found, expected) in cases {
        let text = refusal(found, keys);
        assert!(text.contains(expected), "{summary}: {text}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bundles() {
    let key = key(1);
    let good = bundle(&image_signature(&key));
    let envelope = |name: &'static str, value: Value| {
        with_json(&good, move |json| json["dsseEnvelope"][name] = value)
    };
    let other = Statement::new(
        vec![Subject::new(IDENTITY, Digest::of(b"other"))],
        crate::signature::SIGN_TYPE,
        &json!({}),
    );
    let other = SignedStatement::new(other.unwrap(), &key).unwrap();
    let about_nothing = json!({"_type": "x", "predicateType": "p", "subject": []});
    assert_refused(
        vec![
            ("payload", envelope("payload", json!("e30=")), "was altered"),
            ("payload type", envelope("payloadType", json!("text/plain")), "\"text/plain\""),
            ("signature", envelope("signatures", json!([{"sig": "MEUC"}])), "was altered"),
            ("no signature", envelope("signatures", json!([])), "0 signatures"),
            ("two", envelope("signatures", json!([{"sig": ""}, {"sig": ""}])), "2 signatures"),
            ("five", envelope("signatures", json!(vec![json!({"sig": ""}); 5])), "5 signatures"),
            ("not base64", envelope("payload", json!("%")), "payload is not base64"),
            ("another digest", bundle(&other), "about other images"),
            ("about nothing", raw_bundle(&about_nothing, &key), "what is signed is no statement"),
            (
                "truncated",
                with_content(&good, |bytes| bytes[..bytes.len() - 1].to_vec()),
                "not a Sigstore bundle",
            ),
            ("empty", with_content(&good, |_| Vec::new()), "not a Sigstore bundle"),
            ("null", with_content(&good, |_| b"null".to_vec()), "not a Sigstore bundle"),
            (
                "version",
                with_json(&good, |json| {
                    json["mediaType"] = json!("application/vnd.dev.sigstore.bundle.v0.4+json");
                }),
                "v0.4+json",
            ),
            (
                "no version",
                with_json(&good, |json| json["mediaType"] = Value::Null),
                "not a Sigstore bundle",
            ),
            (
                "no envelope",
                with_json(&good, |json| {
                    json.as_object_mut().unwrap().remove("dsseEnvelope");
                }),
                "signs a digest",
            ),
            (
                "both contents",
                with_json(&good, |json| json["messageSignature"] = json!({})),
                "signs a digest",
            ),
            (
                "certificate",
                with_json(&good, |json| {
                    json["verificationMaterial"] = json!({"certificate": {"rawBytes": ""}});
                }),
                "keyless",
            ),
            (
                "key and certificate",
                with_json(&good, |json| json["verificationMaterial"]["certificate"] = json!({})),
                "whether a key or a certificate",
            ),
            (
                "no material",
                with_json(&good, |json| json["verificationMaterial"] = json!({})),
                "whether a key or a certificate",
            ),
            (
                "another hint",
                with_json(
                    &with_json(&good, |json| json["dsseEnvelope"]["payload"] = json!("e30=")),
                    |json| json["verificationMaterial"]["publicKey"]["hint"] = json!("AAAA"),
                ),
                "it names \"AAAA\"",
            ),
        ],
        &keyring(&key),
    );
}

/// A signed envelope around anything.
fn raw_bundle(payload: &Value, key: &PrivateKey) -> Found {
    let payload = canonical_json(payload);
    let envelope = Envelope { payload, signatures: Vec::new() };
    let signature = key.sign(&envelope.message()).unwrap();
    with_json(&bundle(&image_signature(key)), |json| {
        json["dsseEnvelope"]["payload"] = json!(crate::key::base64::encode(&envelope.payload));
        json["dsseEnvelope"]["signatures"] =
            json!([{"sig": crate::key::base64::encode(&signature)}]);
    })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn manifests() {
    let key = key(1);
    let good = bundle(&signed(SLSA, &key));
    let set = |change: fn(&mut Manifest)| with_manifest(&good, change);
    let listed = |change: fn(&mut Descriptor)| {
        let mut found = good.clone();
        found.listed.as_mut().map(change).unwrap();
        found
    };
    assert_refused(
        vec![
            (
                "subject",
                set(|it| it.subject.as_mut().unwrap().digest = Digest::of(b"x")),
                "it refers to",
            ),
            (
                "subject's size",
                set(|it| it.subject.as_mut().unwrap().size_bytes = 6),
                "has 6 bytes; it has 5",
            ),
            ("no subject", set(|it| it.subject = None), "refers to nothing"),
            (
                "artifact type",
                set(|it| it.artifact_type = Some("text/plain".into())),
                "calls itself \"text/plain\"",
            ),
            ("no artifact type", set(|it| it.artifact_type = None), "empty.v1+json\", but holds"),
            (
                "claims to be a bundle",
                set(|it| it.layers[0].media_type = "text/plain".into()),
                "neither a signature",
            ),
            ("no layer", set(|it| it.layers.clear()), "neither a signature"),
            ("two layers", set(|it| it.layers.push(it.layers[0].clone())), "2 layers"),
            (
                "predicate type",
                set(|it| {
                    it.annotations.insert("in-toto.io/predicate-type".into(), SPDX.into());
                }),
                "announces a statement",
            ),
            (
                "bundle's predicate type",
                set(|it| {
                    it.annotations.insert("dev.sigstore.bundle.predicateType".into(), SPDX.into());
                }),
                "announces a statement",
            ),
            (
                "layer's predicate type",
                set(|it| {
                    it.layers[0].annotations.insert("predicateType".into(), SPDX.into());
                }),
                "announces a statement",
            ),
            ("layer's size", set(|it| it.layers[0].size_bytes += 1), "its manifest says"),
            ("content is missing", set(|it| it.layers[0].digest = Digest::of(b"x")), "is missing"),
            ("schema", set(|it| it.schema_version = 1), "schemaVersion is 1"),
            ("an index", set(|it| it.media_type = Some(media_type::INDEX.into())), "mediaType is"),
            (
                "no JSON",
                Found { manifest: b"{".to_vec(), listed: None, ..good.clone() },
                "malformed",
            ),
            (
                "list's digest",
                listed(|it| it.digest = Digest::of(b"x")),
                "the list of referrers named",
            ),
            (
                "list's artifact type",
                listed(|it| it.artifact_type = Some("text/plain".into())),
                "calls itself \"text/plain\"",
            ),
            (
                "list's predicate type",
                listed(|it| {
                    it.annotations.insert("in-toto.io/predicate-type".into(), SPDX.into());
                }),
                "announces a statement",
            ),
        ],
        &keyring(&key),
    );
    let mut altered = good.clone();
    altered.blobs.values_mut().last().unwrap()[20] ^= 1;
    assert!(refusal(altered, &keyring(&key)).contains("which its manifest names"));
    let large = with_content(&good, |_| vec![b' '; BUNDLE_BYTES_MAX + 1]);
    assert!(refusal(large, &keyring(&key)).contains("more than"));
}

#[test]
fn keys() {
    let (key, other) = (key(1), key(2));
    let found = bundle(&image_signature(&key));
    let standing = |standing: Standing| {
        let mut keys = keyring(&key);
        assert!(keys.set_standing(key.public_key().id(), standing));
        keys
    };
    let time = |text: &str| Some(text.parse().unwrap());
    for (summary, keys, expected) in [
        ("none", Keyring::default(), "there is no trusted key"),
        ("another", keyring(&other), "either another key signed it"),
        (
            "revoked",
            standing(Standing { revoked: Some("lost".into()), ..Standing::default() }),
            "revoked: lost",
        ),
        (
            "expired",
            standing(Standing { not_after: time("2026-11-26T11:59:59Z"), ..Standing::default() }),
            "until 2026",
        ),
        (
            "not yet",
            standing(Standing { not_before: time("2026-11-26T12:00:01Z"), ..Standing::default() }),
            "only from",
        ),
    ] {
        let text = refusal(found.clone(), &keys);
        assert!(text.contains(expected), "{summary}: {text}");
    }
    let good =
        standing(Standing { not_before: Some(now()), not_after: Some(now()), revoked: None });
    assert!(is_signed(&check(&[found], &good)));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn cosign_s_tags() {
    let key = key(1);
    let all = found(&artifacts(&key, &image(), options(Format::Legacy, false)));
    let [signature, attestations] = &all[..] else { panic!("{}", all.len()) };
    let annotate = |name: &'static str, value: &'static str| {
        with_manifest(signature, move |it| {
            it.layers[0].annotations.insert(name.into(), value.into());
        })
    };
    let text = "dev.cosignproject.cosign/signature";
    let payload = |change: fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(
            &SimpleSigning { identity: IDENTITY.into(), digest: image().digest }.to_bytes(),
        )
        .unwrap();
        change(&mut value);
        let bytes = canonical_json(&value);
        let made = crate::key::base64::encode(&key.sign(&bytes).unwrap());
        let found = with_content(signature, |_| bytes);
        with_manifest(&found, |it| {
            it.layers[0].annotations.insert(text.into(), made);
        })
    };
    assert_refused(
        vec![
            ("payload", with_json(signature, |it| it["optional"] = json!({})), "no trusted key"),
            ("signature", annotate(text, "MEUC"), "no trusted key"),
            ("not base64", annotate(text, "%"), "no signature in base64"),
            (
                "no signature",
                with_manifest(signature, |it| it.layers[0].annotations.clear()),
                "no signature in base64",
            ),
            (
                "another image",
                payload(|it| {
                    it["critical"]["image"]["docker-manifest-digest"] = json!(Digest::of(b"x"));
                }),
                "about other images",
            ),
            (
                "another purpose",
                payload(|it| it["critical"]["type"] = json!("atomic")),
                "\"atomic\"",
            ),
            (
                "unknown and critical",
                payload(|it| it["critical"]["more"] = json!(1)),
                "payload can't be read",
            ),
            (
                "no digest",
                payload(|it| it["critical"]["image"] = json!({})),
                "payload can't be read",
            ),
            (
                "a certificate",
                with_json(&annotate("dev.sigstore.cosign/certificate", "x"), |it| {
                    it["optional"] = json!({});
                }),
                "keyless",
            ),
            (
                "refers elsewhere",
                with_manifest(signature, |it| it.subject = Some(platform())),
                "it refers to",
            ),
        ],
        &keyring(&key),
    );
    // An attestation's tag has two layers: what is wrong with one does not touch the other.
    let broken = with_json(attestations, |it| it["payload"] = json!("e30="));
    let evidence = check(&[broken], &keyring(&key));
    insta::assert_snapshot!(lines(&evidence), @r#"
    cosign's tag, attestation of cosign 2: refused: no trusted key verifies it; either another key signed it, or it was altered
    cosign's tag, attestation of cosign 2: https://spdx.dev/Document by 1.pub
    "#);
    let broken = with_manifest(attestations, |it| {
        it.layers[0].annotations.insert("predicateType".into(), SPDX.into());
        it.layers[1].media_type = "text/plain".into();
    });
    let evidence = check(&[broken], &keyring(&key));
    insta::assert_snapshot!(lines(&evidence), @r#"
    cosign's tag, attestation of cosign 2: refused: it announces a statement of the type "https://spdx.dev/Document", but holds one of "https://slsa.dev/provenance/v1"
    cosign's tag, attestation of cosign 2: refused: a layer is "text/plain" among those of the kind "application/vnd.dsse.envelope.v1+json"
    "#);
}

/// Cosign 3 takes any bundle by the key for a signature of the image. We don't.
#[test]
fn attestations_are_no_signature() {
    let key = key(1);
    let statements = [signed(SLSA, &key), signed(SPDX, &key)];
    for format in [Format::Both, Format::Bundle, Format::Legacy] {
        let artifacts =
            attach(&target(&image()), &key, None, &statements, options(format, true)).unwrap();
        let evidence = check(&found(&artifacts), &keyring(&key));
        assert!(evidence.iter().all(|one| one.outcome.is_ok()), "{}", lines(&evidence));
        assert!(!is_signed(&evidence), "{format:?}");
    }
    // Nor does the statement of a signature count in the tag of attestations, where cosign would not look.
    let signature = image_signature(&key);
    let tag = crate::signature::attestations_manifest(&image().digest, &[signature], None).unwrap();
    let evidence = check(&[Found::of(&tag)], &keyring(&key));
    assert!(evidence[0].outcome.is_ok() && !is_signed(&evidence));
}

#[test]
fn signatures_of_another_image_or_of_an_attestation() {
    let key = key(1);
    let of_platform = found(&artifacts(&key, &platform(), options(Format::Bundle, true)));
    for found in of_platform {
        assert!(check(&[found], &keyring(&key)).iter().all(|one| one.outcome.is_err()));
    }
    // The signature of an attestation's manifest says nothing of the image, even if it refers to it.
    let attestation = statement_referrer(&statement(SLSA), &image());
    let payload =
        SimpleSigning { identity: IDENTITY.into(), digest: attestation.manifest.digest() };
    let moved = signature_referrer(&payload.sign(&key).unwrap(), &image());
    assert!(refusal(Found::of(&moved), &keyring(&key)).contains("about other images"));
}

#[test]
fn statements_that_nobody_signed() {
    let (key, other) = (key(1), key(2));
    let statement = statement_referrer(&statement(SLSA), &image());
    let manifest = statement.descriptor();
    let signature = |by: &PrivateKey, digest| {
        let payload = SimpleSigning { identity: IDENTITY.into(), digest };
        signature_referrer(&payload.sign(by).unwrap(), &manifest)
    };
    let attested = |by| {
        let subject = vec![Subject::new("", manifest.digest)];
        let about = Statement::new(subject, SPDX, &json!({})).unwrap();
        bundle_referrer(&SignedStatement::new(about, by).unwrap(), &manifest)
    };
    for (summary, more, expected) in [
        ("nobody", vec![], "(0 signatures"),
        ("another key", vec![signature(&other, manifest.digest)], "(1 signatures"),
        ("over the image", vec![signature(&key, image().digest)], "(1 signatures"),
        ("an attestation about it", vec![attested(&key)], "(1 signatures"),
    ] {
        let artifacts: Vec<Artifact> = [vec![statement.clone()], more].concat();
        let evidence = check(&found(&artifacts), &keyring(&key));
        let text = lines(&evidence);
        assert!(evidence.len() == 1 && text.contains(expected), "{summary}: {text}");
    }
    // A bundle that is a signature is as good as cosign's older one.
    let by_bundle =
        SignedStatement::new(signature_statement(vec![Subject::new("", manifest.digest)]), &key);
    let by_bundle = bundle_referrer(&by_bundle.unwrap(), &manifest);
    for good in [by_bundle, signature(&key, manifest.digest)] {
        let evidence = check(&found(&[good, statement.clone()]), &keyring(&key));
        assert!(evidence.len() == 1 && evidence[0].outcome.is_ok(), "{}", lines(&evidence));
    }
    // A signed manifest with a statement about something else.
    let mut about_other = crate::fixtures::statement(SLSA);
    about_other.subject.truncate(1);
    about_other.subject[0] = Subject::new("", Digest::of(b"x"));
    let statement = statement_referrer(&about_other, &image());
    let payload = SimpleSigning { identity: IDENTITY.into(), digest: statement.manifest.digest() };
    let signature = signature_referrer(&payload.sign(&key).unwrap(), &statement.descriptor());
    let text = lines(&check(&found(&[statement, signature]), &keyring(&key)));
    assert!(text.contains("about other images"), "{text}");
}

#[test]
fn too_many() {
    let key = key(1);
    let bad = Found { manifest: Vec::new(), ..bundle(&image_signature(&key)) };
    let mut all = vec![bad; FOUND_MAX];
    all.push(bundle(&image_signature(&key)));
    let evidence = check(&all, &keyring(&key));
    assert_eq!(evidence.len(), FOUND_MAX + 1);
    assert!(!is_signed(&evidence));
    assert!(lines(&evidence[FOUND_MAX..]).contains("more than 1000 manifests"));
}

#[test]
fn too_much() {
    let key = key(1);
    let one = bundle(&image_signature(&key));
    let bytes = one.blobs.values().map(Vec::len).max().unwrap();
    let all = [one.clone(), one];
    let evidence = crate::verify::verify_within(bytes, &image(), &all, &keyring(&key), &now());
    assert!(evidence[0].is_signature());
    assert!(lines(&evidence[1..]).contains("the rest is not looked at"));
}

#[test]
fn signatures_of_a_manifest_are_not_tried_without_end() {
    let (key, other) = (key(1), key(2));
    let statement = statement_referrer(&statement(SLSA), &image());
    let signature = |by: &PrivateKey, identity: String| {
        let payload = SimpleSigning { identity, digest: statement.manifest.digest() };
        signature_referrer(&payload.sign(by).unwrap(), &statement.descriptor())
    };
    let mut all = vec![statement.clone()];
    all.extend((0..16).map(|number| signature(&other, number.to_string())));
    all.push(signature(&key, IDENTITY.to_owned()));
    let text = lines(&check(&found(&all), &keyring(&key)));
    assert!(text.contains("(16 signatures"), "{text}");
    all.remove(1);
    assert!(check(&found(&all), &keyring(&key))[0].outcome.is_ok());
}
